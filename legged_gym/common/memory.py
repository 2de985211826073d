"""Checks that there is enough memory before it is used."""

from __future__ import annotations

import os
from pathlib import Path

from legged_gym.common.errors import UserError

_CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")


def total_memory(device: str) -> int:
    """Return the bytes that a PyTorch device has for a process, including those that others use."""
    if device.startswith("cuda"):
        import torch

        return torch.cuda.mem_get_info(device)[1]
    installed = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        return min(installed, int(_CGROUP_LIMIT.read_text(encoding="ascii")))
    except (OSError, ValueError):
        return installed


def require_memory(what: str, needed: float, device: str) -> None:
    """Refuse what does not fit, before it starts.

    Args:
        what: What needs the memory, and the settings that say how much.
        needed: Bytes that it needs at least.
        device: Where.

    Raises:
        UserError: The device has less.
    """
    there = total_memory(device)
    if needed > there:
        raise UserError(f"{what} need at least {needed / 1e9:.3g} GB, and '{device}' has {there / 1e9:.3g} GB in all")
