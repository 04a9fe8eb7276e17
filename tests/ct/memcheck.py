"""Valgrind watches a C program of ours: no branch and no address depends on a secret.

The program marks what is secret as undefined; it is built with the flags the package is built with.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

__all__ = ["COMPILERS", "NEEDED", "assert_leaks", "build", "leaking", "watch"]

HERE = Path(__file__).resolve().parent
HEADERS = HERE.parents[1] / "_speedups" / "csrc"
COMPILERS = [cc for cc in ("gcc", "clang") if shutil.which(cc)]
# As in setup.py, and -fwrapv as CPython itself is built and adds it.
SHIPPED = ["-fwrapv", "-O3", "-g0", "-DNDEBUG", "-std=c11", "-fno-strict-aliasing"]
LEAK = 99
# The preloaded library of a sanitizer build knows nothing of Valgrind.
ENVIRONMENT = {key: value for key, value in os.environ.items() if key != "LD_PRELOAD"}

NEEDED = [
    pytest.mark.skipif(not COMPILERS, reason="no C compiler"),
    pytest.mark.skipif(not HEADERS.is_dir(), reason="the headers are not beside the tests"),
    pytest.mark.skipif(not shutil.which("valgrind"), reason="valgrind is not installed"),
]


def build(folder: Path, source: str, cc: str, *flags: str, headers: Path = HEADERS) -> Path:
    """Build a program of this folder; skip the test where Valgrind's headers are missing."""
    program = folder / Path(source).stem
    command = [cc, *SHIPPED, "-g1", "-fPIC", "-Wno-unused-function", f"-I{headers}"]
    done = subprocess.run(
        [*command, str(HERE / source), "-o", str(program), *flags],
        capture_output=True,
        text=True,
        timeout=400,
        env=ENVIRONMENT,
    )
    if "valgrind/memcheck.h" in done.stderr:
        pytest.skip("Valgrind's headers are not installed")
    assert done.returncode == 0, done.stderr
    return program


def watch(
    program: Path, *arguments: str, first_only: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run a program below Valgrind; it exits with `LEAK` where something depends on a secret."""
    options = ["-q", f"--error-exitcode={LEAK}"]
    if first_only:
        options.append("--exit-on-first-error=yes")
    return subprocess.run(
        ["valgrind", *options, str(program), *arguments],
        capture_output=True,
        text=True,
        timeout=550,
        env=ENVIRONMENT,
    )


def leaking(folder: Path, header: str, old: str, new: str) -> Path:
    """Return a copy of the headers in which one place leaks."""
    copy = folder / "csrc"
    shutil.copytree(HEADERS, copy)
    path = copy / header
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), encoding="utf-8")
    return copy


def assert_leaks(done: subprocess.CompletedProcess[str]) -> None:
    """The leak was found, and not something else."""
    assert done.returncode == LEAK, done.stderr
    assert "uninitialised" in done.stderr
