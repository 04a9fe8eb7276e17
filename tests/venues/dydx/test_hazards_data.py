"""What would show a trader a market that is not there: topics that end, trades that are missed."""

from __future__ import annotations

from decimal import Decimal
from types import SimpleNamespace

from venues.dydx.test_data_client import Seen, book_up, client, frames, handled, trade

from connectors.data.books import BookKeeper
from connectors.dydx.books import Comparison
from connectors.model import BookState, BookStatus
from patience import until


def test_a_book_whose_topic_the_venue_ends_is_not_shown_as_live(run):
    """Nobody asked for the end; what comes next is a snapshot, and until then there is no book."""

    async def script():
        async with client() as (stub, data, statuses):
            connection = await book_up(stub, data)
            await connection.say("unsubscribed_trades", channel="v4_orderbook")
            assert frames(await stub.heard(3))[-1]["type"] == "subscribe"
            assert data.book("BTC-USD-PERP") is None
            await connection.say("subscribed_orderbook")
            await until(lambda: data.book("BTC-USD-PERP") is not None, what="the book")
            states = [each.state for each in statuses.of(BookStatus)]
            assert states == [BookState.LIVE, BookState.BUFFERING, BookState.LIVE]
            assert len(frames(stub.texts)) == 3, "once is enough"

    run(script())


def test_trades_are_missed_by_nobody_when_the_venue_ends_their_topic(run):
    async def script():
        async with client() as (stub, data, _):
            trades = Seen()
            data.subscribe_trades("BTC-USD-PERP", trades.append)
            connection = await stub.connection()
            await stub.heard(2)
            await connection.say("subscribed_markets")
            await connection.say("subscribed_trades", contents={"trades": [trade(1)]})
            await connection.say("data_trades", contents={"trades": [trade(2)]})
            await connection.say("unsubscribed_trades")
            await stub.heard(3)
            rows = [trade(4), trade(3), trade(2), trade(1)]
            await connection.say("subscribed_trades", contents={"trades": rows})
            await connection.say("data_trades", contents={"trades": [trade(5)]})
            await until(lambda: len(trades) >= 4, what="the trades")
            assert [each.trade_id >> 32 for each in trades] == [2, 3, 4, 5]

    run(script())


def test_who_comes_later_to_a_topic_of_trades_misses_none_either(run):
    """He had no trade before the connection was lost, and gets those of the outage, no others."""

    async def script():
        async with client() as (stub, data, _):
            first, late = Seen(), Seen()
            data.subscribe_trades("BTC-USD-PERP", first.append)
            connection = await stub.connection()
            await stub.heard(2)
            await connection.say("subscribed_markets")
            rows = [trade(2), trade(1)]
            await connection.say("subscribed_trades", contents={"trades": rows})
            await handled(data, 3)
            data.subscribe_trades("BTC-USD-PERP", late.append)
            connection.drop()
            again = await stub.connection(1)
            await stub.heard(4)
            await again.say("subscribed_trades", contents={"trades": [trade(3), *rows]})
            await until(lambda: first and late, what="the trade of the outage")
            assert [each.trade_id >> 32 for each in late] == [3]
            assert [each.trade_id >> 32 for each in first] == [3]

    run(script())


def test_the_first_to_want_trades_of_a_topic_that_is_served_gets_its_history(run):
    """Liquidations come on the same topic: its history is gone, and is asked for again."""

    async def script():
        async with client() as (stub, data, _):
            trades = Seen()
            data.subscribe_liquidations("BTC-USD-PERP", lambda event: None)
            connection = await stub.connection()
            await stub.heard(2)
            await connection.say("subscribed_markets")
            await connection.say("subscribed_trades", contents={"trades": [trade(1)]})
            await handled(data, 3)
            data.subscribe_trades("BTC-USD-PERP", trades.append, include_history=True)
            assert frames(await stub.heard(3))[-1]["type"] == "unsubscribe"
            await connection.say("unsubscribed_trades")
            await stub.heard(4)
            await connection.say("subscribed_trades", contents={"trades": [trade(1)]})
            await until(lambda: trades, what="the history")

    run(script())


def test_a_callback_may_end_a_subscription_while_books_are_told_to_be_lost():
    """The keys are those of the connection's own table, which shrinks meanwhile."""
    channels = {"one": None, "two": None}
    lost = []

    class Book:
        def __init__(self, key):
            self.key = key

        def on_lost(self):
            lost.append(self.key)
            channels.pop("two", None)

    keeper = BookKeeper("DYDX", emit=lost.append, on_callback_error=lambda *error: None)
    keeper._books.update({key: Book(key) for key in channels})
    keeper.on_lost(channels)
    assert lost == ["one", "two"]


def book_of(bid, ask):
    return SimpleNamespace(bid=Decimal(bid), ask=Decimal(ask), is_crossed=bid >= ask)


def test_dx_b_09_a_market_that_moves_faster_than_rest_is_not_wrong():
    """REST is behind at every look: only a price that stands while it differs is wrong."""
    comparison = Comparison(2.0)
    body = {"bids": [{"price": "100", "size": "1"}], "asks": [{"price": "105", "size": "1"}]}
    for look in range(10):
        book = book_of(str(101 + look % 2), str(103 + look % 2))
        assert not comparison.is_wrong(book, body, 30.0 * look)
    assert not comparison.is_wrong(book_of("103", "105"), body, 300.0)
    assert not comparison.is_wrong(book_of("103", "105"), body, 301.0)
    assert comparison.is_wrong(book_of("103", "105"), body, 303.0)


def test_dx_b_09_a_book_that_is_shown_crossed_is_not_wrong():
    comparison = Comparison(2.0)
    body = {"bids": [{"price": "100", "size": "1"}], "asks": [{"price": "105", "size": "1"}]}
    assert not any(comparison.is_wrong(book_of("106", "105"), body, at) for at in (0.0, 9.0, 18.0))
