"""The height of the chain as this client knows it, and how long a block takes; sans-I/O (5.5).

Only height gives finality to short-term orders. It never goes back here: another node of the
indexer may lag behind the one that was heard before.
"""

from __future__ import annotations

from collections import deque

from ..net.clock import NS_PER_S

__all__ = ["BlockHeights"]

WINDOW = 100
SAMPLES_MIN = 5
DEFAULT_S = 0.5
SHORTEST_S = 0.05  # what comes out below this is no block time (DX-N-12)


class BlockHeights:
    """Heights, and an estimate of the time between two blocks.

    Attributes
    ----------
    height : int or None
        The highest block heard of; None before the first.
    """

    __slots__ = ("_heard_ns", "_samples", "height")

    def __init__(self) -> None:
        self.height: int | None = None
        self._heard_ns: int | None = None
        self._samples: deque[tuple[int, int]] = deque(maxlen=WINDOW)

    def observe(self, height: int, block_ns: int | None, now_ns: int) -> bool:
        """Take a height; False if it is not higher than those before.

        Parameters
        ----------
        block_ns : int or None
            The block's own time, Unix ns; None where nobody said.
        now_ns : int
            Monotonic time.
        """
        if self.height is not None and height <= self.height:
            return False
        self.height = height
        self._heard_ns = now_ns
        samples = self._samples
        if block_ns is not None and (not samples or block_ns > samples[-1][1]):
            samples.append((height, block_ns))
        return True

    @property
    def block_time_s(self) -> float:
        """Seconds a block takes, on average; half a second as long as nobody can tell."""
        samples = self._samples
        if len(samples) < SAMPLES_MIN:
            return DEFAULT_S
        (first, first_ns), (last, last_ns) = samples[0], samples[-1]
        measured_s = (last_ns - first_ns) / (last - first) / NS_PER_S
        return measured_s if measured_s >= SHORTEST_S else DEFAULT_S

    def age_s(self, now_ns: int) -> float | None:
        """Return the seconds since the height last rose, by the monotonic clock; None: never."""
        if self._heard_ns is None:
            return None
        return (now_ns - self._heard_ns) / NS_PER_S

    def blocks_in(self, seconds: float) -> int:
        """Return how many blocks a time takes, at least one: a lifetime, as orders have it."""
        return max(1, round(seconds / self.block_time_s))
