"""Devices of tensors. PyTorch is imported late, so that ``--help`` is fast."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from legged_gym.common.errors import UserError
from legged_gym.common.processes import world

if TYPE_CHECKING:
    import torch

DEFAULT_GPU = "cuda"
"""The process's own GPU; :func:`resolve_device` finds out which one that is."""


def resolve_device(device: str | None) -> str:
    """Return the name of a PyTorch device: the given one if it exists; by default a GPU or, without one, the CPU.

    ``cuda`` is the first GPU. Under ``torchrun``, it is the GPU whose number is the process's local rank.

    Raises:
        UserError: The device does not exist, or several processes would share it.
    """
    import torch

    here = world()
    if device is None:
        device = DEFAULT_GPU if torch.cuda.is_available() else "cpu"
    if here.local_size > 1 and device.startswith("cuda:"):
        raise UserError(f"{here.local_size} processes can't share '{device}': write 'cuda', and each takes its own GPU")
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
    """Return why PyTorch can't use an NVIDIA GPU, or an empty text if it can."""
    import torch

    if torch.cuda.is_available():
        return ""
    if torch.version.cuda is None and os.path.exists("/dev/nvidiactl"):
        return "this PyTorch was built without CUDA and sees no GPU"
    return "no NVIDIA GPU was found"


def learning_device(sim_device: str) -> str:
    """Return the default device of the networks: the simulator's. If that is the CPU, a GPU is preferred."""
    import torch

    if sim_device.startswith("cuda") or not torch.cuda.is_available():
        return sim_device
    return DEFAULT_GPU


def simulation_device(device: str) -> str:
    """Return the device of a simulator. If it is a GPU, it becomes PyTorch's current device."""
    import torch

    device = resolve_device(device)
    if device.startswith("cuda"):
        torch.cuda.set_device(device)
    return device


def pays(mask: torch.Tensor) -> bool:
    """Return whether to do what a mask asks for: on a GPU always, as asking costs more than the work that it saves."""
    return mask.is_cuda or bool(mask.any())
