"""Does signing take longer for some keys than for others? `python -m bench.lighter_timing`.

A statistical test of the compiled code as it is installed, after dudect (Reparaz, Balasch,
Verbauwhede 2017): an operation is timed many times with a secret that is always the same and with
random ones, in random order, and Welch's t-test asks whether the two classes differ. Its |t| stays
below about 4.5 if they do not; a real leak makes it grow with the number of measurements. The
slowest measurements, which interrupts made, are left out at several thresholds; the largest |t|
counts.

A square root, which may depend on its (public) input, is measured too: that it does not stay below
shows that the test can see.
"""

from __future__ import annotations

import argparse
import math
import random
import secrets
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

if __name__ == "__main__" and not __package__:
    sys.path.append(str(Path(__file__).resolve().parent.parent))

from connectors._speedups import lighter_core as core

__all__ = ["LIMIT", "Result", "main", "measure", "welch"]

LIMIT = 4.5
KEEP = (1.0, 0.99, 0.95, 0.9, 0.75, 0.5)  # shares of the measurements, the slowest left out
BATCH = 2_000
ORDER = int.from_bytes(core.scalar_sub(bytes(40), (1).to_bytes(40, "little")), "little") + 1

FIXED: dict[str, int] = {
    "1": 1,
    "n - 1": ORDER - 1,
    "digits -16": 8 * 32**63 - sum(16 * 32**i for i in range(63)),
    "2^318": 2**318,
    "random": secrets.randbelow(ORDER - 1) + 1,
}
OPERATIONS = ("public_key", "nonce", "sign_key", "sign_nonce")


@dataclass(frozen=True, slots=True)
class Result:
    """One operation with one fixed secret against random ones."""

    operation: str
    fixed: str
    count: int
    t: float  # the one of largest size
    kept: float
    median: float  # ticks

    @property
    def differs(self) -> bool:
        return abs(self.t) > LIMIT


def welch(a: Sequence[int], b: Sequence[int]) -> float:
    """t of Welch's test; 0 where there is no spread at all."""
    if min(len(a), len(b)) < 2:
        return 0.0
    mean_a, mean_b = sum(a) / len(a), sum(b) / len(b)
    spread = sum((v - mean_a) ** 2 for v in a) / (len(a) - 1) / len(a)
    spread += sum((v - mean_b) ** 2 for v in b) / (len(b) - 1) / len(b)
    return (mean_a - mean_b) / math.sqrt(spread) if spread else 0.0


def measure(operation: str, fixed: int, count: int, name: str = "") -> Result:
    """Time `operation` `count` times, about half of them with `fixed`."""
    choose = random.Random(secrets.randbits(64))
    classes: tuple[list[int], list[int]] = ([], [])
    constant = fixed.to_bytes(40, "little")
    for start in range(0, count, BATCH):
        labels = [choose.getrandbits(1) for _ in range(min(BATCH, count - start))]
        inputs = [
            choose.randrange(1, ORDER).to_bytes(40, "little") if label else constant
            for label in labels
        ]
        times = core.time_each(operation, b"".join(inputs))
        if start:  # the first batch warms up
            for label, ticks in zip(labels, times, strict=True):
                classes[label].append(ticks)
    together = sorted(classes[0] + classes[1])
    best = (0.0, 1.0)
    for share in KEEP:
        limit = together[min(len(together) - 1, int(share * len(together)))]
        a, b = ([v for v in times if v <= limit] for times in classes)
        t = welch(a, b)
        if abs(t) > abs(best[0]):
            best = (t, share)
    return Result(operation, name, len(together), *best, together[len(together) // 2])


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print; 1 if a secret shows, or if the square root does not."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--count", type=int, default=100_000, help="measurements of each kind")
    parser.add_argument("--backend", choices=core.backends(), default=core.backend())
    options = parser.parse_args(argv)
    core.use_backend(options.backend)
    print(f"variant {core.backend()}, {options.count} measurements each, |t| below {LIMIT}: equal")
    failed = False
    for operation in OPERATIONS:
        for name, fixed in FIXED.items():
            found = measure(operation, fixed, options.count, name)
            failed |= found.differs
            report(found)
    seen = measure("sqrt", 4, options.count, "4")
    report(seen)
    if not seen.differs:
        print("the square root's time was not told apart: the test saw nothing")
    return int(failed or not seen.differs)


def report(found: Result) -> None:
    print(
        f"{found.operation:12} random against {found.fixed:13} t = {found.t:8.2f} "
        f"({found.kept:4.0%} kept, median {found.median:.0f} ticks)"
        f"{'   DIFFERS' if found.differs else ''}",
        flush=True,
    )


if __name__ == "__main__":
    raise SystemExit(main())
