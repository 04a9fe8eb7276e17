"""Connections that stay up: sessions, subscriptions, rate limits and HTTP.

Nothing here knows a venue. Import from the modules: this file holds no names, so that
`import connectors` does not pay for what it does not use. It only makes sure that the picows
at run time is the one the compiled listener was built against: another minor version may lay
its objects out in another way, and would be found out in the middle of a frame.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from ..errors import ConfigError

__all__ = ["PICOWS", "check_picows"]

PICOWS = "2.3"


def check_picows(installed: str | None) -> None:
    """Raise ConfigError unless `installed` is a version of picows that fits."""
    if installed is None or installed.split(".")[:2] != PICOWS.split("."):
        raise ConfigError(
            f"picows {installed or 'is not installed'}: this build of tickwire needs {PICOWS}; "
            f"run pip install 'picows=={PICOWS}.*'"
        )


def _installed() -> str | None:
    try:
        return version("picows")
    except PackageNotFoundError:
        return None


check_picows(_installed())
