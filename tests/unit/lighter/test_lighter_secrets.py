"""The canary: a private key shows nowhere.

Not in a repr, a log, an exception with the variables of its frames, a pickle, and not in memory
once the signer is closed.
"""

from __future__ import annotations

import copy
import json
import logging
import pickle
import pprint
import random
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from unit import canary

from connectors import lighter
from connectors.errors import InvalidKey, SignerClosed
from oracle import lighter_crypto, lighter_random

RAW = random.Random("canary").randbytes(40)
KEY = RAW.hex()
ORDER, _ = lighter_random.transaction(random.Random(1), 14, account=1, api_key=2)


SCALAR = lighter_crypto.scalar(RAW)
MONTGOMERY = (SCALAR * 2**320 % lighter_crypto.N).to_bytes(40, "little")
FORMS = canary.forms((RAW, SCALAR.to_bytes(40, "little"), MONTGOMERY))


def assert_clean(text: str, where: str) -> None:
    low = text.lower()
    shown = [form for form in FORMS if form in low]
    assert not shown, f"{where} shows the key ({len(shown)} forms)"


@pytest.fixture
def signer() -> Iterator[lighter.Signer]:
    with lighter.Signer(KEY, 1, 2, 304, pool_capacity=4) as made:
        yield made


def test_the_search_finds_what_it_looks_for() -> None:
    for text in (KEY, KEY.upper(), f"x{RAW!r}y", str(list(RAW)), KEY[16:32]):
        with pytest.raises(AssertionError, match="shows the key"):
            assert_clean(text, "test")


def test_texts_of_a_signer(signer: lighter.Signer) -> None:
    signer.precompute()
    for text in (
        repr(signer), str(signer), f"{signer}", ascii(signer), pprint.pformat(signer),
        repr([signer]), repr(vars(type(signer))), repr(signer.stats), str(dir(signer)),
        repr({name: getattr(signer, name) for name in dir(signer) if not name.startswith("__")}),
        signer.__doc__ or "",
    ):  # fmt: skip
        assert_clean(text, "a text")
    assert not hasattr(signer, "__dict__")


def test_a_signer_is_not_copied(signer: lighter.Signer) -> None:
    for call in (
        copy.copy,
        copy.deepcopy,
        lambda s: copy.deepcopy([s]),
        lambda s: pickle.dumps({"signer": s}),
        *(lambda s, p=p: pickle.dumps(s, protocol=p) for p in range(pickle.HIGHEST_PROTOCOL + 1)),
    ):
        with pytest.raises(TypeError, match="neither copied nor pickled") as caught:
            call(signer)
        assert_clean(shown(caught.value), "copying")
    with pytest.raises(TypeError):
        json.dumps(signer)
    l1 = lighter.L1Signer(RAW[:32])
    for call in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="neither copied nor pickled"):
            call(l1)


def shown(error: BaseException) -> str:
    return canary.shown(error, __file__)


FAILURES: list[Callable[[lighter.Signer, Path], object]] = [
    lambda s, p: lighter.Signer(KEY[:-1], 1, 2, 304),
    lambda s, p: lighter.Signer(KEY[:-2], 1, 2, 304),
    lambda s, p: lighter.Signer(KEY + "00", 1, 2, 304),
    lambda s, p: lighter.Signer(KEY[:-1] + "z", 1, 2, 304),
    lambda s, p: lighter.Signer(KEY[:-1] + "é", 1, 2, 304),
    lambda s, p: lighter.Signer(" " + KEY, 1, 2, 304),
    lambda s, p: lighter.Signer(RAW[:-1], 1, 2, 304),
    lambda s, p: lighter.Signer([KEY], 1, 2, 304),  # type: ignore[arg-type]
    lambda s, p: lighter.Signer(KEY, "1", 2, 304),  # type: ignore[arg-type]
    lambda s, p: lighter.Signer(KEY, 1, 2, -304),
    lambda s, p: lighter.Signer(KEY, 1, 2, 304, pool_capacity=-1),
    lambda s, p: lighter.Signer(KEY, 1, 2, 304, nonsense=1),  # type: ignore[call-arg]
    lambda s, p: lighter.Signer.from_file(p, 1, 2, 304),
    lambda s, p: lighter.Signer.from_file(p, 1, 2, 304, pool_capacity=-1),
    lambda s, p: s.sign(14, {}),
    lambda s, p: s.sign(14, ORDER | {"Price": None}),
    lambda s, p: s.sign(14, ORDER | {"Price": 0}),
    lambda s, p: s.sign(99, ORDER),
    lambda s, p: s.sign_batch([(14, ORDER), (14, {})]),
    lambda s, p: s.auth_token(1.5),  # type: ignore[arg-type]
    lambda s, p: s.precompute(-1),
    lambda s, p: (s.close(), s.sign(14, ORDER)),
    lambda s, p: (s.close(), s.precompute()),
    lambda s, p: lighter.L1Signer(KEY),
    lambda s, p: lighter.L1Signer(RAW),
    lambda s, p: lighter.L1Signer([RAW]),  # type: ignore[arg-type]
    lambda s, p: lighter.L1Signer("z" + KEY[1:64]),
]


@pytest.mark.parametrize("number", range(len(FAILURES)))
def test_errors(signer: lighter.Signer, tmp_path: Path, number: int) -> None:
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
    with pytest.raises(TypeError) as caught:
        lighter.Signer.from_file(path, "1", 2, 304)  # type: ignore[arg-type]
    report = shown(caught.value)
    assert "'digits': " in report  # the frame is looked at
    assert_clean(report, "from_file")
    path.write_text(KEY[:-1] + "z")
    with pytest.raises(InvalidKey) as bad:
        lighter.Signer.from_file(path, 1, 2, 304)
    assert_clean(shown(bad.value), "from_file")


def test_logs_at_debug() -> None:
    with canary.logged() as stream:
        for key in (KEY, KEY.upper(), "0x" + KEY, RAW, bytearray(RAW)):
            with lighter.Signer(key, 1, 2, 304, pool_capacity=4) as signer:
                signer.precompute()
                signed = signer.sign(14, ORDER)
                signer.sign_batch([(14, ORDER)] * 6)
                token = signer.auth_token(5)
                logging.debug("%s %r %s %s", signer, signed, signer.stats, token)
        lighter.generate_key()
        lighter.L1Signer(RAW[:32]).sign("text")
    assert "Signer(account_index=1" in stream.getvalue()
    assert_clean(stream.getvalue(), "the log")


CHILD = textwrap.dedent(
    """
    import sys
    import threading
    from connectors import lighter

    order = eval(sys.argv[2])
    signer = lighter.Signer.from_file(sys.argv[1], 1, 2, 304, pool_capacity=200)
    signed = [signer.sign(14, order)]
    signer.precompute()
    signed += signer.sign_batch([(14, order)] * 300)
    signer.precompute(100)
    signed += [signer.sign(14, order) for _ in range(20)]
    # On stacks of their own, which nothing is written to afterwards.
    for call in (
        lambda: signed.append(signer.sign(14, order)),
        lambda: signed.extend(signer.sign_batch([(14, order)] * 200)),
        lambda: signed.extend(signer.sign_batch([(14, order)] * 70)),
    ):
        threads = [threading.Thread(target=call) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    print(" ".join(each.signature.hex() for each in signed), flush=True)
    sys.stdin.readline()
    signer.close()
    print("closed", flush=True)
    sys.stdin.readline()
    """
)


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs /proc")
def test_memory_after_close(tmp_path: Path) -> None:
    """Another process looks: the key is there while the signer is open, and not afterwards.

    A nonce is not there once it was used, however it was made.
    """
    path = tmp_path / "key"
    path.write_text(KEY)
    wanted = {
        "digits": KEY.encode(),
        "digits in capitals": KEY.upper().encode(),
        "bytes": RAW,
        "scalar": SCALAR.to_bytes(40, "little"),
        "half of it": SCALAR.to_bytes(40, "little")[8:32],
        "montgomery": MONTGOMERY,
    }
    with canary.under_watch(CHILD, str(path), repr(ORDER)) as child:
        signatures = [bytes.fromhex(text) for text in child.line().split()]
        assert len(signatures) == 321 + 542
        for number, signature in list(enumerate(signatures))[::24]:
            s, e = (int.from_bytes(half, "little") for half in (signature[:40], signature[40:]))
            k = (s + e * SCALAR) % lighter_crypto.N
            wanted[f"nonce {number}"] = k.to_bytes(40, "little")
        while_open = child.found(wanted)
        assert while_open <= {"bytes", "scalar", "half of it", "montgomery"}
        assert "montgomery" in while_open
        child.go_on()
        assert child.line() == "closed\n"
        assert child.found(wanted) == set()
