"""Commands on their way to a venue: the line they stand in, and the answers they wait for.

A *command* places, changes or cancels an order. What is signed and sent as one is a *parcel*: one
command on one venue, a list of them on another. Every command ends in exactly one of these, told to
the owner at once:

==============  ==========================================================================
`tx_accepted`   the venue took it
`tx_refused`    the venue says that it did not, and will not
`tx_not_sent`   it never left
`tx_unknown`    it may have been executed: find out, never send it again
==============  ==========================================================================

An answer that comes after all may follow `tx_unknown`.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Generic, Protocol, TypeVar

from ..errors import ClientError, ConnectorError
from ..net.clock import NS_PER_S, Clock, to_ns
from ..net.ratelimit import RateLimiter
from ..net.session import Session
from ..net.tasks import OwnedTasks
from .inflight import InFlight, Pending
from .nonces import Nonce
from .sequence import LineFull, OrderedSender, SendLine, Turn, TurnState

__all__ = [
    "CANCEL_LIMIT_S",
    "LINK_PAUSE",
    "ORDER_WAIT_S",
    "Command",
    "Kind",
    "Refusal",
    "SendOwner",
    "SenderBase",
    "as_error",
]

LINK_PAUSE = "link"
LIMIT_TIMEOUT_S = 5.0
ORDER_WAIT_S = 5.0  # an order must not go out long after it was meant; a cancel may
CANCEL_LIMIT_S = 70.0  # limits count by the minute: then they are free again

ParcelT = TypeVar("ParcelT")
CommandT_contra = TypeVar("CommandT_contra", contravariant=True)
RefusalT_contra = TypeVar("RefusalT_contra", contravariant=True)
ResultT_contra = TypeVar("ResultT_contra", contravariant=True)


class Kind(Enum):
    """What a command does to an order."""

    CREATE = "create"
    MODIFY = "modify"
    CANCEL = "cancel"
    OTHER = "other"


@dataclass(slots=True, eq=False)
class Command:
    """One command, and whom it is for.

    Attributes
    ----------
    kind, plan :
        What it does; the plan is the venue's.
    subject : Any
        The owner's: the order it is about.
    expires_ms : int
        Unix time after which the venue drops it, set when it is signed; 0: never.
    nonce : Nonce or None
        Set when it is signed.
    """

    kind: Kind
    plan: Any
    subject: Any = None
    expires_ms: int = 0
    nonce: Nonce | None = None
    on_done: Callable[[Any, object], None] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why the venue did not take a command."""

    code: int | str
    message: str

    @property
    def text(self) -> str:
        """The reason as events carry it."""
        return self.message


class SendOwner(Protocol[CommandT_contra, ResultT_contra, RefusalT_contra]):
    """Whom a sender tells what became of a command; everything synchronously."""

    def tx_sent(self, command: CommandT_contra) -> None:
        """It is signed and its bytes are out, or just about to be."""

    def tx_accepted(self, command: CommandT_contra, result: ResultT_contra) -> None:
        """The venue took it."""

    def tx_refused(self, command: CommandT_contra, refusal: RefusalT_contra) -> None:
        """It was not executed and will not be."""

    def tx_not_sent(self, command: CommandT_contra, error: Exception) -> None:
        """It never left."""

    def tx_unknown(self, command: CommandT_contra, why: str) -> None:
        """It may have been executed."""

    def send_problem(self, message: str, code: int | str | None) -> None:
        """Something about sending that belongs to no single command."""


class SenderBase(ABC, Generic[ParcelT]):
    """The pipeline of one key, as far as venues share it.

    Parameters
    ----------
    tasks : OwnedTasks
        Owns what goes on in the background.
    limiter, keys :
        What must be free before a parcel leaves.
    inflight : InFlight
        Parcels without an answer.
    answer_timeout_s : float
        Without an answer for so long the outcome of a parcel is unknown.
    signer, pool :
        Its pool of signatures is filled in the background, where `pool` is not 0 and it has one.
    line_capacity : int
        How many parcels may wait to be sent.
    """

    def __init__(
        self,
        *,
        tasks: OwnedTasks,
        clock: Clock,
        limiter: RateLimiter,
        keys: tuple[str, ...],
        inflight: InFlight[ParcelT],
        answer_timeout_s: float,
        signer: object,
        pool: int = 0,
        line_capacity: int = 4096,
    ) -> None:
        self._tasks = tasks
        self._clock = clock
        self.limiter = limiter
        self._keys = keys
        self.ordered = OrderedSender(
            tasks,
            limiter=limiter,
            keys=keys,
            limit_timeout_s=LIMIT_TIMEOUT_S,
            line=SendLine(capacity=line_capacity),
        )
        self.inflight = inflight
        self._answer_timeout_s = answer_timeout_s
        self._answer_timeout_ns = to_ns(answer_timeout_s)
        self._session: Session | None = None
        self._sweep: asyncio.TimerHandle | None = None
        self._pooling = signer
        self._pool = pool
        self._filling: asyncio.Task[int] | None = None

    # -- what venues do their own way --------------------------------------------------

    @abstractmethod
    def _write(self, parcel: ParcelT) -> None:
        """Sign it and hand its bytes over; whatever is raised, nothing left."""

    @abstractmethod
    def _unsent(self, parcel: ParcelT, error: Exception) -> None:
        """Tell that it never left."""

    @abstractmethod
    def _doubt(self, parcel: ParcelT, why: str) -> None:
        """Tell that nobody knows what became of it."""

    def _cost(self, parcel: ParcelT) -> int:
        """Return what it takes of each limit."""
        return 1

    def _patience_of(self, parcel: ParcelT) -> tuple[float | None, float | None]:
        """Return how long it may wait for its turn, and for the limits; None: as long as it takes,
        and as others do."""
        return None, None

    def _unwritten(self, parcel: ParcelT, error: Exception) -> None:
        """Be told that it was not written in its turn."""
        self._unsent(parcel, error)

    def _looked(self) -> None:
        """Be called after overdue parcels were told."""

    # -- the connection ----------------------------------------------------------------

    def attach(self, session: Session) -> None:
        """Send on this session; everything is held until `resume`."""
        self._session = session
        self.ordered.line.pause(LINK_PAUSE)

    def resume(self) -> None:
        """The connection may be used."""
        self.ordered.line.resume(LINK_PAUSE)
        self._fill_pool()

    @property
    def is_running(self) -> bool:
        """Whether commands leave at once, but for nonces and limits."""
        return self._session is not None and LINK_PAUSE not in self.ordered.line.pauses

    @property
    def takes_commands(self) -> bool:
        """Whether a command given now is not simply turned down."""
        return self.is_running

    def hold(self) -> None:
        """Start nothing more on this connection; what is sent may still be answered."""
        self.ordered.line.pause(LINK_PAUSE)

    def connection_lost(self, epoch: int, why: str) -> None:
        """Settle what was on its way: sent is unknown, waiting is not sent."""
        self.ordered.line.pause(LINK_PAUSE)
        for pending in self.inflight.connection_lost(epoch):
            self._doubt(pending.item, why)
        self.ordered.line.drop_waiting(held_only=True)

    def close(self, why: str) -> None:
        """End: like a lost connection, and nothing goes on."""
        self.ordered.line.pause(LINK_PAUSE)
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
        for pending in self.inflight.clear():
            self._doubt(pending.item, why)
        self.ordered.line.drop_waiting()
        self._session = None

    # -- sending -----------------------------------------------------------------------

    def send(self, parcel: ParcelT) -> None:
        """Send one parcel in its turn, in this very call if nothing is in the way."""
        cost = self._cost(parcel)
        if self.ordered.line.is_free and self.limiter.try_acquire(*self._keys, cost=cost):
            try:
                self._write(parcel)
            except Exception as error:  # noqa: BLE001 - told to the owner
                self._unsent(parcel, error)
            return
        turn_s, limit_s = self._patience_of(parcel)
        try:
            turn = self.ordered.send(
                lambda: self._write(parcel),
                on_error=lambda error: self._unwritten(parcel, error),
                cost=cost,
                limit_timeout_s=limit_s,
            )
        except LineFull as error:
            self._unsent(parcel, error)
            return
        if turn_s is not None and turn.state is TurnState.WAITING:
            asyncio.get_running_loop().call_later(turn_s, self._give_up, turn, parcel, turn_s)

    def _give_up(self, turn: Turn, parcel: ParcelT, waited_s: float) -> None:
        """Take a parcel out of the line that waited too long in it."""
        if turn.state is TurnState.WAITING:
            turn.release()
            self._unsent(parcel, as_error(TimeoutError(), waited_s=waited_s))

    # -- parcels nobody answers --------------------------------------------------------

    def _watch(self) -> None:
        """Look again when the oldest answer is overdue."""
        if self._sweep is None:
            loop = asyncio.get_running_loop()
            self._sweep = loop.call_later(self._answer_timeout_s, self._look)

    def _look(self) -> None:
        self._sweep = None
        now_ns = self._clock.monotonic_ns()
        for pending in self.inflight.expire(now_ns):
            self._overdue(pending, (now_ns - pending.sent_at_ns) / NS_PER_S)
        self._looked()
        deadline_ns = self.inflight.next_deadline_ns()
        if deadline_ns is not None:
            delay_s = max(0.001, (deadline_ns - now_ns) / NS_PER_S)
            self._sweep = asyncio.get_running_loop().call_later(delay_s, self._look)

    def _overdue(self, pending: Pending[ParcelT], waited_s: float) -> None:
        self._doubt(pending.item, f"no answer within {waited_s:.1f} s")

    # -- signatures ahead --------------------------------------------------------------

    def _fill_pool(self) -> None:
        """Fill the signer's pool in the background, where it is asked for."""
        precompute = getattr(self._pooling, "precompute", None)
        if not self._pool or precompute is None:
            return
        if getattr(self._pooling, "pool_size", 0) * 2 > self._pool:
            return
        if self._filling is None or self._filling.done():
            self._filling = self._tasks.spawn(asyncio.to_thread(precompute), "signing-pool")


def as_error(error: BaseException, *, waited_s: float) -> Exception:
    """Return the error to show for a command that never left."""
    if isinstance(error, ConnectorError):
        return error
    if isinstance(error, TimeoutError):
        return ClientError(f"no turn to send within {waited_s:g} s: nothing was sent")
    if isinstance(error, Exception):
        return error
    return ClientError("the client was closed before this was sent")
