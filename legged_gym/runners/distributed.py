"""Several processes of ``torchrun`` that train one policy together, each with its own robots.

Each process simulates its own robots; gradients are averaged, so that all have the same nets. The first one decides
(command line, configuration, checkpoint), logs, prints and saves.
"""

from __future__ import annotations

import contextlib
import datetime
import itertools
import os
import zlib
from collections.abc import Callable, Iterator
from typing import TypeVar

import torch
import torch.distributed as dist
import yaml
from torch.distributed import Store

from legged_gym.common.errors import UserError
from legged_gym.common.processes import World, world

_T = TypeVar("_T")

_MEETING_PATIENCE = 120.0
"""Time within which all processes must start, s."""
_PATIENCE = datetime.timedelta(minutes=10)
"""Longest wait for other processes, which may be compiling kernels. ``torchrun`` notices a loss sooner."""


_store: Store | None = None
"""The connection of this process to the others."""
_shared = itertools.count()
"""Numbers of the values that are shared."""


def join(device: str) -> World:
    """Connect to the other processes, if there are any and it is not connected yet. All must call this.

    Processes talk over NCCL where they learn on GPUs, over gloo on CPUs. Returns this process's place; ``UserError`` if
    the others can't be found.
    """
    global _store
    here = world()
    if here.size == 1 or _store is not None:
        return here
    _store = _connect(here, datetime.timedelta(seconds=_MEETING_PATIENCE))
    _store.set_timeout(_PATIENCE)
    if not dist.is_initialized():
        on_gpu = torch.device(device).type == "cuda"
        if on_gpu:
            torch.cuda.set_device(device)
            # What PyTorch does about a broken connection is to abort the process; it has to save first.
            os.environ.setdefault("TORCH_NCCL_ASYNC_ERROR_HANDLING", "0")
        dist.init_process_group(
            "nccl" if on_gpu else "gloo",
            store=dist.PrefixStore("group", _store),
            rank=here.rank,
            world_size=here.size,
            timeout=_PATIENCE,
            device_id=torch.device(device) if on_gpu else None,
        )
    return here


def wait_for_all() -> None:
    """Wait for the other processes, if there are any. All must call this."""
    if _store is not None:
        dist.barrier()


@contextlib.contextmanager
def joined(device: str) -> Iterator[World]:
    """Be connected inside the block; see :func:`join`. After an error in here ``torchrun`` ends the others, too."""
    global _store
    yield join(device)
    if _store is not None:
        # The training is done.
        wait_for_all()
        dist.destroy_process_group()
        _store = None


def anyone(flag: bool, device: str) -> bool:
    """Return whether ``flag`` is true in any process. All must call this."""
    if _store is None:
        return flag
    flags = torch.tensor(int(flag), device=device)
    dist.all_reduce(flags, dist.ReduceOp.MAX)
    return bool(flags)


def from_first(produce: Callable[[], _T]) -> _T:
    """Return the plain values that ``produce`` returns in the first process, which alone calls it; all call this."""
    if _store is None:
        return produce()
    key = f"shared/{next(_shared)}"
    if world().is_first:
        # JSON would make texts of numbers that are keys.
        _store.set(key, yaml.safe_dump(produce()))
    return yaml.safe_load(_store.get(key))


def bytes_from_first(produce: Callable[[], bytes]) -> bytes:
    """Return the bytes, perhaps many, that ``produce`` returns in the first process; all have to call this."""
    if _store is None:
        return produce()
    box = [produce() if world().is_first else b""]
    dist.broadcast_object_list(box, src=0)
    return box[0]


def is_first_to_say(text: str) -> bool:
    """Return whether no other process has reported this before, so that a common error is shown once."""
    # Only torchrun's store outlives the process that finds the mistake.
    if _store is None and os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True":
        return True
    try:
        store = _store if _store is not None else _connect(world(), datetime.timedelta(seconds=10))
        return store.add(f"said/{zlib.crc32(text.encode())}", 1) == 1
    except (RuntimeError, UserError):
        return True


def _connect(here: World, patience: datetime.timedelta) -> Store:
    try:
        store, _, _ = next(dist.rendezvous("env://", here.rank, here.size, timeout=patience))
    except (RuntimeError, ValueError) as error:
        address = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
        raise UserError(f"the first process does not answer at {address}: {str(error).splitlines()[0]}") from error
    return dist.PrefixStore(f"legged_gym/{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", store)
