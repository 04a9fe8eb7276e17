"""The canary: a private key shows nowhere.

Not in a repr, a log, an exception with the variables of its frames, a pickle, and not in memory
once the signer is closed.
"""

from __future__ import annotations

import base64
import copy
import io
import json
import logging
import pickle
import pprint
import random
import subprocess
import sys
import textwrap
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from connectors import lighter
from connectors.errors import InvalidKey, SignerClosed
from oracle import lighter_crypto, lighter_random

RAW = random.Random("canary").randbytes(40)
KEY = RAW.hex()
ORDER, _ = lighter_random.transaction(random.Random(1), 14, account=1, api_key=2)


def forms(raw: bytes) -> set[str]:
    """The key as text: in any notation, any order, whole or in words, given or reduced."""
    found: set[str] = set()
    reduced = lighter_crypto.scalar(raw).to_bytes(40, "little")
    for data in (raw, raw[::-1], reduced, reduced[::-1]):
        found |= {data.hex(), data.hex(" "), data.hex(":"), repr(data)[2:-1], str(list(data))}
        found |= {data.decode("latin-1"), str(int.from_bytes(data, "little"))}
        found |= {base64.b64encode(data).decode(), base64.urlsafe_b64encode(data).decode()}
        found |= {base64.b32encode(data).decode(), base64.b85encode(data).decode()}
        for word in range(0, 40, 8):
            part = data[word : word + 8]
            found |= {part.hex(), str(int.from_bytes(part, "little"))}
        found.add(data.hex()[::-1])
    montgomery = lighter_crypto.scalar(raw) * 2**320 % lighter_crypto.N
    found.add(montgomery.to_bytes(40, "little").hex())
    return {form.lower() for form in found}


FORMS = forms(RAW)


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
    """An exception as a crash reporter sees it: with the variables of every frame but ours."""
    report = traceback.TracebackException.from_exception(error, capture_locals=True)
    pending, texts = [report], [repr(error), str(error), repr(error.args), repr(vars(error))]
    while pending:
        each = pending.pop()
        for frame in each.stack:
            if frame.filename != __file__:  # the caller has the key, there is no way around it
                texts += [repr(frame.locals), frame.line or ""]
        texts += list(each.format_exception_only())
        pending += [link for link in (each.__cause__, each.__context__) if link is not None]
    return "\n".join(texts)


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
    assert_clean(pickled(caught.value), "its pickle")


def pickled(error: BaseException) -> str:
    try:
        return pickle.dumps(error).decode("latin-1")
    except (TypeError, AttributeError):
        return ""


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
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        for key in (KEY, KEY.upper(), "0x" + KEY, RAW, bytearray(RAW)):
            with lighter.Signer(key, 1, 2, 304, pool_capacity=4) as signer:
                signer.precompute()
                signed = signer.sign(14, ORDER)
                signer.sign_batch([(14, ORDER)] * 6)
                token = signer.auth_token(5)
                logging.debug("%s %r %s %s", signer, signed, signer.stats, token)
        lighter.generate_key()
        lighter.L1Signer(RAW[:32]).sign("text")
    finally:
        root.setLevel(before)
        root.removeHandler(handler)
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


def memory_of(pid: int) -> Iterator[bytes]:
    """Everything a process can write to."""
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            bounds, rights, *_ = line.split()
            start, end = (int(part, 16) for part in bounds.split("-"))
            if "w" not in rights or "[v" in line or end - start > 1 << 30:
                continue  # the largest are the shadow of AddressSanitizer
            memory.seek(start)
            try:
                yield memory.read(end - start)
            except OSError:
                continue


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs /proc")
def test_memory_after_close(tmp_path: Path) -> None:
    """Another process looks: the key is there while the signer is open, and not afterwards.

    A nonce is not there once it was used, however it was made.
    """
    path = tmp_path / "key"
    path.write_text(KEY)
    scalar = lighter_crypto.scalar(RAW)
    montgomery = scalar * 2**320 % lighter_crypto.N
    wanted = {
        "digits": KEY.encode(),
        "digits in capitals": KEY.upper().encode(),
        "bytes": RAW,
        "scalar": scalar.to_bytes(40, "little"),
        "half of it": scalar.to_bytes(40, "little")[8:32],
        "montgomery": montgomery.to_bytes(40, "little"),
    }
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(path), repr(ORDER)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    try:

        def found() -> set[str]:
            return {
                name
                for part in memory_of(child.pid)
                for name, data in wanted.items()
                if data in part
            }

        signatures = [bytes.fromhex(text) for text in child.stdout.readline().split()]
        assert len(signatures) == 321 + 542
        for number, signature in list(enumerate(signatures))[::24]:
            s, e = (int.from_bytes(half, "little") for half in (signature[:40], signature[40:]))
            k = (s + e * scalar) % lighter_crypto.N
            wanted[f"nonce {number}"] = k.to_bytes(40, "little")
        try:
            while_open = found()
        except PermissionError:
            pytest.skip("this system does not let a process look at its child's memory")
        assert while_open <= {"bytes", "scalar", "half of it", "montgomery"}
        assert "montgomery" in while_open
        child.stdin.write("\n")
        child.stdin.flush()
        assert child.stdout.readline() == "closed\n"
        assert found() == set()
    finally:
        child.stdin.close()
        child.wait(timeout=40)
        child.stdout.close()
