"""Instruments from contract definitions: price increments by range, names, sizes (5.4)."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from venues.ibkr.ibkr_rig import AAPL_DEFINITION, AAPL_RULES

from connectors.errors import ClientError, DecodeError, PrecisionError
from connectors.ibkr.catalog import ContractCatalog
from connectors.ibkr.instruments import PriceRules, conid_of, make_instrument, price_rules
from connectors.model import InstrumentKind, OrderType

D = Decimal


def definition(**changes: Any) -> dict[str, Any]:
    return AAPL_DEFINITION | changes


def test_5_4_a_stock() -> None:
    found = make_instrument(AAPL_DEFINITION, AAPL_RULES)
    assert (found.id, found.symbol, conid_of(found)) == ("AAPL", "265598", 265598)
    assert (found.kind, found.quote) == (InstrumentKind.EQUITY, "USD")
    assert (found.tick_size, found.lot_size) == (D("0.01"), D("0.0001"))
    assert OrderType.STOP_LIMIT in found.order_types


def test_5_4_size_increment_is_a_button_and_no_lot() -> None:
    rules = AAPL_RULES | {"fraqTypes": [], "sizeIncrement": 100}
    assert make_instrument(AAPL_DEFINITION, rules).lot_size == 1


def test_5_4_increments_by_price_range() -> None:
    rules = AAPL_RULES | {
        "incrementRules": [
            {"lowerEdge": 0.0, "increment": 0.0001},
            {"lowerEdge": 1.0, "increment": 0.01},
        ]
    }
    found = make_instrument(AAPL_DEFINITION, rules)
    assert found.tick_size == D("0.0001")
    steps = price_rules(found)
    assert steps.at(D("0.9999")) == D("0.0001")
    assert steps.at(D(1)) == D("0.01")
    assert steps.at(D("-5")) == D("0.01"), "the size of the price counts"
    assert steps.allows(D("0.1234"))
    assert not steps.allows(D("1.2345"))
    with pytest.raises(PrecisionError, match=r"use 1\.23 or 1\.24"):
        steps.check(D("1.2345"))


def test_5_4_increments_that_do_not_divide_each_other() -> None:
    """A common tick is finer than any of them: everything the venue prints lies on it."""
    steps = PriceRules.of(
        [{"lowerEdge": 0, "increment": 0.02}, {"lowerEdge": 10, "increment": 0.05}]
    )
    assert steps.common_step == D("0.01")


@pytest.mark.parametrize(
    ("row", "name"),
    [
        (definition(isUS=False, listingExchange="IBIS", ticker="BMW"), "BMW.IBIS"),
        (definition(assetClass="FUT", ticker="ES", expiry="20261218"), "ES-261218"),
        (definition(assetClass="CASH", ticker="EUR", currency="USD"), "EUR.USD"),
        (definition(assetClass="OPT", expiry="20260821", strike="195.0", putOrCall="C"),
         "AAPL-260821-195-C"),
        (definition(assetClass="IND", ticker="SPX", listingExchange="CBOE"), "SPX-CBOE"),
    ],
)  # fmt: skip
def test_names(row: dict[str, Any], name: str) -> None:
    assert make_instrument(row, AAPL_RULES).id == name


def test_a_future_expires_and_has_a_multiplier() -> None:
    found = make_instrument(
        definition(assetClass="FUT", ticker="ES", expiry="20261218", multiplier=50.0),
        {"incrementRules": [{"lowerEdge": 0.0, "increment": 0.25}]},
    )
    assert found.multiplier == 50
    assert found.tick_size == D("0.25")
    assert found.ts_expiry == 1_797_552_000 * 10**9


def test_v_11_negative_prices_are_on_the_grid() -> None:
    found = make_instrument(AAPL_DEFINITION, AAPL_RULES)
    assert found.price_scale.to_ticks("-0.25") == -25


def test_without_increments_there_is_no_instrument() -> None:
    row = AAPL_DEFINITION | {"incrementRules": [], "displayRule": None}
    with pytest.raises(DecodeError, match="price increments"):
        make_instrument(row, {})


steps = st.decimals(min_value=D("0.0001"), max_value=D(10), places=4)


@given(st.lists(st.tuples(st.integers(0, 1000), steps), min_size=1, max_size=4),
       st.integers(-(10**6), 10**6))  # fmt: skip
def test_every_price_that_an_order_may_have_is_on_the_grid(
    rows: list[tuple[int, Decimal]], count: int
) -> None:
    rules = PriceRules.of({"lowerEdge": edge, "increment": float(step)} for edge, step in rows)
    price = rules.increments[0] * count
    below, above = rules.neighbours(price)
    assert below <= price <= above
    assert below % rules.common_step == 0
    assert above % rules.common_step == 0


class Definitions:
    """A venue with contracts of which some differ in nothing but their number."""

    def __init__(self, **changes: Any) -> None:
        self.changes = changes

    async def definitions(self, conids: Sequence[int]) -> list[Any]:
        return [definition(conid=conid, **self.changes) for conid in conids]

    async def contract_rules(self, conid: int, *, is_buy: bool) -> dict[str, Any]:
        return {}


def test_f_29_no_two_contracts_have_one_name(run: Any) -> None:
    """SPX and SPXW of one day and strike: one name would make one position of both."""
    catalog = ContractCatalog()
    catalog.use(Definitions(ticker="SPX", assetClass="OPT", expiry="20261218", strike="5000",
                            putOrCall="C"))  # type: ignore[arg-type]  # fmt: skip

    async def scenario() -> list[str]:
        await catalog.find(1, 2, 1)
        await catalog.load()
        return [each.id for each in await catalog.find(2, 1, 3)]

    plain = "SPX-261218-5000-C"
    assert run(scenario()) == [f"{plain}#2", plain, f"{plain}#3"]


@pytest.mark.parametrize("step", [1e-30, "none", -0.01])
def test_a_contract_that_cannot_be_used_says_so(run: Any, step: Any) -> None:
    catalog = ContractCatalog()
    rules = [{"lowerEdge": 0.0, "increment": step}]
    catalog.use(Definitions(incrementRules=rules))  # type: ignore[arg-type]
    with pytest.raises(ClientError, match="contract 7 cannot be used"):
        run(catalog.find(7))
