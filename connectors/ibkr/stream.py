"""The topics of one client on the one socket that all clients of a login share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..data.channel_stream import ChannelStream, StreamOwner
from ..data.control import ChannelOutcome, Command, Method
from ..errors import VenueError
from ..model import StreamState
from ..net.session_events import Closed, Connected, Lost, SessionState
from .control import Asked, TopicControl, topic_of
from .events import Failed, Gap, GreetedLate, KeeperEvent, KeeperState, Ready, words_of
from .wire import Message

if TYPE_CHECKING:
    from .keeper import SessionKeeper

__all__ = ["KeeperLink", "TopicStream"]

ABNORMAL = 1006


class KeeperLink:
    """What stands in for a connection of its own: a place among the keeper's streams."""

    def __init__(self, keeper: SessionKeeper, stream: TopicStream, rank: int) -> None:
        self._keeper = keeper
        self._stream = stream
        self._rank = rank

    @property
    def state(self) -> SessionState:
        """Live while the session is ready."""
        if self._keeper.is_ready:
            return SessionState.LIVE
        is_kept = self._keeper.is_open and self._keeper.state is not KeeperState.DOWN
        return SessionState.RECONNECTING if is_kept else SessionState.CLOSED

    @property
    def epoch(self) -> int:
        """How often the session became ready."""
        return self._keeper.epoch

    async def open(self, *, retry: bool = False, timeout_s: float | None = None) -> None:
        """Take part: from now on the stream is told; the keeper is opened by its clients."""
        self._keeper.attach(self._stream, rank=self._rank)

    async def close(self) -> None:
        """Take part no more; the cancel frames have left before, where that was possible."""
        self._keeper.detach(self._stream)

    def reconnect(self, reason: str) -> None:
        """Replace the keeper's socket."""
        self._keeper.reconnect(reason)

    def send(self, data: str | bytes, *, key: str | None = None) -> None:
        """Send a frame; ClientError while the session is not ready."""
        self._keeper.send(data)


class TopicStream(ChannelStream):
    """The topics that one client wants, on a keeper's socket.

    A channel's name is its subscribe frame; see `control`. The client opens the keeper itself.

    Parameters
    ----------
    owner : StreamOwner
    name : str
        For logs and events: `ibkr/market`.
    keeper : SessionKeeper
    rank : int
        Streams of a lower rank ask for their topics first.
    on_message : callable, optional
        `on_message(message, ts_init)` for each frame that the decoder leaves to Python, but
        heartbeats and the keeper's own.
    on_asked : callable, optional
        `on_asked(topic, why)` before a topic is asked for: its next frame is a full one.
    """

    def __init__(
        self,
        owner: StreamOwner,
        name: str,
        keeper: SessionKeeper,
        *,
        rank: int = 0,
        on_message: Callable[[Message, int], object] | None = None,
        on_asked: Callable[[str, Asked], object] | None = None,
    ) -> None:
        self.topics = TopicControl(
            keeper.config, is_shared=lambda topic: keeper.is_wanted(topic, besides=self)
        )
        super().__init__(owner, name, control=self.topics, key="")
        self._on_message = on_message
        self._on_asked = on_asked
        self._was_lost = False
        self.session = KeeperLink(keeper, self, rank)

    def no_room(self, channel: str) -> str | None:
        """Return why the venue would not serve one channel more, None if it would (P-11)."""
        return self.topics.no_room(channel)

    def subscribe(self, channel: str) -> None:
        """Want a channel; it is refused, a moment later, where the venue has no room for it."""
        reason = self.topics.no_room(channel)
        if reason is None:
            super().subscribe(channel)
        else:
            refused = ChannelOutcome(channel, StreamState.REFUSED, None, reason)
            asyncio.get_running_loop().call_soon(self._tell, [refused])

    def wants(self, topic: str) -> bool:
        """Tell whether the client wants a topic; for the keeper."""
        return self.topics.wants(topic)

    def heard(self, topic: str) -> None:
        """A topic spoke, in a frame that the decoder did not leave to Python."""
        outcomes = self.topics.heard(topic)
        if outcomes:
            self._tell(outcomes)

    # -- what the keeper tells ---------------------------------------------------------------

    def on_message(self, message: Message, ts_init: int) -> None:
        """Take a frame; for the keeper."""
        topic = message.topic
        if topic:
            if topic.startswith("smh+") and isinstance(message.payload, dict):
                server_id = message.payload.get("serverId")
                if isinstance(server_id, str):
                    self.topics.note_server_id(topic, server_id)
                    self.pump()
            self.heard(topic)
        if self._on_message is not None:
            self._on_message(message, ts_init)

    def on_keeper_event(self, event: KeeperEvent) -> None:
        """Take what happened to the session; for the keeper."""
        if isinstance(event, Ready):
            was_lost, self._was_lost = self._was_lost, False
            self._on_event(Connected(event.epoch, was_lost, 1))
        elif isinstance(event, Gap):
            self._was_lost = True
            error = event.error or VenueError("session", event.reason)
            self._on_event(Lost(self.session.epoch, error, ABNORMAL, event.reason, False, 0.0))
        elif isinstance(event, GreetedLate):
            self.topics.ask_again()
            self.pump()
        elif isinstance(event, Failed):
            self._on_event(Closed(self.session.epoch, event.error))
        elif (words := words_of(event)) is not None:
            self._owner.on_venue_error(self, *words)

    # -- of the channels ---------------------------------------------------------------------

    def _connected(self) -> None:
        self.topics.on_connected()
        self.pump()

    def _leaving(self, command: Command) -> None:
        if command.method is Method.SUBSCRIBE and self._on_asked is not None:
            self._on_asked(topic_of(command.channel), self.topics.why(command))

    def _left(self, command: Command) -> None:
        if command.method is Method.SUBSCRIBE and self.topics.may_be_silent(command.channel):
            self._tell(self.topics.on_subscribed(command.channel))
