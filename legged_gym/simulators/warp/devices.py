"""Warp's name for a PyTorch device."""

from __future__ import annotations

import torch
import warp as wp

from legged_gym.common.errors import UserError


def find_device(name: str) -> wp.Device:
    """Return Warp's name of a PyTorch device.

    Raises:
        UserError: There is no such device.
    """
    wp.config.log_level = wp.LOG_WARNING
    wp.init()
    device = torch.device(name)
    if device.type == "cuda" and not (torch.cuda.is_available() and wp.is_cuda_available()):
        raise UserError(f"the warp simulator found no NVIDIA GPU for '{name}' (--sim_device); --sim=mujoco needs none")
    if device.type not in ("cpu", "cuda"):
        raise UserError(f"the warp simulator runs on 'cuda' devices, not on '{name}' (--sim_device)")
    return wp.device_from_torch(device)
