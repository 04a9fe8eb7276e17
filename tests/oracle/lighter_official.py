"""The venue's own signer library, asked through its C entry points, in a process of its own.

`python lighter_official.py LIBRARY` reads one JSON request a line and answers each with a line:

    {"client": [private key, chain id, api key index, account]}        -> {"error": ...}
    {"sign": [tx type, fields, attributes, api key index, account]}    -> {tx_info, hash, error}
    {"time": [tx type, calls, "main" or "worker", arguments]}          -> {"seconds": [...]}

The library is a Go program: it takes over signals and the stacks of threads, which is why it is
kept away from the tests' process. It decides ExpiredAt itself.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.metadata
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

LIBRARY = "lighter/signers/lighter-signer-linux-amd64.so"
ROOT = Path(__file__).resolve().parents[2]

_C = {
    "q": ctypes.c_longlong, "Q": ctypes.c_ulonglong, "i": ctypes.c_int, "I": ctypes.c_uint32,
    "h": ctypes.c_int16, "B": ctypes.c_uint8, "s": ctypes.c_char_p,
}  # fmt: skip

# Type -> entry point and its fields with their C types. Attributes come between these and the
# last four: skip nonce, nonce, api key index, account.
_ENTRY = {
    8: ("SignChangePubKey", "PubKey:s"),
    9: ("SignCreateSubAccount", ""),
    10: ("SignCreatePublicPool", "OperatorFee:q InitialTotalShares:i MinOperatorShareRate:q"),
    11: (
        "SignUpdatePublicPool",
        "PublicPoolIndex:q Status:i OperatorFee:q MinOperatorShareRate:i",
    ),
    12: (
        "SignTransfer",
        "ToAccountIndex:q AssetIndex:h FromRouteType:B ToRouteType:B Amount:q USDCFee:q Memo:s",
    ),
    13: ("SignWithdraw", "AssetIndex:i RouteType:i Amount:Q"),
    14: (
        "SignCreateOrder",
        "MarketIndex:q ClientOrderIndex:q BaseAmount:q Price:i IsAsk:i Type:i TimeInForce:i "
        "ReduceOnly:i TriggerPrice:i OrderExpiry:q",
    ),
    15: ("SignCancelOrder", "MarketIndex:q Index:q"),
    16: ("SignCancelAllOrders", "TimeInForce:i Time:q"),
    17: ("SignModifyOrder", "MarketIndex:q Index:q BaseAmount:q Price:q TriggerPrice:q"),
    18: ("SignMintShares", "PublicPoolIndex:q ShareAmount:q"),
    19: ("SignBurnShares", "PublicPoolIndex:q ShareAmount:q"),
    20: ("SignUpdateLeverage", "MarketIndex:q InitialMarginFraction:i MarginMode:i"),
    28: ("SignCreateGroupedOrders", ""),
    29: ("SignUpdateMargin", "MarketIndex:q USDCAmount:q Direction:i"),
    35: ("SignStakeAssets", "StakingPoolIndex:q ShareAmount:q"),
    36: ("SignUnstakeAssets", "StakingPoolIndex:q ShareAmount:q"),
    41: ("SignUpdateAccountConfig", "AccountTradingMode:B"),
    42: ("SignUpdateAccountAssetConfig", "AssetIndex:h AssetMarginMode:B"),
    45: (
        "SignApproveIntegrator",
        "IntegratorAccountIndex:q MaxPerpsTakerFee:I MaxPerpsMakerFee:I MaxSpotTakerFee:I "
        "MaxSpotMakerFee:I ApprovalExpiry:q",
    ),
}
_ORDER = {
    "MarketIndex": "q", "ClientOrderIndex": "q", "BaseAmount": "q", "Price": "I", "IsAsk": "B",
    "Type": "B", "TimeInForce": "B", "ReduceOnly": "B", "TriggerPrice": "I", "OrderExpiry": "q",
}  # fmt: skip
_INTEGRATOR = [(1, "q"), (2, "i"), (3, "i"), (6, "B"), (7, "B")]


class _Signed(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_uint8),
        ("info", ctypes.c_void_p),
        ("hash", ctypes.c_void_p),
        ("message", ctypes.c_void_p),
        ("error", ctypes.c_void_p),
    )


class _Token(ctypes.Structure):
    _fields_ = (("text", ctypes.c_void_p), ("error", ctypes.c_void_p))


class _Order(ctypes.Structure):
    _fields_ = tuple((name, _C[kind]) for name, kind in _ORDER.items())


def in_width(tx_type: int, fields: dict[str, Any], attributes: dict[int, int]) -> bool:
    """Whether the library sees the numbers as they are, and none that it replaces."""
    narrow = {
        "IsAsk": 8, "Type": 8, "TimeInForce": 8, "ReduceOnly": 8, "Status": 8, "RouteType": 8,
        "FromRouteType": 8, "ToRouteType": 8, "Direction": 8, "MarginMode": 8,
        "AccountTradingMode": 8, "AssetMarginMode": 8, "GroupingType": 8,
        "InitialMarginFraction": 16, "MinOperatorShareRate": 16, "Price": 32, "TriggerPrice": 32,
    }  # fmt: skip

    def fits(name: str, value: Any) -> bool:
        if isinstance(value, list):
            return len(value) > 0 and all(fits(k, v) for order in value for k, v in order.items())
        if isinstance(value, str):
            return True
        if name == "OrderExpiry" and value == -1:
            return False
        if name == "Nonce" and value == -1:
            return False
        if name == "AssetIndex":
            return -(2**15) <= value < 2**15
        if name.startswith("Max"):
            return 0 <= value < 2**32
        if name == "InitialTotalShares":
            return -(2**31) <= value < 2**31
        if name in narrow:
            return 0 <= value < 2 ** narrow[name]
        return -(2**63) <= value < 2**63

    settable = {14: "123467", 28: "123467", 17: "1234678", 16: "45"}.get(tx_type, "4")
    widths = {1: 2**63, 2: 2**31, 3: 2**31, 4: 2, 5: 2**63, 6: 256, 7: 256, 8: 2**63}
    return all(fits(name, value) for name, value in fields.items()) and all(
        str(kind) in settable and (1 if kind == 4 else 0) <= value < widths[kind]
        for kind, value in attributes.items()
    )


class Library:
    """The library in this process."""

    def __init__(self, path: str) -> None:
        self._lib = ctypes.CDLL(path)
        self._lib.Free.argtypes = [ctypes.c_void_p]
        self._lib.CreateClient.argtypes = [_C[kind] for kind in "ssiiq"]
        self._lib.CreateClient.restype = ctypes.c_void_p
        self._lib.CreateAuthToken.argtypes = [_C[kind] for kind in "qiq"]
        self._lib.CreateAuthToken.restype = _Token
        for tx_type, (name, fields) in _ENTRY.items():
            kinds = [_C[field[-1]] for field in fields.split()]
            if tx_type == 28:
                kinds += [ctypes.c_uint8, ctypes.POINTER(_Order), ctypes.c_int]
            if tx_type in (14, 17, 28):
                kinds += [_C[kind] for _, kind in _INTEGRATOR]
            if tx_type == 16:
                kinds.append(ctypes.c_longlong)
            kinds += [ctypes.c_uint8, ctypes.c_longlong]
            if tx_type == 17:
                kinds.append(ctypes.c_longlong)
            entry = getattr(self._lib, name)
            entry.argtypes = [*kinds, ctypes.c_int, ctypes.c_longlong]
            entry.restype = _Signed

    def _text(self, pointer: int | None) -> str | None:
        if not pointer:
            return None
        text = ctypes.cast(pointer, ctypes.c_char_p).value
        self._lib.Free(pointer)
        return None if text is None else text.decode()

    def client(self, private_key: str, chain_id: int, api_key: int, account: int) -> str | None:
        made = self._lib.CreateClient(b"", private_key.encode(), chain_id, api_key, account)
        return self._text(made)

    def arguments(
        self, tx_type: int, f: dict[str, Any], extra: dict[int, int], api_key: int, account: int
    ) -> list[Any]:
        found: list[Any] = []
        for field in _ENTRY[tx_type][1].split():
            value = f[field[:-2]]
            if field == "PubKey:s":
                value = "0x" + value
            found.append(value.encode() if isinstance(value, str) else value)
        if tx_type == 28:
            orders = f["Orders"]
            found += [f["GroupingType"], (_Order * len(orders))(), len(orders)]
            for made, order in zip(found[1], orders, strict=True):
                for name, value in order.items():
                    setattr(made, name, value)
        if tx_type in (14, 17, 28):
            found += [extra.get(kind, 0) for kind, _ in _INTEGRATOR]
        if tx_type == 16:
            found.append(extra.get(5, 255))
        found += [extra.get(4, 0), f["Nonce"]]
        if tx_type == 17:
            found.append(extra.get(8, 0))
        return [*found, api_key, account]

    def entry(self, tx_type: int) -> Any:
        return getattr(self._lib, _ENTRY[tx_type][0])

    def read(self, signed: _Signed) -> tuple[str | None, str | None, str | None]:
        """Return tx_info, hash and error as a user of the SDK gets them."""
        self._text(signed.message)
        return self._text(signed.info), self._text(signed.hash), self._text(signed.error)

    def token(self, deadline: int, api_key: int, account: int) -> str | None:
        made = self._lib.CreateAuthToken(deadline, api_key, account)
        self._text(made.error)
        return self._text(made.text)

    def time(self, tx_type: int, calls: int, where: str, arguments: list[Any]) -> list[float]:
        """Time single calls, in seconds; type 0 is an auth token."""
        seconds: list[float] = []
        entry = self.entry(tx_type) if tx_type else None

        def work() -> None:
            clock = time.thread_time_ns
            for _ in range(calls):
                start = clock()
                if entry is None:
                    self.token(*arguments)
                else:
                    self.read(entry(*arguments))
                seconds.append((clock() - start) / 1e9)

        if where == "main":
            work()
        else:
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()
        return seconds


def serve(path: str) -> None:
    library = Library(path)
    for line in sys.stdin:
        request = json.loads(line)
        answer: dict[str, Any]
        if "client" in request:
            answer = {"error": library.client(*request["client"])}
        elif "time" in request:
            tx_type, calls, where, rest = request["time"]
            if tx_type:
                fields, extra, api_key, account = rest
                extra = {int(kind): value for kind, value in extra.items()}
                rest = library.arguments(tx_type, fields, extra, api_key, account)
            answer = {"seconds": library.time(tx_type, calls, where, rest)}
        else:
            tx_type, fields, extra, api_key, account = request["sign"]
            extra = {int(kind): value for kind, value in extra.items()}
            arguments = library.arguments(tx_type, fields, extra, api_key, account)
            info, tx_hash, error = library.read(library.entry(tx_type)(*arguments))
            answer = {"tx_info": info, "hash": tx_hash, "error": error}
        print(json.dumps(answer), flush=True)


def find() -> Path | None:
    """The library inside the installed `lighter-sdk`, or under LIGHTER_SDK, if there is one."""
    folders = [os.environ.get("LIGHTER_SDK")]
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        folders.append(str(importlib.metadata.distribution("lighter-sdk").locate_file("")))
    for folder in folders:
        if folder and (Path(folder) / LIBRARY).is_file():
            return Path(folder) / LIBRARY
    return None


class Official:
    """The library in a process of its own; a context manager."""

    def __init__(self, path: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).resolve()), str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Official:
        return self

    def __exit__(self, *exc_info: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(timeout=60)
        self._process.stdout.close()

    def ask(self, **request: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer


if __name__ == "__main__":
    serve(sys.argv[1])
