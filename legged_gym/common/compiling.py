"""Compiles functions with ``torch.compile``, which fuses many small kernels into a few."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any, Generic, ParamSpec, TypeVar

import torch

from legged_gym.common.console import tell_if_slow

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")

_ASIDES = ("TensorFloat32 tensor cores", "Dynamo does not know how to trace")
"""Warnings of the compiler that begin like this are not for users."""


class Fused(Generic[_Arguments, _Result]):
    """A function that ``torch.compile`` makes faster. If compiling fails, the function runs uncompiled.

    The first call also runs it uncompiled, so that everything it creates at first use exists before it is compiled.
    """

    def __init__(self, function: Callable[_Arguments, _Result], what: str, enabled: bool = True) -> None:
        """Prepare to compile.

        Args:
            function: Its tensors never change their shapes; it may change tensors and objects in place.
            what: Its name in messages, for example ``"the policy's update"``.
            enabled: Whether to compile at all.
        """
        self._function, self._what = function, what
        self._fused = compiled(function) if enabled else None
        self._calls = 0

    def __call__(self, *args: _Arguments.args, **kwargs: _Arguments.kwargs) -> _Result:
        """Call the function."""
        self._calls += 1
        if self._fused is None or self._calls == 1:
            return self._function(*args, **kwargs)
        try:
            if self._calls > 2:
                return self._fused(*args, **kwargs)
            with tell_if_slow(f"compiling {self._what}, which takes a while at the first start"):
                return self._fused(*args, **kwargs)
        except torch.OutOfMemoryError:
            raise
        except Exception as error:
            if torch.cuda.is_available() and torch.cuda.is_current_stream_capturing():
                raise
            # Training goes on if the compiler fails. Other errors come again in the uncompiled function.
            warn_not_compiled(self._what, error)
            self._fused = None
            return self._function(*args, **kwargs)


def compiled(
    function: Callable[_Arguments, _Result], options: dict[str, Any] | None = None
) -> Callable[_Arguments, _Result]:
    """Return a function that is compiled at its first call, for fixed shapes. ``options`` are Inductor's."""

    @functools.cache
    def compile_() -> Callable[_Arguments, _Result]:
        for aside in _ASIDES:
            warnings.filterwarnings("ignore", message=aside)
        return torch.compile(function, dynamic=False, options=options)

    def call(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> _Result:
        return compile_()(*args, **kwargs)

    return call


def record(
    function: Callable[[], None], what: str, stream: torch.cuda.Stream | None = None
) -> torch.cuda.CUDAGraph | None:
    """Record what a function queues on a GPU as a CUDA graph, on ``stream`` or one of its own, and replay that once.

    Returns None, having warned that ``what`` runs slower, if it can't be recorded.
    """
    graph = torch.cuda.CUDAGraph()
    try:
        with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
            function()
    except RuntimeError as error:
        reason = str(error).split("\n")[0]
        warnings.warn(f"{what} slower, as it can't be recorded as a CUDA graph: {reason}", stacklevel=4)
        return None
    graph.replay()
    return graph


def warn_not_compiled(what: str, error: Exception) -> None:
    """Warn that something runs slower than it could, because the compiler failed."""
    reason = str(error).strip().split("\n")[0] or type(error).__name__
    warnings.warn(f"{what} runs slower, because torch.compile failed on this task or machine: {reason}", stacklevel=4)
