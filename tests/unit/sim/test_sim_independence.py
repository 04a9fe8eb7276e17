"""A simulator that shares its client's bugs proves nothing: it imports none of its code."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import connectors.sim

ROOT = Path(connectors.sim.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
SPEEDUPS = "connectors._speedups"  # field, curve and hash; what is hashed is the simulator's own


def imported(path):
    """Absolute names of what a module imports, wherever in the file."""
    package = ["connectors", "sim", *path.relative_to(ROOT).parts[:-1]]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            yield ".".join([*base, *([node.module] if node.module else [])])


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_simulator_imports_nothing_of_the_client(path):
    ours = {name for name in imported(path) if name.split(".")[0] == "connectors"}
    assert {name for name in ours if not name.startswith(("connectors.sim", SPEEDUPS))} == set()


def test_the_check_sees_the_files_and_their_imports():
    names = set(imported(ROOT / "binance" / "exchange.py"))
    assert {"connectors.sim.matching", "connectors.sim.binance.risk", "random"} <= names
    assert len(FILES) > 20
