"""The hot functions stay within their instruction budgets (bench/callgrind.py)."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.append(str(ROOT))  # last, so that an installed package wins

from bench import callgrind, machine  # noqa: E402

BUDGETS = json.loads(callgrind.BUDGETS.read_text())


@pytest.mark.slow
def test_no_hot_function_grew():
    """Counted in a process of its own, as `python bench/callgrind.py` does."""
    reason = callgrind.obstacle(BUDGETS)
    if reason is not None:
        pytest.skip(reason)
    done = subprocess.run(
        [sys.executable, str(ROOT / "bench" / "callgrind.py"), "--json"],
        capture_output=True,
        text=True,
        timeout=callgrind.TIMEOUT_S + 30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout)
    grown = callgrind.over_budget(counts, BUDGETS["instructions"])
    assert not grown, (
        "more instructions than budgeted; find out why, or, if it is worth it, "
        "run `python bench/callgrind.py --update`:\n" + "\n".join(grown)
    )


def test_every_workload_has_a_budget_and_every_budget_a_workload():
    assert set(BUDGETS["instructions"]) == set(callgrind.WORKLOADS)
    assert all(count > 0 for count in BUDGETS["instructions"].values())


def test_two_percent_are_tolerated_and_not_more():
    budgets = {"a": 1000.0, "b": 1000.0, "c": 1000.0}
    assert callgrind.over_budget({"a": 1020.0, "b": 500.0, "c": 1000.0}, budgets) == []
    assert callgrind.over_budget({"a": 1021.0, "b": 500.0, "c": 1000.0}, budgets) == [
        "a: 1021 instructions, budget 1000 (+2.1%)"
    ]


def test_a_workload_without_a_budget_fails():
    assert callgrind.over_budget({"new": 5.0}, {}) == ["new: 5 instructions, no budget yet"]


def test_only_our_own_instructions_count():
    """Self cost of our modules counts; other objects and the cost of what we call do not."""
    ours = machine.compiled_modules()["ticks"].resolve()
    dump = f"""\
events: Ir
summary: 1000

ob=/usr/lib/libpython.so
fn=call
10 500
ob={ours}
fn=parse
1 40
2 2
cob=/usr/lib/libc.so
cfn=memcpy
calls=3 7
3 400
4 8
fn=other
5 9
ob=/usr/lib/libc.so
fn=memcpy
6 400
"""
    assert callgrind.own_instructions(dump) == 40 + 2 + 8 + 9


@pytest.mark.parametrize(
    ("what", "value"), [("compiler", "gcc 1.0.0"), ("python", "2.7"), ("cython", "0.1.0")]
)
def test_another_toolchain_is_a_reason_to_skip(monkeypatch, what, value):
    monkeypatch.setattr(callgrind.shutil, "which", lambda name: f"/usr/bin/{name}")
    for switch in ("DEBUG", "SANITIZE", "TRACE", "NATIVE"):
        monkeypatch.delenv(f"CONNECTORS_BUILD_{switch}", raising=False)
    build = {"compiler": "gcc 12.2.0", "python": "3.11", "cython": "3.3.1"}
    build |= {"machine": "x86_64", "release": True}
    monkeypatch.setattr(callgrind, "built_with", lambda: dict(build))
    assert callgrind.obstacle({"built_with": build}) is None
    reason = callgrind.obstacle({"built_with": build | {what: value}})
    assert reason is not None
    assert what in reason
    assert value in reason


def test_a_debug_build_and_a_missing_valgrind_are_reasons_to_skip(monkeypatch):
    monkeypatch.setattr(callgrind.shutil, "which", lambda name: None)
    assert callgrind.obstacle(BUDGETS) == "valgrind is not installed"
    monkeypatch.setattr(callgrind.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setenv("CONNECTORS_BUILD_DEBUG", "1")
    assert "CONNECTORS_BUILD_DEBUG" in str(callgrind.obstacle(BUDGETS))
    monkeypatch.delenv("CONNECTORS_BUILD_DEBUG")
    monkeypatch.setattr(callgrind, "built_with", lambda: {"release": False})
    assert callgrind.obstacle(BUDGETS) == "the compiled modules are a debug build"
