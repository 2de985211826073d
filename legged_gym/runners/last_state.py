"""The state after the last completed iteration, in host memory: for the end of a training by several processes."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import torch
from torch.utils._pytree import tree_map_only

from legged_gym.common.errors import UserError
from legged_gym.common.output import tell
from legged_gym.common.paths import relative
from legged_gym.common.signals import SIGNALS
from legged_gym.runners.checkpoint import write_checkpoint
from legged_gym.runners.runs import checkpoint_path

_GRACE = 8.0
"""Seconds that a process has for the end of its iteration; ``torchrun`` kills it after 30."""


class LastState:
    """Keeps what a checkpoint would hold where it can be had when the GPU, or the main thread, does not answer.

    When another process is lost, this one is in the middle of an update. Over gloo its exchange fails; over NCCL it
    waits on the GPU for an answer that never comes, until ``torchrun`` sends a signal, which a thread has to take.
    """

    def __init__(self, folder: str, interval: float = 3.0) -> None:
        """Start without a state; copies are ``interval`` s apart, as one of Qmini's takes some milliseconds."""
        self.folder, self.interval = folder, interval
        self.may_save: Callable[[], bool] = lambda: True
        """Whether this process is the one that saves."""
        self._kept: tuple[int, dict[str, Any]] | None = None
        self._kept_at = float("-inf")
        self._writing = threading.Lock()
        self._bell: socket.socket | None = None

    def keep(self, iteration: int, make: Callable[[], dict[str, Any]]) -> None:
        """Copy the state after an iteration, which ``make`` returns on any device, if the last copy is old enough."""
        if time.monotonic() - self._kept_at < self.interval:
            return
        self._kept = iteration, tree_map_only(torch.Tensor, lambda t: t.detach().to("cpu", copy=True), make())
        self._kept_at = time.monotonic()

    def save(self) -> str:
        """Write a checkpoint, unless another process does or there is a newer one. Return what was done."""
        with self._writing:
            if self._kept is None:
                return "no iteration was completed, so there is nothing to save"
            iteration, contents = self._kept
            path = checkpoint_path(self.folder, iteration)
            if not self.may_save():
                return "the first process saves"
            try:
                if not os.path.exists(path):
                    write_checkpoint(path, contents)
            except UserError as error:
                return str(error)
            return f"saved {relative(path)}, the state after {iteration + 1} iterations"

    def watch(self) -> None:
        """Save and end the process when a signal comes and the main thread does not get to it."""
        if threading.current_thread() is not threading.main_thread():
            return
        alarm, self._bell = socket.socketpair()
        self._bell.setblocking(False)
        # The interpreter rings this bell even while the main thread is stuck outside Python.
        signal.set_wakeup_fd(self._bell.fileno(), warn_on_full_buffer=False)
        threading.Thread(target=self._wait, args=(alarm,), name="last state", daemon=True).start()

    def stop_watching(self) -> None:
        """Leave signals to the main thread again."""
        if self._bell is not None:
            signal.set_wakeup_fd(-1)
            self._bell.close()
            self._bell = None

    def _wait(self, alarm: socket.socket) -> None:
        with alarm:
            while True:
                numbers = alarm.recv(64)
                number = next((number for number in SIGNALS if number in numbers), 0)
                if number or not numbers:
                    break
            alarm.settimeout(_GRACE)
            try:
                while alarm.recv(64):
                    pass
            except TimeoutError:
                tell(f"\nno iteration ends any more: {self.save()}\n")
                os._exit(128 + number)
