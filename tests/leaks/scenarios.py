"""What must not grow: `python tests/leaks/scenarios.py NAME ROUNDS` prints its growth as JSON.

Each scenario is a function that does one round of something. It runs ROUNDS / 5 times to reach its
working size and ROUNDS times more to be measured: resident memory and the interpreter's blocks.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import pickle
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
from picows import WSMsgType
from picows.picows import _make_test_ws_frame

from connectors._speedups import scan
from connectors._speedups.binance import BinanceDecoder
from connectors._speedups.errors import (
    DecodeError,
    InvalidKey,
    InvalidTransaction,
    PrecisionError,
)
from connectors._speedups.events import EventHandler, EventKind, InstrumentBase, Router
from connectors._speedups.feed import Decoder, FeedListener
from connectors._speedups.lighter_signer import SignerCore, tx_hash, verify
from connectors._speedups.symbols import SymbolTable
from connectors._speedups.ticks import TickScale

DATA = Path(__file__).resolve().parents[1] / "data"
SAMPLES = json.loads((DATA / "binance/market_frames.json").read_text("utf-8"))
FRAMES = [
    json.dumps(entry["frame"], separators=(",", ":")).encode() for entry in SAMPLES["frames"]
] + [entry["text"].encode() for entry in SAMPLES["odd_frames"]]
SYMBOLS = ["BTCUSDT", "BNBUSDT", "ETHUSDT", "BTCUSD_PERP", "BTCUSD", "BTCUSDT_PERPETUAL"]
KINDS = [kind for kind in EventKind if kind != EventKind.KIND_COUNT]


def ignore(*_: Any) -> None:
    pass


def table(tick: str = "0.01") -> SymbolTable:
    symbols = SymbolTable()
    for symbol in SYMBOLS:
        symbols.add(InstrumentBase(symbol, symbol, "BINANCE", TickScale(tick), TickScale("0.001")))
    return symbols


def decoder(
    callback: Callable[[Any], object], tick: str = "0.01", **options: Any
) -> BinanceDecoder:
    router = Router(ignore)
    for kind in KINDS:
        router.route(kind, -1, callback)
    calls = {"on_problem": ignore, "on_control": ignore, "on_venue_event": ignore}
    return BinanceDecoder(table(tick), router, **calls | options)


def depth(levels: int) -> bytes:
    side = ",".join(f'["{60000 + i}.{i % 100:02}","{i}.5"]' for i in range(levels))
    return (
        b'{"e":"depthUpdate","E":1702555534443,"T":1702555534436,"s":"BTCUSDT","U":1,"u":2,"pu":0,'
        b'"b":[' + side.encode() + b'],"a":[' + side.encode() + b"]}"
    )


def decode() -> Callable[[int], None]:
    """Every sample frame, sound or not, to events that nobody keeps."""
    feed = decoder(ignore).feed
    return lambda i: feed(FRAMES[i % len(FRAMES)])


def consumer_that_stopped() -> Callable[[int], None]:
    """BN-TC-22: what is decoded goes into a buffer that is full."""
    from collections import deque

    buffer: deque[Any] = deque(maxlen=1000)
    feed = decoder(buffer.append).feed
    return lambda i: feed(FRAMES[i % len(FRAMES)])


def raising() -> Callable[[int], None]:
    def fail(event: Any) -> None:
        raise RuntimeError(f"no {event}")

    feed = decoder(fail).feed
    return lambda i: feed(FRAMES[i % len(FRAMES)])


def without_on_problem() -> Callable[[int], None]:
    feed = decoder(ignore, on_problem=None).feed
    bad = b'[{"e":"bookTicker","s":"BTCUSDT"},1,{"e":"24hrMiniTicker","c":"x"}]'

    def once(i: int) -> None:
        try:
            feed(bad)
        except DecodeError:
            return
        raise AssertionError

    return once


def off_scale() -> Callable[[int], None]:
    """Every frame needs a finer instrument; every hundredth brings a new one."""
    made = decoder(ignore, "1")

    def once(i: int) -> None:
        made.feed(FRAMES[i % len(FRAMES)])
        if i % 100 == 0:
            scale = TickScale(Decimal(1 + i % 9))
            made.symbols.add(InstrumentBase("BTCUSDT", "BTCUSDT", "BINANCE", scale, scale))

    return once


def big_books() -> Callable[[int], None]:
    """Updates of 1 to 1 000 levels; the last ten are kept."""
    from collections import deque

    kept: deque[Any] = deque(maxlen=10)
    feed = decoder(kept.append).feed
    messages = [depth(n) for n in (0, 1, 10, 1000, 3, 500)]

    def once(i: int) -> None:
        feed(messages[i % len(messages)])
        if i % 7 == 0:
            kept[-1].bids_array()
            assert pickle.loads(pickle.dumps(kept[-1])) == kept[-1]

    return once


def native_handler() -> Callable[[int], None]:
    handler = EventHandler()
    made = BinanceDecoder(table(), handler)
    message = depth(50)
    return lambda i: made.feed_bytes(message)


def listener() -> Callable[[int], None]:
    """Whole and fragmented messages, and those of which the decoder thinks nothing."""

    class Picky(Decoder):
        def on_message(self, data: bytes, ts_init: int) -> None:
            if data.startswith(b"bad"):
                raise ValueError(data)

    class Owner:
        on_feed_pong = on_feed_problem = ignore

    made = FeedListener(Picky(), Owner())
    text, more = WSMsgType.TEXT, WSMsgType.CONTINUATION
    frames = [
        _make_test_ws_frame(text, b"good" * 20, True, False),
        _make_test_ws_frame(text, b"bad", True, False),
        _make_test_ws_frame(text, b"bad" * 100, False, False),
        _make_test_ws_frame(more, b"x" * 5000, False, False),
        _make_test_ws_frame(WSMsgType.PONG, b"pong", True, False),
        _make_test_ws_frame(more, b"y", True, False),
    ]

    def once(i: int) -> None:
        for frame in frames:
            made.on_ws_frame(None, frame)

    return once


def ticks() -> Callable[[int], None]:
    scale = TickScale("0.25")
    rows = np.array(["1.25", "2", "3.50"] * 20, dtype="S")
    texts = ["1.25", b"2", Decimal("3.5"), 4] * 20

    def once(i: int) -> None:
        scale.to_ticks_array(rows)
        scale.to_ticks_array(texts)
        scale.format(i)
        scale.to_decimal(i * 2**40)
        for wrong in ("x" * 50, "1.3", "9" * 40):
            try:
                scale.to_ticks(wrong)
            except PrecisionError:
                continue
            raise AssertionError
        pickle.loads(pickle.dumps(scale))

    return once


def scanner() -> Callable[[int], None]:
    def once(i: int) -> None:
        data = FRAMES[i % len(FRAMES)]
        for function in (scan.check, scan.members, scan.elements, scan.string, scan.decimal):
            try:
                function(data)
            except DecodeError:
                continue

    return once


def symbols() -> Callable[[int], None]:
    scale = TickScale("1")

    def once(i: int) -> None:
        made = SymbolTable()
        for n in range(40):
            made.add(InstrumentBase(f"I{n}", f"S{n}", "V", scale, scale))
        made.find("S5")

    return once


def lighter_signer() -> Callable[[int], None]:
    """Sign, be refused, fill the pool, and be closed or dropped with the pool half full."""
    signed = json.loads((DATA / "lighter/signing_vectors.json").read_text("utf-8"))["tx"]
    cases = [
        (c["tx_type"], c["fields"], {int(k): v for k, v in c["attributes"].items()}) for c in signed
    ]
    kept = SignerCore("11" * 40, 1, 2, 304, pool_capacity=8)

    def once(i: int) -> None:
        kind, fields, extra = cases[i % len(cases)]
        kept.precompute(3)
        one = kept.sign(kind, fields, extra)
        verify(kept.public_key, one.tx_hash, one.signature)
        tx_hash(304, kind, fields, extra)
        pickle.loads(pickle.dumps(one))
        kept.sign_batch([cases[i % len(cases)], cases[(i + 7) % len(cases)]])
        kept.auth_token(i)
        for wrong in (fields | {"Nonce": -1}, fields | {"Nonce": None}, {}, fields | {"x": 1}):
            for call in (kept.sign, lambda *entry: kept.sign_batch([cases[0], entry])):
                try:
                    call(kind, wrong, extra)
                except InvalidTransaction:
                    continue
                raise AssertionError
        other = SignerCore("22" * 40, 1, 2, 304, pool_capacity=4)
        other.precompute(2)
        if i % 2:
            other.close()
        try:
            SignerCore("3" * 79, 1, 2, 304)
        except InvalidKey:
            return
        raise AssertionError

    return once


def hyperliquid_signer() -> Callable[[int], None]:
    """Signers made and closed, actions signed every way and refused every way."""
    from connectors import hyperliquid
    from connectors.errors import SigningError

    order = {"a": 1, "b": True, "p": "1.5", "s": "2", "r": False, "t": {"limit": {"tif": "Gtc"}}}
    actions: list[Any] = [
        {"type": "order", "orders": [order] * 30, "grouping": "na"},
        {"type": "order", "orders": [order | {"x": i} for i in range(30)], "grouping": "é"},
        {"type": "order", "orders": [order, order | {"p": 1.5}], "grouping": "na"},
        {"type": "noop", "x": "\ud800"},
        {"type": "noop", "x": 2**64},
    ]
    send = {"type": "usdSend", "destination": "0x", "amount": "1", "time": 5}

    def once(i: int) -> None:
        with hyperliquid.Signer(bytes([1 + i % 250]) * 32, pool_capacity=2) as signer:
            signer.precompute()
            signer.sign_user_action(send)
            for action in actions:
                with contextlib.suppress(SigningError):
                    signer.sign_l1_action(action, i, bytes(20), i)
                    signer.sign_batch([(action, i)] * 2)
                    hyperliquid.action_hash(action, -1)
        with contextlib.suppress(SigningError):
            hyperliquid.Signer("zz")

    return once


def hyperliquid_frames() -> Callable[[int], None]:
    """Every frame we know, whole, cut off, with a bad row, and off its grid, to events and rows."""
    from connectors._speedups.hyperliquid import HyperliquidDecoder, UserHandler, parse_fills

    class User(UserHandler):
        def on_orders(self, frame: Any) -> None:
            ignore(*map(repr, frame.rows), frame.problems)

        on_fills = on_orders

    coins = SymbolTable()
    for coin in ("BTC", "kPEPE", "@107", "PURR/USDC"):
        coins.add(InstrumentBase(coin, coin, "HYPERLIQUID", TickScale("1"), TickScale("0.00001")))
    router = Router(ignore)
    for kind in KINDS:
        router.route(kind, -1, ignore)
    names = ("control", "venue_event", "problem", "off_scale", "unknown_coin", "empty_side",
             "context", "mids")  # fmt: skip
    feed = HyperliquidDecoder(
        coins, router, user=User(), assets={"": {0: 0}}, **{f"on_{name}": ignore for name in names}
    ).feed
    samples = json.loads((DATA / "hyperliquid/ws_frames.json").read_text("utf-8"))
    sent = [each["frame"] for each in samples if each["dir"] == "s2c" and "frame" in each]
    frames = [json.dumps(frame, separators=(",", ":")).encode() for frame in sent]
    frames += [frame[: len(frame) * 2 // 3] for frame in frames]
    frames += [frame.replace(b'"sz":"', b'"sz":"x', 1) for frame in frames]
    frames.append(b'{"channel":"allDexsAssetCtxs","data":{"ctxs":[["",[{"markPx":"1"},7]]]}}')
    fills = json.dumps(
        next(f["data"]["fills"] for f in sent if f["channel"] == "userFills")
    ).encode()

    def once(i: int) -> None:
        feed(frames[i % len(frames)])
        if i % 16 == 0:
            parse_fills(fills, coins)

    return once


def dydx_frames() -> Callable[[int], None]:
    """Every frame, whole, cut off and without its middle, of a connection that begins anew."""
    from connectors._speedups.dydx import DydxDecoder

    symbols = SymbolTable()
    symbols.add(InstrumentBase("B", "BTC-USD", "DYDX", TickScale("1"), TickScale("0.0001")))
    router = Router(ignore)
    for kind in KINDS:
        router.route(kind, -1, ignore)
    names = ("control", "data", "id", "lost", "version", "problem", "unknown_market")
    feed = DydxDecoder(symbols, router, **{f"on_{name}": ignore for name in names}).feed
    text = (DATA / "dydx/wire/frames.jsonl").read_text("utf-8")
    frames = [json.loads(line)["raw"].encode() for line in text.splitlines()]
    frames += [frame[:-9] for frame in frames] + [frame[:99] + frame[130:] for frame in frames]
    return lambda i: feed(frames[i % len(frames)])


def ibkr_frames() -> Callable[[int], None]:
    """Every frame and value, of a line that is cleared, closed and opened now and then."""
    from connectors._speedups.ibkr import IbkrDecoder

    symbols = SymbolTable()
    apple = InstrumentBase("A", "A", "IBKR", TickScale("0.01"), TickScale("1"))
    symbols.add(apple, alias="265598")
    router = Router(ignore)
    for kind in KINDS:
        router.route(kind, -1, ignore)
    names = ("cold", "fields", "line", "halted", "empty_side", "problem")
    made = IbkrDecoder(symbols, router, **{f"on_{name}": ignore for name in names})
    made.open_line(0, want_fields=True)
    sent = json.loads((DATA / "ibkr/ws_server_frames.json").read_text("utf-8"))["frames"]
    frames = [each["text"].encode() for each in sent if isinstance(each.get("text"), str)]
    for each in json.loads((DATA / "ibkr/md_values.json").read_text("utf-8"))["values"]:
        for key in ("31", "84", "88"):
            frames.append(json.dumps({key: each["in"], "topic": "smd+265598"}).encode())

    def once(i: int) -> None:
        made.feed(frames[i % len(frames)])
        if i % 500 == 0:
            made.clear_lines()
            made.close_line(0)
            made.open_line(0, want_fields=True)
            made.await_line(0)

    return once


SCENARIOS = {
    function.__name__: function
    for function in (
        decode, consumer_that_stopped, raising, without_on_problem, off_scale, big_books,
        native_handler, listener, ticks, scanner, symbols, lighter_signer,
        hyperliquid_signer, hyperliquid_frames, dydx_frames, ibkr_frames,
    )
}  # fmt: skip


def resident_bytes() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def measure(name: str, rounds: int) -> dict[str, int]:
    once = SCENARIOS[name]()
    for i in range(rounds // 5):
        once(i)
    gc.collect()
    resident, blocks = resident_bytes(), sys.getallocatedblocks()
    for i in range(rounds):
        once(i)
    gc.collect()
    return {
        "rounds": rounds,
        "resident_bytes": resident_bytes() - resident,
        "blocks": sys.getallocatedblocks() - blocks,
    }


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], int(sys.argv[2]))))
