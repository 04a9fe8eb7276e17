"""BoundedDedup: the rows BD1-BD10 of Hyperliquid's rules, key types, bounds, hostile keys."""

from __future__ import annotations

import gc
import random
import subprocess
import sys
import time
import tracemalloc

import pytest

import connectors
from connectors import BoundedDedup

P61 = 2**61 - 1  # Python's hash of an int is the int modulo this


def inserted(dedup, keys):
    return [dedup.insert(key) for key in keys]


def test_bd1_first_insert_is_new():
    dedup = BoundedDedup(3)
    assert dedup.insert("a") is False
    assert len(dedup) == 1
    assert "a" in dedup
    assert "b" not in dedup


def test_bd2_second_insert_is_known():
    dedup = BoundedDedup(3)
    assert inserted(dedup, "aa") == [False, True]
    assert len(dedup) == 1


def test_bd3_the_oldest_goes():
    dedup = BoundedDedup(3)
    assert inserted(dedup, "abcd") == [False] * 4
    assert list(dedup) == ["b", "c", "d"]
    assert "a" not in dedup


def test_bd4_a_repeat_does_not_make_a_key_younger():
    dedup = BoundedDedup(3)
    assert inserted(dedup, "abcad") == [False, False, False, True, False]
    assert list(dedup) == ["b", "c", "d"]


def test_bd5_an_evicted_key_is_new_again():
    dedup = BoundedDedup(3)
    assert inserted(dedup, "abcda") == [False] * 5
    assert list(dedup) == ["c", "d", "a"]


def test_bd6_capacity_one():
    dedup = BoundedDedup(1)
    assert inserted(dedup, "aba") == [False] * 3
    assert len(dedup) == 1


def test_bd7_ten_thousand_and_one():
    dedup = BoundedDedup(10_000)
    assert not any(inserted(dedup, range(10_001)))
    assert len(dedup) == 10_000
    assert 0 not in dedup
    assert 1 in dedup


@pytest.mark.parametrize("capacity", [0, -1, 2**30 + 1, 2**64])
def test_bd9_capacity_out_of_range(capacity):
    with pytest.raises(ValueError, match="capacity"):
        BoundedDedup(capacity)


@pytest.mark.parametrize("capacity", ["3", 3.0, None, True])
def test_capacity_must_be_an_int(capacity):
    with pytest.raises(TypeError, match="capacity"):
        BoundedDedup(capacity)


def test_bd10_kinds_never_collide():
    """In CPython hash("1") == hash(b"1"): text and bytes meet in the same slot."""
    keys = [
        1,
        "1",
        b"1",
        (1,),
        ("1",),
        (b"1",),
        (1, "1"),
        ("1", 1),
        (),
        "",
        b"",
        0,
        (0,),
        (0, 0),
        hash("1"),
        hash((1,)),
        "0x" + "f" * 64,
        "0x" + "f" * 63 + "e",
    ]
    dedup = BoundedDedup(len(keys))
    assert not any(inserted(dedup, keys))
    assert all(inserted(dedup, keys))
    assert all(key in dedup for key in keys)
    assert list(dedup) == keys


def test_bd10_equality_decides_not_the_hash():
    """These all have the same Python hash; CPython makes hash(-1) == hash(-2) besides."""
    keys = [
        5,
        5 + P61,
        5 + 2 * P61,
        5 + 8 * P61,
        5 + 2**70 * P61,
        -1,
        -2,
        (-1,),
        (-2,),
        (5,),
        (5 + P61,),
        (5 + 2**70 * P61,),
    ]
    dedup = BoundedDedup(100)
    assert not any(inserted(dedup, keys))
    assert all(inserted(dedup, keys))


def test_equal_objects_are_one_key():
    pairs = [
        (2**100, int("1267650600228229401496703205376")),
        ("abcdef", "".join("abcdef")),
        ("äöü€\U0001f600", "äöü€" + chr(0x1F600)),
        (b"abc", bytes([97, 98, 99])),
        (("a" * 2, 2**70), ("".join("aa"), 2**69 * 2)),
    ]
    for first, second in pairs:
        dedup = BoundedDedup(2)
        assert dedup.insert(first) is False
        assert dedup.insert(second) is True
        assert second in dedup


@pytest.mark.parametrize("key", [-(2**63), 2**63 - 1, -(2**63) - 1, 2**63, 2**64, -(2**64)])
def test_ints_at_the_edge_of_64_bits(key):
    dedup = BoundedDedup(10)
    assert dedup.insert(key) is False
    assert dedup.insert(key) is True
    assert list(dedup) == [key]
    assert key + 1 not in dedup
    assert key - 1 not in dedup
    assert key - 2**64 not in dedup


class Text(str):
    __slots__ = ()


class Number(int):
    pass


class Pair(tuple):
    __slots__ = ()


class Hostile(str):
    """Would run during a lookup, if anything ever called it."""

    __slots__ = ()

    def __eq__(self, other):
        raise AssertionError("compared")

    def __hash__(self):
        raise AssertionError("hashed")


@pytest.mark.parametrize(
    "key",
    [
        True,
        False,
        1.0,
        None,
        [1],
        {1},
        object(),
        bytearray(b"x"),
        memoryview(b"x"),
        Text("a"),
        Number(1),
        Pair((1,)),
        (1, (2,)),
        (1.0,),
        (True,),
        (None,),
        ("a", Text("b")),
        Hostile("x"),
        (Hostile("x"),),
    ],
    ids=lambda key: type(key).__name__,
)
def test_other_types_are_refused(key):
    """Exact types only: nothing a caller wrote runs inside a lookup."""
    dedup = BoundedDedup(4)
    inserted(dedup, [1, "a", "x", (1,)])
    with pytest.raises(TypeError, match="key"):
        dedup.insert(key)
    with pytest.raises(TypeError, match="key"):
        key in dedup  # noqa: B015
    assert list(dedup) == [1, "a", "x", (1,)]


def test_insert_takes_one_positional_key():
    dedup = BoundedDedup(4)
    for arguments in [(), (1, 2)]:
        with pytest.raises(TypeError):
            dedup.insert(*arguments)
    with pytest.raises(TypeError):
        dedup.insert(key=1)


def test_clear_and_reuse():
    dedup = BoundedDedup(3)
    inserted(dedup, [1, "a", b"b", (1, 2), 5])
    dedup.clear()
    assert len(dedup) == 0
    assert list(dedup) == []
    assert 5 not in dedup
    assert inserted(dedup, [5, 6, 7, 8, 5]) == [False] * 5
    dedup.clear()
    dedup.clear()
    assert dedup.insert(8) is False


def test_iterating_gives_a_copy():
    dedup = BoundedDedup(3)
    inserted(dedup, [1, 2])
    for key in dedup:
        dedup.insert(key + 10)
    assert list(dedup) == [2, 11, 12]


def test_repr_and_public_name():
    dedup = BoundedDedup(3)
    dedup.insert("secret")
    assert repr(dedup) == "BoundedDedup(1 of 3)"
    assert dedup.capacity == 3
    assert connectors.BoundedDedup is BoundedDedup
    with pytest.raises(AttributeError):
        dedup.capacity = 5
    with pytest.raises(TypeError):
        type("Sub", (BoundedDedup,), {})


def test_keys_are_released_when_they_go():
    keys = [f"key {i} {'x' * 40}" for i in range(6)] + [(2**80 + i, "t") for i in range(6)]
    before = [sys.getrefcount(key) for key in keys]
    dedup = BoundedDedup(4)
    inserted(dedup, [key for key in keys for _ in range(2)])
    after = [sys.getrefcount(key) for key in keys]
    assert [a - b for a, b in zip(after, before, strict=True)] == [0] * 8 + [1] * 4
    dedup.clear()
    assert [sys.getrefcount(key) for key in keys] == before
    inserted(dedup, keys)
    del dedup
    gc.collect()
    assert [sys.getrefcount(key) for key in keys] == before


def test_a_refused_construction_leaves_nothing_behind():
    for _ in range(1000):
        with pytest.raises(ValueError, match="capacity"):
            BoundedDedup(0)


def test_memory_does_not_grow():
    """Several hundred thousand inserts of every kind of key, between two looks at the heap."""
    dedup = BoundedDedup(500)

    def churn(rounds):
        for i in range(rounds):
            dedup.insert(i)
            dedup.insert(f"{i:036}")
            dedup.insert(2**64 + i)
            dedup.insert((i, "execution", b"x"))

    churn(2000)
    tracemalloc.start()
    try:
        churn(2000)
        before = tracemalloc.get_traced_memory()[0]
        churn(50_000)
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert abs(grown) < 20_000
    assert len(dedup) == 500


def test_a_large_capacity_takes_memory_only_as_it_fills():
    """Pages come zeroed from the system: ten million places are not ten million writes."""
    script = (
        "import resource\n"
        "from connectors._speedups.dedup import BoundedDedup\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "kept = [BoundedDedup(10_000_000) for _ in range(4)]\n"
        "assert all(not d.insert(i) for d in kept for i in range(100))\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    assert int(result.stdout) < 20_000  # KiB; the reserved space is 2 GiB


def cost_ns(keys):
    dedup = BoundedDedup(len(keys))
    best = float("inf")
    for _ in range(3):
        dedup.clear()
        start = time.thread_time_ns()  # of this thread alone: the machine may be busy
        for key in keys:
            dedup.insert(key)
        best = min(best, (time.thread_time_ns() - start) / len(keys))
    return best


CHOSEN_KEYS = {
    "multiples of the modulus of hash()": lambda i: i * P61,
    "tuples with one hash()": lambda i: (i * P61, 7),
    "large ints with one hash()": lambda i: 2**80 * P61 + i * P61,
    "low 32 bits equal": lambda i: i << 32,
    "low 48 bits equal": lambda i: i << 48,
    "consecutive": lambda i: 1_700_000_000_000 + i,
    "multiples of the table size": lambda i: i * 65_536,
    "alternating signs": lambda i: i * (-1) ** i,
}


@pytest.mark.parametrize("make", CHOSEN_KEYS.values(), ids=CHOSEN_KEYS)
def test_chosen_keys_cost_about_what_random_ones_do(make):
    """With colliding slots 20 000 inserts would take 10 000 steps each instead of about two.

    So this is no measurement: the bound lies far from both.
    """
    count = 20_000
    keys = [make(i) for i in range(count)]
    rng = random.Random(1)
    kind = type(keys[0])
    big = kind is int and keys[1] >= 2**63
    ordinary = [rng.getrandbits(62) for _ in range(count)]
    if kind is tuple:
        ordinary = [(key, 7) for key in ordinary]
    elif big:
        ordinary = [2**100 + key for key in ordinary]
    assert cost_ns(keys) < 100 * cost_ns(ordinary)


def test_bytes_and_text_compare_without_a_warning():
    """Under -bb Python raises when bytes meet str in a comparison; ours never compares them."""
    script = (
        "from connectors._speedups.dedup import BoundedDedup\n"
        "d = BoundedDedup(50)\n"
        "keys = ['a', b'a', ('a',), (b'a',), (1, 'a'), (1, b'a'), '', b'']\n"
        "assert [d.insert(k) for k in keys] == [False] * 8\n"
        "assert [d.insert(k) for k in keys] == [True] * 8\n"
    )
    subprocess.run([sys.executable, "-bb", "-c", script], timeout=60, check=True)
