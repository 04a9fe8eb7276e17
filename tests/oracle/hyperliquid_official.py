"""The official hyperliquid-python-sdk as a signer, in a process and an environment of its own.

`python hyperliquid_official.py` (with the SDK's Python) reads one JSON request a line and answers
each with a line:

    {"l1": [key, action, nonce, vault, expires after, mainnet]}   -> {hash, r, s, v}
    {"user": [key, action, mainnet]}                              -> {r, s, v}
    {"wire": [float as hex]}                                      -> {"text": ...} or {"error": ...}
    {"backend": []}                                               -> {"name": ...}
    {"time": [what, key, action, nonce, calls]}                   -> {"seconds": ...}

Its dependencies pin an older pycryptodome than ours may be: hence the environment.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

VERSION = "0.24.0"
ROOT = Path(__file__).resolve().parents[2]
BACKENDS = {
    "python": "eth_keys.backends.NativeECCBackend",
    "coincurve": "eth_keys.backends.CoinCurveECCBackend",
}


@cache
def find(needed: str = "hyperliquid") -> str | None:
    """Return the Python of an environment that has the SDK, and `needed`; None if there is none."""
    found = [
        os.environ.get("CONNECTORS_HYPERLIQUID_SDK_PYTHON"),
        str(ROOT / "build" / "hyperliquid-sdk" / "bin" / "python"),
        str(Path(tempfile.gettempdir()) / f"tickwire-hyperliquid-sdk-{VERSION}" / "bin" / "python"),
    ]
    code = (
        f"import importlib.metadata as m, {needed}\n"
        f"raise SystemExit(m.version('hyperliquid-python-sdk') != {VERSION!r})"
    )
    for python in found:
        if python and os.path.exists(python):
            done = subprocess.run([python, "-c", code], capture_output=True, timeout=60)
            if done.returncode == 0:
                return python
    return None


class Official:
    """The process; ask it and close it. `backend` is "python" or "coincurve"."""

    def __init__(self, python: str, backend: str = "") -> None:
        environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "LD_PRELOAD")}
        if backend:
            environment["ECC_BACKEND_CLASS"] = BACKENDS[backend]
        self._process = subprocess.Popen(
            [python, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def ask(self, **request: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(timeout=40)
        self._process.stdout.close()

    def __enter__(self) -> Official:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


def _serve() -> None:
    import eth_account
    from eth_keys import keys
    from hyperliquid.utils import signing as sdk

    user_signers: dict[str, tuple[Any, str]] = {
        "usdSend": (sdk.USD_SEND_SIGN_TYPES, "UsdSend"),
        "spotSend": (sdk.SPOT_TRANSFER_SIGN_TYPES, "SpotSend"),
        "withdraw3": (sdk.WITHDRAW_SIGN_TYPES, "Withdraw"),
        "usdClassTransfer": (sdk.USD_CLASS_TRANSFER_SIGN_TYPES, "UsdClassTransfer"),
        "sendAsset": (sdk.SEND_ASSET_SIGN_TYPES, "SendAsset"),
        "tokenDelegate": (sdk.TOKEN_DELEGATE_TYPES, "TokenDelegate"),
    }

    def l1(key: str, action: Any, nonce: int, vault: Any, expires: Any, mainnet: bool) -> Any:
        hashed = sdk.action_hash(action, vault, nonce, expires)
        wallet = eth_account.Account.from_key(key)
        signature = sdk.sign_l1_action(wallet, action, vault, nonce, expires, mainnet)
        return {"hash": hashed.hex(), **signature}

    def user(key: str, action: Any, mainnet: bool) -> Any:
        types, name = user_signers[action["type"]]
        wallet = eth_account.Account.from_key(key)
        primary = f"HyperliquidTransaction:{name}"
        return sdk.sign_user_signed_action(wallet, action, types, primary, mainnet)

    def wire(value: str) -> Any:
        try:
            return {"text": sdk.float_to_wire(float.fromhex(value))}
        except ValueError as error:
            return {"error": str(error)}

    def timed(what: str, key: str, action: Any, nonce: int, calls: int) -> Any:
        wallet = eth_account.Account.from_key(key)
        call: Callable[[], Any] = {
            "sign": lambda: sdk.sign_l1_action(wallet, action, None, nonce, None, True),
            "hash": lambda: sdk.action_hash(action, None, nonce, None),
        }[what]
        call()
        start = time.thread_time()
        for _ in range(calls):
            call()
        return {"seconds": time.thread_time() - start}

    handlers: dict[str, Callable[..., Any]] = {
        "l1": l1,
        "user": user,
        "wire": wire,
        "time": timed,
        "backend": lambda: {"name": type(keys.PrivateKey(b"\x01" * 32).backend).__name__},
    }
    for line in sys.stdin:
        ((name, arguments),) = json.loads(line).items()
        print(json.dumps(handlers[name](*arguments)), flush=True)


if __name__ == "__main__":
    _serve()
