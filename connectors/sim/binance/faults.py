"""Faults on demand: what goes wrong, where, and for how long (section 20.2).

A fault is a mapping with the name under `fault` and its settings beside it, the same for
`Faults.apply` and `POST /_sim/fault`. `CATALOGUE` lists them. Connections are chosen by
`connection` (a number or a list), `route`, `product`, `kind` (`stream` or `trading`) and
`stream` (a name they subscribed); with none of these, all open ones are meant.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import web

from .connection import Connection, StreamConnection
from .control import Reply, error_reply
from .frames import BINARY, PING, TEXT, Frame
from .order_faults import OrderFault
from .rest_public import SnapshotFault
from .shaping import Shaping
from .symbols import list_contracts
from .types import Product, SymbolRules
from .userstream import EventFaults, ListenKeyFaults

if TYPE_CHECKING:
    from .server import Simulator

__all__ = ["CATALOGUE", "Faults"]

CATALOGUE: dict[str, str] = {
    "drop": "mode reset|close|half_open; code, reason",
    "shutdown": "within_ms, warn, wrapped, mode close|reset: every connection ends (BN-M-35)",
    "refuse": "mode status|slow|close|garbage; status, retry_after_s, delay_ms, path, count",
    "shape": "delay_ms, bytes_per_s, segment, fragment, ping_between, merge_ms, unknown_keys, "
    "shuffled_keys, count, duration_ms (BN-M-32, BN-M-41)",
    "sequence": "action skip|duplicate|swap|hold; symbol (its depth) or stream; count, "
    "duration_ms; with a connection only there (BN-M-33)",
    "depth_reset": "symbol, to: the update ids start again lower",
    "snapshot": "symbol, action stale|future|error|delay|empty|reset_ids; count, changes, status, "
    "delay_ms, hold_ms",
    "control": "action silent|early_data|lost_ack|late_ack|error|error_flat|wrong_id|failed; "
    "method, count, delay_ms, code, msg (BN-M-34)",
    "silence": "stream, symbol or all of a connection; duration_ms",
    "frame": "send unknown_event|invalid_json|invalid_utf8|binary|huge|ping_flood, or text, or "
    "hex with opcode; count (BN-M-41)",
    "listen_key": "expire (true), silent, or the fields of ListenKeyFaults (BN-M-36)",
    "user_stream": "the fields of EventFaults (BN-M-37)",
    "order": "the fields of OrderFault; hide_open_orders_ms (BN-M-38)",
    "clock": "offset_ms or step_ms (BN-M-39)",
    "limits": "action 429|418|no_headers|headers|jump|lift; seconds, weight, orders (BN-M-40)",
    "instrument": "action tick|status|add|remove; symbol, tick_size, status (BN-M-42)",
    "clear": "take every standing fault off",
}

DEPTH_SUFFIXES = ("@depth", "@depth@0ms", "@depth@100ms", "@depth@250ms", "@depth@500ms",
                  "@rpiDepth@500ms")  # fmt: skip
HUGE_BYTES = 5 * 1024 * 1024

Handshake = Callable[[web.BaseRequest], Awaitable[web.StreamResponse | None]]
ControlFault = Callable[[StreamConnection, Reply], None]


class _Spec:
    """The settings of one fault; `finish` refuses those nobody asked for."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = dict(values)

    def take(self, name: str, default: Any = None) -> Any:
        return self._values.pop(name, default)

    def number(self, name: str, default: float) -> float:
        value = self._values.pop(name, default)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise TypeError(f"{name!r} must be a number, was {value!r}")
        return value

    def choice(self, name: str, choices: Iterable[str], default: str | None = None) -> str:
        value = self._values.pop(name, default)
        known = tuple(choices)
        if value not in known:
            raise ValueError(f"{name!r} must be one of {', '.join(known)}, was {value!r}")
        return str(value)

    def rest(self, kind: type) -> dict[str, Any]:
        """Take what is left; it must be fields of a dataclass, of the type of their defaults."""
        known = {item.name: item.default for item in fields(kind)}
        unknown = self._values.keys() - known.keys()
        if unknown:
            raise ValueError(f"unknown settings {sorted(unknown)}, known: {sorted(known)}")
        for name, value in self._values.items():
            if isinstance(known[name], bool) != isinstance(value, bool) or (
                isinstance(known[name], (int, float)) and not isinstance(value, (int, float))
            ):
                raise TypeError(f"{name!r} must be like {known[name]!r}, was {value!r}")
        rest, self._values = self._values, {}
        return rest

    def finish(self) -> None:
        if self._values:
            raise ValueError(f"unknown settings {sorted(self._values)}")


@dataclass(slots=True)
class _Handshake:
    act: Handshake
    path: str | None
    count: int


@dataclass(slots=True)
class _Control:
    act: ControlFault
    method: str | None
    connections: frozenset[int] | None
    count: int


class _Sequence:
    """Skip, duplicate, swap or hold the next frames of a stream."""

    def __init__(self, action: str, count: int, on_done: Callable[[], None]) -> None:
        self.action = action
        self.left = count
        self.held: list[Frame] = []
        self._on_done = on_done

    def __call__(self, frame: Frame) -> list[Frame]:
        if self.action == "hold":
            self.held.append(frame)
            return []
        if self.action == "swap":
            if not self.held:
                self.held.append(frame)
                return []
            out = [frame, self.held.pop()]
        else:
            out = [] if self.action == "skip" else [frame, frame]
        self.left -= 1
        if self.left <= 0:
            self._on_done()
        return out


class Faults:
    """Carries faults out and keeps those that stand.

    Scenario faults (`fault_interval_s`, `fault_kinds`) come from the seed: same seed, same
    faults at the same simulated times, on connections counted by age.
    """

    def __init__(self, sim: Simulator) -> None:
        self._sim = sim
        self._random = random.Random(f"binance-sim/faults/{sim.config.seed}")
        self._handshakes: list[_Handshake] = []
        self._controls: list[_Control] = []
        self._later: list[tuple[int, int, Callable[[], None]]] = []
        self._later_count = 0
        self._undo: list[Callable[[], None]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._next_ns = int(sim.config.fault_interval_s * 1e9)
        self.applied: list[dict[str, Any]] = []

    # -- standing faults, asked by the server ----------------------------------------------

    def take_handshake(self, path: str) -> Handshake | None:
        for fault in self._handshakes:
            if fault.path is None or path.startswith(fault.path):
                fault.count -= 1
                if fault.count <= 0:
                    self._handshakes.remove(fault)
                return fault.act
        return None

    def take_control(self, connection: StreamConnection, reply: Reply) -> ControlFault | None:
        for fault in self._controls:
            if fault.method not in (None, reply.method):
                continue
            if fault.connections is not None and connection.number not in fault.connections:
                continue
            fault.count -= 1
            if fault.count <= 0:
                self._controls.remove(fault)
            return fault.act
        return None

    # -- time ------------------------------------------------------------------------------

    def after(self, ms: float, action: Callable[[], None]) -> None:
        """Do something after that much simulated time."""
        self._later_count += 1
        due_ns = self._sim.clock.elapsed_ns() + int(ms * 1e6)
        self._later.append((due_ns, self._later_count, action))
        self._later.sort(key=lambda item: item[:2])

    def advance(self, now_ns: int) -> None:
        """Do what is due and, in a scenario with faults, make the next ones."""
        while self._later and self._later[0][0] <= now_ns:
            self._later.pop(0)[2]()
        interval_s = self._sim.config.fault_interval_s
        if interval_s and now_ns >= self._next_ns:
            self._next_ns = now_ns + int(interval_s * 1e9)
            kinds = self._sim.config.fault_kinds
            if kinds:
                self._random_fault(self._random.choice(kinds))

    def clear(self) -> None:
        """Take every standing fault off; held frames go out."""
        self._handshakes.clear()
        self._controls.clear()
        later, self._later = self._later, []
        for _, _, action in later:
            action()
        for undo in self._undo:
            undo()
        self._undo.clear()
        self._sim.hub.muted.clear()
        self._sim.public.snapshot_faults.clear()
        self._sim.exchange.user_stream.key_faults = ListenKeyFaults()
        self._sim.exchange.user_stream.event_faults = EventFaults()
        self._sim.exchange.faults.hide_open_orders_ms = 0
        self._sim.trading.faults.waiting.clear()
        self._sim.clock.offset_ns = 0
        self._sim.limits.omit_headers = False
        self._sim.lift_bans()
        for connection in self._sim.connections.values():
            connection.taps.clear()
            connection.shape(None, self._random)

    def close(self) -> None:
        for task in self._tasks:
            task.cancel()

    # -- applying --------------------------------------------------------------------------

    def apply(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Carry out one fault; return what it did.

        Raises
        ------
        ValueError
            The fault or a setting is unknown, or a value is not possible.
        """
        spec = _Spec(values)
        name = spec.choice("fault", CATALOGUE)
        done: dict[str, Any] = getattr(self, f"_fault_{name}")(spec)
        spec.finish()
        self.applied.append({"ms": self._sim.clock.now_ms(), **values})
        del self.applied[:-1_000]
        return done

    def _targets(self, spec: _Spec) -> list[Connection]:
        number, route, product, kind, stream = (
            spec.take(name) for name in ("connection", "route", "product", "kind", "stream")
        )
        wanted = {number} if isinstance(number, int) else set(number or ())
        chosen = []
        for connection in self._sim.connections.values():
            if not connection.open or (wanted and connection.number not in wanted):
                continue
            if kind is not None and connection.kind != kind:
                continue
            if route is not None and getattr(connection, "route", None) != route:
                continue
            if product is not None and connection.product is not Product(product):
                continue
            if stream is not None and not (
                isinstance(connection, StreamConnection) and stream in connection.control.names
            ):
                continue
            chosen.append(connection)
        return chosen

    def _streams(self, spec: _Spec) -> list[str]:
        """Return the stream names meant by `stream`, or the depth streams of `symbol`."""
        stream, symbol = spec.take("stream"), spec.take("symbol")
        if stream is not None:
            return [str(stream)]
        if symbol is None:
            raise ValueError("'stream' or 'symbol' is needed")
        feed = self._sim.market.feeds.get(symbol)
        if feed is None:
            raise ValueError(f"unknown symbol {symbol!r}")
        return [f"{feed.name}{suffix}" for suffix in DEPTH_SUFFIXES]

    # -- connections -----------------------------------------------------------------------

    def _fault_drop(self, spec: _Spec) -> dict[str, Any]:
        mode = spec.choice("mode", ("reset", "close", "half_open"), "reset")
        code, reason = int(spec.number("code", 1001)), str(spec.take("reason", ""))
        targets = self._targets(spec)
        for connection in targets:
            _end(connection, mode, code, reason)
        return _numbers(targets)

    def _fault_shutdown(self, spec: _Spec) -> dict[str, Any]:
        within_ms = spec.number("within_ms", 1_000)
        mode = spec.choice("mode", ("close", "reset"), "close")
        warn, wrapped = bool(spec.take("warn", True)), bool(spec.take("wrapped", False))
        targets = self._targets(spec)
        for connection in targets:
            if warn:
                event = b'{"e":"serverShutdown","E":%d}' % self._sim.clock.now_ms()
                connection.send(b'{"event":%b}' % event if wrapped else event)
            self.after(
                self._random.uniform(0, within_ms),
                lambda connection=connection: _end(connection, mode, 1001, ""),  # type: ignore[misc]
            )
        return _numbers(targets)

    def _fault_refuse(self, spec: _Spec) -> dict[str, Any]:
        mode = spec.choice("mode", ("status", "slow", "close", "garbage"), "status")
        status = int(spec.number("status", 503))
        retry_after_s = spec.take("retry_after_s")
        delay_s = spec.number("delay_ms", 1_000) / 1000
        path, count = spec.take("path"), int(spec.number("count", 1))

        async def act(request: web.BaseRequest) -> web.StreamResponse | None:
            transport = request.transport
            assert transport is not None
            if mode == "slow":
                await asyncio.sleep(delay_s)
                return None
            if mode == "status":
                headers = {} if retry_after_s is None else {"Retry-After": str(retry_after_s)}
                return web.Response(status=status, headers=headers)
            if mode == "garbage":
                transport.write(b"\x16\x03\x01 this is not HTTP\r\n\r\n")
                transport.close()
                return web.Response(status=500)
            ws = web.WebSocketResponse(autoping=False, autoclose=False, compress=False)
            await ws.prepare(request)
            transport.close()
            return ws

        self._handshakes.append(_Handshake(act, path, count))
        return {"count": count}

    def _fault_shape(self, spec: _Spec) -> dict[str, Any]:
        duration_ms = spec.number("duration_ms", 0)
        targets = self._targets(spec)
        settings = spec.rest(Shaping)
        for connection in targets:
            connection.shape(Shaping(**settings), self._random)
            if duration_ms:
                self.after(
                    duration_ms,
                    lambda connection=connection: connection.shape(None, self._random),  # type: ignore[misc]
                )
        return _numbers(targets)

    # -- streams ---------------------------------------------------------------------------

    def _fault_sequence(self, spec: _Spec) -> dict[str, Any]:
        action = spec.choice("action", ("skip", "duplicate", "swap", "hold"), "skip")
        count, duration_ms = int(spec.number("count", 1)), spec.number("duration_ms", 1_000)
        streams = self._streams(spec)
        number = spec.take("connection")
        if number is None:
            # Only what is followed now: a fault must not wait for a subscriber of another day.
            followed = [stream for stream in streams if stream in self._sim.hub.channels]
            streams = followed or streams
            for stream in streams:
                self._tap_hub(stream, action, count, duration_ms)
        else:
            connection = self._sim.connections.get(number)
            if not isinstance(connection, StreamConnection):
                raise ValueError(f"no open stream connection {number!r}")
            streams = [stream for stream in streams if stream in connection.control.names]
            for stream in streams:
                self._tap_connection(connection, stream, action, count, duration_ms)
        return {"streams": streams}

    def _tap_hub(self, stream: str, action: str, count: int, duration_ms: float) -> None:
        fault = _Sequence(action, count, lambda: off())
        off = self._sim.hub.tap(stream, fault)

        def release() -> None:
            off()
            held, fault.held = fault.held, []
            self._sim.hub.deliver(stream, held)

        self._undo.append(release)
        if action == "hold":
            self.after(duration_ms, release)

    def _tap_connection(
        self,
        connection: StreamConnection,
        stream: str,
        action: str,
        count: int,
        duration_ms: float,
    ) -> None:
        def tap(frame: Frame) -> list[Frame]:
            return fault(frame) if frame.stream == stream else [frame]

        def release() -> None:
            if tap in connection.taps:
                connection.taps.remove(tap)
            held, fault.held = fault.held, []
            for frame in held:
                connection.send_event(frame)

        fault = _Sequence(action, count, release)
        connection.taps.append(tap)
        if action == "hold":
            self.after(duration_ms, release)

    def _fault_depth_reset(self, spec: _Spec) -> dict[str, Any]:
        feed = self._sim.market.feeds.get(spec.take("symbol", ""))
        if feed is None:
            raise ValueError("'symbol' must be a listed symbol")
        self._sim.market.settle()
        feed.restart_ids(int(spec.number("to", max(1, feed.update_id // 2))))
        return {"update_id": feed.update_id}

    def _fault_snapshot(self, spec: _Spec) -> dict[str, Any]:
        symbol = spec.take("symbol", "")
        if symbol not in self._sim.market.feeds:
            raise ValueError(f"unknown symbol {symbol!r}")
        actions = ("stale", "future", "error", "delay", "empty", "reset_ids")
        fault = SnapshotFault(
            spec.choice("action", actions),
            int(spec.number("count", 1)),
            changes=int(spec.number("changes", 200)),
            status=int(spec.number("status", 503)),
            delay_s=spec.number("delay_ms", 0) / 1000,
        )
        hold_ms = spec.number("hold_ms", 1_000)
        if fault.action == "delay" and not fault.delay_s:
            fault.delay_s = 1.0
        if fault.action == "future":
            # The truth about such snapshots: the stream lags behind the book that REST shows.
            name = self._sim.market.feeds[symbol].name
            for suffix in DEPTH_SUFFIXES:
                self._tap_hub(f"{name}{suffix}", "hold", 0, hold_ms)
        else:
            self._sim.public.snapshot_faults.setdefault(symbol, []).append(fault)
        return {"symbol": symbol}

    def _fault_silence(self, spec: _Spec) -> dict[str, Any]:
        duration_ms = spec.number("duration_ms", 1_000)
        number = spec.take("connection")
        if number is not None:
            connection = self._sim.connections.get(number)
            if connection is None:
                raise ValueError(f"no open connection {number!r}")

            def nothing(frame: Frame) -> list[Frame]:
                return []

            connection.taps.append(nothing)
            self.after(duration_ms, lambda: _discard(connection.taps, nothing))
            return {"connection": number}
        symbol = spec.take("symbol")
        if symbol is None:
            streams = self._streams(spec)
        else:
            name = self._sim.market.feeds[symbol].name
            streams = [text for text in self._sim.hub.channels if text.startswith(f"{name}@")]
        muted = self._sim.hub.muted
        muted.update(streams)
        self.after(duration_ms, lambda: muted.difference_update(streams))
        return {"streams": streams}

    def _fault_control(self, spec: _Spec) -> dict[str, Any]:
        actions = ("silent", "early_data", "lost_ack", "late_ack", "error", "error_flat",
                   "wrong_id", "failed")  # fmt: skip
        action = spec.choice("action", actions)
        delay_ms = spec.number("delay_ms", 1_000)
        code = int(spec.number("code", -1 if action == "error_flat" else 2))
        text = str(spec.take("msg", "Forced subscription failure"))
        number = spec.take("connection")
        chosen = None if number is None else frozenset([number])

        def act(connection: StreamConnection, reply: Reply) -> None:
            refusal = None
            if action == "error":
                refusal = error_reply(code, text, reply.request_id, flat=False)
            elif action == "error_flat":
                refusal = orjson.dumps({"code": code, "msg": text, "id": reply.request_id})
            elif action == "failed":
                refusal = orjson.dumps(
                    {"result": {"failed": list(reply.names)}, "id": reply.request_id}
                )
            if refusal is not None:
                connection.send(refusal)
                return
            if action == "wrong_id":
                reply.payload = orjson.dumps({"result": None, "id": 999_999})
                connection.answer(reply)
            elif action == "late_ack":
                _carry_out(reply)
                self.after(delay_ms, lambda: connection.send(reply.payload))
            elif action == "lost_ack":
                _carry_out(reply)
            elif action == "early_data":
                _carry_out(reply)
                self._repeat_events(connection, reply.names)
                connection.send(reply.payload)
            else:
                connection.send(reply.payload)  # acknowledged, and then nothing: BN-C-09

        method = spec.take("method", "SUBSCRIBE")
        self._controls.append(_Control(act, method, chosen, int(spec.number("count", 1))))
        return {"method": method}

    def _repeat_events(self, connection: StreamConnection, names: Iterable[str]) -> None:
        """Send an event of each stream that has one at any time."""
        for name in names:
            channel = self._sim.hub.channels.get(name)
            text = None if channel is None else self._sim.market.event_now(channel.name)
            if text is not None:
                connection.send_event(Frame(name, text.encode()))

    def _fault_frame(self, spec: _Spec) -> dict[str, Any]:
        choices = ("unknown_event", "invalid_json", "invalid_utf8", "binary", "huge",
                   "ping_flood", "text", "hex")  # fmt: skip
        text, raw = spec.take("text"), spec.take("hex")
        default = "text" if text is not None else "hex" if raw is not None else None
        what = spec.choice("send", choices, default)
        count = int(spec.number("count", 50 if what == "ping_flood" else 1))
        opcode = int(spec.number("opcode", TEXT))
        targets = self._targets(spec)
        now_ms = self._sim.clock.now_ms()
        unknown = b'{"e":"somethingNew","E":%d,"s":"BTCUSDT","x":[1,2,{"y":null}]}' % now_ms
        payload, opcode = {
            "unknown_event": (unknown, TEXT),
            "invalid_json": (unknown[: len(unknown) // 2], TEXT),
            "invalid_utf8": (b'{"e":"somethingNew","s":"\xff\xfe\x80"}', TEXT),
            "binary": (unknown, BINARY),
            "huge": (b'{"e":"somethingNew","x":"%b"}' % (b"x" * HUGE_BYTES), TEXT),
            "ping_flood": (b"flood", PING),
            "text": ((text or "").encode(), TEXT),
            "hex": (bytes.fromhex(raw or ""), opcode),
        }[what]
        for connection in targets:
            for _ in range(count):
                connection.send(payload, opcode)
            if opcode == PING:
                connection.expect_pongs(count)
        return _numbers(targets)

    # -- account, orders, clock, limits, instruments ---------------------------------------

    def _fault_listen_key(self, spec: _Spec) -> dict[str, Any]:
        stream = self._sim.exchange.user_stream
        expired = 0
        if spec.take("expire", False):
            expired = stream.expire(spec.take("key"), silent=bool(spec.take("silent", False)))
        for name, value in spec.rest(ListenKeyFaults).items():
            setattr(stream.key_faults, name, value)
        return {"expired": expired}

    def _fault_user_stream(self, spec: _Spec) -> dict[str, Any]:
        for name, value in spec.rest(EventFaults).items():
            setattr(self._sim.exchange.user_stream.event_faults, name, value)
        return {}

    def _fault_order(self, spec: _Spec) -> dict[str, Any]:
        hide_ms = spec.take("hide_open_orders_ms")
        if hide_ms is not None:
            self._sim.exchange.faults.hide_open_orders_ms = int(hide_ms)
        rest = spec.rest(OrderFault)
        if rest:
            self._sim.trading.faults.waiting.append(OrderFault(**rest))
        return {"waiting": len(self._sim.trading.faults.waiting)}

    def _fault_clock(self, spec: _Spec) -> dict[str, Any]:
        clock = self._sim.clock
        offset_ms = spec.take("offset_ms")
        if offset_ms is not None:
            clock.offset_ns = int(offset_ms * 1e6)
        clock.offset_ns += int(spec.number("step_ms", 0) * 1e6)
        return {"offset_ms": clock.offset_ns / 1e6}

    def _fault_limits(self, spec: _Spec) -> dict[str, Any]:
        limits = self._sim.limits
        actions = ("429", "418", "no_headers", "headers", "jump", "lift")
        action = spec.choice("action", actions)
        seconds = spec.number("seconds", 10)
        weight, orders = int(spec.number("weight", 0)), int(spec.number("orders", 0))
        if action == "429":
            limits.limit(seconds)
        elif action == "418":
            limits.ban(seconds)
        elif action == "jump":
            limits.jump(weight=weight, orders=orders)
        elif action == "lift":
            self._sim.lift_bans()
        else:
            limits.omit_headers = action == "no_headers"
        return {"used_weight": limits.used_weight}

    def _fault_instrument(self, spec: _Spec) -> dict[str, Any]:
        market = self._sim.market
        action = spec.choice("action", ("tick", "status", "add", "remove"))
        symbol = str(spec.take("symbol", ""))
        if action == "add":
            listed = self._sim.symbols
            spare = list_contracts(len(listed) + 1, 0, self._sim.clock.now_ms())
            contract = next(c for c in spare if c.symbol not in listed)
            self._sim.symbols[contract.symbol] = contract.rules
            feed = market.list_contract(contract)
            market.announce(feed)
            return {"symbol": contract.symbol}
        known = market.feeds.get(symbol)
        if known is None:
            raise ValueError(f"unknown symbol {symbol!r}")
        if action == "tick":
            _change_tick(known.rules, Decimal(str(spec.take("tick_size"))))
            market.announce(known)
        elif action == "status":
            known.rules.status = str(spec.take("status", "SETTLING"))
            market.status_changed(known)
        else:
            known.rules.status = "CLOSE"
            market.announce(known)
            market.delist(symbol)
            self._sim.exchange.settle()
            del self._sim.symbols[symbol]
        return {"symbol": symbol}

    def _fault_clear(self, spec: _Spec) -> dict[str, Any]:
        self.clear()
        return {}

    # -- scenarios -------------------------------------------------------------------------

    def _random_fault(self, kind: str) -> None:
        """Carry out a scenario fault on a random connection or symbol."""
        source = self._random
        open_numbers = [c.number for c in self._sim.connections.values() if c.open]
        symbols = [
            symbol
            for symbol, feed in self._sim.market.feeds.items()
            if any(f"{feed.name}{suffix}" in self._sim.hub.channels for suffix in DEPTH_SUFFIXES)
        ]
        spec = _scenario_fault(kind, source)
        if spec.pop("needs", "connection") == "symbol":
            if not symbols:
                return
            spec["symbol"] = source.choice(symbols)
        elif spec["fault"] not in ("refuse", "control", "clock", "shutdown"):
            if not open_numbers:
                return
            spec["connection"] = source.choice(open_numbers)
        self.apply(spec)


def _scenario_fault(kind: str, source: random.Random) -> dict[str, Any]:
    table: dict[str, dict[str, Any]] = {
        "drop_reset": {"fault": "drop", "mode": "reset"},
        "drop_close": {"fault": "drop", "mode": "close", "code": 1001},
        "half_open": {"fault": "drop", "mode": "half_open"},
        "shutdown": {"fault": "shutdown", "within_ms": 1_000},
        "refuse": {"fault": "refuse", "status": source.choice((403, 429, 500, 503))},
        "slow_frames": {"fault": "shape", "delay_ms": 5, "count": 50},
        "split_frames": {"fault": "shape", "segment": source.randrange(1, 20), "count": 20},
        "fragments": {"fault": "shape", "fragment": 16, "ping_between": True, "count": 20},
        "unknown_keys": {"fault": "shape", "unknown_keys": True, "count": 50},
        "shuffled_keys": {"fault": "shape", "shuffled_keys": True, "count": 50},
        "unknown_event": {"fault": "frame", "send": "unknown_event"},
        "invalid_json": {"fault": "frame", "send": "invalid_json"},
        "ping_flood": {"fault": "frame", "send": "ping_flood", "count": 5},
        "lost_ack": {"fault": "control", "action": "lost_ack"},
        "error_ack": {"fault": "control", "action": "error"},
        "silence": {"fault": "silence", "duration_ms": 2_000},
        "clock_step": {"fault": "clock", "offset_ms": source.randrange(-3_000, 3_000)},
        "depth_skip": {"fault": "sequence", "action": "skip", "count": source.randrange(1, 4)},
        "depth_duplicate": {"fault": "sequence", "action": "duplicate"},
        "depth_swap": {"fault": "sequence", "action": "swap"},
        "depth_reset": {"fault": "depth_reset"},
        "snapshot_stale": {"fault": "snapshot", "action": "stale"},
        "snapshot_error": {"fault": "snapshot", "action": "error"},
        "snapshot_delay": {"fault": "snapshot", "action": "delay", "delay_ms": 500},
        "snapshot_empty": {"fault": "snapshot", "action": "empty"},
    }
    spec = dict(table[kind])
    if kind.startswith(("depth_", "snapshot_")):
        spec["needs"] = "symbol"
    return spec


def _end(connection: Connection, mode: str, code: int, reason: str) -> None:
    if mode == "reset":
        connection.reset()
    elif mode == "close":
        connection.close(code, reason)
    else:
        connection.freeze()


def _carry_out(reply: Reply) -> None:
    if reply.apply is not None:
        reply.apply()


def _discard(items: list[Any], item: Any) -> None:
    if item in items:
        items.remove(item)


def _numbers(connections: Iterable[Connection]) -> dict[str, Any]:
    return {"connections": [connection.number for connection in connections]}


def _change_tick(rules: SymbolRules, tick: Decimal) -> None:
    """Change the tick within the precision, which is the scale of the engine."""
    if tick <= 0 or rules.price_units(tick) is None:
        raise ValueError(
            f"tick size must be a positive multiple of 1e-{rules.price_precision}, was {tick}"
        )
    rules.tick_size = tick
