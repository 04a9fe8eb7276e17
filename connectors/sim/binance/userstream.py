"""User data: listen keys, the queue of events per key, and their faults (section 11).

`UserStream` keeps the keys and hands finished frames to its subscribers; the events themselves
are built in `user_events`.
"""

from __future__ import annotations

import random
import string
from collections.abc import Callable
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Any

import orjson

from .account import Account
from .types import ApiError, Product, UserFrame

__all__ = ["EventFaults", "ListenKeyFaults", "UserStream"]

KEY_LIFE_MS = 60 * 60 * 1000
_ALPHABET = string.ascii_letters + string.digits
Subscriber = Callable[[UserFrame], None]
Event = dict[str, Any]


@dataclass(slots=True)
class ListenKeyFaults:
    """What goes wrong with listen keys (BN-M-36); counters count down as they are used."""

    fail_posts: int = 0  # so many POST requests fail with a 503
    fail_puts: int = 0  # so many PUT requests fail with a 503
    put_unknown: int = 0  # so many PUT requests answer -1125
    rotate: bool = False  # POST makes a new key although the old one is valid
    expiry_as_text: bool = False  # E of listenKeyExpired as a string
    empty_put_reply: bool = False  # PUT answers {} like older gateways (BN-U-02)


@dataclass(slots=True)
class EventFaults:
    """What happens to the events of every account (BN-M-37); counters count events."""

    drop: int = 0  # lose the next n
    repeat: int = 0  # send each of the next n twice
    swap: int = 0  # send the next n pairs in reverse order
    delay_ms: int = 0  # hold every event back that long
    only: str | None = None  # of fills send only "TRADE_LITE" or only "ORDER_TRADE_UPDATE"


@dataclass(slots=True)
class _ListenKey:
    key: str
    account: Account
    product: Product
    expires_ms: int


class UserStream:
    """Listen keys of all accounts and the frames that go out under them."""

    def __init__(self, clock_ms: Callable[[], int], *, seed: int) -> None:
        self._clock_ms = clock_ms
        self._random = random.Random(f"binance-sim/listen-keys/{seed}")
        self._keys: dict[str, _ListenKey] = {}
        self._by_owner: dict[tuple[str, Product], _ListenKey] = {}
        self._subscribers: list[Subscriber] = []
        self._late: list[tuple[int, int, UserFrame]] = []  # heap of (due_ms, order, frame)
        self._late_count = 0
        self._held: UserFrame | None = None
        self.key_faults = ListenKeyFaults()
        self.event_faults = EventFaults()
        self.sent = 0

    def subscribe(self, subscriber: Subscriber) -> Callable[[], None]:
        """Call `subscriber` with every frame; returns the function that ends it."""
        self._subscribers.append(subscriber)
        return lambda: self._subscribers.remove(subscriber)

    # -- listen keys -----------------------------------------------------------------------

    def open(self, account: Account, product: Product) -> str:
        """Return the account's listen key, extended by 60 min, or a new one (BN-U-01)."""
        if _take(self.key_faults, "fail_posts"):
            raise _unavailable()
        now = self._clock_ms()
        found = self._by_owner.get((account.name, product))
        if found is not None and found.expires_ms > now and not self.key_faults.rotate:
            found.expires_ms = now + KEY_LIFE_MS
            return found.key
        if found is not None:
            self._forget(found)
        key = "".join(self._random.choices(_ALPHABET, k=64))
        made = _ListenKey(key, account, product, now + KEY_LIFE_MS)
        self._keys[key] = self._by_owner[account.name, product] = made
        return key

    def keep_alive(self, account: Account, product: Product) -> str:
        """Extend the account's key by 60 min (BN-U-02). Raises -1125 if it has none."""
        if _take(self.key_faults, "fail_puts"):
            raise _unavailable()
        found = self._by_owner.get((account.name, product))
        now = self._clock_ms()
        if _take(self.key_faults, "put_unknown") or found is None or found.expires_ms <= now:
            raise ApiError(-1125, "This listenKey does not exist.")
        found.expires_ms = now + KEY_LIFE_MS
        return found.key

    def close(self, account: Account, product: Product) -> None:
        """Forget the account's key; its stream gets nothing more (BN-U-04)."""
        found = self._by_owner.get((account.name, product))
        if found is not None:
            self._forget(found)

    def owner(self, key: str) -> tuple[Account, Product] | None:
        """Return whose key this is, None for an unknown or expired one."""
        found = self._keys.get(key)
        if found is None or found.expires_ms <= self._clock_ms():
            return None
        return found.account, found.product

    def expire(self, key: str | None = None, *, silent: bool = False) -> int:
        """End one key or all now, with or without the event (BN-U-07); return how many."""
        ending = [k for k in self._keys.values() if key is None or k.key == key]
        for found in ending:
            if not silent:
                self._send_expiry(found)
            self._forget(found)
        return len(ending)

    def _send_expiry(self, found: _ListenKey) -> None:
        now = self._clock_ms()
        event: Event = {
            "e": "listenKeyExpired",
            "E": str(now) if self.key_faults.expiry_as_text else now,
            "listenKey": found.key,
        }
        self._deliver(UserFrame(found.key, found.product, event["e"], orjson.dumps(event)))

    def _forget(self, found: _ListenKey) -> None:
        self._keys.pop(found.key, None)
        if self._by_owner.get((found.account.name, found.product)) is found:
            del self._by_owner[found.account.name, found.product]

    # -- events ----------------------------------------------------------------------------

    def emit(self, account: Account, product: Product, event: Event) -> None:
        """Send an event under the account's key of this product, if it has one."""
        found = self._by_owner.get((account.name, product))
        if found is None or found.expires_ms <= self._clock_ms():
            return
        name = event["e"]
        faults = self.event_faults
        if faults.only is not None and faults.only != name and _is_fill(event):
            return
        frame = UserFrame(found.key, product, name, orjson.dumps(event))
        if _take(faults, "drop"):
            return
        if self._held is not None:
            held, self._held = self._held, None
            self._route(frame)
            self._route(held)
        elif _take(faults, "swap"):
            self._held = frame
        else:
            self._route(frame)
            if _take(faults, "repeat"):
                self._route(frame)

    def tick(self) -> None:
        """Send what was held back and is due; end keys that ran out."""
        now = self._clock_ms()
        while self._late and self._late[0][0] <= now:
            self._deliver(heappop(self._late)[2])
        for found in [k for k in self._keys.values() if k.expires_ms <= now]:
            self._send_expiry(found)
            self._forget(found)

    def _route(self, frame: UserFrame) -> None:
        if self.event_faults.delay_ms:
            self._late_count += 1
            due = self._clock_ms() + self.event_faults.delay_ms
            heappush(self._late, (due, self._late_count, frame))
        else:
            self._deliver(frame)

    def _deliver(self, frame: UserFrame) -> None:
        self.sent += 1
        for subscriber in list(self._subscribers):
            subscriber(frame)


def _take(faults: ListenKeyFaults | EventFaults, name: str) -> bool:
    left: int = getattr(faults, name)
    if left <= 0:
        return False
    setattr(faults, name, left - 1)
    return True


def _is_fill(event: Event) -> bool:
    name = event["e"]
    if name == "ORDER_TRADE_UPDATE":
        return bool(event["o"]["x"] == "TRADE")
    return bool(name == "TRADE_LITE")


def _unavailable() -> ApiError:
    return ApiError(-1000, "Service Unavailable.", status=503)
