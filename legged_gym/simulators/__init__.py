"""Physics engines. Only the chosen one is imported, and PyTorch only with it or its base class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from legged_gym.common.errors import UserError, near_names
from legged_gym.common.lazy import lazy_attributes, load

if TYPE_CHECKING:
    from legged_gym.simulators.simulator import Drive, PhysicsParameters, Simulator

SIMULATORS = {
    "mujoco": "legged_gym.simulators.mujoco_sim:MujocoSimulator",
    "warp": "legged_gym.simulators.warp_sim:WarpSimulator",
    "isaacgym": "legged_gym.simulators.isaacgym_sim:IsaacGymSimulator",
}
"""The class of each back-end. To add one, write a file and add a line here."""

PHYSX_ASSET = ("thickness", "linear_damping", "angular_damping", "max_linear_velocity", "max_angular_velocity")
"""Settings of ``asset`` that only Isaac Gym has, under the same names."""
_FOR_ISAACGYM = ("sim.physx.", *(f"asset.{name}" for name in PHYSX_ASSET))
_FOR_GPU = ("sim.max_contacts", "sim.max_constraints", "sim.cuda_graph", "sim.compile_step")
UNREAD = {
    "mujoco": (*_FOR_ISAACGYM, *_FOR_GPU),
    "warp": (*_FOR_ISAACGYM, "sim.num_threads"),
    "isaacgym": (*_FOR_GPU, "sim.num_threads", "sim.solver_iterations", "sim.line_search_iterations"),
}
"""Settings, or beginnings of their names, that have no effect on a back-end."""


def make_simulator(name: str, **kwargs: Any) -> Simulator:
    """Create a back-end by its key in :data:`SIMULATORS`. ``UserError`` if it, or what it needs, is missing."""
    if name not in SIMULATORS:
        raise UserError(f"unknown simulator '{name}': {near_names(name, SIMULATORS)}")
    module, class_name = SIMULATORS[name].split(":")
    try:
        simulator = getattr(load(module), class_name)
    except ImportError as error:
        raise UserError(f"the simulator '{name}' can't be used on this machine: {error}") from error
    return simulator(**kwargs)


_CONTRACT = "legged_gym.simulators.simulator"

# The scene itself needs no PyTorch.
__getattr__ = lazy_attributes(__name__, dict.fromkeys(("Drive", "PhysicsParameters", "Simulator"), _CONTRACT))

__all__ = ["PHYSX_ASSET", "SIMULATORS", "UNREAD", "Drive", "PhysicsParameters", "Simulator", "make_simulator"]
