"""Every kind of fault: its settings and what it does (BN-M-30 to BN-M-42).

The docstring of each function is its entry in the catalogue: its settings, with what they may be.
"""

from __future__ import annotations

import inspect
import random
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import orjson

from ..faults import STRAY, stray_frame
from ..replies import HANDSHAKE_MODES, HandshakeFault, handshake_action
from ..shaping import Shaping
from ..spec import Spec
from ..wsframes import TEXT
from .connection import Connection, StreamConnection
from .control import Reply, error_reply
from .fault_spec import ControlFault, HttpFault
from .frames import Frame
from .order_faults import OrderFault
from .rest_public import SnapshotFault
from .symbols import list_contracts
from .types import Response, SymbolRules
from .userstream import EventFaults, ListenKeyFaults

if TYPE_CHECKING:
    from .faults import Faults

__all__ = ["KINDS", "catalogue", "scenario_fault"]

Kind = Callable[["Faults", Spec], dict[str, Any]]
KINDS: dict[str, Kind] = {}


def _kind(function: Kind) -> Kind:
    KINDS[function.__name__] = function
    return function


def catalogue() -> dict[str, str]:
    """Return every kind of fault with its settings."""
    return {name: inspect.cleandoc(kind.__doc__ or "") for name, kind in KINDS.items()}


# -- connections -------------------------------------------------------------------------------


@_kind
def drop(board: Faults, spec: Spec) -> dict[str, Any]:
    """mode reset|close|half_open; code, reason. BN-M-30"""
    mode = spec.choice("mode", ("reset", "close", "half_open"), "reset")
    code, reason = int(spec.number("code", 1001)), str(spec.take("reason", ""))
    targets = board.targets(spec)
    for connection in targets:
        _end(connection, mode, code, reason)
    return _numbers(targets)


@_kind
def shutdown(board: Faults, spec: Spec) -> dict[str, Any]:
    """Everybody goes: within_ms, mode close|reset, warn, wrapped. BN-M-35"""
    within_ms = spec.number("within_ms", 1_000)
    mode = spec.choice("mode", ("close", "reset"), "close")
    warn, wrapped = bool(spec.take("warn", True)), bool(spec.take("wrapped", False))
    targets = board.targets(spec)
    for connection in targets:
        if warn:
            event = b'{"e":"serverShutdown","E":%d}' % board.sim.clock.now_ms()
            connection.send(b'{"event":%b}' % event if wrapped else event)

        def end(connection: Connection = connection) -> None:
            _end(connection, mode, 1001, "")

        board.after(board.random.uniform(0, within_ms), end)
    return _numbers(targets)


@_kind
def refuse(board: Faults, spec: Spec) -> dict[str, Any]:
    """Handshakes: mode status|slow|close|garbage; status, retry_after_s, delay_ms; path (its
    start), count. BN-M-31
    """
    mode = spec.choice("mode", HANDSHAKE_MODES, "status")
    status = int(spec.number("status", 503))
    retry_after_s = spec.take("retry_after_s")
    delay_s = spec.number("delay_ms", 1_000) / 1000
    count = int(spec.number("count", 1))
    act = handshake_action(mode, status=status, retry_after_s=retry_after_s, delay_s=delay_s)
    board.handshakes.append(HandshakeFault(act, spec.take("path"), count))
    return {"count": count}


@_kind
def shape(board: Faults, spec: Spec) -> dict[str, Any]:
    """Bent output: delay_ms, bytes_per_s, segment, writes, fragment, fragments,
    ping_between, merge_ms, unknown_keys, shuffled_keys; count (frames), duration_ms.
    BN-M-32, BN-M-41
    """
    duration_ms = spec.number("duration_ms", 0)
    targets = board.targets(spec)
    return {"connections": board.shape_all(targets, spec.rest(Shaping), duration_ms)}


@_kind
def frame(board: Faults, spec: Spec) -> dict[str, Any]:
    """send unknown_event|invalid_json|invalid_utf8|binary|huge|ping_flood, or text, or hex with
    opcode; count. BN-M-41
    """
    choices = (*STRAY, "text", "hex")
    text, raw = spec.take("text"), spec.take("hex")
    default = "text" if text is not None else "hex" if raw is not None else None
    what = spec.choice("send", choices, default)
    count = int(spec.number("count", 50 if what == "ping_flood" else 1))
    opcode = int(spec.number("opcode", TEXT))
    targets = board.targets(spec)
    now_ms = board.sim.clock.now_ms()
    unknown = b'{"e":"somethingNew","E":%d,"s":"BTCUSDT","x":[1,2,{"y":null}]}' % now_ms
    if what == "text":
        payload = (text or "").encode()
    elif what == "hex":
        payload = bytes.fromhex(raw or "")
    else:
        payload, opcode = stray_frame(what, unknown)
    board.send_to(targets, payload, opcode, count)
    return _numbers(targets)


# -- streams and books -------------------------------------------------------------------------


@_kind
def sequence(board: Faults, spec: Spec) -> dict[str, Any]:
    """action skip|duplicate|swap|hold; symbol (its followed diff streams) or stream; count
    (events), duration_ms (of hold); connection: only there. BN-M-33
    """
    action = spec.choice("action", ("skip", "duplicate", "swap", "hold"), "skip")
    count, duration_ms = int(spec.number("count", 1)), spec.number("duration_ms", 1_000)
    streams = _streams(board, spec)
    number = spec.take("connection")
    if number is None:
        # Only what is followed now: a fault must not wait for a subscriber of another day.
        streams = [name for name in streams if name in board.sim.hub.channels] or streams
        for name in streams:
            board.tap_stream(name, action, count, duration_ms)
    else:
        connection = board.stream_connection(number)
        streams = [name for name in streams if name in connection.control.names]
        for name in streams:
            board.tap_connection(connection, name, action, count, duration_ms)
    return {"streams": streams}


@_kind
def depth_reset(board: Faults, spec: Spec) -> dict[str, Any]:
    """The update ids of a symbol start again lower: symbol, to. BN-M-33"""
    feed = board.sim.market.feeds.get(spec.take("symbol", ""))
    if feed is None:
        raise ValueError("'symbol' must be a listed symbol")
    board.sim.market.settle()
    feed.restart_ids(int(spec.number("to", max(1, feed.update_id // 2))))
    return {"update_id": feed.update_id}


@_kind
def snapshot(board: Faults, spec: Spec) -> dict[str, Any]:
    """REST depth: symbol, action stale|future|error|delay|empty|reset_ids; count, changes (stale),
    status (error), delay_ms, hold_ms (future). BN-M-33
    """
    symbol = spec.take("symbol", "")
    streams = board.depth_streams(symbol)
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
        for name in streams:
            board.tap_stream(name, "hold", 0, hold_ms)
    else:
        board.sim.public.snapshot_faults.setdefault(symbol, []).append(fault)
    return {"symbol": symbol}


@_kind
def silence(board: Faults, spec: Spec) -> dict[str, Any]:
    """No events for duration_ms: stream, symbol (all its streams) or connection. BN-M-34"""
    duration_ms = spec.number("duration_ms", 1_000)
    number = spec.take("connection")
    if number is not None:
        taps = board.stream_connection(number).taps

        def nothing(_: Frame) -> list[Frame]:
            return []

        def speak() -> None:
            if nothing in taps:
                taps.remove(nothing)

        taps.append(nothing)
        board.after(duration_ms, speak)
        return {"connection": number}
    symbol = spec.take("symbol")
    if symbol is None:
        streams = _streams(board, spec)
    elif symbol in board.sim.market.feeds:
        prefix = f"{board.sim.market.feeds[symbol].name}@"
        streams = [name for name in board.sim.hub.channels if name.startswith(prefix)]
    else:
        raise ValueError(f"unknown symbol {symbol!r}")
    muted = board.sim.hub.muted
    muted.update(streams)
    board.after(duration_ms, lambda: muted.difference_update(streams))
    return {"streams": streams}


@_kind
def control(board: Faults, spec: Spec) -> dict[str, Any]:
    """Commands: action silent|early_data|lost_ack|late_ack|error|error_flat|wrong_id|failed;
    method (SUBSCRIBE), count, connection, delay_ms, code, msg. BN-M-34
    """
    actions = ("silent", "early_data", "lost_ack", "late_ack", "error", "error_flat", "wrong_id",
               "failed")  # fmt: skip
    action = spec.choice("action", actions)
    delay_ms = spec.number("delay_ms", 1_000)
    code = int(spec.number("code", -1 if action == "error_flat" else 2))
    text = str(spec.take("msg", "Forced subscription failure"))

    def refusal(reply: Reply) -> bytes | None:
        if action == "error":
            return error_reply(code, text, reply.request_id, flat=False)
        if action == "error_flat":
            return orjson.dumps({"code": code, "msg": text, "id": reply.request_id})
        if action == "failed":
            failed = {"failed": list(reply.names)}
            return orjson.dumps({"result": failed, "id": reply.request_id})
        return None

    def act(connection: StreamConnection, reply: Reply) -> None:
        refused = refusal(reply)
        if refused is not None:
            connection.send(refused)
            return
        if action == "wrong_id":
            reply.payload = orjson.dumps({"result": None, "id": 999_999})
            connection.answer(reply)
            return
        if action != "silent" and reply.apply is not None:
            reply.apply()
        if action == "late_ack":
            board.after(delay_ms, lambda: connection.send(reply.payload))
        elif action != "lost_ack":
            if action == "early_data":
                _send_events(board, connection, reply.names)
            connection.send(reply.payload)  # silent: acknowledged and then nothing (BN-C-09)

    number = spec.take("connection")
    chosen = None if number is None else frozenset([number])
    method = spec.take("method", "SUBSCRIBE")
    board.controls.append(ControlFault(act, method, chosen, int(spec.number("count", 1))))
    return {"method": method}


# -- REST, limits, clock, instruments ----------------------------------------------------------


@_kind
def http(board: Faults, spec: Spec) -> dict[str, Any]:
    """REST requests: path (its start), method; mode error|html|lost|delay; status, code, msg,
    retry_after_s, delay_ms, count. The request is not carried out, unless only delayed. BN-R-29
    """
    mode = spec.choice("mode", ("error", "html", "lost", "delay"), "error")
    status = int(spec.number("status", 503))
    code, text = int(spec.number("code", -1000)), str(spec.take("msg", "Service Unavailable."))
    retry_after_s = spec.take("retry_after_s")
    response = None
    if mode == "html":
        page = f"<html><head><title>{status}</title></head></html>".encode()
        response = Response(status, page, {"Content-Type": "text/html"})
    elif mode != "delay":
        headers = {"Content-Type": "application/json;charset=UTF-8"}
        body = orjson.dumps({"code": code, "msg": text})
        response = Response(status, body, headers, drop=mode == "lost")
    if response is not None and retry_after_s is not None:
        response.headers["Retry-After"] = str(retry_after_s)
    delay_s = spec.number("delay_ms", 1_000 if mode == "delay" else 0) / 1000
    path, count = str(spec.take("path", "/")), int(spec.number("count", 1))
    board.requests.append(HttpFault(response, spec.take("method"), path, delay_s, count))
    return {"path": path, "count": count}


@_kind
def limits(board: Faults, spec: Spec) -> dict[str, Any]:
    """action 429|418 (seconds), jump (weight, orders), no_headers, headers, lift. BN-M-40"""
    held = board.sim.limits
    action = spec.choice("action", ("429", "418", "no_headers", "headers", "jump", "lift"))
    seconds = spec.number("seconds", 10)
    weight, orders = int(spec.number("weight", 0)), int(spec.number("orders", 0))
    if action == "429":
        held.limit(seconds)
    elif action == "418":
        held.ban(seconds)
    elif action == "jump":
        held.jump(weight=weight, orders=orders)
    elif action == "lift":
        board.sim.lift_bans()
    else:
        held.omit_headers = action == "no_headers"
    return {"used_weight": held.used_weight}


@_kind
def clock(board: Faults, spec: Spec) -> dict[str, Any]:
    """The venue's clock: offset_ms from the true time, or step_ms from now. BN-M-39"""
    held = board.sim.clock
    offset_ms = spec.take("offset_ms")
    if offset_ms is not None:
        held.offset_ns = int(offset_ms * 1e6)
    held.offset_ns += int(spec.number("step_ms", 0) * 1e6)
    return {"offset_ms": held.offset_ns / 1e6}


@_kind
def instrument(board: Faults, spec: Spec) -> dict[str, Any]:
    """action tick (tick_size)|status (status)|add|remove; symbol. BN-M-42"""
    sim, market = board.sim, board.sim.market
    action = spec.choice("action", ("tick", "status", "add", "remove"))
    symbol = str(spec.take("symbol", ""))
    if action == "add":
        spare = list_contracts(len(sim.symbols) + 1, 0, sim.clock.now_ms())
        contract = next(c for c in spare if c.symbol not in sim.engine.markets)
        sim.symbols[contract.symbol] = contract.rules
        market.publisher.announce(market.list_contract(contract))
        return {"symbol": contract.symbol}
    feed = market.feeds.get(symbol)
    if feed is None:
        raise ValueError(f"unknown symbol {symbol!r}")
    if action == "tick":
        _change_tick(feed.rules, Decimal(str(spec.take("tick_size"))))
        market.publisher.announce(feed)
    elif action == "status":
        feed.rules.status = str(spec.take("status", "SETTLING"))
        market.status_changed(feed)
    else:
        sim.exchange.delist(symbol)
        market.publisher.announce(feed)
        market.delist(symbol)
        del sim.symbols[symbol]
    return {"symbol": symbol}


# -- accounts ----------------------------------------------------------------------------------


@_kind
def listen_key(board: Faults, spec: Spec) -> dict[str, Any]:
    """expire (with key: that one), silent; fail_posts, fail_puts, put_unknown, rotate,
    expiry_as_text, empty_put_reply. BN-M-36
    """
    stream = board.sim.exchange.user_stream
    expire, key = bool(spec.take("expire", False)), spec.take("key")
    silent = bool(spec.take("silent", False))
    for name, value in spec.rest(ListenKeyFaults).items():
        setattr(stream.key_faults, name, value)
    return {"expired": stream.expire(key, silent=silent) if expire else 0}


@_kind
def user_stream(board: Faults, spec: Spec) -> dict[str, Any]:
    """drop, repeat, swap (events); delay_ms; only TRADE_LITE|ORDER_TRADE_UPDATE. BN-M-37"""
    for name, value in spec.rest(EventFaults).items():
        setattr(board.sim.exchange.user_stream.event_faults, name, value)
    return {}


@_kind
def order(board: Faults, spec: Spec) -> dict[str, Any]:
    """The next order request: kind lost|late|no_result|502_html|headers_missing|-1006|-1007|
    503_unknown|503_unavailable|503_internal|503_throttled|duplicate_client_id|429|429_orders|418;
    execute, delay_s, command place|modify|cancel, skip, retry_after_s. Or hide_open_orders_ms.
    BN-M-38
    """
    hide_ms = spec.take("hide_open_orders_ms")
    if hide_ms is not None:
        board.sim.exchange.faults.hide_open_orders_ms = int(hide_ms)
    settings = spec.rest(OrderFault)
    if settings:
        board.sim.trading.faults.waiting.append(OrderFault(**settings))
    return {"waiting": len(board.sim.trading.faults.waiting)}


@_kind
def clear(board: Faults, spec: Spec) -> dict[str, Any]:
    """Take every standing fault off."""
    board.clear()
    return {}


# -- scenarios ---------------------------------------------------------------------------------


def scenario_fault(kind: str, source: random.Random) -> dict[str, Any]:
    """Return a fault of a scenario; `needs` says what is still to be chosen for it."""
    on_connection: dict[str, dict[str, Any]] = {
        "drop_reset": {"fault": "drop", "mode": "reset"},
        "drop_close": {"fault": "drop", "mode": "close", "code": 1001},
        "half_open": {"fault": "drop", "mode": "half_open"},
        "slow_frames": {"fault": "shape", "delay_ms": 5, "count": 50},
        "split_frames": {"fault": "shape", "segment": source.randrange(1, 20), "count": 20},
        "fragments": {"fault": "shape", "fragment": 16, "ping_between": True, "count": 20},
        "unknown_keys": {"fault": "shape", "unknown_keys": True, "count": 50},
        "shuffled_keys": {"fault": "shape", "shuffled_keys": True, "count": 50},
        "unknown_event": {"fault": "frame", "send": "unknown_event"},
        "invalid_json": {"fault": "frame", "send": "invalid_json"},
        "ping_flood": {"fault": "frame", "send": "ping_flood", "count": 5},
        "silence": {"fault": "silence", "duration_ms": 2_000},
    }
    on_symbol: dict[str, dict[str, Any]] = {
        "depth_skip": {"fault": "sequence", "action": "skip", "count": source.randrange(1, 4)},
        "depth_duplicate": {"fault": "sequence", "action": "duplicate"},
        "depth_swap": {"fault": "sequence", "action": "swap"},
        "depth_reset": {"fault": "depth_reset"},
        "snapshot_stale": {"fault": "snapshot", "action": "stale"},
        "snapshot_error": {"fault": "snapshot", "action": "error"},
        "snapshot_delay": {"fault": "snapshot", "action": "delay", "delay_ms": 500},
        "snapshot_empty": {"fault": "snapshot", "action": "empty"},
    }
    anywhere: dict[str, dict[str, Any]] = {
        "shutdown": {"fault": "shutdown", "within_ms": 1_000},
        "refuse": {"fault": "refuse", "status": source.choice((403, 429, 500, 503))},
        "lost_ack": {"fault": "control", "action": "lost_ack"},
        "error_ack": {"fault": "control", "action": "error"},
        "clock_step": {"fault": "clock", "offset_ms": source.randrange(-3_000, 3_000)},
    }
    if kind in on_connection:
        return {**on_connection[kind], "needs": "connection"}
    if kind in on_symbol:
        return {**on_symbol[kind], "needs": "symbol"}
    return anywhere[kind]


def _streams(board: Faults, spec: Spec) -> list[str]:
    """Return the stream meant by `stream`, or the diff streams of `symbol`."""
    stream, symbol = spec.take("stream"), spec.take("symbol")
    if stream is None and symbol is None:
        raise ValueError("'stream' or 'symbol' is needed")
    return [str(stream)] if stream is not None else board.depth_streams(symbol)


def _end(connection: Connection, mode: str, code: int, reason: str) -> None:
    if mode == "reset":
        connection.abort()
    elif mode == "close":
        connection.close(code, reason)
    else:
        connection.freeze()


def _send_events(board: Faults, connection: StreamConnection, names: Iterable[str]) -> None:
    """Send an event of each stream that has one at any time."""
    for name in names:
        channel = board.sim.hub.channels.get(name)
        text = None if channel is None else board.sim.market.publisher.event_now(channel.name)
        if text is not None:
            connection.send_event(Frame(name, text.encode()))


def _numbers(connections: Iterable[Connection]) -> dict[str, Any]:
    return {"connections": [connection.number for connection in connections]}


def _change_tick(rules: SymbolRules, tick: Decimal) -> None:
    """Change the tick within the precision, which is the scale of the engine."""
    if tick <= 0 or rules.price_units(tick) is None:
        raise ValueError(
            f"tick size must be a positive multiple of 1e-{rules.price_precision}, was {tick}"
        )
    rules.tick_size = tick
