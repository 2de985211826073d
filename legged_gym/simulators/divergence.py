"""States that no robot can be in: every back-end finds them by the same limits and names the same causes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from legged_gym.simulators.simulator import Simulator

CAUSES = ("not_finite", "linear_velocity", "angular_velocity", "joint_velocity", "contact_force")
"""Why a simulation diverged: a value became infinite or not a number, or it passed the limit of this name."""


def find_divergence(limits: Any, sim: Simulator) -> torch.Tensor:
    """Return why each robot's state is none that it can be in, int32, (N,): 0, or one more than an index of CAUSES."""
    root, links, forces = sim.root_states, sim.rigid_body_states, sim.contact_forces
    # What is not finite does not hide in a sum.
    parts = (root, sim.dof_pos, sim.dof_vel, links, forces)
    total = torch.stack([part.flatten(1).sum(1) for part in parts], dim=1).sum(1)
    excess = (
        ~total.isfinite(),
        (links[..., 7:10].square().sum(-1) > limits.max_linear_velocity**2).any(dim=1),
        root[:, 10:13].norm(dim=1) > limits.max_angular_velocity,
        (sim.dof_vel.abs() > limits.max_joint_velocity).any(dim=1),
        (forces.square().sum(-1) > limits.max_contact_force**2).any(dim=1),
    )
    cause = torch.zeros(sim.num_envs, dtype=torch.int32, device=root.device)
    for number, mask in reversed(list(enumerate(excess, 1))):
        cause = cause.masked_fill(mask, number)
    return cause
