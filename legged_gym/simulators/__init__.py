"""Physics engines. Only the chosen one is imported, and PyTorch only where one or its base class is asked for."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from legged_gym.common.errors import UserError, near_names
from legged_gym.common.lazy import lazy_attributes

if TYPE_CHECKING:
    from legged_gym.simulators.simulator import Drive, PhysicsParameters, Simulator

SIMULATORS = {
    "mujoco": "legged_gym.simulators.mujoco_sim:MujocoSimulator",
    "warp": "legged_gym.simulators.warp_sim:WarpSimulator",
    "isaacgym": "legged_gym.simulators.isaacgym_sim:IsaacGymSimulator",
}
"""Where each back-end lives. A new one is a file and a line here."""

ON_GPU = ("warp",)
"""Those that run on a GPU unless the command line says otherwise."""

ON_GPU_IF_ANY = ("isaacgym",)
"""Those that do so only where there is one."""


def make_simulator(name: str, **kwargs: Any) -> Simulator:
    """Create a back-end by its key in :data:`SIMULATORS`; ``UserError`` if it, or what it needs, is not there."""
    if name not in SIMULATORS:
        raise UserError(f"unknown simulator '{name}': {near_names(name, SIMULATORS)}")
    module, class_name = SIMULATORS[name].split(":")
    try:
        simulator = getattr(importlib.import_module(module), class_name)
    except ImportError as error:
        raise UserError(f"the simulator '{name}' can't be used here: {error}") from error
    return simulator(**kwargs)


_CONTRACT = "legged_gym.simulators.simulator"

# The scene alone needs no PyTorch.
__getattr__ = lazy_attributes(__name__, dict.fromkeys(("Drive", "PhysicsParameters", "Simulator"), _CONTRACT))

__all__ = ["ON_GPU", "ON_GPU_IF_ANY", "SIMULATORS", "Drive", "PhysicsParameters", "Simulator", "make_simulator"]
