"""Seeds of all random numbers."""

from __future__ import annotations

import random
from numbers import Integral

import numpy as np

from legged_gym.common.errors import UserError
from legged_gym.common.processes import world


def set_seed(seed: int) -> int:
    """Seed Python, NumPy and PyTorch with a number from 0 to 2³² - 1, and return this number.

    Raises:
        UserError: The seed is no integer, or out of range.
    """
    if isinstance(seed, bool) or not isinstance(seed, Integral) or not 0 <= seed < 2**32:
        raise UserError(f"the seed must be an integer between 0 and {2**32 - 1}, got {seed!r}")
    import torch

    # It may be a NumPy integer, which Python's own generator does not take.
    seed = int(seed)
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    return seed


def seed_of_rank(seed: int) -> int:
    """Return this process's own seed: the training's in the first process, an unrelated one in each other."""
    rank = world().rank
    return seed if rank == 0 else int(np.random.SeedSequence((seed, rank)).generate_state(1)[0])
