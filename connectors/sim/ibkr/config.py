"""Settings of one IBKR simulator: session, streams, trading, limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from ..settings import Settings
from .kinds import UNATTENDED

__all__ = ["SCENARIOS", "SimConfig"]

SCENARIOS: dict[str, dict[str, Any]] = {
    **{name: {"fault_interval_s": 5.0, "fault_kinds": (name,)} for name in UNATTENDED},
    "calm": {},
    "still": {"rate_per_s": 0.0},
    "busy": {"rate_per_s": 2_000.0, "md_interval_ms": 50.0},
    "strict": {"pacing": True},
    "binary": {"opcodes": "binary"},
    "missing_sts": {"greet_sts": False},
    "late_system": {"system_ms": 6_000.0},
    "oauth": {"oauth": True},
    "prev_close": {"traded": False, "rate_per_s": 0.0},
    "sor_silent": {"sor_silent": True},
    "drops": {"fault_interval_s": 3.0, "fault_kinds": ("abort", "close", "freeze", "close_1011")},
    "chaos": {
        "fault_interval_s": 0.5,
        "fault_kinds": (
            *("abort", "close", "duplicate", "swap", "malformed", "truncated", "unknown_field"),
            *("server_id_hop", "empty_update", "error_frame", "empty_frames", "bad_row"),
            *("invalid_utf8_binary", "lost_subscriptions", "duplicate_executions"),
        ),
    },
}
"""What each scenario changes. A fault of the venue's own is a scenario: it comes every 5 s."""


@dataclass(slots=True)
class SimConfig(Settings):
    """How an IBKR simulator behaves, beside what `Settings` has.

    Parameters
    ----------
    accounts
        Trading accounts of the one user, DU1234567 and up.
    tls
        Speak https and wss with one of the built-in test certificates: `expired`, `valid` or
        `impostor` (9).
    oauth
        Be the cloud host: every request must be signed (8); else a gateway.
    query_signing
        How signed requests treat the query: `excluded`, as `params`, or `in_url` (O-16).
    token_s
        For how long a live session token holds.
    levels
        Price levels the house keeps on each side of each book.
    traded
        Whether there has been a trade today; until there is, last prices are the close (`C`).
    paper
        What the user is.
    system_ms, sts_ms, greet_sts
        How long after the handshake `system` and `sts` come, and whether `sts` does (X-21).
    heartbeat_s
        Of `system` frames.
    opcodes
        `mixed` (as the seed decides), `text` or `binary` (X-23).
    md_interval_ms
        Time between two updates of a market data line or a ladder.
    stream_s
        After it a line ends without a word, unless renewed (W-12).
    market_lines, history_slots
        How many may be open (W-17, W-20).
    ladder
        Whether later frames of a price ladder hold all rows or those that changed.
    ladder_rows
        Rows of a ladder, an odd number: the last price is in the middle.
    pnl_interval_ms, summary_interval_ms, ledger_interval_ms
        Between two looks at what changed.
    session_idle_s
        Without a request for so long the session dies (N-06).
    init_ms
        How long /iserver answers `no bridge` after `ssodh/init` (N-05).
    logged_out_as
        How requests without a login are refused: 401, or 302 to the login page (T-07).
    preconditions
        Whether calls others depend on are asked for (N-11).
    edge_checks
        Whether requests without length or User-Agent, or with a cookie twice, are refused (X-14).
    questions
        Whether orders are questioned (X-31).
    price_percent, size_limit, value_limit
        What the questions are about: per cent off the last price, units, money.
    stale_reply
        How a reply nobody waits for is answered: 200, 400, or 503 after ten seconds.
    reply_valid_s
        How long a question waits.
    order_steps_ms
        Least and most time between two frames of one order (X-33).
    cancel_ms
        From a cancel request until the order is out of the book.
    answer_first
        Whether the HTTP answer to an order leaves before its frames, after them, or as the seed
        decides (`race`).
    answer_as
        Acknowledgements come as an `array` or as a bare `object`.
    sor_snapshot
        Whether `sor` begins with the orders there are: `always`, `never`, or as the seed decides.
    sor_silent
        `sor` never says anything (W-36).
    commission_ms, resends, resend_ms
        When an execution is told again with its commission, and how often again after that.
    pacing, penalty_s
        Whether the limits of section 7 are enforced, and how long the penalty box holds.
    requests_per_s
        P-01.
    """

    accounts: int = 1
    tls: Literal["", "expired", "valid", "impostor"] = ""
    oauth: bool = False
    query_signing: Literal["excluded", "params", "in_url"] = "excluded"
    token_s: float = 86_400.0
    levels: int = 20
    traded: bool = True
    paper: bool = True
    system_ms: float = 5.0
    sts_ms: float = 60.0
    greet_sts: bool = True
    heartbeat_s: float = 10.0
    opcodes: Literal["mixed", "text", "binary"] = "mixed"
    md_interval_ms: float = 500.0
    stream_s: float = 600.0
    market_lines: int = 100
    history_slots: int = 5
    ladder: Literal["full", "changes"] = "full"
    ladder_rows: int = 41
    pnl_interval_ms: float = 1_000.0
    summary_interval_ms: float = 10_000.0
    ledger_interval_ms: float = 10_000.0
    session_idle_s: float = 360.0
    init_ms: float = 1_000.0
    logged_out_as: Literal["401", "302"] = "401"
    preconditions: bool = True
    edge_checks: bool = True
    questions: bool = True
    price_percent: float = 3.0
    size_limit: float = 500.0
    value_limit: float = 100_000.0
    stale_reply: Literal["200", "400", "503"] = "200"
    reply_valid_s: float = 60.0
    order_steps_ms: tuple[float, ...] = (5.0, 20.0)
    cancel_ms: float = 20.0
    answer_first: Literal["race", "yes", "no"] = "race"
    answer_as: Literal["array", "object"] = "array"
    sor_snapshot: Literal["sometimes", "always", "never"] = "sometimes"
    sor_silent: bool = False
    commission_ms: float = 300.0
    resends: int = 1
    resend_ms: float = 700.0
    pacing: bool = False
    penalty_s: float = 600.0
    requests_per_s: int = 10

    scenarios: ClassVar[Mapping[str, Mapping[str, Any]]] = SCENARIOS
    fixed: ClassVar[frozenset[str]] = Settings.fixed | {"tls", "oauth", "levels", "traded", "paper"}

    def check(self) -> None:
        if self.ladder_rows < 3 or self.ladder_rows % 2 == 0:
            raise ValueError("ladder_rows is an odd number above 2")
        if self.accounts < 1:
            raise ValueError("there is at least one account")
        if len(self.order_steps_ms) != 2 or self.order_steps_ms[0] > self.order_steps_ms[1]:
            raise ValueError("order_steps_ms are the least and the most")
        if self.tls and self.tls_cert:
            raise ValueError("tls names a built-in certificate: leave it or tls_cert out")
