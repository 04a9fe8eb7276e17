"""How we introduce ourselves; the venue refuses those who do not (T-05)."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

__all__ = ["USER_AGENT"]


def _version() -> str:
    try:
        return version("tickwire")
    except PackageNotFoundError:  # run from a checkout that is not installed
        return "0"


USER_AGENT = f"connectors/{_version()}"
