"""No branch and no address depends on a secret: Valgrind watches the compiled code.

secrets.c runs everything that touches the private key or a nonce's secret with both marked
undefined, built with the flags the package is built with. Leaks put into a copy of the sources must
be found by the same program, or finding none would mean nothing.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from ct.memcheck import COMPILERS, NEEDED, assert_leaks, build, leaking, watch

ROOT = Path(__file__).resolve().parents[2]
VARIANTS = ("portable", "avx2")
ABSENT = 2  # what secrets.c says of a variant this processor cannot run
PUBLIC_KEY = "710c8cd2201061fa5570d20852d90ddabd6c496825b639d6c6486ecb1f859b63f237dee54f3f42b4"

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

pytestmark = NEEDED


def test_the_flags_are_those_of_the_package():
    text = (ROOT / "setup.py").read_text(encoding="utf-8")
    assert '["-O3", "-g0", "-DNDEBUG"]' in text
    assert 'cflags += ["-std=c11", "-fno-strict-aliasing"]' in text


@pytest.mark.slow
@pytest.mark.parametrize("code", CODE)
@pytest.mark.parametrize("cc", COMPILERS)
def test_nothing_depends_on_a_secret(tmp_path, cc, code):
    program = build(tmp_path, "secrets.c", cc, *CODE[code])
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
    header, *change = LEAKS[leak]
    headers = leaking(tmp_path, f"lighter/{header}", *change)
    program = build(tmp_path, "secrets.c", COMPILERS[0], headers=headers)
    for variant in VARIANTS:
        done = watch(program, variant, first_only=True)
        if done.returncode != ABSENT:
            assert_leaks(done)
