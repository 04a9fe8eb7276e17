"""Commands on their way: nonce, signature, post, answer, outcome.

An action takes its place in the line; when its turn comes it gets its nonce, is signed and goes
out, over the WebSocket in the same call, over HTTP at once as well. The venue takes nonces out of
order, so nothing waits for an answer; only over HTTP a command waits for the ones before it that
are about the same order, because requests on two connections may overtake each other.

A post on the WebSocket has no answer when the connection is lost, or none in time, or one of the
texts that nobody has seen the meaning of: then its outcome is unknown. What settles it is the
stream, a look-up, its expiry, or its nonce: `Sender.void` uses that up for something harmless.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import re
from collections.abc import Sequence
from typing import Any

from ..errors import (
    AuthenticationError,
    ClientError,
    ConnectorError,
    RateLimited,
    UnknownOutcome,
    VenueError,
)
from ..execution import sending
from ..execution.inflight import Answer as Answered
from ..execution.inflight import InFlight, Pending
from ..execution.sending import CANCEL_LIMIT_S, ORDER_WAIT_S, Command, Kind, SenderBase
from ..net.clock import Clock
from ..net.tasks import OwnedTasks
from . import actions
from .actions import Action, Grouping
from .coalescing import Coalescing
from .config import Config, OrderChannel
from .limits import ACTION, MESSAGE, AddressBudget, IpLimits, action_weight
from .posting import POST_LANE, post_frame, read_post, refused_post
from .replies import (
    Answer,
    Entry,
    Refusal,
    RefusalKind,
    Taken,
    Unclear,
    entries_of,
    raise_inner,
    read_answer,
    recovered_address,
)
from .rest import HyperliquidRest
from .sealing import ActionSigner, Sealer
from .slots import NextPost

__all__ = ["ActionSigner", "Command", "Kind", "SendOwner", "Sender"]

log = logging.getLogger("connectors.hyperliquid")

LEARN_EVERY_S = 600.0
TOO_SLOW, TOO_MANY = 408, 429  # of HTTP
STALE_COST = 5  # a command that came after its expiry counts so many times
ANSWERED = 0  # any code: an answer is found by its id alone
_NONCE_USED = (RefusalKind.DUPLICATE_NONCE, RefusalKind.NONCE)
_HTTP_STATUS = re.compile(r"(\d{3}) ")

SendOwner = sending.SendOwner[Command, Taken, Refusal]


class Sender(SenderBase[Action]):
    """The pipeline of one key.

    Parameters
    ----------
    owner : SendOwner
        Told what became of each command about an order.
    config, signer, rest, tasks, clock :
        What it works with; `tasks` owns what goes on in the background.

    Attributes
    ----------
    sealer : Sealer
        Signs.
    address : AddressBudget
        Requests of the account.
    """

    def __init__(
        self,
        owner: SendOwner,
        *,
        config: Config,
        signer: ActionSigner,
        rest: HyperliquidRest,
        tasks: OwnedTasks,
        clock: Clock,
    ) -> None:
        self._is_http = config.order_channel is OrderChannel.HTTP
        self._limits: IpLimits = rest.limits
        super().__init__(
            tasks=tasks,
            clock=clock,
            limiter=self._limits.limiter,
            keys=(ACTION,) if self._is_http else (ACTION, MESSAGE),
            inflight=InFlight(),
            answer_timeout_s=config.post_timeout_ms / 1_000,
            signer=signer,
            pool=config.signing_pool,
            line_capacity=config.post_queue_max,
        )
        self._owner = owner
        self.sealer = Sealer(signer, config, clock)
        self._rest = rest
        credentials = config.credentials
        self._user = credentials.user(signer.address) if credentials else signer.address.lower()
        self._builder = config.builder
        self._ids = itertools.count(1)
        self._next_post = NextPost(self._limits.posts, self.ordered.line, lambda: self.is_running)
        self._busy: dict[int, asyncio.Task[None]] = {}  # over HTTP, by identity of the order
        self.address = AddressBudget(clock=clock, on_problem=self._address_problem)
        self.unmatched = 0  # answers to nothing that is on its way
        self._together = Coalescing(config.coalesce_ms / 1_000, self._send_alike)
        self._learning: asyncio.Task[None] | None = None
        self._patience_s = config.command_queue_ms / 1_000
        self._patience: asyncio.TimerHandle | None = None

    # -- the connection ----------------------------------------------------------------

    def resume(self) -> None:
        """The connection may be used."""
        self._stop_patience()
        if not self._is_http:
            self._next_post.reserve()
        super().resume()
        if self._learning is None:
            self._learning = self._tasks.spawn(self._learn_budget(), "address-limit")

    @property
    def takes_commands(self) -> bool:
        """Whether commands leave at once, or within `Config.command_queue_ms` after a loss."""
        return self.is_running or self._patience is not None

    def connection_lost(self, epoch: int, why: str) -> None:
        """Settle what was on its way: sent is unknown, waiting is not sent.

        What is given from now on waits for the connection, as long as the config says.
        """
        super().connection_lost(epoch, why)
        self._next_post.release()
        self._drop_waiting()
        if self._patience_s and self._patience is None:
            loop = asyncio.get_running_loop()
            self._patience = loop.call_later(self._patience_s, self._lose_patience)

    def close(self, why: str) -> None:
        """End: like a lost connection, and nothing goes on."""
        self._stop_patience()
        super().close(why)
        self._next_post.release()
        self._drop_waiting()

    def _lose_patience(self) -> None:
        self._patience = None
        self._drop_waiting()
        self.ordered.line.drop_waiting()

    def _stop_patience(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    # -- commands ----------------------------------------------------------------------

    def order(self, command: Command) -> None:
        """Place one order; with `coalesce_ms` together with others that come soon."""
        self._together.give(command)

    def orders(self, commands: Sequence[Command], grouping: str = Grouping.NONE) -> None:
        """Place orders as one action; see `actions.Grouping`."""
        self._together.flush()
        self.send(actions.orders(commands, grouping, self._builder))

    def modify(self, command: Command) -> None:
        """Replace one order."""
        self._together.give(command)

    def cancels(self, commands: Sequence[Command]) -> None:
        """Cancel orders: as one action, or two where some have no cloid."""
        if len(commands) == 1:
            self._together.give(commands[0])
            return
        self._together.flush()
        for action in actions.cancels(commands):
            self.send(action)

    async def execute(self, body: actions.Body, *, is_user_signed: bool = False) -> Any:
        """Send an action that is about no order, and return the `data` of its answer.

        Raises
        ------
        VenueError
            The venue refused; its `code` is a `RefusalKind`.
        AuthenticationError
            It does not know the signer.
        UnknownOutcome
            It may have been executed.
        ClientError, TransportError
            It never left.
        """
        outcome = await self._outcome_of(actions.other(body, is_user_signed=is_user_signed))
        if isinstance(outcome, Refusal):
            if outcome.code == RefusalKind.SIGNER:
                raise AuthenticationError(outcome.message, code=outcome.code)
            raise VenueError(outcome.code, outcome.message)
        if isinstance(outcome, Exception):
            raise outcome
        assert isinstance(outcome, Answer)
        raise_inner(outcome.data)
        return outcome.data

    async def void(self, command: Command) -> bool | None:
        """Use up the nonce of a command in doubt for something harmless.

        Returns
        -------
        bool or None
            True: the command was not executed and never will be. False: the venue has seen it, or
            so many nonces after it that it takes this one no more; what came of it is for a
            look-up to say. None: still nobody knows.
        """
        if command.nonce is None:
            return True
        probe = actions.other(dict(actions.NO_OPERATION))
        probe.nonce = command.nonce
        probe.is_probe = True
        outcome = await self._outcome_of(probe)
        if isinstance(outcome, Answer):
            return True
        if isinstance(outcome, Refusal) and outcome.code in _NONCE_USED:
            return False
        return None

    async def _outcome_of(self, action: Action) -> object:
        """Send an action of one command, and wait for what becomes of it."""
        if not self.takes_commands:
            raise ClientError("not connected to the venue")
        done: asyncio.Future[object] = asyncio.get_running_loop().create_future()

        def take(command: Command, outcome: object) -> None:
            if not done.done():
                done.set_result(outcome)

        action.commands[0].on_done = take
        self._together.flush()
        self.send(action)
        return await done

    # -- together ----------------------------------------------------------------------

    def _drop_waiting(self) -> None:
        for command in self._together.take():
            self._tell_unsent(command, ClientError("the connection was lost before this was sent"))

    def _send_alike(self, commands: Sequence[Command]) -> None:
        kind = commands[0].kind
        if kind is Kind.CREATE:
            self.send(actions.orders(commands, builder=self._builder))
        elif kind is Kind.MODIFY:
            self.send(actions.modifies(commands))
        else:
            for action in actions.cancels(commands):
                self.send(action)

    # -- sending -----------------------------------------------------------------------

    def _cost(self, action: Action) -> int:
        return action_weight(action.entries)

    def _patience_of(self, action: Action) -> tuple[float | None, float | None]:
        if action.commands[0].kind is Kind.CANCEL:
            return None, CANCEL_LIMIT_S
        return max(ORDER_WAIT_S, self._patience_s), None

    def _write(self, action: Action) -> None:
        if self._is_http:
            self._write_http(action)
            return
        session = self._session
        if session is None or not self._next_post.is_held:
            raise ClientError("not connected: nothing was sent")
        payload = self.sealer.seal(action)
        number = next(self._ids)
        pending = self.inflight.add(
            Pending(
                action,
                id=str(number),
                lane=POST_LANE,
                epoch=session.epoch,
                sent_at_ns=self._clock.monotonic_ns(),
                timeout_ns=self._answer_timeout_ns,
            )
        )
        try:
            session.send(post_frame(number, payload))
        except BaseException:
            self.inflight.remove(pending)
            raise
        self._next_post.spend(action)
        self._sent(action)
        self._watch()
        if self._pool:
            self._fill_pool()

    def _sent(self, action: Action) -> None:
        self.address.spend(action.entries)
        self._limits.action_spent(self._cost(action))
        for command in action.commands:
            if command.kind is not Kind.OTHER:
                self._owner.tx_sent(command)

    # -- over HTTP ---------------------------------------------------------------------

    def _write_http(self, action: Action) -> None:
        subjects = [id(c.subject) for c in action.commands if c.subject is not None]
        before = {self._busy[key] for key in subjects if key in self._busy}
        task = self._tasks.spawn(self._post(action, before), "post")
        for key in subjects:
            self._busy[key] = task

        def ended(task: asyncio.Task[None]) -> None:
            for key in subjects:
                if self._busy.get(key) is task:
                    del self._busy[key]
            if task.cancelled() and not action.is_out:
                self._unsent(action, ClientError("the client was closed before this was sent"))

        task.add_done_callback(ended)

    async def _post(self, action: Action, before: set[asyncio.Task[None]]) -> None:
        if before:
            await asyncio.wait(before)
        try:
            payload = self.sealer.seal(action)
        except Exception as error:  # noqa: BLE001 - told to the owner
            self._unsent(action, error)
            return
        action.is_out = True
        self._sent(action)
        try:
            answer = await self._rest.exchange(
                payload, weight=None, timeout_s=self._answer_timeout_s
            )
        except RateLimited as error:
            self._doubt(action, str(error))
        except VenueError as error:
            self._refuse(action, Refusal(error.code, error.message))
        except UnknownOutcome as error:
            self._doubt(action, str(error))
        except asyncio.CancelledError:
            self._doubt(action, "the client was closed while it was under way")
            raise
        except Exception as error:  # noqa: BLE001 - told to the owner
            self._unsent(action, error)
        else:
            self._settle(action, answer)

    # -- answers -----------------------------------------------------------------------

    def on_post(self, data: object, epoch: int) -> bool:
        """Take the `data` of a frame of the channel `post`; False if it is about none of ours."""
        reply = read_post(data)
        if reply is None:
            return False
        action = self._answered(reply.number, epoch)
        if action is None:
            return False
        if reply.kind == "action":
            self._settle(action, reply.payload)
            return True
        text = (
            reply.payload if isinstance(reply.payload, str) else f"a reply of kind {reply.kind!r}"
        )
        found = _HTTP_STATUS.match(text) if reply.kind == "error" else None
        status = int(found.group(1)) if found is not None else 0
        if status == TOO_MANY:
            self._limits.hold_info()
        elif 400 <= status < 500 and status != TOO_SLOW:
            self._refuse(action, Refusal(status, text))
            return True
        self._doubt(action, text)
        return True

    def on_error(self, text: str, epoch: int) -> bool:
        """Take the text of an error frame; False if it is about no post of ours."""
        number = refused_post(text)
        action = None if number is None else self._answered(number, epoch)
        if action is None:
            return False
        self._doubt(action, text)
        return True

    def _answered(self, number: int, epoch: int) -> Action | None:
        match = self.inflight.match(
            Answered(epoch, id=str(number), code=ANSWERED), self._clock.monotonic_ns()
        )
        if match.pending is None:
            self.unmatched += 1
            return None
        self._next_post.free(match.pending.item)
        return match.pending.item

    def _settle(self, action: Action, payload: object) -> None:
        """Tell what the venue answered, entry by entry."""
        answer = read_answer(payload)
        entries = entries_of([command.kind for command in action.commands], answer)
        self._notice(action, entries)
        for command, entry in zip(action.commands, entries, strict=True):
            if command.kind is Kind.OTHER:
                self._finish(command, answer if isinstance(entry, Taken) else _shown(entry))
                continue
            if isinstance(entry, Taken):
                self._owner.tx_accepted(command, entry)
            elif isinstance(entry, Refusal):
                self._owner.tx_refused(command, entry)
            else:
                self._owner.tx_unknown(command, entry.why)
            self._finish(command, _shown(entry))

    def _refuse(self, action: Action, refusal: Refusal) -> None:
        """The whole action was refused."""
        self._notice(action, [refusal])
        for command in action.commands:
            if command.kind is not Kind.OTHER:
                self._owner.tx_refused(command, refusal)
            self._finish(command, refusal)

    def _doubt(self, action: Action, why: str) -> None:
        self._next_post.free(action)
        for command in action.commands:
            if command.kind is not Kind.OTHER:
                self._owner.tx_unknown(command, why)
            self._finish(command, UnknownOutcome(why))

    def _unsent(self, action: Action, error: Exception) -> None:
        for command in action.commands:
            self._tell_unsent(command, error)

    def _tell_unsent(self, command: Command, error: Exception) -> None:
        if command.kind is not Kind.OTHER:
            self._owner.tx_not_sent(command, error)
        self._finish(command, error)

    def _finish(self, command: Command, outcome: object) -> None:
        if command.on_done is not None:
            command.on_done(command, outcome)

    # -- what refusals say about more than one command ---------------------------------------

    def _notice(self, action: Action, entries: Sequence[Entry]) -> None:
        first = next((entry for entry in entries if isinstance(entry, Refusal)), None)
        if first is None:
            return
        if first.code == RefusalKind.ADDRESS_LIMIT:
            self.address.exhausted()
        elif first.code == RefusalKind.EXPIRED:
            self.address.spend((STALE_COST - 1) * action.entries)
        elif first.code == RefusalKind.SIGNER:
            self._owner.send_problem(self._signer_problem(first.message), first.code)
        elif first.code == RefusalKind.DUPLICATE_NONCE and not action.is_probe:
            self._owner.send_problem(
                "a nonce of this key was used by somebody else: one key per process", first.code
            )

    def _signer_problem(self, text: str) -> str:
        own, read = self.sealer.signer.address.lower(), recovered_address(text)
        if read in (None, own):
            return f"{text}: the agent {own} is not approved, or has expired: approve a new one"
        return (
            f"{text}: the venue read our signature as another key's; is the client set to the "
            "right network?"
        )

    async def _learn_budget(self) -> None:
        """Ask now and then how many requests the account has left: it earns more by trading."""
        while True:
            try:
                self.address.learn(await self._rest.user_rate_limit(self._user))
            except ConnectorError as error:
                log.info("venue=HYPERLIQUID the account's requests are not known: %s", error)
            await asyncio.sleep(LEARN_EVERY_S)

    def _address_problem(self, text: str) -> None:
        self._owner.send_problem(text, RefusalKind.ADDRESS_LIMIT)


def _shown(entry: Entry) -> object:
    return UnknownOutcome(entry.why) if isinstance(entry, Unclear) else entry
