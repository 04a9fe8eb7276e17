"""Reading a key and drawing k branch on no secret: Valgrind watches, as in its neighbour."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
HEADERS = HERE.parents[1] / "_speedups" / "csrc"
COMPILERS = [cc for cc in ("gcc", "clang") if shutil.which(cc)]
SHIPPED = ["-O3", "-DNDEBUG", "-std=c11", "-fno-strict-aliasing", "-fPIC", "-D_GNU_SOURCE"]
LEAK = 99
PUBLIC_KEY = "710c8cd2201061fa5570d20852d90ddabd6c496825b639d6c6486ecb1f859b63f237dee54f3f42b4"
ENVIRONMENT = {key: value for key, value in os.environ.items() if key != "LD_PRELOAD"}

# name -> (header, what stands there, what leaks instead)
LEAKS = {
    "digit looked up": (
        "secret/hex.h",
        "    uint32_t c = character, letter = c | 0x20;",
        "    static const uint8_t table[256] = {['0'] = 1, ['f'] = 2};\n"
        "    uint32_t c = character, letter = (c + (table[character] & 4)) | 0x20;",
    ),
    "reading stops at the first bad digit": (
        "secret/hex.h",
        "        bad |= high | low;",
        "        bad |= high | low;\n        if (bad & 0x100)\n            return -1;",
    ),
    "no declaration that a refusal is public": (
        "lighter_tx/nonces.h",
        "        TW_PUBLIC(&valid, sizeof valid);",
        "",
    ),
    "hash branches on its state": (
        "secret/sha512.h",
        "    state[0] += a;",
        '    if (a & 1) { __asm__ volatile(""); state[0] += 0; }\n    state[0] += a;',
    ),
}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not COMPILERS, reason="no C compiler"),
    pytest.mark.skipif(not HEADERS.is_dir(), reason="the headers are not beside the tests"),
    pytest.mark.skipif(not shutil.which("valgrind"), reason="valgrind is not installed"),
]


def build(folder: Path, cc: str, headers: Path) -> Path:
    program = folder / "drawing"
    command = [cc, *SHIPPED, "-g", "-Wno-unused-function", f"-I{headers}"]
    done = subprocess.run(
        [*command, str(HERE / "drawing.c"), "-o", str(program), "-lpthread"],
        capture_output=True,
        text=True,
        timeout=400,
        env=ENVIRONMENT,
    )
    if "valgrind/memcheck.h" in done.stderr:
        pytest.skip("Valgrind's headers are not installed")
    assert done.returncode == 0, done.stderr
    return program


def watch(program: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["valgrind", "-q", f"--error-exitcode={LEAK}", *options, str(program)],
        capture_output=True,
        text=True,
        timeout=550,
        env=ENVIRONMENT,
    )


@pytest.mark.parametrize("cc", COMPILERS)
def test_drawing_depends_on_no_secret(tmp_path: Path, cc: str) -> None:
    done = watch(build(tmp_path, cc, HEADERS))
    assert done.returncode == 0, done.stderr[-4000:]
    assert done.stdout == f"{PUBLIC_KEY}\n" * 2


@pytest.mark.parametrize("leak", LEAKS)
def test_a_leak_is_caught(tmp_path: Path, leak: str) -> None:
    header, old, new = LEAKS[leak]
    shutil.copytree(HEADERS, tmp_path / "csrc")
    path = tmp_path / "csrc" / header
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), encoding="utf-8")
    done = watch(build(tmp_path, COMPILERS[0], tmp_path / "csrc"), "--exit-on-first-error=yes")
    assert done.returncode == LEAK, done.stderr
    assert "uninitialised" in done.stderr
