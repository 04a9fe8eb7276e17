"""No k is used twice: alone, in batches, from the pool, in threads, after forks, without luck.

With the private key at hand, k can be computed from any signature: k = s + e * key mod n.
CONNECTORS_LIGHTER_SIGNATURES sets how many are made; `make verify-signer` makes 1 000 000.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import random
import struct
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from unit import signers

from connectors import lighter
from connectors._speedups import lighter_signer
from oracle import lighter_crypto, lighter_random, lighter_tx

SIGNATURES = int(os.environ.get("CONNECTORS_LIGHTER_SIGNATURES", "20000"))
RAW = bytes(range(1, 41))
SECRET = lighter_crypto.scalar(RAW)
ORDER, _ = lighter_random.transaction(random.Random(1), 14, account=1, api_key=2)
OTHER = ORDER | {"Nonce": 5}
PRELUDE = textwrap.dedent(
    f"""
    import json, os, sys, threading
    from connectors import lighter
    from connectors.errors import ForkError
    RAW, ORDER, OTHER = {RAW!r}, {ORDER!r}, {OTHER!r}
    """
)


def nonce_of(signature: bytes) -> int:
    """The k a signature was made with."""
    s, e = (int.from_bytes(half, "little") for half in (signature[:40], signature[40:]))
    return (s + e * SECRET) % lighter_crypto.N


def script(code: str, **environment: str) -> Any:
    return signers.script(PRELUDE, code, **environment)


# --- distribution -------------------------------------------------------------------------------


def test_k_is_uniform() -> None:
    """Every bit is as often 0 as 1, and the range below n is used to its end."""
    with lighter.Signer(RAW, 1, 2, 304, pool_capacity=1000) as signer:
        signer.precompute()
        signed = [signer.sign(14, ORDER) for _ in range(2000)]  # half of them from the pool
        signed += signer.sign_batch([(14, ORDER)] * 2000)
        assert signer.stats.pool_hits == 1000
    found = [nonce_of(each.signature) for each in signed]
    assert all(0 < k < lighter_crypto.N for k in found)
    assert max(found) > 0.99 * lighter_crypto.N
    assert min(found) < 0.01 * lighter_crypto.N
    for bit in range(319):
        ones = sum(k >> bit & 1 for k in found)
        assert abs(ones - 2000) < 6 * 4000**0.5 / 2, bit


def test_hmac_sha512() -> None:
    rng = random.Random(4)
    for size in range(112):
        key, message = rng.randbytes(rng.randrange(129)), rng.randbytes(size)
        expected = hmac.new(key, message, hashlib.sha512).digest()
        assert lighter_signer._hmac_sha512(key, message) == expected
    for key, message in ((bytes(129), b""), (b"", bytes(112))):
        with pytest.raises(ValueError, match="at most"):
            lighter_signer._hmac_sha512(key, message)


# --- repetition ---------------------------------------------------------------------------------


def test_no_k_is_used_twice(tmp_path: Path) -> None:
    """One transaction again and again: equal challenges e would be equal k.

    Alone, in batches, from the pool, from two threads of one signer, from two signers of one key,
    and after a fork in both processes.
    """
    share = SIGNATURES // 8
    code = f"""
    share = {share}
    signer = lighter.Signer(RAW, 1, 2, 304, pool_capacity=1000)
    twin = lighter.Signer(RAW, 1, 2, 304, pool_capacity=1000)
    out = open({str(tmp_path)!r} + "/parent", "wb")
    lock = threading.Lock()

    def keep(signed, out=out):
        with lock:
            out.write(b"".join(each.signature[40:] for each in signed))

    def alone(signer, count, out=out):
        for start in range(0, count, 1000):
            keep([signer.sign(14, ORDER) for _ in range(min(1000, count - start))], out)

    def batches(signer, count, size=250):
        for start in range(0, count, size):
            keep(signer.sign_batch([(14, ORDER)] * min(size, count - start)))

    def pooled(signer, count, out=out):
        for start in range(0, count, 1000):
            signer.precompute()
            alone(signer, min(1000, count - start), out)

    alone(signer, share)
    batches(signer, share)
    pooled(signer, share)
    threads = [
        threading.Thread(target=batches, args=(signer, share // 2)),
        threading.Thread(target=pooled, args=(signer, share // 2)),
        threading.Thread(target=pooled, args=(signer, share // 2)),
        threading.Thread(target=batches, args=(twin, share // 2)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    alone(twin, share)
    signer.precompute()
    filled = signer.stats.pool_size
    out.flush()
    child = os.fork()
    if child == 0:
        with open({str(tmp_path)!r} + "/child", "wb") as mine:
            alone(signer, share, mine)
            pooled(lighter.Signer(RAW, 1, 2, 304, pool_capacity=1000), 1000, mine)
        os._exit(0)
    alone(signer, share)
    out.close()
    status = os.waitpid(child, 0)[1]
    print(json.dumps([status, filled, signer.stats.pool_hits, signer.stats.signed]))
    """
    status, filled, hits, signed = script(code)
    assert status == 0
    assert filled == 1000
    parent = np.fromfile(tmp_path / "parent", dtype="V40")
    child = np.fromfile(tmp_path / "child", dtype="V40")
    assert len(parent) == signed + share + (share // 2) == 7 * share
    assert len(child) == share + 1000
    assert hits >= min(1000, share)
    everything = np.concatenate([parent, child])
    assert len(np.unique(everything)) == len(everything)
    print(f"{len(everything)} signatures, every k different")


# --- forks --------------------------------------------------------------------------------------

forking = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


@forking
def test_the_pool_does_not_cross_a_fork() -> None:
    code = """
    signer = lighter.Signer(RAW, 1, 2, 304, pool_capacity=50)
    signer.sign(14, ORDER)                  # there is randomness left over in the signer
    signer.precompute()
    read, write = os.pipe()
    if os.fork() == 0:
        told = {"size": signer.stats.pool_size}
        told["signatures"] = [signer.sign(14, ORDER).signature.hex() for _ in range(20)]
        told["signatures"] += [t.signature.hex() for t in signer.sign_batch([(14, ORDER)] * 20)]
        told["stats"] = [signer.stats.pool_hits, signer.stats.pool_misses, signer.stats.pool_size]
        try:
            signer.precompute()
        except ForkError as error:
            told["error"] = str(error)
        told["token"] = signer.auth_token(5)
        fresh = lighter.Signer(RAW, 1, 2, 304, pool_capacity=5)
        told["fresh"] = [fresh.precompute(), fresh.stats.pool_size]
        told["signatures"] += [fresh.sign(14, ORDER).signature.hex() for _ in range(5)]
        signer.close()
        os.write(write, json.dumps(told).encode())
        os._exit(0)
    os.close(write)
    mine = [signer.sign(14, ORDER).signature.hex() for _ in range(60)]
    stats = [signer.stats.pool_hits, signer.stats.pool_misses, signer.stats.pool_size]
    with os.fdopen(read) as pipe:
        theirs = json.loads(pipe.read())
    os.wait()
    print(json.dumps([mine, stats, theirs]))
    """
    mine, stats, theirs = script(code)
    assert theirs["size"] == 0
    assert theirs["stats"] == [0, 41, 0]  # one miss came with it
    assert "make a new signer" in theirs["error"]
    assert theirs["fresh"] == [5, 5]
    assert stats == [50, 11, 0]
    found = {nonce_of(bytes.fromhex(each)) for each in mine + theirs["signatures"]}
    assert len(found) == 60 + 45


@forking
def test_a_fork_while_a_batch_is_signed() -> None:
    """The thread that was signing does not exist in the child: nothing waits for it there."""
    code = """
    signer = lighter.Signer(RAW, 1, 2, 304, pool_capacity=20000)
    threads = [
        threading.Thread(target=signer.sign_batch, args=([(14, ORDER)] * 5000,)),
        threading.Thread(target=signer.precompute),
    ]
    for thread in threads:
        thread.start()
    while signer.stats.pool_size < 64:
        pass
    child = os.fork()
    if child == 0:
        fine = signer.stats.pool_size == 0
        signed = signer.sign(14, ORDER)
        fine = fine and lighter.verify(signer.public_key, signed.tx_hash, signed.signature)
        signer.close()
        os._exit(0 if fine else 1)
    status = os.waitpid(child, 0)[1]
    for thread in threads:
        thread.join()
    print(json.dumps([status, signer.stats.pool_size]))
    """
    assert script(code)[0] == 0


# --- threads ------------------------------------------------------------------------------------


def test_threads_share_a_signer() -> None:
    results: list[lighter.SignedTx] = []
    with lighter.Signer(RAW, 1, 2, 304, pool_capacity=100) as signer:

        def work(number: int) -> None:
            for _ in range(20):
                if number % 2:
                    results.extend(signer.sign_batch([(14, ORDER), (14, OTHER)] * 10))
                else:
                    results.extend([signer.sign(14, ORDER) for _ in range(20)])
                signer.precompute(30)

        signers.in_threads(6, work)
        stats = signer.stats
        assert stats.signed == stats.pool_hits + stats.pool_misses == len(results) == 2400
        assert stats.pool_size <= 100
        assert len({nonce_of(each.signature) for each in results}) == 2400
        for each in results[::10]:
            assert lighter.verify(signer.public_key, each.tx_hash, each.signature)


def test_threads_fill_a_pool_to_its_end_and_no_further() -> None:
    with lighter.Signer(RAW, 1, 2, 304, pool_capacity=500) as signer:
        signers.filled_by_threads(signer, 500)


def test_closing_while_others_sign() -> None:
    """Whoever was signing gets good signatures; whoever comes later is told."""
    for _ in range(20):
        signer = lighter.Signer(RAW, 1, 2, 304, pool_capacity=2000)
        results = signers.closed_while_others_sign(
            signer,
            lambda signer=signer: signer.sign(14, ORDER),
            lambda signer=signer: signer.sign_batch([(14, ORDER)] * 50),
        )
        for each in results[-60:]:
            assert lighter.verify(signer.public_key, each.tx_hash, each.signature)


# --- bad randomness -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A library that replaces the system's randomness by zeros, or by an error."""
    library = signers.shim_in(tmp_path_factory.mktemp("shim"))
    return f"{os.environ.get('LD_PRELOAD', '')} {library}".strip()


def test_k_is_hedged(shim: str) -> None:
    """With randomness that is always 0, every k is still different: by message, order, process."""
    code = """
    signer = lighter.Signer(RAW, 1, 2, 304, pool_capacity=50)
    signer.precompute()
    signed = [signer.sign(14, each) for each in [ORDER, OTHER] * 50]
    signed += signer.sign_batch([(14, ORDER), (14, OTHER)] * 50)
    print(json.dumps([each.signature.hex() for each in signed]))
    """
    runs = [script(code, LD_PRELOAD=shim) for _ in range(3)]
    found = {nonce_of(bytes.fromhex(each)) for run in runs for each in run}
    assert len(found) == 3 * 200


def test_k_is_made_of_what_it_should_be(shim: str) -> None:
    """With randomness, time and process known, k is the HMAC that the documentation says."""
    code = """
    signer = lighter.Signer(RAW, 1, 2, 304, pool_capacity=50)
    signed = [signer.sign(14, ORDER), signer.sign(14, OTHER)]
    signer.precompute(2)
    signed += [signer.sign(14, ORDER), signer.sign(14, OTHER)]
    signed += signer.sign_batch([(14, ORDER), (14, OTHER)])
    signed = [[each.tx_hash, each.signature.hex()] for each in signed]
    print(json.dumps([signed, signer.auth_token(5)]))
    """
    signed, token = script(code, LD_PRELOAD=shim, NO_TIME="1")
    message, _, signature = token.rpartition(":")
    hashed = lighter_crypto.to_bytes(lighter_crypto.hash5(lighter_tx.auth_elements(message)))
    # Counters go up by one with every draw; the pool is used from its end.
    draws = [(0, 1), (1, 1), (3, 2), (2, 2), (4, 1), (5, 1), (6, 1)]
    made = [*((bytes.fromhex(m), bytes.fromhex(s)) for m, s in signed)]
    made.append((hashed, bytes.fromhex(signature)))
    for (counter, purpose), (text, each) in zip(draws, made, strict=True):
        details = struct.pack("<3Q", counter, 7 * 10**9 + 9, 4242)
        known = text if purpose == 1 else bytes(40)
        drawn = hmac.new(RAW, bytes(32) + known + details + bytes([purpose]), hashlib.sha512)
        k = int.from_bytes(drawn.digest()[:40], "little") % 2**319
        assert nonce_of(each) == k


def test_without_randomness_nothing_is_signed(shim: str) -> None:
    code = """
    signer = lighter.Signer(RAW, 1, 2, 304, pool_capacity=50)
    errors = []
    for call in (
        lambda: signer.sign(14, ORDER),
        lambda: signer.sign_batch([(14, ORDER)] * 3),
        lambda: signer.auth_token(5),
        lambda: signer.precompute(),
    ):
        try:
            call()
        except OSError as error:
            errors.append([error.errno, error.strerror])
    print(json.dumps([errors, signer.stats.signed, signer.stats.pool_size]))
    """
    errors, signed, pool = script(code, LD_PRELOAD=shim, NO_ENTROPY="1")
    assert errors == [[5, "the system gives no randomness"]] * 4
    assert (signed, pool) == (0, 0)
