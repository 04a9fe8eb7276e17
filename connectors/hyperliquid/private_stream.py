"""The account's WebSocket: its subscriptions, when it is ready, and what comes in.

Three streams tell what becomes of orders; the connection may be used once the venue has confirmed
them (section 12.1). The others tell positions and balances; they are wanted but not waited for.

==================  ==========================  ==============================
stream              tells                       first frame
==================  ==========================  ==============================
orderUpdates        states of orders            none, nothing is replayed
userFills           fills                       the last ones
userEvents          fills, cancels of the       none
                    venue's own, funding
clearinghouseState  positions of a dex          all of it, as every frame
spotState           tokens                      all of it, as every frame
==================  ==========================  ==============================
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import orjson

from .._speedups.hyperliquid import HyperliquidDecoder, UserFrame, UserHandler
from .._speedups.symbols import SymbolTable
from ..errors import ClientError, DecodeError, TransportError, VenueError
from ..execution.private import GatedStream, LinkOwner
from ..net.attempts import AttemptBudget
from ..net.endpoint import Endpoint
from ..net.session import Session
from .config import VENUE, Config
from .limits import MESSAGE, IpLimits
from .wire import quoted, session_policy, subscribe_frame

__all__ = ["GATES", "PrivateStream", "StreamOwner", "UserRows"]

log = logging.getLogger("connectors.hyperliquid")

GATES = {"orderUpdates": "order updates", "userFills": "fills", "userEvents": "user events"}
SEND_WAIT_S = 60.0  # messages of a minute come back within it
ASK_AGAIN_S = 1.0
TOO_FAST = "cannot send more than"
TOO_MANY = ("cannot track more than", "cannot subscribe to more than")
CONFIRMED = ("already subscribed:",)
REFUSED = "invalid subscription"

Subscription = dict[str, Any]


class StreamOwner(LinkOwner, Protocol):
    """Whom the stream tells what comes in; everything synchronously."""

    def on_orders(self, frame: UserFrame) -> None:
        """Rows of orders."""

    def on_fills(self, frame: UserFrame) -> None:
        """Rows of fills."""

    def on_data(self, channel: str, data: Any) -> None:
        """Data of another channel; DecodeError if it cannot be used."""

    def on_post(self, data: Any, epoch: int) -> bool:
        """The answer to a command; False if it is none of ours."""

    def on_post_error(self, text: str, epoch: int) -> bool:
        """An error that may be about a command; False if it is not."""


class UserRows(UserHandler):
    """Hands on what the decoder reads itself."""

    def __init__(self, owner: StreamOwner) -> None:
        self._owner = owner

    def on_orders(self, frame: UserFrame) -> None:
        self._owner.on_orders(frame)

    def on_fills(self, frame: UserFrame) -> None:
        self._owner.on_fills(frame)


class PrivateStream(GatedStream):
    """The connection of one account.

    Attributes
    ----------
    unknown_frames : int
        Frames that are about nothing we know.
    """

    def __init__(
        self,
        owner: StreamOwner,
        *,
        config: Config,
        user: str,
        dexes: Sequence[str],
        limits: IpLimits,
        attempts: AttemptBudget | None = None,
    ) -> None:
        super().__init__(
            VENUE,
            owner,
            gates=GATES,
            timeout_s=config.readiness_timeout_s,
            warning_s=config.readiness_timeout_s,
        )
        self._owner = owner
        self._limits = limits
        self._subscriptions = _subscriptions(user, dexes)
        self._confirmed: set[str] = set()
        self._acked: asyncio.Future[None] | None = None
        self.unknown_frames = 0
        self.session = Session(
            f"hyperliquid/private/{user}",
            Endpoint(url=config.endpoints.ws, proxy=config.proxy),
            HyperliquidDecoder(
                SymbolTable(),
                on_control=self._on_control,
                on_venue_event=self._on_data,
                on_problem=self._on_bad,
                user=UserRows(owner),
            ),
            self._on_event,
            policy=session_policy(config),
            limiter=limits.limiter,
            attempts=attempts if attempts is not None else limits.attempts,
        )

    # -- subscribing -------------------------------------------------------------------

    def _on_connected(self) -> None:
        self._acked = asyncio.get_running_loop().create_future()

    def _on_lost(self) -> None:
        self._confirmed.clear()

    async def _establish(self, epoch: int, *, is_reconnect: bool) -> None:
        """Ask for everything; the connection may be used when the gates are confirmed."""
        acked = self._acked
        assert acked is not None
        await self._subscribe(epoch)
        await asyncio.wait([acked], timeout=self._timeout_s)
        if not self._is_current(epoch):
            return
        if not acked.done():
            missing = ", ".join(self._missing.values())
            self.session.reconnect(f"no confirmation of: {missing}")
            return
        self._owner.on_link_up(is_reconnect=is_reconnect)

    async def _subscribe(self, epoch: int) -> None:
        """Ask for what is not confirmed on one connection; if that is lost, the next asks again."""
        for name, subscription in self._subscriptions.items():
            if name in self._confirmed:
                continue
            try:
                await self.session.send_wait(
                    subscribe_frame(subscription), key=MESSAGE, epoch=epoch, timeout_s=SEND_WAIT_S
                )
            except (ClientError, TransportError) as error:
                if self._is_current(epoch) and not self._closing:
                    log.warning("venue=HYPERLIQUID subscribing failed: %s", error)
                    self.session.reconnect("subscriptions could not be sent")
                return

    def _confirm(self, subscription: object) -> None:
        """Note that a stream is confirmed; the venue echoes it with its defaults filled in."""
        if not isinstance(subscription, Mapping):
            return
        name = _name(subscription)
        if name in self._subscriptions:
            self._confirmed.add(name)
            self._spoke(name)

    def _spoke(self, stream: str) -> None:
        super()._spoke(stream)
        if not self._missing and self._acked is not None and not self._acked.done():
            self._acked.set_result(None)

    # -- frames ------------------------------------------------------------------------

    def _on_control(self, channel: str, data: bytes) -> None:
        """Take a frame that is about the connection, or an answer."""
        if not channel or channel == "pong":
            return  # a greeting in plain text, or life
        body = orjson.loads(data).get("data")
        if channel == "post":
            if not self._owner.on_post(body, self.session.epoch):
                log.debug("venue=HYPERLIQUID answer to nothing")
        elif channel == "subscriptionResponse":
            if isinstance(body, Mapping) and body.get("method") == "subscribe":
                self._confirm(body.get("subscription"))
        elif channel == "error":
            self._on_error(body if isinstance(body, str) else str(body))
        else:
            self.unknown_frames += 1

    def _on_data(self, channel: str, data: bytes) -> None:
        """Take a frame that the decoder leaves to us."""
        try:
            self._owner.on_data(channel, orjson.loads(data).get("data"))
        except DecodeError as error:
            self._on_bad(error, data)

    def _on_bad(self, error: Exception, data: bytes) -> None:
        """A frame, or a row of one, did not decode."""
        self.bad_frames += 1
        self._owner.on_problem(f"not used: {error}", None, error)

    # -- refusals (4.5) ----------------------------------------------------------------

    def _on_error(self, text: str) -> None:
        """An error names what it is about in its text only, if at all."""
        lower = text.lower()
        if self._owner.on_post_error(text, self.session.epoch):
            return
        if lower.startswith(CONFIRMED):
            self._confirm(quoted(text))
        elif lower.startswith(REFUSED):
            subscription = quoted(text)
            name = _name(subscription) if isinstance(subscription, Mapping) else ""
            self._refuse(name, text)
        elif lower.startswith(TOO_FAST):
            log.warning("venue=HYPERLIQUID too many messages: no more for a minute")
            self._limits.limiter.hold(MESSAGE, SEND_WAIT_S)
            self._later(ASK_AGAIN_S, self._ask_again)
        elif lower.startswith(TOO_MANY):
            self._refuse("", text)
        else:
            self._owner.on_problem(text, None, None)

    def _refuse(self, name: str, text: str) -> None:
        if self._gate is not None and (not name or name in GATES):
            self._fail_gate(VenueError("subscription", text))
            return
        if name not in GATES:
            self._subscriptions.pop(name, None)
        self._owner.on_refused(name or "private", None, text)

    def _ask_again(self) -> None:
        if self.session.is_connected:
            self._spawn(self._subscribe(self.session.epoch), "ask-again")


def _subscriptions(user: str, dexes: Sequence[str]) -> dict[str, Subscription]:
    """Return what is subscribed, by name, in the order in which it is asked for."""
    wanted: list[Subscription] = [{"type": name, "user": user} for name in GATES]
    wanted += [{"type": "clearinghouseState", "user": user, "dex": dex} for dex in dexes]
    wanted.append({"type": "spotState", "user": user})
    return {_name(subscription): subscription for subscription in wanted}


def _name(subscription: Mapping[str, Any]) -> str:
    kind = str(subscription.get("type"))
    dex = subscription.get("dex")
    return f"{kind}/{dex}" if dex else kind
