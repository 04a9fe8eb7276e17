"""Matching engine of the simulators: rules one by one, then everything against a slow oracle."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.sim.engine_order import DoneReason, EngineOrder, SelfTrade, Side, TimeInForce
from connectors.sim.matching import EngineListener, ListenerGroup, MatchingEngine
from oracle import matching as oracle

BUY, SELL = Side.BUY, Side.SELL


class Recorder(EngineListener):
    """Writes down every callback and rebuilds book and positions from the callbacks alone."""

    def __init__(self):
        self.events = []
        self.levels = {BUY: {}, SELL: {}}
        self.positions = {}
        self.traded = 0
        self.trade_ids = []

    def on_accepted(self, order):
        self.events.append(("accepted", order.order_id))

    def on_replaced(self, order):
        self.events.append(("replaced", order.order_id))

    def on_fill(self, fill):
        taker, maker, size_lots = fill.taker, fill.maker, fill.size_lots
        assert size_lots > 0
        assert taker.side is maker.side.opposite
        self.traded += size_lots
        self.trade_ids.append(fill.trade_id)
        for order in (taker, maker):
            held = self.positions.get(order.owner, 0)
            self.positions[order.owner] = held + order.side * size_lots
        self.events.append(("fill", taker.order_id, maker.order_id, fill.price_ticks, size_lots))

    def on_done(self, order, reason):
        assert order.done_reason is reason
        self.events.append(("done", order.order_id, reason.value))

    def on_level(self, market, side, price_ticks, size_lots):
        assert size_lots >= 0
        assert self.levels[side].get(price_ticks, 0) != size_lots, "level told without a change"
        if size_lots:
            self.levels[side][price_ticks] = size_lots
        else:
            del self.levels[side][price_ticks]

    def side(self, side):
        return sorted(self.levels[side].items(), key=lambda level: -side * level[0])


class Desk:
    """An engine with one market, a recorder and a settable clock."""

    def __init__(self):
        self.now_ns = 1_000
        self.orders = []
        self.seen = Recorder()
        self.engine = MatchingEngine(self.seen, lambda: self.now_ns, reduce_limit=self.limit)
        self.book = self.engine.add_market("X")

    def limit(self, order):
        return max(0, -self.seen.positions.get(order.owner, 0) * order.side)

    def send(self, side, size, price=None, **options):
        order = EngineOrder(
            self.engine.next_order_id(), "X", side, size, price, is_market=price is None, **options
        )
        self.orders.append(order)
        self.engine.submit(order)
        return order


@pytest.fixture
def desk():
    return Desk()


def test_best_price_first_then_oldest_and_partial_fill(desk):
    late_better = desk.send(SELL, 5, 101)
    first = desk.send(SELL, 3, 102)
    second = desk.send(SELL, 3, 102)
    taker = desk.send(BUY, 10, 102)
    fills = [event[2:] for event in desk.seen.events if event[0] == "fill"]
    assert fills == [
        (late_better.order_id, 101, 5),
        (first.order_id, 102, 3),
        (second.order_id, 102, 2),
    ]
    assert taker.done_reason is DoneReason.FILLED
    assert desk.book.asks() == [(102, 1)]
    assert desk.seen.trade_ids == [1, 2, 3]


def test_remainder_of_limit_order_rests_with_what_is_open(desk):
    desk.send(SELL, 4, 100)
    order = desk.send(BUY, 10, 100)
    assert order.resting
    assert desk.book.bids() == [(100, 6)]
    assert desk.book.best_bid == 100
    assert desk.book.best_ask is None


def test_levels_are_best_first_and_cut_to_depth(desk):
    for price in (99, 97, 98):
        desk.send(BUY, 1, price)
    for price in (102, 101, 103):
        desk.send(SELL, 2, price)
    assert desk.book.bids(2) == [(99, 1), (98, 1)]
    assert desk.book.asks(2) == [(101, 2), (102, 2)]
    assert desk.book.bids(0) == []
    assert desk.book.size_at(SELL, 103) == 2


def test_ioc_and_market_remainder_expires(desk):
    desk.send(SELL, 4, 100)
    ioc = desk.send(BUY, 10, 100, time_in_force=TimeInForce.IOC)
    assert (ioc.filled_lots, ioc.done_reason) == (4, DoneReason.IOC_REMAINDER)
    market = desk.send(BUY, 1)
    assert market.done_reason is DoneReason.IOC_REMAINDER
    assert len(desk.book) == 0


def test_market_order_stops_at_its_protection_price(desk):
    desk.send(SELL, 1, 100)
    desk.send(SELL, 1, 110)
    order = EngineOrder(desk.engine.next_order_id(), "X", BUY, 2, 105, is_market=True)
    desk.engine.submit(order)
    assert (order.filled_lots, order.done_reason) == (1, DoneReason.IOC_REMAINDER)


def test_fok_is_all_or_nothing(desk):
    desk.send(SELL, 4, 100)
    refused = desk.send(BUY, 5, 100, time_in_force=TimeInForce.FOK)
    assert refused.done_reason is DoneReason.FOK_UNFILLABLE
    assert refused.filled_lots == 0
    assert ("accepted", refused.order_id) not in desk.seen.events
    assert desk.send(BUY, 4, 100, time_in_force=TimeInForce.FOK).filled_lots == 4


def test_post_only_is_refused_only_when_it_would_take(desk):
    desk.send(SELL, 4, 100)
    refused = desk.send(BUY, 1, 100, post_only=True)
    assert refused.done_reason is DoneReason.POST_ONLY_WOULD_TAKE
    assert desk.send(BUY, 1, 99, post_only=True).resting


def test_gtd_expires_at_its_date_and_not_before(desk):
    order = desk.send(BUY, 1, 99, time_in_force=TimeInForce.GTD, expire_ns=5_000)
    assert desk.engine.next_expiry_ns() == 5_000
    assert desk.engine.expire(4_999) == 0
    assert desk.engine.expire(5_000) == 1
    assert order.done_reason is DoneReason.EXPIRED
    assert desk.engine.next_expiry_ns() is None


@pytest.mark.parametrize(
    ("mode", "taker_reason", "maker_reason", "filled"),
    [
        (SelfTrade.NONE, DoneReason.FILLED, DoneReason.FILLED, 2),
        (SelfTrade.EXPIRE_TAKER, DoneReason.SELF_TRADE, None, 0),
        (SelfTrade.EXPIRE_MAKER, DoneReason.FILLED, DoneReason.SELF_TRADE, 2),
        (SelfTrade.EXPIRE_BOTH, DoneReason.SELF_TRADE, DoneReason.SELF_TRADE, 0),
    ],
)
def test_bn_r_12_self_trade_modes(desk, mode, taker_reason, maker_reason, filled):
    own = desk.send(SELL, 2, 100, owner="me")
    desk.send(SELL, 2, 100, owner="other")
    taker = desk.send(BUY, 2, 100, owner="me", self_trade=mode)
    assert taker.done_reason is taker_reason
    assert own.done_reason is maker_reason
    assert taker.filled_lots == filled


def test_orders_without_owner_may_trade_with_each_other(desk):
    desk.send(SELL, 1, 100)
    assert desk.send(BUY, 1, 100, self_trade=SelfTrade.EXPIRE_BOTH).filled_lots == 1


def test_reduce_only_never_opens_a_position(desk):
    desk.send(SELL, 3, 100, owner="maker")
    desk.send(BUY, 3, 100, owner="me")  # long 3
    assert desk.send(BUY, 1, 99, owner="me", reduce_only=True).done_reason is (
        DoneReason.REDUCE_ONLY
    )
    shrunk = desk.send(SELL, 5, 105, owner="me", reduce_only=True)
    assert shrunk.size_lots == 3
    desk.send(BUY, 2, 100, owner="buyer")
    desk.send(SELL, 2, 100, owner="me")  # position now 1
    desk.send(BUY, 3, 105, owner="buyer")
    assert shrunk.filled_lots == 1
    assert shrunk.done_reason is DoneReason.REDUCE_ONLY
    assert desk.seen.positions["me"] == 0


def test_bn_r_15_replace_goes_to_the_back_of_the_queue(desk):
    first = desk.send(BUY, 1, 100)
    second = desk.send(BUY, 1, 100)
    assert desk.engine.replace("X", first.order_id, price_ticks=100, size_lots=1)
    desk.send(SELL, 1, 100)
    assert second.done_reason is DoneReason.FILLED
    assert first.resting


def test_bn_r_16_replace_below_filled_or_post_only_crossing_ends_the_order(desk):
    order = desk.send(BUY, 5, 100)
    desk.send(SELL, 3, 100)
    desk.engine.replace("X", order.order_id, price_ticks=100, size_lots=3)
    assert order.done_reason is DoneReason.REPLACED_BELOW_FILLED
    desk.send(SELL, 1, 105)
    maker = desk.send(BUY, 1, 100, post_only=True)
    desk.engine.replace("X", maker.order_id, price_ticks=105, size_lots=1)
    assert maker.done_reason is DoneReason.POST_ONLY_WOULD_TAKE
    assert desk.book.bids() == []


def test_replace_through_the_book_trades(desk):
    desk.send(SELL, 1, 105)
    order = desk.send(BUY, 2, 100)
    desk.engine.replace("X", order.order_id, price_ticks=105, size_lots=2)
    assert order.filled_lots == 1
    assert desk.book.bids() == [(105, 1)]


def test_cancel_unknown_order_is_false(desk):
    assert not desk.engine.cancel("X", 77)
    assert not desk.engine.replace("X", 77, price_ticks=1, size_lots=1)


def test_listener_must_not_call_back(desk):
    class Naughty(EngineListener):
        def on_fill(self, fill):
            desk.engine.cancel("X", 2)

    desk.engine._listener = ListenerGroup([desk.seen, Naughty()])
    desk.send(SELL, 1, 100)
    desk.send(SELL, 1, 101)
    with pytest.raises(RuntimeError, match="called back"):
        desk.send(BUY, 1, 100)


@pytest.mark.parametrize(
    "order",
    [
        EngineOrder(1, "X", BUY, 0, 100),
        EngineOrder(1, "X", BUY, 1, None),
        EngineOrder(1, "X", BUY, 1, 0),
        EngineOrder(1, "X", BUY, 1, 100, is_market=True, post_only=True),
        EngineOrder(1, "X", BUY, 1, 100, TimeInForce.GTD),
    ],
)
def test_contradicting_orders_are_refused_before_anything_happens(desk, order):
    with pytest.raises(ValueError, match=r"order|price|size"):
        desk.engine.submit(order)
    assert desk.seen.events == []


def test_same_order_twice_and_unknown_market(desk):
    order = desk.send(BUY, 1, 100)
    with pytest.raises(ValueError, match="before"):
        desk.engine.submit(order)
    with pytest.raises(KeyError):
        desk.engine.submit(EngineOrder(9, "Y", BUY, 1, 100))
    with pytest.raises(ValueError, match="exists"):
        desk.engine.add_market("X")


def test_listener_group_passes_everything_on_in_order():
    first, second = Recorder(), Recorder()
    engine = MatchingEngine(ListenerGroup([first, second]), lambda: 0)
    engine.add_market("X")
    engine.submit(EngineOrder(1, "X", SELL, 2, 100))
    engine.submit(EngineOrder(2, "X", BUY, 1, 100))
    engine.replace("X", 1, price_ticks=101, size_lots=2)
    engine.cancel("X", 1)
    assert first.events == second.events
    assert [event[0] for event in first.events] == [
        "accepted", "accepted", "fill", "done", "replaced", "done",
    ]  # fmt: skip


# -- against the oracle ----------------------------------------------------------------------

prices = st.integers(95, 105)
sizes = st.integers(1, 8)
owners = st.sampled_from(["a", "b", "c"])
sides = st.sampled_from([BUY, SELL])


def new_orders(*, tifs, reduce_only):
    return st.fixed_dictionaries(
        {
            "side": sides,
            "size": sizes,
            "price": st.one_of(prices, prices, prices, st.none()),
            "tif": st.sampled_from(tifs),
            "post_only": st.sampled_from([False, False, False, True]),
            "reduce_only": st.sampled_from([False, True]) if reduce_only else st.just(False),
            "stp": st.sampled_from([mode.value for mode in SelfTrade]),
            "owner": owners,
            "life_ns": st.integers(1, 20),
        }
    )


def commands(**options):
    new = st.tuples(st.just("new"), new_orders(**options))
    cancel = st.tuples(st.just("cancel"), st.integers(1, 40))
    replace = st.tuples(st.just("replace"), st.tuples(st.integers(1, 40), prices, sizes))
    wait = st.tuples(st.just("wait"), st.integers(1, 10))
    return st.lists(st.one_of(new, new, new, new, cancel, replace, wait), max_size=60)


def play(script):
    """Give the same commands to engine and oracle, comparing both after each."""
    desk = Desk()
    slow = oracle.Market()
    for name, arg in script:
        if name == "new":
            gtd = arg["tif"] == "GTD" and arg["price"] is not None
            tif = arg["tif"] if gtd or arg["tif"] != "GTD" else "GTC"
            expire_ns = desk.now_ns + arg["life_ns"] if gtd else None
            post_only = arg["post_only"] and tif in ("GTC", "GTD") and arg["price"] is not None
            order = desk.send(
                arg["side"],
                arg["size"],
                arg["price"],
                time_in_force=TimeInForce(tif),
                owner=arg["owner"],
                post_only=post_only,
                reduce_only=arg["reduce_only"],
                self_trade=SelfTrade(arg["stp"]),
                expire_ns=expire_ns,
            )
            slow.submit(
                oracle.Order(
                    order.order_id,
                    arg["owner"],
                    int(arg["side"]),
                    arg["size"],
                    arg["price"],
                    tif,
                    post_only,
                    arg["reduce_only"],
                    arg["stp"],
                    expire_ns,
                )
            )
        elif name == "cancel":
            assert desk.engine.cancel("X", arg) == slow.cancel(arg)
        elif name == "replace":
            order_id, price, size = arg
            done = desk.engine.replace("X", order_id, price_ticks=price, size_lots=size)
            assert done == slow.replace(order_id, price, size)
        else:
            desk.now_ns += arg
            desk.engine.expire(desk.now_ns)
            slow.expire(desk.now_ns)
        assert desk.seen.events == slow.events
        for side in (BUY, SELL):
            levels = slow.levels(int(side))
            assert desk.book.levels(side) == levels
            assert desk.seen.side(side) == levels
        bid, ask = desk.book.best_bid, desk.book.best_ask
        assert bid is None or ask is None or bid < ask, "crossed book"
    return desk


@settings(max_examples=300, deadline=None)
@given(commands(tifs=["GTC", "GTC", "IOC", "FOK", "GTD"], reduce_only=False))
def test_engine_equals_oracle(script):
    desk = play(script)
    assert sum(order.filled_lots for order in desk.orders) == 2 * desk.seen.traded
    assert all(0 <= order.filled_lots <= order.size_lots for order in desk.orders)
    shown = sum(size for side in (BUY, SELL) for _, size in desk.book.levels(side))
    assert shown == sum(order.open_lots for order in desk.orders if order.resting)
    assert all(order.resting == (order.done_reason is None) for order in desk.orders)
    assert sum(desk.seen.positions.values()) == 0, "every bought lot was sold by somebody"
    assert desk.seen.trade_ids == list(range(1, len(desk.seen.trade_ids) + 1))


@settings(max_examples=300, deadline=None)
@given(commands(tifs=["GTC", "GTC", "IOC", "GTD"], reduce_only=True))
def test_engine_equals_oracle_with_reduce_only(script):
    play(script)


@settings(max_examples=200, deadline=None)
@given(commands(tifs=["GTC", "GTC", "FOK"], reduce_only=True))
def test_fok_is_all_or_nothing_even_against_reduce_only_makers(script):
    desk = Desk()
    for name, arg in script:
        if name != "new":
            continue
        order = desk.send(
            arg["side"],
            arg["size"],
            arg["price"],
            time_in_force=TimeInForce(arg["tif"]),
            owner=arg["owner"],
            reduce_only=arg["reduce_only"] and arg["tif"] != "FOK",
            self_trade=SelfTrade(arg["stp"]),
        )
        if arg["tif"] == "FOK":
            assert order.filled_lots in (0, arg["size"])
            assert not order.resting
