"""How long does it take to sign a Hyperliquid action?

The official SDK runs in a process and an environment of its own (`make hyperliquid-sdk`), with
coincurve and as it is installed by default; every round it has its turn like everybody else.
Without it, only what is left is measured. The floor is libsecp256k1's own signature of a ready
digest.

What is signed is compared first: everyone must give the same hash and signature.
"""

from __future__ import annotations

import contextlib
import gc
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from bench import ROOT
from bench.measure import Claim, Group, Plan, Series, interleave
from connectors import hyperliquid

__all__ = ["run"]

KEY = "0x0123456789012345678901234567890123456789012345678901234567890123"
NONCE = 1_700_000_000_000
ORDER = {
    "a": 4,
    "b": True,
    "p": "1670.1",
    "s": "0.0147",
    "r": False,
    "t": {"limit": {"tif": "Ioc"}},
}
CLOID = "0x1234567890abcdef1234567890abcdef"
ONE = {"type": "order", "orders": [ORDER | {"c": CLOID}], "grouping": "na"}
TWENTY = {"type": "order", "orders": [ORDER | {"c": CLOID}] * 20, "grouping": "na"}
CANCEL = {"type": "cancel", "cancels": [{"a": 4, "o": 375_273_716_474}]}
MODIFY = {"type": "batchModify", "modifies": [{"oid": 375_273_716_474, "order": ORDER}]}

POOL = "tickwire, nonce made ahead"
OURS = "tickwire"
FAST = "official SDK + coincurve"
SLOW = "official SDK"

Turn = Callable[[], float]  # µs for each operation


def run(plan: Plan) -> list[Group]:
    with contextlib.ExitStack() as stack:
        signer = stack.enter_context(hyperliquid.Signer(KEY))
        pooled = stack.enter_context(hyperliquid.Signer(KEY, pool_capacity=4096))
        official = dict(stack.enter_context(officials()))
        check(signer, official)
        calls = max(1, round(plan.turn_s / 26e-6))

        def theirs(what: str, name: str, action: Any) -> Turn:
            count = max(1, calls // (10 if what == "sign" and name == FAST else 4))
            count = max(1, calls // 100) if name == SLOW and what == "sign" else count

            def turn() -> float:
                answer = official[name].ask(time=[what, KEY, action, NONCE, count])
                return float(answer["seconds"]) / count * 1e6

            return turn

        def group(title: str, cases: list[tuple[str, Turn]], claims: list[Claim]) -> Group:
            kept = [claim for claim in claims if claim.peer in dict(cases)]
            return measured(title, cases, plan, kept)

        sdks = [name for name in (FAST, SLOW) if name in official]
        groups = []
        for title, action in (("one order", ONE), ("twenty orders", TWENTY)):
            rivals = [(name, theirs("sign", name, action)) for name in sdks]
            plain = (OURS, loop(lambda a=action: signer.sign_l1_action(a, NONCE), calls))  # type: ignore[misc]
            ahead = (POOL, from_pool(pooled, action, min(4096, 10 * calls)))
            one = action is ONE
            groups.append(
                group(
                    f"sign {title}",
                    [
                        plain,
                        *rivals,
                        *([("libsecp256k1, a ready digest", floor(calls))] if one else []),
                    ],
                    [Claim(FAST, at_least=9), Claim(SLOW, at_least=100)] if one else [],
                )
            )
            groups.append(
                group(
                    f"sign {title}, nonce made ahead",
                    [ahead, plain, *rivals],
                    [Claim(FAST, at_least=60)] if one else [],
                )
            )
        for title, action in (("one order", ONE), ("twenty orders", TWENTY)):
            hashed = loop(lambda a=action: hyperliquid.action_hash(a, NONCE), 20 * calls)  # type: ignore[misc]
            rivals = [(name, theirs("hash", name, action)) for name in sdks[:1]]
            groups.append(group(f"action hash, {title}", [(OURS, hashed), *rivals], []))
        entries = [(action, NONCE + i) for i in range(7) for action in (ONE, CANCEL, MODIFY)]
        groups.append(
            group(
                f"a batch of {len(entries)} actions, for each",
                [
                    (
                        "tickwire sign_batch",
                        each(loop(lambda: signer.sign_batch(entries), 40), entries),
                    ),
                    (
                        "tickwire, one by one",
                        each(loop(lambda: alone(signer, entries), 40), entries),
                    ),
                ],
                [],
            )
        )
        ahead_of_time = ("tickwire precompute", making(pooled, 2 * calls))
        groups.append(group("a nonce made ahead", [ahead_of_time], []))
        return groups


@contextlib.contextmanager
def officials() -> Iterator[dict[str, Any]]:
    """Start the official SDK with each of its backends that can be had."""
    tests = str(ROOT / "tests")
    if tests not in sys.path:
        sys.path.append(tests)
    from oracle import hyperliquid_official

    with contextlib.ExitStack() as stack:
        found: dict[str, Any] = {}
        for name, backend, needed in (
            (FAST, "coincurve", "coincurve"),
            (SLOW, "python", "hyperliquid"),
        ):
            python = hyperliquid_official.find(needed)
            if python is not None:
                process = hyperliquid_official.Official(python, backend)
                found[name] = stack.enter_context(process)
        yield found


def check(signer: hyperliquid.Signer, official: dict[str, Any]) -> None:
    for process in official.values():
        for action in (ONE, TWENTY, CANCEL, MODIFY):
            theirs = process.ask(l1=[KEY, action, NONCE, None, None, True])
            ours = signer.sign_l1_action(action, NONCE)
            if hyperliquid.action_hash(action, NONCE).hex() != theirs["hash"]:
                raise AssertionError("another hash than the official SDK's")
            if any(int(ours[half], 16) != int(theirs[half], 16) for half in "rs"):
                raise AssertionError("another signature than the official SDK's")


def measured(title: str, cases: list[tuple[str, Turn]], plan: Plan, claims: list[Claim]) -> Group:
    names, turns = [name for name, _ in cases], [turn for _, turn in cases]
    for turn in turns:
        turn()
    gc.collect()
    gc.freeze()
    try:
        samples = interleave(
            names, plan.rounds, lambda i: turns[i](), plan.progress, f"hyperliquid: {title}"
        )
    finally:
        gc.unfreeze()
    series = [Series(name, found) for name, found in zip(names, samples, strict=True)]
    return Group(f"Hyperliquid, {title}", "µs", series, claims, "CPU time of the thread")


def loop(call: Callable[[], object], count: int) -> Turn:
    def turn() -> float:
        start = time.thread_time_ns()
        for _ in range(count):
            call()
        return (time.thread_time_ns() - start) / count / 1e3

    return turn


def from_pool(signer: hyperliquid.Signer, action: Any, count: int) -> Turn:
    sign = loop(lambda: signer.sign_l1_action(action, NONCE), count)

    def turn() -> float:
        signer.precompute(count - signer.pool_size)
        before = signer.pool_misses
        found = sign()
        if signer.pool_misses != before:
            raise AssertionError("the pool was empty")
        return found

    return turn


def making(signer: hyperliquid.Signer, count: int) -> Turn:
    def turn() -> float:
        while signer.pool_size:  # untimed: use up what is there
            signer.sign_l1_action(CANCEL, NONCE)
        start = time.thread_time_ns()
        made = signer.precompute(count)
        return (time.thread_time_ns() - start) / made / 1e3

    return turn


def floor(count: int) -> Turn:
    import coincurve

    key, digest = coincurve.PrivateKey(bytes.fromhex(KEY[2:])), bytes(range(32))
    return loop(lambda: key.sign_recoverable(digest, hasher=None), count)


def alone(signer: hyperliquid.Signer, entries: list[tuple[Any, int]]) -> None:
    for action, nonce in entries:
        signer.sign_l1_action(action, nonce)


def each(turn: Turn, entries: list[Any]) -> Turn:
    return lambda: turn() / len(entries)
