"""Where tensors live. PyTorch is imported late: a command line is read, and ``--help`` shown, without it."""

from __future__ import annotations

import os
import re

from legged_gym.common.errors import UserError
from legged_gym.common.processes import world

DEFAULT_GPU = "cuda"
"""The GPU of a process that was told no number; :func:`resolve_device` knows which."""


def resolve_device(device: str | None) -> str:
    """Return a PyTorch device's name: the one given if it is there, by default a GPU or else the CPU.

    ``cuda`` is the first GPU, or under ``torchrun`` the one with the process's number on its machine.

    Raises:
        UserError: No such device, or several processes would share it.
    """
    import torch

    here = world()
    if device is None:
        device = DEFAULT_GPU if torch.cuda.is_available() else "cpu"
    if here.local_size > 1 and device.startswith("cuda:"):
        raise UserError(f"{here.local_size} processes can't share '{device}': say 'cuda', and each takes its own GPU")
    if not re.fullmatch(r"cpu|mps|cuda(:\d+)?", device):
        raise UserError(f"no device '{device}' here: valid: cpu, cuda, cuda:N, mps")
    full_name = f"cuda:{here.local_rank}" if device == DEFAULT_GPU else device
    try:
        torch.empty(0, device=full_name)
    except (RuntimeError, AssertionError) as error:
        gpus = torch.cuda.device_count()
        if 0 < gpus < here.local_size:
            raise UserError(
                f"{here.local_size} processes on a machine with {gpus} GPUs: --nproc_per_node={gpus}"
            ) from error
        raise UserError(f"no device '{device}' here: {str(error).splitlines()[0]}") from error
    return full_name


def missing_gpu() -> str:
    """Say why PyTorch can use no NVIDIA GPU, or nothing if it can."""
    import torch

    if torch.cuda.is_available():
        return ""
    if torch.version.cuda is None and os.path.exists("/dev/nvidiactl"):
        return "this PyTorch was built without CUDA and sees no GPU"
    return "no NVIDIA GPU was found"


def learning_device(sim_device: str) -> str:
    """Return the default device of the networks: the simulator's or, if that is the CPU, a GPU if there is one."""
    import torch

    if sim_device.startswith("cuda") or not torch.cuda.is_available():
        return sim_device
    return DEFAULT_GPU


def simulation_device(device: str) -> str:
    """Return the device of a simulator. If it is a GPU, it becomes PyTorch's current one."""
    import torch

    device = resolve_device(device)
    if device.startswith("cuda"):
        torch.cuda.set_device(device)
    return device
