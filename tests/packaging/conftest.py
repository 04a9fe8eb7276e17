"""What is shipped, made once: the sdist, the wheel from it, and an environment with the wheel."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
NOT_SOURCES = shutil.ignore_patterns(
    ".*", "build", "dist", "results", "__pycache__", "*.so", "*.egg-info", "*.html"
)

# What is looked at here does not depend on how well the C is optimised.
QUICK = {"CONNECTORS_BUILD_QUICK": "1"}


@dataclass(frozen=True)
class Environment:
    """A virtual environment outside the checkout."""

    python: Path

    def run(self, *arguments: str, cwd: Path, timeout_s: float = 120.0) -> str:
        """Run its Python away from the checkout; return what it printed on stdout."""
        return command([str(self.python), *arguments], cwd=cwd, timeout_s=timeout_s)

    def script(self, name: str) -> Path:
        return self.python.parent / name


def command(
    arguments: Sequence[str], *, cwd: Path, timeout_s: float = 600.0, **settings: str
) -> str:
    """Run a command; fail the test with everything it said if it fails."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "CONNECTORS_"))}
    done = subprocess.run(
        arguments,
        cwd=cwd,
        env=clean | settings,
        capture_output=True,
        text=True,
        timeout=timeout_s,
    )
    if done.returncode:
        pytest.fail(f"{' '.join(arguments)}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}")
    return done.stdout


def wheel_from(sdist: Path, python: str | Path, target: Path, **settings: str) -> Path:
    """Build a wheel the way a user's pip does: from the sdist, in isolation."""
    command(
        [str(python), "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(target), str(sdist)],
        cwd=target,
        **settings,
    )
    (wheel,) = target.glob("tickwire-*.whl")
    return wheel


def environment_with(wheel: Path, python: str | Path, target: Path, *more: str) -> Environment:
    """Make an environment and install a wheel with its dependencies."""
    command([str(python), "-m", "venv", str(target)], cwd=target.parent)
    made = Environment(target / "bin" / "python")
    command([str(made.python), "-m", "pip", "install", "-q", str(wheel), *more], cwd=target.parent)
    return made


@contextmanager
def once(tmp_path_factory: pytest.TempPathFactory, name: str) -> Iterator[tuple[Path, bool]]:
    """Give a folder that all processes of a test run share, and whether it is to be filled.

    The first to ask fills it; the others wait, and find it full. If filling it fails, the next
    one tries again, from an empty folder.
    """
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    folder, done = base / f"shared-{name}", base / f"shared-{name}.done"
    with (base / f"shared-{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if done.exists():
            yield folder, False
            return
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        yield folder, True
        done.touch()


@pytest.fixture(scope="session")
def source_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the sources without anything built."""
    if not (ROOT / "setup.py").exists():
        pytest.skip("the tests are not in a source tree")
    target = tmp_path_factory.mktemp("source") / "tickwire"
    shutil.copytree(ROOT, target, ignore=NOT_SOURCES)
    return target


@pytest.fixture(scope="session")
def sdist(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    for tool in ("setuptools", "Cython", "picows"):
        pytest.importorskip(tool, reason="what [build-system] in pyproject.toml names is needed")
    with once(tmp_path_factory, "sdist") as (folder, is_empty):
        if is_empty:
            tree = request.getfixturevalue("source_tree")
            command([sys.executable, "setup.py", "-q", "sdist", "-d", str(folder)], cwd=tree)
    (made,) = folder.glob("*.tar.gz")
    return made


@pytest.fixture(scope="session")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    with once(tmp_path_factory, "wheel") as (folder, is_empty):
        if is_empty:
            return wheel_from(sdist, sys.executable, folder, **QUICK)
    (made,) = folder.glob("tickwire-*.whl")
    return made


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """Return an environment that has the wheel, its dependencies and Cython."""
    with once(tmp_path_factory, "installed") as (folder, is_empty):
        if is_empty:
            more = ("Cython>=3.3,<4", "setuptools")
            return environment_with(wheel, sys.executable, folder / "venv", *more)
    return Environment(folder / "venv" / "bin" / "python")


@pytest.fixture(scope="session")
def smoke_test() -> str:
    """Return the script that tries what was installed."""
    return (HERE / "smoke.py").read_text()


@pytest.fixture(scope="session")
def build_with(
    sdist: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[Path], Environment]:
    """Give `build_with(python)`: sdist to wheel to environment with another interpreter."""

    def build(python: Path) -> Environment:
        base = tmp_path_factory.mktemp("other-python")
        # Its own pip, however old, must not matter.
        command([str(python), "-m", "venv", str(base / "builder")], cwd=base)
        builder = base / "builder" / "bin" / "python"
        command([str(builder), "-m", "pip", "install", "-q", "-U", "pip"], cwd=base)
        wheel = wheel_from(sdist, builder, base, **QUICK)
        return environment_with(wheel, python, base / "venv")

    return build
