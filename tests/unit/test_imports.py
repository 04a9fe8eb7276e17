"""What importing costs, and who may import whom."""

from __future__ import annotations

import ast
import pathlib
import re
import subprocess
import sys

import pytest

import connectors

ROOT = pathlib.Path(connectors.__file__).parent
# Lower layers first: a package may import itself and what stands before it.
LAYERS = [
    *("_lazy", "errors", "keyfile", "settings", "signer_stats", "model", "net"),
    *("books", "data", "execution", "sim"),
]
VENUES = ["binance", "dydx", "hyperliquid", "ibkr", "lighter"]
TOP = ["__main__", "_cli", "_loop", "cli"]


def modules_after(code: str) -> set[str]:
    """Return the modules that are loaded after `code` ran in a fresh interpreter."""
    script = f"{code}\nimport sys; print(' '.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return set(done.stdout.split())


def test_import_connectors_loads_nothing_heavy():
    loaded = modules_after("import connectors")
    assert not loaded & {"numpy", "aiohttp", "asyncio", "picows", "Crypto", "rich", "matplotlib"}
    assert not {name for name in loaded if name.startswith("connectors.binance")}


def test_every_public_name_loads():
    for name in connectors.__all__:
        assert getattr(connectors, name) is not None
    assert set(connectors.__all__) <= set(dir(connectors))
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = connectors.nonsense


def test_the_vocabulary_needs_no_network_and_no_numpy():
    assert not modules_after("import connectors.model") & {"numpy", "aiohttp", "picows", "asyncio"}


def test_a_venue_loads_without_the_extras():
    blocked = [
        "prometheus_client",
        "rich",
        "matplotlib",
        "grpc",
        "google",
        "nats",
        "msgspec",
        "websockets",
    ]
    code = (
        "import sys\n"
        f"for name in {blocked!r}: sys.modules[name] = None\n"
        "import connectors.binance\n"
        "connectors.binance.DataClient"
    )
    loaded = modules_after(code)
    assert "connectors.binance.data" in loaded
    assert not {"aiohttp", "numpy"} & loaded


def imports_of(path: pathlib.Path) -> set[str]:
    """Return the parts of `connectors` that a file imports at run time: `model`, `net`, ..."""
    package = path.relative_to(ROOT.parent).with_suffix("").parts
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = list(package[: -node.level]) if node.level else []
            stem = ".".join([*base, *([node.module] if node.module else [])])
            names = [stem] if node.module else [f"{stem}.{alias.name}" for alias in node.names]
        for name in names:
            assert name.split(".")[0] != "_speedups", f"{path}: imports _speedups by its folder"
            parts = name.split(".")
            if parts[0] == "connectors" and len(parts) > 1:
                found.add(parts[1])
    return found


FILES = sorted(ROOT.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_down_only(path):
    part = path.relative_to(ROOT).parts[0].removesuffix(".py")
    used = imports_of(path) - {part, "_speedups"}
    if part in ("__init__", *TOP):
        return
    if part == "_speedups":  # the compiled half stands on nothing of ours
        assert not used, f"{path} imports {used}"
        return
    assert not used & set(TOP), f"{path} imports the top of the package"
    if part == "sim":
        # A simulator that shares its client's bugs proves nothing.
        assert used <= {"model", "errors"}, f"{path} imports {used}"
    elif part in VENUES:
        assert not used & {*VENUES, "sim"}, f"{path} imports {used}"
    else:
        assert used <= set(LAYERS[: LAYERS.index(part)]), f"{path} imports {used}"


def test_compiled_modules_do_not_import_the_package():
    folder = pathlib.Path(__file__).resolve().parents[2] / "_speedups"
    sources = [p for p in folder.glob("*.py*") if p.suffix in (".py", ".pyx", ".pxd")]
    assert sources
    for path in sources:
        for line in path.read_text().splitlines():
            if re.match(r"\s*(from|import|cimport)\s+(connectors|\.\.)", line):
                assert "connectors._speedups" in line, f"{path}: {line}"
