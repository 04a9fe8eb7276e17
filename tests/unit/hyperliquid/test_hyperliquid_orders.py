"""Orders on their way to the wire: the mapping of section 7, denials, and the SDK's own bodies."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors import hyperliquid
from connectors.errors import ClientError, PrecisionError
from connectors.execution.identity import Shape
from connectors.execution.planning import Denial
from connectors.hyperliquid import actions
from connectors.hyperliquid.config import Builder, Config, Credentials
from connectors.hyperliquid.instruments import parse_instruments
from connectors.hyperliquid.orders import (
    CancelPlan,
    ModifyPlan,
    OrderPlan,
    Rules,
    cloid_of,
    plan_external,
    plan_modify,
    plan_order,
    price_text,
)
from connectors.hyperliquid.rest import HyperliquidRest
from connectors.hyperliquid.sending import Command, Kind, Sender
from connectors.model import (
    Instrument,
    InstrumentKind,
    Order,
    OrderType,
    PositionSide,
    SelfTradePrevention,
    Side,
    TimeInForce,
    TriggerType,
    limit_if_touched_order,
    limit_order,
    market_if_touched_order,
    market_order,
    stop_limit_order,
    stop_market_order,
    trailing_stop_market_order,
)
from connectors.net.clock import ManualClock
from connectors.net.tasks import OwnedTasks
from oracle.hyperliquid_vectors import load

META = load("sdk_payloads.json")["meta"]
POSTS = load("sdk_payloads.json")["exchange_posts"]
KEY = "0123456789" * 6 + "0123"
NOW_MS = 1_700_000_000_000
CLOID = "0x00000000000000000000000000000007"
VAULT = "0x1719884EB866CB12B2287399b15F7db5e7D775ea"
BUILDER = "0x8c967E73E7B15087c42A10D344cFf4c96D877f1D"


def instruments() -> dict[str, Instrument]:
    metas = {"": META["universe"], **META["dex_metas"]}
    indexes = {"": 0, "test": 1, "xyz": 2}
    return {each.id: each for each in parse_instruments(META["spot_meta"], metas, indexes)}


ALL = instruments()
BTC, ETH, SPOT = ALL["BTC-PERP"], ALL["ETH-PERP"], ALL["PURR/USDC-SPOT"]


def plan(
    order: Order,
    cloid: str | None = None,
    best: Any = None,
    **rules: Any,
) -> OrderPlan:
    return plan_order(
        order,
        ALL.get(order.instrument_id),
        cloid=cloid,
        best_price=lambda side: best,
        rules=Rules(**rules),
    )


def limit(coin: str = "BTC-PERP", side: Side = Side.BUY, **fields: Any) -> Order:
    return limit_order(coin, side, **{"size": "0.01", "price": "65000", **fields})


# -- the mapping (7.1, 7.2) ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "tif"),
    [
        ({}, "Gtc"),
        ({"time_in_force": TimeInForce.IOC}, "Ioc"),
        ({"post_only": True}, "Alo"),
    ],
)
def test_7_2_limit(fields: dict[str, Any], tif: str) -> None:
    found = plan(limit(**fields), CLOID)
    assert list(found.wire) == ["a", "b", "p", "s", "r", "t", "c"]
    assert found.wire == {
        "a": 0, "b": True, "p": "65000", "s": "0.01", "r": False,
        "t": {"limit": {"tif": tif}}, "c": CLOID,
    }  # fmt: skip
    assert (found.size, found.price, found.trigger_price) == (Decimal("0.01"), 65000, None)
    assert found.is_post_only is (tif == "Alo")
    assert "c" not in plan(limit()).wire


@pytest.mark.parametrize(
    ("side", "best", "price"),
    [
        (Side.BUY, "68251.3", "68593"),  # 0.5 % above is 68592.5565: outward, five figures
        (Side.SELL, "68251.3", "67910"),
        (Side.BUY, "1000.5", "1005.6"),  # 1005.5025
        (Side.SELL, "1000.5", "995.49"[:5]),  # 995.4975 on a grid of 0.1 or finer
    ],
)
def test_7_2_market_is_a_protected_ioc(side: Side, best: str, price: str) -> None:
    order = market_order("BTC-PERP", side, size="0.01")
    found = plan(order, best=BTC.price_scale.to_ticks(best))
    assert found.wire["t"] == {"limit": {"tif": "Ioc"}}
    assert found.wire["p"] == price
    assert found.price is None
    bound = Decimal(best) * (Decimal("1.005") if side is Side.BUY else Decimal("0.995"))
    assert (Decimal(price) - bound) * side.sign >= 0  # never narrower than asked for


def test_7_2_market_with_a_slippage_of_its_own() -> None:
    order = market_order("BTC-PERP", Side.BUY, size="0.01", options={"slippage_bps": 0})
    assert plan(order, best=BTC.price_scale.to_ticks("60000")).wire["p"] == "60000"
    order = order.with_changes(options={"slippage_bps": 10_000})
    with pytest.raises(Denial, match="slippage_bps"):
        plan(order, best=600_000)


TRIGGERED = [
    (stop_market_order, {}, "sl", True),
    (stop_limit_order, {"price": "2900"}, "sl", False),
    (market_if_touched_order, {}, "tp", True),
    (limit_if_touched_order, {"price": "2900"}, "tp", False),
]


@pytest.mark.parametrize(("make", "fields", "tpsl", "is_market"), TRIGGERED)
def test_7_2_triggers(make: Any, fields: dict[str, Any], tpsl: str, is_market: bool) -> None:
    order = make("ETH-PERP", Side.SELL, trigger_price="2950", size="1.5", **fields)
    found = plan(order)
    assert found.wire["t"] == {
        "trigger": {"isMarket": is_market, "triggerPx": "2950", "tpsl": tpsl}
    }
    assert list(found.wire["t"]["trigger"]) == ["isMarket", "triggerPx", "tpsl"]
    # 0.5 % below 2950 is 2935.25: down to the grid of five figures.
    assert found.wire["p"] == ("2935.2" if is_market else "2900")
    assert found.trigger_price == 2950
    assert found.price == (None if is_market else 2900)


DENIED = [
    (limit(time_in_force=TimeInForce.FOK), "FOK"),
    (limit(time_in_force=TimeInForce.DAY), "DAY"),
    (limit(time_in_force=TimeInForce.GTD, expire_time=1), "GTD"),
    (limit(time_in_force=TimeInForce.AT_OPEN), "AT_OPEN"),
    (market_order("BTC-PERP", Side.BUY, size="1"), "no cached quote"),
    (trailing_stop_market_order("BTC-PERP", Side.BUY, trailing_offset=5, size=1), "TRAILING"),
    (limit("NO-PERP"), "unknown instrument"),
    (limit(price="65000.5"), "6 significant figures"),
    (limit(price="0.12345678"), "decimals"),
    (limit(price="0"), "above zero"),
    (limit(price="-1"), "above zero"),
    (limit(price="1e30"), "too large"),
    (limit(size="0.000001"), "size 0.000001 has 6 decimals, 5 are allowed"),
    (limit(size="1e30"), "too large"),
    (limit(quote_size=True), "base currency"),
    (limit(display_size=Decimal(1)), "display_qty"),
    (limit(position_side=PositionSide.LONG), "position_side"),
    (limit(trigger_type=TriggerType.LAST), "mark price"),
    (limit(self_trade_prevention=SelfTradePrevention.EXPIRE_TAKER), "self_trade_prevention"),
    (limit("PURR/USDC-SPOT", price="0.07", size="100", reduce_only=True), "spot"),
    (
        stop_market_order("BTC-PERP", Side.BUY, trigger_price="65000.5", size="0.01"),
        "trigger_price: price 65000.5 has 6",
    ),
    (
        stop_limit_order(
            "BTC-PERP", Side.BUY, trigger_price="65000", price="65000", size="0.01",
            time_in_force=TimeInForce.IOC,
        ),
        "cannot be IOC",
    ),
    (
        stop_limit_order(
            "BTC-PERP", Side.BUY, trigger_price="65000", price="65000", size="0.01", post_only=True
        ),
        "post-only",
    ),
    (stop_market_order("BTC-PERP", Side.BUY, trigger_price="1", close_position=True), "reduce_on"),
]  # fmt: skip


@pytest.mark.parametrize(("order", "reason"), DENIED, ids=[reason for _, reason in DENIED])
def test_g13_what_the_venue_cannot_take_is_denied(order: Order, reason: str) -> None:
    with pytest.raises(Denial, match=reason):
        plan(order)


def test_g13_missing_prices() -> None:
    """An `Order` cannot be made without them; one that was made otherwise is still denied."""
    bare = limit()
    object.__setattr__(bare, "price", None)
    with pytest.raises(Denial, match="needs a price"):
        plan(bare)
    stop = stop_market_order("BTC-PERP", Side.BUY, trigger_price="65000", size="0.01")
    object.__setattr__(stop, "trigger_price", None)
    with pytest.raises(Denial, match="needs a trigger_price"):
        plan(stop)


def test_a_delisted_market_is_denied() -> None:
    meta = {"universe": [{"name": "OLD", "szDecimals": 1, "isDelisted": True}]}
    (old,) = parse_instruments({"tokens": [], "universe": []}, {"": meta})
    with pytest.raises(Denial, match="delisted"):
        plan_order(limit("OLD-PERP"), old, cloid=None, best_price=lambda side: None, rules=Rules())


@pytest.mark.parametrize(
    ("number", "price", "size_decimals", "is_spot", "is_valid"),
    [
        ("P1", "1234.5", 1, False, True),
        ("P2", "1234.56", 1, False, False),
        ("P3", "123456", 0, False, True),
        ("P4", "0.001234", 0, False, True),
        ("P5", "0.0012345", 0, False, False),
        ("P6", "0.01234", 1, False, True),
        ("P6", "0.012345", 1, False, False),
        ("P7", "0.0001234", 0, True, True),
        ("P8", "0.0001234", 2, True, False),
        ("P9", "100000.5", 0, False, False),
        ("P10", "0", 0, False, False),
    ],
)
def test_6_2_prices(
    number: str, price: str, size_decimals: int, is_spot: bool, is_valid: bool
) -> None:
    instrument = of_decimals(size_decimals, is_spot)
    if is_valid:
        assert price_text(Decimal(price), instrument) == price
    else:
        with pytest.raises(Denial):
            price_text(Decimal(price), instrument)


def of_decimals(size_decimals: int, is_spot: bool) -> Instrument:
    if not is_spot:
        meta = {"universe": [{"name": "X", "szDecimals": size_decimals}]}
        return parse_instruments({"tokens": [], "universe": []}, {"": meta})[0]
    tokens = [
        {"name": "USDC", "szDecimals": 8, "index": 0},
        {"name": "X", "szDecimals": size_decimals, "index": 1},
    ]
    universe = [{"name": "@1", "tokens": [1, 0], "index": 1}]
    return parse_instruments({"tokens": tokens, "universe": universe}, {})[0]


@given(
    st.decimals(min_value="0.00000001", max_value=10_000_000, places=8),
    st.integers(0, 6),
    st.booleans(),
)
def test_price_text_agrees_with_check_price(value: Decimal, decimals: int, spot: bool) -> None:
    """The fast way with integers judges as `check_price` does with decimals."""
    instrument = of_decimals(decimals, spot)
    try:
        wanted: str | None = hyperliquid.number_text(
            hyperliquid.check_price(value, decimals, is_spot=spot)
        )
    except PrecisionError:
        wanted = None
    try:
        found: str | None = price_text(value, instrument)
    except Denial:
        found = None
    assert found == wanted


def test_prices_are_rounded_only_when_told() -> None:
    for side, price in ((Side.BUY, "65000"), (Side.SELL, "65001")):
        found = plan(limit(side=side, price="65000.5"), normalize_prices=True)
        assert found.wire["p"] == price
        assert found.price == Decimal(price)
    stop = stop_market_order("BTC-PERP", Side.BUY, trigger_price="65000.7", size="0.01")
    assert plan(stop, normalize_prices=True).trigger_price == 65001
    with pytest.raises(Denial):
        plan(limit(size="0.000001"), normalize_prices=True)


# -- client ids (6.4) ------------------------------------------------------------------------


def test_6_4_cloids() -> None:
    assert cloid_of("my order") == "0x" + hyperliquid.keccak256(b"my order")[:16].hex()
    given_one = "0xABCDEF00000000000000000000000007"
    assert cloid_of(given_one) == given_one.lower()
    assert cloid_of("0x" + "a" * 31) != "0x" + "a" * 31
    assert len({cloid_of(f"order-{number}") for number in range(1000)}) == 1000


# -- modifications (2.8, 7.6) ----------------------------------------------------------------


def modify(
    original: OrderPlan, size: str, price: str | None, filled: str = "0", trigger: Any = None
) -> ModifyPlan:
    shape = Shape(Decimal(size), None if price is None else Decimal(price), trigger)
    return plan_modify(original, BTC, oid=77, target=shape, filled=Decimal(filled), rules=Rules())


def test_g24_the_wire_size_is_what_is_left() -> None:
    """A price-only modification of an order of 1.0 of which 0.4 are filled sends 0.6."""
    found = modify(plan(limit(size="1"), CLOID), "1", "64000", "0.4")
    assert found.wire["s"] == "0.6"
    assert found.wire["p"] == "64000"
    assert found.target == Shape(Decimal(1), Decimal(64000), None)
    assert found.sent_size == Decimal("0.6")


def test_7_6_the_cloid_and_the_rest_are_repeated() -> None:
    original = plan(limit(post_only=True, reduce_only=True, side=Side.SELL), CLOID)
    found = modify(original, "0.02", "66000")
    assert found.wire == {**original.wire, "s": "0.02", "p": "66000"}
    assert list(found.wire) == list(original.wire)
    body = actions.modifies([Command(Kind.MODIFY, found)]).body
    assert body == {"type": "batchModify", "modifies": [{"oid": 77, "order": found.wire}]}


@pytest.mark.parametrize(
    ("size", "price", "filled", "reason"),
    [
        ("0.4", "64000", "0.4", "modify quantity 0.4 not greater than filled 0.4"),
        ("0.3", "64000", "0.4", "modify quantity 0.3 not greater than filled 0.4"),
        ("1", "64000.5", "0", "6 significant figures"),
        ("1.000001", "64000", "0", "decimals"),
        ("1", None, "0", "needs a price"),
    ],
)
def test_g22_modifications_that_are_never_sent(
    size: str, price: str | None, filled: str, reason: str
) -> None:
    with pytest.raises(Denial, match=reason):
        modify(plan(limit(size="1"), CLOID), size, price, filled)


def test_modify_of_a_trigger() -> None:
    stop = plan(stop_market_order("BTC-PERP", Side.SELL, trigger_price="60000", size="1"), CLOID)
    found = modify(stop, "1", None, trigger=Decimal(50000))
    assert found.wire["t"]["trigger"] == {"isMarket": True, "triggerPx": "50000", "tpsl": "sl"}
    assert found.wire["p"] == "49750"
    assert found.target == Shape(Decimal(1), None, Decimal(50000))
    kept = modify(stop, "2", None)
    assert kept.wire == {**stop.wire, "s": "2"}
    with pytest.raises(Denial, match="no trigger_price"):
        modify(plan(limit()), "1", "60000", trigger=Decimal(50000))


def test_modify_of_a_trigger_keeps_the_protection_of_its_own() -> None:
    order = stop_market_order(
        "BTC-PERP", Side.SELL, trigger_price="60000", size="1", options={"slippage_bps": 500}
    )
    stop = plan(order, CLOID)
    assert stop.wire["p"] == "57000"
    assert modify(stop, "2", None).wire == {**stop.wire, "s": "2"}


def test_modify_of_an_order_that_was_not_ours() -> None:
    original = plan_external(ETH, Side.SELL, reduce_only=True, post_only=True)
    found = plan_modify(
        original, ETH, oid=5, target=Shape(Decimal(1), Decimal(3000), None),
        filled=Decimal(0), rules=Rules(),
    )  # fmt: skip
    assert found.wire == {
        "a": 1, "b": False, "p": "3000", "s": "1", "r": True, "t": {"limit": {"tif": "Alo"}},
    }  # fmt: skip


# -- actions (7.3, 7.4) ------------------------------------------------------------------------


def test_g17_mixed_cancels_are_two_actions() -> None:
    plans = [
        CancelPlan(0, CLOID),
        CancelPlan(1, None, 5),
        CancelPlan(1, CLOID),
        CancelPlan(0, None, 6),
    ]
    commands = [Command(Kind.CANCEL, each) for each in plans]
    first, second = actions.cancels(commands)
    assert first.body == {
        "type": "cancelByCloid",
        "cancels": [{"asset": 0, "cloid": CLOID}, {"asset": 1, "cloid": CLOID}],
    }
    assert first.commands == (commands[0], commands[2])
    assert second.body == {"type": "cancel", "cancels": [{"a": 1, "o": 5}, {"a": 0, "o": 6}]}
    assert second.commands == (commands[1], commands[3])
    (only,) = actions.cancels(commands[:1])
    assert only.entries == 1


def test_the_builder_fee_is_off_unless_given() -> None:
    assert "builder" not in actions.place([])
    body = actions.place([], builder=Builder(BUILDER, 10))
    assert body["builder"] == {"b": BUILDER.lower(), "f": 10}
    assert Config().builder is None


def test_a_fee_rate_is_a_percentage() -> None:
    with pytest.raises(ClientError, match="percent"):
        actions.approve_builder_fee(BUILDER, "0.001")


# -- the official SDK's own bodies -------------------------------------------------------------


class Wire:
    """A session whose connection takes everything."""

    epoch = 1

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def send(self, data: bytes) -> None:
        self.sent.append(data)


class Nobody:
    def __getattr__(self, name: str) -> Any:
        return lambda *args: None


def signed(action: actions.Action, **settings: Any) -> dict[str, Any]:
    """Return what is posted for an action at the frozen clock."""

    async def main() -> dict[str, Any]:
        clock = ManualClock(wall_ns=NOW_MS * 1_000_000, monotonic_ns=1)
        vault = settings.pop("vault", None)
        config = Config(
            environment="testnet",  # type: ignore[arg-type]
            credentials=Credentials(KEY, vault_address=vault),
            rest_url="http://127.0.0.1:1",
            **settings,
        )
        rest = HyperliquidRest(config)
        tasks = OwnedTasks("orders")
        with hyperliquid.Signer(KEY) as signer:
            sender = Sender(
                Nobody(), config=config, signer=signer, rest=rest, tasks=tasks, clock=clock
            )
            wire = Wire()
            sender.attach(wire)  # type: ignore[arg-type]
            sender.resume()
            sender.send(action)
            sender.close("done")
        await tasks.close(timeout_s=1.0)
        await rest.close()
        frame = json.loads(wire.sent[0])
        assert frame["method"] == "post"
        assert frame["request"]["type"] == "action"
        payload: dict[str, Any] = frame["request"]["payload"]
        return payload

    return asyncio.run(asyncio.wait_for(main(), 20))


def create(*orders: Any, **more: Any) -> actions.Action:
    grouping = more.pop("grouping", actions.Grouping.NONE)
    builder = more.pop("builder", None)
    commands = [
        Command(Kind.CREATE, plan(*each) if isinstance(each, tuple) else plan(each))
        for each in orders
    ]
    return actions.orders(commands, grouping, builder)


def replace(oid: int | str, price: str) -> actions.Action:
    order = limit("ETH-PERP", size="1", price="3000")
    shape = Shape(Decimal(1), Decimal(price), None)
    found = plan_modify(
        plan(order, CLOID), ETH, oid=oid, target=shape, filled=Decimal(0), rules=Rules()
    )
    return actions.modifies([Command(Kind.MODIFY, found)])


def revoke(asset: int, cloid: str | None, oid: int | None) -> actions.Action:
    (action,) = actions.cancels([Command(Kind.CANCEL, CancelPlan(asset, cloid, oid))])
    return action


def account(body: dict[str, Any]) -> actions.Action:
    return actions.other(body, is_user_signed=True)


IOC = {"time_in_force": TimeInForce.IOC}
SELL_STOP = create(
    stop_market_order("ETH-PERP", Side.SELL, trigger_price="2950", size="1.5", reduce_only=True)
)
SELL_STOP.body["orders"][0]["p"] = "2900"  # the SDK's caller chose it
SAME = {
    "order limit gtc": create(limit()),
    "order cloid alo reduce_only": create(
        (
            limit("ETH-PERP", Side.SELL, size="1.5", price="3100.5", post_only=True,
                  reduce_only=True),
            CLOID,
        )
    ),
    "order trigger": SELL_STOP,
    "order builder (address lower-cased by SDK)": create(
        limit(**IOC), builder=Builder(BUILDER, 10)
    ),
    "order spot PURR/USDC": create(limit("PURR/USDC-SPOT", size="100", price="0.0671")),
    "order spot HYPE/USDC -> @107": create(limit("HYPE/USDC-SPOT", size="2.5", price="31.7")),
    "bulk_orders 2 normalTpsl": create(
        limit("ETH-PERP", size="1", price="3000"),
        limit_if_touched_order("ETH-PERP", Side.SELL, trigger_price="3250", price="3300",
                               size="1", reduce_only=True),
        grouping=actions.Grouping.WITH_EXITS,
    ),
    "market_open": create(limit(price="68251", **IOC)),
    "market_close": create(
        limit("ETH-PERP", size="1.5", price="3150.1", reduce_only=True, **IOC)
    ),
    "modify_order by oid": replace(77738308, "2990"),
    "modify_order by cloid": replace(CLOID, "2980"),
    "cancel": revoke(0, None, 77738308),
    "cancel_by_cloid": revoke(0, CLOID, None),
    "schedule_cancel": actions.other(actions.schedule_cancel(1_700_000_010_000)),
    "schedule_cancel none": actions.other(actions.schedule_cancel(None)),
    "update_leverage": actions.other(actions.update_leverage(1, 5, isolated=True)),
    "update_isolated_margin": actions.other(actions.update_isolated_margin(1, -12_500_000)),
    "usd_class_transfer": account(actions.usd_class_transfer("10", to_perp=True)),
    "usd_transfer": account(
        actions.usd_send("0x5e9ee1089755c3435139848e47e6635505d5a13a", "1.50")
    ),
    "withdraw": account(actions.withdraw("0x5e9ee1089755c3435139848e47e6635505d5a13a", "2.0")),
    "approve_builder_fee": account(actions.approve_builder_fee(BUILDER, "0.001%")),
    "noop": actions.other(dict(actions.NO_OPERATION)),
}  # fmt: skip


def lowered(body: Any) -> Any:
    """The same with addresses in lower case: the SDK posts some as they were given."""
    return json.loads(json.dumps(body).lower())


def signature(found: dict[str, Any]) -> tuple[int, int, int]:
    return int(found["r"], 16), int(found["s"], 16), found["v"]


@pytest.mark.parametrize("call", SAME)
def test_bodies_equal_the_official_sdks(call: str) -> None:
    """Action, key order, nonce, signature: byte for byte but for the case of addresses."""
    (wanted,) = [
        post["body"] for post in POSTS if post["call"] == call and post["path"] == "/exchange"
    ]
    found = signed(SAME[call])
    assert lowered(found["action"]) == lowered(wanted["action"])
    if "signatureChainId" not in wanted["action"]:  # signed over the order of keys
        assert orjson.dumps(found["action"]) == orjson.dumps(wanted["action"])
    assert signature(found["signature"]) == signature(wanted["signature"])
    assert (found["nonce"], found["vaultAddress"], found["expiresAfter"]) == (NOW_MS, None, None)


def test_vault_and_expiry_are_signed_and_posted() -> None:
    wanted = next(post["body"] for post in POSTS if post["call"] == "vault+expires order")
    found = signed(create(limit()), vault=VAULT, expires_after_ms=60_000)
    assert signature(found["signature"]) == signature(wanted["signature"])
    assert found["vaultAddress"] == VAULT.lower()
    assert found["expiresAfter"] == wanted["expiresAfter"]


def test_actions_of_the_account_have_no_vault_and_no_expiry() -> None:
    body = actions.usd_class_transfer("10", to_perp=False, sub_account=VAULT)
    found = signed(account(body), vault=VAULT, expires_after_ms=60_000)
    assert found["vaultAddress"] is None
    assert found["expiresAfter"] is None
    assert found["action"]["amount"] == f"10 subaccount:{VAULT.lower()}"
    assert found["action"]["nonce"] == found["nonce"] == NOW_MS


def test_an_agent_without_a_name_is_posted_without_one() -> None:
    found = signed(account(actions.approve_agent(BUILDER)))
    assert "agentName" not in found["action"]
    named = signed(account(actions.approve_agent(BUILDER, "bot-1")))
    assert named["action"]["agentName"] == "bot-1"


def test_every_body_has_the_keys_the_signer_knows() -> None:
    """Actions nothing else here makes: the signer packs them, or they are the account's own."""
    bodies = [
        actions.twap_order(
            0, is_buy=True, size="1.50", reduce_only=False, minutes=30, randomize=True
        ),
        actions.twap_cancel(0, 7),
        actions.reserve_request_weight(1000),
        actions.create_sub_account("example"),
        actions.sub_account_transfer(VAULT, 10, deposit=True),
        actions.vault_transfer(VAULT, 5_000_000, deposit=True),
    ]
    vectors = {
        case["action"].get("type"): case["action"] for case in load("signing_vectors.json")["l1"]
    }
    for body in bodies:
        assert hyperliquid.encode_action(body)
        assert list(body) == list(vectors[body["type"]])
    assert bodies[0]["twap"]["s"] == "1.5"
    for body in (
        actions.spot_send(VAULT, "PURR:0xc4bf", "0.10"),
        actions.send_asset(VAULT, "USDC", "7.25", source_dex="", destination_dex="spot"),
    ):
        assert "signature" in signed(account(body))


def test_kinds_in_the_model_are_all_mapped() -> None:
    """An order type added to the model must be thought about here."""
    reported_only = {OrderType.TWAP, OrderType.LIQUIDATION, OrderType.UNKNOWN}
    trailing = {kind for kind in OrderType if kind.is_trailing}
    mapped = {OrderType.LIMIT, OrderType.MARKET, OrderType.STOP_MARKET, OrderType.STOP_LIMIT,
              OrderType.MARKET_IF_TOUCHED, OrderType.LIMIT_IF_TOUCHED}  # fmt: skip
    assert set(OrderType) == mapped | trailing | reported_only
    assert BTC.kind is InstrumentKind.PERPETUAL
