"""From symbols to conids (R-10 to R-16, F-29)."""

from __future__ import annotations

import pytest
from venues.ibkr.gateway_rig import table

from connectors import ibkr
from connectors.errors import ClientError, DecodeError
from connectors.ibkr.contracts import Contracts, conid_of

SAMPLES = {each["id"]: each["body"] for each in table("rest_samples.json")["samples"]
           if "body" in each}  # fmt: skip


class Rest:
    """Answers from the samples, and counts."""

    def __init__(self, **answers):
        self.answers = {
            "stocks": SAMPLES["stocks"],
            "futures": SAMPLES["futures"],
            "search": SAMPLES["secdef_search"],
            "definitions": SAMPLES["trsrv_secdef"]["secdef"],
            "contract_rules": SAMPLES["contract_rules"],
            **answers,
        }
        self.asked = []

    def __getattr__(self, name):
        async def call(*arguments, **more):
            self.asked.append((name, arguments, more))
            return self.answers[name]

        return call


def test_r_10_f_29_a_symbol_with_several_listings_is_not_guessed(run):
    async def scene():
        rest = Rest()
        contracts = Contracts(rest)
        listed = await contracts.stocks("AAPL")
        assert len(listed) > 1
        with pytest.raises(ibkr.AmbiguousContract) as caught:
            await contracts.stock("AAPL")
        assert set(caught.value.choices) == set(listed)
        assert str(listed[1].conid) in str(caught.value)
        found = await contracts.stock("AAPL", exchange="NASDAQ")
        assert (found.conid, found.is_us) == (265598, True)
        assert await contracts.stock("AAPL", is_us=True) == found
        with pytest.raises(ClientError, match="no contract for AAPL at MARS"):
            await contracts.stock("AAPL", exchange="MARS")
        assert len(rest.asked) == 1  # kept
        contracts.forget()
        await contracts.stocks("AAPL")
        assert len(rest.asked) == 2

    run(scene())


def test_r_11_futures_by_expiry(run):
    async def scene():
        rows = SAMPLES["futures"]["ES"]
        later = {**rows[0], "conid": 7, "expirationDate": 20270319}
        contracts = Contracts(Rest(futures={"ES": [later, *rows]}))
        listed = await contracts.futures("ES")
        assert [each.expiry for each in listed] == sorted(each.expiry for each in listed)
        assert (await contracts.future("ES", 202703)).conid == 7
        assert (await contracts.future("ES", "20261218")).conid == 515416632
        with pytest.raises(ibkr.AmbiguousContract):
            await contracts.future("ES")
        with pytest.raises(ClientError, match="no contract"):
            await contracts.future("ES", 2030)

    run(scene())


def test_r_12_r_05_search(run):
    async def scene():
        contracts = Contracts(Rest())
        found = await contracts.find("AAPL", exchange="NASDAQ")
        assert found.conid == 265598  # text in the answer
        assert "STK" in found.sec_types
        assert all(month for month in found.months)

    run(scene())


def test_r_14_definitions_are_asked_for_in_batches_and_kept(run):
    async def scene():
        rest = Rest()
        contracts = Contracts(rest)
        found = await contracts.definitions([265598, *range(1, 402), 265598])
        assert list(found) == [265598]
        assert [len(arguments[0]) for _, arguments, _ in rest.asked] == [200, 200, 2]
        assert (await contracts.definition(265598))["conid"] == 265598
        assert len(rest.asked) == 3
        with pytest.raises(ClientError, match="does not know"):
            await contracts.definition(5)

    run(scene())


def test_r_15_rules_are_kept_by_side(run):
    async def scene():
        rest = Rest()
        contracts = Contracts(rest)
        assert await contracts.rules(1) is await contracts.rules(1)
        await contracts.rules(1, is_buy=False)
        assert len(rest.asked) == 2

    run(scene())


def test_r_05_conids():
    assert [conid_of(each) for each in (7, "7", True, "x", "", None, 7.0, "\u0661")] == [
        7, 7, None, None, None, None, None, None
    ]  # fmt: skip


def test_answers_of_another_shape_are_said_to_be_so(run):
    async def scene():
        with pytest.raises(DecodeError):
            await Contracts(Rest(stocks={"AAPL": {"x": 1}})).stocks("AAPL")
        assert await Contracts(Rest(stocks={})).stocks("AAPL") == ()

    run(scene())
