"""Write the tables of the Lighter signer: `python _speedups/csrc/lighter/generate.py CONSTANTS`.

CONSTANTS is `poseidon2_constants.json` (tests/data/lighter/). Written beside this file are
`poseidon2_constants.h` and `generator_table.h`, the multiples of the curve's generator. The test of
both is that this script writes the same text again, and that every entry is the point it should be
(tests/unit/speedups/test_lighter_core_oracle.py).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

P = 2**64 - 2**32 + 1
WINDOW_BITS = 5
WINDOWS = 64
HALF = 1 << (WINDOW_BITS - 1)  # entries of a window: 1 to HALF times its power of the generator

Element = tuple[int, int, int, int, int]
Point = tuple[Element, Element] | None  # x and y of the short curve's model below; None: neutral

ZERO: Element = (0, 0, 0, 0, 0)
A: Element = (2, 0, 0, 0, 0)
B: Element = (0, 263, 0, 0, 0)
GENERATOR_X: Element = (
    12883135586176881569,
    4356519642755055268,
    5248930565894896907,
    2165973894480315022,
    2448410071095648785,
)
GENERATOR_W: Element = (4, 0, 0, 0, 0)  # y/x


def add(a: Element, b: Element) -> Element:
    return tuple((x + y) % P for x, y in zip(a, b, strict=True))  # type: ignore[return-value]


def sub(a: Element, b: Element) -> Element:
    return tuple((x - y) % P for x, y in zip(a, b, strict=True))  # type: ignore[return-value]


def mul(a: Element, b: Element) -> Element:
    out = [0] * 9
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            out[i + j] += x * y
    low = [(out[i] + 3 * (out[i + 5] if i < 4 else 0)) % P for i in range(5)]
    return tuple(low)  # type: ignore[return-value]


def power(a: Element, exponent: int) -> Element:
    out: Element = (1, 0, 0, 0, 0)
    for bit in bin(exponent)[2:]:
        out = mul(out, out)
        if bit == "1":
            out = mul(out, a)
    return out


def inverse(a: Element) -> Element:
    """By Fermat through the norm: a^-1 = a^(p+p^2+p^3+p^4) / norm."""
    conjugates = (1, 0, 0, 0, 0)
    z = pow(3, (P - 1) // 5, P)
    for k in range(1, 5):
        image = tuple(c * pow(z, i * k, P) % P for i, c in enumerate(a))
        conjugates = mul(conjugates, image)  # type: ignore[arg-type]
    norm = mul(a, conjugates)[0]  # type: ignore[arg-type]
    factor = pow(norm, P - 2, P)
    return tuple(c * factor % P for c in conjugates)  # type: ignore[return-value]


def ordinary_add(a: Point, b: Point) -> Point:
    """Add on y^2 = x(x^2 + 2x + 263X) by chord and tangent; None is the point at infinity."""
    if a is None or b is None:
        return b if a is None else a
    (xa, ya), (xb, yb) = a, b
    if xa == xb:
        if add(ya, yb) == ZERO:
            return None
        square = mul(xa, xa)
        top = add(add(mul((3, 0, 0, 0, 0), square), mul((4, 0, 0, 0, 0), xa)), B)
        slope = mul(top, inverse(add(ya, ya)))
    else:
        slope = mul(sub(yb, ya), inverse(sub(xb, xa)))
    x = sub(sub(sub(mul(slope, slope), A), xa), xb)
    return x, sub(mul(slope, sub(xa, x)), ya)


def shifted(a: Point) -> Point:
    """Return a + N, N = (0, 0): from a point of the group to one of odd order and back."""
    return ordinary_add(a, (ZERO, ZERO))


def table() -> list[list[tuple[Element, Element]]]:
    """Return (x/b, u) of j * 32^w * G for each window w and each j from 1 to HALF.

    Multiples are taken in the subgroup of odd order, where the law is the ordinary one; adding N
    gives the group's own representative, and u = x/y.
    """
    inverse_b = inverse(B)
    base = shifted((GENERATOR_X, mul(GENERATOR_X, GENERATOR_W)))
    rows = []
    for _ in range(WINDOWS):
        row, current = [], base
        for _ in range(HALF):
            point = shifted(current)
            assert point is not None
            x, y = point
            row.append((mul(x, inverse_b), mul(x, inverse(y))))
            last, current = current, ordinary_add(current, base)
        rows.append(row)
        base = ordinary_add(last, last)  # 2 * HALF times
    return rows


def words(values: tuple[int, ...] | list[int], indent: str) -> str:
    lines = []
    for i in range(0, len(values), 4):
        lines.append(indent + ", ".join(f"0x{v:016X}u" for v in values[i : i + 4]) + ",")
    return "\n".join(lines)


HEADER = """\
/* Written by generate.py: {what} */
#ifndef {guard}
#define {guard}

#include <stdint.h>
"""


def constants_header(path: Path) -> str:
    data = json.loads(path.read_text(encoding="utf-8"))
    text = HEADER.format(
        what="round constants and diagonal of Poseidon2.", guard="LT_POSEIDON2_CONSTANTS_H"
    )
    external = [[int(v, 16) for v in row] for row in data["external_round_constants"]]
    text += "\nstatic const uint64_t LT_POSEIDON2_EXTERNAL[8][12] = {\n"
    for row in external:
        text += "    {\n" + words(row, "        ") + "\n    },\n"
    text += "};\n"
    for name, key in (
        ("INTERNAL[22]", "internal_round_constants"),
        ("DIAGONAL[12]", "internal_diagonal"),
    ):
        values = [int(v, 16) for v in data[key]]
        text += f"\nstatic const uint64_t LT_POSEIDON2_{name} = {{\n{words(values, '    ')}\n}};\n"
    return text + "\n#endif\n"


def table_header() -> str:
    text = HEADER.format(
        what="multiples of the generator.\n *\n"
        f" * [w][j - 1] = x/b, u of j * {2 * HALF}^w * G; canonical.",
        guard="LT_GENERATOR_TABLE_H",
    )
    text += f"\n#define LT_WINDOW_BITS {WINDOW_BITS}\n#define LT_WINDOWS {WINDOWS}\n"
    text += f"#define LT_WINDOW_ENTRIES {HALF}\n"
    text += "\nstatic const uint64_t LT_GENERATOR_TABLE[LT_WINDOWS][LT_WINDOW_ENTRIES][10] = {\n"
    for row in table():
        text += "    {\n"
        for x, u in row:
            text += "        {\n" + words((*x, *u), "            ") + "\n        },\n"
        text += "    },\n"
    return text + "};\n\n#endif\n"


if __name__ == "__main__":
    here = Path(__file__).resolve().parent
    (here / "poseidon2_constants.h").write_text(constants_header(Path(sys.argv[1])))
    (here / "generator_table.h").write_text(table_header())
