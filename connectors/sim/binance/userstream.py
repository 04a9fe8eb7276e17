"""User data: listen keys, the queue of events per key, and their faults (section 11).

`UserStream` keeps the keys and hands finished frames to its subscribers; the functions below it
build the events in the venue's key order (BN-M-12).
"""

from __future__ import annotations

import random
import string
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any

import orjson

from .account import Account, Position, money, plain
from .types import ApiError, Product, UserFrame

if TYPE_CHECKING:
    from .algo import AlgoOrder
    from .orders import Order

__all__ = ["EventFaults", "ListenKeyFaults", "UserStream"]

KEY_LIFE_MS = 60 * 60 * 1000
_ALPHABET = string.ascii_letters + string.digits
Subscriber = Callable[[UserFrame], None]
Event = dict[str, Any]


@dataclass(slots=True)
class ListenKeyFaults:
    """What goes wrong with listen keys (BN-M-36); counters count down as they are used."""

    fail_posts: int = 0  # so many POST requests fail with a 503
    fail_puts: int = 0  # so many PUT requests fail with a 503
    put_unknown: int = 0  # so many PUT requests answer -1125
    rotate: bool = False  # POST makes a new key although the old one is valid
    expiry_as_text: bool = False  # E of listenKeyExpired as a string
    empty_put_reply: bool = False  # PUT answers {} like older gateways (BN-U-02)


@dataclass(slots=True)
class EventFaults:
    """What happens to the events of every account (BN-M-37); counters count events."""

    drop: int = 0  # lose the next n
    repeat: int = 0  # send each of the next n twice
    swap: int = 0  # send the next n pairs in reverse order
    delay_ms: int = 0  # hold every event back that long
    only: str | None = None  # of fills send only "TRADE_LITE" or only "ORDER_TRADE_UPDATE"


@dataclass(slots=True)
class _ListenKey:
    key: str
    account: Account
    product: Product
    expires_ms: int


class UserStream:
    """Listen keys of all accounts and the frames that go out under them."""

    def __init__(self, clock_ms: Callable[[], int], *, seed: int) -> None:
        self._clock_ms = clock_ms
        self._random = random.Random(f"binance-sim/listen-keys/{seed}")
        self._keys: dict[str, _ListenKey] = {}
        self._by_owner: dict[tuple[str, Product], _ListenKey] = {}
        self._subscribers: list[Subscriber] = []
        self._late: list[tuple[int, int, UserFrame]] = []  # heap of (due_ms, order, frame)
        self._late_count = 0
        self._held: UserFrame | None = None
        self.key_faults = ListenKeyFaults()
        self.event_faults = EventFaults()
        self.sent = 0

    def subscribe(self, subscriber: Subscriber) -> Callable[[], None]:
        """Call `subscriber` with every frame; returns the function that ends it."""
        self._subscribers.append(subscriber)
        return lambda: self._subscribers.remove(subscriber)

    # -- listen keys -----------------------------------------------------------------------

    def open(self, account: Account, product: Product) -> str:
        """Return the account's listen key, extended by 60 min, or a new one (BN-U-01)."""
        if _take(self.key_faults, "fail_posts"):
            raise _unavailable()
        now = self._clock_ms()
        found = self._by_owner.get((account.name, product))
        if found is not None and found.expires_ms > now and not self.key_faults.rotate:
            found.expires_ms = now + KEY_LIFE_MS
            return found.key
        if found is not None:
            self._forget(found)
        key = "".join(self._random.choices(_ALPHABET, k=64))
        made = _ListenKey(key, account, product, now + KEY_LIFE_MS)
        self._keys[key] = self._by_owner[account.name, product] = made
        return key

    def keep_alive(self, account: Account, product: Product) -> str:
        """Extend the account's key by 60 min (BN-U-02). Raises -1125 if it has none."""
        if _take(self.key_faults, "fail_puts"):
            raise _unavailable()
        found = self._by_owner.get((account.name, product))
        now = self._clock_ms()
        if (
            _take(self.key_faults, "put_unknown")
            or found is None
            or found.expires_ms <= now
        ):
            raise ApiError(-1125, "This listenKey does not exist.")
        found.expires_ms = now + KEY_LIFE_MS
        return found.key

    def close(self, account: Account, product: Product) -> None:
        """Forget the account's key; its stream gets nothing more (BN-U-04)."""
        found = self._by_owner.get((account.name, product))
        if found is not None:
            self._forget(found)

    def owner(self, key: str) -> tuple[Account, Product] | None:
        """Return whose key this is, None for an unknown or expired one."""
        found = self._keys.get(key)
        if found is None or found.expires_ms <= self._clock_ms():
            return None
        return found.account, found.product

    def expire(self, key: str | None = None, *, silent: bool = False) -> int:
        """End one key or all now, with or without the event (BN-U-07); return how many."""
        ending = [k for k in self._keys.values() if key is None or k.key == key]
        for found in ending:
            if not silent:
                self._send_expiry(found)
            self._forget(found)
        return len(ending)

    def _send_expiry(self, found: _ListenKey) -> None:
        now = self._clock_ms()
        event: Event = {
            "e": "listenKeyExpired",
            "E": str(now) if self.key_faults.expiry_as_text else now,
            "listenKey": found.key,
        }
        self._deliver(UserFrame(found.key, found.product, event["e"], orjson.dumps(event)))

    def _forget(self, found: _ListenKey) -> None:
        self._keys.pop(found.key, None)
        if self._by_owner.get((found.account.name, found.product)) is found:
            del self._by_owner[found.account.name, found.product]

    # -- events ----------------------------------------------------------------------------

    def emit(self, account: Account, product: Product, event: Event) -> None:
        """Send an event under the account's key of this product, if it has one."""
        found = self._by_owner.get((account.name, product))
        if found is None or found.expires_ms <= self._clock_ms():
            return
        name = event["e"]
        faults = self.event_faults
        if faults.only is not None and faults.only != name and _is_fill(event):
            return
        frame = UserFrame(found.key, product, name, orjson.dumps(event))
        if _take(faults, "drop"):
            return
        if self._held is not None:
            held, self._held = self._held, None
            self._route(frame)
            self._route(held)
        elif _take(faults, "swap"):
            self._held = frame
        else:
            self._route(frame)
            if _take(faults, "repeat"):
                self._route(frame)

    def tick(self) -> None:
        """Send what was held back and is due; end keys that ran out."""
        now = self._clock_ms()
        while self._late and self._late[0][0] <= now:
            self._deliver(heappop(self._late)[2])
        for found in [k for k in self._keys.values() if k.expires_ms <= now]:
            self._send_expiry(found)
            self._forget(found)

    def _route(self, frame: UserFrame) -> None:
        if self.event_faults.delay_ms:
            self._late_count += 1
            due = self._clock_ms() + self.event_faults.delay_ms
            heappush(self._late, (due, self._late_count, frame))
        else:
            self._deliver(frame)

    def _deliver(self, frame: UserFrame) -> None:
        self.sent += 1
        for subscriber in list(self._subscribers):
            subscriber(frame)


def _take(faults: ListenKeyFaults | EventFaults, name: str) -> bool:
    left: int = getattr(faults, name)
    if left <= 0:
        return False
    setattr(faults, name, left - 1)
    return True


def _is_fill(event: Event) -> bool:
    name = event["e"]
    if name == "ORDER_TRADE_UPDATE":
        return bool(event["o"]["x"] == "TRADE")
    return bool(name == "TRADE_LITE")


def _unavailable() -> ApiError:
    return ApiError(-1000, "Service Unavailable.", status=503)


# -- the events, in the venue's key order ----------------------------------------------------


def _envelope(name: str, now_ms: int, account: Account, product: Product) -> Event:
    event: Event = {"e": name, "T": now_ms, "E": now_ms}
    if product is Product.COINM:
        event["i"] = account.alias
    return event


@dataclass(frozen=True, slots=True)
class Execution:
    """One fill of one order, as the events and the trade list show it."""

    price: int
    size: int
    trade_id: int
    maker: bool
    fee: Decimal
    profit: Decimal


def order_event(
    order: Order,
    execution_type: str,
    now_ms: int,
    *,
    fill: Execution | None = None,
    bids: Decimal = Decimal(0),
    asks: Decimal = Decimal(0),
) -> Event:
    """Build ORDER_TRADE_UPDATE; `bids` and `asks` are the open values of the symbol."""
    rules = order.rules
    product = rules.product
    event = _envelope("ORDER_TRADE_UPDATE", now_ms, order.account, product)
    body: Event = {
        "s": rules.symbol,
        "c": order.client_id,
        "S": order.side_text,
        "o": order.type,
        "f": order.time_in_force,
        "q": rules.qty_text(order.size),
        "p": rules.price_text(order.price) if order.price else "0",
        "ap": order.average_text if order.filled else "0",
        "sp": rules.price_text(order.stop_price) if order.stop_price else "0",
        "x": execution_type,
        "X": order.status,
        "i": order.order_id,
        "l": rules.qty_text(fill.size) if fill else "0",
        "z": rules.qty_text(order.filled) if order.filled else "0",
        "L": rules.price_text(fill.price) if fill else "0",
    }
    if execution_type == "AMENDMENT" and order.modify_id is not None:
        body["M"] = order.modify_id
    if product is Product.COINM:
        body["ma"] = rules.margin_asset
    body |= {
        "n": money(fill.fee) if fill else "0",
        "N": rules.margin_asset,
        "T": now_ms,
        "t": fill.trade_id if fill else 0,
        "b": plain(bids),
        "a": plain(asks),
        "m": fill.maker if fill else False,
        "R": order.reduce_only,
        "wt": order.working_type,
        "ot": order.orig_type,
        "ps": order.position_side,
        "cp": order.close_position,
    }
    if order.algo is not None and order.algo.callback_rate is not None:
        body["AP"] = rules.price_text(order.algo.activate_price)
        body["cr"] = plain(order.algo.callback_rate)
    body |= {
        "rp": money(fill.profit) if fill and fill.profit else "0",
        "pP": order.price_protect,
        "si": 0,
        "ss": 0,
        "V": order.self_trade,
        "pm": order.price_match,
        "gtd": order.good_till_ms,
        "er": order.expiry_reason,
    }
    event["o"] = body
    return event


def trade_lite_event(order: Order, fill: Execution, now_ms: int) -> Event:
    """Build TRADE_LITE: a fill without fee and sums, sent first (BN-U-26)."""
    rules = order.rules
    return {
        "e": "TRADE_LITE",
        "E": now_ms,
        "T": now_ms,
        "s": rules.symbol,
        "q": rules.qty_text(order.size),
        "p": rules.price_text(order.price) if order.price else "0",
        "m": fill.maker,
        "c": order.client_id,
        "S": order.side_text,
        "L": rules.price_text(fill.price),
        "l": rules.qty_text(fill.size),
        "t": fill.trade_id,
        "i": order.order_id,
    }


def account_event(
    account: Account,
    product: Product,
    now_ms: int,
    *,
    reason: str,
    changes: dict[str, Decimal],
    positions: list[tuple[Position, Decimal]],
    funding_symbol: str | None = None,
) -> Event:
    """Build ACCOUNT_UPDATE from changed assets and touched (position, mark price) pairs."""
    event = _envelope("ACCOUNT_UPDATE", now_ms, account, product)
    body: Event = {
        "B": [
            {
                "a": asset,
                "wb": money(account.wallet(asset).balance),
                "cw": money(account.cross_balance(asset)),
                "bc": money(change),
            }
            for asset, change in changes.items()
        ],
        "P": [_position_item(account, position, mark) for position, mark in positions],
        "m": reason,
    }
    if funding_symbol is not None:
        body["S"] = funding_symbol
    event["a"] = body
    return event


def _position_item(account: Account, position: Position, mark: Decimal) -> Event:
    rules = position.rules
    item: Event = {
        "s": rules.symbol,
        "pa": rules.qty_text(position.amount) if position.amount else "0",
        "ep": plain(position.entry),
        "cr": plain(position.realized),
        "up": money(position.unrealized(mark)) if position.amount else "0",
        "mt": "isolated" if rules.symbol in account.isolated else "cross",
        "iw": money(position.isolated_wallet),
        "ps": position.side,
    }
    if not rules.inverse:
        item["ma"] = rules.margin_asset
    item["bep"] = plain(position.break_even())
    return item


def margin_call_event(
    account: Account,
    product: Product,
    now_ms: int,
    items: list[tuple[Position, Decimal, Decimal]],
    *,
    cross_wallet: Decimal | None,
) -> Event:
    """Build MARGIN_CALL from (position, mark price, maintenance margin) items (BN-U-25)."""
    event: Event = {"e": "MARGIN_CALL", "E": now_ms}
    if product is Product.COINM:
        event["i"] = account.alias
    if cross_wallet is not None:
        event["cw"] = money(cross_wallet)
    event["p"] = [
        {
            "s": position.rules.symbol,
            "ps": position.side,
            "pa": position.rules.qty_text(position.amount),
            "mt": "ISOLATED" if position.rules.symbol in account.isolated else "CROSSED",
            "iw": money(position.isolated_wallet),
            "mp": plain(mark),
            "up": money(position.unrealized(mark)),
            "mm": money(maintenance),
        }
        for position, mark, maintenance in items
    ]
    return event


def leverage_event(symbol: str, leverage: int, now_ms: int) -> Event:
    """Build ACCOUNT_CONFIG_UPDATE for a change of leverage."""
    return {
        "e": "ACCOUNT_CONFIG_UPDATE",
        "E": now_ms,
        "T": now_ms,
        "ac": {"s": symbol, "l": leverage},
    }


def multi_assets_event(now_ms: int, *, enabled: bool) -> Event:
    """Build ACCOUNT_CONFIG_UPDATE for a change of the multi-assets mode."""
    return {"e": "ACCOUNT_CONFIG_UPDATE", "E": now_ms, "T": now_ms, "ai": {"j": enabled}}


def algo_event(algo: AlgoOrder, now_ms: int) -> Event:
    """Build ALGO_UPDATE."""
    rules = algo.rules
    event = _envelope("ALGO_UPDATE", now_ms, algo.account, rules.product)
    child = algo.child
    body: Event = {
        "caid": algo.client_id,
        "aid": algo.algo_id,
        "at": "CONDITIONAL",
        "o": algo.type,
        "s": rules.symbol,
        "S": algo.side.name,
        "ps": algo.position_side,
        "f": algo.time_in_force,
        "q": rules.qty_text(algo.size) if algo.size else "0",
        "X": algo.status,
        "ai": str(child.order_id) if child else "",
        "ap": child.average_text if child else rules.price_text(0),
        "aq": rules.qty_text(child.filled) if child else rules.qty_text(0),
        "act": child.type if child else "0",
        "tp": rules.price_text(algo.trigger_price) if algo.trigger_price else "0",
        "p": rules.price_text(algo.price) if algo.price else "0",
        "V": algo.self_trade,
        "wt": algo.working_type,
        "pm": algo.price_match,
        "cp": algo.close_position,
        "pP": algo.price_protect,
        "R": algo.reduce_only,
        "tt": algo.triggered_ms,
        "gtd": algo.good_till_ms,
        "rm": algo.reject_text,
    }
    if algo.callback_rate is not None:
        body["cr"] = plain(algo.callback_rate)
    body["ia"] = algo.activated
    event["o"] = body
    return event

