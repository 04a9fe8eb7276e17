"""What the venue answers to an order, and what is to be said next (6.4); sans-I/O.

An order is not simply taken or refused: the venue may ask questions, one after the other, and an
order whose question is not answered does not exist. Only explicit words refuse it; everything
else leaves it in flight, for the reconciliation to find (R-36).

====================================  ===========================================================
answer                                step
====================================  ===========================================================
acknowledgement, array or object      `Acknowledged`
question, all of its ids allowed      `Reply` yes; after eight of them `InFlight`
question, anything else               `Reply` no, and then `Refused` with ids and text (R-41)
prompt                                `AnswerPrompt` if there is an answer to it, else `InFlight`
`error` in a 200, 4xx with a reason   `Refused`
... already registered                `Known`: the first attempt arrived (R-37)
... reply id not found                `InFlight` (R-35)
nothing, 5xx, a 4xx after a reply     `InFlight`
====================================  ===========================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .topics import Prompt, read_note

__all__ = [
    "Acknowledged",
    "Acknowledgement",
    "AnswerPolicy",
    "AnswerPrompt",
    "Conversation",
    "InFlight",
    "Known",
    "Question",
    "Refused",
    "Reply",
    "Step",
    "read_cancel",
]

QUESTIONS_MAX = 8
NOT_FOUND = "reply id not found"
REGISTERED = "already registered"


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """The venue has an order; `status` is its word for the state."""

    order_id: str
    status: str
    local_order_id: str | None = None
    parent_order_id: str | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """What the venue wants confirmed."""

    reply_id: str
    message_ids: tuple[str, ...]
    texts: tuple[str, ...]

    @property
    def label(self) -> str:
        """For a reason: ids and text, on one line."""
        return " ".join([*self.message_ids, *(" ".join(text.split()) for text in self.texts)])


@dataclass(frozen=True, slots=True)
class AnswerPolicy:
    """Which questions are answered yes, and what is said to prompts; by default none, nothing.

    Attributes
    ----------
    allowed : frozenset of str
        Message ids such as `o163`. A question is confirmed only if every id of it is here.
    texts : tuple of str
        In place of ids, parts of texts: for questions that have no ids. Blanks and newlines count
        as one blank.
    prompts : mapping of str to str
        From message id to the option, word for word.
    """

    allowed: frozenset[str] = frozenset()
    texts: tuple[str, ...] = ()
    prompts: Mapping[str, str] = field(default_factory=dict)

    def allows(self, question: Question) -> bool:
        """Whether a question may be answered with yes (R-41)."""
        if question.message_ids:
            return self.allowed.issuperset(question.message_ids)
        said = [" ".join(text.split()) for text in question.texts]
        return bool(said) and all(any(part in text for part in self.texts) for text in said)

    def option(self, prompt: Prompt) -> str | None:
        """What to say to a prompt, None: nothing. Only an option that it offers."""
        chosen = self.prompts.get(prompt.message_id)
        return chosen if chosen in prompt.options else None


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The venue has the orders, in the order of the request."""

    orders: tuple[Acknowledgement, ...]


@dataclass(frozen=True, slots=True)
class Reply:
    """Post `{"confirmed": ...}` to `/iserver/reply/{reply_id}`, before any other order call."""

    reply_id: str
    confirmed: bool


@dataclass(frozen=True, slots=True)
class AnswerPrompt:
    """Post this to `/iserver/notification`; what becomes of the order is told by the streams."""

    order_id: str
    request_id: str
    text: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The venue said no."""

    reason: str
    code: int | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """An order with this client order id exists: look it up by that."""

    reason: str


@dataclass(frozen=True, slots=True)
class InFlight:
    """Nobody knows: reconcile by the client order id, never resend with another one."""

    why: str
    prompt: Prompt | None = None


Step = Acknowledged | Reply | AnswerPrompt | Refused | Known | InFlight


class Conversation:
    """One request about orders, from its first answer to its last.

    The caller holds the session's lane from the request to the last reply (R-35).
    """

    __slots__ = ("_asked", "_denied", "_policy")

    def __init__(self, policy: AnswerPolicy) -> None:
        self._policy = policy
        self._asked = 0
        self._denied: Question | None = None

    def take(self, status: int, body: object) -> Step:
        """Take an answer; `status` 0 means that none came."""
        if not status:
            return InFlight("no answer")
        if status >= 500 or status == 408:
            return InFlight(f"HTTP {status}")
        error = _error(body)
        if error is not None or status >= 300:
            return self._refusal(status, error)
        given = body if isinstance(body, list) else [body]
        rows: list[Mapping[str, Any]] = [row for row in given if isinstance(row, Mapping)]
        orders = [_acknowledgement(row) for row in rows if "order_id" in row]
        questions = [_question(row) for row in rows if "id" in row and "message" in row]
        if questions and self._denied is None:
            return self._answer(questions)
        if orders and self._denied is None:
            return Acknowledged(tuple(orders))
        if self._denied is not None:
            return InFlight(f"answered no to {self._denied.label}, and was not refused")
        prompts = [note for note in map(read_note, rows) if isinstance(note, Prompt)]
        if prompts:
            return self._prompted(prompts[0])
        return InFlight("an answer of unknown form")

    def _refusal(self, status: int, error: str | None) -> Step:
        if error is not None and NOT_FOUND in error:
            return InFlight(error)
        if error is not None and REGISTERED in error:
            return Known(error)
        if self._denied is not None:
            return Refused(f"question not allowed: {self._denied.label}")
        if status >= 300 and self._asked and status != 401:
            return InFlight(f"HTTP {status}: {error or 'no reason'}")
        if error is None and status not in (401, 403, 429) and status < 400:
            return InFlight(f"HTTP {status}")
        return Refused(error or f"HTTP {status}", status)

    def _answer(self, questions: list[Question]) -> Step:
        self._asked += 1
        if self._asked > QUESTIONS_MAX:
            return InFlight(f"more than {QUESTIONS_MAX} questions")
        denied = next((each for each in questions if not self._policy.allows(each)), None)
        self._denied = denied
        return Reply(questions[0].reply_id, denied is None)

    def _prompted(self, prompt: Prompt) -> Step:
        chosen = self._policy.option(prompt)
        if chosen is None:
            return InFlight(f"prompt without an answer: {prompt.text}", prompt)
        return AnswerPrompt(prompt.order_id, prompt.request_id, chosen)


def read_cancel(status: int, body: object) -> Refused | InFlight | None:
    """Read the answer to a cancel; None: it is being processed, the outcome comes later (R-52)."""
    if not status or status >= 500 or status == 408:
        return InFlight(f"HTTP {status}" if status else "no answer")
    error = _error(body)
    if error is not None or status >= 300:
        return Refused(error or f"HTTP {status}", status)
    return None


def _error(body: object) -> str | None:
    if isinstance(body, Mapping):
        error = body.get("error")
        if isinstance(error, str) and error.strip():
            return error.strip()
    return None


def _text(value: object) -> str | None:
    return str(value) if isinstance(value, str | int) and value != "" else None


def _acknowledgement(row: Mapping[str, Any]) -> Acknowledgement:
    return Acknowledgement(
        str(row["order_id"]),
        str(row.get("order_status") or ""),
        _text(row.get("local_order_id")),
        _text(row.get("parent_order_id")),
    )


def _question(row: Mapping[str, Any]) -> Question:
    ids, texts = row.get("messageIds"), row["message"]
    return Question(
        str(row["id"]),
        tuple(each for each in ids if isinstance(each, str)) if isinstance(ids, list) else (),
        tuple(each for each in texts if isinstance(each, str))
        if isinstance(texts, list)
        else (str(texts),),
    )
