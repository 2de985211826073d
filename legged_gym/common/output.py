"""Handles output after its reader is gone: the terminal was closed, or the program that read the pipe has ended."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any, TextIO, cast


def survive_lost_readers(ended: Callable[[], None]) -> None:
    """Never let a print fail because its reader is gone. Later output is dropped.

    Otherwise an error would interrupt the training, and nobody would see its message.

    Args:
        ended: Called when the program at the other end of a pipe has ended. A closed terminal sends a signal itself, if
            the process is to end with it.
    """
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            # Other languages write to these descriptors, so a file that is opened later must not get one of them.
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), "r" if name == "stdin" else "w"))
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if not isinstance(stream, _Surviving):
            if isinstance(stream, io.TextIOWrapper):
                # Some terminals can't show all characters.
                stream.reconfigure(errors="replace")
            setattr(sys, name, cast(TextIO, _Surviving(stream, ended, name == "stderr")))


def tell(text: str) -> None:
    """Write to standard error where ``print`` must not be used: in a signal's handler, or before the process ends."""
    with contextlib.suppress(OSError):
        os.write(2, text.encode())


class _Surviving:
    """A text stream that ignores failed writes if its reader is gone or, for errors, if the disk is full."""

    def __init__(self, stream: TextIO, ended: Callable[[], None], of_errors: bool) -> None:
        self._stream, self._ended, self._of_errors = stream, ended, of_errors

    def write(self, text: str) -> int:
        with self._surviving():
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with self._surviving():
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    @contextlib.contextmanager
    def _surviving(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno not in (errno.EPIPE, errno.EIO) and not self._of_errors:
                raise
            # This also covers what other languages write, and what is still in the stream's buffer.
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)
            if error.errno == errno.EPIPE:
                self._ended()
