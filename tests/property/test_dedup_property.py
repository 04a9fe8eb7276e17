"""BoundedDedup against a list that is searched from front to back."""

from __future__ import annotations

import random
from collections import OrderedDict

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from connectors import BoundedDedup
from oracle.dedup import SlowDedup

# Few different values, so that sequences repeat them; the big ones collide in Python's own hash.
P61 = 2**61 - 1
integers = st.sampled_from(
    [
        0,
        1,
        -1,
        -2,
        7,
        P61,
        2 * P61,
        2**63 - 1,
        -(2**63),
        2**63,
        2**63 + P61,
        2**64,
        2**200,
        2**200 + P61,
        -(2**200),
    ]
) | st.integers(0, 30)
texts = st.sampled_from(["", "0", "1", "7", "ä", "€", "\U0001f600", "\0", "x" * 66, "x" * 65 + "y"])
blobs = st.sampled_from([b"", b"0", b"1", b"7", b"\0", b"x" * 66, "ä".encode()])
atoms = integers | texts | blobs
keys = atoms | st.lists(atoms, max_size=3).map(tuple)


def fresh(key):
    """An equal object that is, where Python allows, not the same one."""
    if isinstance(key, tuple):
        return tuple([fresh(item) for item in key])
    if isinstance(key, str):
        return "".join(list(key))
    return bytes(bytearray(key)) if isinstance(key, bytes) else int(str(key))


class DedupMachine(RuleBasedStateMachine):
    @initialize(capacity=st.integers(1, 9))
    def make(self, capacity):
        self.ours = BoundedDedup(capacity)
        self.slow = SlowDedup(capacity)

    @rule(key=keys)
    def insert(self, key):
        assert self.ours.insert(fresh(key)) is self.slow.insert(key)

    @rule(batch=st.lists(keys, max_size=30))
    def insert_many(self, batch):
        assert [self.ours.insert(fresh(k)) for k in batch] == [self.slow.insert(k) for k in batch]

    @rule(key=keys)
    def look(self, key):
        assert (fresh(key) in self.ours) is (key in self.slow)

    @rule()
    def clear(self):
        self.ours.clear()
        self.slow.clear()

    @invariant()
    def same_members_in_order(self):
        # By repr too: 1 and True would be equal, and so would keys of mixed-up types.
        assert repr(list(self.ours)) == repr(list(self.slow))
        assert len(self.ours) == len(self.slow)


TestDedup = DedupMachine.TestCase
TestDedup.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)


def test_a_million_random_inserts_agree_with_an_ordered_dict():
    """BD8: 1 000 000 inserts over 20 000 keys of every kind."""
    rng = random.Random(8)
    capacity = 10_000
    ours, model = BoundedDedup(capacity), OrderedDict()
    for _ in range(1_000_000):
        number = rng.randrange(20_000)
        kind = number % 4
        key = (number, f"{number:036}", b"%d" % number, (number, "x"))[kind]
        seen = key in model
        if not seen:
            if len(model) == capacity:
                model.popitem(last=False)
            model[key] = None
        assert ours.insert(key) is seen
    assert list(ours) == list(model)
