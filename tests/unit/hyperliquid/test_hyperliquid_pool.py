"""Nonces made ahead: no k twice, none across a fork, none without randomness, none left behind.

With the private key at hand, a signature gives its k up to the sign.
"""

from __future__ import annotations

import os
import random
import textwrap
from typing import Any

import pytest
from unit import signers

from connectors import hyperliquid
from oracle import hyperliquid_signing as oracle

SIGNATURES = int(os.environ.get("CONNECTORS_HYPERLIQUID_SIGNATURES", "4000"))
RAW = bytes(range(1, 33))
SECRET = int.from_bytes(RAW, "big")
NOOP = {"type": "noop"}
DIGEST = oracle.l1_digest(oracle.action_hash(NOOP, 1, None, None), mainnet=True)
PRELUDE = textwrap.dedent(
    f"""
    import json, os, sys, threading
    from connectors import hyperliquid
    from connectors.errors import ForkError
    RAW, NOOP = {RAW!r}, {NOOP!r}

    def signer(capacity=0, key=RAW):
        return hyperliquid.Signer(key, pool_capacity=capacity)
    """
)

forking = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def k_of(signature: dict[str, Any]) -> int:
    """The smaller of the two k that a signature of NOOP can have been made with."""
    r, s = int(signature["r"], 16), int(signature["s"], 16)
    return min(oracle.k_of(SECRET, DIGEST, r, s))


RFC6979 = min(k := oracle.rfc6979(SECRET, DIGEST), oracle.N - k)


def script(code: str, **environment: str) -> Any:
    return signers.script(PRELUDE, code, **environment)


def test_k_is_uniform_and_never_the_same() -> None:
    """Every bit of k is as often 0 as 1; two signers of one key share none."""
    found = []
    for _ in range(2):
        with hyperliquid.Signer(RAW, pool_capacity=SIGNATURES // 2) as signer:
            assert signer.precompute() == SIGNATURES // 2
            found += [signer.sign_l1_action(NOOP, 1) for _ in range(SIGNATURES // 4)]
            found += signer.sign_batch([(NOOP, 1)] * (SIGNATURES // 4))
            assert signer.stats.pool_hits == SIGNATURES // 2
            assert signer.stats.pool_misses == 0
    # v and s tell which of the two k it was: the one whose point has this parity.
    ks = [k_of(each) for each in found]
    assert len(set(ks)) == len(ks)
    assert RFC6979 not in ks
    assert max(ks) > 0.49 * oracle.N
    assert min(ks) < 0.01 * oracle.N
    for bit in range(254):
        ones = sum(k >> bit & 1 for k in ks)
        assert abs(ones - len(ks) / 2) < 6 * len(ks) ** 0.5 / 2, bit
    assert {each["v"] for each in found} == {27, 28}
    for each in random.Random(1).sample(found, 100):
        assert hyperliquid.recover_address(DIGEST, each) == signer.address


@forking
def test_the_pool_does_not_cross_a_fork() -> None:
    code = """
    made = signer(50)
    made.precompute()
    read, write = os.pipe()
    if os.fork() == 0:
        told = {"size": made.stats.pool_size}
        told["signatures"] = [made.sign_l1_action(NOOP, 1) for _ in range(5)]
        told["signatures"] += made.sign_batch([(NOOP, 1)] * 5)
        told["stats"] = [made.stats.pool_hits, made.stats.pool_misses, made.stats.pool_size]
        try:
            made.precompute()
        except ForkError as error:
            told["error"] = str(error)
        fresh = signer(5)
        told["fresh"] = [fresh.precompute(), fresh.stats.pool_size]
        told["own"] = [fresh.sign_l1_action(NOOP, 1) for _ in range(5)]
        made.close()
        os.write(write, json.dumps(told).encode())
        os._exit(0)
    os.close(write)
    mine = [made.sign_l1_action(NOOP, 1) for _ in range(50)]
    stats = [made.stats.pool_hits, made.stats.pool_misses, made.stats.pool_size]
    with os.fdopen(read) as pipe:
        theirs = json.loads(pipe.read())
    os.wait()
    print(json.dumps([mine, stats, theirs]))
    """
    mine, stats, theirs = script(code)
    assert theirs["size"] == 0
    assert theirs["stats"] == [0, 10, 0]
    assert {k_of(each) for each in theirs["signatures"]} == {RFC6979}
    assert "make a new signer" in theirs["error"]
    assert theirs["fresh"] == [5, 5]
    assert stats == [50, 0, 0]
    assert len({k_of(each) for each in mine + theirs["own"]}) == 55


@forking
def test_a_fork_while_others_are_at_work() -> None:
    """The threads that were signing do not exist in the child: nothing waits for them there."""
    code = """
    made = signer(20000)
    threads = [
        threading.Thread(target=made.sign_batch, args=([(NOOP, 1)] * 5000,)),
        threading.Thread(target=made.precompute, args=(5000,)),
    ]
    for thread in threads:
        thread.start()
    while made.stats.pool_size < 64:
        pass
    child = os.fork()
    if child == 0:
        fine = made.stats.pool_size == 0
        fine = fine and made.sign_l1_action(NOOP, 1) == signer().sign_l1_action(NOOP, 1)
        made.close()
        os._exit(0 if fine else 1)
    status = os.waitpid(child, 0)[1]
    for thread in threads:
        thread.join()
    print(json.dumps([status, made.stats.pool_size]))
    """
    assert script(code)[0] == 0


def test_threads_share_a_signer() -> None:
    results: list[dict[str, Any]] = []
    with hyperliquid.Signer(RAW, pool_capacity=100) as signer:

        def work(number: int) -> None:
            for _ in range(10):
                if number % 2:
                    results.extend(signer.sign_batch([(NOOP, 1)] * 20))
                else:
                    results.extend([signer.sign_l1_action(NOOP, 1) for _ in range(20)])
                signer.precompute(30)

        signers.in_threads(6, work)
        stats = signer.stats
    assert stats.signed == stats.pool_hits + stats.pool_misses == len(results) == 1200
    assert stats.pool_size <= 100
    ks = [k for each in results if (k := k_of(each)) != RFC6979]
    assert len(ks) == len(set(ks)) == stats.pool_hits
    assert stats.pool_hits > 100
    for each in results[::50]:
        assert hyperliquid.recover_address(DIGEST, each) == signer.address


def test_threads_fill_a_pool_to_its_end_and_no_further() -> None:
    with hyperliquid.Signer(RAW, pool_capacity=500) as signer:
        signers.filled_by_threads(signer, 500)


def test_closing_while_others_sign() -> None:
    """Whoever was signing gets good signatures; whoever comes later is told."""
    for _ in range(10):
        signer = hyperliquid.Signer(RAW, pool_capacity=2000)
        results = signers.closed_while_others_sign(
            signer,
            lambda signer=signer: signer.sign_l1_action(NOOP, 1),
            lambda signer=signer: signer.sign_batch([(NOOP, 1)] * 50),
        )
        for each in results[-60:]:
            assert hyperliquid.recover_address(DIGEST, each) == signer.address


# --- bad randomness -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A library that replaces the system's randomness by zeros, or by an error."""
    if "asan" in os.environ.get("LD_PRELOAD", ""):
        pytest.skip("AddressSanitizer has to be loaded first, and has a getentropy of its own")
    library = signers.shim_in(tmp_path_factory.mktemp("shim"))
    return f"{library} {os.environ.get('LD_PRELOAD', '')}".strip()


def test_k_is_hedged(shim: str) -> None:
    """With randomness that is always 0, every k still differs: by order, time, process, key."""
    code = """
    made = signer(100)
    made.precompute()
    print(json.dumps([made.sign_l1_action(NOOP, 1) for _ in range(100)]))
    """
    runs = [script(code, LD_PRELOAD=shim) for _ in range(2)]
    ks = {k_of(each) for run in runs for each in run}
    assert len(ks) == 200
    assert RFC6979 not in ks
    other = script(code.replace("signer(100)", "signer(100, bytes(31) + b'1')"), LD_PRELOAD=shim)
    assert not {each["r"] for each in other} & {each["r"] for run in runs for each in run}


def test_without_randomness_only_the_pool_stays_empty(shim: str) -> None:
    """Signatures of RFC 6979 need none."""
    code = """
    made = signer(50)
    try:
        made.precompute()
        told = None
    except OSError as error:
        told = [error.errno, error.strerror]
    print(json.dumps([told, made.stats.pool_size, made.sign_l1_action(NOOP, 1)]))
    """
    told, size, signature = script(code, LD_PRELOAD=shim, NO_ENTROPY="1")
    assert told == [5, "the system gives no randomness"]
    assert size == 0
    assert k_of(signature) == RFC6979
