"""Clean exit after SIGINT (Ctrl-C), SIGTERM (from a cluster) and SIGHUP (from a closed terminal).

Our handler raises ``KeyboardInterrupt`` at once. Inside :func:`deferred` it only notes the signal, so that a loop can
finish its iteration; an exception could interrupt anything, even saving. The same signal often comes several times,
because a terminal and ``timeout`` send it to a whole group of processes. All signals within a second are one request. A
later one means that the user does not want to wait, and ends the process at once. A pipe that loses its reader is
treated like a signal.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

from legged_gym.common.output import survive_lost_readers, tell

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
_ONE_REQUEST = 1.0
"""Seconds."""


class _Requests:
    """The signals of this process so far."""

    def __init__(self) -> None:
        self.number = 0
        """The first signal; 0: none."""
        self.at = 0.0
        self.told = False
        """Whether it has been handled."""
        self.depth = 0
        """How many blocks of :func:`deferred` are active."""
        self.taken = False
        self.waits_since, self.comes_again = 0.0, False
        """When the first signal came that waits for the end of an import, and whether it is sent once more."""


_requests = _Requests()


def take_signals() -> None:
    """Handle the signals for the rest of the process. Only the main thread can do this.

    If SIGHUP is ignored, it stays ignored, as ``nohup`` wants. SIGINT does not stay ignored: shells start background
    jobs with SIGINT ignored, and sending it would then have no effect.
    """
    if threading.current_thread() is threading.main_thread():
        _install()
        _requests.taken = True
        survive_lost_readers(_lose_reader)


def finish() -> None:
    """Only note signals from now on: the process has finished its work and ends."""
    _requests.depth += 1


@contextlib.contextmanager
def deferred() -> Iterator[None]:
    """Only note signals inside the block. :func:`check` raises later, at a safe place or at the end of the block.

    If :func:`take_signals` was not called, the main thread handles the signals for this block only.

    Raises:
        KeyboardInterrupt: At the end, if a signal came and has not been handled.
    """
    handlers: dict[int, Any] = {}
    if not _requests.taken and _requests.depth == 0 and threading.current_thread() is threading.main_thread():
        _requests.number = 0
        handlers = _install()
    _requests.depth += 1
    try:
        yield
        check()
    finally:
        _requests.depth -= 1
        for number, handler in handlers.items():
            signal.signal(number, handler)


def requested() -> bool:
    """Return whether a signal has come and has not been handled yet."""
    return _requests.number != 0 and not _requests.told


def check() -> None:
    """Raise KeyboardInterrupt if :func:`requested`."""
    if requested():
        _requests.told = True
        raise KeyboardInterrupt


def check_swallowed() -> None:
    """Raise KeyboardInterrupt if a signal came before: then code that catches everything has swallowed it."""
    if _requests.taken and _requests.number != 0:
        raise KeyboardInterrupt


def exit_code() -> int:
    """Return the exit code of a process that a signal ended: 128 plus its number."""
    return 128 + (_requests.number or signal.SIGINT)


def name() -> str:
    """Return the name of the signal that came first, ``SIGINT`` if none did."""
    return signal.Signals(_requests.number or signal.SIGINT).name


def _install() -> dict[int, Any]:
    """Install the handler, and return those that it replaced."""
    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    ignored = [number for number, handler in handlers.items() if handler is signal.SIG_IGN]
    wanted = [number for number in SIGNALS if number == signal.SIGINT or number not in ignored]
    return {number: signal.signal(number, _handle) for number in wanted}


def _handle(number: int, frame: Any) -> None:
    now = time.monotonic()
    if _requests.number == 0 and _requests.depth == 0 and _importing(frame):
        # Inside a C module, the exception would turn into another error. So the signal is sent again a bit later.
        ours, _requests.comes_again = _requests.comes_again, False
        _requests.waits_since = _requests.waits_since or now
        if not ours and now - _requests.waits_since > _ONE_REQUEST and not _is_torchruns(number):
            _end_at_once(number)
        again = threading.Timer(0.1, _come_again, (number,))
        again.daemon = True
        again.start()
    elif _requests.number == 0:
        _requests.number, _requests.at, _requests.told = number, now, _requests.depth == 0
        if _requests.depth == 0:
            raise KeyboardInterrupt
        # Not by print(), because the signal may have interrupted another one.
        tell("\nfinishing what has begun; another signal ends it at once\n")
    elif now - _requests.at > _ONE_REQUEST and not _is_torchruns(number):
        _end_at_once(number)


def _end_at_once(number: int) -> None:
    tell("\nended at once\n")
    os._exit(128 + number)


def _come_again(number: int) -> None:
    _requests.comes_again = True
    os.kill(os.getpid(), number)


def _importing(frame: Any) -> bool:
    """Return whether a frame or one of its callers is importing a module."""
    while frame is not None and not frame.f_code.co_filename.startswith("<frozen importlib"):
        frame = frame.f_back
    return frame is not None


def _lose_reader() -> None:
    """Treat a lost pipe like a signal; in another thread only note it."""
    number = int(getattr(signal, "SIGPIPE", signal.SIGTERM))
    if threading.current_thread() is threading.main_thread():
        _handle(number, None)
    elif _requests.number == 0:
        _requests.number, _requests.at = number, time.monotonic()


def _is_torchruns(number: int) -> bool:
    """Return whether ``torchrun`` sent this signal to pass on one that all processes already got."""
    return number == signal.SIGTERM and "TORCHELASTIC_RUN_ID" in os.environ
