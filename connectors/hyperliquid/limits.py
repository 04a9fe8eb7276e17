"""What the venue lets an IP address and an account do (section 11 of the venue's rules).

Limits per address of the network are shared by all clients of this process that talk to one host
(`ip_limits`); those of an account are counted in `AddressBudget`.

Requests for information and commands draw on one budget of weight. Information waits when four
fifths of it are used, so that it never stands in a command's way; commands may use all of it.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from ..net.attempts import AttemptBudget
from ..net.clock import NS_PER_S, SYSTEM_CLOCK, Clock, to_ns
from ..net.per_host import PerHost
from ..net.ratelimit import Quota, RateLimiter, WindowQuota
from .config import Config

__all__ = [
    "ACTION",
    "INFO",
    "INFO_PAUSE_S",
    "MESSAGE",
    "SUBSCRIPTIONS_MAX",
    "AddressBudget",
    "IpLimits",
    "PostSlots",
    "action_weight",
    "info_weight",
    "ip_limits",
    "item_weight",
]

log = logging.getLogger("connectors.hyperliquid")

SUBSCRIPTIONS_MAX = 1_000  # over all connections
NEW_CONNECTIONS_PER_MIN = 30

# Keys of `IpLimits.limiter`.
INFO = "info"
ACTION = "action"
MESSAGE = "message"

INFO_SHARE = 0.8
INFO_PAUSE_S = 10.0  # after the venue said that we ask too much

ENTRIES_PER_WEIGHT = 40
DEFAULT_WEIGHT = 20
_INFO_WEIGHTS: Mapping[str, int] = MappingProxyType(
    {
        "l2Book": 2,
        "allMids": 2,
        "clearinghouseState": 2,
        "orderStatus": 2,
        "spotClearinghouseState": 2,
        "exchangeStatus": 2,
        "userRole": 60,
    }
)
_ITEMS_PER_WEIGHT: Mapping[str, int] = MappingProxyType(
    {
        **dict.fromkeys(
            (
                "recentTrades",
                "historicalOrders",
                "userFills",
                "userFillsByTime",
                "fundingHistory",
                "userFunding",
                "nonUserFundingUpdates",
                "twapHistory",
                "userTwapSliceFills",
                "userTwapSliceFillsByTime",
                "delegatorHistory",
                "delegatorRewards",
                "validatorStats",
            ),
            20,
        ),
        "candleSnapshot": 60,
    }
)


def action_weight(entries: int) -> int:
    """Return what an action of so many orders, cancels or modifications weighs."""
    return 1 + entries // ENTRIES_PER_WEIGHT


def info_weight(kind: str) -> int:
    """Return what a request for information (`meta`) weighs before it is answered."""
    return _INFO_WEIGHTS.get(kind, DEFAULT_WEIGHT)


def item_weight(kind: str, items: int) -> int:
    """Return what the length of an answer adds to that."""
    per_weight = _ITEMS_PER_WEIGHT.get(kind)
    return 0 if per_weight is None else items // per_weight


class PostSlots:
    """Requests on WebSockets that may be without an answer at one time.

    Parameters
    ----------
    capacity : int
        How many, over all connections.
    """

    __slots__ = ("_lock", "_used", "_waiting", "capacity")

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._used = 0
        self._waiting: deque[tuple[asyncio.AbstractEventLoop, Callable[[], object]]] = deque()
        self._lock = threading.Lock()

    @property
    def used(self) -> int:
        """How many are taken."""
        return self._used

    def try_take(self) -> bool:
        """Take a place; False if there is none."""
        with self._lock:
            if self._used >= self.capacity:
                return False
            self._used += 1
            return True

    def on_free(self, call: Callable[[], object]) -> None:
        """Call this once, later and on this loop, when a place is free; it may be taken again."""
        waiter = (asyncio.get_running_loop(), call)
        with self._lock:
            self._waiting.append(waiter)
            if self._used < self.capacity:
                self._wake()

    def give_back(self) -> None:
        """Give a place back."""
        with self._lock:
            self._used -= 1
            self._wake()

    def pass_on(self) -> None:
        """Leave a free place to the next who waits for one."""
        with self._lock:
            if self._used < self.capacity:
                self._wake()

    def _wake(self) -> None:
        while self._waiting:
            loop, call = self._waiting.popleft()
            try:
                loop.call_soon_threadsafe(call)
            except RuntimeError:  # its loop is closed, so nobody waits there any more
                continue
            return


class IpLimits:
    """Limits that all clients of one host share.

    Parameters
    ----------
    weight_per_min, messages_per_min, posts_max : int
        The venue's; see `Config`.
    clock : Clock

    Attributes
    ----------
    limiter : RateLimiter
        Keys `INFO`, `ACTION` and `MESSAGE`. Take `INFO` for a request for information and debit
        `ACTION`, and the other way round: `info_spent`, `action_spent`.
    posts : PostSlots
    attempts : AttemptBudget
        For sessions: the venue takes 30 new connections in a minute.
    """

    __slots__ = ("__weakref__", "attempts", "limiter", "posts")

    def __init__(
        self,
        *,
        weight_per_min: int = 1_200,
        messages_per_min: int = 2_000,
        posts_max: int = 100,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        info_per_min = max(int(weight_per_min * INFO_SHARE), DEFAULT_WEIGHT)
        self.limiter = RateLimiter(
            {
                INFO: Quota(weight_per_min, 60.0, burst=info_per_min),
                ACTION: Quota(weight_per_min, 60.0),
                # The venue counts by the minute: half at once, the rest as that comes back.
                MESSAGE: Quota(messages_per_min // 2 or 1, 60.0),
            },
            clock=clock,
        )
        self.posts = PostSlots(posts_max)
        self.attempts = AttemptBudget(
            (
                Quota(NEW_CONNECTIONS_PER_MIN // 2, 60.0, burst=NEW_CONNECTIONS_PER_MIN // 2),
                WindowQuota(NEW_CONNECTIONS_PER_MIN, 60.0),
            ),
            clock=clock,
        )

    def info_spent(self, weight: int) -> None:
        """Note weight of information that was asked for; it is taken of `INFO` already."""
        self.limiter.debit(ACTION, weight)

    def action_spent(self, weight: int) -> None:
        """Note weight of a command; it is taken of `ACTION` already."""
        self.limiter.debit(INFO, weight)

    def hold_info(self, for_s: float = INFO_PAUSE_S) -> None:
        """Ask for no information for so long: the venue said that we ask too much."""
        self.limiter.hold(INFO, for_s)


_hosts: PerHost[IpLimits] = PerHost()


def ip_limits(config: Config) -> IpLimits:
    """Return the limits of the config's host; those of its first client hold for all."""
    return _hosts.get(
        config.endpoints.rest,
        lambda: IpLimits(
            weight_per_min=config.rest_weight_per_min,
            messages_per_min=config.messages_per_min,
            posts_max=config.inflight_posts_max,
        ),
    )


class AddressBudget:
    """Requests of one account: 10 000, and one more for each USDC it has traded (11.3).

    Each order, cancel or modification counts one, also within an action. When the venue says that
    the budget is used up it takes one request in ten seconds; cancels have a higher cap of their
    own, and are never held here.

    Parameters
    ----------
    clock : Clock
    on_problem : callable
        Told once when nine tenths are used, and when all are.

    Attributes
    ----------
    used, cap : int or None
        As far as known: from `userRateLimit`, counted on since; None before it was read.
    counted : int
        What this client has sent.
    """

    __slots__ = ("_clock", "_held_until_ns", "_on_problem", "_warned", "cap", "counted", "used")

    WARN_SHARE = 0.9
    PAUSE_S = 10.0

    def __init__(self, *, clock: Clock, on_problem: Callable[[str], object]) -> None:
        self._clock = clock
        self._on_problem = on_problem
        self._held_until_ns = 0
        self._warned = False
        self.used: int | None = None
        self.cap: int | None = None
        self.counted = 0

    def learn(self, answer: Mapping[str, Any]) -> None:
        """Take an answer to `userRateLimit`."""
        used, cap = answer.get("nRequestsUsed"), answer.get("nRequestsCap")
        if isinstance(used, int) and isinstance(cap, int):
            self.used, self.cap = used, cap
            self._warned = self._warned and used >= cap * self.WARN_SHARE
            self.spend(0)

    def spend(self, entries: int) -> None:
        """Count what is about to be sent."""
        self.counted += entries
        if self.used is None or self.cap is None:
            return
        self.used += entries
        if not self._warned and self.used >= self.cap * self.WARN_SHARE:
            self._warned = True
            self._on_problem(
                f"{self.used} of {self.cap} requests of this account are used; trading more, or "
                "buying requests (reserve_request_weight), makes room"
            )

    def exhausted(self) -> None:
        """The venue refused because the budget is used up."""
        self._held_until_ns = self._clock.monotonic_ns() + to_ns(self.PAUSE_S)
        if self.cap is not None:
            self.used = max(self.used or 0, self.cap)
        self._on_problem(
            f"the account's requests are used up: one in {self.PAUSE_S:g} s from here on"
        )

    @property
    def wait_s(self) -> float:
        """Seconds for which orders and modifications are held back; 0: not at all."""
        return max(0, self._held_until_ns - self._clock.monotonic_ns()) / NS_PER_S

    def __repr__(self) -> str:
        return f"<AddressBudget {self.used} of {self.cap}, {self.counted} by this client>"
