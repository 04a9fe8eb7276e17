"""Run tests while their processes are stopped and let go again, as a busy machine does.

    python tests/shake.py [--seed N] [--longest-s S] [--calm-s S] [pytest's arguments]

Any process that pytest starts (its workers, simulators, examples) is stopped at random moments
for up to `--longest-s` seconds. A test that fails here and not elsewhere judges chance: it asserts
that something has happened by now, or compares times of arrival. Time limits are what they are,
so keep to tests that wait for states.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path


def descendants(root: int) -> list[int]:
    """Return the ids of all processes below one, in /proc's order."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            # The name, in parentheses, may hold anything; then come the state and the parent.
            state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
        except (OSError, ValueError):  # it has ended meanwhile
            continue
        if state != "Z":
            children.setdefault(int(parent), []).append(int(entry.name))
    found, below = [], [root]
    while below:
        more = children.get(below.pop(), [])
        found += more
        below += more
    return found


def signalled(pid: int, number: int) -> bool:
    """Send a signal; False if the process is gone."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def shake(pytest: subprocess.Popen[bytes], rng: random.Random, options: argparse.Namespace) -> int:
    """Stop one process at a time until pytest ends; return how often."""
    stops = 0
    while pytest.poll() is None:
        time.sleep(rng.expovariate(1 / options.calm_s))
        able = descendants(pytest.pid)
        if not able:
            continue
        victim = rng.choice(able)
        if signalled(victim, signal.SIGSTOP):
            try:
                stops += 1
                time.sleep(rng.uniform(0.05, options.longest_s))
            finally:
                signalled(victim, signal.SIGCONT)
    return stops


def main() -> int:
    """Return pytest's exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    parser.add_argument("--longest-s", type=float, default=1.0, help="of one stop")
    parser.add_argument("--calm-s", type=float, default=0.3, help="between two stops, on average")
    options, arguments = parser.parse_known_args()
    pytest = subprocess.Popen([sys.executable, "-m", "pytest", *arguments])
    try:
        stops = shake(pytest, random.Random(options.seed), options)
        code = pytest.wait()
    except BaseException:
        pytest.terminate()
        pytest.wait()
        raise
    print(f"shaken {stops} times, seed {options.seed}")
    return code


if __name__ == "__main__":
    sys.exit(main())
