"""Write the first corpus of every fuzz target: `python tests/fuzz/seeds.py DIRECTORY`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

SAMPLES = Path(__file__).resolve().parents[1] / "data" / "binance" / "market_frames.json"
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


def compact(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


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
    }


def write(directory: Path) -> None:
    for target, inputs in seeds().items():
        folder = directory / target
        folder.mkdir(parents=True, exist_ok=True)
        for i, data in enumerate(inputs):
            (folder / f"seed-{i:03}").write_bytes(data)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
