"""What a Lighter frame means, by json and Decimal: slow, short, and independent of the decoder.

`decode(data)` returns the list of what a decoder must deliver: tuples that begin with the kind of
event, or `[("problem",)]`. Only frames of markets in MARKETS give events.
"""

from __future__ import annotations

import json
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from oracle.frame_values import Bad, Unsure, exact, float_value, off_grid, required, whole

# By number on the wire: id, decimals of the price, decimals of the size.
MARKETS = {
    "0": ("ETH-PERP", 2, 4),
    "1": ("BTC-PERP", 1, 5),
    "2048": ("ETH/USDC-SPOT", 4, 2),
}
INTERVALS = {
    "1m": 60, "5m": 300, "15m": 900, "30m": 1800, "1h": 3600, "4h": 14400, "12h": 43200,
    "1d": 86400, "1w": 604800,
}  # fmt: skip
PUBLIC = {
    "order_book", "ticker", "trade", "market_stats", "spot_market_stats", "candle",
    "mark_price_candle", "height",
}  # fmt: skip
STATUSES = {
    "in-progress": 0, "pending": 1, "open": 2, "filled": 3, "canceled": 4,
    "canceled-post-only": 5, "canceled-reduce-only": 6, "canceled-position-not-allowed": 7,
    "canceled-margin-not-allowed": 8, "canceled-too-much-slippage": 9,
    "canceled-not-enough-liquidity": 10, "canceled-self-trade": 11, "canceled-expired": 12,
    "canceled-oco": 13, "canceled-child": 14, "canceled-liquidation": 15,
    "canceled-invalid-balance": 16,
}  # fmt: skip
HOUR = 3_600_000_000_000


def ns(time: int) -> int:
    """Times by magnitude: s, ms, us, ns; 0 for none."""
    if time <= 0:
        return 0
    unit = 10**9 if time < 10**11 else 10**6 if time < 10**14 else 10**3 if time < 10**17 else 1
    return time * unit if time * unit < 2**63 else 0


def weak(row: dict[str, Any], name: str, default: int = 0) -> int:
    """A whole number that a row can do without: one that cannot be read is not there."""
    try:
        return whole(row, name, default)
    except Bad:
        return default


def identity(row: dict[str, Any], text: str, number: str) -> int:
    """Ids: the text wins over the number, which may be rounded and is then left out."""
    found = whole(row, text, -1)
    return found if found >= 0 else weak(row, number, -1)


def decode(data: bytes) -> list[tuple[Any, ...]]:
    """Return what must be delivered for one message."""
    try:
        frame = json.loads(data, parse_float=Decimal, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return [("problem",)]
    if not isinstance(frame, dict):
        return [("problem",)]
    try:
        return _decode(frame)
    except Bad:
        return [("problem",)]


def _refuse(text: str) -> None:
    raise ValueError(text)


def _decode(frame: dict[str, Any]) -> list[tuple[Any, ...]]:
    kind = frame.get("type")
    channel = frame.get("channel")
    if ("type" in frame and not isinstance(kind, str)) or (
        channel is not None and not isinstance(channel, str)
    ):
        raise Bad("type")
    kind, channel = kind or "", channel or ""
    for name in ("timestamp", "last_updated_at", "nonce"):
        whole(frame, name)
    stage, _, what = kind.partition("/")
    if stage not in ("subscribed", "update") or not what:
        if kind.startswith("jsonapi/") and len(kind) > 8:
            return [("ack", kind)]
        return [("control", kind)]
    name, _, rest = channel.replace("/", ":").partition(":")
    if what in ("account_all_orders", "account_orders"):
        return _rows(frame, "orders", what, _order)
    if what == "account_all_trades":
        return _rows(frame, "trades", what, _fill)
    if what == "account_all_positions":
        if "positions" not in frame:
            raise Bad("positions")
        return _rows(frame, "positions", what, _position)
    if what not in PUBLIC:
        return [("venue", kind)]
    if what != name:
        raise Bad("channel")
    market, _, resolution = rest.partition(":")
    if what == "order_book":
        return _book(frame, market, stage)
    if what == "ticker":
        return _ticker(frame, market)
    if what == "trade":
        return _trades(frame, market, stage)
    if what in ("candle", "mark_price_candle"):
        return _candles(frame, market, resolution, what)
    if what == "height":
        height = whole(frame, "height", -1)
        if height < 0:
            raise Bad("height")
        return [("height", height, ns(whole(frame, "timestamp")))]
    return _stats(frame, what, market)


def _book(frame: dict[str, Any], market: str, stage: str) -> list[tuple[Any, ...]]:
    book = frame.get("order_book")
    if not isinstance(book, dict):
        raise Bad("order_book")
    if market not in MARKETS:
        return [("unknown", market)]
    nonce = whole(book, "nonce", -1)
    begin = whole(book, "begin_nonce", -1)
    time = ns(whole(book, "last_updated_at"))
    if nonce < 0 or (stage == "update" and begin < 0):
        raise Bad("nonce")
    sides = []
    for side in ("bids", "asks"):
        levels = []
        rows = book.get(side)
        if rows is not None and not isinstance(rows, list):
            raise Bad(side)
        for row in rows or ():
            if not isinstance(row, dict):
                raise Bad(side)
            price, size = required(row, "price"), required(row, "size")
            if price:
                levels.append((price, size))
        sides.append(tuple(levels))
    every = [level for side in sides for level in side]
    prices, sizes = tuple(p for p, _ in every), tuple(s for _, s in every)
    off = off_grid(MARKETS[market][1:], price=prices, size=sizes)
    time = time or ns(whole(frame, "last_updated_at")) or ns(whole(frame, "timestamp"))
    prev = -1 if stage == "subscribed" else begin
    return [("book", MARKETS[market][0], stage == "subscribed", *sides, nonce, prev, time, off)]


def _ticker(frame: dict[str, Any], market: str) -> list[tuple[Any, ...]]:
    ticker = frame.get("ticker")
    if not isinstance(ticker, dict):
        raise Bad("ticker")
    sides = []
    for side in ("b", "a"):
        row = ticker.get(side) or {}
        if not isinstance(row, dict) or ticker.get(side) in ("", 0, False, []):
            raise Bad(side)
        sides.append((exact(row, "price"), exact(row, "size")))
    time = ns(whole(ticker, "last_updated_at"))
    if market not in MARKETS:
        return [("unknown", market)]
    (bid, bid_size), (ask, ask_size) = sides
    has = [None not in side for side in sides]
    if not all(has):
        return [("empty", MARKETS[market][0], *has)]
    off = off_grid(MARKETS[market][1:], price=(bid, ask), size=(bid_size, ask_size))
    time = time or ns(whole(frame, "last_updated_at")) or ns(whole(frame, "timestamp"))
    seq = whole(frame, "nonce", -1)
    return [("quote", MARKETS[market][0], bid, bid_size, ask, ask_size, seq, time, off)]


def _trade_row(row: Any) -> dict[str, Any]:
    if not isinstance(row, dict):
        raise Bad("row")
    found = {
        "id": identity(row, "trade_id_str", "trade_id"),
        "market": whole(row, "market_id", -1),
        "ask": identity(row, "ask_id_str", "ask_id"),
        "bid": identity(row, "bid_id_str", "bid_id"),
        "ask_client": identity(row, "ask_client_id_str", "ask_client_id"),
        "bid_client": identity(row, "bid_client_id_str", "bid_client_id"),
        "time": ns(weak(row, "transaction_time")) or ns(weak(row, "timestamp")),
        "price": required(row, "price"),
        "size": required(row, "size"),
        "type": row.get("type") or "",
        "maker_ask": row.get("is_maker_ask"),
        "taker_fee": whole(row, "taker_fee") + whole(row, "integrator_taker_fee"),
        "maker_fee": whole(row, "maker_fee") + whole(row, "integrator_maker_fee"),
    }
    exact(row, "usd_amount")
    for name in ("ask_account_id", "bid_account_id"):
        whole(row, name, -1)
    for name in ("type", "tx_hash"):
        if row.get(name) is not None and not isinstance(row[name], str):
            raise Bad(name)
    if found["id"] < 0 or not isinstance(found["maker_ask"], bool):
        raise Bad("row")
    if found["price"] <= 0 or found["size"] <= 0:
        raise Bad("row")
    return found


def _trades(frame: dict[str, Any], market: str, stage: str) -> list[tuple[Any, ...]]:
    events: list[tuple[Any, ...]] = []
    problems = 0
    rows = []
    for name in ("trades", "liquidation_trades"):
        for row in _listed(frame.get(name)):
            try:
                rows.append(_trade_row(row))
            except Bad:
                problems += 1
    if market not in MARKETS:
        return [("unknown", market), *[("row problem",)] * problems]
    rows.sort(key=lambda row: row["id"])
    seen: set[int] = set()
    unfit = False
    for row in rows:
        if row["id"] in seen:
            continue
        seen.add(row["id"])
        try:
            off = off_grid(MARKETS[market][1:], price=(row["price"],), size=(row["size"],))
        except Bad:  # too large for any grid: the other trades are told
            unfit = True
            continue
        market_trade = row["type"] in ("trade", "liquidation")
        events.append(
            ("trade", MARKETS[market][0], row["price"], row["size"], row["maker_ask"], row["id"],
             row["time"], stage == "subscribed", market_trade, off)
        )  # fmt: skip
        if row["type"] == "liquidation":
            events.append(
                ("liquidation", MARKETS[market][0], row["price"], row["size"], row["maker_ask"])
            )
    return [*events, *_problems(problems, unfit=unfit)]


def _problems(rows: int, *, unfit: bool) -> list[tuple[Any, ...]]:
    """Return how the rig tells that rows did not decode, or did and fit no grid."""
    return [("problem",)] if unfit else [("row problem",)] * rows


def _listed(value: Any) -> list[Any]:
    """Rows of a list, or of a map from market to a list or a row."""
    if value is None:
        return []
    if isinstance(value, list):
        return [row for row in value if row is not None]
    if not isinstance(value, dict):
        raise Bad("rows")
    found: list[Any] = []
    for each in value.values():
        if isinstance(each, list):
            found += [row for row in each if row is not None]
        elif each is not None:
            found.append(each)
    return found


def _candles(
    frame: dict[str, Any], market: str, resolution: str, what: str
) -> list[tuple[Any, ...]]:
    if market not in MARKETS:
        return [("unknown", market)]
    if resolution not in INTERVALS:
        raise Bad("resolution")
    rows = frame.get("candles")
    if rows is not None and not isinstance(rows, list):
        raise Bad("candles")
    events: list[tuple[Any, ...]] = []
    problems, unfit = 0, False
    name, _, size_decimals = MARKETS[market]
    for row in rows or ():
        try:
            if not isinstance(row, dict):
                raise Bad("row")
            time = whole(row, "t", -1)
            prices = [float_value(row, key) for key in "ohlc"]
            volume, quote = float_value(row, "v"), float_value(row, "V")
            if time < 0 or None in prices or ns(time) > 2**63 - 1 - INTERVALS[resolution] * 10**9:
                raise Bad("row")
        except Bad:
            problems += 1
            continue
        step = Decimal(1).scaleb(-size_decimals)
        if (volume or 0) >= Decimal(2**62).scaleb(-size_decimals):
            raise Unsure
        lots = (volume or Decimal(0)).quantize(step, ROUND_HALF_UP)
        try:
            off = off_grid(MARKETS[market][1:], price=tuple(prices), size=())
        except Bad:
            unfit = True
            continue
        events.append(
            ("bar", name, INTERVALS[resolution], what != "candle", ns(time), *prices, lots, quote,
             off)
        )  # fmt: skip
    return [*events, *_problems(problems, unfit=unfit)]


STATS = (
    "index_price", "mark_price", "mid_price", "last_trade_price", "open_interest",
    "open_interest_limit", "funding_rate", "current_funding_rate", "funding_clamp_small",
    "funding_clamp_big", "base_interest_rate", "daily_base_token_volume",
    "daily_quote_token_volume", "daily_price_low", "daily_price_high", "daily_price_change",
)  # fmt: skip


def _stats(frame: dict[str, Any], what: str, market: str) -> list[tuple[Any, ...]]:
    value = frame.get(what)
    if value is None:
        return []
    if not isinstance(value, dict):
        raise Bad(what)
    if not value:
        return []
    many = isinstance(next(iter(value.values())), dict)
    events: list[tuple[Any, ...]] = []
    problems = 0
    now = ns(whole(frame, "timestamp"))
    for key, row in value.items() if many else [(market, value)]:
        if not isinstance(row, dict):
            continue
        try:
            whole(row, "market_id", -1)
            funding = ns(whole(row, "funding_timestamp"))
            numbers = {name: float_value(row, name) for name in STATS}
        except Bad:
            problems += 1
            continue
        if key not in MARKETS:
            events.append(("unknown", key))
            continue
        name = MARKETS[key][0]
        if numbers["mark_price"] is not None:
            ahead = funding if funding == 0 or funding > now else now - now % HOUR + HOUR
            if ahead >= 2**63:
                ahead = 0
            events.append(
                ("mark", name, numbers["mark_price"], numbers["index_price"],
                 numbers["current_funding_rate"], ahead, now)
            )  # fmt: skip
        elif numbers["index_price"] is not None:
            events.append(("index", name, numbers["index_price"], now))
        events.append(
            ("ticker", name, numbers["last_trade_price"], numbers["daily_price_high"],
             numbers["daily_base_token_volume"], numbers["daily_price_change"], now)
        )  # fmt: skip
        events.append(("stats", name, *numbers.values(), funding))
    return [*events, *[("row problem",)] * problems]


def _rows(frame: dict[str, Any], member: str, what: str, read: Any) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = []
    problems = 0
    value = frame.get(member)
    groups = value.items() if isinstance(value, dict) else [("", value)]
    _listed(value)  # its type
    for key, group in groups:
        market = int(key) if key.isascii() and key.isdigit() and len(key) <= 9 else -1
        for row in _listed(group if isinstance(group, list) else [group]):
            try:
                rows.append(read(row, market))
            except Bad:
                problems += 1
    return [("rows", what, tuple(rows), problems), *[("row problem",)] * problems]


def _word(row: dict[str, Any], name: str) -> str:
    value = row.get(name)
    return value if isinstance(value, str) else ""


def _flag(row: dict[str, Any], name: str) -> bool:
    value = row.get(name)
    if value is not None and not isinstance(value, bool):
        raise Bad(name)
    return bool(value)


def _market(row: dict[str, Any], name: str, default: int) -> int:
    value = whole(row, name, -1)
    if value < 0:
        return default
    return value if value < 2**31 else -1


ZERO = Decimal(0)


def _order(row: Any, market: int) -> tuple[Any, ...]:
    if not isinstance(row, dict):
        raise Bad("row")
    order = whole(row, "order_id", -1)
    if order <= 0:
        order = identity(row, "", "order_index")
    client = identity(row, "client_order_id", "client_order_index")
    whole(row, "owner_account_index")
    whole(row, "order_expiry")
    changed = ns(whole(row, "transaction_time")) or ns(whole(row, "updated_at"))
    shown = ns(weak(row, "timestamp"))
    numbers = [
        exact(row, name) or ZERO
        for name in ("initial_base_amount", "remaining_base_amount", "filled_base_amount",
                     "filled_quote_amount", "price", "trigger_price")
    ]  # fmt: skip
    if order <= 0 or not isinstance(row.get("status"), str):
        raise Bad("row")
    if exact(row, "initial_base_amount") is None:
        raise Bad("row")
    return (
        order, max(client, 0), _market(row, "market_index", market), _flag(row, "is_ask"),
        _flag(row, "reduce_only"), *numbers, row["status"], STATUSES.get(row["status"], -1),
        _word(row, "type"), _word(row, "time_in_force"), _word(row, "trigger_status"),
        max(whole(row, "nonce", -1), 0), whole(row, "transaction_time"), whole(row, "updated_at"),
        changed or shown, ns(weak(row, "created_at")) or shown or changed,
    )  # fmt: skip


def _fill(row: Any, market: int) -> tuple[Any, ...]:
    trade = _trade_row(row)
    return (
        trade["id"], market if trade["market"] < 0 else _market(row, "market_id", -1),
        trade["price"], trade["size"], trade["ask"], trade["bid"], max(trade["ask_client"], 0),
        max(trade["bid_client"], 0), trade["maker_ask"], trade["type"], trade["taker_fee"],
        trade["maker_fee"], trade["time"], _word(row, "tx_hash"),
    )  # fmt: skip


def _position(row: Any, market: int) -> tuple[Any, ...]:
    if not isinstance(row, dict):
        raise Bad("row")
    size = required(row, "position")
    if "sign" not in row or row["sign"] is None:
        raise Bad("sign")
    if row["sign"] == "":
        raise Bad("sign")
    sign = whole(row, "sign")
    if size < 0 or (size > 0 and sign not in (1, -1)):
        raise Bad("sign")
    for name in ("margin_mode", "open_order_count", "pending_order_count"):
        whole(row, name)
    numbers = [
        exact(row, name) or ZERO
        for name in ("avg_entry_price", "position_value", "unrealized_pnl", "realized_pnl",
                     "liquidation_price", "initial_margin_fraction", "allocated_margin",
                     "total_funding_paid_out")
    ]  # fmt: skip
    return (_market(row, "market_id", market), -size if sign < 0 else size, *numbers)
