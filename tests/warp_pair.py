"""The same robots on MuJoCo Warp and on MuJoCo C, to be compared: on the GPU where there is one."""

from __future__ import annotations

import os

import mujoco
import numpy as np
import torch
from conftest import small_cfg

from legged_gym.simulators import PhysicsParameters
from legged_gym.simulators.mujoco_sim import MujocoSimulator
from legged_gym.simulators.warp_sim import WarpSimulator

DEVICE = os.environ.get("WARP_TEST_DEVICE", "cuda:0" if torch.cuda.is_available() else "cpu")
N = 6

Pair = tuple[WarpSimulator, MujocoSimulator]


def parameters(device: str, n: int = N) -> PhysicsParameters:
    generator = torch.Generator().manual_seed(3)

    def uniform(low: float, high: float, *shape: int) -> torch.Tensor:
        return (low + (high - low) * torch.rand(*shape, generator=generator)).to(device)

    return PhysicsParameters(
        friction=uniform(0.2, 1.2, n),
        added_mass=uniform(-1.0, 3.0, n),
        added_com=uniform(-0.02, 0.02, n, 3),
        joint_friction=uniform(0.0, 0.01, n, 10),
        joint_damping=uniform(0.0, 0.01, n, 10),
        joint_armature=uniform(1e-3, 1e-2, n, 10),
    )


def prepare(pair: Pair) -> None:
    for sim in pair:
        sim.set_parameters(parameters(sim.device))
        sim.set_drive_damping(torch.full((N, sim.num_dof), 0.8, device=sim.device))


def place(pair: Pair, root: torch.Tensor, dof_pos: torch.Tensor, dof_vel: torch.Tensor) -> None:
    for sim in pair:
        everyone = torch.ones(N, dtype=torch.bool, device=sim.device)
        sim.set_state(everyone, *(x.to(sim.device) for x in (root, dof_pos, dof_vel)))


def crouch(pair: Pair, seed: int, steps: int = 40) -> None:
    """Let the C robots fall onto their feet and give both back-ends the state in which that ends."""
    torch.manual_seed(seed)
    c_sim = pair[1]
    root = torch.zeros(N, 13)
    root[:, 0], root[:, 1] = torch.linspace(2.0, 8.0, N), 3.0
    root[:, 2], root[:, 6] = 0.43 + highest_ground(c_sim, root[:, :2]), 1.0
    root[:, 7:] = 0.2 * torch.randn(N, 6)
    angles = stance(c_sim) + 0.05 * torch.randn(N, c_sim.num_dof)
    place(pair, root, angles, torch.zeros_like(angles))
    for step in range(steps):
        c_sim.step(drive(c_sim), refresh=step == steps - 1)
    place(pair, c_sim.root_states.clone(), c_sim.dof_pos.clone(), c_sim.dof_vel.clone())


def highest_ground(sim: MujocoSimulator, places: torch.Tensor) -> torch.Tensor:
    """Return how high the ground rises within 0.2 m of some places, (n, 2), away from the world's origin, m."""
    model = sim.scene.model
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    grid = np.linspace(-0.2, 0.2, 9)
    above, down, touched = 10.0, np.array([0.0, 0.0, -1.0]), np.zeros(1, dtype=np.int32)

    def height(x: float, y: float) -> float:
        return above - mujoco.mj_ray(model, data, np.array([x, y, above]), down, None, 1, -1, touched)

    return torch.tensor([max(height(x + dx, y + dy) for dx in grid for dy in grid) for x, y in places.tolist()])


def stance(sim: MujocoSimulator | WarpSimulator) -> torch.Tensor:
    angles = small_cfg().init_state.default_joint_angles
    return torch.tensor([[angles[name] for name in sim.dof_names]], device=sim.device)


def drive(sim: MujocoSimulator | WarpSimulator) -> torch.Tensor:
    return 40.0 * (stance(sim) - sim.dof_pos) - 0.8 * sim.dof_vel


def close(ours: torch.Tensor, reference: torch.Tensor, atol: float, rtol: float = 0.0) -> None:
    torch.testing.assert_close(ours.cpu(), reference, atol=atol, rtol=rtol)
