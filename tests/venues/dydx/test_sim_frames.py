"""Every frame of the wire files comes out of the simulator byte for byte (18.5, 4.2, 4.5, 5).

Only message ids and hashes are the files' own, and where a frame tells of a market's statistics or
of an order's past, the test sets them first.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from venues.dydx.sim_rig import ADDRESS, DATA, HEIGHT, NAME, START_MS, Rig, Wire, in_loop

from connectors.sim.dydx import ids, views
from connectors.sim.dydx.blocks import Block
from connectors.sim.dydx.numbers import MONEY, count
from connectors.sim.dydx.orders import Order, Terms
from connectors.sim.engine_order import Side

FRAMES = {
    row["name"]: row["raw"]
    for row in map(json.loads, (DATA / "wire" / "frames.jsonl").read_text().splitlines())
}
# An update of an order book has one level since 2024: the file says that no server sends this.
NOT_SENT = frozenset({"data_orderbook_multi"})
BTC = "BTC-USD"


def same(text: str) -> str:
    text = re.sub(r'"message_id":\d+', '"message_id":0', text)
    text = re.sub(r'"transactionHash":"[0-9A-F]{64}"', '"transactionHash":""', text)
    if '"SHORT"' in text:  # a snapshot whose equity forgets the position
        text = re.sub(r'"(equity|freeCollateral)":"[^"]*"', "", text)
    return text


def levels(rig: Rig, side: Side, *rows: tuple[str, str]) -> None:
    market = rig.sim.market(BTC)
    for price, size in rows:
        rig.sim.indexer.on_level(market, side, market.subticks(price), market.quantums(size))


def statistics(rig: Rig) -> None:
    """Let BTC-USD stand as in the file."""
    market = rig.sim.market(BTC)
    market.oracle = market.subticks("89919.2")
    market.last = market.first_price + market.subticks("701.10762")
    market.volume, market.trade_count = count("247500844.6834", MONEY), 63_065
    market.funding_rate = "0.00000254545454545455"
    market.open_interest = market.quantums("381.7348")
    market.base_open_interest = market.quantums("782.0931")
    rig.sim.indexer.update_markets()


# -- snapshots -------------------------------------------------------------------------------


def connected(rig: Rig, wire: Wire) -> None:
    wire.connection.on_open()


def subscribed_orderbook(rig: Rig, wire: Wire) -> None:
    levels(rig, Side.BUY, ("89945", "0.1661"), ("89947", "0.0002"), ("89946", "0.0002"))
    levels(rig, Side.SELL, ("89959", "0.1829"), ("89958", "0.1177"))
    wire.subscribe("v4_orderbook", BTC)


def subscribed_trades(rig: Rig, wire: Wire) -> None:
    for height, index, size, price, ms in (
        (66_624_083, 14, "0.0365", "89970", START_MS - 30_575),
        (66_624_085, 2, "0.0001", "89942", START_MS - 29_410),
    ):
        rig.sim.market(BTC).trades.append(
            {
                "id": ids.event_id(height, index), "side": "BUY", "size": size, "price": price,
                "type": "LIMIT", "createdAt": ids.iso(ms), "createdAtHeight": str(height),
            }
        )  # fmt: skip
    wire.subscribe("v4_trades", BTC)


def minute(rig: Rig, *, mid: bool = True) -> None:
    """Make the candle of the file: 49 trades in the minute before."""
    market, candles = rig.sim.market(BTC), rig.sim.indexer.candles[BTC]
    market.open_interest = market.quantums("381.7348")
    doubled = 2 * market.subticks("89969.75") if mid else None
    for price in ("89934", "89970", "89911", *["89930"] * 45, "89941"):
        size = "3.2719" if price == "89970" else "0.0001"
        candles.add(market.quantums(size), market.subticks(price), START_MS - 60_000, doubled)
    candle = candles._minutes[START_MS - 60_000]
    candle.value = count("294697.4391", MONEY)  # prices of single trades are not in the file


def subscribed_candles(rig: Rig, wire: Wire) -> None:
    minute(rig)
    wire.subscribe("v4_candles", f"{BTC}/1MIN")


def with_state(rig: Rig, wire: Wire) -> None:
    account, market = rig.account, rig.sim.market(BTC)
    account.trade(
        market, -market.quantums("0.05"), market.subticks("90010"), event="x",
        height=66_624_100, ms=START_MS,
    )  # fmt: skip
    market.oracle = market.subticks("89919.2")
    account.keep_state(63_049_869)
    stateful = Terms(
        501, True, market.quantums("0.01"), market.subticks("80000"), 64,
        good_til_block_time=1_772_986_320,
    )  # fmt: skip
    short = Terms(
        77, False, market.quantums("0.01"), market.subticks("99000"),
        good_til_block=HEIGHT + 10,
    )  # fmt: skip
    for terms, status in ((stateful, "OPEN"), (short, "BEST_EFFORT_OPENED")):
        order = Order(account, market, terms)
        order.created_height = order.updated_height = 66_624_050
        order.updated_ms = START_MS - 50_000
        account.orders[order.order_id] = order
        row = views.listed_order if order.is_short_term else views.database_order
        order.versions.append((HEIGHT, row(order, status)))
    wire.subscribe("v4_subaccounts", NAME)


def parent(rig: Rig, wire: Wire) -> None:
    child = rig.chain.open_subaccount(ADDRESS, 128)
    child.usdc = count("100", MONEY)
    child.keep_state(63_049_869)
    wire.subscribe("v4_parent_subaccounts", NAME)


def markets(rig: Rig, wire: Wire) -> None:
    statistics(rig)
    for ticker in list(rig.chain.markets)[1:]:  # there is one in the file
        del rig.chain.markets[ticker]
    wire.subscribe("v4_markets")


# -- updates ---------------------------------------------------------------------------------


def update(channel: str, id_: str | None, *contents: Any, batched: bool = False) -> Any:
    """Return what has a topic told something, as the indexer does."""

    def act(rig: Rig, wire: Wire) -> None:
        wire.subscribe(channel, id_, batched=batched)
        for item in contents:
            done = item(rig) if callable(item) else item
            if done is not None:
                rig.sim.indexer.tell(channel, id_, done)
        if batched:
            rig.advance(0.3)

    return act


def level(side: Side, price: str, size: str) -> Any:
    return lambda rig: levels(rig, side, (price, size))


def trades(height: int, ms: int, *rows: tuple[int, str, str, str, str]) -> Any:
    """Let a block bring public trades."""

    def act(rig: Rig) -> None:
        market = rig.sim.market(BTC)
        block = Block(height, ms, "")
        block.trades[market] = [
            {
                "id": ids.event_id(height, index), "side": side, "size": size, "price": price,
                "type": kind, "createdAt": ids.iso(ms), "createdAtHeight": str(height),
            }
            for index, size, price, side, kind in rows
        ]  # fmt: skip
        rig.sim.indexer._tell_trades(block)

    return act


def candle(rig: Rig) -> dict[str, Any]:
    minute(rig)
    row = rig.sim.indexer.candles[BTC].current("1MIN", START_MS - 60_000)
    assert row is not None
    return row


def candle_without_mids(rig: Rig) -> dict[str, Any]:
    minute(rig, mid=False)
    row = rig.sim.indexer.candles[BTC].current("1MIN", START_MS - 60_000)
    assert row is not None
    return {k: v for k, v in row.items() if not k.startswith("orderbookMid")}  # may be absent


def oracle(rig: Rig, wire: Wire) -> None:
    wire.subscribe("v4_markets")
    rig.act("oracle", ticker=BTC, price="89920.5")
    rig.block()


def partial(rig: Rig, wire: Wire) -> None:
    statistics(rig)
    wire.subscribe("v4_markets")
    market, other = rig.sim.market(BTC), rig.sim.market("ETH-USD")
    market.trade_count, market.volume = 63_070, count("247501000.1", MONEY)
    market.funding_rate = "0.0000025"
    other.open_interest = other.quantums("7458.1")
    rig.act("markets")


def status(rig: Rig, wire: Wire) -> None:
    wire.subscribe("v4_markets")
    rig.act("market", ticker=BTC, status="CANCEL_ONLY")


def tick_change(rig: Rig, wire: Wire) -> None:
    wire.subscribe("v4_markets")
    rig.act("market", ticker=BTC, subticks_per_tick=1_000_000, step_base_quantums=10_000_000)


def height(rig: Rig, wire: Wire) -> None:
    wire.subscribe("v4_block_height")
    rig.block()


def transfer(rig: Rig, wire: Wire) -> None:
    sender = "dydx1slanxj8x9ntk9knwa6cvfv2tzlsq5gk3dshml0"
    wire.subscribe("v4_subaccounts", NAME)
    rig.act("transfer", to={"address": ADDRESS}, amount="100", wallet=sender)
    rig.block()


def sparse(rig: Rig, wire: Wire) -> None:
    wire.subscribe("v4_subaccounts", NAME)
    rig.sim.chain.height += 1
    rig.fault("sparse_removal", address=ADDRESS, client_id=9999)


def reward(rig: Rig) -> dict[str, Any]:
    told = {"tradingReward": "0.5", "createdAtHeight": "66624151", "createdAt": ids.iso(START_MS + 500)}  # fmt: skip # noqa: E501
    return {"tradingReward": told, "blockHeight": "66624151"}


def account_batch(rig: Rig, wire: Wire) -> None:
    wire.subscribe("v4_subaccounts", NAME, batched=True)
    rig.order("buy", "0.01", "80000", 1, good_til_block=HEIGHT + 10)
    rig.account.usdc = count("45000", MONEY)
    block = Block(HEIGHT + 1, START_MS, "")
    block.touched[rig.account] = {}
    rig.sim.indexer._tell_balances(block)
    rig.advance(0.3)


def child(rig: Rig, wire: Wire) -> None:
    account = rig.chain.open_subaccount(ADDRESS, 128)
    account.usdc = count("100", MONEY)
    account.uuid = rig.account.uuid  # the file names the parent's position
    wire.subscribe("v4_parent_subaccounts", NAME)
    block = Block(HEIGHT + 1, START_MS, "")
    block.touched[account] = {}
    rig.sim.indexer._tell_balances(block)


def unsubscribed(channel: str, id_: str | None) -> Any:
    def act(rig: Rig, wire: Wire) -> None:
        wire.subscribe(channel, id_)
        wire.unsubscribe(channel, id_)

    return act


# -- errors ----------------------------------------------------------------------------------


def sends(*frames: Any) -> Any:
    def act(rig: Rig, wire: Wire) -> None:
        for frame in frames:
            wire.send(frame)

    return act


def asks(channel: str, id_: Any = None) -> dict[str, Any]:
    return {"type": "subscribe", "channel": channel, **({} if id_ is None else {"id": id_})}


def limit(rig: Rig, wire: Wire) -> None:
    for index in range(33):
        wire.subscribe("v4_trades", f"SIM{index:03d}-USD")


def fetch_failed(rig: Rig, wire: Wire) -> None:
    rig.fault("subscribe_error", channel="v4_orderbook")
    wire.subscribe("v4_orderbook", BTC)


def blocked(rig: Rig, wire: Wire) -> None:
    rig.fault("block_address", address=ADDRESS)
    wire.subscribe("v4_subaccounts", NAME)


def internal(rig: Rig, wire: Wire) -> None:
    wire.connection.error("Internal error")


def unfunded(rig: Rig, wire: Wire) -> None:
    rig.account.states.clear()
    wire.subscribe("v4_subaccounts", NAME)


S = Side
SCRIPTS: dict[str, Callable[[Rig, Wire], None]] = {
    "connected": connected,
    "subscribed_markets": markets,
    "subscribed_orderbook": subscribed_orderbook,
    "subscribed_orderbook_empty": sends(asks("v4_orderbook", BTC)),
    "subscribed_trades": subscribed_trades,
    "subscribed_candles": subscribed_candles,
    "subscribed_block_height": sends(asks("v4_block_height")),
    "subscribed_subaccounts": sends(asks("v4_subaccounts", NAME)),
    "subscribed_subaccounts_unfunded": unfunded,
    "subscribed_subaccounts_with_state": with_state,
    "subscribed_parent_subaccounts": parent,
    "data_orderbook_bid": update("v4_orderbook", BTC, level(S.BUY, "89947", "0.5002")),
    "data_orderbook_remove": update("v4_orderbook", BTC, level(S.SELL, "89958", "0")),
    "batch_orderbook": update(
        "v4_orderbook", BTC, level(S.BUY, "89947", "0.5"), level(S.SELL, "89959", "0"),
        level(S.BUY, "89947", "0.6"), batched=True,
    ),
    "data_trades": update(
        "v4_trades", BTC,
        trades(
            66_624_150, START_MS, (5, "0.0365", "89942", "BUY", "LIMIT"),
            (8, "0.01", "89930", "SELL", "LIQUIDATED"),
        ),
    ),
    "batch_trades": update(
        "v4_trades", BTC,
        trades(66_624_151, START_MS + 500, (5, "0.0365", "89942", "BUY", "LIMIT")), batched=True,
    ),
    "data_candles": update("v4_candles", f"{BTC}/1MIN", candle_without_mids),
    "batch_candles": update("v4_candles", f"{BTC}/1MIN", candle, batched=True),
    "data_markets_oracle": oracle,
    "data_markets_trading_partial": partial,
    "data_markets_status": status,
    "data_markets_tick_change": tick_change,
    "data_block_height": height,
    "data_subaccounts_transfer": transfer,
    "data_subaccounts_sparse_removal": sparse,
    "data_subaccounts_trading_reward": update("v4_subaccounts", NAME, reward),
    "batch_subaccounts": account_batch,
    "data_parent_subaccounts_child": child,
    "unsubscribed_trades": unsubscribed("v4_trades", BTC),
    "unsubscribed_markets": unsubscribed("v4_markets", None),
    "unsubscribed_block_height_no_id": unsubscribed("v4_block_height", None),
    "error_unparsable": sends("{"),
    "error_no_type": sends({"channel": "v4_trades"}),
    "error_bad_type": sends({"type": "login"}),
    "error_no_channel": sends({"type": "subscribe"}),
    "error_bad_channel": sends(asks("v4_nope", "x")),
    "error_bad_id": sends(asks("v4_trades")),
    "error_bad_market": sends(asks("v4_trades", "NOPE-USD")),
    "error_bad_candle": sends(asks("v4_candles", f"{BTC}/2MINS")),
    "error_channel_limit": limit,
    "error_duplicate": sends(asks("v4_trades", BTC), asks("v4_trades", BTC)),
    "error_fetch_failed": fetch_failed,
    "error_rate_limited_subscribe": sends(*[asks("v4_trades", BTC)] * 3),
    "error_rate_limited_invalid": sends("{", "{", "{"),
    "error_internal": internal,
    "error_blocked": blocked,
}  # fmt: skip


def test_every_frame_has_a_script() -> None:
    assert set(SCRIPTS) | NOT_SENT == set(FRAMES)


@pytest.mark.parametrize("name", sorted(SCRIPTS))
@in_loop
def test_frame(name: str) -> None:
    rig = Rig(markets=40 if name == "error_channel_limit" else 3)
    wire = rig.connect()
    SCRIPTS[name](rig, wire)
    shown = [same(text) for text in wire.raw()]
    expected = same(FRAMES[name])
    assert expected in shown, f"{expected}\nis none of\n" + "\n".join(shown)
