"""The official dydx-v4-client, unmodified, against the simulator (18.5).

`make dydx-sdk` installs it into an environment of its own (it wants an older pycryptodome than
ours may be); CONNECTORS_DYDX_SDK_PYTHON names another interpreter that has it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

VERSION = "1.1.5"
ROOT = Path(__file__).resolve().parents[3]
PROGRAM = Path(__file__).with_name("official_client.py")


@pytest.fixture
def official() -> str:
    """Return the interpreter that has the client."""
    made = str(ROOT / "build" / "dydx-sdk" / "bin" / "python")
    code = f"import importlib.metadata as m; raise SystemExit(m.version('dydx-v4-client') != {VERSION!r})"  # noqa: E501
    for python in (os.environ.get("CONNECTORS_DYDX_SDK_PYTHON"), made):
        if python and os.path.exists(python):
            done = subprocess.run(
                [python, "-c", code], capture_output=True, timeout=120, check=False
            )
            if done.returncode == 0:
                return python
    pytest.skip(f"no dydx-v4-client {VERSION}: `make dydx-sdk` installs it")


@pytest.fixture
def simulator() -> Iterator[dict[str, Any]]:
    """The simulator as a user starts it, in a process of its own."""
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "connectors", "sim", "dydx", "--port", "0"),
            *("--rate", "40", "--block-ms", "200", "--account-share", "0"),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield json.loads(process.stdout.readline())
    finally:
        process.send_signal(signal.SIGTERM)
        status = process.wait(timeout=60)
        process.stdout.close()
    assert status == 0


def test_rest_and_socket_of_the_official_client(official: str, simulator: dict[str, Any]) -> None:
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "LD_PRELOAD")}
    done = subprocess.run(
        [official, "-W", "ignore", str(PROGRAM), json.dumps(simulator)],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stderr[-3_000:]
    line = next(line for line in done.stdout.splitlines() if line.startswith("CHECKS "))
    checks = json.loads(line.removeprefix("CHECKS "))
    assert len(checks) > 30
    assert {name: held for name, held in checks.items() if held is not True} == {}
