"""The control endpoint `/_sim/...`: what tests in other processes use.

GET   state · connections[?open=true] · subscribes · requests · config · faults
      account?address=A[&subaccount_number=N] · book?ticker=T · order?id=UUID
POST  fault {"fault": ...} · push {"frame", "connection"?} · config {...}
      order {"address", "subaccount_number"?, "ticker", "side", "size", "price", ...}
      cancel {"address", "subaccount_number"?, "ticker", "client_id", "flags"?, ...}
      house {"ticker", "side", "price", "size", "take"?} · block {"count"?, "heights"?}
      oracle {"ticker", "price" | null} · market {"ticker", "status"?, "subticks_per_tick"?, ...}
      transfer {"from"?, "to"?, "amount", "wallet"?} · liquidate {"address", "ticker", "price"?}
      markets (a partial update now) · quiet {"cancel"?} · advance {"ms"} (virtual clock) · clear
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import admin
from ..admin import Body, Query, rows
from . import views
from .house import side_of
from .numbers import MONEY, count, money
from .orders import CONDITIONAL, LONG_TERM, SHORT_TERM, Order, Terms
from .rules import Refused
from .subaccounts import Subaccount

if TYPE_CHECKING:
    from .server import Simulator

__all__ = ["Admin"]

ACCEPTED = {"code": 0, "codespace": ""}
# What the node itself answers when the book does not take an order (10.3).
_BY_BOOK = {
    "POST_ONLY_WOULD_CROSS_MAKER_ORDER": 2003,
    "REDUCE_ONLY_RESIZE": 2001,
}
_FLAGS = {"short_term": SHORT_TERM, "long_term": LONG_TERM, "conditional": CONDITIONAL}
SHORT_LIFE, DAY_S = 10, 86_400


class Admin(admin.Admin):
    """Adds orders and cancels of the accounts, blocks, the venue's books, and what came in."""

    _sim: Simulator

    def __init__(self, sim: Simulator) -> None:
        super().__init__(sim)
        self.reads |= {
            "subscribes": lambda query: rows(sim.record.subscribes),
            "requests": lambda query: rows(sim.record.requests),
            "account": lambda query: self._account_state(self._account(query)),
            "book": lambda query: self._book(query["ticker"]),
            "order": lambda query: _order_state(sim.order(query["id"])),
        }
        self.acts |= {
            "order": self._order,
            "cancel": self._cancel,
            "house": self._house,
            "block": self._block,
            "oracle": self._oracle,
            "market": self._market,
            "markets": self._markets,
            "transfer": self._transfer,
            "liquidate": self._liquidate,
            "quiet": self._quiet,
        }

    # -- reading -----------------------------------------------------------------------------

    def state(self, query: Query) -> dict[str, Any]:
        """Return everything a client's own state can be compared with."""
        sim = self._sim
        chain = sim.chain
        return {
            **super().state(query),
            "hits": dict(sim.record.hits),
            "height": chain.height,
            "pending_matches": len(chain.matches),
            "fills": chain.fill_count,
            "published": sum(node.published for node in sim.indexer.nodes),
            "nodes": [
                {"lag_ms": node.lag_ms, "height": node.height[0]} for node in sim.indexer.nodes
            ],
            "books": {ticker: self._book(ticker) for ticker in chain.markets},
            "subaccounts": [
                self._account_state(account)
                for account in chain.subaccounts.values()
                if not account.house
            ],
        }

    def _book(self, ticker: str) -> dict[str, Any]:
        market = self._sim.market(ticker)
        book = self._sim.chain.engine.book(ticker)
        return {
            "ticker": ticker,
            "offset": market.offset,
            "status": market.status,
            "oracle_price": None if market.oracle is None else market.price(market.oracle),
            "bids": [[market.price(p), market.size(q)] for p, q in book.bids()],
            "asks": [[market.price(p), market.size(q)] for p, q in book.asks()],
        }

    def _account(self, values: Query | Body) -> Subaccount:
        number = int(values.get("subaccount_number", 0))
        return self._sim.chain.subaccount(str(values["address"]), number)

    def _account_state(self, account: Subaccount) -> dict[str, Any]:
        return {
            "address": account.address,
            "subaccount_number": account.number,
            "usdc": money(account.usdc),
            "equity": money(account.equity()),
            "free_collateral": money(account.free_collateral()),
            "fills": [views.fill(item, account) for item in account.fills],
            "orders": [_order_state(order) for order in account.orders.values()],
            "positions": [
                views.perpetual_position(position, account)
                for position in [*account.past_positions, *account.positions.values()]
            ],
            "transfers": [views.transfer(item, account) for item in account.transfers],
        }

    # -- orders ------------------------------------------------------------------------------

    def _order(self, body: Body) -> Any:
        """Place an order of an account; answer as a node does, with what became of it."""
        sim = self._sim
        market = sim.market(str(body["ticker"]))
        account = self._account(body)
        flags = _flags(body.get("flags", "short_term"))
        short = flags == SHORT_TERM
        now_s = sim.chain.time_ms // 1000
        trigger = body.get("trigger_price")
        terms = Terms(
            int(body["client_id"]) if "client_id" in body else sim.random.getrandbits(32),
            side_of(str(body["side"])) > 0,
            market.quantums(str(body["size"])),
            market.subticks(str(body["price"])),
            flags,
            str(body.get("time_in_force", "GTT")),
            post_only=bool(body.get("post_only", False)),
            reduce_only=bool(body.get("reduce_only", False)),
            good_til_block=int(body.get("good_til_block", sim.chain.height + SHORT_LIFE))
            if short
            else 0,
            good_til_block_time=0 if short else int(body.get("good_til_block_time", now_s + DAY_S)),
            client_metadata=int(body.get("client_metadata", 0)),
            condition=str(body.get("condition", "")),
            trigger=0 if trigger is None else market.subticks(str(trigger)),
        )
        try:
            order = sim.chain.place(account, market, terms)
        except Refused as refused:
            return _refusal(refused)
        code = _BY_BOOK.get(order.removal, 0)
        return {**ACCEPTED, "code": code, **_order_state(order)}

    def _cancel(self, body: Body) -> Any:
        """Cancel an order of an account by its client id, or by its id."""
        sim = self._sim
        if "id" in body:
            order = sim.order(str(body["id"]))
            account, key = order.account, order.order_id
        else:
            account, flags = self._account(body), _flags(body.get("flags", "short_term"))
            key = flags, sim.market(str(body["ticker"])).clob_pair_id, int(body["client_id"])
        known = account.orders.get(key)
        if key[0] == SHORT_TERM:
            asked = sim.chain.height + SHORT_LIFE if known is None else known.terms.good_til_block
            until = int(body.get("good_til_block", asked))
        else:
            last = 0 if known is None else known.terms.good_til_block_time
            until = int(body.get("good_til_block_time", last))
        try:
            sim.chain.cancel(account, key, until)
        except Refused as refused:
            return _refusal(refused)
        return ACCEPTED

    def _house(self, body: Body) -> Any:
        """Place an order of the house, resting or taking."""
        market = self._sim.market(str(body["ticker"]))
        order = self._sim.house.order(
            market,
            is_buy=side_of(str(body["side"])) > 0,
            subticks=market.subticks(str(body["price"])),
            quantums=market.quantums(str(body["size"])),
            take=bool(body.get("take", False)),
        )
        return {"filled": market.size(order.filled), "resting": order.resting}

    # -- the venue ---------------------------------------------------------------------------

    def _block(self, body: Body) -> Any:
        for _ in range(int(body.get("count", 1))):
            self._sim.block(int(body.get("heights", 1)))
        return {"height": self._sim.chain.height}

    def _oracle(self, body: Body) -> Any:
        self._sim.set_oracle(str(body["ticker"]), body["price"])
        return {}

    def _market(self, body: Body) -> Any:
        self._sim.set_market(**body)
        return {}

    def _markets(self, body: Body) -> Any:
        self._sim.indexer.update_markets()
        return {}

    def _transfer(self, body: Body) -> Any:
        """Move USDC with the next block; without `from` or `to` a wallet has that end."""
        chain = self._sim.chain
        ends: list[Subaccount | None] = []
        for name in ("from", "to"):
            end = body.get(name)
            if end is None:
                ends.append(None)
            else:
                number = int(end.get("subaccount_number", 0))
                ends.append(chain.open_subaccount(str(end["address"]), number))
        amount, wallet = count(str(body["amount"]), MONEY), str(body.get("wallet", ""))
        chain.transfer(ends[0], ends[1], amount, wallet=wallet)
        return {}

    def _liquidate(self, body: Body) -> Any:
        account = self._account(body)
        ticker = str(body["ticker"])
        self._sim.liquidate(account.address, account.number, ticker, body.get("price"))
        return {}

    def _quiet(self, body: Body) -> Any:
        """Stop the house, and with `cancel` take out what the accounts have open.

        Blocks go on: two blocks later everything is committed and told.
        """
        sim = self._sim
        sim.configure(rate_per_s=0.0)
        canceled = 0
        if body.get("cancel", False):
            for account in sim.chain.subaccounts.values():
                for order in list(account.orders.values()):
                    if order.is_live and not account.house:
                        sim.chain.remove(order, "USER_CANCELED")
                        canceled += 1
        return {"height": sim.chain.height, "canceled": canceled}


def _flags(value: Any) -> int:
    if value in _FLAGS:
        return _FLAGS[value]
    if isinstance(value, int):
        return value
    raise ValueError(f"flags are a number, or one of {', '.join(_FLAGS)}, not {value!r}")


def _refusal(refused: Refused) -> dict[str, Any]:
    return {"code": refused.code, "codespace": refused.codespace, "text": refused.text}


def _order_state(order: Order) -> dict[str, Any]:
    """Return an order and what became of it in truth."""
    market, terms = order.market, order.terms
    return {
        "id": order.uuid,
        "client_id": terms.client_id,
        "ticker": market.ticker,
        "flags": terms.flags,
        "side": terms.side,
        "size": market.size(terms.quantums),
        "price": market.price(terms.subticks),
        "time_in_force": terms.time_in_force,
        "good_til_block": terms.good_til_block,
        "good_til_block_time": terms.good_til_block_time,
        "cancel_good_til_block": order.cancel_good_til_block,
        "filled": market.size(order.committed),
        "matched": market.size(order.filled),
        "state": order.state,
        "told": order.status,
        "removal": order.removal,
    }
