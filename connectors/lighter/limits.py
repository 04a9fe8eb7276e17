"""What the venue lets an account do per minute, in one place (section 15 of the venue's rules).

The figures move; `Config.rest_quota_per_min` and `sendtx_quota_per_min` replace them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

__all__ = ["DEFAULT_WEIGHT", "STREAM_LIMITS", "WEIGHTS", "Limits", "StreamLimits", "Tier"]


class Tier(StrEnum):
    """Account type, as `account_type` of the venue numbers them: 0, 1, 2, 3."""

    STANDARD = "standard"
    PREMIUM = "premium"
    PLUS = "plus"
    BUILDER = "builder"

    @classmethod
    def of(cls, account_type: object) -> Tier | None:
        """Return the tier of the venue's number, None for one we do not know."""
        members = list(cls)
        if isinstance(account_type, int) and 0 <= account_type < len(members):
            return members[account_type]
        return None


DEFAULT_WEIGHT = 300
WEIGHTS: Mapping[str, int] = MappingProxyType(
    {
        "sendTx": 6,
        "sendTxBatch": 6,
        "nextNonce": 6,
        "publicPools": 50,
        "txFromL1TxHash": 50,
        "accountInactiveOrders": 100,
        "deposit/latest": 100,
        "apikeys": 150,
        "transferFeeInfo": 500,
        "trades": 600,
        "recentTrades": 600,
        "changeAccountTier": 3_000,
        "tokens": 3_000,
        "tokens/create": 23_000,
    }
)
_REST_PER_MIN = {
    Tier.STANDARD: 60,  # requests, whatever their weight
    Tier.PREMIUM: 24_000,
    Tier.PLUS: 120_000,
    Tier.BUILDER: 240_000,
}
_SENDTX_PER_MIN = {
    Tier.STANDARD: 60,
    Tier.PREMIUM: 4_000,  # grows with staked LIT
    Tier.PLUS: 8_000,
    Tier.BUILDER: 8_000,
}


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one account.

    Attributes
    ----------
    rest_per_min : int
        Requests, or units of weight where `is_weighted`.
    sendtx_per_min : int
        Transactions over WebSocket and REST together; a batch counts each of its own.
    """

    rest_per_min: int
    sendtx_per_min: int
    is_weighted: bool

    @classmethod
    def of(
        cls, tier: Tier, *, rest_per_min: int | None = None, sendtx_per_min: int | None = None
    ) -> Limits:
        """Return the limits of a tier, with some replaced."""
        return cls(
            rest_per_min=rest_per_min or _REST_PER_MIN[tier],
            sendtx_per_min=sendtx_per_min or _SENDTX_PER_MIN[tier],
            is_weighted=tier is not Tier.STANDARD,
        )

    def weight(self, endpoint: str) -> int:
        """Return what one call of an endpoint (`trades`) takes of `rest_per_min`."""
        return WEIGHTS.get(endpoint, DEFAULT_WEIGHT) if self.is_weighted else 1


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """Limits of WebSocket connections, per address."""

    control_per_min: int = 200
    control_burst: int = 50
    in_flight: int = 50
    subscribes_in_flight: int = 35  # ours: stays clear of the venue's
    subscriptions: int = 500
    connections: int = 255


STREAM_LIMITS = StreamLimits()
