"""Checks that there is enough memory before it is used."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from legged_gym.common.devices import resolve_device
from legged_gym.common.errors import UserError

_CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")


def require_memory(what: str, needed: float, device: str) -> None:
    """Raise an error if something does not fit into the memory, before it starts.

    Args:
        what: What needs the memory, and the settings that decide how much.
        needed: The least memory that it needs, bytes.
        device: A PyTorch device. Its whole memory counts, including what other programs use.

    Raises:
        UserError: The device has less memory.
    """
    if device.startswith("cuda"):
        import torch

        there = torch.cuda.mem_get_info(resolve_device(device))[1]
    else:
        there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        with contextlib.suppress(OSError, ValueError):
            there = min(there, int(_CGROUP_LIMIT.read_text(encoding="ascii")))
    if needed > there:
        raise UserError(f"{what} need at least {needed / 1e9:.3g} GB, and '{device}' has {there / 1e9:.3g} GB in all")
