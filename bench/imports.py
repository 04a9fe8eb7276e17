"""What does an import cost, in time and memory?"""

from __future__ import annotations

import subprocess
import sys

from bench.measure import Claim, Group, Plan, Series, interleave

__all__ = ["run"]

NOTHING = "Python alone"
FLOOR = "picows + uvloop + orjson"
STATEMENTS = {
    "import connectors": "import connectors",
    FLOOR: "import picows, uvloop, orjson",
    "connectors.binance, ready": (
        "import connectors\n"
        "connectors.binance.DataClient\n"
        "import uvloop  # which connectors.run takes when it is called"
    ),
    "aiohttp": "import aiohttp",
    "websockets": "import websockets.asyncio.client",
    "numpy": "import numpy",
    NOTHING: "pass",
    # Compared where they are installed.
    "ccxt.pro": "import ccxt.pro",
    "cryptofeed": "import cryptofeed",
    "nautilus_trader": "import nautilus_trader.adapters.binance",
}
NOTES = {
    "import connectors": "all public names, loaded on first use",
    "connectors.binance, ready": "the class of the market-data client and the loop loaded",
}

# RSS is taken from /proc where there is one, because the peak that getrusage tells includes what
# the parent process had when it forked.
SCRIPT = """
import sys, time
start = time.process_time_ns()
{statement}
took = time.process_time_ns() - start
try:
    with open("/proc/self/status") as status:
        kib = next(line.split()[1] for line in status if line.startswith("VmRSS:"))
except OSError:
    import resource
    kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(took, kib)
"""


def run(plan: Plan) -> list[Group]:
    names = [name for name in STATEMENTS if importable(name)]
    memory: list[list[float]] = [[] for _ in names]

    def turn(i: int) -> float:
        took_ms, rss_mb = cost(STATEMENTS[names[i]])
        memory[i].append(rss_mb)
        return took_ms

    times = interleave(names, plan.socket_rounds * 2, turn, plan.progress, "imports")
    missing = [name for name in STATEMENTS if name not in names]
    note = "CPU time of the statement in a fresh interpreter, files in the page cache"
    if missing:
        note += f"; not installed: {', '.join(missing)}"
    return [
        Group(
            "import, time",
            "ms",
            [
                Series(n, s, NOTES.get(n, ""))
                for n, s in zip(names, times, strict=True)
                if n != NOTHING
            ],
            [Claim(FLOOR, at_most=1.3)],
            note,
        ),
        Group(
            "import, memory",
            "MB",
            [Series(n, s, NOTES.get(n, "")) for n, s in zip(names, memory, strict=True)],
            note="resident memory of the whole process afterwards",
        ),
    ]


def importable(name: str) -> bool:
    return _execute(STATEMENTS[name]).returncode == 0


def cost(statement: str) -> tuple[float, float]:
    """Return ms that `statement` took, and MB the process then had."""
    done = _execute(statement)
    done.check_returncode()
    took_ns, kib = done.stdout.split()
    return int(took_ns) / 1e6, int(kib) / 1024


def _execute(statement: str) -> subprocess.CompletedProcess[str]:
    # -I: the installed packages, not the checkout or what the environment adds.
    command = [sys.executable, "-I", "-c", SCRIPT.format(statement=statement)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
