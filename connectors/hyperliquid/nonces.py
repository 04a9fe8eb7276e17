"""Nonces of a key: milliseconds, each used once (section 10 of the venue's rules).

The venue keeps the hundred highest nonces of a key and takes any that is not among them, above the
lowest of them, and no more than two days behind or one day ahead of its clock. So a number is
needed that nobody has used, not the next one; and all clients of this process that sign with one
key must draw from one counter. Two processes with one key collide: give each an agent of its own.
"""

from __future__ import annotations

import logging
import threading

from ..errors import ClientError
from ..execution.nonces import ClockNonces, Nonce, NonceUnavailable
from ..net.clock import NS_PER_MS, NS_PER_S, SYSTEM_CLOCK, Clock

__all__ = ["KeyNonces", "check_clock", "key_nonces"]

log = logging.getLogger("connectors.hyperliquid")

WARN_AHEAD_MS = 1_000
MAX_AHEAD_MS = 86_400_000 - 60_000  # a day, less a minute of what clocks differ
MAX_SKEW_S = 3_600.0
WARN_SKEW_S = 1.0


class KeyNonces(ClockNonces):
    """The counter of one key; may be shared by loops and threads."""

    __slots__ = ("_lock", "_warned")

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock.wall_ns)
        self._lock = threading.Lock()
        self._warned = False

    def allocate(self) -> Nonce:
        """Give out the next nonce.

        Raises
        ------
        NonceUnavailable
            Bursts ran a day ahead of the clock, or the clock was set back by a day.
        """
        now_ms = self._wall_ns() // NS_PER_MS
        with self._lock:
            self._last = last = max(now_ms, self._last + 1)
        ahead_ms = last - now_ms
        if ahead_ms > WARN_AHEAD_MS:
            if ahead_ms > MAX_AHEAD_MS:
                raise NonceUnavailable(
                    "nonces are a day ahead of the clock: the venue would refuse them"
                )
            if not self._warned:
                self._warned = True
                log.warning(
                    "venue=HYPERLIQUID nonces are %.1f s ahead of the clock", ahead_ms / 1e3
                )
        else:
            self._warned = False
        return Nonce(last)


_shared: dict[str, KeyNonces] = {}
_lock = threading.Lock()


def key_nonces(address: str, clock: Clock = SYSTEM_CLOCK) -> KeyNonces:
    """Return the counter of the key with this address; of any other clock a new one.

    It outlives the clients that use it: a burst may be ahead of the clock when they end.
    """
    if clock is not SYSTEM_CLOCK:
        return KeyNonces(clock)
    with _lock:
        return _shared.setdefault(address.lower(), KeyNonces(clock))


def check_clock(venue_ms: int, clock: Clock) -> float:
    """Return how many seconds our clock is ahead of the venue's; warn of more than one.

    Raises
    ------
    ClientError
        It is more than an hour off: nonces and expiries would be refused, or mean something else.
    """
    skew_s = clock.wall_ns() / NS_PER_S - venue_ms / 1_000
    if abs(skew_s) > MAX_SKEW_S:
        raise ClientError(
            f"this machine's clock is {skew_s:.0f} s off the venue's: set it before trading"
        )
    if abs(skew_s) > WARN_SKEW_S:
        log.warning("venue=HYPERLIQUID this machine's clock is %.1f s off the venue's", skew_s)
    return skew_s
