"""Profit and loss, summary, ledger, bars: partial rows merged, and what is told of them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from venues.ibkr.ibkr_rig import AAPL, ACCOUNT, NAME, Listener, data, topic

from connectors.ibkr.history import BarSeries, History, HistoryBar, make_bars, read_history
from connectors.ibkr.pnl import read_rest_ledger, read_rest_summary
from connectors.ibkr.values import time_ns
from connectors.model import AccountState, Bar, PositionStatusReport
from connectors.model.accounts import AccountPnl

D = Decimal
NS = 10**9


@pytest.fixture
def user() -> Listener:
    return Listener()


def spl(user: Listener, **values: float) -> None:
    user.feed.take(topic({"topic": "spl", "args": {f"{ACCOUNT}.Core": {"rowType": 1, **values}}}))


def ledger_row(currency: str = "USD", **values: Any) -> dict[str, Any]:
    return {"acctCode": ACCOUNT, "key": f"LedgerList{currency}", "secondKey": currency,
            "timestamp": 1783031088, **values}  # fmt: skip


def sld(user: Listener, *rows: dict[str, Any]) -> None:
    user.feed.take(topic({"result": list(rows), "topic": f"sld+{ACCOUNT}"}))


def ssd(user: Listener, *rows: dict[str, Any]) -> None:
    user.feed.take(topic({"result": list(rows), "topic": f"ssd+{ACCOUNT}"}))


def test_w_24_profit_and_loss_is_merged_and_told_when_it_changed(user: Listener) -> None:
    spl(user, dpl=-58.28, nl=1006128.0, upl=4600.0)
    spl(user, dpl=-59.01)
    spl(user, dpl=-59.01)
    told = user.of(AccountPnl)
    assert [each.daily for each in told] == [D("-58.28"), D("-59.01")]
    assert (told[-1].unrealized, told[-1].account_id, told[-1].model) == (4600, NAME, "Core")
    assert user.feed.pnl.known == (told[-1],)


def test_r_65_the_first_answer_over_rest_is_empty(user: Listener) -> None:
    user.feed.take_partitioned({"upnl": {}})
    assert user.told == []


def test_w_26_balances_of_the_ledger(user: Listener) -> None:
    sld(user, ledger_row("BASE", cashbalance=100.5, settledCash=90.0),
        ledger_row("USD", cashbalance=100.5, settledCash=90.0))  # fmt: skip
    (state,) = user.of(AccountState)
    (balance,) = state.balances
    assert (balance.currency, balance.total, balance.free, balance.locked) == (
        "USD", D("100.5"), 90, D("10.5"))  # fmt: skip
    assert state.account_id == NAME
    assert user.feed.ledger(ACCOUNT).cash("BASE")["settledcash"] == 90


def test_w_26_blank_rows_change_nothing(user: Listener) -> None:
    sld(user, ledger_row("USD", cashbalance=100.5))
    sld(user, {"key": "LedgerListUSD", "timestamp": 1783031098})
    assert len(user.of(AccountState)) == 1


def test_w_26_numbers_in_e_notation(user: Listener) -> None:
    frame = '{"result":[{"acctCode":"DU1234567","cashbalance":2.0201311791131118E8,'
    user.feed.take(topic(frame + '"secondKey":"USD","timestamp":1}],"topic":"sld+DU1234567"}'))
    assert user.of(AccountState)[0].balances[0].total == D("202013117.91131118")


def test_w_25_margins_of_the_summary(user: Listener) -> None:
    sld(user, ledger_row("USD", cashbalance=100.5))
    ssd(user, {"key": "InitMarginReq", "currency": "USD", "monetaryValue": 25.0, "timestamp": 1},
        {"key": "MaintMarginReq", "currency": "USD", "monetaryValue": 20.0, "timestamp": 1},
        {"key": "Cushion", "timestamp": 1})  # fmt: skip
    (margin,) = user.of(AccountState)[-1].margins
    assert (margin.initial, margin.maintenance, margin.currency) == (25, 20, "USD")
    assert user.feed.ledger(ACCOUNT).figure("initmarginreq") == 25


def test_r_63_r_64_rest_says_the_same_in_another_spelling(user: Listener) -> None:
    rows = read_rest_ledger({
        "USD": {"cashbalance": 971869.6, "settledcash": 971869.6, "secondkey": "USD",
                "acctcode": ACCOUNT, "key": "LedgerList", "timestamp": 1783031088},
        "BASE": {"cashbalance": 971869.6, "secondkey": "BASE", "acctcode": ACCOUNT}})  # fmt: skip
    user.feed.take_ledger(ACCOUNT, rows, is_snapshot=True)
    assert [balance.total for balance in user.of(AccountState)[0].balances] == [D("971869.6")]
    name = {"amount": 0.0, "currency": None, "isNull": False, "value": ACCOUNT}
    money = {"amount": 10.5, "currency": "USD", "timestamp": 1783031088000}
    code, worth = read_rest_summary({"accountcode": name, "netliquidation": money})
    assert (code.text, code.amount) == (ACCOUNT, None)
    assert (worth.amount, worth.ts_event) == (D("10.5"), 1783031088 * NS)


def test_r_64_a_currency_that_is_gone_is_gone(user: Listener) -> None:
    sld(user, ledger_row("USD", cashbalance=1.0), ledger_row("EUR", cashbalance=2.0))
    whole = read_rest_ledger({"USD": ledger_row("USD", cashbalance=1.0)})
    user.feed.take_ledger(ACCOUNT, whole, is_snapshot=True)
    assert [each.currency for each in user.of(AccountState)[-1].balances] == ["USD"]


def test_r_63_times_in_seconds_and_milliseconds() -> None:
    assert time_ns(1783031088) == time_ns(1783031088000) == 1783031088 * NS
    assert time_ns(None) == time_ns(True) == time_ns("x") == 0


@given(st.lists(st.dictionaries(st.sampled_from(["dpl", "nl", "upl", "el", "uel", "mv"]),
                                st.integers(-5, 5))))  # fmt: skip
def test_w_24_any_frames_merge_to_their_net_effect(frames: list[dict[str, int]]) -> None:
    one, many = Listener(), Listener()
    net: dict[str, int] = {}
    for frame in frames:
        spl(many, **frame)
        net |= frame
    spl(one, **net)

    def figures(user: Listener) -> list[tuple[Decimal | None, ...]]:
        return [(each.daily, each.net_liquidation, each.unrealized) for each in user.feed.pnl.known
                if net]  # fmt: skip

    assert figures(one) == figures(many)


# ---- bars -------------------------------------------------------------------------------------

OPENED = 1783002600 * NS


def history(*opened_s: int, close: str = "10.01") -> History:
    bars = tuple(
        HistoryBar(OPENED + each * NS, D("10"), D("11"), D("9"), D(close), D("5.5"))
        for each in opened_s
    )
    return History("1", 60, "S", bars)


def test_w_20_bars_on_the_grid() -> None:
    frames = {each["id"]: each for each in data("ws_server_frames.json")["frames"]}
    found = topic(frames["smh_first"]["text"]).value
    bars, off = make_bars(found, AAPL, 3_600, ts_init=7)
    assert off == 0
    assert [bar.close for bar in bars] == [D("191.7"), D("193.1")]
    assert bars[0].volume == D("472117.45")


def test_w_20_a_bar_off_the_grid_is_counted_and_not_rounded() -> None:
    bars, off = make_bars(history(0, close="10.001"), AAPL, 60, ts_init=7)
    assert (bars, off) == ([], 1)


@pytest.mark.parametrize("row", [None, 7, {}, {"t": "x"}, {"t": 1, "o": 1, "h": 1, "l": 1},
                                 {"t": 1, "o": "N/A", "h": 1, "l": 1, "c": 1}])  # fmt: skip
def test_w_20_a_bar_that_cannot_be_read_costs_itself(row: Any) -> None:
    good = {"t": 1000, "o": 1, "h": 1, "l": 1, "c": 1}
    found = read_history({"data": [row, good], "barLength": 60})
    assert (len(found.bars), found.bad) == (1, 1)


def test_bars_are_told_once_when_their_time_is_over() -> None:
    told: list[Bar] = []
    series = BarSeries(60, told.append, closed_only=True)
    series.take(history(0, 60), AAPL, OPENED + 90 * NS)
    assert told == [], "what was over before is the past"
    series.take(history(0, 60, 120), AAPL, OPENED + 120 * NS)
    assert told == [], "its last trades may still come"
    series.take(history(0, 60, 120), AAPL, OPENED + 122 * NS)
    series.take(history(0, 60, 120), AAPL, OPENED + 130 * NS)
    assert [bar.ts_open for bar in told] == [OPENED + 60 * NS]
    assert told[0].is_closed


def test_bars_that_were_missed_come_with_the_next_answer() -> None:
    told: list[Bar] = []
    series = BarSeries(60, told.append, closed_only=True)
    series.take(history(0, 60), AAPL, OPENED + 90 * NS)
    series.take(history(60, 120, 180, 300), AAPL, OPENED + 330 * NS)
    assert [bar.ts_open - OPENED for bar in told] == [60 * NS, 120 * NS, 180 * NS]


def test_the_bar_under_way_is_told_if_wanted() -> None:
    told: list[Bar] = []
    series = BarSeries(60, told.append, closed_only=False)
    series.take(history(0, 60), AAPL, OPENED + 90 * NS)
    assert [(bar.ts_open - OPENED, bar.is_closed) for bar in told] == [(60 * NS, False)]


def test_r_21_a_bar_is_over_when_the_next_has_begun() -> None:
    """An exchange opens at half past: the first bar of an hour lasts half of one."""
    told: list[Bar] = []
    series = BarSeries(3_600, told.append, closed_only=True)
    series.take(history(), AAPL, OPENED)
    series.take(history(0, 1_800), AAPL, OPENED + 1_800 * NS)
    assert told == [], "its last trades may still come"
    series.take(history(0, 1_800), AAPL, OPENED + 1_802 * NS)
    assert [(bar.ts_open, bar.is_closed) for bar in told] == [(OPENED, True)]
    series.take(history(0, 1_800), AAPL, OPENED + 3_700 * NS)
    assert len(told) == 1
    day = BarSeries(86_400, told.append, closed_only=True)
    assert day.due_in_s(OPENED) <= 1_802, "who knows when the next one begins"


def test_asking_waits_for_the_end_of_the_bar() -> None:
    series = BarSeries(60, print, closed_only=True)
    assert series.due_in_s(OPENED + 50 * NS) == pytest.approx(12.0)


def test_r_06_numbers_with_commas_are_numbers(user: Listener) -> None:
    """A balance or a position that is not read stays what it was, without a word."""
    sld(user, ledger_row("USD", cashbalance="1,000,100.5"))
    assert user.of(AccountState)[-1].balances[0].total == D("1000100.5")
    spl(user, dpl="-1,058.28")  # type: ignore[arg-type]
    assert user.of(AccountPnl)[-1].daily == D("-1058.28")
    row = {"conid": "265598", "position": "1,300", "avgPrice": "1,193.06", "unrealizedPnl": ""}
    assert user.feed.positions(ACCOUNT, [row]) == {AAPL.id}
    (position,) = user.of(PositionStatusReport)
    assert (position.signed_size, position.average_entry_price) == (1300, D("1193.06"))
    assert user.feed.positions(ACCOUNT, [row | {"position": ""}]) == {AAPL.id}
    assert (len(user.of(PositionStatusReport)), user.feed.bad_rows) == (1, 1)
