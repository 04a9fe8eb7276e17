"""The plain C headers stand alone and compile without a warning."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

CSRC = Path(__file__).resolve().parents[2] / "_speedups" / "csrc"
HEADERS = sorted(CSRC.glob("*.h"))
COMPILERS = [name for name in ("gcc", "clang") if shutil.which(name)]


@pytest.mark.skipif(not COMPILERS, reason="no C compiler")
@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("header", HEADERS, ids=lambda path: path.name)
def test_header_compiles_alone_without_warnings(
    header: Path, compiler: str, tmp_path: Path
) -> None:
    source = tmp_path / "alone.c"
    source.write_text(
        f'#include "{header.name}"\n#include "{header.name}"\nint main(void) {{ return 0; }}\n'
    )
    done = subprocess.run(
        [
            compiler,
            *("-std=c11", "-O2", "-Wall", "-Wextra", "-Wconversion", "-Werror"),
            *("-Wno-unused-function", f"-I{CSRC}", "-D_POSIX_C_SOURCE=200809L"),
            *("-c", str(source), "-o", str(tmp_path / "alone.o")),
        ],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert "Python.h" not in header.read_text()
