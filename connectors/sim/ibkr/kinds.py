"""Names of the faults only this venue has (12.6)."""

from __future__ import annotations

__all__ = [
    "EDGE_FAULTS",
    "MARKET_FAULTS",
    "ORDER_FAULTS",
    "SESSION_FAULTS",
    "SOCKET_FAULTS",
    "UNATTENDED",
]

SESSION_FAULTS = (
    "competing", "drop_pre_ready", "late_system", "log_in", "login_redirect", "missing_sts",
    "no_bridge_window", "oauth_bad_signature", "oauth_expired", "outer_only", "session_expiry",
    "session_id_change", "tickle_failed", "waiting_for_session",
)  # fmt: skip
SOCKET_FAULTS = (
    "binary_only", "burst", "close_1000_loop", "close_1006", "close_1011", "empty_frames",
    "error_frame", "fragmented", "half_open", "invalid_utf8_binary", "lost_subscriptions",
    "malformed", "ntf_object", "ntf_prompt", "slow_reader",
    "stalled_heartbeat", "tic_dead", "truncated",
)  # fmt: skip
MARKET_FAULTS = (
    "availability", "empty_update", "halted", "line_limit", "prev_close", "server_id_hop",
    "smd_expiry", "unknown_field", "updated_backwards",
)  # fmt: skip
ORDER_FAULTS = (
    "bad_row", "cancel_too_late", "commission_later", "corrected_execution",
    "duplicate_executions", "filter_poison", "inactive_then_submitted", "late_order_reply",
    "next_reply", "out_of_order_status", "place_503_but_live", "reply_chain_9", "reply_lost",
    "reply_not_found", "sor_no_snapshot", "sor_silent", "system_cancel", "system_reject",
)  # fmt: skip
EDGE_FAULTS = ("edge_403", "gone_410", "maintenance", "penalty_429")
_NEED_ARGUMENTS = (
    "availability", "corrected_execution", "next_reply", "ntf_prompt", "system_cancel",
)  # fmt: skip
UNATTENDED = tuple(
    name
    for name in (
        *SESSION_FAULTS, *SOCKET_FAULTS, *MARKET_FAULTS, *ORDER_FAULTS, *EDGE_FAULTS,
    )
    if name not in _NEED_ARGUMENTS
)  # fmt: skip
"""Those that can be scenarios: they need not be told anything."""
