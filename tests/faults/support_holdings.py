"""What this process holds at one moment: tasks, timers, sockets, objects and memory.

Memory is looked at in three ways, because a heap with holes in it and a leak look the same from
outside:

==========  =====================================================================================
`blocks`    what Python's allocator has given out and not got back: every small object, exactly
`heap_mb`   the same of the C allocator: large objects, buffers, the memory of books; glibc only
`rss_mb`    what the system has given to the process, after what is free was returned to it
==========  =====================================================================================

A leak shows in one of the first two whatever its size, and free memory in neither.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import os
import sys
from collections import Counter
from pathlib import Path
from typing import Self

__all__ = ["Holdings", "count_sockets", "heap_mb", "rss_mb"]


class Holdings:
    """Tasks, timers, sockets, memory and objects of this process at one moment."""

    def __init__(self) -> None:
        self.tasks: Counter[str] = Counter()
        self.timers = 0
        self.sockets = 0
        self.objects: Counter[str] = Counter()
        self.blocks = 0
        self.heap_mb = 0.0
        self.rss_mb = 0.0

    @classmethod
    def now(cls) -> Self:
        gc.collect()
        found = cls()
        # First, as the rest of this makes objects of its own.
        found.blocks = sys.getallocatedblocks()
        found.heap_mb = heap_mb()
        _return_free_memory()
        found.rss_mb = rss_mb()
        for task in asyncio.all_tasks():
            name = task.get_name()
            if not name.startswith(("proxy-", "soak-", "Task-", "book-snapshot/")):
                found.tasks[name] += 1
        for each in gc.get_objects():
            kind = type(each)
            if kind.__name__ == "TimerHandle" and not each.cancelled():
                found.timers += 1
            module = str(kind.__module__)
            # A simulator in the same process remembers what it should.
            if module.startswith(("connectors.", "picows")) and "connectors.sim" not in module:
                found.objects[f"{module}.{kind.__qualname__}"] += 1
        found.sockets = count_sockets()
        return found

    def grown_since(
        self,
        before: Holdings,
        *,
        sockets: int,
        timers: int,
        objects: int,
        blocks: int | None = None,
        heap_mb: float | None = None,
        rss_mb: float | None = None,
    ) -> list[str]:
        """Return what has grown by more than the given amounts; tasks by none.

        `objects` is per type. Memory that is None is not compared.
        """
        found = []
        if self.tasks - before.tasks:
            found.append(f"new tasks: {self.tasks - before.tasks}")
        for name, more, bound in (
            ("sockets", self.sockets - before.sockets, sockets),
            ("timers", self.timers - before.timers, timers),
            ("blocks of Python's allocator", self.blocks - before.blocks, blocks),
            ("MB of the C heap", self.heap_mb - before.heap_mb, heap_mb),
            ("MB of resident memory", self.rss_mb - before.rss_mb, rss_mb),
        ):
            if bound is not None and more > bound:
                found.append(f"{more:g} more {name}, {bound:g} allowed")
        for name, count in (self.objects - before.objects).items():
            if count > objects:
                found.append(f"{count} more objects of {name}, {objects} allowed")
        return found


def count_sockets() -> int:
    """Return how many sockets this process has open."""
    found = 0
    for entry in Path("/proc/self/fd").glob("*"):
        with contextlib.suppress(OSError):
            found += os.readlink(entry).startswith("socket:")
    return found


class _MallInfo2(ctypes.Structure):
    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            "arena", "ordblks", "smblks", "hblks", "hblkhd",
            "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost",
        )
    ]  # fmt: skip


def heap_mb() -> float:
    """Return what the C allocator has given out, in MB; 0 where it does not tell."""
    tell = getattr(ctypes.CDLL(None), "mallinfo2", None)  # glibc 2.33
    if tell is None:
        return 0.0
    tell.restype = _MallInfo2
    info = tell()
    return float(info.uordblks + info.hblkhd) / 1e6


def rss_mb() -> float:
    """Return the resident memory of this process in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _return_free_memory() -> None:
    """Let the C allocator return its free pages to the system, where it can.

    Messages of all sizes come and go, and what is freed between two that stay is kept for the
    next: resident, but held by nobody. In 1 000 drops that was 8 MB, and all of it could be
    returned. What is still resident afterwards is in use, or shares its page with something.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc
    if trim is not None:
        trim(0)
