"""The canary: a private key shows nowhere (S12).

Not in a repr, a log, an exception with the variables of its frames, a pickle, and not in memory
once the signer is closed; nor do the nonces that were made ahead.
"""

from __future__ import annotations

import copy
import logging
import pickle
import pprint
import random
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from unit import canary

from connectors import hyperliquid
from connectors.errors import SignerClosed
from oracle import hyperliquid_signing as oracle

RAW = random.Random("canary").randbytes(32)
KEY = RAW.hex()
MONTGOMERY = (int.from_bytes(RAW, "big") * 2**256 % oracle.N).to_bytes(32, "little")
NOOP = {"type": "noop"}
USER = "0x" + "12" * 20


FORMS = canary.forms((RAW, MONTGOMERY))


def assert_clean(text: str, where: str) -> None:
    low = text.lower()
    shown = [form for form in FORMS if form in low]
    assert not shown, f"{where} shows the key ({len(shown)} forms)"


@pytest.fixture
def signer() -> Iterator[hyperliquid.Signer]:
    with hyperliquid.Signer(KEY, pool_capacity=4) as made:
        yield made


def test_the_search_finds_what_it_looks_for() -> None:
    for text in (KEY, KEY.upper(), f"x{RAW!r}y", str(list(RAW)), KEY[16:32]):
        with pytest.raises(AssertionError, match="shows the key"):
            assert_clean(text, "test")


def test_texts_of_a_signer(signer: hyperliquid.Signer) -> None:
    signer.precompute()
    names = [name for name in dir(signer) if not name.startswith("__")]
    for text in (
        repr(signer), str(signer), f"{signer}", ascii(signer), pprint.pformat(signer),
        repr([signer]), repr(vars(type(signer))), repr(signer.stats), str(dir(signer)),
        repr({name: getattr(signer, name) for name in names}), signer.__doc__ or "",
    ):  # fmt: skip
        assert_clean(text, "a text")
    assert not hasattr(signer, "__dict__")


def test_a_signer_is_not_copied(signer: hyperliquid.Signer) -> None:
    calls: list[Callable[[hyperliquid.Signer], object]] = [
        copy.copy,
        copy.deepcopy,
        lambda s: copy.deepcopy([s]),
        lambda s: pickle.dumps({"signer": s}),
        *(lambda s, p=p: pickle.dumps(s, protocol=p) for p in range(pickle.HIGHEST_PROTOCOL + 1)),
    ]
    for call in calls:
        with pytest.raises(TypeError, match="neither copied nor pickled") as caught:
            call(signer)
        assert_clean(shown(caught.value), "copying")


def shown(error: BaseException) -> str:
    return canary.shown(error, __file__)


FAILURES: list[Callable[[hyperliquid.Signer, Path], object]] = [
    lambda s, p: hyperliquid.Signer(KEY[:-1]),
    lambda s, p: hyperliquid.Signer(KEY[:-2]),
    lambda s, p: hyperliquid.Signer(KEY + "00"),
    lambda s, p: hyperliquid.Signer(KEY[:-1] + "z"),
    lambda s, p: hyperliquid.Signer(KEY[:-1] + "é"),
    lambda s, p: hyperliquid.Signer(" " + KEY),
    lambda s, p: hyperliquid.Signer(RAW[:-1]),
    lambda s, p: hyperliquid.Signer([KEY]),  # type: ignore[arg-type]
    lambda s, p: hyperliquid.Signer(KEY, pool_capacity=-1),
    lambda s, p: hyperliquid.Signer(KEY, pool_capacity="1"),  # type: ignore[arg-type]
    lambda s, p: hyperliquid.Signer(KEY, nonsense=1),  # type: ignore[call-arg]
    lambda s, p: hyperliquid.Signer.from_file(p),
    lambda s, p: hyperliquid.Signer.from_file(p, pool_capacity=-1),
    lambda s, p: s.sign_l1_action(None, 1),  # type: ignore[arg-type]
    lambda s, p: s.sign_l1_action({"x": 1.5}, 1),
    lambda s, p: s.sign_l1_action(NOOP, -1),
    lambda s, p: s.sign_batch([(NOOP, 1), ({"x": 1.5}, 1)]),
    lambda s, p: s.sign_user_action(NOOP),
    lambda s, p: s.sign_digest(b""),
    lambda s, p: s.sign_multi_sig_payload(NOOP, 1, "", ""),
    lambda s, p: s.precompute(-1),
    lambda s, p: (s.close(), s.sign_l1_action(NOOP, 1)),
    lambda s, p: (s.close(), s.precompute()),
]


@pytest.mark.parametrize("number", range(len(FAILURES)))
def test_errors(signer: hyperliquid.Signer, tmp_path: Path, number: int) -> None:
    path = tmp_path / "key"
    path.write_text(KEY + ("g" if number % 2 else "\n\n" + KEY))
    signer.precompute()
    with pytest.raises((ValueError, TypeError, SignerClosed)) as caught:
        FAILURES[number](signer, path)
    assert_clean(shown(caught.value), f"failure {number}")
    assert_clean(canary.pickled(caught.value), "its pickle")


def test_a_good_file_with_bad_arguments(tmp_path: Path) -> None:
    """What was read is gone from the frames when the signer cannot be made."""
    path = tmp_path / "key"
    path.write_text(KEY)
    with pytest.raises(ValueError, match="pool_capacity") as caught:
        hyperliquid.Signer.from_file(path, pool_capacity=-1)
    report = shown(caught.value)
    assert "'digits': " in report  # the frame is looked at
    assert_clean(report, "from_file")


def test_logs_at_debug() -> None:
    with canary.logged() as stream:
        for key in (KEY, KEY.upper(), "0x" + KEY, RAW, bytearray(RAW)):
            with hyperliquid.Signer(key, pool_capacity=4) as signer:
                signer.precompute()
                found = [signer.sign_l1_action(NOOP, 1), *signer.sign_batch([(NOOP, 1)] * 6)]
                found.append(signer.sign_multi_sig_payload(NOOP, 1, USER, USER))
                logging.debug("%s %r %s", signer, found, signer.stats)
        hyperliquid.generate_key()
    assert "Signer(address=" in stream.getvalue()
    assert_clean(stream.getvalue(), "the log")


CHILD = textwrap.dedent(
    """
    import sys
    from connectors import hyperliquid

    signer = hyperliquid.Signer.from_file(sys.argv[1], pool_capacity=200)
    noop = {"type": "noop"}
    signer.sign_l1_action(noop, 1)
    signer.precompute()
    signer.sign_batch([(noop, 1)] * 300)
    signer.precompute()
    signature = signer.sign_l1_action(noop, 1)
    print("open", flush=True)
    sys.stdin.readline()
    signer.close()
    print("closed", flush=True)
    sys.stdin.readline()
    """
)


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs /proc")
def test_memory_after_close(tmp_path: Path) -> None:
    """Another process looks: the key is in memory while the signer is open, and not afterwards."""
    path = tmp_path / "key"
    path.write_text(KEY)
    k = oracle.rfc6979(
        int(KEY, 16), oracle.l1_digest(oracle.action_hash(NOOP, 1, None, None), mainnet=True)
    )
    wanted = {
        "digits": KEY.encode(),
        "digits in capitals": KEY.upper().encode(),
        "bytes": RAW,
        "half of them": RAW[8:24],
        "scalar": RAW[::-1],
        "montgomery": MONTGOMERY,
        "k": k.to_bytes(32, "big"),
        "k as words": k.to_bytes(32, "little"),
        "1/k": pow(k, -1, oracle.N).to_bytes(32, "little"),
        "1/k, montgomery": (pow(k, -1, oracle.N) * 2**256 % oracle.N).to_bytes(32, "little"),
    }
    with canary.under_watch(CHILD, str(path)) as child:
        assert child.line() == "open\n"
        while_open = child.found(wanted)
        assert {"montgomery", "bytes"} <= while_open
        assert not while_open & {"digits", "digits in capitals"}
        child.go_on()
        assert child.line() == "closed\n"
        assert child.found(wanted) == set()
