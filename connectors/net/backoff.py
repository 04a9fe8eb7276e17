"""How long to wait before the next attempt."""

from __future__ import annotations

import enum
import random
from dataclasses import dataclass

from ..errors import ConfigError

__all__ = ["Backoff", "BackoffPolicy", "Jitter"]


class Jitter(enum.Enum):
    """How chance spreads the delays of clients that failed together."""

    ADD = "add"  # delay + uniform(0, amount seconds)
    ROOM = "room"  # the same, and the largest delay leaves room for it: spread there as well
    SPREAD = "spread"  # delay * uniform(1 - amount, 1 + amount)
    FULL = "full"  # uniform(0, delay); the amount is not used


@dataclass(frozen=True, slots=True, kw_only=True)
class BackoffPolicy:
    """Delays that grow by a factor up to a cap.

    Parameters
    ----------
    initial_s, maximum_s : float
        First and largest delay. No delay is above the maximum; none is below
        the initial one, except with `Jitter.FULL` and `Jitter.SPREAD`.
    factor : float
        Growth per failure, at least 1.
    jitter : Jitter
        Kind of randomness.
    jitter_amount : float
        Seconds for `Jitter.ADD` and `Jitter.ROOM`, a share of the delay for `Jitter.SPREAD`.
    immediate_first : bool
        Whether the first attempt waits not at all. The defaults are BN-T-02.
    """

    initial_s: float = 0.5
    maximum_s: float = 5.0
    factor: float = 2.0
    jitter: Jitter = Jitter.ADD
    jitter_amount: float = 0.25
    immediate_first: bool = True

    def __post_init__(self) -> None:
        if not 0 < self.initial_s <= self.maximum_s:
            raise ConfigError("backoff needs 0 < initial_s <= maximum_s")
        if self.factor < 1:
            raise ConfigError("backoff factor must be at least 1, or delays would shrink")
        if self.jitter_amount < 0 or (self.jitter is Jitter.SPREAD and self.jitter_amount > 1):
            raise ConfigError("backoff jitter_amount must not be negative, nor above 1 for SPREAD")


class Backoff:
    """The delays of one series of attempts.

    Parameters
    ----------
    policy : BackoffPolicy
        Sizes.
    rng : random.Random
        Source of the jitter; pass a seeded one to make a run repeatable.
    """

    __slots__ = ("_delay_s", "_first", "_policy", "_rng")

    def __init__(self, policy: BackoffPolicy, rng: random.Random) -> None:
        self._policy = policy
        self._rng = rng
        self.reset()

    def reset(self) -> None:
        """Start over: the next delay is the first one again."""
        self._delay_s = self._policy.initial_s
        self._first = self._policy.immediate_first

    def next_delay_s(self) -> float:
        """Return the seconds to wait before the next attempt, and grow."""
        if self._first:
            self._first = False
            return 0.0
        policy = self._policy
        delay_s = self._delay_s
        self._delay_s = min(delay_s * policy.factor, policy.maximum_s)
        if policy.jitter is Jitter.ROOM:
            delay_s = min(delay_s, max(policy.maximum_s - policy.jitter_amount, policy.initial_s))
        if policy.jitter in (Jitter.ADD, Jitter.ROOM):
            delay_s += self._rng.uniform(0.0, policy.jitter_amount)
        elif policy.jitter is Jitter.SPREAD:
            delay_s *= self._rng.uniform(1.0 - policy.jitter_amount, 1.0 + policy.jitter_amount)
        else:
            delay_s = self._rng.uniform(0.0, delay_s)
        return min(delay_s, policy.maximum_s)
