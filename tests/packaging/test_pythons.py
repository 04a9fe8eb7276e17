"""sdist, wheel, install and first use with every other CPython that is to be found here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.pythons]

PROBE = (
    "import json, sys, sysconfig, os, importlib.util as u;"
    "print(json.dumps([sys.implementation.name, list(sys.version_info[:3]),"
    " sys.base_prefix, u.find_spec('ensurepip') is not None,"
    " os.path.exists(sysconfig.get_path('include') + '/Python.h')]))"
)


def candidates() -> list[Path]:
    """Return interpreters by where they usually are: the system's and pyenv's."""
    found = [
        *Path("/usr/bin").glob("python3.[0-9]*"),
        *Path("/usr/local/bin").glob("python3.[0-9]*"),
    ]
    found += Path("~/.pyenv/versions").expanduser().glob("*/bin/python")
    return sorted({path.resolve() for path in found if not path.name.endswith("config")})


def others() -> list[pytest.param]:
    """Return every usable CPython 3.11 or newer except the one that runs the tests."""
    out = []
    for python in candidates():
        try:
            done = subprocess.run(
                [python, "-c", PROBE], capture_output=True, timeout=20, check=True
            )
        except (OSError, subprocess.SubprocessError):
            continue
        name, version, prefix, has_pip, has_headers = json.loads(done.stdout)
        if name != "cpython" or version < [3, 11] or prefix == sys.base_prefix:
            continue
        label = f"{'.'.join(map(str, version))}-{python.parent.parent.name}"
        missing = [
            what for what, there in (("ensurepip", has_pip), ("Python.h", has_headers)) if not there
        ]
        marks = [pytest.mark.skip(f"{python} has no {' and no '.join(missing)}")] if missing else []
        out.append(pytest.param(python, id=label, marks=marks))
    return out


@pytest.mark.parametrize("python", others())
def test_another_python(python, build_with, smoke_test, tmp_path):
    environment = build_with(python)
    assert environment.run("-W", "error", "-c", smoke_test, cwd=tmp_path).startswith("ok ")
