"""A lock on a run's folder. It is released however the process ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
from collections.abc import Iterator

from legged_gym.common.errors import UserError, file_errors

_LOCK_FILE = ".lock"


class RunLock:
    """Lets one process at a time train in a run's folder. The lock is released however the process ends."""

    def __init__(self, folder: str) -> None:
        """Prepare to lock this folder."""
        self._folder, self._file = folder, -1

    def acquire(self) -> bool:
        """Take the lock. Return False if another process has it, True if the file system has no locks."""
        if self._file < 0:
            self._file = os.open(os.path.join(self._folder, _LOCK_FILE), os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            return True
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"process {os.getpid()} on {socket.gethostname()}".encode(), 0)
        return True

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold the lock inside the block.

        Raises:
            UserError: Another process has it, or the folder can't be written.
        """
        with file_errors(f"cannot write to run folder {self._folder}"):
            os.makedirs(self._folder, exist_ok=True)
            free = self.acquire()
        try:
            if not free:
                owner = os.pread(self._file, 200, 0).decode(errors="replace") or "another process"
                raise UserError(f"'{self._folder}' is being trained already, by {owner}")
            yield
        finally:
            os.close(self._file)
            self._file = -1
