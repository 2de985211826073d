"""How long work takes on a device that works on while the host runs ahead."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

import torch


class Stopwatch:
    """Collects spans of time by name: between events in a GPU's queue, or on a processor by its clock.

    A span on a GPU that has nothing to do holds the host's work, too, which is what keeps it waiting; where the host
    is ahead, only the GPU's counts.
    """

    def __init__(self, device: str | torch.device) -> None:
        """Measure work on ``device``, a GPU or the processor."""
        self._device = torch.device(device)
        self._spans: dict[str, list[tuple[_Moment, _Moment]]] = {}

    @contextlib.contextmanager
    def measure(self, name: str) -> Iterator[None]:
        """Add a span: what the block queues on the device's current stream, or does."""
        start = _Moment(self._device)
        yield
        self._spans.setdefault(name, []).append((start, _Moment(self._device)))

    def wait(self) -> None:
        """Wait until the device has nothing left to do."""
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)

    def read(self) -> dict[str, list[float]]:
        """Return the lengths of all spans since the last time, s, by name; waits for the device."""
        self.wait()
        spans, self._spans = self._spans, {}
        return {name: [end.seconds_since(start) for start, end in pairs] for name, pairs in spans.items()}


class _Moment:
    """Now, or on a GPU when what is queued now will be done."""

    def __init__(self, device: torch.device) -> None:
        self._time = time.perf_counter()
        self._event: torch.cuda.Event | None = None
        if device.type == "cuda":
            self._event = torch.cuda.Event(enable_timing=True)
            self._event.record(torch.cuda.current_stream(device))

    def seconds_since(self, start: _Moment) -> float:
        if self._event is None or start._event is None:
            return self._time - start._time
        return start._event.elapsed_time(self._event) * 1e-3
