"""Work on a GPU that repeats: recorded once as a CUDA graph, then replayed without the host's help."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import torch

_WARM_UP = 3
"""Calls before the recording: libraries load, optimisers make their state, kernels are chosen."""


class Recorded:
    """A function without arguments and result, replayed from a CUDA graph after some calls.

    It must read and write tensors that stay where they are, and must not ask the device for values: what it decides
    in Python is decided once. On a CPU it is simply called.
    """

    def __init__(self, function: Callable[[], None], device: str | torch.device, enabled: bool = True) -> None:
        """Prepare to record.

        Args:
            function: What is to be done.
            device: Where it works.
            enabled: Whether to record at all.
        """
        self._function = function
        self._recordable = enabled and torch.device(device).type == "cuda"
        self._countdown = _WARM_UP
        # One for all calls before and while recording: autograd ties parameters to the stream of their first use,
        # and a recording must not depend on the default one.
        self._stream = torch.cuda.Stream(device) if self._recordable else None
        self._graph: torch.cuda.CUDAGraph | None = None

    def __call__(self) -> None:
        """Do the work; on a GPU it may go on after the return."""
        if self._graph is not None:
            self._graph.replay()
        elif not self._recordable:
            self._function()
        elif self._countdown > 0:
            self._countdown -= 1
            self._run_aside()
        else:
            self._record()

    def _run_aside(self) -> None:
        assert self._stream is not None
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            self._function()
        torch.cuda.current_stream().wait_stream(self._stream)

    def _record(self) -> None:
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph, stream=self._stream, capture_error_mode="thread_local"):
                self._function()
        except RuntimeError as error:
            reason = str(error).split("\n")[0]
            warnings.warn(f"learning runs slower, as it can't be recorded as a CUDA graph: {reason}", stacklevel=3)
            self._recordable = False
            self._function()
            return
        self._graph = graph
        graph.replay()
