"""Gym tensors as PyTorch tensors and back; they share memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch.multiprocessing.reductions import StorageWeakRef

from . import gymapi
from ._rules import warns
from ._tensor import Tensor

torch2gym_dtype_map = {
    torch.uint8: gymapi.DTYPE_UINT8,
    torch.int16: gymapi.DTYPE_INT16,
    torch.int32: gymapi.DTYPE_UINT32,
    torch.int64: gymapi.DTYPE_UINT64,
    torch.float32: gymapi.DTYPE_FLOAT32,
}
_SIGNED = {np.dtype(np.uint32): np.int32, np.dtype(np.uint64): np.int64}


def wrap_tensor(gym_tensor: Tensor, offsets: Any = None, counts: Any = None) -> torch.Tensor:
    """Return a PyTorch tensor on a Gym tensor's memory.

    Args:
        gym_tensor: As an ``acquire_`` function returned it.
        offsets: Where to begin in each dimension; at 0 when None.
        counts: How many elements of each dimension; all when None.

    Raises:
        TypeError: Not a Gym tensor.
    """
    if not isinstance(gym_tensor, Tensor):
        raise TypeError(f"wrap_tensor takes a gymapi.Tensor, not {type(gym_tensor).__name__}")
    if isinstance(gym_tensor.owner, torch.Tensor):
        whole = gym_tensor.owner
    else:
        array = gym_tensor.owner if gym_tensor.owner is not None else gym_tensor.array()
        whole = torch.from_numpy(array.view(_SIGNED.get(array.dtype, array.dtype)))
    if offsets is None and counts is None:
        return whole
    offsets = offsets if offsets is not None else [0] * whole.dim()
    counts = counts if counts is not None else [n - o for n, o in zip(whole.shape, offsets)]
    return whole[tuple(slice(o, o + n) for o, n in zip(offsets, counts))]


def unwrap_tensor(torch_tensor: torch.Tensor) -> Tensor:
    """Return a Gym tensor that describes a PyTorch tensor's memory but does not keep it alive.

    Raises:
        TypeError: Not a PyTorch tensor.
        Exception: Not contiguous, or of a type that Gym does not have.
    """
    if not isinstance(torch_tensor, torch.Tensor):
        raise TypeError(f"unwrap_tensor takes a PyTorch tensor, not {type(torch_tensor).__name__}")
    if not torch_tensor.is_contiguous():
        raise Exception("Input tensor must be contiguous")
    if torch_tensor.dtype not in torch2gym_dtype_map:
        raise Exception(f"Unsupported PyTorch dtype {torch_tensor.dtype}")
    gym_tensor: Any = Tensor()
    gym_tensor.device = torch_tensor.device.index if torch_tensor.is_cuda else -1
    gym_tensor.dtype = torch2gym_dtype_map[torch_tensor.dtype]
    gym_tensor.shape = tuple(torch_tensor.shape)
    gym_tensor.data_address = torch_tensor.data_ptr()
    gym_tensor.torch_dtype = torch_tensor.dtype
    gym_tensor.watched = StorageWeakRef(torch_tensor.untyped_storage())
    if warns():
        # Where rules only warn, memory that a program freed too early still has its values, as it often has on a GPU.
        gym_tensor.kept = torch_tensor
    return gym_tensor


# The real one compiles itself here and says so on standard output.
print(f"PyTorch version {torch.__version__}", flush=True)
print(f"Device count {torch.cuda.device_count()}", flush=True)
print("Loading extension module gymtorch...", flush=True)
