"""One trade as the venue shows it (section 4.4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from .markets import Market, fixed
from .orders import Order

__all__ = ["Trade"]


@dataclass(slots=True, eq=False, repr=False)
class Trade:
    """A match of two orders; `kind` is trade, liquidation, deleverage or market-settlement."""

    trade_id: int
    market: Market
    taker: Order
    maker: Order
    price: int
    size: int
    us: int
    block: int
    tx_hash: str
    kind: str
    taker_fee: int
    maker_fee: int
    taker_before: tuple[int, int, int]  # position lots, entry quote, margin fraction
    maker_before: tuple[int, int, int]
    taker_pnl: int
    maker_pnl: int
    _spelled: orjson.Fragment | None = None

    def __repr__(self) -> str:
        market = self.market
        return f"<Trade {self.trade_id} {market.size(self.size)} @ {market.price(self.price)}>"

    @property
    def quote(self) -> int:
        return self.market.quote(self.price, self.size)

    def accounts(self) -> tuple[int, int]:
        """Return bid and ask account."""
        bid, ask = self.sides()
        return bid.account.index, ask.account.index

    def sides(self) -> tuple[Order, Order]:
        """Return the bid and the ask order."""
        return (self.maker, self.taker) if self.taker.is_ask else (self.taker, self.maker)

    def json(self) -> orjson.Fragment:
        """Return `row` as JSON, spelled once."""
        if self._spelled is None:
            self._spelled = orjson.Fragment(orjson.dumps(self.row()))
        return self._spelled

    def event(self) -> dict[str, Any]:
        return {
            "p": self.price,
            "s": self.size,
            "tf": self.taker_fee,
            "mf": self.maker_fee,
        }

    def row(self) -> dict[str, Any]:
        """Return the trade as REST and the streams show it; a fee of zero is left out."""
        market = self.market
        bid, ask = self.sides()
        maker_is_ask = self.maker.is_ask
        pnl = (self.maker_pnl, self.taker_pnl) if maker_is_ask else (self.taker_pnl, self.maker_pnl)
        row: dict[str, Any] = {
            "trade_id": self.trade_id,
            "trade_id_str": str(self.trade_id),
            "tx_hash": self.tx_hash,
            "type": self.kind,
            "market_id": market.market_id,
            "size": market.size(self.size),
            "price": market.price(self.price),
            "usd_amount": fixed(self.quote, 6),
            "ask_id": ask.index,
            "ask_id_str": str(ask.index),
            "bid_id": bid.index,
            "bid_id_str": str(bid.index),
            "ask_client_id": ask.client_index,
            "ask_client_id_str": str(ask.client_index),
            "bid_client_id": bid.client_index,
            "bid_client_id_str": str(bid.client_index),
            "ask_account_id": ask.account.index,
            "bid_account_id": bid.account.index,
            "is_maker_ask": maker_is_ask,
            "block_height": self.block,
            "timestamp": self.us // 1_000,
            "taker_position_size_before": market.size(self.taker_before[0]),
            "taker_entry_quote_before": fixed(self.taker_before[1], 6),
            "taker_initial_margin_fraction_before": self.taker_before[2],
            "taker_position_sign_changed": _flips(self.taker_before[0], self.taker, self.size),
            "maker_position_size_before": market.size(self.maker_before[0]),
            "maker_entry_quote_before": fixed(self.maker_before[1], 6),
            "maker_initial_margin_fraction_before": self.maker_before[2],
            "maker_position_sign_changed": _flips(self.maker_before[0], self.maker, self.size),
            "transaction_time": self.us,
            "ask_account_pnl": fixed(pnl[0], 6),
            "bid_account_pnl": fixed(pnl[1], 6),
            "integrator_taker_fee": self.taker.integrator[1],
            "integrator_taker_fee_collector_index": self.taker.integrator[0],
            "integrator_maker_fee": self.maker.integrator[2],
            "integrator_maker_fee_collector_index": self.maker.integrator[0],
            "taker_allocated_margin_usdc_before": 0,
            "taker_allocated_margin_usdc_after": 0,
            "maker_allocated_margin_usdc_before": 0,
            "maker_allocated_margin_usdc_after": 0,
            "bid_order_version": bid.version,
            "ask_order_version": ask.version,
            "market_symbol": market.symbol,
            "market_kind": market.kind,
        }
        if self.taker_fee:
            row["taker_fee"] = self.taker_fee
        if self.maker_fee:
            row["maker_fee"] = self.maker_fee
        return row


def _flips(before: int, order: Order, size: int) -> bool:
    return before != 0 and before * (before + int(order.side) * size) < 0
