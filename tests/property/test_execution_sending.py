"""Nonces, line and table of answers together, against a venue that counts strictly."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.execution.inflight import Answer, InFlight, Pending
from connectors.execution.nonces import (
    ClockNonces,
    CountingNonces,
    Nonce,
    NonceUnavailable,
)
from connectors.execution.sequence import SendLine, Turn, TurnState

LANE = "sendtx"


@dataclass
class Venue:
    """Takes exactly the next nonce; refuses some of those without consuming them."""

    rng: random.Random
    next: int = 1000
    executed: list[int] = field(default_factory=list)

    def receive(self, nonce: int) -> int:
        """Return a code: accepted, refused for its nonce, or refused for itself."""
        if nonce != self.next:
            return 21104
        if self.rng.random() < 0.1:
            return 21702
        self.next += 1
        self.executed.append(nonce)
        return 200


class Client:
    """A sender as small as it can be, on an unreliable wire."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.venue = Venue(self.rng)
        self.nonces = CountingNonces(window=16)
        self.flight: InFlight[Nonce] = InFlight()
        self.epoch = 1
        self.answers: list[tuple[Answer, int]] = []
        self.wire: list[Nonce] = []
        self.outcome: dict[Nonce, str] = {}
        self.refreshes_in_a_row = 0

    def send(self) -> None:
        try:
            nonce = self.nonces.allocate()
        except NonceUnavailable:
            return
        self.refreshes_in_a_row = 0
        named = self.rng.random() < 0.7
        self.flight.add(
            Pending(
                nonce,
                id=str(id(nonce)) if named else None,
                lane=LANE,
                epoch=self.epoch,
                timeout_ns=50,
            )
        )
        self.wire.append(nonce)

    def step(self) -> None:
        match self.rng.randrange(6):
            case 0 | 1:
                self.send()
            case 2 | 3 if self.wire:
                self.venue_reads()
            case 4 if self.answers:
                self.client_reads()
            case 5 if self.rng.random() < 0.1:
                self.lose_connection()
        self.refresh_if_due()

    def venue_reads(self) -> None:
        nonce = self.wire.pop(0)
        code = self.venue.receive(nonce.value)
        by_id = next((p.id for p in self.flight if p.item is nonce), None)
        self.answers.append((Answer(self.epoch, id=by_id, lane=LANE, code=code), code))

    def client_reads(self) -> None:
        answer, code = self.answers.pop(0)
        pending = self.flight.match(answer, 0).pending
        if pending is None:
            return
        nonce = pending.item
        assert nonce not in self.outcome, "settled twice"
        if code == 200:
            self.outcome[nonce] = "accepted"
            self.nonces.accepted(nonce)
        else:
            self.outcome[nonce] = "refused"
            self.nonces.refused(nonce, resync=code == 21104)

    def lose_connection(self) -> None:
        """Part of what is on the wire arrives, none of the answers does."""
        for _ in range(self.rng.randint(0, len(self.wire))):
            self.venue.receive(self.wire.pop(0).value)
        for pending in self.flight.connection_lost(self.epoch):
            self.outcome[pending.item] = "unknown"
            self.nonces.unknown(pending.item)
        self.wire.clear()
        if self.rng.random() < 0.5:
            self.answers.clear()
        self.epoch += 1
        self.nonces.reset()
        self.refreshes_in_a_row = 0

    def refresh_if_due(self) -> None:
        if self.nonces.refresh_due and self.rng.random() < 0.5:
            token = self.nonces.begin_refresh()
            assert token is not None
            self.nonces.finish_refresh(token, self.venue.next)
            self.refreshes_in_a_row += 1
            assert self.refreshes_in_a_row <= 1, "one refresh settles it"

    def drain(self) -> None:
        while self.wire or self.answers:
            if self.wire:
                self.venue_reads()
            if self.answers:
                self.client_reads()


@settings(max_examples=300, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_a_client_that_counts_stays_in_step_or_comes_back(seed: int) -> None:
    client = Client(seed)
    for _ in range(150):
        client.step()
    client.drain()
    accepted = sorted(n.value for n, what in client.outcome.items() if what == "accepted")
    assert len(accepted) == len(set(accepted))
    assert set(accepted) <= set(client.venue.executed)
    assert client.venue.executed == sorted(set(client.venue.executed))
    for nonce, what in client.outcome.items():
        if what == "refused" and nonce.value in client.venue.executed:
            # The number was executed by another transaction: that one's answer says so.
            assert any(
                other.value == nonce.value and other is not nonce and said != "refused"
                for other, said in client.outcome.items()
            )
    # In step again: after at most one refresh the next one is what the venue wants.
    while client.nonces.refresh_due:
        token = client.nonces.begin_refresh()
        assert token is not None
        client.nonces.finish_refresh(token, client.venue.next)
    assert client.nonces.outstanding == 0
    assert client.nonces.allocate().value == client.venue.next
    assert client.nonces.foreign == 0


@settings(max_examples=200, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_the_line_keeps_its_order_whatever_happens_in_it(seed: int) -> None:
    rng = random.Random(seed)
    line = SendLine()
    entered: list[int] = []
    started: list[int] = []
    turns: dict[int, Turn] = {}

    def start(turn: Turn) -> None:
        assert line.active is turn
        started.append(turn.tag)
        if rng.random() < 0.5:
            turn.release()  # a socket: in the same call

    for number in range(60):
        match rng.randrange(5):
            case 0 | 1:
                entered.append(number)
                turns[number] = line.enter(start, tag=number)
            case 2 if turns:
                turns[rng.choice(list(turns))].release()
            case 3:
                line.pause("x")
            case 4:
                line.resume("x")
    line.resume("x")
    while line.active is not None:
        line.active.release()
    assert line.is_free
    assert started == sorted(started)
    dropped = [number for number, turn in turns.items() if turn.state is TurnState.DROPPED]
    assert sorted(started + dropped) == entered


@settings(max_examples=100, deadline=None)
@given(steps=st.lists(st.integers(-5_000, 5_000), max_size=50))
def test_clock_nonces_increase_over_any_clock(steps: list[int]) -> None:
    now = [1_700_000_000_000]
    nonces = ClockNonces(lambda: now[0] * 1_000_000)
    given_out = []
    for step in steps:
        now[0] += step
        given_out += [nonces.allocate().value for _ in range(3)]
        assert given_out[-1] >= now[0]
    assert given_out == sorted(set(given_out))
