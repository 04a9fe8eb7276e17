"""What does it cost to sign for Lighter?

The official signer is the library inside `lighter-sdk`, asked through the same C entry points and
with the same reading and freeing of strings as its Python package does. It runs in a process of its
own (it is a Go program that takes over signals), a turn in every round, timed there call by call.
`make bench` installs it; without it only our own rows are shown.
"""

from __future__ import annotations

import contextlib
import os
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from bench import ROOT
from bench.measure import Case, Claim, Group, Plan, Series, interleave, time_cases
from connectors import lighter
from connectors._speedups import lighter_core

sys.path.append(str(ROOT / "tests"))

from oracle import lighter_official, lighter_random

__all__ = ["run"]

KEY = random.Random(3).randbytes(40)
ACCOUNT, API_KEY, CHAIN = 4242, 3, 304
ORDER = {
    "MarketIndex": 1, "ClientOrderIndex": 99_000_123, "BaseAmount": 125_000, "Price": 236_131,
    "IsAsk": 0, "Type": 0, "TimeInForce": 2, "ReduceOnly": 0, "TriggerPrice": 0,
    "OrderExpiry": 1_797_677_658_427, "ExpiredAt": 1_795_259_307_245, "Nonce": 9_999,
}  # fmt: skip
POOL = 512
WORKER, MAIN = "official signer, worker thread", "official signer, main thread"
CREATE_ORDER, AUTH_TOKEN = 14, 0


def run(plan: Plan) -> list[Group]:
    with official() as library, signer() as ordinary, signer(POOL) as pooled:
        _check(ordinary)
        theirs = _Official(library, plan) if library else None
        one = _ours("tickwire", lambda: ordinary.sign(CREATE_ORDER, ORDER))
        from_pool = _pooled(pooled)
        groups = [
            _against(
                "sign a create order",
                [one],
                plan,
                theirs,
                CREATE_ORDER,
                11.0,
                "dict of fields -> hash, signature and tx_info, nothing prepared",
            ),
            _against(
                "sign a create order, nonce from the pool",
                [from_pool, one],
                plan,
                theirs,
                CREATE_ORDER,
                45.0,
                f"pool of {POOL}, filled outside the measured time",
            ),
            _against(
                "auth token",
                [_ours("tickwire", lambda: ordinary.auth_token(1_800_000_000))],
                plan,
                theirs,
                AUTH_TOKEN,
                None,
                "",
            ),
            _batches(ordinary, plan),
            _threads(ordinary, plan),
            _parts(ordinary, plan),
        ]
    return groups


@contextlib.contextmanager
def official() -> Iterator[lighter_official.Official | None]:
    path = lighter_official.find()
    if path is None:
        yield None
        return
    with lighter_official.Official(path) as library:
        made = library.ask(client=[KEY.hex(), CHAIN, API_KEY, ACCOUNT])
        assert made["error"] is None, made
        yield library


def signer(pool: int = 0) -> lighter.Signer:
    return lighter.Signer(KEY, ACCOUNT, API_KEY, CHAIN, pool_capacity=pool)


def _check(ours: lighter.Signer) -> None:
    """Verify a signature of each way to sign before any of them is timed."""
    for signed in (ours.sign(CREATE_ORDER, ORDER), *ours.sign_batch([(CREATE_ORDER, ORDER)] * 3)):
        assert lighter.verify(ours.public_key, signed.tx_hash, signed.signature)


def _ours(name: str, call: Callable[[], object], operations: int = 1) -> Case:
    return Case(name, call, operations)


def _pooled(ours: lighter.Signer) -> Case:
    sign = ours.sign

    def batch() -> None:
        for _ in range(POOL):
            sign(CREATE_ORDER, ORDER)

    return Case("tickwire, with a pool", batch, POOL, prepare=ours.precompute)


class _Official:
    """Turns of the official library."""

    def __init__(self, library: lighter_official.Official, plan: Plan) -> None:
        self._library = library
        self._calls = max(3, round(plan.turn_s / 500e-6))

    def turn(self, tx_type: int, where: str) -> float:
        """Return µs for each call."""
        rest: list[Any] = [ORDER, {}, API_KEY, ACCOUNT]
        if tx_type == AUTH_TOKEN:
            rest = [1_800_000_000, API_KEY, ACCOUNT]
        answer = self._library.ask(time=[tx_type, self._calls, where, rest])
        seconds = sorted(answer["seconds"])
        return float(seconds[len(seconds) // 2]) * 1e6


def _against(
    title: str,
    cases: list[Case],
    plan: Plan,
    theirs: _Official | None,
    tx_type: int,
    at_least: float | None,
    note: str,
) -> Group:
    """Time our cases and the official library turn by turn; µs of CPU for each call."""
    if theirs is None:
        note = "; ".join(filter(None, [note, "lighter-sdk is not installed"]))
        return time_cases(title, cases, plan, unit="µs", note=note)
    repeats = [max(1, round(plan.turn_s / max(_cpu(case, 1), 1e-7))) for case in cases]
    names = [case.name for case in cases] + [WORKER, MAIN]

    def turn(i: int) -> float:
        if i < len(cases):
            return _cpu(cases[i], repeats[i]) / repeats[i] / cases[i].operations * 1e6
        return theirs.turn(tx_type, "worker" if names[i] == WORKER else "main")

    samples = interleave(names, plan.rounds, turn, plan.progress, title)
    claims = [Claim(WORKER, at_least=at_least)] if at_least else []
    series = [Series(name, found) for name, found in zip(names, samples, strict=True)]
    return Group(title, "µs", series, claims, note)


def _cpu(case: Case, repeats: int) -> float:
    total = 0
    for _ in range(repeats):
        if case.prepare is not None:
            case.prepare()
        start = time.thread_time_ns()
        case.batch()
        total += time.thread_time_ns() - start
    return total / 1e9


def _batches(ours: lighter.Signer, plan: Plan) -> Group:
    rng = random.Random(1)
    cases = []
    for size in (50, 1, 10, 200):
        entries = [
            (CREATE_ORDER, lighter_random.transaction(rng, CREATE_ORDER)[0]) for _ in range(size)
        ]
        cases.append(
            Case(f"batch of {size}", lambda entries=entries: ours.sign_batch(entries), size)
        )
    return time_cases("sign a batch", cases, plan, unit="µs", note="for each order, one thread")


def _threads(ours: lighter.Signer, plan: Plan) -> Group:
    """Wall time for 1 000 orders: batches of 50 in one thread, or half of them in each of two."""
    entries = [(CREATE_ORDER, ORDER, None)] * 50
    rounds = 10

    def work() -> None:
        for _ in range(rounds):
            ours.sign_batch(entries)

    def turn(i: int) -> float:
        with undisturbed():
            start = time.perf_counter()
            if i == 0:
                threads = [threading.Thread(target=work) for _ in range(2)]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
            else:
                work()
                work()
            took_s = time.perf_counter() - start
        return took_s * 1e6 / (2 * rounds * len(entries))

    names = ["two threads", "one thread"]
    turn(0)
    samples = interleave(names, plan.rounds, turn, plan.progress, "threads")
    series = [Series(name, found) for name, found in zip(names, samples, strict=True)]
    note = "wall time for each order, one signer for both, " + (
        "ahead of all other processes" if may_go_first() else "which needs two idle cores"
    )
    claims = [Claim("one thread", at_least=1.7)]
    return Group("batches of 50 in two threads", "µs", series, claims, note)


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Run ahead of all other processes, where that is allowed: wall time on a busy machine says
    nothing, and what is done here takes some 20 ms.
    """
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    except (AttributeError, PermissionError):
        yield
        return
    try:
        yield
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def may_go_first() -> bool:
    with undisturbed():
        return hasattr(os, "SCHED_FIFO") and os.sched_getscheduler(0) == os.SCHED_FIFO


def _parts(ours: lighter.Signer, plan: Plan) -> Group:
    complete = ORDER | {"AccountIndex": ACCOUNT, "ApiKeyIndex": API_KEY}
    signed = ours.sign(CREATE_ORDER, ORDER)
    k = bytes(range(1, 41))
    return time_cases(
        "parts",
        [
            _ours("order -> hash", lambda: lighter.tx_hash(CHAIN, CREATE_ORDER, complete)),
            _ours("k·G, encoded", lambda: lighter_core.nonce_point(k)),
            _ours(
                "verify",
                lambda: lighter.verify(ours.public_key, signed.tx_hash, signed.signature),
            ),
        ],
        plan,
        unit="µs",
        note="from Python",
    )
