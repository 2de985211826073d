"""Progress lines and tables, for a terminal or a file."""

from __future__ import annotations

import contextlib
import datetime
import functools
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Self, TextIO, TypeVar

from rich.console import Console
from rich.progress import BarColumn, ProgressColumn, SpinnerColumn, TextColumn
from rich.progress import Progress as RichProgress
from rich.table import Column, Table
from rich.text import Text

_Item = TypeVar("_Item")

_REFRESH = 0.1
"""Shortest time between two updates on a terminal, s."""
_LINE_INTERVAL = 10.0
"""Shortest time between two lines in a file, s."""
_TICK = 0.5
"""Time between two updates of a task of unknown length, s."""
_BAR_WIDTH = 14
_FILE_WIDTH = 10_000
"""Width of a file, in columns: tables are not wrapped."""


class Progress:
    """A progress line with speed and remaining time; a context manager.

    A terminal shows one changing line with a bar. At any width speed and time are shown in full; only ``detail`` may
    be cut. In a file each update is a separate line, at most one every ten seconds.
    """

    def __init__(
        self, what: str, total: float | None = None, stream: TextIO | None = None, keep: bool = True, start: float = 0.0
    ) -> None:
        """Show the start.

        Args:
            what: The activity, in a few words.
            total: The amount at the end; an integer is shown as a count. None if unknown.
            stream: Where to write; standard error by default.
            keep: Whether the line stays on the terminal at the end.
            start: The amount that is already done.
        """
        self._what, self._total, self._done, self._first = what, total, start, start
        self._console = _console(stream if stream is not None else sys.stderr)
        self._begin = time.monotonic()
        self._last_shown = -float("inf")
        self._text = self._detail = ""
        self._bar = self._open_bar(keep) if self._console.is_terminal else None

    def update(
        self, done: float | None = None, speed: str = "", detail: str | None = None, rest: float | None = None
    ) -> None:
        """Update the progress. The amount ``done`` and ``detail`` stay unchanged if they are None.

        ``speed`` is, for example, ``"1000 steps/s"``. ``rest`` is the remaining time, s; by default it is estimated.
        """
        self._done = self._done if done is None else done
        self._detail = self._detail if detail is None else detail
        # The very last one is always shown.
        now, ends = time.monotonic(), self._total is not None and self._done >= self._total
        self._text = "  ".join(filter(None, [self._share(), speed, self._time(now, rest)]))
        if ends or now - self._last_shown >= (_LINE_INTERVAL if self._bar is None else _REFRESH):
            self._last_shown = now
            self._show()

    def begin(self, item: str) -> None:
        """Show the item that begins now, as ``detail``, at once."""
        self._last_shown = -float("inf")
        self.update(detail=item)

    def advance(self, amount: float = 1.0, detail: str | None = None) -> None:
        """Add to the amount done."""
        self.update(self._done + amount, detail=detail)

    @property
    def live(self) -> bool:
        """Whether the line changes in place."""
        return self._bar is not None

    def close(self) -> None:
        """End the line. It may be called twice."""
        if self._bar is not None:
            self._bar.stop()

    def __enter__(self) -> Self:
        """Return the line."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the line."""
        self.close()

    def _open_bar(self, keep: bool) -> RichProgress:
        whole = Column(no_wrap=True)
        middle: ProgressColumn = SpinnerColumn() if self._total is None else BarColumn(_BAR_WIDTH)
        bar = RichProgress(
            TextColumn("{task.description}", markup=False, table_column=whole),
            middle,
            TextColumn("{task.fields[text]}", markup=False, table_column=whole),
            TextColumn("{task.fields[detail]}", markup=False, table_column=Column(no_wrap=True, ratio=1)),
            console=self._console,
            auto_refresh=self._total is None,
            transient=not keep,
            expand=True,
        )
        self._task = bar.add_task(self._what, total=self._total, text="", detail="")
        bar.start()
        return bar

    def _show(self) -> None:
        if self._bar is not None:
            self._bar.update(self._task, completed=self._done, text=self._text, detail=self._detail, refresh=True)
        else:
            line = "  ".join(filter(None, [f"{self._what} {self._text}".strip(), self._detail]))
            print(line, file=self._console.file, flush=True)

    def _share(self) -> str:
        if self._total is None:
            return ""
        counted = f"{self._done:g}/{self._total}" if isinstance(self._total, int) else ""
        return f"{counted} {100.0 * self._done / max(self._total, 1e-9):3.0f}%".strip()

    def _time(self, now: float, rest: float | None) -> str:
        passed = now - self._begin
        if self._total is None:
            return f"{passed:.0f} s"
        if rest is None and self._done > self._first:
            rest = passed / (self._done - self._first) * (self._total - self._done)
        return "" if rest is None else f"ETA {datetime.timedelta(seconds=round(rest))}"


def progress(items: Iterable[_Item], what: str, total: float | None) -> Iterator[_Item]:
    """Yield the items and show the progress."""
    with Progress(what, total) as line:
        for item in items:
            yield item
            line.advance()


@contextlib.contextmanager
def tell_if_slow(what: str, seconds: float = 5.0, so_far: Callable[[], str] | None = None) -> Iterator[None]:
    """Show a message if the block takes more than some seconds, and at the end how long it took.

    Args:
        what: What the block does, without a full stop.
        seconds: How long it may stay silent.
        so_far: Returns the progress in a few words, e.g. ``"7 kernels"``. It is called from another thread.
    """
    ended, shown = threading.Event(), threading.Event()
    begin, stream = time.monotonic(), sys.stdout

    def show() -> None:
        if ended.wait(seconds):
            return
        shown.set()
        with Progress(f"{what} …", stream=stream, keep=False) as line:
            line.update(detail=so_far() if so_far else "")
            while not ended.wait(_TICK):
                if line.live:
                    line.update(detail=so_far() if so_far else "")

    thread = threading.Thread(target=show, daemon=True)
    thread.start()
    done = False
    try:
        yield
        done = True
    finally:
        ended.set()
        thread.join()
        if shown.is_set() and done:
            parts = [f"{what}: done", *([so_far()] if so_far else []), f"{time.monotonic() - begin:.0f} s"]
            print(", ".join(parts), file=stream, flush=True)


def print_table(head: Sequence[str], rows: Sequence[Sequence[str]], stream: TextIO | None = None) -> None:
    """Print a table with the first column left-aligned. In a header, the unit follows a line break.

    On a narrow terminal, the columns are split into several tables, one below the other. A file gets one wide table.
    """
    console = _console(stream if stream is not None else sys.stdout)
    sizes = [max(len(line) for cell in column for line in cell.split("\n")) for column in zip(head, *rows, strict=True)]
    first = 1
    while first < len(head):
        room, last = console.width - sizes[0], first
        while (last < len(head) and (room := room - sizes[last] - 2) >= 0) or last == first:
            last += 1
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
        for index in (0, *range(first, last)):
            table.add_column(Text(head[index]), justify="right" if index else "left", no_wrap=True)
        for row in rows:
            table.add_row(*(Text(row[index]) for index in (0, *range(first, last))))
        console.print(table, crop=False)
        first = last


@functools.lru_cache(maxsize=8)
def _console(stream: TextIO) -> Console:
    """Return the stream's one console, so that a second progress line can start inside another."""
    # While a line is shown, rich replaces the standard streams.
    console = Console(file=getattr(stream, "rich_proxied_file", stream), highlight=False, markup=False)
    if not console.is_terminal:
        console.width = _FILE_WIDTH
    return console
