"""The state after the last completed iteration, kept in host memory for the end that comes without warning."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch

from legged_gym.runners.checkpoint import write_checkpoint

_PATIENCE = 10.0
"""Seconds to wait for a checkpoint that is just being written."""


class LastState:
    """Keeps what a checkpoint would hold where it can be had when the GPU, or the main thread, does not answer.

    When another process of a distributed training is lost, this one is in the middle of an update, and waits on the
    GPU for an answer that never comes.
    """

    def __init__(self, interval: float = 3.0) -> None:
        """Start without a state.

        Args:
            interval: Least time between copies, s: one of Qmini's state takes some milliseconds.
        """
        self.interval = interval
        self.writing = threading.Lock()
        """To be held by whoever writes a checkpoint."""
        self._kept: tuple[int, dict[str, Any]] | None = None
        self._kept_at = float("-inf")

    def keep(self, iteration: int, make: Callable[[], dict[str, Any]]) -> None:
        """Copy the state if the last copy is old enough.

        Args:
            iteration: Index of the iteration just completed.
            make: Returns the checkpoint's contents, in which tensors may be on any device.
        """
        if time.monotonic() - self._kept_at < self.interval:
            return
        self._kept = iteration, _on_host(make())
        self._kept_at = time.monotonic()

    @property
    def iteration(self) -> int | None:
        """Index of the iteration after which the state was copied; None: it never was."""
        return self._kept[0] if self._kept is not None else None

    def write(self, path: str) -> None:
        """Write the state as a checkpoint.

        Raises:
            UserError: The file can't be written.
        """
        if self._kept is None:
            raise ValueError("no state was kept")
        # Never given back: the process ends now, and must not do so in the middle of the next checkpoint.
        self.writing.acquire(timeout=_PATIENCE)
        write_checkpoint(path, self._kept[1])


def _on_host(value: Any) -> Any:
    """Copy nested values with their tensors on the CPU."""
    if isinstance(value, torch.Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, Mapping):
        return {key: _on_host(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_on_host(item) for item in value)
    return value
