"""Noticing in seconds that a process of a distributed training is gone, and ending the others in good order.

An exchange between processes waits for all of them. Over NCCL it waits without an error, for many minutes, and where no
Python signal handler gets a turn. So a thread of each process watches the others, and takes the signals, too.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import json
import os
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from legged_gym.common.errors import UserError

if TYPE_CHECKING:
    from torch.distributed import Store

_LOOK_INTERVAL = 1.0
"""Seconds between looks at the other processes."""
_PRECEDENCE = 2.0
"""Seconds that the others leave to the first process to say the last word."""
_COURTESY = 10.0
"""Seconds that they leave to one that failed to end."""
_STORE_PATIENCE = datetime.timedelta(seconds=20)
"""How long an answer of the store may take."""
_STANDSTILL = 15 * 60.0
"""Seconds without progress after which the training is given up: processes wait for each other in vain."""
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""What ``torchrun`` sends to the processes that are left, or passes on from its own user."""

_CUT_OFF = "torchrun on the first machine does not answer any more"

_LEFT, _TOLD, _FAILED = "left", "told", "failed "
"""What a process says of itself, instead of a count that goes on, when it is done; when it ended with a message to the
user; and, with the reason behind it, when it failed."""


@dataclasses.dataclass(frozen=True)
class _Process:
    """Where a process runs."""

    host: str
    machine: str
    pid: int

    def is_gone(self) -> bool:
        """Return whether a process of this machine has ended."""
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            pass
        return False


class Watch:
    """Watches the other processes of a training, and ends this one if one of them is lost or a signal says so.

    That the process ends from a thread, whatever its main thread waits for, is the point. What has to be done before
    that, such as saving, is in :attr:`farewells`; the first process does it, or else one that is left.
    """

    def __init__(self, store: Store, rank: int, size: int, silence: float = 30.0) -> None:
        """Prepare to watch.

        Args:
            store: What all processes share; nobody else may use this connection.
            rank: Number of this process.
            size: Number of processes.
            silence: Seconds without a sign of life after which a process on another machine counts as lost.
        """
        store.set_timeout(_STORE_PATIENCE)
        self.farewells: list[Callable[[], str]] = []
        """Called at the end; what they return belongs to the message."""
        self._progressed_at: float | None = None
        self._store, self._rank, self._size, self._silence = store, rank, size, silence
        machine = f"{socket.gethostname()}/{os.environ.get('GROUP_RANK', '')}"
        self._here = _Process(socket.gethostname(), machine, os.getpid())
        self._processes: list[_Process] = []
        self._count = 0
        self._last_look = time.monotonic()
        self._heard: dict[int, tuple[str, float]] = {}
        self._over = threading.Event()
        self._alarm, self._bell = socket.socketpair()
        self._handlers: dict[signal.Signals, Any] = {}
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def meet(self, patience: float) -> None:
        """Introduce this process and wait for the others.

        Args:
            patience: How long to wait, s.

        Raises:
            UserError: Not all of them came.
        """
        try:
            self._store.set(f"status/{self._rank}", "0")
            self._store.set(f"process/{self._rank}", json.dumps(dataclasses.asdict(self._here)))
            names = [f"process/{rank}" for rank in range(self._size)]
            deadline = time.monotonic() + patience
            while not self._store.check(names):
                if time.monotonic() > deadline:
                    came = sum(self._store.check([name]) for name in names)
                    raise UserError(f"only {came} of {self._size} processes started within {patience:.0f} s")
                time.sleep(0.1)
            self._processes = [_Process(**json.loads(text)) for text in self._store.multi_get(names)]
        except RuntimeError as error:
            raise UserError(f"{_CUT_OFF}: {_first_line(error)}") from error

    def start(self) -> None:
        """Begin to watch, and to take the signals if this is the main thread."""
        if threading.current_thread() is threading.main_thread():
            self._bell.setblocking(False)
            # The interpreter rings this bell even while the main thread is stuck outside Python.
            signal.set_wakeup_fd(self._bell.fileno(), warn_on_full_buffer=False)
            self._handlers = {number: signal.signal(number, _nothing) for number in _SIGNALS}
        self._thread.start()

    def note_progress(self) -> None:
        """Take note that the training goes on, which it then has to do again within a quarter of an hour."""
        self._progressed_at = time.monotonic()

    def stop(self) -> None:
        """End the watch: this process has done its part."""
        self._finish(_LEFT)

    def fail(self, error: BaseException) -> None:
        """Tell the others that this process ends with ``error``; don't return if that is another one's doing."""
        if isinstance(error, UserError):
            self._finish(_TOLD)
            return
        if isinstance(error, RuntimeError):
            # Perhaps another process broke off an exchange; then the thread finds out which, and ends this one.
            time.sleep(self._silence + 5.0 if _is_broken_exchange(error) else 3.0)
        reason = _first_line(error)
        self._finish(f"{_FAILED}{reason}")
        if self._rank == 0:
            self._speak(f"error: {self._name(0)} failed: {reason}")

    def _finish(self, status: str) -> None:
        self._over.set()
        self._bell.send(b"\0")
        if self._thread.is_alive():
            self._thread.join(_STORE_PATIENCE.total_seconds())
        with contextlib.suppress(RuntimeError):
            self._store.set(f"status/{self._rank}", status)
        if self._handlers:
            signal.set_wakeup_fd(-1)
            for number, handler in self._handlers.items():
                signal.signal(number, handler)

    def _run(self) -> None:
        while True:
            number = self._wait_for_signal()
            if self._over.is_set():
                return
            if number == signal.SIGINT:
                self._end("stopped", 130)
            try:
                cause = self.look()
            except RuntimeError as error:
                cause = f"error: {_CUT_OFF}: {_first_line(error)}"
            if self._over.is_set():
                return
            if cause is not None:
                self._end(cause, 1 if cause else 2)
            if number:
                self._end(f"stopped by {signal.Signals(number).name}", 128 + number)

    def _wait_for_signal(self) -> int:
        """Return the number of a signal, or 0 if none came for a while."""
        if not select.select([self._alarm], [], [], _LOOK_INTERVAL)[0]:
            return 0
        numbers = self._alarm.recv(64)
        return next((number for number in _SIGNALS if number in numbers), 0)

    def look(self) -> str | None:
        """Give a sign of life and look for those of the others; the thread does it all the time.

        Returns:
            Who was lost and why; nothing if all are there; an empty text if the user has been told already.
        """
        now = time.monotonic()
        if now - self._last_look > self._silence / 2:
            # It was this process that slept.
            self._heard.clear()
            self._progressed_at = self._progressed_at and now
        self._last_look = now
        self._count += 1
        self._store.set(f"status/{self._rank}", str(self._count))
        # In this order: whoever has ended has said its last word before.
        gone = [process.machine == self._here.machine and process.is_gone() for process in self._processes]
        statuses = self._store.multi_get([f"status/{rank}" for rank in range(self._size)])
        causes = [self._judge(rank, status.decode(), gone[rank], now) for rank, status in enumerate(statuses)]
        if self._progressed_at is not None and now - self._progressed_at > _STANDSTILL:
            causes.append(f"error: no iteration was completed for {_STANDSTILL / 60:.0f} minutes")
        # One that failed tells more than one that is gone, perhaps in consequence.
        reasons = sorted((cause for cause in causes if cause is not None), key=lambda cause: "failed: " not in cause)
        return reasons[0] if reasons else None

    def _judge(self, rank: int, status: str, gone: bool, now: float) -> str | None:
        """Say what is wrong with a process, as :meth:`look` does."""
        if rank == self._rank or status == _LEFT:
            return None
        if status == _TOLD:
            return ""
        if status.startswith(_FAILED):
            return f"error: {self._name(rank)} failed: {status.removeprefix(_FAILED)}"
        if gone:
            return f"error: lost {self._name(rank)}: it was killed, perhaps for want of memory, or crashed"
        before, since = self._heard.get(rank, ("", now))
        if status != before:
            self._heard[rank] = (status, now)
        elif now - since > self._silence:
            return f"error: lost {self._name(rank)}: no sign of it for {self._silence:.0f} s"
        return None

    def _name(self, rank: int) -> str:
        process = self._processes[rank]
        return f"rank {rank} of {self._size} (process {process.pid} on {process.host})"

    def _end(self, cause: str, code: int) -> None:
        """End this process, wherever its main thread is."""
        if cause:
            self._speak(cause)
        self._let_others_go_first()
        os._exit(code)

    def _let_others_go_first(self) -> None:
        """Wait for those of this machine that failed: the launcher blames whoever ends first."""
        statuses: list[bytes] = []
        with contextlib.suppress(RuntimeError):
            statuses = self._store.multi_get([f"status/{rank}" for rank in range(self._size)])
        failed = [rank for rank, status in enumerate(statuses) if status.decode().startswith(_FAILED)]
        waiting = [self._processes[rank] for rank in failed if self._processes[rank].machine == self._here.machine]
        deadline = time.monotonic() + _COURTESY
        while time.monotonic() < deadline and not all(process.is_gone() for process in waiting):
            time.sleep(0.2)

    def _speak(self, cause: str) -> None:
        """Do what has to be done at the end and tell the user, unless another process does."""
        if not self._has_last_word():
            return
        lines = [cause]
        for farewell in self.farewells:
            try:
                lines.append(farewell())
            except Exception as error:
                # Whatever it is, the training must end, and the cause be told.
                lines.append(f"  and then: {_first_line(error)}")
        sys.stdout.flush()
        print("\n" + "\n".join(lines), file=sys.stderr, flush=True)

    def _has_last_word(self) -> bool:
        before = [process for process in self._processes[: self._rank] if process.machine == self._here.machine]
        first_left = all(process.is_gone() for process in before)
        if self._rank > 0:
            time.sleep(_PRECEDENCE)
        try:
            return self._store.add("last word", 1) == 1
        except RuntimeError:
            # Cut off from the others, each machine has its own.
            return first_left


def _nothing(*_: Any) -> None:
    """Handle a signal: it has rung the bell already."""


def _is_broken_exchange(error: BaseException) -> bool:
    """Return whether an error says that an exchange with other processes failed."""
    import torch.distributed as dist

    # Gloo raises plain RuntimeErrors that begin with the place in its source.
    return isinstance(error, dist.DistError) or "gloo" in str(error)


def _first_line(error: BaseException) -> str:
    text = str(error).strip()
    return f"{type(error).__name__}: {text.splitlines()[0]}" if text else type(error).__name__
