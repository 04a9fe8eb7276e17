"""What is in the sdist and in the wheel, and that the wheel works on its own."""

from __future__ import annotations

import subprocess
import tarfile
import tomllib
import zipfile
from pathlib import Path, PurePosixPath

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
SPEEDUPS = "connectors/_speedups/"


def names_in(sdist: Path) -> set[str]:
    with tarfile.open(sdist) as archive:
        return {name.partition("/")[2] for name in archive.getnames()}


def names_in_wheel(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def modules() -> set[str]:
    return {path.stem for path in (ROOT / "_speedups").glob("*.pyx")}


def test_sdist_holds_what_a_build_and_the_tests_need(sdist):
    names = names_in(sdist)
    for folder, patterns in {
        "_speedups": ("*.pyx", "*.pxd", "*.pyi", "*.py", "csrc/**/*"),
        "connectors": ("**/*.py", "py.typed"),
        "tests": ("**/*.py", "data/binance/*.json"),
        "docs": ("*.md",),
        "examples": ("*.py", "*.pyx"),
    }.items():
        expected = {
            path.relative_to(ROOT).as_posix()
            for pattern in patterns
            for path in (ROOT / folder).glob(pattern)
        }
        assert expected, folder
        assert not expected - names
    assert {"setup.py", "pyproject.toml", "Makefile", "README.md", "LICENSE"} <= names
    assert {"CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"} <= names


def test_sdist_holds_nothing_that_was_generated(sdist):
    for name in names_in(sdist):
        path = PurePosixPath(name)
        assert path.suffix not in (".so", ".pyc", ".html", ".log"), name
        assert path.parts[:1] not in [("build",), (".venv",)], name
        assert not (path.parent == PurePosixPath("_speedups") and path.suffix == ".c"), name


def test_wheel_holds_each_module_with_stub_and_declarations(wheel):
    names = names_in_wheel(wheel)
    for module in modules():
        built = [n for n in names if n.startswith(f"{SPEEDUPS}{module}.") and n.endswith(".so")]
        assert len(built) == 1, module
        assert f"{SPEEDUPS}{module}.pyi" in names
    for declaration in (ROOT / "_speedups").glob("*.pxd"):
        assert f"{SPEEDUPS}{declaration.name}" in names
    for header in (ROOT / "_speedups" / "csrc").rglob("*.h"):
        assert f"{SPEEDUPS}{header.relative_to(ROOT / '_speedups').as_posix()}" in names
    assert "connectors/py.typed" in names
    assert {n.partition("/")[0] for n in names} == {
        "connectors",
        wheel.name.rsplit("-", 3)[0] + ".dist-info",
    }


def test_wheel_holds_each_module_of_the_package(wheel):
    expected = {p.relative_to(ROOT).as_posix() for p in (ROOT / "connectors").rglob("*.py")}
    assert not expected - names_in_wheel(wheel)


def test_wheel_holds_no_sources_of_compiled_modules_and_no_tests(wheel):
    for name in names_in_wheel(wheel):
        path = PurePosixPath(name)
        assert path.suffix not in (".pyx", ".c", ".html", ".pyc"), name
        assert not {"tests", "bench", "examples"} & set(path.parts), name


def test_wheel_states_the_version_and_what_it_needs(wheel):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = (n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        text = archive.read(metadata).decode()
    assert f"\nVersion: {project['version']}\n" in text
    for requirement in project["dependencies"]:
        name = requirement.partition(">")[0]
        assert f"\nRequires-Dist: {name}" in text


def test_installed_wheel_works_outside_the_checkout(installed, smoke_test, tmp_path):
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert installed.run("-c", smoke_test, cwd=tmp_path) == f"ok {version}\n"


def test_there_is_no_top_level_speedups(installed, tmp_path):
    done = subprocess.run(
        [installed.python, "-c", "import _speedups"], cwd=tmp_path, capture_output=True, text=True
    )
    assert "No module named '_speedups'" in done.stderr


@pytest.mark.parametrize("how", ["script", "module"])
def test_the_command_is_installed(installed, tmp_path, how):
    start = (
        [installed.script("connectors")]
        if how == "script"
        else [installed.python, "-m", "connectors"]
    )
    done = subprocess.run(
        [*start, "version"], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.startswith("tickwire "), done.stderr
