"""Measures times on a device that works asynchronously."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Any

import torch


class Stopwatch:
    """Collects spans of time by name: between events in a GPU's queue, or on a processor by its clock.

    A span on a GPU that has nothing to do holds the host's work, too, which is what keeps it waiting; where the host
    is ahead, only the GPU's counts.
    """

    def __init__(self, device: str | torch.device) -> None:
        """Measure work on ``device``, a GPU or the processor."""
        self._device = torch.device(device)
        self._spans: dict[str, list[tuple[Any, Any]]] = {}

    @contextlib.contextmanager
    def measure(self, name: str) -> Iterator[None]:
        """Add a span: what the block queues on the device's current stream, or does."""
        start = self._now()
        yield
        self._spans.setdefault(name, []).append((start, self._now()))

    def wait(self) -> None:
        """Wait until the device has nothing left to do."""
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)

    def read(self) -> dict[str, list[float]]:
        """Return the lengths of all spans since the last call, s, by name. It waits for the device."""
        self.wait()
        spans, self._spans = self._spans, {}
        if self._device.type == "cuda":
            return {name: [1e-3 * start.elapsed_time(end) for start, end in pairs] for name, pairs in spans.items()}
        return {name: [end - start for start, end in pairs] for name, pairs in spans.items()}

    def _now(self) -> Any:
        """Return the clock, s, or on a GPU the event when what is queued now will be done."""
        if self._device.type != "cuda":
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record(torch.cuda.current_stream(self._device))
        return event
