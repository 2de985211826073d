"""The rank of a process that ``torchrun`` started, and which processes print."""

from __future__ import annotations

import dataclasses
import os
import sys
import warnings

from legged_gym.common.errors import UserError


@dataclasses.dataclass(frozen=True)
class World:
    """The rank of this process, and the number of processes."""

    rank: int = 0
    """Number of this process."""
    size: int = 1
    """Number of processes."""
    local_rank: int = 0
    """Number of this process on its machine; also the number of its GPU."""
    local_size: int = 1
    """Number of processes on this machine."""

    @property
    def is_first(self) -> bool:
        """Whether this process decides, logs, prints and saves."""
        return self.rank == 0


def world() -> World:
    """Return this process's ranks from the environment variables of ``torchrun``; without them it is the only process.

    Raises:
        UserError: The environment variables are incomplete or contradict each other.
    """
    size = _number("WORLD_SIZE", 1)
    if size == 1:
        return World()
    missing = [name for name in ("RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT") if not os.environ.get(name)]
    if missing:
        raise UserError(
            f"the environment has WORLD_SIZE={size} but no {', '.join(missing)}: start several processes with "
            "torchrun, or unset WORLD_SIZE"
        )
    here = World(_number("RANK", 0), size, _number("LOCAL_RANK", 0), _number("LOCAL_WORLD_SIZE", size))
    if not (0 <= here.rank < size and 0 <= here.local_rank < here.local_size <= size):
        raise UserError(f"the environment's RANK, LOCAL_RANK, LOCAL_WORLD_SIZE and WORLD_SIZE don't fit: {here}")
    return here


def tidy_output() -> None:
    """Let only the first process print and warn, because the others would print the same. All show errors."""
    here = world()
    if here.size > 1:
        # A lost connection is reported in one line, without PyTorch's stack traces. PyTorch reads this when imported.
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    if not here.is_first:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 (until the end)
        warnings.simplefilter("ignore")


def _number(name: str, default: int) -> int:
    text = os.environ.get(name) or str(default)
    try:
        return int(text)
    except ValueError:
        raise UserError(f"the environment has {name}={text!r}, which is not a number") from None
