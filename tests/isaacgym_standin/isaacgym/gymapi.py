"""Isaac Gym's main module."""

from __future__ import annotations

import sys
from typing import Any

from . import _enums, _rules
from ._enums import *  # noqa: F403
from ._gym_actors import ActorCalls
from ._gym_assets import AssetCalls
from ._gym_setup import SetupCalls
from ._gym_states import StateCalls
from ._gym_tensors import TensorCalls
from ._gym_view import ViewCalls

globals().update(_enums.MEMBERS)


class Gym(SetupCalls, AssetCalls, ActorCalls, StateCalls, TensorCalls, ViewCalls):
    """All of Isaac Gym's functions; get it from :func:`acquire_gym`."""

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(
            f"'Gym' object has no attribute '{name}' (neither has the stand-in: see its README for what it leaves out)"
        )


_GYM = Gym()


def acquire_gym(*args: Any) -> Gym:
    """Return the one Gym there is."""
    return _GYM


if _rules.failure("no_gpu"):
    print("*** Warning: failed to preload CUDA lib", file=sys.stderr)
