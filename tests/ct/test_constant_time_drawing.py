"""Reading a key and drawing k branch on no secret: Valgrind watches, as in its neighbour."""

from __future__ import annotations

from pathlib import Path

import pytest

from ct.memcheck import COMPILERS, NEEDED, assert_leaks, build, leaking, watch

FLAGS = ("-D_GNU_SOURCE", "-lpthread")
PUBLIC_KEY = "710c8cd2201061fa5570d20852d90ddabd6c496825b639d6c6486ecb1f859b63f237dee54f3f42b4"

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

pytestmark = [pytest.mark.slow, *NEEDED]


@pytest.mark.parametrize("cc", COMPILERS)
def test_drawing_depends_on_no_secret(tmp_path: Path, cc: str) -> None:
    done = watch(build(tmp_path, "drawing.c", cc, *FLAGS))
    assert done.returncode == 0, done.stderr[-4000:]
    assert done.stdout == f"{PUBLIC_KEY}\n" * 2


@pytest.mark.parametrize("leak", LEAKS)
def test_a_leak_is_caught(tmp_path: Path, leak: str) -> None:
    headers = leaking(tmp_path, *LEAKS[leak])
    program = build(tmp_path, "drawing.c", COMPILERS[0], *FLAGS, headers=headers)
    assert_leaks(watch(program, first_only=True))
