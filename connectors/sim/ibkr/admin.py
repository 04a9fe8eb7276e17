"""Adds to `/_sim/...` what tests need of this venue (X-05).

GET   log · state · accounts · orders?account= · executions?account= · fields?conid= · book?conid=
POST  clock {"ms"} · market {"conid", "last"?, "halted"?, …} · session {"do"} · order {...}
      cancel {"order_id"} · fill {"order_id", "size"?} · quiesce
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import admin
from ..admin import Body, Query, rows
from .accounts import Account
from .figures import ledger_rows, summary_rows
from .lines import ladder
from .markets import Market

if TYPE_CHECKING:
    from .server import Simulator

__all__ = ["Admin"]

SESSION_ACTS = ("expire", "log_in", "lose_brokerage", "compete", "change_id", "log_out")


class Admin(admin.Admin):
    """Adds the session, accounts, markets and what came in and went out."""

    _sim: Simulator

    def __init__(self, sim: Simulator) -> None:
        super().__init__(sim)
        self.reads |= {
            "log": lambda query: sim.record.everything(),
            "requests": lambda query: rows(sim.record.requests),
            "accounts": lambda query: {
                name: self._account(account) for name, account in sim.exchange.accounts.items()
            },
            "orders": self._orders,
            "executions": self._executions,
            "fields": lambda query: sim.exchange.market(query["conid"]).fields(),
            "book": lambda query: _book(sim.exchange.market(query["conid"])),
        }
        self.acts |= {
            "clock": self._advance,
            "market": lambda body: sim.set_market(**body),
            "session": self._session,
            "order": lambda body: sim.admin_order(**body).row(),
            "cancel": self._cancel,
            "fill": lambda body: sim.fill(sim.exchange.orders[body["order_id"]], body.get("size")),
            "quiesce": lambda body: sim.quiesce(),
        }

    # -- reading -----------------------------------------------------------------------------

    def state(self, query: Query) -> dict[str, Any]:
        """Return everything a client's books can be compared with."""
        sim = self._sim
        session = sim.session
        return {
            **super().state(query),
            "hits": dict(sim.record.hits),
            "published": sim.streams.published,
            "session": {
                "id": session.session_id,
                "login": session.login,
                "opened": session.opened,
                "competing": session.competing,
                "has_bridge": session.has_bridge,
                "poisoned": session.poisoned,
                "asked": sorted(session.asked),
                "suppressed": sorted(session.suppressed),
            },
            "pacing": {
                "penalty_s": sim.pacing.penalty_s,
                "exceeded": dict(sim.pacing.exceeded),
                "ignored": sim.pacing.ignored,
            },
            "markets": {key: self._market(one) for key, one in sim.exchange.markets.items()},
            "accounts_state": {
                name: self._account(account) for name, account in sim.exchange.accounts.items()
            },
        }

    def _market(self, market: Market) -> dict[str, Any]:
        return {
            "fields": market.fields(),
            "ladder": list(ladder(market, self._sim.config.ladder_rows)),
            **_book(market),
        }

    def _account(self, account: Account) -> dict[str, Any]:
        exchange = self._sim.exchange
        return {
            "orders": [order.row() for order in account.orders.values()],
            "executions": [one.row(with_commission=True) for one in account.executions],
            "positions": {
                str(one.contract.key): one.contract.size(one.size)
                for one in account.positions.values()
            },
            "pnl": account.pnl(exchange.markets),
            "summary": summary_rows(exchange, account),
            "ledger": ledger_rows(exchange, account),
        }

    def _orders(self, query: Query) -> list[dict[str, Any]]:
        account = self._sim.exchange.account(query["account"])
        return [order.row() for order in account.orders.values()]

    def _executions(self, query: Query) -> list[dict[str, Any]]:
        account = self._sim.exchange.account(query["account"])
        return [one.row(with_commission=True) for one in account.executions]

    # -- acting ------------------------------------------------------------------------------

    def _session(self, body: Body) -> Any:
        name = body["do"]
        if name not in SESSION_ACTS:
            raise ValueError(f"do is one of {', '.join(SESSION_ACTS)}, not {name!r}")
        getattr(self._sim.session, name)()
        return self._sim.session.status()

    def _cancel(self, body: Body) -> Any:
        order = self._sim.exchange.orders[body["order_id"]]
        self._sim.exchange.cancel(order, str(body.get("reason", "")))
        return order.row()


def _book(market: Market) -> dict[str, Any]:
    contract = market.contract
    return {
        side: [
            [contract.price(price), contract.size(size)]
            for price, size in market.depth(is_bid=side == "bids")
        ]
        for side in ("bids", "asks")
    }
