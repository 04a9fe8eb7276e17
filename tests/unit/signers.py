"""What the tests of both signers' pools do alike: programs, threads, bad randomness."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import pytest

from connectors.errors import SignerClosed

__all__ = ["closed_while_others_sign", "filled_by_threads", "in_threads", "script", "shim_in"]

BOUND_S = 60

# Zeros or an error for randomness; a clock and a process that stand still.
SHIM = """
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
int getentropy(void *to, size_t size) {
    if (getenv("NO_ENTROPY")) {
        errno = EIO;
        return -1;
    }
    memset(to, 0, size);
    return 0;
}
int clock_gettime(clockid_t clock, struct timespec *now) {
    if (clock != CLOCK_REALTIME || !getenv("NO_TIME"))
        return (int)syscall(SYS_clock_gettime, clock, now);
    now->tv_sec = 7;
    now->tv_nsec = 9;
    return 0;
}
pid_t getpid(void) { return getenv("NO_TIME") ? 4242 : (pid_t)syscall(SYS_getpid); }
"""


class Pooled(Protocol):
    """A signer, as far as its pool goes."""

    @property
    def pool_size(self) -> int: ...
    def precompute(self, count: int | None = None) -> int: ...
    def close(self) -> None: ...


def script(prelude: str, code: str, **environment: str) -> Any:
    """Run code in a process of its own and return what it prints, from JSON."""
    source = textwrap.dedent(prelude) + textwrap.dedent(code)
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", source],
        capture_output=True,
        text=True,
        timeout=600,
        env=os.environ | environment,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def shim_in(folder: Path) -> str:
    """Compile the shim; return its path, for LD_PRELOAD."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if not compiler or not sys.platform.startswith("linux"):
        pytest.skip("needs a C compiler and LD_PRELOAD")
    (folder / "shim.c").write_text(SHIM)
    library = folder / "shim.so"
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-o", library, folder / "shim.c"], check=True, timeout=60
    )
    return str(library)


def in_threads(count: int, work: Callable[[int], object]) -> None:
    """Do something in so many threads at once, each with its number."""
    threads = [threading.Thread(target=work, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def filled_by_threads(signer: Pooled, capacity: int) -> None:
    """Fill a pool from four threads: to its end and no further."""
    made: list[int] = []
    in_threads(4, lambda number: made.append(signer.precompute()))
    assert sum(made) == signer.pool_size <= capacity
    signer.precompute()
    assert signer.pool_size == capacity


def closed_while_others_sign(
    signer: Pooled, one: Callable[[], Any], many: Callable[[], list[Any]]
) -> list[Any]:
    """Close a signer in the middle of work; return the signatures made, which must be good.

    Whoever comes later is told that it is closed.
    """
    results: list[Any] = []
    told: list[SignerClosed] = []
    started = threading.Barrier(4)
    enough = threading.Event()

    def work(number: int) -> None:
        started.wait(BOUND_S)
        try:
            while True:
                if number == 0:
                    results.extend(many())
                elif number == 1:
                    results.append(one())
                else:
                    signer.precompute(200)
                if len(results) >= 60:
                    enough.set()
        except SignerClosed as error:
            told.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    started.wait(BOUND_S)
    assert enough.wait(BOUND_S)
    signer.close()
    for thread in threads:
        thread.join(BOUND_S)
    assert len(told) == 3
    return results
