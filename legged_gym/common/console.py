"""Saying what takes so long."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TextIO

from tqdm import tqdm

_TICK = 0.5
"""Seconds between two looks at how far it got."""


def progress_bar(
    total: float | None, done: str = "{percentage:3.0f}%", leave: bool = True, items: Iterable[Any] | None = None
) -> tqdm:
    """Return a bar on standard error that shows how far it got, how long that took, and what is still to come.

    Args:
        total: When it is full; None: nobody knows.
        done: How far it got, before the bar, by names of tqdm's ``bar_format``.
        leave: Whether it stays on the screen in the end.
        items: What to go through with it, one step each; None: ``update`` tells of each step.
    """
    form = f"{done} |{{bar:20}}| {{elapsed}}<{{remaining}}{{postfix}}"
    # Where the output is no terminal, each update is a line of its own.
    interval = 0.2 if sys.stderr.isatty() else 15.0
    return tqdm(items, total=total, bar_format=form, dynamic_ncols=True, mininterval=interval, leave=leave)


@contextlib.contextmanager
def tell_if_slow(what: str, seconds: float = 5.0, so_far: Callable[[], str] | None = None) -> Iterator[None]:
    """Print what is going on if the block takes more than some seconds, and in the end how long it took.

    A terminal shows the time that has passed, too, and goes on doing so; elsewhere it is one line and one at the end.

    Args:
        what: What the block does, without a full stop.
        seconds: How long it may stay silent.
        so_far: Says in a few words how far it got, e.g. ``"7 kernels"``; called from another thread.
    """
    line = _Line(what, so_far, sys.stdout)
    ended = threading.Event()
    thread = threading.Thread(target=line.show_until, args=(ended, seconds), daemon=True)
    thread.start()
    done = False
    try:
        yield
        done = True
    finally:
        ended.set()
        thread.join()
        line.finish(done)


class _Line:
    """A line on the screen that is written anew while something goes on."""

    def __init__(self, what: str, so_far: Callable[[], str] | None, stream: TextIO) -> None:
        self._what, self._so_far, self._stream = what, so_far, stream
        self._start = time.perf_counter()
        self._live = stream.isatty()
        self._shown = False

    def show_until(self, ended: threading.Event, seconds: float) -> None:
        """Wait for some seconds, then show the line until it has ended."""
        wait = seconds
        while not ended.wait(wait):
            if self._live:
                self._stream.write(f"\r\033[K{self._what} … {self._progress()}")
            elif not self._shown:
                self._stream.write(f"{self._what} …\n")
            self._stream.flush()
            self._shown = True
            wait = _TICK

    def finish(self, done: bool) -> None:
        """Say that it is done, or only leave the line, if anything was said before."""
        if self._shown and done:
            start = f"\r\033[K{self._what}: " if self._live else ""
            self._stream.write(f"{start}done, {self._progress()}\n")
        elif self._shown and self._live:
            self._stream.write("\n")
        self._stream.flush()

    def _progress(self) -> str:
        passed = f"{time.perf_counter() - self._start:.0f} s"
        return passed if self._so_far is None else f"{self._so_far()}, {passed}"
