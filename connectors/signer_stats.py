"""The counters of a signer that may keep a pool of prepared signatures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, Self

__all__ = ["SignerStats"]


class Counting(Protocol):
    """What a compiled signer counts."""

    @property
    def signed(self) -> int: ...
    @property
    def pool_hits(self) -> int: ...
    @property
    def pool_misses(self) -> int: ...
    @property
    def pool_size(self) -> int: ...
    @property
    def pool_capacity(self) -> int: ...


@dataclass(frozen=True, slots=True)
class SignerStats:
    """What a signer did so far.

    Attributes
    ----------
    signed : int
        Signatures made, those of batches and auth tokens included.
    pool_hits : int
        Signatures that took a nonce from the pool.
    pool_misses : int
        Signatures that found the pool empty and were made the ordinary way. Stays 0 without a pool.
    pool_size : int
        Nonces ready now.
    capacity : int
        How many nonces the pool can hold; 0: there is no pool.
    """

    signed: int
    pool_hits: int
    pool_misses: int
    pool_size: int
    capacity: int

    @classmethod
    def of(cls, signer: Counting) -> Self:
        """Return the counters as they are now."""
        return cls(
            signer.signed,
            signer.pool_hits,
            signer.pool_misses,
            signer.pool_size,
            signer.pool_capacity,
        )
