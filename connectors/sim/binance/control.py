"""The control protocol of stream connections (section 6), without sockets.

A `ControlSession` takes one text from the client and answers with a `Reply`: the bytes to send
and what the command does. The connection decides about order and timing, because that is where
faults act (BN-M-34).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

__all__ = ["ControlSession", "Reply", "error_reply"]

METHODS = ("SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY")

UNKNOWN_PROPERTY, WRONG_TYPE, INVALID_REQUEST, INVALID_JSON, TOO_MANY = range(5)


@dataclass(slots=True)
class Reply:
    """Answer to one command; `apply` is what the command changes, None if it was refused."""

    payload: bytes
    method: str | None = None
    request_id: Any = None
    names: tuple[str, ...] = ()
    apply: Callable[[], None] | None = None


class _Refused(Exception):
    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def error_reply(
    code: int, message: str, request_id: Any, *, flat: bool, has_id: bool = True
) -> bytes:
    """Return a refusal as seen live, or flat and without id as documented (BN-C-08)."""
    if flat:
        return orjson.dumps({"code": code, "msg": message})
    reply: dict[str, Any] = {"error": {"code": code, "msg": message}}
    if has_id:
        reply["id"] = request_id
    return orjson.dumps(reply)


class ControlSession:
    """State of one connection that commands can see: its names and the `combined` property.

    Parameters
    ----------
    on_subscribe, on_unsubscribe
        Called with the names when a command is carried out, repeats included (BN-C-12).
    may_subscribe
        Whether a name may be asked for on this connection at all (BN-M-03, "reject").
    max_streams
        Read at each command, so it can change while the connection is open (BN-L-08).
    """

    def __init__(
        self,
        *,
        combined: bool,
        on_subscribe: Callable[[Sequence[str]], None],
        on_unsubscribe: Callable[[Sequence[str]], None],
        may_subscribe: Callable[[str], bool],
        max_streams: Callable[[], int],
        flat_errors: Callable[[], bool],
    ) -> None:
        self.combined = combined
        self.names: dict[str, None] = {}
        self._on_subscribe = on_subscribe
        self._on_unsubscribe = on_unsubscribe
        self._may_subscribe = may_subscribe
        self._max_streams = max_streams
        self._flat_errors = flat_errors

    def handle(self, text: str | bytes) -> Reply:
        """Take one command apart and answer it; never raises for what a client sent."""
        try:
            request = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            message = f"Invalid JSON: expected value at line {error.lineno} column {error.colno}"
            payload = error_reply(
                INVALID_JSON, message, None, flat=self._flat_errors(), has_id=False
            )
            return Reply(payload)
        request_id = request.get("id") if isinstance(request, dict) else None
        if not _is_id(request_id):
            request_id = None
        try:
            return self._answer(request)
        except _Refused as refused:
            payload = error_reply(
                refused.code, refused.message, request_id, flat=self._flat_errors()
            )
            method = request.get("method") if isinstance(request, dict) else None
            return Reply(payload, method if isinstance(method, str) else None, request_id)

    def _answer(self, request: Any) -> Reply:
        if not isinstance(request, dict):
            raise _Refused(INVALID_REQUEST, "Invalid request: expected an object")
        if "method" not in request:
            raise _Refused(INVALID_REQUEST, "Invalid request: missing field `method`")
        method = request["method"]
        if method not in METHODS:
            known = ", ".join(f"`{name}`" for name in METHODS)
            raise _Refused(
                INVALID_REQUEST,
                f"Invalid request: unknown variant `{method}`, expected one of {known}",
            )
        if "id" not in request:
            raise _Refused(INVALID_REQUEST, "Invalid request: missing field `id`")
        request_id = request["id"]
        if not _is_id(request_id):
            raise _Refused(
                INVALID_REQUEST, "Invalid request: request ID must be an unsigned integer"
            )
        params = request.get("params", [])
        if not isinstance(params, list):
            raise _Refused(INVALID_REQUEST, "Invalid request: params must be an array")
        if method == "LIST_SUBSCRIPTIONS":
            return Reply(_result(list(self.names), request_id), method, request_id)
        if method == "GET_PROPERTY":
            self._check_property(params)
            return Reply(_result(self.combined, request_id), method, request_id)
        if method == "SET_PROPERTY":
            self._check_property(params)
            if len(params) < 2 or not isinstance(params[1], bool):
                raise _Refused(WRONG_TYPE, "Invalid value type: expected Boolean")
            value = params[1]

            def set_combined() -> None:
                self.combined = value

            return Reply(_result(None, request_id), method, request_id, (), set_combined)
        return self._change(method, request_id, params)

    def _change(self, method: str, request_id: Any, params: list[Any]) -> Reply:
        if not all(isinstance(name, str) for name in params):
            raise _Refused(INVALID_REQUEST, "Invalid request: expected a string")
        names = tuple(params)
        if method == "UNSUBSCRIBE":

            def remove() -> None:
                for name in names:
                    self.names.pop(name, None)
                self._on_unsubscribe(names)

            return Reply(_result(None, request_id), method, request_id, names, remove)
        for name in names:
            if not self._may_subscribe(name):
                raise _Refused(INVALID_REQUEST, "Invalid request: invalid stream")
        if len(self.names.keys() | set(names)) > self._max_streams():
            raise _Refused(TOO_MANY, "Too many subscriptions")

        def add() -> None:
            self.names.update(dict.fromkeys(names))
            self._on_subscribe(names)

        return Reply(_result(None, request_id), method, request_id, names, add)

    @staticmethod
    def _check_property(params: list[Any]) -> None:
        if not params or params[0] != "combined":
            raise _Refused(UNKNOWN_PROPERTY, "Unknown property")


def _is_id(value: Any) -> bool:
    """Unsigned integers, and the texts the official client sends (BN-C-02)."""
    if isinstance(value, bool):
        return False
    return (isinstance(value, int) and value >= 0) or isinstance(value, str)


def _result(value: Any, request_id: Any) -> bytes:
    return orjson.dumps({"result": value, "id": request_id})
