"""What goes out on the streams: blocks of user events, and the public channels."""

from __future__ import annotations

import base64
import zlib
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any

import orjson

from . import views
from .candles import Candles
from .channels import Channel
from .info import aggregate
from .liquidation import pay_funding
from .markets import DEXES
from .numbers import canonical, parse_scaled

if TYPE_CHECKING:
    from .accounts import Account
    from .connection import Connection
    from .exchange import Exchange
    from .server import Simulator

__all__ = ["Publisher"]

SNAPSHOT = 2_000
RECENT = 50
HOUR_NS = 3_600_000_000_000
_STATE = frozenset(
    {
        "openOrders", "clearinghouseState", "allDexsClearinghouseState", "spotState",
        "twapStates", "activeAssetData", "webData2", "webData3",
    }
)  # fmt: skip
_FRAMES = {"userEvents": "user"}


class Publisher:
    """Knows who follows what, and sends it."""

    def __init__(self, sim: Simulator) -> None:
        self._sim = sim
        self._exchange: Exchange = sim.exchange
        self.followers: dict[Channel, dict[Connection, None]] = {}
        self.taps = sim.faults.taps
        self.candles = {m.coin: Candles(m) for m in self._exchange.markets.values()}
        self.fundings: dict[str, list[dict[str, Any]]] = {}
        self.recent: dict[str, deque[bytes]] = {}
        self.published = 0
        self._of_user: dict[str, dict[Channel, None]] = {}
        self._of_type: dict[str, dict[Channel, None]] = {}
        self._bbos: dict[str, Any] = {}
        self._due: dict[str, int] = {}
        self._next_funding_ns = HOUR_NS

    # -- who follows what --------------------------------------------------------------------

    def follow(self, connection: Connection, channel: Channel) -> None:
        self.followers.setdefault(channel, {})[connection] = None
        self._of_type.setdefault(channel.type, {})[channel] = None
        if channel.user:
            self._of_user.setdefault(channel.user, {})[channel] = None

    def unfollow(self, connection: Connection, channel: Channel) -> None:
        who = self.followers.get(channel)
        if who is None:
            return
        who.pop(connection, None)
        if not who:
            del self.followers[channel]
            del self._of_type[channel.type][channel]
            if channel.user:
                del self._of_user[channel.user][channel]
                if not self._of_user[channel.user]:
                    del self._of_user[channel.user]

    @property
    def users(self) -> set[str]:
        """Return the users that are followed."""
        return set(self._of_user)

    # -- sending -----------------------------------------------------------------------------

    def deliver(self, channel: Channel, data: Any, *, name: str | None = None) -> None:
        """Send data on a channel to everybody who follows it."""
        who = self.followers.get(channel)
        if who:
            self.deliver_frame(channel, _frame(name or frame_name(channel), data))

    def deliver_frame(self, channel: Channel, payload: bytes) -> None:
        """Send a ready frame to everybody who follows a channel, through the taps."""
        self.published += 1
        recent = self.recent.get(channel.type)
        if recent is None:
            recent = self.recent[channel.type] = deque(maxlen=RECENT)
        recent.append(payload)
        for connection in list(self.followers.get(channel, ())):
            self.send(connection, channel.type, payload)

    def send(self, connection: Connection, kind: str, payload: bytes) -> None:
        """Send one frame to one connection, through the taps."""
        for one in self.taps.through(kind, payload, connection.send, connection.number):
            connection.send(one)

    # -- first frames ------------------------------------------------------------------------

    def first(self, channel: Channel) -> bytes | None:
        """Return what a new follower gets at once, None if the channel begins with nothing."""
        exchange = self._exchange
        kind = channel.type
        data: Any
        if channel.user:
            account = exchange.accounts.get(channel.user)
            data = self._first_of_user(channel, account)
        elif kind == "trades":
            data = list(exchange.markets[channel.coin].trades)[-10:]
        elif kind == "bbo":
            market = exchange.markets[channel.coin]
            data = {
                "coin": channel.coin,
                "time": exchange.clock.now_ms(),
                "bbo": views.bbo(exchange, market),
            }
        else:
            data = self._periodic(channel)
        return None if data is None else _frame(frame_name(channel), data)

    def _first_of_user(self, channel: Channel, account: Account | None) -> Any:
        kind, user = channel.type, channel.user
        if kind in _STATE:
            return self._state(channel, account or self._exchange.nobody)
        rows: Any
        if kind == "userFills":
            rows = list(account.fills)[-SNAPSHOT:][::-1] if account else []
            name = "fills"
            if channel.aggregate:
                rows = aggregate(rows)
        elif kind == "userFundings":
            rows, name = list(account.fundings)[-SNAPSHOT:] if account else [], "fundings"
        elif kind == "userNonFundingLedgerUpdates":
            rows = list(account.ledger)[-SNAPSHOT:] if account else []
            name = "nonFundingLedgerUpdates"
        elif kind == "userHistoricalOrders":
            orders = list(account.history.values())[-SNAPSHOT:] if account else []
            rows, name = [order.report() for order in reversed(orders)], "orderHistory"
        elif kind == "userTwapSliceFills":
            rows, name = list(account.twap_fills) if account else [], "twapSliceFills"
        elif kind == "userTwapHistory":
            rows, name = list(account.twap_history) if account else [], "history"
        else:
            return None  # orderUpdates, userEvents and notification have no snapshot (4.4)
        return {"isSnapshot": True, "user": user, name: rows}

    # -- blocks ------------------------------------------------------------------------------

    def flush(self) -> None:
        """End a block: send what happened since the last one."""
        exchange = self._exchange
        touched, exchange.touched = exchange.touched, {}
        for account in touched.values():
            items, account.outbox = account.outbox, []
            self._run(account, items)
            self._send_state(account)
        changed, exchange.changed = exchange.changed, {}
        for coin, trades in changed.items():
            self._send_market(coin, trades)

    def _run(self, account: Account, items: list[Any]) -> None:
        """Send a user's items in their order, up to the first that says to wait."""
        group: list[Any] = []
        for at, item in enumerate(items):
            kind, value, _ = item
            if kind not in ("wait", "break", "reply"):
                group.append(item)
                continue
            self._send_group(account, group)
            group = []
            if kind == "reply":
                value.fire()
            elif kind == "wait":
                rest = items[at + 1 :]
                self._sim.later(value, partial(self._run, account, rest))
                return
        self._send_group(account, group)

    def _send_group(self, account: Account, group: list[Any]) -> None:
        """Send items as one frame of each channel."""
        if not group or account.address not in self._of_user:
            return
        user = account.address
        orders = [value for kind, value, _ in group if kind == "order"]
        fills = [value for kind, value, _ in group if kind == "fill"]
        for name in self._exchange.config.frame_order:
            if name == "orderUpdates" and orders:
                self.deliver(Channel("orderUpdates", user=user), orders)
            elif name == "userFills" and fills:
                for flag in (None, False, True):
                    rows = aggregate(fills) if flag else fills
                    channel = Channel("userFills", user=user, aggregate=flag)
                    self.deliver(channel, {"user": user, "fills": rows})
            elif name == "user":
                events = Channel("userEvents", user=user)
                if fills:
                    self.deliver(events, {"fills": fills})
                for kind, value, _ in group:
                    if kind == "event":
                        self.deliver(events, value)
        self._send_logs(account, group)

    def _send_logs(self, account: Account, group: list[Any]) -> None:
        user = account.address
        for wanted, name, rows in (
            ("funding", "userFundings", "fundings"),
            ("ledger", "userNonFundingLedgerUpdates", "nonFundingLedgerUpdates"),
            ("twap", "userTwapHistory", "history"),
            ("twap_fill", "userTwapSliceFills", "twapSliceFills"),
        ):
            found = [value for kind, value, _ in group if kind == wanted]
            if found:
                self.deliver(Channel(name, user=user), {"user": user, rows: found})
        history = Channel("userHistoricalOrders", user=user)
        if history in self.followers:
            oids = [oid for kind, _, oid in group if kind == "order"]
            reports = [account.history[oid].report() for oid in oids if oid in account.history]
            if reports:
                self.deliver(history, {"user": user, "orderHistory": reports})

    def _send_state(self, account: Account) -> None:
        for channel in list(self._of_user.get(account.address, ())):
            if channel.type in _STATE:
                self.deliver(channel, self._state(channel, account))

    def _state(self, channel: Channel, account: Account) -> Any:
        """Return the complete data of a state channel."""
        exchange, kind, user = self._exchange, channel.type, channel.user
        dex = channel.dex or ""
        if kind == "openOrders":
            rows = views.open_orders(exchange, account, dex, frontend=True)
            return {"dex": dex, "user": user, "orders": rows}
        if kind == "clearinghouseState":
            state = views.clearinghouse(exchange, account, dex)
            return {"dex": dex, "user": user, "clearinghouseState": state}
        if kind == "allDexsClearinghouseState":
            states = views.all_clearinghouses(exchange, account)
            return {"user": user, "clearinghouseStates": states}
        if kind == "spotState":
            return {"user": user, "spotState": views.balances(account)}
        if kind == "twapStates":
            states = [[twap.twap_id, twap.state()] for twap in exchange.twaps.of(account)]
            return {"dex": dex, "user": user, "states": states}
        if kind == "activeAssetData":
            market = exchange.markets[channel.coin]
            data = views.active_asset_data(exchange, account, market)
            return {**data, "user": user}
        if kind == "webData2":
            return {**views.web_data(exchange, account), "user": user}
        return {
            "userState": {
                "agentAddress": next(iter(account.agents), None),
                "agentValidUntil": None,
                "cumLedger": "0.0",
                "serverTime": exchange.clock.now_ms(),
                "isVault": account.role == "vault",
                "user": user,
            },
            "perpDexStates": [{"totalVaultEquity": "0.0"} for _ in DEXES],
        }

    # -- public channels ---------------------------------------------------------------------

    def _send_market(self, coin: str, trades: list[dict[str, Any]]) -> None:
        exchange = self._exchange
        market = exchange.markets[coin]
        now_ms = exchange.clock.now_ms()
        if trades:
            candles = self.candles[coin]
            for trade in trades:
                px = parse_scaled(canonical(trade["px"]), market.px_decimals)
                lots = parse_scaled(canonical(trade["sz"]), market.sz_decimals)
                assert px is not None
                assert lots is not None
                candles.add(px, lots, trade["time"])
            self.deliver(Channel("trades", coin), trades)
            for channel in list(self._of_type.get("candle", ())):
                if channel.coin == coin:
                    self.deliver(channel, candles.current(channel.interval, now_ms))
        channel = Channel("bbo", coin)
        if channel in self.followers:
            best = views.bbo(exchange, market)
            if self._bbos.get(coin) != best:
                self._bbos[coin] = best
                self.deliver(channel, {"coin": coin, "time": now_ms, "bbo": best})

    def advance(self) -> None:
        """Send what is sent by the clock."""
        config = self._exchange.config
        now_ns = self._exchange.clock.elapsed_ns()
        for name, interval_ms, kinds in (
            ("book", config.book_interval_ms, ("l2Book",)),
            ("fast", config.fast_book_interval_ms, ("l2Book",)),
            ("mids", config.mids_interval_ms, ("allMids",)),
            (
                "ctx",
                config.ctx_interval_ms,
                ("activeAssetCtx", "assetCtxs", "spotAssetCtxs", "fastAssetCtxs"),
            ),
            ("all", config.all_ctx_interval_ms, ("allDexsAssetCtxs",)),
        ):
            if now_ns < self._due.get(name, 0):
                continue
            self._due[name] = now_ns + int(interval_ms * 1e6)
            for kind in kinds:
                for channel in list(self._of_type.get(kind, ())):
                    if kind != "l2Book" or channel.fast == (name == "fast"):
                        self.deliver(channel, self._periodic(channel))
        if now_ns >= self._next_funding_ns:
            self._next_funding_ns += HOUR_NS
            self.pay_funding()

    def pay_funding(self, coin: str | None = None, rate: str | None = None) -> None:
        """Pay the funding of an hour, of one coin or of all."""
        exchange = self._exchange
        for market in exchange.markets.values():
            if market.is_spot or (coin is not None and market.coin != coin):
                continue
            pay_funding(exchange, market, rate)
            row = {
                "coin": market.coin,
                "fundingRate": rate if rate is not None else market.funding_rate,
                "premium": views.asset_ctx(exchange, market)["premium"],
                "time": exchange.clock.now_ms(),
            }
            self.fundings.setdefault(market.coin, []).append(row)
            del self.fundings[market.coin][:-1_000]

    def _periodic(self, channel: Channel) -> Any:
        """Return the complete data of a channel that is sent by the clock."""
        exchange, kind = self._exchange, channel.type
        if kind == "l2Book":
            return views.book(
                exchange, exchange.markets[channel.coin], figures=channel.figures,
                mantissa=channel.mantissa, fast=channel.fast,
            )  # fmt: skip
        if kind == "allMids":
            named = {} if channel.dex is None else {"dex": channel.dex}
            return {**named, "mids": views.mids(exchange, channel.dex or "")}
        if kind == "candle":
            now_ms = exchange.clock.now_ms()
            return self.candles[channel.coin].current(channel.interval, now_ms)
        if kind == "activeAssetCtx":
            ctx = views.asset_ctx(exchange, exchange.markets[channel.coin])
            return {"coin": channel.coin, "ctx": ctx}
        if kind == "assetCtxs":
            return {"dex": channel.dex or "", "ctxs": views.ctxs(exchange, channel.dex or "")}
        if kind == "allDexsAssetCtxs":
            return {"ctxs": [[dex, views.ctxs(exchange, dex)] for dex in DEXES]}
        if kind == "spotAssetCtxs":
            return views.spot_ctxs(exchange)
        if kind == "fastAssetCtxs":
            prices = {
                market.coin: {
                    "markPx": market.price(market.mark),
                    "midPx": views.mid(exchange, market),
                }
                for market in exchange.markets.values()
            }
            packer = zlib.compressobj(wbits=-15)
            packed = packer.compress(orjson.dumps(prices)) + packer.flush()
            return base64.b64encode(packed).decode()
        return None


def frame_name(channel: Channel) -> str:
    """Return the `channel` of a subscription's frames; some differ from its type (4.3, 4.4)."""
    if channel.type == "activeAssetCtx" and ("/" in channel.coin or channel.coin.startswith("@")):
        return "activeSpotAssetCtx"
    return _FRAMES.get(channel.type, channel.type)


def _frame(name: str, data: Any) -> bytes:
    return orjson.dumps({"channel": name, "data": data})
