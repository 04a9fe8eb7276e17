"""Write the first corpus of every fuzz target: `python tests/fuzz/seeds.py DIRECTORY`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

DATA = Path(__file__).resolve().parents[1] / "data"
SAMPLES = DATA / "binance" / "market_frames.json"
VECTORS = DATA / "lighter" / "signing_vectors.json"
LIGHTER = DATA / "lighter"
HYPERLIQUID = DATA / "hyperliquid"
DYDX = DATA / "dydx" / "wire"
IBKR = DATA / "ibkr"
# The number that tests/fuzz/binance.c gives the parser of each event.
PARSERS = {
    "bookTicker": 0, "aggTrade": 1, "trade": 2, "depthUpdate": 3, "markPriceUpdate": 5,
    "indexPriceUpdate": 6, "kline": 7, "continuous_kline": 7, "indexPrice_kline": 7,
    "markPrice_kline": 7, "24hrTicker": 8, "24hrMiniTicker": 9, "forceOrder": 10,
}  # fmt: skip
ENVELOPE, NAME = 11, 12
NUMBERS = [
    "0", "1", "-1", "43186.90", "0.004", "123456789012345", "1234567.12345678", "12345678",
    "1234567.8", "12345678.9", "9223372036854775807", "-9223372036854775807",
    "92233720368547758.07", "0.000000000000000001", "1.50000000000000000000000000", "1e5",
    "00.25", "1.", ".5", "2.50",
]  # fmt: skip
LEVELS = [
    "[]", '[["43186.90","0"],["43180.00","12.345"]]', "[[1,2],[3.5,4]]", '[["1","2",[]]]',
    '[ [ "1.50" , "2" ] , ["3","4"] ]', '[["1"]]', '[["1.001","2"]]', '[["1","x"]]',
    "[" + ",".join(f'["{43000 + i}.{i % 10}0","{i}.5"]' for i in range(70)) + "]",
]  # fmt: skip
TEXTS = ["", "a", "é€\U0001f600", "x" * 40 + "é", "\ud7ff\ue000\U0010ffff"]

GOLDILOCKS = 2**64 - 2**32 + 1
EDGES = [0, 1, 4, GOLDILOCKS - 1, GOLDILOCKS, 2**64 - 1, 2**32 - 1, 2**32, 2**63]


def words(*values: int) -> bytes:
    return b"".join(value.to_bytes(8, "little") for value in values)


def padded(data: bytes) -> bytes:
    return data.ljust(400, b"\0")


def lighter() -> dict[str, list[bytes]]:
    """Return the inputs of the targets of Lighter's signer, whose fields are 40 bytes each.

    Inputs made of all of the vectors' fields are padded: they are for the fuzzer, and too long for
    those who try every change of every byte.
    """
    vectors = json.loads(VECTORS.read_text(encoding="utf-8"))
    curve = [
        words(4, 0, 0, 0, 0),
        words(4, 0, 0, 0, 0, 3),
        words(*EDGES[4:]),
        words(*EDGES[:5]),
        b"\1\2\3",
    ]
    whole = [bytes.fromhex(case["w"]) for case in vectors["curve_decode"]]
    whole += [
        bytes.fromhex(case["base"] + case["scalar"])
        for case in vectors["curve_mul"]
        if case["base"] != "generator"
    ]
    schnorr = [bytes([7, i]) + bytes(range(i, i + 3 * i)) for i in range(1, 6)]
    signed = [
        bytes([3, 1]) + bytes.fromhex(case["private_key"] + case["k"] + case["message_hash"])
        for case in vectors["schnorr_fixed_k"]
    ]
    hashes = [words(*EDGES), words(1, 2), words(GOLDILOCKS + 1, 3), b"\xff" * 11, b"\xfe" * 16]
    inputs = [words(*[int(v) for v in case["input"]]) for case in vectors["poseidon2_hash"]]
    return {
        "lighter_tx": transactions(vectors["tx"]),
        "lighter_hash": hashes + [padded(data) for data in inputs],
        "lighter_curve": curve + [padded(data) for data in whole],
        "lighter_schnorr": schnorr + [padded(data) for data in signed],
    }


def transactions(cases: list[dict[str, Any]]) -> list[bytes]:
    """Return one official transaction of each type, as lighter_tx.c reads them."""

    def numbers(values: Iterable[int]) -> bytes:
        return b"".join(b"\x40" + value.to_bytes(8, "big", signed=True) for value in values)

    found: dict[int, bytes] = {}
    for case in cases:
        fields = dict(case["fields"])
        orders = fields.pop("Orders", [])
        key = bytes.fromhex(fields.pop("PubKey", ""))
        memo = bytes.fromhex(fields.pop("Memo", ""))
        fields.pop("L1Sig", None)
        account = fields.pop("AccountIndex", None)
        account = fields.pop("FromAccountIndex", account)
        common = [account, *(fields.pop(name) for name in ("ApiKeyIndex", "ExpiredAt", "Nonce"))]
        extra = {int(kind): value for kind, value in case["attributes"].items()}
        data = bytes([case["tx_type"]]) + numbers(common) + numbers(fields.values())
        data += bytes(10 - len(fields)) + bytes([len(extra)])
        data += b"".join(bytes([kind]) + numbers([value]) for kind, value in extra.items())
        data += bytes([0, len(orders)]) + b"".join(numbers(order.values()) for order in orders)
        data += bytes(10 * (3 - len(orders))) + key.ljust(40, b"\1") + memo.ljust(32, b"\2")
        found[case["tx_type"]] = data + bytes([case["tx_type"] % 2]) + bytes(80) + b"0fA9xX"
    return list(found.values())


def compact(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def lighter_seeds() -> list[bytes]:
    """Return frames, and what they hold, for the parsers by their number in lighter.c."""
    frames = json.loads((LIGHTER / "public_frames.json").read_text(encoding="utf-8"))
    found = []
    for name, frame in frames.items():
        if isinstance(frame, dict) and name != "details":
            found += [b"\0" + compact(frame), b"\1" + compact(dict(reversed(frame.items())))]
    book = frames["order_book"]["order_book"]
    small = {**book, "asks": book["asks"][:1], "bids": []}
    values = [
        (2, book), (3, small), (3, book), (4, frames["ticker"]["ticker"]),
        (6, frames["market_stats"]["market_stats"]),
        (6, frames["spot_market_stats"]["spot_market_stats"]),
        (7, frames["candle"]["candles"][0]),
        (9, frames["account_all_positions"]["positions"]["0"]),
    ]  # fmt: skip
    trade = frames["trade"]["trades"][0]
    order = frames["account_all_orders"]["orders"]["0"][0]
    wanted = ("order_id", "market_index", "initial_base_amount", "price", "status", "is_ask")
    values += [
        (5, trade), (5, {key: trade[key] for key in list(trade)[::2]}),
        (5, {key: trade[key] for key in ("trade_id", "price", "size", "is_maker_ask", "type")}),
        (8, order), (8, {key: order[key] for key in wanted}),
    ]  # fmt: skip
    for entry in json.loads((LIGHTER / "frames_tx.json").read_text(encoding="utf-8")):
        if entry["dir"] == "s2c":
            values.append((10, entry["frame"]))
    found += [bytes([number]) + compact(value) for number, value in values]
    floats = ["0.1", "13.223699999999997", "-1e-07", "1e30", "1E+2", '"2"', "123456789012345678901"]
    return found + [b"\x0b" + text.encode() for text in floats]


def hyperliquid_seeds() -> list[bytes]:
    """Return frames, and what they hold, for the parsers of hyperliquid_frames.c by number."""
    parsers = {
        "l2Book": 1, "bbo": 2, "candle": 4, "activeAssetCtx": 5, "activeSpotAssetCtx": 5,
        "allMids": 6, "userFills": 9, "user": 9,
    }  # fmt: skip
    found: dict[bytes, None] = {}
    rows = {"trades": 3, "orderUpdates": 7}
    for entry in json.loads((HYPERLIQUID / "ws_frames.json").read_text(encoding="utf-8")):
        frame = entry.get("frame", {})
        channel, data = frame.get("channel"), frame.get("data")
        if entry["dir"] != "s2c" or channel in ("post", "error"):
            continue
        if channel in rows:
            for row in data[:1]:
                found[bytes([rows[channel]]) + compact(row)] = None
            if data and "Canceled" in str(data):
                continue  # one of many that look alike
        elif channel in parsers:
            found[bytes([parsers[channel]]) + compact(data)] = None
            for row in data.get("fills", ())[:1]:
                found[b"\x08" + compact(row)] = None
        found[b"\0" + compact(frame)] = None
    book = {"coin": "kPEPE", "levels": [[{"px": "1.5", "sz": "2", "n": 1}], []], "time": 1}
    found[b"\1" + compact(book)] = None
    found[b"\1" + compact({**book, "coin": "ALL"})] = None
    found[b"\0" + compact({"data": book, "channel": "l2Book"})] = None
    found[b"\x0a" + compact({"ctxs": [["", [{"markPx": "1"}]]]})] = None
    return list(found)


def dydx_seeds() -> list[bytes]:
    """Return frames, and what they hold, for the parsers of dydx.c by number."""
    lines = (DYDX / "frames.jsonl").read_text(encoding="utf-8").splitlines()
    frames = {line["name"]: json.loads(line["raw"]) for line in map(json.loads, lines)}
    wanted = ("connected", "batch_orderbook", "data_orderbook_multi", "data_orderbook_bid",
              "data_trades", "unsubscribed_trades", "error_duplicate",
              "data_block_height")  # fmt: skip
    found = [b"\0" + compact(frames[name]) for name in wanted]
    batch = frames["batch_orderbook"]
    fine = [{"bids": [["0.00000712345", "120000000"]], "asks": []}, {"asks": [["1", "0.0000"]]}]
    found.append(b"\0" + compact({**batch, "id": "PEPE-USD", "contents": fine}))
    found.append(b"\0" + compact({**batch, "id": "FARTCOIN,RAYDIUM-USD"}))
    found.append(b"\0" + compact(dict(reversed(batch.items()))))
    snapshot = frames["subscribed_orderbook"]["contents"]
    trades = frames["data_trades"]["contents"]
    values = [(1, fine), (2, fine[0]), (3, snapshot), (1, [snapshot]), (1, batch["contents"]),
              (4, trades["trades"][0]), (5, trades), (5, {"x": 1, "trades": None})]  # fmt: skip
    found += [bytes([number]) + compact(value) for number, value in values]
    times = (b"2025-12-08T16:11:30.590Z", b"2024-02-29T00:00:00Z")
    return found + [b"\6" + text for text in times]


def ibkr_seeds() -> list[bytes]:
    """Return frames, pairs of them, and values, for the parsers of ibkr.c by number."""
    frames = json.loads((IBKR / "ws_server_frames.json").read_text(encoding="utf-8"))["frames"]
    texts = [each["text"].encode() for each in frames if each["id"].startswith("smd")]
    full = texts[0]
    found = [b"\0" + text for text in texts]
    seconds = (full, texts[3], full.replace(b"31", b"84"))
    found += [b"\0" + full + b"\0" + text for text in seconds]
    values = json.loads((IBKR / "md_values.json").read_text(encoding="utf-8"))["values"]
    for each in values:
        if isinstance(each["in"], str) and each["in"]:
            found.append(b"\1" + each["in"].encode())
        found.append(b"\2" + compact(each["in"]) + b',"topic":"smd+265598"}')
    return found


def seeds() -> dict[str, list[bytes]]:
    """Return the inputs of each target."""
    samples = json.loads(SAMPLES.read_text(encoding="utf-8"))
    frames = [compact(entry["frame"]) for entry in samples["frames"]]
    odd = [entry["text"].encode() for entry in samples["odd_frames"]]
    parsed = [entry["frame"] for entry in samples["frames"] if isinstance(entry["frame"], dict)]
    binance = [bytes([ENVELOPE]) + data for data in frames + odd]
    for frame in parsed:
        body = frame.get("data", frame)
        if not isinstance(body, dict) or body.get("e") not in PARSERS:
            continue
        rest = compact({key: value for key, value in body.items() if key != "e"})[1:]
        number = PARSERS[body["e"]]
        binance.append(bytes([number]) + rest)
        binance.append(bytes([number]) + rest.replace(b",", b" , ").replace(b":", b": "))
        binance.append(bytes([NAME]) + compact(body)[6:])
        if number == PARSERS["depthUpdate"]:
            binance.append(bytes([number + 1]) + rest)
    return {
        "scan": frames + odd,
        "decimal": [bytes([i]) + text.encode() for i, text in enumerate(NUMBERS * 3)],
        "levels": [bytes([i * 9]) + text.encode() for i, text in enumerate(LEVELS)],
        "binance": binance,
        "lighter": lighter_seeds(),
        "hyperliquid_frames": hyperliquid_seeds(),
        "dydx": dydx_seeds(),
        "ibkr": ibkr_seeds(),
        "book": [bytes((i * step + i // 4) % 256 for i in range(64)) for step in (1, 3, 37, 67, 9)],
        "hyperliquid": [
            bytes([kind, room, count]) + bytes((i * step + i // 7) % 256 for i in range(90))
            for kind in range(6)
            for room, count, step in ((0, 1, 3), (40, 17, 37), (255, 5, 89))
        ]
        # Negative numbers just before, at and behind a power of two.
        + [bytes([5, 0, 39]) + bytes([3, 64 | bits, 1, 1]) * 8 for bits in (5, 7, 15, 31)],
        "utf8": [
            *(text.encode() for text in TEXTS),
            b"\xc0\x80",
            b"\xed\xa0\x80",
            b"\xf4\x90\x80\x80",
        ],
        **lighter(),
    }


def write(directory: Path) -> None:
    for target, inputs in seeds().items():
        folder = directory / target
        folder.mkdir(parents=True, exist_ok=True)
        for i, data in enumerate(inputs):
            (folder / f"seed-{i:03}").write_bytes(data)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
