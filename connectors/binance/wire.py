"""Control frames out and in, and the events too rare for the compiled decoder.

Sans-I/O. Commands go out as `{"method":...,"params":[...],"id":n}` (BN-H-01); replies come
back by id, in several forms (BN-H-06..10, BN-C-08):

| frame                                       | parsed as                          |
|---------------------------------------------|------------------------------------|
| `{"result":null,"id":n}`                    | Reply, ok                          |
| `{"result":...,"id":n}`                     | Reply with a value                 |
| `{"error":{"code","msg"},"id":n}`           | Reply, refused                     |
| `{"code","msg","id":n}`                     | Reply, refused                     |
| `{"error":{"code","msg"}}`, `{"code","msg"}` | VenueProblem: nobody asked for it |

| event                       | becomes          |
|-----------------------------|------------------|
| contractInfo                | ContractInfo     |
| compositeIndex              | CompositeIndex   |
| assetIndexUpdate            | AssetIndex       |
| EquityUpdate and its like   | TradingSession   |
| serverShutdown              | ServerShutdown   |
| anything else               | None: surfaced as it came |
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Literal, TypeAlias

import orjson

from ..errors import DecodeError
from ..net.clock import NS_PER_MS

__all__ = [
    "MAX_COMMAND_BYTES",
    "AssetIndex",
    "ColdEvent",
    "CompositeIndex",
    "ContractInfo",
    "LeverageBracket",
    "Method",
    "Reply",
    "RequestId",
    "ServerShutdown",
    "TradingSession",
    "VenueProblem",
    "encode_command",
    "parse_cold_event",
    "parse_control",
    "split_names",
]

MAX_COMMAND_BYTES = 7500
"""Peers lose connections above 8 000 characters (BN-S-55)."""

RequestId: TypeAlias = int | str
Method: TypeAlias = Literal[
    "SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY"
]


# ---- commands ---------------------------------------------------------------------------------


def encode_command(method: Method, params: Sequence[object] | None, request_id: RequestId) -> bytes:
    """Return the wire text of one command; `params` None leaves the key out."""
    if params is None:
        return orjson.dumps({"method": method, "id": request_id})
    return orjson.dumps({"method": method, "params": list(params), "id": request_id})


def split_names(names: Iterable[str], limit: int = MAX_COMMAND_BYTES) -> Iterator[list[str]]:
    """Cut names, in order, into lists whose command stays within `limit` bytes (BN-S-55)."""
    frame = len('{"method":"UNSUBSCRIBE","params":[],"id":}') + 20  # the longest id
    part: list[str] = []
    size = frame
    for name in names:
        cost = len(orjson.dumps(name)) + 1
        if part and size + cost > limit:
            yield part
            part, size = [], frame
        part.append(name)
        size += cost
    if part:
        yield part


# ---- replies ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to the command with this id. `ok` means: not an error form."""

    request_id: RequestId | None
    ok: bool
    result: Any = None
    code: int | None = None
    message: str = ""


@dataclass(frozen=True, slots=True)
class VenueProblem:
    """An error frame that answers no command."""

    code: int | None
    message: str


def parse_control(data: bytes) -> Reply | VenueProblem | None:
    """Parse a frame that is not a market event; None when it is no control frame either.

    Raises
    ------
    DecodeError
        If it is not JSON.
    """
    try:
        frame = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise DecodeError(f"control frame is not JSON: {error.msg}", error.pos) from None
    if not isinstance(frame, dict):
        return None
    request_id = frame.get("id")
    if not isinstance(request_id, (int, str)) or isinstance(request_id, bool):
        request_id = None
    problem = frame.get("error")
    if problem is None and "result" not in frame and "code" in frame:
        problem = frame
    if problem is not None:
        code, message = _code_and_text(problem)
        if request_id is None:
            return VenueProblem(code, message)
        return Reply(request_id, False, None, code, message)
    if "result" in frame or "id" in frame:
        return Reply(request_id, True, frame.get("result"))
    return None


def _code_and_text(problem: object) -> tuple[int | None, str]:
    if not isinstance(problem, dict):
        return None, str(problem)
    code = problem.get("code")
    text = problem.get("msg")
    return (
        code if isinstance(code, int) and not isinstance(code, bool) else None,
        text if isinstance(text, str) else "Unknown error",
    )


# ---- rare events ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LeverageBracket:
    """One step of the leverage table of a contract."""

    bracket: int
    notional_floor: Decimal
    notional_cap: Decimal
    maintenance_margin_rate: Decimal
    auxiliary: Decimal
    min_leverage: int
    max_leverage: int


@dataclass(frozen=True, slots=True)
class ContractInfo:
    """A contract was listed, changed its status or its leverage brackets."""

    symbol: str
    pair: str | None
    contract_type: str
    status: str
    ts_delivery: int
    ts_onboard: int
    brackets: tuple[LeverageBracket, ...] | None
    symbol_type: int | None
    ts_event: int


@dataclass(frozen=True, slots=True)
class CompositeIndex:
    """Value and composition of an index; items are (base, quote, weight, share, price)."""

    symbol: str
    price: Decimal
    components: tuple[tuple[str, str, Decimal, Decimal, Decimal], ...]
    ts_event: int


@dataclass(frozen=True, slots=True)
class AssetIndex:
    """Conversion rate of an asset in multi-assets mode."""

    symbol: str
    index: Decimal
    bid: Decimal
    ask: Decimal
    bid_buffer: Decimal
    ask_buffer: Decimal
    ts_event: int


@dataclass(frozen=True, slots=True)
class TradingSession:
    """Which session an underlying market is in, from `ts_start` to `ts_end`."""

    market: str
    session: str
    ts_start: int
    ts_end: int
    ts_event: int


@dataclass(frozen=True, slots=True)
class ServerShutdown:
    """The venue will end this connection soon (BN-T-15)."""

    ts_event: int


ColdEvent: TypeAlias = ContractInfo | CompositeIndex | AssetIndex | TradingSession | ServerShutdown


def parse_cold_event(payload: bytes) -> ColdEvent | None:
    """Parse one event object; None when its kind has no type of its own.

    Raises
    ------
    DecodeError
        If it is not a JSON object, or lacks a field its kind must have.
    """
    try:
        frame = orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        raise DecodeError(f"event is not JSON: {error.msg}", error.pos) from None
    if isinstance(frame, dict) and isinstance(frame.get("event"), dict):
        frame = frame["event"]  # the wrapped form of serverShutdown
    if not isinstance(frame, dict) or not isinstance(frame.get("e"), str):
        raise DecodeError("event is not an object with a name")
    name = frame["e"]
    try:
        if name == "contractInfo":
            return _contract_info(frame)
        if name == "compositeIndex":
            return _composite_index(frame)
        if name == "assetIndexUpdate":
            return _asset_index(frame)
        if name == "serverShutdown":
            return ServerShutdown(_ns(frame.get("E", 0)))
        if name.endswith("Update") and "S" in frame and "t" in frame:
            return TradingSession(
                name.removesuffix("Update"),
                frame["S"],
                _ns(frame["t"]),
                _ns(frame["T"]),
                _ns(frame["E"]),
            )
    except (KeyError, TypeError, ValueError, IndexError, InvalidOperation) as error:
        raise DecodeError(f"{name}: {type(error).__name__} {error}") from None
    return None


def _contract_info(frame: dict[str, Any]) -> ContractInfo:
    brackets = frame.get("bks")
    return ContractInfo(
        symbol=frame["s"],
        pair=frame.get("ps"),
        contract_type=frame["ct"],
        status=frame["cs"],
        ts_delivery=_ns(frame["dt"]),
        ts_onboard=_ns(frame["ot"]),
        brackets=None if brackets is None else tuple(_bracket(item) for item in brackets),
        symbol_type=frame.get("st"),
        ts_event=_ns(frame["E"]),
    )


def _bracket(item: dict[str, Any]) -> LeverageBracket:
    # The only JSON floats of the venue (BN-F-10): their shortest text is what was meant.
    return LeverageBracket(
        bracket=item["bs"],
        notional_floor=Decimal(str(item["bnf"])),
        notional_cap=Decimal(str(item["bnc"])),
        maintenance_margin_rate=Decimal(str(item["mmr"])),
        auxiliary=Decimal(str(item["cf"])),
        min_leverage=item["mi"],
        max_leverage=item["ma"],
    )


def _composite_index(frame: dict[str, Any]) -> CompositeIndex:
    return CompositeIndex(
        symbol=frame["s"],
        price=Decimal(frame["p"]),
        components=tuple(
            (item["b"], item["q"], Decimal(item["w"]), Decimal(item["W"]), Decimal(item["i"]))
            for item in frame["c"]
        ),
        ts_event=_ns(frame["E"]),
    )


def _asset_index(frame: dict[str, Any]) -> AssetIndex:
    return AssetIndex(
        symbol=frame["s"],
        index=Decimal(frame["i"]),
        bid=Decimal(frame["B"]),
        ask=Decimal(frame["A"]),
        bid_buffer=Decimal(frame["b"]),
        ask_buffer=Decimal(frame["a"]),
        ts_event=_ns(frame["E"]),
    )


def _ns(milliseconds: Any) -> int:
    """Milliseconds, as a number or as text, to ns (BN-MD-11)."""
    return int(milliseconds) * NS_PER_MS
