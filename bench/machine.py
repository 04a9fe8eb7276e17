"""Where and with what a result was measured."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import subprocess
import sys
import sysconfig
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import ROOT

__all__ = ["built_with", "compiled_modules", "describe", "one_line"]

PACKAGES = [
    "tickwire",
    "picows",
    "uvloop",
    "orjson",
    "msgspec",
    "numpy",
    "aiohttp",
    "websockets",
    "sortedcontainers",
    "Cython",
]


def describe() -> dict[str, Any]:
    """Return machine, versions, time and commit, ready for JSON."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _git("rev-parse", "HEAD"),
        "changed_files": len((_git("status", "--porcelain", "-uno") or "").splitlines()),
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "load": [round(x, 2) for x in os.getloadavg()] if hasattr(os, "getloadavg") else None,
        "system": platform.platform(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "python_compiler": platform.python_compiler(),
        # Without profile-guided optimization Python code is slower by a fifth or so, and with it
        # every alternative that is written in Python.
        "python_optimized": "--enable-optimizations"
        in str(sysconfig.get_config_var("CONFIG_ARGS") or ""),
        "built_with": built_with(),
        "versions": {name: _version(name) for name in PACKAGES},
    }


def one_line(machine: dict[str, Any]) -> str:
    """Return the essence for the foot of a table or plot."""
    versions = machine["versions"]
    shown = ", ".join(f"{n} {v}" for n, v in versions.items() if v and n not in ("Cython", "numpy"))
    return (
        f"{machine['cpu']}, {machine['cores']} cores, CPython {machine['python']}"
        f"{'' if machine['python_optimized'] else ' (built without PGO)'}, "
        f"{machine['built_with'].get('compiler')}; {shown}; "
        f"commit {str(machine['commit'])[:9]}, {machine['date'][:10]}"
    )


def compiled_modules() -> dict[str, Path]:
    """Return the files of our compiled modules by module name."""
    import connectors._speedups as package

    suffixes = (".so", ".pyd")
    folder = Path(str(package.__file__)).parent
    return {p.name.split(".")[0]: p for p in sorted(folder.iterdir()) if p.suffix in suffixes}


def built_with() -> dict[str, Any]:
    """Return what our compiled modules were built with, as far as the files themselves tell."""
    content = compiled_modules()["ticks"].read_bytes()
    compiler = re.search(
        rb"(GCC): \([^)]*\) (\d+\.\d+\.\d+)|(clang) version (\d+\.\d+\.\d+)", content
    )
    cython = re.search(rb"_cython_(\d+)_(\d+)_(\d+)", content)
    return {
        "compiler": b" ".join(part for part in compiler.groups() if part).decode().lower()
        if compiler
        else None,
        "cython": b".".join(cython.groups()).decode() if cython else None,
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",
        "machine": platform.machine(),
        "release": b".debug_info" not in content,
    }


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _cpu() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor() or platform.machine()
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return found.group(1).strip() if found else platform.machine()


def _git(*words: str) -> str | None:
    """Return what git says of the checkout; None without git or outside one."""
    try:
        done = subprocess.run(
            ["git", "-C", str(ROOT), *words], capture_output=True, text=True, timeout=20, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
