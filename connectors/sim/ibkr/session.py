"""The user's login and brokerage session (section 3)."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from ..clock import SimClock
from .config import SimConfig

__all__ = ["SERVER", "USER", "Session"]

USER = "simuser"
USER_ID = 123456789
SERVER = {"serverName": "SimN00001", "serverVersion": "Build 0.0.0-sim"}
MAC = "98:F2:B3:23:BF:A0"
LOGIN_S = 24 * 3600


class Session:
    """Outer login, brokerage session, and what belongs to each of them.

    Attributes
    ----------
    session_id
        What `tickle` gives and the websocket's cookie holds.
    login
        Whether the outer login stands.
    opened
        Whether there is a brokerage session: `ssodh/init` was called and has come into effect.
    competing
        Another platform has taken the brokerage session.
    asked
        Names of the calls others depend on that were made in this brokerage session (N-11).
    suppressed
        Questions not asked (R-40).
    poisoned
        A filtered query keeps orders from the stream (F-06).
    snapshots
        Market data lines opened by snapshots: conid and codes.
    on_change
        Told what `sts` says: the keys that changed.
    on_reset
        Told that the brokerage session is a new one.
    """

    def __init__(self, config: SimConfig, clock: SimClock, accounts: list[str]) -> None:
        self._config = config
        self._clock = clock
        self._random = random.Random(f"ibkr-sim/session/{config.seed}")
        self.accounts = accounts
        self.selected = accounts[0]
        self.session_id = self._new_id()
        self.login = True
        self.login_ms = clock.now_ms()
        self.opened = True
        self.competing = False
        self.asked: set[str] = set()
        self.suppressed: set[str] = set()
        self.poisoned = False
        self.snapshots: dict[str, int] = {}
        self.last_request_ns = clock.elapsed_ns()
        self.brokerage_number = 0x17
        self.on_change: Callable[[dict[str, Any]], None] = lambda changes: None
        self.on_reset: Callable[[], None] = lambda: None
        self._bridge_ns = 0
        self._told: dict[str, bool] = {"authenticated": True, "competing": False}

    def _new_id(self) -> str:
        return f"{self._random.getrandbits(128):032x}"

    # -- what it is --------------------------------------------------------------------------

    @property
    def has_bridge(self) -> bool:
        """Whether calls to /iserver are answered."""
        is_up = self.login and self.opened and not self.competing
        return is_up and self._clock.elapsed_ns() >= self._bridge_ns

    @property
    def brokerage_id(self) -> str:
        """Return the other session id, which no cookie knows (N-08)."""
        return f"64c2a9f1.{self.brokerage_number:08x}"

    def status(self) -> dict[str, Any]:
        """Return the authentication status (N-03)."""
        if not self.login:
            return {"authenticated": False, "competing": False, "connected": False, "MAC": MAC}
        is_up = self.has_bridge
        return {
            "authenticated": is_up,
            "established": is_up,
            "competing": self.competing,
            "connected": True,
            "message": "",
            "MAC": MAC,
            "serverInfo": SERVER,
            "hardware_info": f"sim0001|{MAC}",
            "fail": "",
        }

    def tickle(self) -> dict[str, Any]:
        left_ms = self.login_ms + LOGIN_S * 1000 - self._clock.now_ms()
        return {
            "session": self.session_id,
            "ssoExpires": max(left_ms, 0),
            "collission": False,
            "userId": USER_ID,
            "hmds": {"error": "no bridge"},
            "iserver": {"authStatus": self.status()},
        }

    def full_status(self) -> dict[str, Any]:
        """Return what `sts` says first on every connection (W-03)."""
        is_up = self.has_bridge
        if not is_up:
            self._told["authenticated"] = False  # when it changes, it is told
        return {
            "connected": self.login,
            "authenticated": is_up,
            "established": is_up,
            "competing": self.competing,
            "message": "",
            "fail": "",
            **SERVER,
            "username": USER,
        }

    def validated(self) -> dict[str, Any]:
        """Return what `sso/validate` says (N-13)."""
        return {
            "USER_ID": USER_ID,
            "USER_NAME": USER,
            "RESULT": self.login,
            "AUTH_TIME": self.login_ms,
            "SF_ENABLED": False,
            "IS_FREE_TRIAL": False,
            "CREDENTIAL": USER,
            "IP": "127.0.0.1",
            "EXPIRES": self.tickle()["ssoExpires"],
            "QUALIFIED_FOR_MOBILE_AUTH": None,
            "LANDING_APP": "UNIVERSAL",
            "IS_MASTER": False,
            "lastAccessed": self._clock.now_ms(),
            "LOGIN_TYPE": 2 if self._config.paper else 1,
            "PAPER_USER_NAME": USER,
            "features": {"env": "PROD"},
            "region": "NJ",
        }

    # -- what happens to it ------------------------------------------------------------------

    def touch(self) -> None:
        """Know that a request came."""
        self.last_request_ns = self._clock.elapsed_ns()

    def tick(self, now_ns: int) -> None:
        """Let a session die that nobody has used (X-12)."""
        idle_s = self._config.session_idle_s
        if idle_s and self.login and now_ns - self.last_request_ns > idle_s * 1e9:
            self.expire()
        if self.has_bridge:
            self._tell(competing=False)
            self._tell(authenticated=True)

    def _tell(self, **changes: bool) -> None:
        """Say on the sockets what is news."""
        if self._told | changes != self._told:
            self._told |= changes
            self.on_change(changes)

    def expire(self) -> None:
        """End the login."""
        self.login = False
        self._lose()

    def lose_brokerage(self) -> None:
        """End the brokerage session; the login stands (`outer only`)."""
        self._lose()

    def _lose(self) -> None:
        self.opened = False
        self._tell(authenticated=False)

    def compete(self) -> None:
        """Let another platform take the brokerage session."""
        self.competing = True
        self._tell(competing=True)
        self._tell(authenticated=False)

    def log_in(self) -> None:
        """Do what a person does in the browser; the brokerage session is still to be opened."""
        self.login = True
        self.login_ms = self._clock.now_ms()
        self.touch()

    def change_id(self) -> None:
        """Give the session another id (N-08)."""
        self.session_id = self._new_id()

    def close_bridge(self, ms: float) -> None:
        """Answer /iserver with `no bridge` for so long (N-05)."""
        self._bridge_ns = self._clock.elapsed_ns() + int(ms * 1e6)

    def open_brokerage(self, *, compete: bool) -> bool:
        """Do what `ssodh/init` asks for; False if another platform keeps the session.

        That it has come into effect is told when /iserver answers again.
        """
        if self.competing and not compete:
            return False
        if self.opened and not self.competing:
            return True
        self.competing = False
        self.opened = True
        self.brokerage_number += 1
        self.asked.clear()
        self.suppressed.clear()
        self.snapshots.clear()
        self.poisoned = False
        self.close_bridge(self._config.init_ms)
        self.on_reset()
        return True

    def log_out(self) -> None:
        """End everything (N-14)."""
        self.expire()
        self.change_id()
