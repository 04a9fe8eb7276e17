"""What every test gets: the installed package, a bounded `run`, and a check for leaks."""

from __future__ import annotations

import asyncio
import importlib.metadata
import json
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent


def _regular_install() -> bool:
    for dist in importlib.metadata.distributions(name="tickwire"):
        if Path(str(dist.locate_file(""))).resolve() == ROOT:
            continue  # stale metadata in the checkout
        info = json.loads(dist.read_text("direct_url.json") or "{}")
        return not info.get("dir_info", {}).get("editable", False)
    return False


# `python -m pytest` puts the checkout first on the path, where `connectors` lacks its
# compiled half. An installed package must win.
if _regular_install():
    sys.path[:] = [p for p in sys.path if Path(p or os.getcwd()).resolve() != ROOT]

# Shared helpers: `from faults.proxy import FaultProxy`, `from oracle.matching import ...`.
if str(HERE) not in sys.path:
    sys.path.append(str(HERE))

# One knob for slow machines: every bound of `run` grows by this factor.
TIME_UNIT = float(os.environ.get("CONNECTORS_TEST_TIME_UNIT", "1"))
# What a test may take longer than it should where others are at work: a bound is there to end
# what hangs, and judges nothing.
RUN_GRACE_S = 60.0
# Folders whose tests wait for processes, timers or compilers.
LONG = frozenset({"packaging", "fuzz", "ct", "faults", "leaks", "shared"})


def pytest_configure() -> None:
    """Let processes of tests be interrupted, and examples of hypothesis take their time."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # A shell starts what runs in its background like this, and children inherit it.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        from hypothesis import HealthCheck, settings
    except ImportError:  # not every run of a part of the tests has it installed
        return
    # How long an example took is the machine's doing.
    # What hypothesis settles by itself stays: in CI the examples are the same each time.
    slow = [HealthCheck.too_slow]
    settings.register_profile("patient", settings(), deadline=None, suppress_health_check=slow)
    settings.load_profile("patient")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put files that take long first: the worker with one at the end keeps the others waiting."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    slow |= {path for item in items if LONG.intersection((path := item.path).parts)}
    items.sort(key=lambda item: item.path not in slow)  # stable: random within each half


def open_sockets() -> set[str]:
    """Return the inodes of the sockets this process holds (empty where /proc is missing)."""
    found = set()
    for entry in Path("/proc/self/fd").glob("*"):
        try:
            target = os.readlink(entry)
        except OSError:  # closed meanwhile
            continue
        if target.startswith("socket:"):
            found.add(target)
    return found


def run_coroutine(
    coro: Coroutine[Any, Any, Any], timeout_s: float = 10.0, *, loop: str = "asyncio"
) -> Any:
    """Run one coroutine on a fresh loop within a time bound; fail if it leaks.

    A leak is a task that is still alive when the coroutine returns, or a socket that
    is still open after the loop is closed.
    """
    before = open_sockets()
    surviving: list[str] = []

    async def bounded() -> Any:
        try:
            async with asyncio.timeout(timeout_s * TIME_UNIT + RUN_GRACE_S):
                return await coro
        finally:
            await asyncio.sleep(0)  # let done callbacks and closed transports finish
            await asyncio.sleep(0)
            current = asyncio.current_task()
            surviving.extend(repr(t) for t in asyncio.all_tasks() if t is not current)

    if loop == "uvloop":
        uvloop = pytest.importorskip("uvloop")
        factory: Callable[[], asyncio.AbstractEventLoop] | None = uvloop.new_event_loop
    else:
        factory = None
    with asyncio.Runner(debug=False, loop_factory=factory) as runner:
        result = runner.run(bounded())
    assert not surviving, f"tasks outlived the test: {surviving}"
    leaked = open_sockets() - before
    assert not leaked, f"{len(leaked)} socket(s) outlived the test"
    return result


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep each file, and all that uses the built packages, with one worker (`make test`)."""
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            return "packaging" if file.startswith("tests/packaging/") else file

    if config.getvalue("dist") == "loadfile":
        return ByFile(config, log)
    return None


@pytest.fixture
def run() -> Callable[..., Any]:
    """Give `run(coro, timeout_s=10.0, loop="asyncio")`: bounded, on a fresh loop, leak-checked."""
    return run_coroutine


@pytest.fixture(params=["asyncio", "uvloop"])
def run_any(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Like `run`, and the test is repeated on asyncio and on uvloop."""

    def runner(coro: Coroutine[Any, Any, Any], timeout_s: float = 10.0) -> Any:
        return run_coroutine(coro, timeout_s, loop=request.param)

    return runner
