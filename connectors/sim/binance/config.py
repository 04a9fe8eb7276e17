"""Settings of one Binance simulator: its market, the venue's limits, and what is switchable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from ..settings import Settings

__all__ = ["SCENARIOS", "RouteCheck", "SimConfig"]

RouteCheck = Literal["silent", "reject", "all"]

_DROPS = ("drop_reset", "drop_close", "half_open", "shutdown")
_GAPS = ("depth_skip", "depth_duplicate", "depth_swap", "depth_reset", "snapshot_stale")
_CHAOS = (
    *_DROPS,
    *_GAPS,
    "snapshot_error",
    "snapshot_delay",
    "snapshot_empty",
    "slow_frames",
    "split_frames",
    "fragments",
    "unknown_event",
    "invalid_json",
    "unknown_keys",
    "shuffled_keys",
    "ping_flood",
    "silence",
    "lost_ack",
    "error_ack",
    "refuse",
    "clock_step",
)

SCENARIOS: dict[str, dict[str, Any]] = {
    "calm": {},
    "still": {"rate_per_s": 0.0},
    "busy": {"rate_per_s": 3_000.0, "symbols": 40},
    "drops": {"fault_interval_s": 3.0, "fault_kinds": _DROPS},
    "gaps": {"fault_interval_s": 0.5, "fault_kinds": _GAPS},
    "chaos": {"fault_interval_s": 0.5, "fault_kinds": _CHAOS},
    "load": {
        "rate_per_s": 0.0,
        "load_msgs_per_s": 20_000.0,
        "slow_consumer": "skip",
        "max_streams": 1_024,
    },
}
"""What each scenario changes; fault times and targets come from the seed."""


@dataclass(slots=True)
class SimConfig(Settings):
    """How a Binance simulator behaves, beside what `Settings` has.

    Limits may be changed while it runs; the market's shape may not.

    Parameters
    ----------
    symbols, coinm_symbols
        How many USD-M and COIN-M contracts are listed (a USD-M delivery contract comes on top).
    book_levels
        Price levels per side that the makers keep up.
    route_check
        What a stream name of another route gets (BN-M-03): acknowledged and silent as at the
        venue, an error, or served.
    private_needs_events
        Whether a listen key without an `events` filter gets nothing; reports contradict each
        other (BN-L-12).
    ws_signature_form
        Which text a signature of the trading websocket may cover (BN-M-10).
    slow_consumer
        What happens to a connection with more than `slow_consumer_bytes` unsent: closed, or its
        frames skipped and counted until the buffer has drained (BN-M-16).
    """

    symbols: int = 12
    coinm_symbols: int = 4
    rate_per_s: float = 300.0
    book_levels: int = 120

    route_check: RouteCheck = "silent"
    max_streams: int = 200
    max_messages_per_s: int = 10
    bans_after_violations: int = 10
    max_handshakes_per_5min: int = 300
    ping_interval_s: float = 180.0
    pong_timeout_s: float = 600.0
    lifetime_s: float = 86_400.0
    lifetime_warning: bool = False
    flat_errors: bool = False
    private_needs_events: bool = False
    ws_signature_form: Literal["plain", "encoded", "both"] = "both"
    slow_consumer: Literal["close", "skip"] = "close"
    slow_consumer_bytes: int = 16 << 20
    max_client_frame: int = 1 << 20
    chunked_bodies: bool = False

    weight_per_minute: int = 2_400
    orders_per_10s: int = 300
    orders_per_minute: int = 1_200
    bans_after_429: int = 10
    ban_s: float = 120.0

    load_msgs_per_s: float = 0.0
    load_kinds: tuple[str, ...] = ("bookTicker",)

    scenarios: ClassVar[Mapping[str, Mapping[str, Any]]] = SCENARIOS
    fixed: ClassVar[frozenset[str]] = Settings.fixed | {
        *("symbols", "coinm_symbols", "book_levels", "load_msgs_per_s", "load_kinds")
    }
