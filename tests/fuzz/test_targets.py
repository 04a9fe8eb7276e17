"""The C headers by themselves: strict compilers, and the fuzz targets on their first corpus.

The coverage-guided runs are `make fuzz` (tests/fuzz/run.sh); here every seed, every start of it and
many one-byte changes go through the same targets, under the sanitizers where there are any.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
HEADERS = HERE.parents[1] / "_speedups" / "csrc"
TARGETS = ["scan", "decimal", "levels", "binance", "lighter", "utf8", "book", "lighter_tx"]
TARGETS += ["lighter_hash", "lighter_curve", "hyperliquid", "hyperliquid_frames", "dydx", "ibkr"]
SLOW_TARGETS = ["lighter_schnorr"]
COMPILERS = [cc for cc in ("gcc", "clang") if shutil.which(cc)] or [
    cc for cc in ("cc",) if shutil.which(cc)
]
STRICT = ["-std=c11", "-Wall", "-Wextra", "-Wconversion", "-Werror"]
SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
ALONE = sorted(path.relative_to(HEADERS).as_posix() for path in HEADERS.rglob("*.h"))
# Without this, the compiler does not know the byte order and takes the portable code.
PORTABLE = ["-DPORTABLE", "-U__BYTE_ORDER__"]
ENVIRONMENT = {key: value for key, value in os.environ.items() if key != "LD_PRELOAD"}

pytestmark = [
    pytest.mark.skipif(not COMPILERS, reason="no C compiler"),
    pytest.mark.skipif(not HEADERS.is_dir(), reason="the headers are not beside the tests"),
]


def compile_c(cc: str, *arguments: str | Path) -> None:
    done = subprocess.run(
        [cc, *map(str, arguments)], capture_output=True, text=True, timeout=400, env=ENVIRONMENT
    )
    assert done.returncode == 0, done.stderr


def sanitizers(cc: str, folder: Path) -> list[str]:
    """Return the flags, or none where the compiler lacks the runtime."""
    probe = folder / "probe.c"
    probe.write_text("int main(void) { return 0; }\n")
    try:
        compile_c(cc, *SANITIZERS, probe, "-o", folder / "probe")
    except AssertionError:
        return []
    return SANITIZERS


@pytest.mark.parametrize("order", ["little", "unknown"])
@pytest.mark.parametrize("cc", COMPILERS)
@pytest.mark.parametrize("header", ALONE)
def test_a_header_compiles_alone_without_a_warning(tmp_path, header, cc, order):
    source = tmp_path / "alone.c"
    source.write_text(f'#include "{header}"\nint main(void) {{ return 0; }}\n')
    assert "Python.h" not in (HEADERS / header).read_text()
    portable = PORTABLE if order == "unknown" else []
    # Functions that nobody calls here are the point of a header. Python.h defines _GNU_SOURCE, and
    # stands before our headers in every module.
    flags = [*STRICT, "-Wno-unused-function", "-D_GNU_SOURCE", *portable, f"-I{HEADERS}"]
    compile_c(cc, *flags, "-O2", "-c", source, "-o", tmp_path / "alone.o")


@pytest.mark.parametrize(
    "target", [*TARGETS, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW_TARGETS)]
)
def test_a_target_on_its_seeds(tmp_path, target):
    cc = COMPILERS[0]
    flags = ["-std=c11", "-O1", "-g1", "-Wall", "-Wextra", "-Werror", f"-I{HEADERS}", f"-I{HERE}"]
    flags += sanitizers(cc, tmp_path)
    portable, program = tmp_path / "portable.o", tmp_path / target
    compile_c(cc, *flags, *PORTABLE, "-c", HERE / f"{target}.c", "-o", portable)
    compile_c(cc, *flags, HERE / f"{target}.c", HERE / "replay.c", portable, "-o", program)
    spec = importlib.util.spec_from_file_location("fuzz_seeds", HERE / "seeds.py")
    assert spec is not None
    assert spec.loader is not None
    seeds = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(seeds)
    seeds.write(tmp_path / "seeds")
    # Changing every byte of the longest ones would take minutes and show nothing new.
    files = [path for path in (tmp_path / "seeds" / target).iterdir() if path.stat().st_size < 400]
    assert len(files) >= 5
    done = subprocess.run(
        [program, *files], capture_output=True, text=True, timeout=400, env=ENVIRONMENT
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert int(done.stdout.split()[0]) > 100


@pytest.mark.skipif(sys.platform == "win32", reason="a shell script")
def test_run_says_so_without_clang(tmp_path):
    script = HERE / "run.sh"
    done = subprocess.run(
        ["sh", str(script), "1"],
        capture_output=True,
        text=True,
        timeout=60,
        env=ENVIRONMENT | {"CLANG": str(tmp_path / "no-such-compiler")},
    )
    assert done.returncode == 77
    assert "skipped" in done.stderr
