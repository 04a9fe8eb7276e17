"""Looks for a secret where it must not be: in texts, in exceptions, in another process's memory."""

from __future__ import annotations

import base64
import io
import logging
import pickle
import subprocess
import sys
import traceback
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

import pytest

__all__ = ["Patient", "forms", "logged", "pickled", "shown", "under_watch"]


def forms(secrets: Iterable[bytes]) -> set[str]:
    """Return secrets as text: in any notation, whole or in words, in capitals or not."""
    found: set[str] = set()
    for data in (each for secret in secrets for each in (secret, secret[::-1])):
        found |= {data.hex(), data.hex(" "), data.hex(":"), repr(data)[2:-1], str(list(data))}
        found |= {data.decode("latin-1"), str(int.from_bytes(data, "little"))}
        found |= {base64.b64encode(data).decode(), base64.urlsafe_b64encode(data).decode()}
        found |= {base64.b32encode(data).decode(), base64.b85encode(data).decode()}
        for word in range(0, len(data), 8):
            part = data[word : word + 8]
            found |= {part.hex(), str(int.from_bytes(part, "little"))}
        found.add(data.hex()[::-1])
    return {form.lower() for form in found}


def shown(error: BaseException, caller: str) -> str:
    """Return an exception as a crash reporter sees it: with the variables of every frame.

    The frames of the file `caller` are left out: it has the key, there is no way around it.
    """
    report = traceback.TracebackException.from_exception(error, capture_locals=True)
    pending, texts = [report], [repr(error), str(error), repr(error.args), repr(vars(error))]
    while pending:
        each = pending.pop()
        for frame in each.stack:
            if frame.filename != caller:
                texts += [repr(frame.locals), frame.line or ""]
        texts += list(each.format_exception_only())
        pending += [link for link in (each.__cause__, each.__context__) if link is not None]
    return "\n".join(texts)


@contextmanager
def logged() -> Iterator[io.StringIO]:
    """Lend the text of everything that is logged meanwhile, from DEBUG on."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield stream
    finally:
        root.setLevel(before)
        root.removeHandler(handler)


def pickled(error: BaseException) -> str:
    try:
        return pickle.dumps(error).decode("latin-1")
    except (TypeError, AttributeError):
        return ""


class Patient:
    """A process that is looked into. It goes on when it is sent a line."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process, self._in, self._out = process, process.stdin, process.stdout

    def line(self) -> str:
        """Return what it prints next."""
        return self._out.readline()

    def go_on(self) -> None:
        self._in.write("\n")
        self._in.flush()

    def found(self, wanted: Mapping[str, bytes]) -> set[str]:
        """Return which of the wanted bytes are in what the process can write to."""
        try:
            return {
                name
                for part in _memory_of(self._process.pid)
                for name, data in wanted.items()
                if data in part
            }
        except PermissionError:
            pytest.skip("this system does not let a process look at its child's memory")


@contextmanager
def under_watch(code: str, *arguments: str) -> Iterator[Patient]:
    """Run code in a process of its own, to be looked into."""
    process = subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield Patient(process)
    finally:
        process.stdin.close()
        process.wait(timeout=60)
        process.stdout.close()


def _memory_of(pid: int) -> Iterator[bytes]:
    """Give everything a process can write to, part by part."""
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
