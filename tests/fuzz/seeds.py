"""Write a seed corpus for each fuzz target from the sample frames: `seeds.py FOLDER`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

FRAMES = Path(__file__).resolve().parents[1] / "data" / "binance" / "market_frames.json"


def main(folder: Path) -> None:
    samples = json.loads(FRAMES.read_text())
    compact = [
        json.dumps(each["frame"], separators=(",", ":"), ensure_ascii=False).encode()
        for each in samples["frames"]
    ]
    odd = [each["text"].encode() for each in samples["odd_frames"]]
    levels = [
        b"\x02\x03" + json.dumps(each["frame"][side], separators=(",", ":")).encode()
        for each in samples["frames"]
        for side in ("b", "a")
        if isinstance(each["frame"], dict) and isinstance(each["frame"].get(side), list)
    ]
    many = ",".join(f'["{65432.1 - i / 10:.2f}","{i}.{i:03}"]' for i in range(40))
    numbers = [
        b"\x02\x00" + text
        for text in b"0 1 0.1 43187.00 25.35190000 -131.40 9223372036854775807 1E-7 00.5 1. .5 "
        b"0.000000000000000001 123456789012345.6".split(b" ")
    ]
    corpora = {
        "scan": compact + odd,
        "binance": compact + odd,
        "levels": [*levels, b"\x02\x03[" + many.encode() + b"]"],
        "decimal": numbers,
        "utf8": [*compact, "\u5e01\u5b89\U0001f600\u00e9".encode()],
        "book": [bytes(range(256)), bytes(64)],
    }
    for name, seeds in corpora.items():
        target = folder / name
        target.mkdir(parents=True, exist_ok=True)
        for number, seed in enumerate(seeds):
            (target / f"seed-{number:03}").write_bytes(seed)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
