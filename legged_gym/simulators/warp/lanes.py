# mypy: ignore-errors
# Warp compiles these functions itself; Python's typing rules do not hold in them.
"""How kernels share out worlds: a warp's 32 threads, its lanes, do a world together.

Lanes pass values to each other and wait for each other, which is cheap within a warp. On the processor, where Warp
runs one thread after the other, a world has a single lane, and the same code is a plain loop.
"""

from __future__ import annotations

from dataclasses import dataclass

import warp as wp

wp.set_module_options({"enable_backward": False})

THREADS = 64
"""In a block, a multiple of 32."""
_FEW = 256
"""Worlds of a few that are done at the same time; more take turns."""


@dataclass
class Worlds:
    """Worlds that take part in a computation, as a list on the device."""

    index: wp.array[int]
    """Which ones, (N,)."""
    number: wp.array[int]
    """How many entries of ``index`` count, (1,)."""
    slots: int
    """How many of them are done at the same time: slot ``i`` does every ``slots``-th, from the ``i``-th on."""

    @classmethod
    def all(cls, number: int) -> Worlds:
        """Return all worlds of ``number``."""
        return cls(wp.array(list(range(number)), dtype=int), wp.array([number], dtype=int), number)

    @classmethod
    def few(cls, number: int) -> Worlds:
        """Return a list with room for all worlds of ``number``, of which few will be on it."""
        return cls(wp.zeros(number, dtype=int), wp.zeros(1, dtype=int), min(number, _FEW))

    def clear(self) -> None:
        """Take all worlds off the list."""
        clear(self.number)


def clear(number: wp.array[int]) -> None:
    """Set a counter, (1,), to zero. By a kernel: in a CUDA graph what follows a memset waits several times as long."""
    wp.launch(_clear, dim=1, inputs=[], outputs=[number], device=number.device)


@wp.kernel
def _clear(number: wp.array[int]) -> None:
    number[0] = 0


def lanes_of(device: wp.Device) -> int:
    """Return the number of lanes of a world."""
    return 32 if device.is_cuda else 1


@wp.func_native("""
#if defined(__CUDA_ARCH__)
    __syncwarp();
#endif
""")
def sync_lanes() -> None:
    """Wait until all lanes have got here and see what the others have written."""
    ...


@wp.func_native("""
#if defined(__CUDA_ARCH__)
    return __shfl_sync(0xffffffffu, value, lane);
#else
    return value;
#endif
""")
def from_lane(value: float, lane: int) -> float:
    """Return the value that a lane has passed."""
    ...


@wp.func_native("""
#if defined(__CUDA_ARCH__)
    for (int step = 16; step > 0; step /= 2) value += __shfl_xor_sync(0xffffffffu, value, step);
#endif
    return value;
""")
def sum_of_lanes(value: float) -> float:
    """Return the sum of what all lanes have passed, to the last bit the same in every lane."""
    ...


@wp.func_native("""
#if defined(__CUDA_ARCH__)
    return __popc(__ballot_sync(0xffffffffu, flag) & ((1u << lane) - 1u));
#else
    return 0;
#endif
""")
def count_before(flag: bool, lane: int) -> int:
    """Return how many of the lanes before one have passed a true flag."""
    ...


@wp.func_native("""
#if defined(__CUDA_ARCH__)
    return __popc(__ballot_sync(0xffffffffu, flag));
#else
    return flag ? 1 : 0;
#endif
""")
def count_lanes(flag: bool) -> int:
    """Return how many lanes have passed a true flag."""
    ...
