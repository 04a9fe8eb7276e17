"""Answers of the REST interface, right and wrong (6.1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import orjson

__all__ = [
    "EDGE_403",
    "LOGIN",
    "NOT_FOUND",
    "NO_BRIDGE",
    "Answer",
    "Call",
    "Refusal",
    "as_answer",
    "error",
    "plain",
    "problem",
]

JSON = "application/json;charset=utf-8"


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer; `delay_ms` of simulated time before it leaves."""

    status: int = 200
    body: bytes = b""
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_ms: float = 0.0


class Refusal(Exception):
    """A request that is refused with an answer of its own."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


@dataclass(frozen=True, slots=True)
class Call:
    """One request: method, path below the base, query and body."""

    method: str
    path: str
    query: Mapping[str, str]
    body: Any

    @classmethod
    def of(cls, method: str, path: str, query: str, raw: bytes) -> Call:
        """Take a request apart. Raises Refusal if the body is no JSON."""
        body = None
        if raw:
            try:
                body = orjson.loads(raw)
            except orjson.JSONDecodeError:
                raise Refusal(error(400, "Bad Request: invalid JSON")) from None
        return cls(method, path, dict(parse_qsl(query, keep_blank_values=True)), body)

    def field(self, name: str, default: Any = None) -> Any:
        """Return a value of the body, if it is an object."""
        return self.body.get(name, default) if isinstance(self.body, dict) else default

    def value(self, name: str, default: Any = None) -> Any:
        """Return a value of the query, else of the body."""
        return self.query[name] if name in self.query else self.field(name, default)

    def flag(self, name: str) -> bool:
        """Whether a value is true, in any spelling."""
        return str(self.value(name, "")).lower() == "true"


def as_answer(value: Any) -> Answer:
    """Return an object as an answer of status 200."""
    return value if isinstance(value, Answer) else Answer(body=orjson.dumps(value))


def error(status: int, text: str, *, with_status: bool = True) -> Answer:
    """Return an error in JSON."""
    body = {"error": text, "statusCode": status} if with_status else {"error": text}
    return Answer(status, orjson.dumps(body))


def plain(status: int, text: str = "", content_type: str = "text/plain") -> Answer:
    """Return an answer that is no JSON."""
    return Answer(status, text.encode(), content_type)


def problem(status: int, title: str, detail: str) -> Answer:
    """Return an `application/problem+json`."""
    body = {"type": "/simple", "title": title, "status": status, "detail": detail}
    return Answer(status, orjson.dumps(body), "application/problem+json")


NOT_FOUND = plain(404, "<html><body><h1>Resource not found</h1></body></html>", "text/html")
NO_BRIDGE = plain(400, "Bad Request: no bridge")
EDGE_403 = plain(
    403,
    "<HTML><HEAD><TITLE>Error 403 - Access Denied</TITLE></HEAD><BODY>Access Denied</BODY></HTML>",
    "text/html",
)
LOGIN = Answer(
    302, content_type="text/html", headers={"Location": "/sso/Login?forwardTo=22&RL=1&ip2loc=US"}
)
