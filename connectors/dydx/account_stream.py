"""The account's connection: its topic and the blocks, on one socket (DX-O-02, DX-N-05).

What is asked for, at what pace, and what errors mean is the public stream's business; here is when
the connection may be used, and what the two topics bring.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Protocol

import orjson

from .._speedups.dydx import DydxDecoder
from .._speedups.symbols import SymbolTable
from ..data.control import ChannelOutcome
from ..errors import DecodeError, VenueError
from ..execution.private import GatedStream, LinkOwner
from ..model.status_events import StreamState
from ..net.attempts import AttemptBudget
from ..net.session_events import SessionEvent
from .channels import Channel, ChannelKind
from .config import VENUE, Config
from .members import Members
from .public_stream import PublicStream

__all__ = ["AccountOwner", "AccountStream"]

WARNING_S = 5.0


class AccountOwner(LinkOwner, Protocol):
    """Whom the stream tells what comes in; everything synchronously.

    What is said of contents raises DecodeError if they cannot be used.
    """

    def on_snapshot(self, contents: Any) -> None:
        """What the account's subscription begins with."""

    def on_update(self, contents: Any, number: int | None) -> None:
        """A message, or a batch of them; `number` is the child it names."""

    def on_height(self, contents: Any) -> None:
        """A block."""

    def on_gap(self, why: str) -> None:
        """Messages of the account may be missing."""

    def venue_event(self, name: str, payload: bytes) -> None:
        """Something without a place in the vocabulary."""


class AccountStream(GatedStream):
    """The connection of one account; `open` returns when both topics have spoken."""

    def __init__(
        self,
        owner: AccountOwner,
        *,
        config: Config,
        members: Members,
        attempts: AttemptBudget | None = None,
    ) -> None:
        account = Channel.subaccount(members.address, members.number, parent=members.is_parent)
        self._account = account.name
        self._blocks = Channel(ChannelKind.BLOCK_HEIGHT).name
        super().__init__(
            VENUE,
            owner,
            gates={self._account: "the account", self._blocks: "block heights"},
            timeout_s=config.subscribe_timeout_s,
            warning_s=WARNING_S,
        )
        self._owner = owner
        self._stream = PublicStream(
            self,
            f"dydx/account/{members.topic}",
            # Batched, late trades would come behind the height that ends their order.
            config.with_changes(batched=frozenset()),
            decoder_factory=self._decoder,
            attempts=attempts,
        )
        self.session = self._stream.session
        self._settled = asyncio.Event()
        self._refusals: set[str] = set()
        for topic in self._gates:
            self._stream.subscribe(topic)

    def _decoder(self, stream: PublicStream) -> DydxDecoder:
        return stream.make_decoder(SymbolTable(), on_data=self._on_data)

    async def close(self) -> None:
        """End for good: no task, timer or socket is left."""
        try:
            await super().close()
        finally:
            await self._stream.close()

    # -- the connection ----------------------------------------------------------------

    @property
    def is_ready(self) -> bool:
        """Whether the connection is up and both topics are served on it."""
        return super().is_ready and self._refusals.isdisjoint(self._gates)

    def _on_connected(self) -> None:
        self._settled.clear()
        for topic in self._refusals:  # another connection may serve them
            self._stream.subscribe(topic)
        self._refusals.clear()

    async def _establish(self, epoch: int, *, is_reconnect: bool) -> None:
        """Tell the owner when both topics have spoken; where they do not, connect anew."""
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._settled.wait()
        except TimeoutError:
            if self._is_current(epoch):
                missing = ", ".join(self._missing.values())
                self.session.reconnect(f"no data of: {missing}")
            return
        if self._is_current(epoch):
            self._owner.on_link_up(is_reconnect=is_reconnect)

    def _spoke(self, stream: str) -> None:
        super()._spoke(stream)
        if not self._missing:
            self._settled.set()

    # -- what comes in -----------------------------------------------------------------

    def _on_data(self, kind: str, channel: str, identity: str, number: int, data: bytes) -> None:
        """Take contents of a topic; for the decoder."""
        topic = Channel.of(channel, identity)
        name = channel if topic is None else topic.name
        try:
            frame = orjson.loads(data)
            if name == self._blocks:
                self._owner.on_height(frame.get("contents"))
            elif name != self._account:
                self._owner.venue_event(name, data)
            elif kind == "subscribed":
                self._owner.on_snapshot(frame.get("contents"))
            else:
                child = frame.get("subaccountNumber")
                self._owner.on_update(frame.get("contents"), child if _is_number(child) else None)
        except (DecodeError, orjson.JSONDecodeError) as error:
            self.bad_frames += 1
            self._owner.on_problem(f"frame not used: {error}", None, error)
            self._owner.on_gap("a frame could not be read")
            return
        if kind == "subscribed":
            self._spoke(name)

    # -- what the public stream tells (GapOwner) -------------------------------------------

    def on_outcomes(self, stream: Any, outcomes: Sequence[ChannelOutcome]) -> None:
        """A topic is served, refused, or asked for again."""
        for outcome in outcomes:
            if outcome.state is StreamState.REFUSED:
                self._refused(outcome)
            elif outcome.state is StreamState.PENDING:
                self._owner.on_problem(f"{outcome.channel}: {outcome.message}", None, None)
                if outcome.channel not in self._missing and self.session.is_connected:
                    # What came while it was not served is in no snapshot: begin anew.
                    self.session.reconnect(f"{outcome.channel} was ended")

    def _refused(self, outcome: ChannelOutcome) -> None:
        """A topic will not come on this connection (an address that is blocked): do not wait."""
        if self._gate is not None and not self._gate.done():
            self._fail_gate(VenueError("subscription", outcome.message))
            return
        self._refusals.add(outcome.channel)
        self._spoke(outcome.channel)
        self._owner.on_refused(outcome.channel, outcome.code, outcome.message)

    def on_session_event(self, stream: Any, event: SessionEvent) -> None:
        """The session changed."""
        self._on_event(event)

    def on_venue_error(self, stream: Any, code: int | None, message: str) -> None:
        """An error that is about no topic."""
        self._owner.on_problem(message, code, None)

    def on_frame_problem(self, stream: Any, error: Exception) -> None:
        """A frame that did not decode: nobody knows what it said."""
        self.bad_frames += 1
        self._owner.on_problem(f"frame not used: {error}", None, error)
        self._owner.on_gap("a frame could not be read")

    def on_unknown_frame(self, stream: Any, name: str, data: bytes) -> None:
        """A frame of a type we do not know."""
        self._owner.venue_event(name or "unknown", data)

    def on_gap(self, stream: Any, lost: int) -> None:
        """Frames never came, or another server answers now (DX-W-06, DX-W-08)."""
        self._owner.on_gap("another server" if lost < 0 else f"{lost} frames are missing")

    def on_topic_gap(self, stream: Any, channel: Channel, reason: str) -> None:
        """Frames of one topic are missing."""
        self._owner.on_gap(reason)


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
