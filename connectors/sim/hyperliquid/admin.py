"""The control endpoint `/_sim/...`: what tests in other processes use.

GET   state · connections[?open=true] · requests · actions · subscribes · config · faults
      accounts · orders?user=0x..[&live=true] · fills?user=0x.. · book?coin=C
POST  fault {"fault": ...} · push {"frame", "connection"?} · config {...}
      mark {"coin", "price" | null} · order {"coin", "side", "price", "size", "take"?}
      funding {"coin"?, "rate"?} · liquidate {"user", "coin"?} · advance {"ms"} (virtual clock)
      flush · clear
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import admin
from ..admin import Body, Query, rows
from . import views
from .numbers import money

if TYPE_CHECKING:
    from .server import Simulator

__all__ = ["Admin"]


class Admin(admin.Admin):
    """Adds the venue's accounts, its markets and what came in."""

    _sim: Simulator

    def __init__(self, sim: Simulator) -> None:
        super().__init__(sim)
        record = sim.record
        self.reads |= {
            "requests": lambda query: rows(record.requests),
            "actions": lambda query: rows(record.actions),
            "subscribes": lambda query: rows(record.subscribes),
            "accounts": self._accounts,
            "orders": self._orders,
            "fills": lambda query: list(sim.exchange.account(query["user"]).fills),
            "book": self._book,
        }
        self.acts |= {
            "mark": self._mark,
            "order": self._order,
            "funding": self._funding,
            "liquidate": self._liquidate,
            "flush": self._flush,
        }

    # -- reading -----------------------------------------------------------------------------

    def state(self, query: Query) -> dict[str, Any]:
        sim = self._sim
        return {
            **super().state(query),
            "hits": dict(sim.record.hits),
            "published": sim.publisher.published,
            "fills": sim.exchange.fill_count,
            "weight_used": sim.limits.weight_used,
            "refusals": sim.limits.refusals,
            "marks": {m.coin: m.price(m.mark) for m in sim.exchange.markets.values()},
        }

    def _accounts(self, query: Query) -> list[dict[str, Any]]:
        markets = self._sim.exchange.markets
        return [
            {
                "address": account.address,
                "role": "house" if account.house else account.role,
                "usd": money(account.usd),
                "value": money(account.value(markets)),
                "spot": {token: money(amount) for token, amount in account.spot.items()},
                "positions": {
                    market.coin: market.size(position.lots)
                    for market, position in account.open_positions(markets)
                },
                "agents": [agent.address for agent in account.agents.values()],
                "live_orders": len(account.live),
                "fills": len(account.fills),
                "volume": money(account.volume),
                "requests": account.requests,
            }
            for account in self._sim.exchange.accounts.values()
        ]

    def _orders(self, query: Query) -> list[dict[str, Any]]:
        account = self._sim.exchange.account(query["user"])
        orders = account.live if query.get("live") == "true" else account.history
        return [{**order.report(), "state": order.state} for order in orders.values()]

    def _book(self, query: Query) -> dict[str, Any]:
        return views.book(self._sim.exchange, self._sim.market(query["coin"]))

    # -- acting ------------------------------------------------------------------------------

    def _mark(self, body: Body) -> Any:
        self._sim.set_mark(str(body["coin"]), body["price"])
        return {}

    def _order(self, body: Body) -> Any:
        order = self._sim.house_order(
            str(body["coin"]),
            str(body["side"]),
            price=str(body["price"]),
            size=str(body["size"]),
            take=bool(body.get("take", False)),
        )
        if order is None:
            return {"filled": "0.0"}
        return {"oid": order.oid, "filled": order.market.size(order.filled_lots)}

    def _funding(self, body: Body) -> Any:
        self._sim.publisher.pay_funding(body.get("coin"), body.get("rate"))
        self._sim.after_action()
        return {}

    def _liquidate(self, body: Body) -> Any:
        self._sim.liquidate(str(body["user"]), body.get("coin"))
        return {}

    def _flush(self, body: Body) -> Any:
        self._sim.flush()
        return {}
