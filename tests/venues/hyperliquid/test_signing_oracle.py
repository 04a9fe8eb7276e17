"""The oracle passes every vector: it may judge the compiled signer."""

from __future__ import annotations

from oracle import hyperliquid_signing as oracle
from oracle.hyperliquid_vectors import Case, expected, networks, section, tail, unhex


def test_l1_actions() -> None:
    for case in section("l1"):
        assert oracle.pack(case["action"]) == unhex(case["msgpack"])
        hashed = oracle.action_hash(case["action"], *tail(case))
        assert hashed == unhex(case["action_hash"])
        for mainnet, wanted in networks(case):
            assert oracle.l1_digest(hashed, mainnet) == unhex(wanted["digest"])
            check(case, wanted)


def test_user_signed_actions() -> None:
    for case in section("user_signed"):
        digest = oracle.user_digest(case["primary_type"], case["types"], case["action"])
        assert digest == unhex(case["digest"])
        check(case, case)


def check(case: Case, wanted: Case) -> None:
    """Signing takes the oracle 15 ms, so only some are made; all of them are looked at."""
    key, digest = int(case["key"], 16), unhex(wanted["digest"])
    r, s, v = int(wanted["r"], 16), int(wanted["s"], 16), wanted["v"]
    k = oracle.rfc6979(key, digest)
    assert k in oracle.k_of(key, digest, r, s)
    if "rfc6979_k" in wanted:
        assert k == int(wanted["rfc6979_k"], 16)
    if digest[0] < 64:
        assert oracle.as_dict(*oracle.sign(key, digest)) == expected(wanted)
        assert oracle.recover(digest, r, s, v) == case["address"].lower()


def test_msgpack() -> None:
    for case in section("msgpack"):
        assert oracle.pack(case["value"]) == unhex(case["hex"])
