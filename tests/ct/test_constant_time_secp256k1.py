"""No branch and no address of the secp256k1 signer depends on a secret: Valgrind watches.

secp256k1_secrets.c runs everything that touches the private key or a k, built with the flags the
package is built with. Leaks put into a copy of the sources must be found by the same program, or
finding none would mean nothing.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from ct.memcheck import COMPILERS, NEEDED, assert_leaks, build, leaking, watch
from oracle import hyperliquid_signing as oracle

CODE = {"int128": [], "no-int128": ["-DTW_NO_INT128"]}

# name -> (header, what stands there, what leaks instead)
LEAKS = {
    "branch on a borrow": (
        "scalar.h",
        "    sk_words_choose(out, tw_mask(borrow & (above ^ 1)), less, a);",
        '    if (borrow & (above ^ 1)) { __asm__ volatile(""); memcpy(out, a, 32); }\n'
        "    else memcpy(out, less, 32);",
    ),
    "division steps that stop early": (
        "inverse.h",
        "        sk_apply(&f, &g, &t);",
        "        sk_apply(&f, &g, &t);\n"
        "        if (!(g.word[0] | g.word[1] | g.word[2] | g.word[3] | g.word[4])) break;",
    ),
    "sign of f by branch": (
        "inverse.h",
        "    for (i = 0; i < 5; i++)\n        d.word[i] = (d.word[i] ^ negative) - negative;",
        '    if (negative) { __asm__ volatile("");'
        " for (i = 0; i < 5; i++) d.word[i] = -d.word[i]; }",
    ),
    "low s by branch": (
        "scalar.h",
        "    sk_words_choose(out, tw_mask(high), a, negative);\n    return high;",
        '    if (high) { __asm__ volatile(""); memcpy(out, negative, 32); }\n'
        "    else memmove(out, a, 32);\n    return high;",
    ),
    "a table by a byte of the key": (
        "sha256.h",
        "    for (i = 0; i < 32; i++)\n        block[i] ^= key[i];",
        "    for (i = 0; i < 32; i++)\n"
        "        block[i] ^= (uint8_t)(key[i] ^ (SK_SHA256_ROUND[key[i] & 63] & 0));\n"
        "    { static volatile uint32_t sink; sink = SK_SHA256_ROUND[key[0] & 63]; }",
    ),
    "no declaration that a refusal is public": (
        "ecdsa.h",
        "    TW_PUBLIC(&valid, sizeof valid);",
        "",
    ),
}

pytestmark = NEEDED


def expected() -> str:
    """The same signatures with big integers: s for an r that the stand-in library makes up."""
    point = bytes((i * 37 + 11) & 255 for i in range(1, 65))
    r, parity = int.from_bytes(point[:32], "big"), point[63] & 1
    key = int.from_bytes(bytes((i * 7 + 1) & 255 for i in range(32)), "big")
    lines = []
    for i in range(24):
        digest = bytes([i * 11 & 255]) * 32
        k = oracle.rfc6979(key, digest)
        s = (int.from_bytes(digest, "big") + r * key) * pow(k, -1, oracle.N) % oracle.N
        negated = s > oracle.N // 2
        lines.append(f"{oracle.N - s if negated else s:064x} {parity ^ negated}")
    return "\n".join([*lines, "1 -1 -1 0\n"])


@pytest.mark.slow
@pytest.mark.parametrize("code", CODE)
@pytest.mark.parametrize("cc", COMPILERS)
def test_nothing_depends_on_a_secret(tmp_path: Path, cc: str, code: str) -> None:
    done = watch(build(tmp_path, "secp256k1_secrets.c", cc, *CODE[code]))
    assert done.returncode == 0, done.stderr[-4000:]
    assert done.stdout == expected()


@pytest.mark.slow
@pytest.mark.parametrize("leak", LEAKS)
def test_a_leak_is_caught(tmp_path: Path, leak: str) -> None:
    header, *change = LEAKS[leak]
    headers = leaking(tmp_path, f"secp256k1/{header}", *change)
    program = build(tmp_path, "secp256k1_secrets.c", COMPILERS[0], headers=headers)
    assert_leaks(watch(program, first_only=True))
