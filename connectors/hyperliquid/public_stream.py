"""One connection for public data: its session, its channels, what comes in."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import orjson

from .._speedups.hyperliquid import HyperliquidDecoder
from ..data.channel_stream import ChannelStream, StreamOwner
from ..data.control import Command, Method
from ..data.dispatch import Dispatch
from ..net.attempts import AttemptBudget
from ..net.endpoint import Endpoint
from ..net.policy import SessionPolicy
from ..net.session import Session
from ..net.session_events import Closed, Lost
from .channels import Channel, ChannelKind
from .config import Config
from .control import Control
from .limits import MESSAGE, IpLimits
from .wire import session_policy

__all__ = ["PublicStream"]

ABNORMAL = 1006


class PublicStream(ChannelStream):
    """A connection and its channels.

    Parameters
    ----------
    owner : StreamOwner
    name : str
        For logs and events: `hyperliquid/public/0`.
    config : Config
    dispatch : Dispatch
        Where the events of this connection go: two forms of a book look alike in their frames,
        so each connection has a dispatch of its own.
    decoder_factory : callable
        Makes the decoder, which reports to `on_control` and `on_problem` here.
    limit : int
        Channels it may carry.
    limits : IpLimits
        Of messages and new connections.
    policy : SessionPolicy, optional
        By default that of `wire.session_policy`.
    """

    def __init__(
        self,
        owner: StreamOwner,
        name: str,
        config: Config,
        *,
        dispatch: Dispatch,
        decoder_factory: Callable[[PublicStream], HyperliquidDecoder],
        limit: int,
        limits: IpLimits,
        attempts: AttemptBudget | None = None,
        policy: SessionPolicy | None = None,
    ) -> None:
        self.channels = Control(limit=limit)
        super().__init__(owner, name, control=self.channels, key=MESSAGE)
        self.dispatch = dispatch
        self.decoder = decoder_factory(self)
        self.session = Session(
            name,
            Endpoint(url=config.endpoints.ws, proxy=config.proxy),
            self.decoder,
            self._on_event,
            policy=policy or session_policy(config),
            limiter=limits.limiter,
            attempts=attempts if attempts is not None else limits.attempts,
        )

    def _leaving(self, command: Command) -> None:
        channel = Channel.parse(command.channel)
        if channel is None or channel.kind is not ChannelKind.TRADES:
            return
        if command.method is Method.SUBSCRIBE:
            # The first frame repeats trades of the last seconds.
            self.decoder.await_trades(channel.coin, time.time_ns() // 1_000_000)

    def _connected(self) -> None:
        self.channels.on_connected()
        self.pump()

    def _lost(self, event: Lost | Closed) -> None:
        if isinstance(event, Lost) and event.code == ABNORMAL:
            self._tell(self.channels.on_broken(asyncio.get_running_loop().time()))
        else:
            self.channels.on_lost()

    # -- frames in -------------------------------------------------------------------------

    def on_control(self, name: str, data: bytes) -> None:
        """Take a frame of the control protocol; for the decoder."""
        if not name or name == "pong":
            return  # a greeting in plain text, or life
        body = orjson.loads(data).get("data")
        if name == "subscriptionResponse" and isinstance(body, dict):
            outcomes = self.channels.on_response(body.get("method"), body.get("subscription"))
            if outcomes is None:
                self._unknown(name, data)
                return
            self._tell(outcomes)
            self.pump()
        elif name == "error":
            text = body if isinstance(body, str) else str(body)
            now = asyncio.get_running_loop().time()
            self._venue_error(None, text, self.channels.on_error(text, now))
        else:
            self._unknown(name, data)
