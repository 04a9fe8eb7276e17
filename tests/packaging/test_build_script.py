"""What `make` says when a machine lacks something: which Debian package has it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / ".ci" / "venv"

TOOLS = ("bash", "env", "dirname", "cat", "mkdir", "tail", "find", "sort", "xargs", "cksum")


@pytest.fixture
def machine(tmp_path):
    """Give `run(**environment)` of the script on a machine with the shell's tools only."""
    if not SCRIPT.exists():
        pytest.skip("the tests are not in a source tree")
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in TOOLS:
        found = shutil.which(name)
        assert found, name
        (tools / name).symlink_to(found)
    checkout = tmp_path / "checkout"
    (checkout / ".ci").mkdir(parents=True)
    shutil.copy(SCRIPT, checkout / ".ci" / "venv")

    def run(**environment):
        done = subprocess.run(
            [tools / "bash", checkout / ".ci" / "venv"],
            env={"PATH": str(tools), "HOME": str(tmp_path), **environment},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert not (checkout / ".venv").exists()
        return done.returncode, done.stderr

    run.tools = tools
    return run


def add_python(tools: Path, refuses: str) -> None:
    """Put a python3 there that fails when its code contains `refuses`."""
    script = f'#!/bin/sh\ncase "$2" in *{refuses}*) exit 1 ;; esac\nexec {sys.executable} "$@"\n'
    (tools / "python3").write_text(script)
    os.chmod(tools / "python3", 0o755)


def test_no_python(machine):
    status, said = machine()
    assert status == 1
    assert "no Python 3.11 or newer found" in said
    assert "apt-get install python3 python3-venv python3-dev" in said


def test_a_python_that_is_too_old_is_none(machine):
    add_python(machine.tools, refuses="version_info")
    assert "no Python 3.11 or newer found" in machine()[1]


def test_a_named_python_must_be_usable(machine):
    status, said = machine(PYTHON="/nowhere/python3")
    assert status == 1
    assert "PYTHON=/nowhere/python3 is not a Python 3.11 or newer" in said


def test_no_venv(machine):
    add_python(machine.tools, refuses="ensurepip")
    status, said = machine()
    assert status == 1
    assert "apt-get install python3-venv" in said


def test_no_headers(machine):
    add_python(machine.tools, refuses="Python.h")
    assert "apt-get install python3-dev" in machine()[1]


def test_no_compiler(machine):
    add_python(machine.tools, refuses="nothing-at-all")
    status, said = machine(CC="no-such-compiler -O2")
    assert status == 1
    assert "no C compiler (looked for no-such-compiler)" in said
    assert "apt-get install gcc" in said


def test_a_failed_step_shows_the_end_of_its_log(machine):
    script = (
        '#!/bin/sh\nif [ "$1 $2" = "-m venv" ]; then echo no space left; exit 1; fi\n'
        f'exec {sys.executable} "$@"\n'
    )
    (machine.tools / "python3").write_text(script)
    os.chmod(machine.tools / "python3", 0o755)
    status, said = machine(CC="bash")
    assert status == 1
    assert " FAILED\nno space left\n" in said
    assert "build/log/venv.log" in said
