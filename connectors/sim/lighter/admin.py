"""The control endpoint `/_sim/...`: what tests in other processes use.

GET   state · connections[?open=true] · requests · txs · subscribes · config · faults
      accounts · orders?account=N[&live=true] · trades?account=N · book?market=N
POST  fault {"fault": ...} · push {"frame", "connection"?, "channel"?} · config {...}
      mark {"market", "price" | null} · order {"market", "side", "price", "size", "take"?}
      advance {"ms": n} (virtual clock) · liquidate {"account", "market"} · clear
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from .. import admin
from ..admin import Body, Query, rows
from .errors import Refused
from .views import book_levels

if TYPE_CHECKING:
    from .server import Simulator

__all__ = ["Admin"]


class Admin(admin.Admin):
    """Adds the venue's ledger, its markets and what came in."""

    _sim: Simulator
    mistakes: ClassVar[tuple[type[Exception], ...]] = (*admin.Admin.mistakes, Refused)

    def __init__(self, sim: Simulator) -> None:
        super().__init__(sim)
        record = sim.record
        self.reads |= {
            "requests": lambda query: rows(record.requests),
            "txs": lambda query: rows(record.txs),
            "subscribes": lambda query: rows(record.subscribes),
            "accounts": lambda query: [a.rest_row() for a in sim.exchange.accounts.values()],
            "orders": self._orders,
            "trades": self._trades,
            "book": self._book,
        }
        self.acts |= {
            "mark": self._mark,
            "order": self._order,
            "liquidate": self._liquidate,
        }

    # -- reading -----------------------------------------------------------------------------

    def state(self, query: Query) -> dict[str, Any]:
        sim = self._sim
        record = sim.record
        return {
            **super().state(query),
            "hits": dict(record.hits),
            "accepted": record.accepted,
            "refused": record.refused,
            "published": sim.publisher.published,
            "held_acks": sim.transact.held,
            "waiting": sim.admission.waiting,
            "block": sim.exchange.block,
            "channels": sorted(sim.publisher.followers),
            "markets": {
                str(m.market_id): {"nonce": m.nonce, "mark": m.price(m.mark), "offset": m.offset}
                for m in sim.exchange.markets.values()
            },
        }

    def _orders(self, query: Query) -> list[dict[str, Any]]:
        account = self._sim.exchange.account(int(query["account"]))
        orders = list(account.live.values())
        if query.get("live") != "true":
            orders = [*account.inactive, *orders]
        return [order.row() for order in orders]

    def _trades(self, query: Query) -> list[dict[str, Any]]:
        account = self._sim.exchange.account(int(query["account"]))
        return [trade.row() for trade in account.trades]

    def _book(self, query: Query) -> dict[str, Any]:
        market = self._sim.exchange.market(int(query["market"]))
        book = self._sim.exchange.engine.book(market.key)
        return {
            "nonce": market.nonce,
            "asks": book_levels(market, book.asks()),
            "bids": book_levels(market, book.bids()),
        }

    # -- acting ------------------------------------------------------------------------------

    def _mark(self, body: Body) -> Any:
        self._sim.set_mark(int(body["market"]), body["price"])
        return {}

    def _order(self, body: Body) -> Any:
        order = self._sim.house_order(
            int(body["market"]),
            str(body["side"]),
            price=str(body["price"]),
            size=str(body["size"]),
            take=bool(body.get("take", False)),
        )
        return order.row()

    def _liquidate(self, body: Body) -> Any:
        self._sim.liquidate(int(body["account"]), int(body["market"]))
        return {}
