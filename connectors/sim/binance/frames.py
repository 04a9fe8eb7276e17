"""Wire bytes: websocket frames, and the JSON of every market event in the venue's key order.

The texts are put together by hand because key order and number spelling are part of what is
simulated (section 8); a symbol never needs escaping. A `Frame` is encoded once and its bytes are
shared by every connection that gets it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from ..wsframes import encode
from .types import SymbolRules, fixed_text

if TYPE_CHECKING:
    from .candles import Candle, DayStats
    from .feed import AggTrade, Feed, Trade

__all__ = ["Frame"]


class Frame:
    """One event of one stream; `raw` and `wrapped` are complete websocket frames (BN-C-06)."""

    __slots__ = ("_raw", "_wrapped", "payload", "stream")

    def __init__(self, stream: str, payload: bytes) -> None:
        self.stream = stream
        self.payload = payload
        self._raw: bytes | None = None
        self._wrapped: bytes | None = None

    @property
    def raw(self) -> bytes:
        if self._raw is None:
            self._raw = encode(self.payload)
        return self._raw

    @property
    def wrapped(self) -> bytes:
        if self._wrapped is None:
            self._wrapped = encode(self.combined_payload)
        return self._wrapped

    @property
    def combined_payload(self) -> bytes:
        return b'{"stream":"%b","data":%b}' % (self.stream.encode(), self.payload)


def levels_text(rules: SymbolRules, levels: Iterable[tuple[int, int]]) -> str:
    """Return levels as the inside of a JSON array."""
    price, qty = rules.price_precision, rules.quantity_precision
    return ",".join(
        f'["{fixed_text(p, price)}","{fixed_text(q, qty)}"]' for p, q in levels
    )


def book_ticker(feed: Feed, event_ms: int) -> str:
    """Return `<s>@bookTicker`; the two products order their keys differently (8.1, 8.2)."""
    rules = feed.rules
    b, bq, a, aq = feed.best_texts()
    if feed.usdm:
        return (
            f'{{"e":"bookTicker","u":{feed.update_id},"E":{event_ms},"T":{feed.changed_ms},'
            f'"s":"{rules.symbol}","ps":"{rules.pair}","b":"{b}","B":"{bq}","a":"{a}","A":"{aq}",'
            f'"st":1}}'
        )
    return (
        f'{{"e":"bookTicker","u":{feed.update_id},"s":"{rules.symbol}","b":"{b}","B":"{bq}",'
        f'"a":"{a}","A":"{aq}","T":{feed.changed_ms},"E":{event_ms},"ps":"{rules.pair}","st":2}}'
    )


def book_ticker_all(feed: Feed, event_ms: int) -> str:
    """Return an item of `!bookTicker`: `ps` moves to the end."""
    if not feed.usdm:
        return book_ticker(feed, event_ms)
    rules = feed.rules
    b, bq, a, aq = feed.best_texts()
    return (
        f'{{"e":"bookTicker","u":{feed.update_id},"E":{event_ms},"T":{feed.changed_ms},'
        f'"s":"{rules.symbol}","b":"{b}","B":"{bq}","a":"{a}","A":"{aq}","ps":"{rules.pair}",'
        f'"st":1}}'
    )


def depth(
    feed: Feed,
    event_ms: int,
    ids: tuple[int, int, int],
    bids: Sequence[tuple[int, int]],
    asks: Sequence[tuple[int, int]],
) -> str:
    """Return a depth event; `ids` are U, u and pu."""
    rules = feed.rules
    first, last, previous = ids
    sides = f'"b":[{levels_text(rules, bids)}],"a":[{levels_text(rules, asks)}]'
    head = f'{{"e":"depthUpdate","E":{event_ms},"T":{feed.changed_ms},"s":"{rules.symbol}"'
    chain = f'"U":{first},"u":{last},"pu":{previous}'
    if feed.usdm:
        return f'{head},{chain},{sides},"ps":"{rules.pair}","st":1}}'
    return f'{head},"ps":"{rules.pair}",{chain},{sides},"st":2}}'


def trade(feed: Feed, item: Trade, event_ms: int) -> str:
    rules = feed.rules
    return (
        f'{{"e":"trade","E":{event_ms},"T":{item.ts_ms},"s":"{rules.symbol}","t":{item.trade_id},'
        f'"p":"{rules.price_text(item.price)}","q":"{rules.qty_text(item.lots)}","X":"MARKET",'
        f'"m":{_bool(item.buyer_is_maker)}}}'
    )


def agg_trade(feed: Feed, item: AggTrade, event_ms: int) -> str:
    rules = feed.rules
    qty = rules.qty_text(item.lots)
    normal = f'"nq":"{qty}",' if feed.usdm else ""
    ids = (
        f'"s":"{rules.symbol}","a":{item.agg_id}'
        if feed.usdm
        else f'"a":{item.agg_id},"s":"{rules.symbol}"'
    )
    return (
        f'{{"e":"aggTrade","E":{event_ms},{ids},"p":"{rules.price_text(item.price)}",'
        f'"q":"{qty}",{normal}"f":{item.first_id},"l":{item.last_id},"T":{item.ts_ms},'
        f'"m":{_bool(item.buyer_is_maker)},"st":{feed.contract.stream_type}}}'
    )


def mark_price(feed: Feed, event_ms: int) -> str:
    """Return a mark price item; a delivery contract has no funding (`r` empty, `T` 0)."""
    rules = feed.rules
    mark, index, settle = (fixed_text(x, 8) for x in (feed.mark_e8, feed.index_e8, feed.mark_e8))
    rate, next_ms = (feed.funding_text, feed.next_funding_ms) if feed.perpetual else ("", 0)
    head = f'{{"e":"markPriceUpdate","E":{event_ms},"s":"{rules.symbol}","p":"{mark}"'
    if feed.usdm:
        return (
            f'{head},"i":"{index}","P":"{settle}","r":"{rate}","ap":"{mark}","T":{next_ms},"st":1}}'
        )
    return f'{head},"P":"{settle}","i":"{index}","r":"{rate}","T":{next_ms},"st":2}}'


def index_price(pair: str, index_e8: int, event_ms: int) -> str:
    return (
        f'{{"e":"indexPriceUpdate","E":{event_ms},"i":"{pair}","p":"{fixed_text(index_e8, 8)}"}}'
    )


def kline(feed: Feed, interval: str, candle: Candle, event_ms: int, *, closed: bool) -> str:
    body = _kline_body(feed, interval, candle, f'"s":"{feed.rules.symbol}",', closed=closed)
    return f'{{"e":"kline","E":{event_ms},"s":"{feed.rules.symbol}","k":{body}}}'


def continuous_kline(
    feed: Feed, interval: str, candle: Candle, event_ms: int, *, closed: bool
) -> str:
    body = _kline_body(feed, interval, candle, "", closed=closed)
    return (
        f'{{"e":"continuous_kline","E":{event_ms},"ps":"{feed.rules.pair}",'
        f'"ct":"{feed.contract.contract_type}","k":{body}}}'
    )


def _kline_body(feed: Feed, interval: str, candle: Candle, symbol: str, *, closed: bool) -> str:
    price, qty = feed.rules.price_text, feed.rules.qty_text
    return (
        f'{{"t":{candle.open_ms},"T":{candle.close_ms},{symbol}"i":"{interval}",'
        f'"f":{candle.first_id},"L":{candle.last_id},"o":"{price(candle.open)}",'
        f'"c":"{price(candle.close)}","h":"{price(candle.high)}","l":"{price(candle.low)}",'
        f'"v":"{qty(candle.lots)}","n":{candle.trades},"x":{_bool(closed)},'
        f'"q":"{feed.value_text(candle.value)}","V":"{qty(candle.taker_lots)}",'
        f'"Q":"{feed.value_text(candle.taker_value)}","B":"0"}}'
    )


def price_kline(
    event: str, pair: str, symbol: str, interval: str, candle: Candle, event_ms: int, *,
    closed: bool,
) -> str:  # fmt: skip
    """Return a mark or index price kline: prices with 8 decimals, no volume, n = samples."""
    o, c, h, low = (
        fixed_text(x, 8) for x in (candle.open, candle.close, candle.high, candle.low)
    )
    return (
        f'{{"e":"{event}","E":{event_ms},"ps":"{pair}","k":{{"t":{candle.open_ms},'
        f'"T":{candle.close_ms},"s":"{symbol}","i":"{interval}","f":{candle.first_id},'
        f'"L":{candle.last_id},"o":"{o}","c":"{c}","h":"{h}","l":"{low}","v":"0",'
        f'"n":{candle.trades},"x":{_bool(closed)},"q":"0","V":"0","Q":"0","B":"0"}}}}'
    )


def mini_ticker(feed: Feed, day: DayStats, event_ms: int) -> str:
    rules = feed.rules
    price, pair = rules.price_text, f'"ps":"{rules.pair}"'
    head = f'{{"e":"24hrMiniTicker","E":{event_ms},"s":"{rules.symbol}"'
    body = (
        f'"c":"{price(day.close)}","o":"{price(day.open)}","h":"{price(day.high)}",'
        f'"l":"{price(day.low)}","v":"{rules.qty_text(day.lots)}",'
        f'"q":"{feed.value_text(day.value)}"'
    )
    if feed.usdm:
        return f'{head},{body},{pair},"st":1}}'
    return f'{head},{pair},{body},"st":2}}'


def ticker(feed: Feed, day: DayStats, event_ms: int) -> str:
    rules = feed.rules
    price = rules.price_text
    return (
        f'{{"e":"24hrTicker","E":{event_ms},"s":"{rules.symbol}","p":"{price(day.change)}",'
        f'"P":"{day.percent_text}","w":"{price(day.average)}","c":"{price(day.close)}",'
        f'"Q":"{rules.qty_text(day.last_lots)}","o":"{price(day.open)}","h":"{price(day.high)}",'
        f'"l":"{price(day.low)}","v":"{rules.qty_text(day.lots)}",'
        f'"q":"{feed.value_text(day.value)}","O":{day.open_ms},"C":{day.close_ms},'
        f'"F":{day.first_id},"L":{day.last_id},"n":{day.trades},"ps":"{rules.pair}",'
        f'"st":{feed.contract.stream_type}}}'
    )


def force_order(
    feed: Feed, order: Sequence[str], ts_ms: int, event_ms: int, *, all_market: bool
) -> str:
    """Return a liquidation; `order` is side, type, tif, qty, price, average, status, last, sum."""
    rules = feed.rules
    side, kind, tif, qty, price, average, status, last, total = order
    inside = "" if feed.usdm else f'"ps":"{rules.pair}",'
    outside = f',"ps":"{rules.pair}","st":{feed.contract.stream_type}' if all_market else ""
    return (
        f'{{"e":"forceOrder","E":{event_ms},"o":{{"s":"{rules.symbol}",{inside}"S":"{side}",'
        f'"o":"{kind}","f":"{tif}","q":"{qty}","p":"{price}","ap":"{average}","X":"{status}",'
        f'"l":"{last}","z":"{total}","T":{ts_ms}}}{outside}}}'
    )


def contract_info(feed: Feed, event_ms: int) -> str:
    contract, rules = feed.contract, feed.rules
    return (
        f'{{"e":"contractInfo","E":{event_ms},"s":"{rules.symbol}","ps":"{rules.pair}",'
        f'"ct":"{contract.contract_type}","dt":{contract.delivery_ms},'
        f'"ot":{contract.onboard_ms},"cs":"{rules.status}","st":{contract.stream_type}}}'
    )


def composite_index(
    symbol: str, price_e8: int, parts: Iterable[tuple[str, int]], event_ms: int
) -> str:
    """Return a composite index of equal weights; `parts` are base asset and index price."""
    listed = list(parts)
    weight = fixed_text(10**8 // max(len(listed), 1), 8)
    items = ",".join(
        f'{{"b":"{base}","q":"USDT","w":"1.00000000","W":"{weight}","i":"{fixed_text(price, 8)}"}}'
        for base, price in listed
    )
    return (
        f'{{"e":"compositeIndex","E":{event_ms},"s":"{symbol}","p":"{fixed_text(price_e8, 8)}",'
        f'"C":"baseAsset","c":[{items}]}}'
    )


def asset_index(asset: str, price_e8: int, event_ms: int) -> str:
    """Return the multi-assets-mode index of an asset with the buffers the venue publishes."""
    lower, upper = price_e8 * 9 // 10, price_e8 * 11 // 10
    near_low, near_high = price_e8 * 95 // 100, price_e8 * 105 // 100
    return (
        f'{{"e":"assetIndexUpdate","E":{event_ms},"s":"{asset}USD","i":"{fixed_text(price_e8, 8)}",'
        f'"b":"0.10000000","a":"0.10000000","B":"{fixed_text(lower, 8)}",'
        f'"A":"{fixed_text(upper, 8)}","q":"0.05000000","g":"0.05000000",'
        f'"Q":"{fixed_text(near_low, 8)}","G":"{fixed_text(near_high, 8)}"}}'
    )


def trading_session(event_ms: int) -> str:
    """Return the session of the stock market; the simulated one never closes."""
    hour = 3_600_000
    start = event_ms // (8 * hour) * 8 * hour
    return (
        f'{{"e":"EquityUpdate","E":{event_ms},"t":{start},"T":{start + 8 * hour},"S":"REGULAR"}}'
    )


def array(items: Iterable[str]) -> str:
    return f"[{','.join(items)}]"



def _bool(value: bool) -> str:
    return "true" if value else "false"
