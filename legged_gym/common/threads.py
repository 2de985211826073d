"""How many CPU cores a process uses."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from legged_gym.common.processes import world


def available_cores() -> int:
    """Return how many cores this process may use. Processes of one training share the machine's cores."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // world().local_size)


@contextlib.contextmanager
def single_threaded(device: str) -> Iterator[None]:
    """Keep PyTorch on one thread inside the block where tensors live on the CPU.

    A task's tensors are small, and the simulator's threads need the cores, so more threads cost more time than they
    save: on two cores, a step of 256 robots took 39 ms with them and 32 ms without.
    """
    # Imported here, because counting cores must not need PyTorch.
    import torch

    threads = torch.get_num_threads()
    if torch.device(device).type != "cpu" or threads == 1:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
