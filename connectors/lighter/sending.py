"""Transactions on their way: nonce, signature, order of sending, answer, outcome.

Each transaction of a key takes its place in one line. When its turn comes it gets its nonce, is
signed and goes out; over the WebSocket in the same call, over HTTP holding the line until the
reply is in. Every one ends in exactly one of these, told to the owner:

==============  ==========================================================================
`accepted`      the API node queued it; nothing is executed yet
`refused`       a code of the venue says that it was not
`not_sent`      it never left
`unknown`       it may have been executed: reconcile, never send it again
==============  ==========================================================================
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import random
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from ..errors import (
    AuthenticationError,
    ClientError,
    ConnectorError,
    UnknownOutcome,
    VenueError,
)
from ..execution.inflight import InFlight, Matched, Pending, same_hash
from ..execution.nonces import CountingNonces, Nonce, NonceWindowFull
from ..execution.sending import LINK_PAUSE, ORDER_WAIT_S, Kind, SenderBase, as_error
from ..execution.sequence import LineFull, NotSent, Place
from ..net.backoff import Backoff, BackoffPolicy
from ..net.clock import NS_PER_MS, Clock, to_ns
from ..net.ratelimit import RateLimiter
from ..net.tasks import OwnedTasks
from .commands import Command, Refusal, SendOwner, Signed, TxSigner
from .config import Config
from .rest import OPEN_CODES, LighterRest, SendResult, quota
from .wire import SEND_LANE, Frame, sendtx_frame, settles_transaction

__all__ = ["Sender"]

log = logging.getLogger("connectors.lighter")

SEND_KEY = "sendtx"
SUCCESS_CODES = frozenset({0, 200})
NONCE_CODES = frozenset({21104, 21105})
BARE_ERROR_WINDOW_S = 1.0
NONCE_PAUSE = "nonce"
NEEDS_NO_SOCKET = frozenset({LINK_PAUSE, NONCE_PAUSE})  # it asks for the nonce in its turn
TURN_TIMEOUT_S = 30.0
CANCEL_LIMIT_S = 70.0  # the limit counts by the minute: then it is free again
RESENDS = 2  # of a cancel that was refused for its nonce, which it can do nothing about
KEPT_HASHES = 10_000
REFRESH_BACKOFF = BackoffPolicy(initial_s=0.1, maximum_s=10.0, immediate_first=True)


class Sender(SenderBase[Command]):
    """The pipeline of one key.

    Parameters
    ----------
    owner : SendOwner
    config, signer, rest, tasks, clock :
        What it works with; `tasks` owns what goes on in the background.
    """

    def __init__(
        self,
        owner: SendOwner,
        *,
        config: Config,
        signer: TxSigner,
        rest: LighterRest,
        tasks: OwnedTasks,
        clock: Clock,
    ) -> None:
        super().__init__(
            tasks=tasks,
            clock=clock,
            limiter=RateLimiter({SEND_KEY: quota(config.limits.sendtx_per_min)}, clock=clock),
            keys=(SEND_KEY,),
            inflight=InFlight(settles=settles_transaction, window_ns=to_ns(BARE_ERROR_WINDOW_S)),
            answer_timeout_s=config.ack_timeout_s,
            signer=signer,
            pool=config.signing_pool,
        )
        self._owner = owner
        self._signer = signer
        self._rest = rest
        self.nonces = CountingNonces(window=config.nonce_window)
        self.volume_quota_remaining: int | None = None
        self._sent: OrderedDict[str, Command] = OrderedDict()  # by hash, newest last
        self._ids = itertools.count(1)
        self._refreshing: asyncio.Task[None] | None = None
        self._nonce_event = asyncio.Event()  # set when there may be news of the nonce
        self._offline = 0  # sends over HTTP that wait for the nonce, WebSocket or not
        self._stranded: list[Command] | None = None  # cancels of a line that is being emptied
        self._max_batch = config.max_batch
        self._lifetime_ms = int(config.tx_lifetime_s * 1_000)

    # -- the connection ----------------------------------------------------------------

    def resume(self) -> None:
        """The connection may be used; what needs a nonce waits until that is known."""
        if self._refreshing is not None and not self._refreshing.done():
            self.nonces.abandon_refresh()  # asked while there was none: it may hang for long
            self._refreshing.cancel()
            self._refreshing = None
        self._tend_nonces()
        super().resume()
        self._tend_nonces()

    def connection_lost(self, epoch: int, why: str) -> None:
        """Settle what was on its way: sent is unknown, waiting is not sent."""
        stranded = self._stranded = []
        super().connection_lost(epoch, why)
        self._stranded = None
        self.nonces.reset()
        self._tend_nonces()
        self.cancel(stranded)

    # -- sending over the WebSocket ----------------------------------------------------

    def cancel(self, commands: Sequence[Command]) -> None:
        """Send cancels: over the WebSocket, or as batches over HTTP while there is none."""
        if self.is_running:
            for command in commands:
                self.send(command)
            return
        size = self._max_batch
        for start in range(0, len(commands), size):
            self.post_soon(commands[start : start + size])

    def _patience_of(self, parcel: Command) -> tuple[float | None, float | None]:
        if parcel.kind is Kind.CANCEL:
            return None, CANCEL_LIMIT_S
        return ORDER_WAIT_S, None

    def _unwritten(self, parcel: Command, error: Exception) -> None:
        is_dropped = isinstance(error, NotSent) and parcel.kind is Kind.CANCEL
        if is_dropped and self._stranded is not None:
            self._stranded.append(parcel)  # the socket was lost before its turn
        else:
            self._unsent(parcel, error)

    def _write(self, command: Command) -> None:
        session = self._session
        if session is None:
            raise ClientError("not connected: nothing was sent")
        signed = self._sign(command)
        nonce = command.nonce
        assert nonce is not None
        request_id = f"t{next(self._ids)}"
        pending = self.inflight.add(
            Pending(
                command,
                id=request_id,
                hashes=(signed.tx_hash,),
                lane=SEND_LANE,
                epoch=session.epoch,
                sent_at_ns=self._clock.monotonic_ns(),
                timeout_ns=self._answer_timeout_ns,
            )
        )
        try:
            session.send(sendtx_frame(signed.tx_type, signed.tx_info, request_id))
        except BaseException:
            self.inflight.remove(pending)
            self._give_back([command])
            raise
        self._remember(command)
        self._owner.tx_sent(command)
        self._watch()
        if self._pool:
            self._fill_pool()

    def _sign(self, command: Command) -> Signed:
        """Give the transaction its nonce and signature; a nonce is not lost to an error."""
        try:
            nonce = self.nonces.allocate(beyond_window=command.kind is Kind.CANCEL)
        except NonceWindowFull:
            self._ask_nonce()
            raise
        try:
            signed = self._signer.sign(*self._complete(command, nonce))
        except BaseException:
            self._give_back([command])
            raise
        command.tx_hash = same_hash(signed.tx_hash)
        return signed

    def _allocate(self, commands: Sequence[Command]) -> list[Nonce]:
        try:
            return self.nonces.allocate_many(len(commands), beyond_window=_only_cancels(commands))
        except NonceWindowFull:
            self._ask_nonce()
            raise

    def _complete(self, command: Command, nonce: Nonce) -> tuple[int, dict[str, Any], Any]:
        command.nonce = nonce
        command.expires_ms = self._clock.wall_ns() // NS_PER_MS + self._lifetime_ms
        plan = command.plan
        fields = plan.fields
        fields["Nonce"] = nonce.value
        fields["ExpiredAt"] = command.expires_ms
        return plan.tx_type, fields, plan.attributes

    def _give_back(self, commands: Sequence[Command]) -> None:
        for command in reversed(commands):
            if command.nonce is not None:
                self.nonces.not_sent(command.nonce)
                command.nonce = None
        self._tend_nonces()

    def _remember(self, command: Command) -> None:
        sent = self._sent
        sent[command.tx_hash] = command
        if len(sent) > KEPT_HASHES:
            sent.popitem(last=False)

    def find(self, tx_hash: str) -> Command | None:
        """Return the transaction of a hash, one of the last ten thousand."""
        return self._sent.get(same_hash(tx_hash))

    # -- sending over HTTP -------------------------------------------------------------

    def post_soon(self, commands: Sequence[Command]) -> None:
        """Do `post` in the background, in the place of this very call: nothing overtakes it."""
        try:
            passes = NEEDS_NO_SOCKET if _only_cancels(commands) else frozenset()
            place = self.ordered.place(passes=passes)
        except LineFull as error:
            for command in commands:
                self._unsent(command, error)
            return
        begun = False

        async def post() -> None:
            nonlocal begun
            begun = True
            with contextlib.suppress(ConnectorError):  # told to each order already
                await self.post(commands, place)

        def ended(task: asyncio.Task[None]) -> None:
            if not begun:  # cancelled before its first step
                place.turn.release()
                for command in commands:
                    self._unsent(command, as_error(asyncio.CancelledError(), waited_s=0.0))

        self._tasks.spawn(post(), "batch").add_done_callback(ended)

    async def post(
        self, commands: Sequence[Command], place: Place | None = None
    ) -> SendResult | None:
        """Send one transaction, or several as a batch, and wait for the reply.

        The owner is told of every one of them. Returns the reply, None if there was none.

        Raises
        ------
        VenueError, UnknownOutcome, ClientError, TransportError, AuthenticationError
            What became of them, after the owner was told.
        """
        try:
            async with self.ordered.turn(
                timeout_s=_wait_s(commands),
                cost=len(commands),
                place=place,
                limit_timeout_s=CANCEL_LIMIT_S if _only_cancels(commands) else None,
            ):
                return await self._post(commands)
        except BaseException as error:
            never_signed = [command for command in commands if not command.tx_hash]
            shown = as_error(error, waited_s=_wait_s(commands))
            for command in never_signed:
                self._unsent(command, shown)
            if isinstance(error, TimeoutError) and shown is not error:
                raise shown from None
            raise
        finally:
            self._tend_nonces()

    async def _nonce_known(self, timeout_s: float, *, offline: bool) -> None:
        """Wait, holding the turn, until nonces can be given out; TimeoutError if not in time.

        `offline`: it makes no difference whether there is a WebSocket.
        """
        if not self.nonces.wants_refresh:
            return
        self._offline += offline
        try:
            self._tend_nonces()
            async with asyncio.timeout(timeout_s):
                while self.nonces.wants_refresh:
                    if LINK_PAUSE in self.ordered.line.pauses and not offline:
                        raise ClientError("the connection was lost before this was sent")
                    self._nonce_event.clear()
                    await self._nonce_event.wait()
        finally:
            self._offline -= offline

    async def _post(self, commands: Sequence[Command]) -> SendResult | None:
        await self._nonce_known(_wait_s(commands), offline=_only_cancels(commands))
        signed = self._sign_all(commands)
        for command, one in zip(commands, signed, strict=True):
            command.tx_hash = same_hash(one.tx_hash)
            self._remember(command)
            self._owner.tx_sent(command)
        try:
            if len(signed) == 1:
                result = await self._rest.send_tx(signed[0].tx_type, signed[0].tx_info)
            else:
                result = await self._rest.send_tx_batch(
                    [one.tx_type for one in signed], [one.tx_info for one in signed]
                )
        except (VenueError, AuthenticationError) as error:
            if _only_cancels(commands) and all(self._may_resend(c, error) for c in commands):
                for command in reversed(commands):
                    self._take_back(command, Refusal(error.code or 0, str(error)))
                return await self._post(commands)
            self._refuse_all(commands, error)
            raise
        except UnknownOutcome as error:
            for command in commands:
                self._doubt(command, str(error))
            raise
        except BaseException as error:
            # Cancelled in the middle, or never written.
            is_open = not isinstance(error, ConnectorError)
            for command in reversed(commands):
                if is_open:
                    self._doubt(command, "the client was closed while it was under way")
                elif command.nonce is not None:
                    self.nonces.not_sent(command.nonce)
                    self._tend_nonces()
                    self._unsent(command, as_error(error, waited_s=TURN_TIMEOUT_S))
            raise
        self._note_quota(result.volume_quota_remaining)
        for command in commands:
            self._accept(command, result)
        return result

    def _sign_all(self, commands: Sequence[Command]) -> Sequence[Signed]:
        nonces = self._allocate(commands)
        for command, nonce in zip(commands, nonces, strict=True):
            command.nonce = nonce
        try:
            entries = [self._complete(c, n) for c, n in zip(commands, nonces, strict=True)]
            return self._signer.sign_batch(entries)
        except BaseException:
            self._give_back(commands)
            raise

    def _refuse_all(
        self, commands: Sequence[Command], error: VenueError | AuthenticationError
    ) -> None:
        """A refused request: no member of it was queued, the newest nonce goes back first."""
        if isinstance(error, VenueError):
            refusal = Refusal(error.code, error.message)
        else:
            refusal = Refusal(error.code or "http", str(error))
        for command in reversed(commands):
            self._return_nonce(command, refusal)
        self._tend_nonces()
        for command in commands:
            self._owner.tx_refused(command, refusal)
            self._finish(command, refusal)

    # -- answers -----------------------------------------------------------------------

    def on_answer(self, frame: Frame, epoch: int) -> bool:
        """Take an answer or error frame; False if it belongs to no transaction."""
        match = self.inflight.match(frame.answer(epoch), self._clock.monotonic_ns())
        pending = match.pending
        self._note_quota(frame.quota_remaining)
        if pending is None:
            if frame.code in NONCE_CODES and match.how is Matched.TOO_LATE:
                # Nobody can say whose it is, but our count is wrong.
                self.nonces.suspect()
                self._tend_nonces()
            return match.how not in (Matched.NOT_AN_ANSWER, Matched.NOTHING_PENDING)
        command = pending.item
        if frame.code in SUCCESS_CODES:
            self._accept(command, None)
        elif frame.code in OPEN_CODES:
            self._doubt(command, f"the venue answered code={frame.code}: {frame.message}")
        else:
            refusal = Refusal(frame.code or 0, frame.message)
            if self._may_resend(command, refusal):
                self._take_back(command, refusal)
                self._tend_nonces()
                self.send(command)
                return True
            self._return_nonce(command, refusal)
            self._tend_nonces()  # before the owner is told, who may send in the same call
            self._owner.tx_refused(command, refusal)
            self._finish(command, refusal)
        self._tend_nonces()
        return True

    def _may_resend(self, command: Command, refusal: Refusal | ConnectorError) -> bool:
        """Tell whether a cancel was refused for nothing but its nonce: it is wanted all the same.

        Mostly it was behind something the venue did not take. It was not executed, and what it
        cancels can only be canceled once.
        """
        code = getattr(refusal, "code", None)
        return command.kind is Kind.CANCEL and code in NONCE_CODES and command.resent < RESENDS

    def _take_back(self, command: Command, refusal: Refusal) -> None:
        """Make a refused transaction one that was never signed."""
        self._return_nonce(command, refusal)
        command.resent += 1
        command.nonce = None
        command.tx_hash = ""

    def _accept(self, command: Command, result: SendResult | None) -> None:
        if command.nonce is not None:
            self.nonces.accepted(command.nonce)
        self._owner.tx_accepted(command, result)
        self._finish(command, result)

    def _return_nonce(self, command: Command, refusal: Refusal) -> None:
        if command.nonce is not None:
            self.nonces.refused(command.nonce, resync=refusal.code in NONCE_CODES)
        self._sent.pop(command.tx_hash, None)

    def _doubt(self, command: Command, why: str) -> None:
        if command.nonce is not None:
            self.nonces.unknown(command.nonce)
            self._tend_nonces()
        self._owner.tx_unknown(command, why)
        self._finish(command, UnknownOutcome(why))

    def _unsent(self, command: Command, error: Exception) -> None:
        self._owner.tx_not_sent(command, error)
        self._finish(command, error)

    def _finish(self, command: Command, outcome: object) -> None:
        if command.on_done is not None:
            command.on_done(command, outcome)

    def _note_quota(self, remaining: int | None) -> None:
        if remaining is not None:
            self.volume_quota_remaining = remaining

    def observed(self, nonce: int) -> None:
        """The venue's log shows that a nonce of our key was used."""
        self.nonces.observed(nonce)

    # -- nonces ------------------------------------------------------------------------

    def _looked(self) -> None:
        self._tend_nonces()

    def _tend_nonces(self) -> None:
        """Hold the line while the venue's count has to be asked for, and ask it once."""
        line = self.ordered.line
        self._nonce_event.set()
        if not self.nonces.wants_refresh:
            if NONCE_PAUSE in line.pauses:
                line.resume(NONCE_PAUSE)
            return
        line.pause(NONCE_PAUSE)
        if self.nonces.refresh_due and (self._offline or LINK_PAUSE not in line.pauses):
            self._ask_nonce()

    def _ask_nonce(self) -> None:
        if self._refreshing is None or self._refreshing.done():
            self._refreshing = self._tasks.spawn(self._refresh_until_known(), "nonce")

    async def _refresh_until_known(self) -> None:
        backoff = Backoff(REFRESH_BACKOFF, random.Random())
        while True:
            await asyncio.sleep(backoff.next_delay_s())
            try:
                await self.refresh_nonce()
            except ConnectorError as error:
                log.warning("venue=LIGHTER next nonce not known: %s", error)
                continue
            if not self.nonces.refresh_due:
                break
        self._refreshing = None
        self._tend_nonces()

    async def refresh_nonce(self) -> None:
        """Ask the venue for the next nonce once."""
        token = self.nonces.begin_refresh()
        if token is None:
            return
        try:
            venue_next = await self._rest.next_nonce()
        except BaseException:
            self.nonces.fail_refresh(token)
            raise
        found = self.nonces.finish_refresh(token, venue_next)
        self._tend_nonces()
        if found is not None and found.foreign:
            self._owner.send_problem(
                f"{found.foreign} nonce(s) of this key were used by somebody else: "
                "one key per process",
                None,
            )


def _only_cancels(commands: Sequence[Command]) -> bool:
    return all(command.kind is Kind.CANCEL for command in commands)


def _wait_s(commands: Sequence[Command]) -> float:
    is_order = any(command.kind in (Kind.CREATE, Kind.MODIFY) for command in commands)
    return ORDER_WAIT_S if is_order else TURN_TIMEOUT_S
