"""Rules about the sources that no linter checks."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

import connectors

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("connectors", "_speedups", "tests", "bench", "examples")
PYTHON = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
CYTHON = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.p[yx][xd]"))


def shown(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imported_names(path: Path) -> list[str]:
    names = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            names.append(node.module)
    return names


def test_there_is_something_to_look_at():
    assert len(PYTHON) > 100
    assert len(CYTHON) > 10


@pytest.mark.parametrize("path", PYTHON, ids=shown)
def test_nobody_imports_the_speedups_by_their_folder(path):
    """It would work in the checkout and make a second copy of every type."""
    assert not [n for n in imported_names(path) if n.split(".")[0] == "_speedups"]


@pytest.mark.parametrize("path", CYTHON, ids=shown)
def test_no_cython_module_does_either(path):
    pattern = re.compile(r"^\s*(from|c?import)\s+_speedups\b", re.MULTILINE)
    assert not pattern.search(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "path", [p for p in PYTHON if p.is_relative_to(ROOT / "connectors")], ids=shown
)
def test_public_modules_say_what_is_public(path):
    if path.name.startswith("_") and path.name != "__init__.py":
        return
    tree = ast.parse(path.read_text(encoding="utf-8"))
    defined = [n.name for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef)]
    if all(name.startswith("_") for name in defined):
        return
    assigned = {
        target.id
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    assert "__all__" in assigned, f"{shown(path)} has no __all__"


def test_no_package_among_the_tests():
    """An __init__.py would put the checkout on sys.path, in front of the installed package."""
    assert not [shown(p) for p in (ROOT / "tests").rglob("__init__.py")]
    assert not (ROOT / "conftest.py").exists()


def test_nothing_built_is_tracked():
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, timeout=30
    )
    if listed.returncode:
        pytest.skip("not a git checkout, or no git")
    bad = re.compile(r"\.(so|pyd|pyc|html)$|^_speedups/[^/]*\.c$|^build/|^\.venv")
    assert not [name for name in listed.stdout.split("\n") if bad.search(name)]


def test_the_version_has_one_home():
    import importlib.metadata

    assert connectors.__version__ == importlib.metadata.version("tickwire")
    version = re.compile(r"^__version__\s*=", re.MULTILINE)
    assert not [shown(p) for p in PYTHON if version.search(p.read_text(encoding="utf-8"))]
