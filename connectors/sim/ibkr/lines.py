"""What one connection is subscribed to, and what was sent of it last."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from .markets import Market, Value

__all__ = ["Ladder", "Line", "Rows", "Trades"]


@dataclass(slots=True, eq=False)
class Line:
    """Market data of one target (W-10 to W-15)."""

    target: str
    market: Market
    codes: dict[str, None]
    expires_ns: int
    due_ns: int = 0
    sent: dict[str, Value] = field(default_factory=dict)
    version: int = 0
    is_first: bool = True

    def frame(self) -> dict[str, Any] | None:
        """Return what has changed, all of it the first time; None if nothing has."""
        market = self.market
        if market.version == self.version and not self.is_first:
            return None
        values = market.fields()
        changed = {
            code: values[code]
            for code in (*self.codes, "6509")
            if code in values and self.sent.get(code, "") != values[code]
        }
        self.version = market.version
        if not changed and not self.is_first:
            return None
        self.is_first = False
        self.sent |= changed
        return {**market.meta(self.target), **changed, "topic": f"smd+{self.target}"}

    def renew(self, codes: Iterable[str], now_ns: int, stream_s: float) -> None:
        """Take codes in addition; the next frame has everything, and the end is far again."""
        self.codes |= dict.fromkeys(codes)
        self.sent.clear()
        self.is_first = True
        self.expires_ns = now_ns + int(stream_s * 1e9)


@dataclass(slots=True, eq=False)
class Ladder:
    """A price ladder (W-21): rows from the highest price to the lowest, the last in the middle."""

    topic: str
    market: Market
    rows: int
    due_ns: int = 0
    version: int = 0
    sent: list[dict[str, Any]] = field(default_factory=list)

    def frame(self, *, only_changes: bool) -> dict[str, Any] | None:
        """Return the rows, or those that changed; None if nothing has."""
        if self.market.version == self.version and self.sent:
            return None
        self.version = self.market.version
        rows = list(ladder(self.market, self.rows))
        if rows == self.sent:
            return None
        shown = rows
        if only_changes and self.sent:
            shown = [row for row, was in zip(rows, self.sent, strict=True) if row != was]
        self.sent = rows
        return {"topic": self.topic, "data": shown}


def ladder(market: Market, count: int) -> Iterator[dict[str, Any]]:
    """Yield a ladder's rows: one price after the other, with what is bid or asked there."""
    contract = market.contract
    bids, asks = dict(market.depth(is_bid=True)), dict(market.depth(is_bid=False))
    step = contract.increment(market.last)
    top = market.last + step * (count // 2)
    for number in range(count):
        price = top - step * number
        is_last = price == market.last
        text = contract.price(price)
        if is_last:
            text = f"{contract.size(market.last_size)} @ {text}"
        row: dict[str, Any] = {"row": number, "focus": int(is_last), "price": text}
        if price in asks:
            row["ask"] = contract.size(asks[price])
        elif price in bids:
            row["bid"] = contract.size(bids[price])
        yield row


@dataclass(slots=True, eq=False)
class Rows:
    """Summary or ledger of an account (W-25, W-26): rows by key, sent when they change."""

    topic: str
    account_id: str
    keys: frozenset[str]
    fields: frozenset[str]
    due_ns: int = 0
    sent: dict[str, dict[str, Any]] = field(default_factory=dict)

    def frame(self, rows: dict[str, dict[str, Any]], timestamp: int) -> dict[str, Any]:
        """Return a frame: rows that changed are whole, the others blank."""
        result = []
        for key, row in rows.items():
            if self.keys and key not in self.keys:
                continue
            kept = {name: value for name, value in row.items() if self._has(name)}
            same = self.sent.get(key) == kept
            self.sent[key] = kept
            result.append({"key": key, "timestamp": timestamp, **({} if same else kept)})
        return {"result": result, "topic": self.topic}

    def _has(self, name: str) -> bool:
        always = ("acctCode", "secondKey", "severity", "value")
        return not self.fields or name in self.fields or name in always


@dataclass(slots=True, eq=False)
class Trades:
    """Executions (W-23)."""

    with_history: bool = True
    days: int = 1
