"""Transactions from either transport: record, admit, answer (sections 7.1, 7.2, 18.2.8)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import orjson

from .admission import Accepted
from .errors import Refused
from .record import SentTx

if TYPE_CHECKING:
    from .connection import Connection
    from .server import Simulator

__all__ = ["Transact"]

Answer = dict[str, Any]


class Transact:
    """The API node's front: what comes in as a transaction, and what goes back."""

    def __init__(self, sim: Simulator) -> None:
        self._sim = sim
        self._held: list[Callable[[], None]] = []
        self.hold_next = 0

    # -- shared ------------------------------------------------------------------------------

    def take(
        self, kind: str, transport: str, types: Any, infos: Any, *, admit: bool
    ) -> tuple[SentTx, Accepted | Refused]:
        """Record transactions and, if `admit`, put them before the venue."""
        sim = self._sim
        sent = SentTx(sim.clock.now_ms(), kind, transport, _listed(types), _objects(infos), infos)
        sim.record.txs.append(sent)
        result: Accepted | Refused
        try:
            if not admit:
                raise Refused(29500)
            batch = kind.endswith("batch")
            if batch and not (isinstance(types, list) and isinstance(infos, list)):
                raise Refused(21501, "tx_types and tx_infos are lists")
            result = sim.admission.admit(
                types if batch else [types], infos if batch else [infos], batch=batch
            )
            sent.hashes = result.hashes
            sent.code = 200
            sim.record.accepted += len(result.hashes)
        except Refused as refused:
            result = refused
            sent.code = refused.code if admit else None
            sim.record.refused += admit
        return sent, result

    def http_answer(self, kind: str, result: Accepted | Refused) -> tuple[int, Answer]:
        """Return status and body of a POST."""
        if isinstance(result, Refused):
            return result.status, {"code": result.code, "message": result.message}
        hashes: Any = result.hashes if kind.endswith("batch") else result.hashes[0]
        return 200, {
            "code": 200,
            "message": '{"ratelimit": "didn\'t use volume quota"}',
            "tx_hash": hashes,
            "predicted_execution_time_ms": result.executes_at_ms,
            "volume_quota_remaining": result.quota,
        }

    # -- websocket ---------------------------------------------------------------------------

    def on_frame(self, connection: Connection, kind: str, data: Any) -> None:
        """Handle a `jsonapi/...` frame: answer first, then what it causes."""
        sim = self._sim
        fault = sim.faults.take_ack()
        frame_id = data.get("id") if isinstance(data, dict) else None
        types, infos = _frame_members(kind, data)
        sent, result = self.take(kind, "ws", types, infos, admit=fault is None or fault.admit)
        if fault is not None and fault.frame is not None:
            payloads = [fault.frame]
        else:
            payloads = [orjson.dumps(self._ack(kind, frame_id, result))]
        delay_ms = sim.config.ack_delay_ms
        if fault is not None:
            if fault.drop:
                payloads = []
            elif fault.duplicate:
                payloads *= 2
            delay_ms += fault.delay_ms
            if not fault.admit and sent.code is None:
                sent.code = fault.code

        def answer() -> None:
            for payload in payloads:
                connection.send(payload)

        if self.hold_next:
            self.hold_next -= 1
            self._held.append(answer)
        elif delay_ms:
            sim.later(delay_ms, answer)
        else:
            answer()
        sim.pump()

    def release(self, *, reverse: bool = False) -> int:
        """Send the answers held so far, newest first if `reverse`; return how many."""
        held, self._held = self._held, []
        for answer in reversed(held) if reverse else held:
            answer()
        return len(held)

    @property
    def held(self) -> int:
        return len(self._held)

    def _ack(self, kind: str, frame_id: Any, result: Accepted | Refused) -> Answer:
        mode = self._sim.config.ack_mode
        named = {"id": frame_id} if frame_id is not None and mode != "bare" else {}
        if mode == "hash":
            named = {}
        if isinstance(result, Refused):
            error = {"code": result.code, "message": result.message}
            if mode == "error_flat":
                return {"type": "error", **error}
            if mode in ("error_bare", "error_id"):
                return {"error": error} | (named if mode == "error_id" else {})
            if mode == "nested":
                return {"type": "jsonapi/response", "data": {**named, **error}}
            return {"type": kind, **named, **error}
        if mode == "bare":
            return {"type": kind, "code": 200}
        hashes: Any = result.hashes if kind.endswith("batch") else result.hashes[0]
        if mode == "nested":
            return {"type": "jsonapi/response", "data": {**named, "code": 200, "tx_hash": hashes}}
        if mode == "hash":
            return {"type": kind, "code": 200, "tx_hash": hashes}
        return {
            "type": kind,
            **named,
            "code": 200,
            "message": '{"ratelimit": "didn\'t use volume quota"}',
            "tx_hash": hashes,
            "predicted_execution_time_ms": result.executes_at_ms,
            "volume_quota_remaining": result.quota,
        }


def _frame_members(kind: str, data: Any) -> tuple[Any, Any]:
    """Return type(s) and tx_info(s) of a frame; what is missing or no JSON is None."""
    if not isinstance(data, dict):
        return None, None
    if kind == "jsonapi/sendtx":
        return data.get("tx_type"), data.get("tx_info")
    return _json(data.get("tx_types")), _json(data.get("tx_infos"))


def _json(value: Any) -> Any:
    if not isinstance(value, str | bytes):
        return value
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        return None


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _objects(value: Any) -> list[Any]:
    """Return tx_infos as objects, for the record."""
    return [_json(item) for item in _listed(value)]
