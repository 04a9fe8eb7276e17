"""How the connections of a pool are opened and kept; who they belong to is in `pool`."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..net.endpoint import Endpoint
from ..net.policy import Heartbeat, SessionPolicy
from .connection import SUBSCRIPTION_KEY

__all__ = ["ROTATION_AGE_S", "ConnectionPlan"]

HEARTBEAT_REPLY_S = 10.0
ROTATION_AGE_S = 23.75 * 3600  # the venue ends connections at 24 h (BN-S-04)
ROTATION_NOTICE_S = 900.0
ROTATION_SPREAD_S = 30.0  # slots do not rotate at the same time


@dataclass(frozen=True, slots=True)
class ConnectionPlan:
    """What all connections of a pool have in common.

    Parameters
    ----------
    url : str
        Opened byte for byte.
    api_key : str, optional
        Sent in a header (BN-S-37).
    heartbeat_s, idle_timeout_s : float
        As of `StreamPool`.
    rotation_age_s : float, optional
        When the first connection is replaced, the others a little earlier each; None: never.
    """

    url: str
    api_key: str | None = field(default=None, repr=False)
    proxy: str | None = field(default=None, repr=False)
    heartbeat_s: float | None = None
    idle_timeout_s: float = 300.0
    rotation_age_s: float | None = ROTATION_AGE_S

    def endpoint(self) -> Endpoint:
        """Return where a connection goes."""
        headers = {"X-MBX-APIKEY": self.api_key} if self.api_key is not None else None
        return Endpoint(url=self.url, headers=headers, proxy=self.proxy)

    def policy(self, index: int) -> SessionPolicy:
        """Return how the connection of a slot is kept."""
        heartbeat = None
        if self.heartbeat_s is not None:
            heartbeat = Heartbeat(
                interval_s=self.heartbeat_s,
                reply_timeout_s=min(self.heartbeat_s, HEARTBEAT_REPLY_S),
                key=SUBSCRIPTION_KEY,
            )
        age_s, notice_s = self.rotation_age_s, 0.0
        if age_s is not None:
            age_s -= index * min(ROTATION_SPREAD_S, age_s / 100)
            notice_s = min(ROTATION_NOTICE_S, age_s / 2)
        return SessionPolicy(
            silence_timeout_s=self.idle_timeout_s,
            heartbeat=heartbeat,
            max_age_s=age_s,
            rotation_notice_s=notice_s,
        )
