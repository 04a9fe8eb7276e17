"""Which stream goes to which connection of a pool. Sans-I/O; rules BN-S-40 to BN-S-64."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass

from ..errors import ClientError
from .slots import Command, Outcome, Slot, StreamOutcome
from .wire import Reply

__all__ = ["Batch", "PoolCore"]


@dataclass(frozen=True, slots=True)
class Batch:
    """Names of one call that belong to one slot, in call order."""

    slot: Slot
    names: tuple[str, ...]


class PoolCore:
    """Slots of a pool and the map from stream name to slot.

    Parameters
    ----------
    max_streams :
        Per connection (BN-S-01, BN-L-08).
    max_connections :
        BN-S-02.
    """

    __slots__ = ("_ids", "_owner", "max_connections", "max_streams", "slots")

    def __init__(self, *, max_streams: int = 200, max_connections: int = 20) -> None:
        self.max_streams = max_streams
        self.max_connections = max_connections
        self.slots: list[Slot] = []
        self._owner: dict[str, Slot] = {}  # one look-up per name, not one per slot (BN-S-92)
        self._ids = itertools.count(1)

    @property
    def capacity(self) -> int:
        """Streams the pool can hold with all its connections open."""
        return self.max_streams * self.max_connections

    @property
    def assigned(self) -> int:
        """Streams that have a place."""
        return len(self._owner)

    @property
    def confirmed(self) -> int:
        """Subscriptions the venue has confirmed, over all slots (BN-S-29)."""
        return sum(slot.confirmed for slot in self.slots)

    def owner(self, name: str) -> Slot | None:
        """Return the slot that holds a stream."""
        return self._owner.get(name)

    def names(self) -> list[str]:
        """Return all assigned names."""
        return list(self._owner)

    def add_slot(self) -> Slot:
        """Append a slot for a connection that was opened; it counts as connected."""
        slot = Slot(len(self.slots), self.max_streams, self._ids)
        slot.connected = True
        self.slots.append(slot)
        return slot

    def clear(self) -> list[Slot]:
        """Take out all slots; request ids go on (BN-S-33, BN-S-35)."""
        slots, self.slots = self.slots, []
        self._owner.clear()
        return slots

    def spare(self, slot: Slot) -> Slot:
        """Return a new slot with the same place and streams, for a second connection."""
        spare = Slot(slot.index, slot.limit, self._ids)
        spare.streams = dict(slot.streams)
        for name in spare.streams:
            spare.state.mark_subscribe(name)
        return spare

    def install(self, spare: Slot) -> None:
        """Put a spare slot in place of the one it was made from."""
        self.slots[spare.index] = spare
        for name in spare.streams:
            self._owner[name] = spare

    # ---- subscribe ----------------------------------------------------------------------------

    def new_names(self, streams: Iterable[str]) -> list[str]:
        """Return the names nobody holds, first occurrence only (BN-S-40, BN-S-41)."""
        owner = self._owner
        return [name for name in dict.fromkeys(streams) if name not in owner]

    def needs_slot(self, count: int) -> bool:
        """Whether a connection should be opened to place `count` more streams (BN-S-43)."""
        if len(self.slots) >= self.max_connections:
            return False
        return sum(slot.free for slot in self.slots) < count

    def stage(self, names: Iterable[str]) -> list[Batch]:
        """Choose a slot for each new name: the first with room, in slot order (BN-S-47).

        A name whose unsubscribe is not answered yet goes back to its slot if there is room:
        elsewhere it would be served twice for a while. Nothing is changed. Raises `ClientError`
        when one has no room (BN-S-48).
        """
        free = {slot.index: slot.free for slot in self.slots}
        parts: dict[int, list[str]] = {}
        ending = self._ending()
        rest = []
        for name in names:
            slot = ending.get(name)
            if slot is not None and free[slot.index]:
                free[slot.index] -= 1
                parts.setdefault(slot.index, []).append(name)
            else:
                rest.append(name)
        start = 0
        for index, room in free.items():
            if start >= len(rest):
                break
            if part := rest[start : start + room]:
                parts.setdefault(index, []).extend(part)
                start += len(part)
        if start < len(rest):
            raise self.exhausted()
        return [Batch(self.slots[index], tuple(part)) for index, part in parts.items()]

    def _ending(self) -> dict[str, Slot]:
        """Return the slots of names that were unsubscribed and may still be served."""
        return {name: slot for slot in self.slots for name in slot.state.pending_unsubscribe}

    def exhausted(self) -> ClientError:
        """Return the error of a pool without room (BN-S-48, BN-L-08)."""
        return ClientError(
            f"Pool exhausted: {self.capacity} total subscriptions "
            f"({self.max_connections} connections x {self.max_streams} streams)"
        )

    def subscribe(self, batch: Batch) -> list[Command]:
        """Assign a batch and queue its commands."""
        commands = batch.slot.subscribe(batch.names)
        for name in batch.names:
            self._owner[name] = batch.slot
        return commands

    # ---- unsubscribe --------------------------------------------------------------------------

    def stage_unsubscribe(self, streams: Iterable[str]) -> list[Batch]:
        """Group known names by the slot that holds them, in order of appearance (BN-S-61)."""
        groups: dict[int, list[str]] = {}
        for name in dict.fromkeys(streams):
            slot = self._owner.get(name)
            if slot is not None:
                groups.setdefault(slot.index, []).append(name)
        return [Batch(self.slots[index], tuple(names)) for index, names in groups.items()]

    def unsubscribe(self, batch: Batch) -> list[Command]:
        """Free the places of a batch and queue its commands."""
        commands = batch.slot.unsubscribe(batch.names)
        for name in batch.names:
            self._owner.pop(name, None)
        return commands

    # ---- what comes back ----------------------------------------------------------------------

    def on_reply(self, slot: Slot, reply: Reply) -> list[StreamOutcome]:
        """Apply a reply; refused streams lose their place and may be asked for again."""
        outcomes = slot.on_reply(reply)
        for each in outcomes:
            if each.outcome is Outcome.REFUSED and self._owner.get(each.name) is slot:
                del self._owner[each.name]
        return outcomes
