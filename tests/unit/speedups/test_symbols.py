"""SymbolTable: dense numbers, replaced instruments, names of any kind."""

from __future__ import annotations

import random

import pytest

from connectors._speedups.events import InstrumentBase
from connectors._speedups.symbols import SymbolTable
from connectors._speedups.ticks import TickScale

SCALE = TickScale("0.01")


def instrument(symbol: str) -> InstrumentBase:
    return InstrumentBase(f"{symbol}-X", symbol, "VENUE", SCALE, SCALE)


def test_numbers_are_dense_and_stay():
    table = SymbolTable()
    assert (len(table), "A" in table, table.find("A")) == (0, False, -1)
    names = [f"S{i}" for i in range(5000)]
    assert [table.add(instrument(name)) for name in names] == list(range(5000))
    assert [table.find(name) for name in names] == list(range(5000))
    assert [table.symbol(i) for i in range(5000)] == names
    assert len(table) == 5000
    assert repr(table) == "<SymbolTable 5000 symbols>"


def test_adding_again_replaces_the_instrument_under_the_same_number():
    table = SymbolTable()
    old, new = instrument("A"), instrument("A")
    version = table.version
    assert table.add(old) == table.add(new) == 0
    assert table.instrument(0) is new
    assert len(table) == 1
    assert table.version == version + 2


def test_an_alias_has_a_number_of_its_own():
    table = SymbolTable()
    one = instrument("BTCUSD_PERP")
    assert table.add(one) == 0
    assert table.add(one, alias="BTCUSD") == 1
    assert (table.find("BTCUSD"), table.find("BTCUSD_PERP")) == (1, 0)
    assert table.instrument(0) is table.instrument(1) is one
    assert table.symbol(1) == "BTCUSD"
    with pytest.raises(TypeError):
        table.add(one, "x")


@pytest.mark.parametrize(
    "name", ["A", "x" * 100, "币安人生USDT", "币" * 100, " ", "\x7f", "a b", "\U0001f600"]
)
def test_names(name):
    table = SymbolTable()
    assert table.add(instrument(name)) == 0
    assert name in table
    assert table.symbol(0) == name


@pytest.mark.parametrize("name", ["", "x" * 101, 'a"b', "a\\b", "a\x00b", "\n", "\x1f"])
def test_names_that_could_not_stand_in_json_as_they_are(name):
    table = SymbolTable()
    with pytest.raises(ValueError, match="symbol"):
        table.add(instrument(name))
    with pytest.raises(ValueError, match="symbol"):
        table.add(instrument("A"), alias=name)
    assert len(table) == 0


def test_a_lone_surrogate_has_no_bytes():
    with pytest.raises(UnicodeEncodeError):
        SymbolTable().add(instrument("\ud800"))


def test_names_that_differ_by_one_letter_anywhere():
    """The first and last eight bytes are compared as words, the middle of long ones as bytes."""
    table = SymbolTable()
    names = set()
    for length in range(1, 41):
        base = ("abcdefgh" * 5)[:length]
        names.add(base)
        for at in range(length):
            names.add(base[:at] + "X" + base[at + 1 :])
    ordered = sorted(names)
    random.Random(1).shuffle(ordered)
    for name in ordered:
        table.add(instrument(name))
    assert [table.find(name) for name in ordered] == list(range(len(ordered)))
    assert table.find("abcdefghY") == -1


def test_names_that_agree_in_both_words():
    """They share a chain; the middle still decides."""
    table = SymbolTable()
    names = [f"ABCDEFGH{i:04}STUVWXYZ" for i in range(2000)]
    for name in names:
        table.add(instrument(name))
    assert [table.find(name) for name in names] == list(range(2000))
    assert table.find("ABCDEFGH9999STUVWXYZ") == -1


@pytest.mark.parametrize("number", [-1, 1, 10**6, -(10**6)])
def test_numbers_that_are_not_there(number):
    table = SymbolTable()
    table.add(instrument("A"))
    for method in (table.instrument, table.symbol, table.set_depth_mode):
        with pytest.raises(IndexError, match=str(number)):
            method(number)


def test_arguments():
    table = SymbolTable()
    for wrong in (None, "A", 1):
        with pytest.raises(TypeError):
            table.add(wrong)
    for method in (table.find, table.__contains__):
        with pytest.raises(TypeError):
            method(b"A")
        with pytest.raises(TypeError):
            method(None)
    with pytest.raises(TypeError):
        table.set_depth_mode(0, True)
