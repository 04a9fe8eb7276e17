"""How long does it take to know that a trade or fill was seen before?"""

from __future__ import annotations

import random
import uuid
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from typing import Any

from bench.measure import Case, Claim, Group, Plan, time_cases
from connectors._speedups.dedup import BoundedDedup

__all__ = ["SetDeque", "run"]

CAPACITY = 10_000
COUNT = 20_000  # keys of a batch, so that a full table forgets each before it comes again

_RANDOM = random.Random(11)
INTS = [5_511_234_567 + i * 3 for i in range(COUNT)]
TEXTS = [str(uuid.UUID(int=_RANDOM.getrandbits(128), version=4)) for _ in range(COUNT)]


class SetDeque:
    """What people write: a set for the question, a deque for the order."""

    __slots__ = ("_capacity", "_order", "_seen")

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._seen: set[Hashable] = set()
        self._order: deque[Hashable] = deque()

    def insert(self, key: Hashable) -> bool:
        if key in self._seen:
            return True
        if len(self._order) >= self._capacity:
            self._seen.discard(self._order.popleft())
        self._seen.add(key)
        self._order.append(key)
        return False


class Ordered:
    """The same with one OrderedDict."""

    __slots__ = ("_capacity", "_keys")

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._keys: OrderedDict[Hashable, None] = OrderedDict()

    def insert(self, key: Hashable) -> bool:
        if key in self._keys:
            return True
        if len(self._keys) >= self._capacity:
            self._keys.popitem(last=False)
        self._keys[key] = None
        return False


KINDS: list[tuple[str, Callable[[int], Any]]] = [
    ("tickwire BoundedDedup", BoundedDedup),
    ("set + deque", SetDeque),
    ("OrderedDict", Ordered),
]


def run(plan: Plan) -> list[Group]:
    claims = [Claim("set + deque", at_least=2.2)]
    new = f"{CAPACITY} kept, every key new, so each insert forgets one; per insert"
    again = f"{CAPACITY} kept, every key twice, as from two connections; per insert"
    return [
        time_cases("dedup, int keys", cases(INTS), plan, claims=claims, note=new),
        time_cases("dedup, str keys", cases(TEXTS), plan, claims=claims, note=new),
        time_cases(
            "dedup, str keys never hashed",
            [fresh(name, make) for name, make in KINDS],
            plan,
            note=f"{new}, of a text just made, which Python has yet to hash",
        ),
        time_cases("dedup, int keys twice", cases(twice(INTS)), plan, note=again),
        time_cases("dedup, str keys twice", cases(twice(TEXTS)), plan, note=again),
    ]


def twice(keys: list[Any]) -> list[Any]:
    """Return each key a second time, a little after the first."""
    behind = 16
    found = []
    for i, key in enumerate(keys):
        found.append(key)
        if i >= behind:
            found.append(keys[i - behind])
    return found


def cases(keys: list[Any]) -> list[Case]:
    expected = SetDeque(CAPACITY)
    answers = [expected.insert(key) for key in keys]
    found = []
    for name, make in KINDS:
        table = make(CAPACITY)
        if [table.insert(key) for key in keys] != answers:
            raise AssertionError(f"{name} answers differently")
        found.append(Case(name, _loop(table.insert, keys), len(keys)))
    return found


def _loop(insert: Callable[[Any], bool], keys: list[Any]) -> Callable[[], None]:
    def batch() -> None:
        for key in keys:
            insert(key)

    return batch


def fresh(name: str, make: Callable[[int], Any]) -> Case:
    """Make the texts anew before each batch: a text just decoded has no hash yet."""
    insert = make(CAPACITY).insert
    keys: list[str] = []
    encoded = [text.encode() for text in TEXTS]

    def prepare() -> None:
        keys[:] = [text.decode() for text in encoded]

    def batch() -> None:
        for key in keys:
            insert(key)

    return Case(name, batch, len(encoded), prepare)
