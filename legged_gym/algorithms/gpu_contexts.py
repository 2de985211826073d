"""Contexts for work on a GPU: where it is queued, and how exactly it multiplies."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch


@contextlib.contextmanager
def beside(side_stream: torch.cuda.Stream | None) -> Iterator[contextlib.AbstractContextManager[Any]]:
    """Yield a context whose work runs at the same time as what is queued outside of it, and wait for it in the end.

    Args:
        side_stream: Where that work goes; None: there is no GPU, and everything is done in turn.
    """
    if side_stream is None:
        yield contextlib.nullcontext()
        return
    stream = torch.cuda.current_stream(side_stream.device)
    side_stream.wait_stream(stream)
    yield torch.cuda.stream(side_stream)
    stream.wait_stream(side_stream)


@contextlib.contextmanager
def matmul_precision(name: str) -> Iterator[None]:
    """Let PyTorch multiply matrices of float32 with the precision ``highest``, ``high`` or ``medium``."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(name)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
