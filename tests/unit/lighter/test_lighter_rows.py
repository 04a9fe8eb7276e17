"""Rows of REST: refused only where what they say cannot be acted on, as those of the streams."""

from __future__ import annotations

import pytest

from connectors.errors import DecodeError
from connectors.lighter.rows import order_row, trade_row

ORDER = {
    "order_index": 281476929510110, "order_id": "281476929510110", "client_order_index": 42,
    "market_index": 0, "initial_base_amount": "0.0050", "price": "2352.73", "nonce": 7,
    "is_ask": False, "status": "open", "timestamp": 1774884082, "created_at": 1774884081,
    "updated_at": 1774884083, "transaction_time": 1774884084309144,
}  # fmt: skip
TRADE = {
    "trade_id": 19209006902, "trade_id_str": "19209006902", "type": "trade", "market_id": 0,
    "size": "0.1336", "price": "2352.73", "usd_amount": "314.324728", "ask_id": 1, "bid_id": 2,
    "ask_client_id": 0, "bid_client_id": 42, "ask_account_id": 91249, "bid_account_id": 12345,
    "is_maker_ask": True, "timestamp": 1774884082309, "transaction_time": 1774884082309144,
}  # fmt: skip
ODD = ["0.00", "x", 1.5, [1], True]


@pytest.mark.parametrize("odd", ODD)
def test_a_time_nobody_acts_on_costs_no_row(odd):
    row = order_row(ORDER | {"timestamp": odd, "created_at": odd})
    assert (row.ts_event, row.ts_created) == (1774884084309144000, 1774884084309144000)
    assert trade_row(TRADE | {"timestamp": odd}).ts_event == 1774884082309144000
    assert trade_row(TRADE | {"transaction_time": odd}).ts_event == 1774884082309000000
    assert trade_row(TRADE | {"transaction_time": odd, "timestamp": odd}).ts_event == 0


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("age", ["nonce", "transaction_time", "updated_at"])
def test_an_order_whose_age_cannot_be_told_is_refused(age, odd):
    with pytest.raises(DecodeError, match=age):
        order_row(ORDER | {age: odd})
