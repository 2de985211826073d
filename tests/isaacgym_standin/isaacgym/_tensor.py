"""Tensor descriptors: what the tensor functions exchange."""

from __future__ import annotations

import ctypes
import os
from typing import Any

import numpy as np

from ._enums import MEMBERS, TensorDataType
from ._record import Struct
from ._rules import GPU, broken

NUMPY_TYPES = {
    "DTYPE_FLOAT32": np.float32, "DTYPE_UINT32": np.uint32, "DTYPE_UINT64": np.uint64, "DTYPE_UINT8": np.uint8,
    "DTYPE_INT16": np.int16,
}  # fmt: skip


class Tensor(Struct):
    """Device, address, type and shape of some memory; it does not keep the memory alive."""

    FIELDS = {
        "device": ("int", -1), "dtype": ("TensorDataType", MEMBERS["DTYPE_FLOAT32"]), "shape": ("Any", ()),
        "data_address": ("int", 0), "own_data": ("bool", False),
    }  # fmt: skip
    __slots__ = ("kept", "owner", "torch_dtype", "watched")

    def __init__(self) -> None:
        """Describe nothing."""
        super().__init__()
        object.__setattr__(self, "owner", None)
        object.__setattr__(self, "torch_dtype", None)
        object.__setattr__(self, "watched", None)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self.__slots__:
            object.__setattr__(self, name, value)
        else:
            super().__setattr__(name, value)

    @property
    def data_ptr(self) -> int:
        """Address of the data."""
        return self.data_address

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    @property
    def alive(self) -> bool:
        """Whether the memory has not been freed."""
        return self.watched is None or not self.watched.expired()

    def array(self) -> np.ndarray:
        """Return the memory as an array that shares it, or for a GPU's a copy."""
        kind = NUMPY_TYPES[self.dtype.name]
        if self.device >= 0 and not isinstance(self.owner, np.ndarray):
            return _from_gpu(self.data_address, tuple(self.shape), np.dtype(kind))
        size = int(np.prod(self.shape, dtype=np.int64)) * np.dtype(kind).itemsize
        if size == 0:
            return np.zeros(self.shape, dtype=kind)
        memory = (ctypes.c_uint8 * size).from_address(self.data_address)
        return np.frombuffer(memory, dtype=kind).reshape(self.shape)


def _from_gpu(address: int, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    import torch

    class Memory:
        __cuda_array_interface__ = {"data": (address, False), "shape": shape, "typestr": _signed(dtype), "version": 2}

    return torch.as_tensor(Memory(), device="cuda").cpu().numpy().view(dtype)


def _signed(dtype: np.dtype) -> str:
    """PyTorch has no unsigned types of more than 8 bits."""
    return dtype.str.replace("u4", "i4").replace("u8", "i8")


def emulated_gpu() -> bool:
    """Whether a test asked for the GPU pipeline's rules without a GPU."""
    return os.environ.get(GPU) == "cpu"


def new_buffer(shape: tuple[int, ...], device: int, dtype: Any = np.float32) -> Tensor:
    """Allocate zeros; the descriptor returned keeps them.

    Args:
        shape: Its dimensions.
        device: -1 for the computer's memory, otherwise the GPU's number.
        dtype: NumPy's type.
    """
    tensor: Any = Tensor()
    name = next(name for name, kind in NUMPY_TYPES.items() if kind == dtype)
    tensor.dtype = getattr(TensorDataType, name)
    if device < 0 or emulated_gpu():
        tensor.owner = np.zeros(shape, dtype=dtype)
        tensor.data_address = tensor.owner.ctypes.data
    else:
        import torch

        tensor.owner = torch.from_numpy(np.zeros(shape, dtype=dtype).view(_signed(np.dtype(dtype)))).to(
            f"cuda:{device}"
        )
        tensor.data_address = tensor.owner.data_ptr()
    tensor.device, tensor.shape, tensor.own_data = device, shape, True
    return tensor


def fill(tensor: Tensor, values: np.ndarray) -> None:
    """Write new values into a buffer of :func:`new_buffer`."""
    if isinstance(tensor.owner, np.ndarray):
        tensor.owner[...] = values.reshape(tensor.owner.shape)
    else:
        import torch

        tensor.owner.copy_(torch.from_numpy(values.astype(np.float32).reshape(tensor.shape)))


def checked(tensor: Any, call: str, what: str, dtype: str, count: int | None, device: int) -> np.ndarray:
    """Return a tensor's values, flat, after checking all that the real functions take on trust.

    Args:
        tensor: A descriptor.
        call: Name of the function it was given to.
        what: What it holds, for messages.
        dtype: Name of the TensorDataType it must have.
        count: Number of elements it must have; any number when None.
        device: Where it must be.
    """
    if not tensor.alive:
        broken(
            f"{call}: the memory of the {what} tensor has been freed: unwrap_tensor keeps no reference, so keep the"
            " PyTorch tensor in a variable until the call returns"
        )
    if tensor.dtype != getattr(TensorDataType, dtype):
        broken(f"{call}: the {what} tensor must be {_said(dtype)}, not {tensor.torch_dtype or tensor.dtype}")
    if tensor.device != device and not (emulated_gpu() and device >= 0):
        place = "the CPU" if device < 0 else f"cuda:{device}"
        broken(f"{call}: with this pipeline the {what} tensor must be on {place}, device {device}, not {tensor.device}")
    values = tensor.array().ravel()
    if count is not None and values.size != count:
        broken(f"{call}: the {what} tensor must have {count} elements, not {values.size} (shape {tuple(tensor.shape)})")
    return values


def _said(dtype: str) -> str:
    return {"DTYPE_UINT32": "int32", "DTYPE_FLOAT32": "float32"}[dtype]
