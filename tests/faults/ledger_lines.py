"""A line of a bot's ledger, one for each order, and how it is held against the venue's order."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from connectors.model import Order

__all__ = ["Line", "compare_absent", "compare_end", "compare_position", "compare_trade"]

ENDS = frozenset({"OrderCanceled", "OrderExpired", "OrderRejected", "OrderDenied"})


@dataclass(slots=True)
class Line:
    """One order in a bot's ledger; `key` is what the venue echoes of it."""

    order: Order
    key: Any = None
    kinds: list[str] = field(default_factory=list)
    filled: Decimal = Decimal(0)
    size: Decimal = Decimal(0)  # what it was placed or updated to last
    was_post_only: bool = False  # refused because it would have taken

    @property
    def ends(self) -> list[str]:
        """The final events, but for fills."""
        return [kind for kind in self.kinds if kind in ENDS]


def compare_trade(name: str, line: Line, event: Any, expected: tuple[Any, ...]) -> list[str]:
    """Compare a trade: key of its order, side, size, price, liquidity, fee."""
    got = (
        line.key, event.side, event.last_size, event.last_price, event.liquidity, event.commission
    )  # fmt: skip
    return [] if got == expected else [f"trade {name}: told {got}, is {expected}"]


def compare_position(bot: Any, size: Decimal) -> list[str]:
    """Compare the position that follows from the fills, and the one that was reported."""
    bad = []
    if bot.held != size:
        bad.append(f"position by fills {bot.held}, at the venue {size}")
    reported = {r.instrument_id: r.signed_size for r in bot.client._positions.reports()}
    if reported.get(bot.INSTRUMENT, Decimal(0)) != size:
        bad.append(f"position reported {reported}, at the venue {size}")
    return bad


def compare_absent(line: Line) -> list[str]:
    """Compare an order that the venue never had."""
    if line.ends in (["OrderRejected"], ["OrderDenied"]) and "OrderAccepted" not in line.kinds:
        return []
    return [f"order {line.order.client_order_id} {line.kinds}: the venue never had it"]


def compare_end(
    line: Line, *, filled: Decimal, ends: set[str], text: str, had_filled: bool = False
) -> list[str]:
    """Compare what an order came to.

    Parameters
    ----------
    ends : set of str
        Which of ours the venue's end is; "OrderFilled" for none but the last fill.
    text : str
        The venue's order, to be shown.
    had_filled : bool
        An order that is filled for us may have been canceled at the venue: a rest that was on its
        way when it filled up.
    """
    kinds = Counter(line.kinds)
    name = f"order {line.order.client_order_id} {line.kinds}"
    bad = [
        f"{name}: {kinds[kind]} {kind}"
        for kind in ("OrderSubmitted", "OrderAccepted")
        if kinds[kind] > 1
    ]
    if line.filled != filled:
        bad.append(f"{name}: filled {line.filled}, at the venue {filled} ({text})")
    told = line.ends
    is_full = had_filled and line.filled >= line.size
    if ends == {"OrderFilled"} or (is_full and not told):
        if told:
            bad.append(f"{name}: ended as {told}, at the venue {text}")
    elif len(told) != 1 or told[0] not in ends:
        bad.append(f"{name}: ended as {told}, at the venue {text}")
    if told == ["OrderRejected"]:
        if kinds["OrderAccepted"] or not line.was_post_only:
            bad.append(f"{name}: rejected, at the venue {text}")
    elif kinds["OrderAccepted"] != 1:
        bad.append(f"{name}: {kinds['OrderAccepted']} OrderAccepted")
    return bad
