"""No branch and no address depends on a secret: Valgrind watches the compiled code.

secrets.c runs everything that touches the private key or a nonce's secret with both marked
undefined, built with the flags the package is built with. Leaks put into a copy of the sources must
be found by the same program, or finding none would mean nothing.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
HEADERS = ROOT / "_speedups" / "csrc"
COMPILERS = [cc for cc in ("gcc", "clang") if shutil.which(cc)]
# As in setup.py, and -fwrapv as CPython itself is built and adds it.
SHIPPED = ["-fwrapv", "-O3", "-g0", "-DNDEBUG", "-std=c11", "-fno-strict-aliasing"]
LEAK = 99
VARIANTS = ("portable", "avx2")
ABSENT = 2  # what secrets.c says of a variant this processor cannot run
PUBLIC_KEY = "710c8cd2201061fa5570d20852d90ddabd6c496825b639d6c6486ecb1f859b63f237dee54f3f42b4"
ENVIRONMENT = {key: value for key, value in os.environ.items() if key != "LD_PRELOAD"}

CODE = {"assembly": [], "c": ["-DTW_NO_ASM"], "no-int128": ["-DTW_NO_INT128"]}

# name -> (header, what stands there, what leaks instead)
LEAKS = {
    "table read by index": (
        "curve.h",
        "select(&entry, LT_GENERATOR_TABLE[i], size, negative);",
        "memcpy(&entry, LT_GENERATOR_TABLE[i][(size - 1) & 15], 80); (void)negative;",
    ),
    "zero digits skipped": (
        "curve.h",
        "lt_point_add_affine(out, out, &entry);",
        "if (size) lt_point_add_affine(out, out, &entry);",
    ),
    "branch on a borrow": (
        "scalar.h",
        "    lt_words_choose(out, tw_mask(borrow), less, a);",
        '    if (borrow) { __asm__ volatile(""); memcpy(out, a, 40); } else memcpy(out, less, 40);',
    ),
    "sign by branch": (
        "curve.h",
        "    return (value ^ *negative) - *negative;",
        '    if (value >> 63) { __asm__ volatile(""); value = 0 - value; }\n    return value;',
    ),
    "no declaration that a refusal is public": (
        "schnorr.h",
        "    TW_PUBLIC(&valid, sizeof valid);",
        "",
    ),
    "coefficient compared": (
        "quintic.h",
        "    uint64_t g = lt_fp_inv(lt_fp5_conjugates(&f, a));",
        "    uint64_t g = lt_fp5_conjugates(&f, a);\n"
        '    if (g != 1) { __asm__ volatile(""); g = lt_fp_inv(g); }',
    ),
}  # fmt: skip

pytestmark = [
    pytest.mark.skipif(not COMPILERS, reason="no C compiler"),
    pytest.mark.skipif(not HEADERS.is_dir(), reason="the headers are not beside the tests"),
    pytest.mark.skipif(not shutil.which("valgrind"), reason="valgrind is not installed"),
]


def build(folder: Path, cc: str, flags: list[str], headers: Path = HEADERS) -> Path:
    program = folder / "secrets"
    command = [cc, *SHIPPED, "-g", "-fPIC", "-Wno-unused-function", *flags, f"-I{headers}"]
    done = subprocess.run(
        [*command, str(HERE / "secrets.c"), "-o", str(program)],
        capture_output=True,
        text=True,
        timeout=400,
        env=ENVIRONMENT,
    )
    if "valgrind/memcheck.h" in done.stderr:
        pytest.skip("Valgrind's headers are not installed")
    assert done.returncode == 0, done.stderr
    return program


def watch(program: Path, variant: str, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["valgrind", "-q", f"--error-exitcode={LEAK}", *options, str(program), variant],
        capture_output=True,
        text=True,
        timeout=550,
        env=ENVIRONMENT,
    )


def test_the_flags_are_those_of_the_package():
    text = (ROOT / "setup.py").read_text(encoding="utf-8")
    assert '["-O3", "-g0", "-DNDEBUG"]' in text
    assert 'cflags += ["-std=c11", "-fno-strict-aliasing"]' in text


@pytest.mark.slow
@pytest.mark.parametrize("code", CODE)
@pytest.mark.parametrize("cc", COMPILERS)
def test_nothing_depends_on_a_secret(tmp_path, cc, code):
    program = build(tmp_path, cc, CODE[code])
    watched = []
    for variant in VARIANTS:
        done = watch(program, variant)
        if done.returncode != ABSENT:
            assert done.returncode == 0, f"{variant}:\n{done.stderr[-4000:]}"
            assert done.stdout == f"{PUBLIC_KEY} 1 -1 -2\n"
            watched.append(variant)
    assert "portable" in watched


@pytest.mark.slow
@pytest.mark.parametrize("leak", LEAKS)
def test_a_leak_is_caught(tmp_path, leak):
    header, old, new = LEAKS[leak]
    shutil.copytree(HEADERS, tmp_path / "csrc")
    path = tmp_path / "csrc" / "lighter" / header
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), encoding="utf-8")
    program = build(tmp_path, COMPILERS[0], [], tmp_path / "csrc")
    for variant in VARIANTS:
        done = watch(program, variant, "--exit-on-first-error=yes")
        if done.returncode != ABSENT:
            assert done.returncode == LEAK, done.stderr
            assert "uninitialised" in done.stderr
