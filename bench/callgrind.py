"""Instruction budgets of the hot functions, counted by Callgrind.

`python bench/callgrind.py` counts and compares with budgets.json, `--update` writes the counts
there. Only instructions of our own compiled modules count, so neither the interpreter nor libc
matters; the compiler, its options and the headers of CPython and Cython do, and are recorded with
the budgets. tests/packaging/test_budgets.py holds every build to them.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.append(str(Path(__file__).resolve().parent.parent))

from bench.machine import built_with, compiled_modules
from bench.workloads import ROUNDS, WORKLOADS

__all__ = ["BUDGETS", "TOLERANCE", "main", "measure", "obstacle", "over_budget"]

BUDGETS = Path(__file__).with_name("budgets.json")
TOLERANCE = 0.02
TIMEOUT_S = 300
MARKER = "getloadavg"  # what workloads.py calls between stretches


def measure() -> dict[str, float]:
    """Return instructions per operation for every workload.

    Raises RuntimeError when valgrind fails or its files are not what they should be.
    """
    with tempfile.TemporaryDirectory(prefix="callgrind-") as folder:
        out = Path(folder) / "out"
        command = [
            "valgrind",
            "--tool=callgrind",
            f"--callgrind-out-file={out}",
            f"--dump-before={MARKER}",
            "--compress-strings=no",
            "--compress-pos=no",
            sys.executable,
            str(Path(__file__).with_name("workloads.py")),
        ]
        environment = os.environ | {"PYTHONHASHSEED": "0", "PYTHONMALLOC": "pymalloc"}
        done = subprocess.run(
            command,
            env=environment,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"valgrind ended with {done.returncode}:\n{done.stderr[-2000:]}")
        # Dump i holds what came before marker i, so every even one is a stretch.
        dumps = sorted(Path(folder).glob("out.*"), key=lambda path: int(path.suffix[1:]))
        stretches = [own_instructions(path.read_text()) for path in dumps[1::2]]
    if len(stretches) != len(ROUNDS) * len(WORKLOADS):
        raise RuntimeError(f"{len(dumps)} dumps of Callgrind for {len(WORKLOADS)} workloads")
    few, many = stretches[::2], stretches[1::2]
    return {
        name: round((b - a) / (ROUNDS[1] - ROUNDS[0]), 2)
        for name, a, b in zip(WORKLOADS, few, many, strict=True)
    }


def own_instructions(dump: str) -> int:
    """Add up what Callgrind counted in our modules, functions they call elsewhere not included."""
    ours = {str(path.resolve()) for path in compiled_modules().values()}
    total, counted, call = 0, False, False
    for line in dump.splitlines():
        if line.startswith("ob="):
            counted = line[3:] in ours
        elif line.startswith("calls="):
            call = True  # the next line is what the callee cost
        elif line[:1].isdigit():
            if counted and not call:
                total += int(line.split()[1])
            call = False
    return total


def obstacle(budgets: dict[str, Any]) -> str | None:
    """Say why this build cannot be held to those budgets; None if it can."""
    if shutil.which("valgrind") is None:
        return "valgrind is not installed"
    for switch in ("DEBUG", "SANITIZE", "TRACE", "NATIVE"):
        if os.environ.get(f"CONNECTORS_BUILD_{switch}") == "1":
            return f"CONNECTORS_BUILD_{switch} is set: not the code that users get"
    build = built_with()
    if not build["release"]:
        return "the compiled modules are a debug build"
    if not build["compiler"]:
        return "the compiled modules do not say what compiler built them"
    for what, parts in (("machine", 1), ("compiler", 1), ("python", 2), ("cython", 2)):
        here, there = str(build[what]), str(budgets["built_with"][what])
        if here.split(".")[:parts] != there.split(".")[:parts]:
            return f"budgets are for {what} {there}, this build is of {here}"
    return None


def over_budget(counts: dict[str, float], budgets: dict[str, float]) -> list[str]:
    """Return a line for each workload that grew by more than the tolerance, or has no budget."""
    problems = []
    for name, count in counts.items():
        budget = budgets.get(name)
        if budget is None:
            problems.append(f"{name}: {count:g} instructions, no budget yet")
        elif count > budget * (1 + TOLERANCE):
            problems.append(
                f"{name}: {count:g} instructions, budget {budget:g} ({count / budget - 1:+.1%})"
            )
    return problems


def main(argv: Sequence[str] | None = None) -> int:
    """Count; print, or with --update or --json write, what was counted."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--update", action="store_true", help=f"write {BUDGETS.name}")
    parser.add_argument("--json", action="store_true", help="print the counts as JSON")
    options = parser.parse_args(argv)
    if shutil.which("valgrind") is None:
        parser.error("valgrind is not installed")
    counts = measure()
    if options.json:
        print(json.dumps(counts))
        return 0
    budgets = json.loads(BUDGETS.read_text()) if BUDGETS.exists() else {}
    old = budgets.get("instructions", {})
    for name, count in counts.items():
        change = f"{count / old[name] - 1:+7.2%}" if name in old else "new"
        print(f"{name:22} {count:9.1f} {change:>8}")
    if options.update:
        content = {"built_with": built_with(), "instructions": counts}
        BUDGETS.write_text(json.dumps(content, indent=2) + "\n")
        return 0
    problems = over_budget(counts, old)
    print("\n".join(problems))
    return 1 if problems else 0


if __name__ == "__main__":
    raise SystemExit(main())
