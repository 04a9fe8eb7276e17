"""Show a table that changes: with rich on a terminal, as plain lines anywhere else."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Protocol, Self, TextIO

__all__ = ["Picture", "Screen", "open_screen"]

LINE_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class Picture:
    """What there is to see at one moment.

    `lines` is what the plain form prints of it, at most once a second; `notes` grow (those of at
    most one of the pictures shown together), and the plain form prints each once.
    """

    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = field(default=())
    lines: Sequence[str] = field(default=())


class Screen(Protocol):
    """Where pictures go; `cpu_s` is what showing them has cost."""

    cpu_s: float

    def show(self, *pictures: Picture) -> None:
        """Show pictures, one below the other."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


def open_screen(*, plain: bool = False, out: TextIO | None = None) -> Screen:
    """Return a live table if there is a terminal and rich to draw it, else plain lines."""
    out = out if out is not None else sys.stdout
    if not plain and out.isatty():
        try:
            return _Table(out)
        except ImportError:
            print("(pip install 'tickwire[terminal]' shows a live table here)", file=out)
    return _Lines(out, time.monotonic)


class _Lines:
    def __init__(self, out: TextIO, now: Callable[[], float]) -> None:
        self.cpu_s = 0.0
        self._out = out
        self._now = now
        self._next_s = now()
        self._noted = 0

    def show(self, *pictures: Picture) -> None:
        began = time.thread_time()
        notes = [note for picture in pictures for note in picture.notes]
        for note in notes[self._noted :]:
            print(note, file=self._out)
        self._noted = len(notes)
        now = self._now()
        if now >= self._next_s:
            self._next_s = now + LINE_EVERY_S
            for picture in pictures:
                for line in picture.lines:
                    print(line, file=self._out)
        self._out.flush()
        self.cpu_s += time.thread_time() - began

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._out.flush()


class _Table:
    def __init__(self, out: TextIO) -> None:
        from rich.console import Console
        from rich.live import Live

        self.cpu_s = 0.0
        self._live = Live(console=Console(file=out), auto_refresh=False, transient=False)

    def show(self, *pictures: Picture) -> None:
        began = time.thread_time()
        self._live.update(self._drawn(pictures), refresh=True)
        self.cpu_s += time.thread_time() - began

    @staticmethod
    def _drawn(pictures: Sequence[Picture]) -> Any:
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        tables = []
        for picture in pictures:
            table = Table(title=picture.title, title_justify="left", expand=False)
            for index, heading in enumerate(picture.headings):
                table.add_column(heading, justify="right" if index else "left", no_wrap=True)
            for row in picture.rows:
                table.add_row(*row)
            tables.append(table)
        notes = (Text(note) for picture in pictures for note in picture.notes)
        return Group(*tables, *notes)

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.__exit__(kind, error, trace)
