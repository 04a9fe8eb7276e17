"""The account's WebSocket: connection, greeting, subscriptions, tokens, and when it is ready.

Five streams tell the state of the account; the account counts as known once each of them has sent
a first frame that could be read. A sixth, `account_tx`, tells what became of each transaction; it
is wanted but not waited for (sections 6.5 to 6.9 and 10 of the venue's rules).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any, Protocol

from .._speedups.lighter import AccountFrame, AccountHandler, Ack, LighterDecoder
from .._speedups.symbols import SymbolTable
from ..errors import (
    ClientError,
    ConnectorError,
    DecodeError,
    TransportError,
    VenueError,
)
from ..execution.private import GatedStream, LinkOwner
from ..net.attempts import AttemptBudget
from ..net.backoff import BackoffPolicy
from ..net.clock import NS_PER_S, Clock
from ..net.endpoint import Endpoint
from ..net.policy import Heartbeat, SessionPolicy
from ..net.ratelimit import Quota, RateLimiter
from ..net.session import Session
from .config import VENUE, Config
from .public_stream import CONTROL_KEY, FIREWALL, control_limiter
from .tokens import Rotation, Tokens
from .wire import (
    PONG,
    ControlKind,
    Frame,
    ack_frame,
    channel_name,
    error_channel,
    parse,
    subscribe_frame,
    unsubscribe_frame,
)

__all__ = ["GATE_STREAMS", "PrivateStream", "StreamOwner"]

log = logging.getLogger("connectors.lighter")

# Stream -> its name in texts, in the order in which they are asked for.
GATE_STREAMS = {
    "account_all_orders": "orders",
    "account_all_trades": "trades",
    "account_all_positions": "positions",
    "account_all_assets": "assets",
    "user_stats": "user_stats",
}
TX_STREAM = "account_tx"
GREETING_TIMEOUT_S = 10.0
CONTROL_WAIT_S = 60.0  # the limit of control frames comes free within a minute
RETRY_SUBSCRIBE_S = 1.0
SHUTDOWN_MARGIN_S = 0.5
SHUTDOWN_GRACE_S = 2.0
STAGGER_S = 0.05
TOO_FAST = frozenset({30009, 30010})
ALREADY_SUBSCRIBED, NOT_SUBSCRIBED, BAD_CHANNEL, BAD_PARAMETER = 30003, 30002, 30005, 20001
MS = 1_000


class StreamOwner(LinkOwner, Protocol):
    """Whom the stream tells what comes in; everything synchronously."""

    def on_rows(self, stream: str, frame: AccountFrame) -> None:
        """Rows of orders, trades or positions."""

    def on_snapshot(self, stream: str) -> None:
        """The rows before this call were the first of a subscription."""

    def on_stream(self, frame: Frame) -> None:
        """Data of another stream; DecodeError if nothing of it could be used."""

    def on_answer(self, frame: Frame) -> bool:
        """An answer or error frame; False if it belongs to no transaction."""

    def on_stop_sending(self) -> None:
        """The venue is about to close the connection."""


class _Account(AccountHandler):
    """Hands on what the decoder reads itself: rows of the busy streams, and answers."""

    def __init__(self, stream: PrivateStream) -> None:
        self._on_rows = stream.on_rows
        self._on_frame = stream.on_frame

    def on_orders(self, frame: AccountFrame) -> None:
        self._on_rows(frame)

    def on_trades(self, frame: AccountFrame) -> None:
        self._on_rows(frame)

    def on_positions(self, frame: AccountFrame) -> None:
        self._on_rows(frame)

    def on_ack(self, ack: Ack) -> None:
        self._on_frame(ack_frame(ack))


class PrivateStream(GatedStream):
    """The connection of one account.

    Attributes
    ----------
    account : AccountHandler
        Where the decoder hands its rows and answers.
    unknown_frames, foreign_channels :
        Counters: frames of a type we do not know, account frames that name another account
        (they are taken by their type).
    """

    def __init__(
        self,
        owner: StreamOwner,
        *,
        config: Config,
        tokens: Tokens,
        account_index: int,
        clock: Clock,
        attempts: AttemptBudget | None = None,
    ) -> None:
        super().__init__(
            VENUE,
            owner,
            gates=GATE_STREAMS,
            timeout_s=config.readiness_timeout_s,
            warning_s=config.readiness_warning_s,
        )
        self._owner = owner
        self._tokens = tokens
        self._account = str(account_index)
        self._account_index = account_index
        self._clock = clock
        self._channels: dict[str, bool] = {}  # wanted -> confirmed, in the order asked for
        self._retried: set[str] = set()  # got a second token already
        self._renewing: set[str] = set()  # ended and asked for again, with a new token
        self._greeted: asyncio.Future[None] | None = None
        self._rotation = Rotation(config.token_refresh_s, clock.monotonic_ns())
        self.unknown_frames = 0
        self.foreign_channels = 0
        self._limiter = _limiter(config)
        self.account = _Account(self)
        self.session = Session(
            f"lighter/private/{account_index}",
            Endpoint(url=config.endpoints.stream, proxy=config.proxy),
            LighterDecoder(
                SymbolTable(),
                account=self.account,
                on_control=self._on_cold,
                on_venue_event=self._on_cold,
                on_problem=self._on_bad,
            ),
            self._on_event,
            policy=session_policy(config),
            limiter=self._limiter,
            attempts=attempts,
        )

    # -- opening and closing -----------------------------------------------------------

    async def open(self) -> None:
        """Connect, subscribe, and wait until every gate stream has sent its state."""
        self._channels = {f"{name}/{self._account}": False for name in GATE_STREAMS}
        await super().open()
        self._channels[f"{TX_STREAM}/{self._account}"] = False
        await self._subscribe([f"{TX_STREAM}/{self._account}"], self.session.epoch)
        self._arm_rotation()

    # -- subscribing -------------------------------------------------------------------

    def watch(self, channel: str) -> None:
        """Want one more channel (`ticker/0`), now and after every reconnect."""
        if channel not in self._channels:
            self._channels[channel] = False
            if self.session.is_ready:
                self._spawn(self._subscribe([channel], self.session.epoch), "subscribe")

    async def _subscribe(self, channels: list[str], epoch: int, *, fresh: bool = False) -> None:
        """Ask for channels on one connection; if that is lost, the next one asks for all."""
        try:
            token = self._tokens.fresh() if fresh else self._tokens.current()
            for channel in channels:
                auth = token if self._is_private(channel) else None
                await self.session.send_wait(
                    subscribe_frame(channel, auth),
                    key=CONTROL_KEY,
                    epoch=epoch,
                    timeout_s=CONTROL_WAIT_S,
                )
        except (ClientError, TransportError) as error:
            if self.session.epoch == epoch and self.session.is_connected and not self._closing:
                log.warning("venue=LIGHTER subscribing failed: %s", error)
                self.session.reconnect("subscriptions could not be sent")

    def _is_private(self, channel: str) -> bool:
        return channel.partition("/")[0] in GATE_STREAMS or channel.startswith(f"{TX_STREAM}/")

    def _unconfirmed(self) -> list[str]:
        return [channel for channel, confirmed in self._channels.items() if not confirmed]

    # -- tokens ------------------------------------------------------------------------

    def _arm_rotation(self) -> None:
        due_ns = self._rotation.due_ns
        if due_ns is None:
            self._owner.on_problem("auth token could not be renewed for an hour", None, None)
            return
        delay_s = max(0.0, (due_ns - self._clock.monotonic_ns()) / NS_PER_S)
        self._later(delay_s, self.rotate)

    def rotate(self) -> None:
        """Give every private stream a new token."""
        now_ns = self._clock.monotonic_ns()
        try:
            self._tokens.fresh()
        except Exception as error:  # noqa: BLE001 - whatever the signer raises: try again
            log.warning("venue=LIGHTER no new auth token: %s", type(error).__name__)
            self._rotation.failed(now_ns)
            self._arm_rotation()
            return
        self._rotation.done(now_ns)
        if self.session.is_ready:
            private = [channel for channel in self._channels if self._is_private(channel)]
            for channel in private:
                self._channels[channel] = False
            epoch = self.session.epoch
            self._spawn(self._subscribe(private, epoch), "rotate")
            wait_s = self._timeout_s + CONTROL_WAIT_S
            self._later(wait_s, lambda: self._check_renewed(private, epoch))
        self._arm_rotation()

    def _check_renewed(self, channels: list[str], epoch: int) -> None:
        """Replace a connection that did not take the new token: the old one runs out."""
        silent = [c for c in channels if c in self._renewing or not self._channels.get(c, True)]
        if silent and self.session.epoch == epoch:
            names = ", ".join(channel.partition("/")[0] for channel in silent)
            self.session.reconnect(f"no answer to a new auth token of {names}")

    async def _renew(self, channel: str, epoch: int) -> None:
        """The venue keeps the old subscription with its old token: end it and ask anew."""
        self._renewing.add(channel)
        await asyncio.sleep(STAGGER_S * list(self._channels).index(channel))
        with contextlib.suppress(ClientError, TransportError):
            await self.session.send_wait(unsubscribe_frame(channel), key=CONTROL_KEY, epoch=epoch)
        await self._subscribe([channel], epoch)

    # -- the session -------------------------------------------------------------------

    def _on_connected(self) -> None:
        self._greeted = asyncio.get_running_loop().create_future()

    def _on_lost(self) -> None:
        self._channels = dict.fromkeys(self._channels, False)
        self._retried.clear()
        self._renewing.clear()

    async def _establish(self, epoch: int, *, is_reconnect: bool) -> None:
        """Wait for the greeting, then ask for everything; replaced if the streams stay silent."""
        greeted = self._greeted
        assert greeted is not None
        await asyncio.wait([greeted], timeout=GREETING_TIMEOUT_S)
        if not self._is_current(epoch):
            return
        if not greeted.done():
            self.session.reconnect(f"no greeting within {GREETING_TIMEOUT_S:g} s")
            return
        self.session.mark_ready()
        await self._subscribe(list(self._channels), epoch, fresh=is_reconnect)
        if not self._is_current(epoch):
            return
        self._owner.on_link_up(is_reconnect=is_reconnect)
        if is_reconnect and self._rotation.due_ns is None:
            self._rotation.done(self._clock.monotonic_ns())  # had been given up; this one is new
            self._arm_rotation()
        if is_reconnect:
            await self._expect_gates(epoch)

    # -- frames ------------------------------------------------------------------------

    def _on_cold(self, name: str, channel: str, data: bytes) -> None:
        """Take a frame that the decoder leaves to us."""
        self.on_frame(parse(data))

    def _on_bad(self, error: DecodeError, data: bytes) -> None:
        """A frame, or a row of one, did not decode."""
        self.bad_frames += 1
        self._owner.on_problem(f"not used: {error}", None, error)

    def on_rows(self, frame: AccountFrame) -> None:
        """Take rows of a busy stream."""
        stream = frame.stream
        if frame.account_index != self._account_index and stream in GATE_STREAMS:
            self.foreign_channels += 1
        self._owner.on_rows(stream, frame)
        if frame.is_snapshot:
            self._owner.on_snapshot(stream)
        if self._missing or frame.is_snapshot:
            self._confirm(frame.channel)
            self._spoke(stream)

    def on_frame(self, frame: Frame) -> None:
        """Take any other frame."""
        kind = frame.kind
        if kind is ControlKind.STREAM:
            self._on_stream(frame)
        elif kind is ControlKind.ANSWER:
            if not self._owner.on_answer(frame):
                log.debug("venue=LIGHTER answer to nothing: code=%s", frame.code)
        elif kind is ControlKind.ERROR:
            self._on_error(frame)
        elif kind is ControlKind.PING:
            self._pong()
        elif kind is ControlKind.CONNECTED:
            if self._greeted is not None and not self._greeted.done():
                self._greeted.set_result(None)
        elif kind is ControlKind.SHUTDOWN:
            self._on_shutdown(frame.body.get("close_in_ms"))
        elif kind is ControlKind.SUBSCRIBED:
            self._confirm(frame.body.get("channel"))
        elif kind is ControlKind.UNKNOWN:
            self.unknown_frames += 1
            log.debug("venue=LIGHTER frame of unknown type %r", frame.body.get("type"))

    def _on_stream(self, frame: Frame) -> None:
        channel = frame.body.get("channel")
        if frame.is_snapshot or self._missing:  # an update may be of an older subscription
            self._confirm(channel)
        if frame.stream in GATE_STREAMS and isinstance(channel, str):
            named = channel_name(channel).rpartition("/")[2]
            if named != self._account:
                self.foreign_channels += 1
        self._owner.on_stream(frame)
        self._spoke(frame.stream)

    def _confirm(self, channel: Any) -> None:
        if isinstance(channel, str):
            name = channel_name(channel)
            if name in self._channels:
                self._channels[name] = True
                self._renewing.discard(name)

    def _pong(self) -> None:
        try:
            self.session.send(PONG)
        except ConnectorError as error:
            log.debug("venue=LIGHTER pong not sent: %s", error)

    def _on_shutdown(self, close_in_ms: Any) -> None:
        in_s = close_in_ms / MS if isinstance(close_in_ms, int | float) else 0.0
        epoch = self.session.epoch
        log.info("venue=LIGHTER the venue will close the connection in %.1f s", in_s)

        def stop() -> None:
            if self.session.epoch == epoch:
                self._owner.on_stop_sending()

        def replace() -> None:
            if self.session.epoch == epoch:
                self.session.reconnect("the venue announced the end and did not close")

        self._later(max(0.0, in_s - SHUTDOWN_MARGIN_S), stop)
        self._later(in_s + SHUTDOWN_GRACE_S, replace)

    # -- refusals ----------------------------------------------------------------------

    def _on_error(self, frame: Frame) -> None:
        """An error may be about a subscription, a transaction, or nothing we know."""
        code = frame.code
        channel = error_channel(frame.message)
        if channel is not None and channel in self._channels:
            self._on_refusal(channel, code, frame.message)
        elif code in TOO_FAST:
            log.warning("venue=LIGHTER too many messages (%s): asking again", code)
            self._later(RETRY_SUBSCRIBE_S, self._ask_again)
        elif self._owner.on_answer(frame):
            return
        elif code == BAD_CHANNEL and len(waiting := self._unconfirmed()) == 1:
            self._refuse(waiting[0], code, frame.message)
        elif code == BAD_PARAMETER and self._gate is not None and self._missing:
            self._fail_gate(VenueError(code or 0, frame.message))
        else:
            self._owner.on_problem(frame.message or "error frame", code, None)

    def _on_refusal(self, channel: str, code: int | None, message: str) -> None:
        epoch = self.session.epoch
        if code == ALREADY_SUBSCRIBED:
            was_confirmed, self._channels[channel] = self._channels[channel], True
            if not was_confirmed and not self._missing and self._is_private(channel):
                self._spawn(self._renew(channel, epoch), "renew")
        elif code == NOT_SUBSCRIBED:
            self._channels[channel] = False
        elif code in TOO_FAST:
            self._later(RETRY_SUBSCRIBE_S, self._ask_again)
        elif code == BAD_PARAMETER and channel not in self._retried and self._gate is None:
            self._retried.add(channel)
            self._spawn(self._subscribe([channel], epoch, fresh=True), "new-token")
        else:
            self._refuse(channel, code, message)

    def _refuse(self, channel: str, code: int | None, message: str) -> None:
        stream = channel.partition("/")[0]
        if stream in GATE_STREAMS and self._gate is not None:
            self._fail_gate(VenueError(code or 0, message))
            return
        if stream not in GATE_STREAMS:
            self._channels.pop(channel, None)
        self._owner.on_refused(channel, code, message)
        if stream in GATE_STREAMS:  # without it the account would be traded blind
            self.session.reconnect(f"stream {stream} was refused: {message}")

    def _ask_again(self) -> None:
        if self.session.is_ready:
            waiting = self._unconfirmed()
            self._spawn(self._subscribe(waiting, self.session.epoch), "ask-again")


def _limiter(config: Config) -> RateLimiter:
    own = config.control_frames_per_min
    if own is None:
        return control_limiter(config.endpoints.stream)
    return RateLimiter({CONTROL_KEY: Quota(own, 60.0, burst=max(own // 4, 1))})


def session_policy(config: Config) -> SessionPolicy:
    """Return how the private connection is kept (section 21 of the venue's rules)."""
    return SessionPolicy(
        attempt_timeout_s=config.ws_timeout_s,
        backoff=BackoffPolicy(
            initial_s=config.reconnect_min_s,
            maximum_s=config.reconnect_max_s,
            factor=2.0,
            jitter_amount=min(0.2, config.reconnect_min_s),
            immediate_first=False,
        ),
        stable_after_s=10.0,
        silence_timeout_s=config.idle_timeout_s,
        heartbeat=Heartbeat(
            interval_s=config.heartbeat_s,
            reply_timeout_s=min(config.heartbeat_s, config.idle_timeout_s),
        ),
        refused_statuses=FIREWALL,
        ready_on_connect=False,
    )
