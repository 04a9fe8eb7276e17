"""One connection to the indexer: its session, its topics, its message ids, what comes in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

from .._speedups.dydx import DydxDecoder
from .._speedups.events import EventHandler, InstrumentBase
from .._speedups.symbols import SymbolTable
from ..data.channel_stream import ChannelStream, StreamOwner
from ..net.attempts import AttemptBudget
from ..net.endpoint import Endpoint
from ..net.policy import SessionPolicy
from ..net.session import Session
from .channels import Channel
from .config import Config
from .control import Control
from .message_ids import Late, MessageIds
from .wire import error_text, read_error, session_policy

__all__ = ["GapOwner", "PublicStream"]


# Of a frame: type, channel, id, message id, and the frame.
FrameCallback = Callable[[str, str, str, int, bytes], object]


class GapOwner(StreamOwner, Protocol):
    """What a connection tells besides."""

    def on_gap(self, stream: Any, lost: int) -> None:
        """So many frames never came, of whatever topics; -1: another server answers now."""

    def on_topic_gap(self, stream: Any, channel: Channel, reason: str) -> None:
        """Frames of one topic are missing."""


class PublicStream(ChannelStream):
    """A connection and its topics.

    Parameters
    ----------
    owner : GapOwner
    name : str
        For logs and events: `dydx/public/0`.
    config : Config
    decoder_factory : callable
        Makes the decoder, with `make_decoder`.
    policy : SessionPolicy, optional
        By default `session_policy(config)`.
    """

    session: Session

    def __init__(
        self,
        owner: GapOwner,
        name: str,
        config: Config,
        *,
        decoder_factory: Callable[[PublicStream], DydxDecoder],
        attempts: AttemptBudget | None = None,
        policy: SessionPolicy | None = None,
    ) -> None:
        self.channels = Control(
            per_channel=config.per_channel_limit,
            batched=config.batched,
            window_s=config.subscribe_window_s,
            answer_timeout_s=config.subscribe_timeout_s,
        )
        super().__init__(owner, name, control=self.channels, key="")
        self.ids = MessageIds()
        self._gap_owner = owner
        self.decoder = decoder_factory(self)
        self.session = Session(
            name,
            Endpoint(url=config.endpoints.ws, proxy=config.proxy),
            self.decoder,
            self._on_event,
            policy=policy or session_policy(config),
            attempts=attempts,
        )

    def make_decoder(
        self,
        symbols: SymbolTable,
        handler: EventHandler | None = None,
        *,
        on_data: FrameCallback,
        on_control: FrameCallback | None = None,
        on_unknown_market: Callable[[str], object] | None = None,
        on_off_scale: Callable[[InstrumentBase], object] | None = None,
    ) -> DydxDecoder:
        """Return a decoder that reports what is about the connection here.

        `on_control` in place of ours, which it must call.
        """
        return DydxDecoder(
            symbols,
            handler,
            on_control=on_control if on_control is not None else self.on_control,
            on_data=on_data,
            on_id=self.on_id,
            on_lost=self.on_lost_update,
            on_problem=self.on_problem,
            on_unknown_market=on_unknown_market,
            on_off_scale=on_off_scale,
        )

    def _connected(self) -> None:
        self.ids.reset()
        self.channels.on_connected()
        self.pump()

    # -- frames in -------------------------------------------------------------------------

    def on_control(self, kind: str, channel: str, identity: str, number: int, data: bytes) -> None:
        """Take a frame of the control protocol; for the decoder."""
        if kind == "connected":
            return
        if kind == "error":
            self._on_error(channel, identity, number, data)
            return
        topic = Channel.of(channel, identity)
        if topic is None or kind not in ("subscribed", "unsubscribed"):
            self._unknown(kind, data)
            return
        if kind == "subscribed":
            self._tell(self.channels.on_subscribed(topic.name))
        else:
            self._tell(self.channels.on_unsubscribed(topic.name))
        self._settle()
        self.pump()

    def _on_error(self, channel: str, identity: str, number: int, data: bytes) -> None:
        text = error_text(data)
        error = read_error(text, channel, identity)
        if error.took_id and number >= 0:
            self.decoder.count_id(number)
        now = asyncio.get_running_loop().time()
        self._venue_error(None, text, self.channels.on_error(error, text, now))
        self._settle()

    # -- message ids -----------------------------------------------------------------------

    def on_id(self, number: int, expected: int, kind: str, channel: str, identity: str) -> None:
        """Take note of a frame that is not the successor of the one before; for the decoder."""
        if expected < 0:
            self.ids.reset()
            self._gap_owner.on_gap(self, -1)
            return
        if number > expected:
            self.ids.skipped(expected, number)
        elif self.ids.late(number, is_data=kind.startswith("channel_")) is Late.REGRESSION:
            topic = Channel.of(channel, identity)
            if topic is not None:
                self._gap_owner.on_topic_gap(self, topic, "message ids went back")
        self._settle()

    def on_lost_update(self, channel: str, identity: str, number: int) -> None:
        """Take note of a frame of a topic that did not decode; for the decoder."""
        topic = Channel.of(channel, identity)
        if topic is not None:
            self._gap_owner.on_topic_gap(self, topic, "an update did not decode")

    def _settle(self) -> None:
        lost = self.ids.settle(self.channels.unanswered)
        if lost:
            self._gap_owner.on_gap(self, lost)
