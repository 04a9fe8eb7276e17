"""Build configuration; everything that is not about compiling is in pyproject.toml.

Switches, all read from the environment:

CONNECTORS_BUILD_DEBUG=1     bounds checks and assertions on, -O1 -g
CONNECTORS_BUILD_SANITIZE=1  the debug build with AddressSanitizer and UBSan
CONNECTORS_BUILD_TRACE=1     line tracing for coverage of the .pyx files
CONNECTORS_BUILD_ANNOTATE=1  write Cython's HTML annotation next to the generated C
CONNECTORS_BUILD_NATIVE=1    -march=native: faster here, may not start on another machine
CONNECTORS_BUILD_QUICK=1     -O0: compiles in a third of the time, to see whether it works at all
CONNECTORS_BUILD_ONLY=a,b    compile just these modules (while working on one of them)
"""

import os
import shutil
import sys
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, find_packages, setup

ROOT = Path(__file__).resolve().parent
os.chdir(ROOT)


def switch(name: str) -> bool:
    return os.environ.get(f"CONNECTORS_BUILD_{name}") == "1"


TRACE = switch("TRACE")
SANITIZE = switch("SANITIZE")
DEBUG = SANITIZE or switch("DEBUG")
ONLY = {name for name in os.environ.get("CONNECTORS_BUILD_ONLY", "").split(",") if name}

# -g0 and -DNDEBUG override CPython's own flags, which otherwise leak into wheels.
cflags = ["-O1", "-g", "-UNDEBUG"] if DEBUG else ["-O3", "-g0", "-DNDEBUG"]
if switch("QUICK"):
    cflags.append("-O0")
cflags += ["-std=c11", "-fno-strict-aliasing"]
lflags: list[str] = []
if SANITIZE:
    sanitizers = [
        "-fsanitize=address,undefined",
        "-fno-sanitize-recover=undefined",
        "-fno-omit-frame-pointer",
    ]
    cflags += sanitizers
    lflags += sanitizers
if switch("NATIVE"):
    cflags.append("-march=native")

# Compilers run side by side. Translating does so only where a process can simply be forked.
CORES = os.cpu_count() or 1

macros: list[tuple[str, str | None]] = []
if TRACE:
    macros = [
        ("CYTHON_TRACE", "1"),
        ("CYTHON_TRACE_NOGIL", "1"),
        ("CYTHON_USE_SYS_MONITORING", "0"),
    ]


def show_under_import_name() -> str:
    """Give Cython a tree in which _speedups stands at connectors/_speedups.

    Cython finds a .pxd by module name, not by file location, so the mapped
    package of `package_dir` is invisible to `cimport` without this.
    """
    root = ROOT / "build" / "cython-path"
    package = root / "connectors"
    shutil.rmtree(root, ignore_errors=True)
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    try:
        (package / "_speedups").symlink_to(ROOT / "_speedups", target_is_directory=True)
    except OSError:  # no right to make links (Windows)
        shutil.copytree(ROOT / "_speedups", package / "_speedups")
    return str(root)


def extensions() -> list[Extension]:
    """Return one extension for each .pyx in _speedups; csrc/ holds headers and plain C."""
    return [
        Extension(
            f"connectors._speedups.{path.stem}",
            [f"_speedups/{path.name}"],
            include_dirs=["_speedups/csrc"],
            depends=[str(header) for header in Path("_speedups/csrc").rglob("*.h")],
            define_macros=macros,
            extra_compile_args=cflags,
            extra_link_args=lflags,
        )
        for path in sorted(Path("_speedups").glob("*.pyx"))
        if not ONLY or path.stem in ONLY
    ]


setup(
    packages=[*find_packages(include=["connectors", "connectors.*"]), "connectors._speedups"],
    package_dir={"connectors._speedups": "_speedups"},
    package_data={
        "connectors": ["py.typed"],
        "connectors._speedups": ["*.pyi", "*.pxd", "csrc/*.h", "csrc/*/*.h"],
    },
    include_package_data=False,
    options={"build_ext": {"parallel": CORES}},
    ext_modules=cythonize(
        extensions(),
        include_path=[show_under_import_name()],
        # Coverage maps lines only when the generated C lies beside its .pyx.
        build_dir=None if TRACE else "build/cython",
        annotate=switch("ANNOTATE"),
        nthreads=CORES if sys.platform == "linux" else 0,
        compiler_directives={
            "language_level": 3,
            "embedsignature": True,
            "linetrace": TRACE,
            "boundscheck": DEBUG,
            "wraparound": DEBUG,
            "initializedcheck": DEBUG,
            "nonecheck": DEBUG,
            "cdivision": True,
        },
    ),
)
