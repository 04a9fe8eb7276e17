"""REST below `/api/v1/` (section 4)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Reversible, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from .accounts import Account
from .channels import RESOLUTIONS
from .errors import Refused
from .markets import Market
from .orders import Order
from .query import Query, Row
from .rest_info import information
from .trades import Trade
from .tx import token_owner
from .views import candles, details_row, market_row

if TYPE_CHECKING:
    from .server import Simulator

__all__ = ["Rest"]

ALL_KEYS = 255
MAX_PAGE = 100
MAX_BOOK = 250
MAX_CANDLES = 500
MAX_CLIENT_INDEXES = 20


class Rest:
    """Answers GET requests from the state of the exchange."""

    def __init__(self, sim: Simulator) -> None:
        self._sim = sim
        self.endpoints: dict[str, Callable[[Query], Row]] = {
            "orderBookDetails": self._details,
            "orderBooks": self._books,
            "orderBookOrders": self._book_orders,
            "recentTrades": self._recent_trades,
            "trades": self._trades,
            "candles": self._candles,
            "account": self._account,
            "accountActiveOrders": self._active,
            "accountInactiveOrders": self._inactive,
            "accountOrders": self._by_client_index,
            "nextNonce": self._nonce,
            "apikeys": self._apikeys,
            "getMakerOnlyApiKeys": self._maker_only,
            "accountLimits": self._limits,
            "tx": self._tx,
            "accountTxs": self._account_txs,
            **information(sim),
        }
        self.posts: dict[str, Callable[[Query], Row]] = {
            "setMakerOnlyApiKeys": self._set_maker_only,
        }

    def answer(self, endpoint: str, query: Query, *, post: bool = False) -> tuple[int, Row]:
        """Return status and body; the members of a posted form count as the query's."""
        handler = (self.posts if post else self.endpoints).get(endpoint)
        if handler is None:
            return 404, {"code": 29404, "message": "not found"}
        try:
            return 200, {"code": 200, **handler(query)}
        except Refused as refused:
            return refused.status, {"code": refused.code, "message": refused.message}

    # -- who asks ----------------------------------------------------------------------------

    def _asked_account(self, query: Query, *, required: bool = True) -> Account:
        """Return the account a private request is about, after checking its token."""
        token = query.token
        if not token:
            raise Refused(20001, "auth field is required")
        default = None if required else token_owner(token)[1]
        index = query.number("account_index", default)
        account = self._sim.exchange.accounts.get(index)
        if account is None:
            raise Refused(21100)
        self._sim.check_token(token, index)
        return account

    def _market(self, query: Query) -> Market:
        return self._sim.exchange.market(query.number("market_id"))

    def _chosen_markets(self, query: Query) -> list[Market]:
        wanted = query.optional("market_id")
        kind = query.text("filter", "all")
        markets = self._sim.exchange.markets
        if wanted is not None and wanted != ALL_KEYS:
            return [self._sim.exchange.market(wanted)]
        return [m for m in markets.values() if kind in ("all", m.kind)]

    # -- markets -----------------------------------------------------------------------------

    def _details(self, query: Query) -> Row:
        markets = self._chosen_markets(query)
        return {
            "order_book_details": [details_row(m) for m in markets if not m.is_spot],
            "spot_order_book_details": [details_row(m) for m in markets if m.is_spot],
        }

    def _books(self, query: Query) -> Row:
        return {"order_books": [market_row(m) for m in self._chosen_markets(query)]}

    def _book_orders(self, query: Query) -> Row:
        market, limit = self._market(query), query.limit(MAX_BOOK)
        resting: list[Order] = [
            item.tag for item in self._sim.exchange.engine.book(market.key).orders()
        ]
        asks = sorted((o for o in resting if o.is_ask), key=lambda o: o.price)
        bids = sorted((o for o in resting if not o.is_ask), key=lambda o: -o.price)
        return {
            "total_asks": len(asks),
            "asks": [order.simple_row() for order in asks[:limit]],
            "total_bids": len(bids),
            "bids": [order.simple_row() for order in bids[:limit]],
        }

    def _recent_trades(self, query: Query) -> Row:
        market, limit = self._market(query), query.limit(MAX_PAGE)
        trades = self._sim.exchange.market_trades[market.market_id]
        return {"trades": [trade.json() for trade in _newest(trades, limit)]}

    def _candles(self, query: Query) -> Row:
        market, resolution = self._market(query), query.text("resolution")
        if resolution not in RESOLUTIONS:
            raise Refused(20001, "resolution")
        start, end = query.number("start_timestamp"), query.number("end_timestamp")
        most = min(max(query.number("count_back"), 0) or MAX_CANDLES, MAX_CANDLES)
        return {"r": resolution, "c": candles(market, resolution, start, end)[-most:]}

    # -- trades and orders of accounts -------------------------------------------------------

    def _trades(self, query: Query) -> Row:
        """Answer `trades`; the cursor is the id of the last trade given."""
        exchange = self._sim.exchange
        limit = query.limit(MAX_PAGE)
        if query.text("sort_by") not in ("block_height", "timestamp", "trade_id"):
            raise Refused(20001, "sort_by")
        newest_first = query.text("sort_dir", "desc") == "desc"
        cursor = query.optional("cursor")
        market_id = query.optional("market_id")
        account: Account | None = None
        trades: Reversible[Trade]
        if query.optional("account_index") is not None:
            account = self._asked_account(query)
            trades = account.trades
        elif market_id is not None and market_id != ALL_KEYS:
            trades = exchange.market_trades[self._market(query).market_id]
        else:
            trades = exchange.trades.values()
        fits = _trade_filter(query, account)
        ordered: Iterable[Trade] = reversed(trades) if newest_first else trades
        if cursor is not None and newest_first:
            ordered = (t for t in ordered if t.trade_id < cursor)
        elif cursor is not None:
            ordered = (t for t in ordered if t.trade_id > cursor)
        page = list(islice((t for t in ordered if fits(t)), limit + 1))
        more = str(page[limit - 1].trade_id) if len(page) > limit else None
        return {"next_cursor": more, "trades": [trade.json() for trade in page[:limit]]}

    def _active(self, query: Query) -> Row:
        account = self._asked_account(query)
        market_id = query.optional("market_id")
        if market_id is not None and market_id != ALL_KEYS:
            self._market(query)
        orders = [
            order
            for order in reversed(account.live.values())
            if market_id in (None, ALL_KEYS, order.market.market_id)
        ]
        return {"next_cursor": None, "orders": [order.json() for order in orders]}

    def _inactive(self, query: Query) -> Row:
        account, limit = self._asked_account(query), query.limit(MAX_PAGE)
        market_id = query.optional("market_id")
        ask_filter = query.number("ask_filter", -1)
        span = query.values.get("between_timestamps", "")
        first_s, last_s = 0, 1 << 62
        if span:
            try:
                first_s, last_s = (int(part) for part in span.split("-"))
            except ValueError as error:
                raise Refused(20001, "between_timestamps") from error
        # An order's number never changes, so new ones do not shift what the cursor means.
        numbers = range(account.ended - 1, -1, -1)
        cursor = query.optional("cursor")
        wanted = (
            (number, order)
            for number, order in zip(numbers, reversed(account.inactive), strict=False)
            if (cursor is None or number < cursor)
            and market_id in (None, ALL_KEYS, order.market.market_id)
            and (ask_filter not in (0, 1) or order.is_ask is bool(ask_filter))
            and first_s <= order.updated_us // 1_000_000 <= last_s
        )
        page = list(islice(wanted, limit + 1))
        more = str(page[limit - 1][0]) if len(page) > limit else None
        return {"next_cursor": more, "orders": [order.json() for _, order in page[:limit]]}

    def _by_client_index(self, query: Query) -> Row:
        account = self._asked_account(query, required=False)
        texts = query.text("client_order_indexes").split(",")
        if len(texts) > MAX_CLIENT_INDEXES:
            raise Refused(20001, f"at most {MAX_CLIENT_INDEXES} client order indexes")
        try:
            wanted = [int(text) for text in texts]
        except ValueError as error:
            raise Refused(20001, "client_order_indexes") from error
        found = [account.client_history.get(index) for index in wanted]
        rows = [order.json() for order in found if order is not None]
        return {"next_cursor": None, "orders": rows}

    # -- accounts ----------------------------------------------------------------------------

    def _account(self, query: Query) -> Row:
        by, value = query.text("by"), query.text("value")
        accounts = self._sim.exchange.accounts.values()
        if by == "index":
            found = [a for a in accounts if str(a.index) == value]
        elif by == "l1_address":
            found = [a for a in accounts if f"0x{a.index:040x}" == value.lower()]
        else:
            raise Refused(20001, "by")
        if not found:
            raise Refused(21100)
        return {"total": len(found), "accounts": [account.rest_row() for account in found]}

    def _plain_account(self, query: Query) -> Account:
        account = self._sim.exchange.accounts.get(query.number("account_index"))
        if account is None:
            raise Refused(21100)
        return account

    def _nonce(self, query: Query) -> Row:
        account = self._plain_account(query)
        return {"nonce": self._sim.exchange.key(account, query.number("api_key_index")).nonce}

    def _apikeys(self, query: Query) -> Row:
        account = self._plain_account(query)
        wanted = query.number("api_key_index", ALL_KEYS)
        if wanted != ALL_KEYS:
            self._sim.exchange.key(account, wanted)
        return {
            "api_keys": [
                {
                    "account_index": account.index,
                    "api_key_index": key.index,
                    "nonce": key.nonce,
                    "public_key": key.public_key.hex(),
                    "transaction_time": key.changed_us,
                }
                for key in account.keys.values()
                if wanted in (ALL_KEYS, key.index)
            ]
        }

    def _maker_only(self, query: Query) -> Row:
        """The token must come in the header, and only there (2.0)."""
        if not query.header_token or query.values.keys() & {"auth", "authorization"}:
            raise Refused(400, "unexpected maker-only request")
        account = self._asked_account(query)
        return {"api_key_indexes": [k.index for k in account.keys.values() if k.maker_only]}

    def _set_maker_only(self, query: Query) -> Row:
        account = self._asked_account(query)
        text = query.text("api_key_indexes", "[]").strip("[] ")
        try:
            wanted = {int(part) for part in text.split(",") if part.strip()}
        except ValueError as error:
            raise Refused(20001, "api_key_indexes") from error
        for index in wanted:
            self._sim.exchange.key(account, index)
        for key in account.keys.values():
            key.maker_only = key.index in wanted
        return {}

    def _limits(self, query: Query) -> Row:
        account = self._asked_account(query)
        names = {0: "standard", 1: "premium", 2: "plus", 3: "builder"}
        name = names.get(account.tier, "standard")
        return {
            "max_llp_percentage": 0,
            "user_tier": name,
            "user_tier_name": name,
            "user_tier_last_update": 0,
            "can_create_public_pool": False,
            "max_llp_amount": "0",
            "current_maker_fee_tick": account.maker_fee,
            "current_taker_fee_tick": account.taker_fee,
            "effective_lit_stakes": "0",
            "leased_lit": "0",
            "bo_user_tier_name": name,
            "bo_fee_rate": 0,
        }

    # -- transactions ------------------------------------------------------------------------

    def _tx(self, query: Query) -> Row:
        by, value = query.text("by"), query.text("value")
        txs = self._sim.exchange.txs
        if by == "hash":
            found = txs.get(value.lower().removeprefix("0x"))
        elif by == "sequence_index":
            found = next((row for row in txs.values() if str(row.sequence) == value), None)
        else:
            raise Refused(20001, "by")
        if found is None:
            raise Refused(21500)
        return {**found.row(), "committed_at": 0, "verified_at": 0}

    def _account_txs(self, query: Query) -> Row:
        if query.text("by") != "account_index":
            raise Refused(20001, "by")
        index = query.number("value")
        if not query.token:
            raise Refused(20001, "auth field is required")
        self._sim.check_token(query.token, index)
        types = query.values.get("types", "")
        wanted = {int(part) for part in types.strip("[]").split(",") if part.strip().isdigit()}
        rows = (
            row
            for row in reversed(self._sim.exchange.txs.values())
            if row.tx.account_index == index and (not wanted or row.tx.tx_type in wanted)
        )
        start = query.number("index", 0)
        return {"txs": [row.row() for row in islice(rows, start, start + query.limit(MAX_PAGE))]}


def _trade_filter(query: Query, account: Account | None) -> Callable[[Trade], bool]:
    """Return whether a trade is among those asked for, the question read once."""
    market_id = query.optional("market_id")
    kind = query.text("type", "all")
    since = query.number("from", 0)
    order_index = query.values.get("order_index_str") or query.values.get("order_index")
    ask_filter = query.number("ask_filter", -1)
    role = query.text("role", "all")

    def fits(trade: Trade) -> bool:
        if market_id not in (None, ALL_KEYS) and trade.market.market_id != market_id:
            return False
        if kind not in ("all", trade.kind) or trade.us // 1_000 < since:
            return False
        bid, ask = trade.sides()
        if order_index and order_index not in (str(bid.index), str(ask.index)):
            return False
        if account is None:
            return True
        if ask_filter in (0, 1) and (ask if ask_filter else bid).account is not account:
            return False
        if role in ("maker", "taker"):
            return (trade.maker if role == "maker" else trade.taker).account is account
        return True

    return fits


def _newest(trades: Sequence[Trade], count: int) -> list[Trade]:
    return list(trades)[-count:][::-1]
