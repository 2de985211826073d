"""Each reward of the base class, on one known state whose numbers are all different."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
import torch
from conftest import PlainCfg

from legged_gym.envs import LeggedRobot
from legged_gym.envs.base.legged_robot_rewards import LeggedRobotRewards


@pytest.fixture(scope="module")
def env() -> Iterator[LeggedRobot]:
    """Return a robot that walks, and one that is told to stand and does."""
    cfg = PlainCfg()
    cfg.env.num_envs, cfg.asset.fix_base_link = 2, True
    cfg.asset.terminate_after_contacts_on, cfg.asset.penalize_contacts_on = ["base"], ["hip_yaw", "knee"]
    rewards = cfg.rewards
    rewards.soft_dof_vel_limit, rewards.soft_torque_limit, rewards.base_height_target = 0.5, 0.4, 0.4
    env = LeggedRobot(cfg)
    env.commands[0, :3], env.commands[1] = torch.tensor([1.0, 0.0, 0.2]), 0.0
    env.base_lin_vel, env.base_ang_vel, env.projected_gravity = torch.zeros(3, 2, 3).unbind()
    env.base_lin_vel[0], env.base_ang_vel[0] = torch.tensor([0.4, 0.2, -0.3]), torch.tensor([0.5, -0.7, 0.1])
    env.projected_gravity[0], env.projected_gravity[1] = torch.tensor([0.1, -0.3, -0.9]), torch.tensor([0.0, 0.0, -1.0])
    env.base_height = torch.tensor([0.3, 0.4])
    names = ("torques", "dof_vel", "last_dof_vel", "actions", "last_actions", "last_last_actions")
    for name in names:
        setattr(env, name, torch.zeros(2, 10))
    env.dof_vel_limits, env.torque_limits = torch.full((10,), 5.0), torch.full((10,), 3.0)
    env.torques[0, :3] = torch.tensor([1.0, -2.0, 1.2])
    env.dof_vel[0, :3], env.last_dof_vel[0, :3] = torch.tensor([3.0, -1.0, -9.0]), torch.tensor([1.0, 0.0, -9.0])
    env.actions[0, 4], env.last_actions[0, 4], env.last_last_actions[0, 4] = 1.0, 0.5, 0.25
    low, high = env.dof_pos_limits.unbind(1)
    env.dof_pos[:] = env.default_dof_pos
    env.dof_pos[0, 0], env.dof_pos[0, 1] = low[0] - 0.1, high[1] + 0.2
    env.dof_pos[1, 2:4] += torch.tensor([0.05, -0.02])
    forces = env.contact_forces.zero_()
    left, right = env.feet_indices.tolist()
    forces[0, left], forces[0, right] = torch.tensor([90.0, 120.0, -20.0]), torch.tensor([30.0, 50.0, 60.0])
    forces[1, left] = torch.tensor([40.0, 0.0, -10.0])
    forces[0, env.penalised_contact_indices[:3], 1] = torch.tensor([-2.0, 3.0, 0.5])
    forces[1, env.termination_contact_indices] = 50.0
    env.contact_magnitudes = forces.norm(dim=-1)
    env.swing_time, env.feet_touchdown = torch.tensor([[0.9, 0.7]]).repeat(2, 1), torch.tensor([[True, False]] * 2)
    env.reset_buf, env.time_out_buf = torch.tensor([True, True]), torch.tensor([False, True])
    yield env
    env.close()


_LEFT_FOOT = math.sqrt(90.0**2 + 120.0**2 + 20.0**2)
REWARDS: dict[str, tuple[float, float]] = {
    "termination": (1.0, 0.0),
    "tracking_lin_vel": (math.exp(-(0.6**2 + 0.2**2) / 0.25), 1.0),
    "tracking_ang_vel": (math.exp(-(0.1**2) / 0.25), 1.0),
    "lin_vel_z": (0.09, 0.0),
    "ang_vel_xy": (0.25 + 0.49, 0.0),
    "orientation": (0.01 + 0.09, 0.0),
    "torques": (1.0 + 4.0 + 1.44, 0.0),
    "dof_vel": (9.0 + 1.0 + 81.0, 0.0),
    "dof_acc": ((2.0 / 0.02) ** 2 + (1.0 / 0.02) ** 2, 0.0),
    "dof_pos_limits": (0.1 + 0.2, 0.0),
    "dof_vel_limits": (0.5 + 0.0 + 1.0, 0.0),
    "torque_limits": (0.8, 0.0),
    "feet_contact_forces": (_LEFT_FOOT - 100.0, 0.0),
    "stumble": (1.0, 0.0),
    "base_height": (0.01, 0.0),
    "feet_air_time": (0.4, 0.0),
    "collision": (2.0, 0.0),
    "action_rate": (0.25, 0.0),
    "action_smoothness": (0.25**2, 0.0),
    "stand_still": (0.0, 0.07),
}


@pytest.mark.parametrize("name", REWARDS)
def test_a_reward_is_what_it_says(env: LeggedRobot, name: str) -> None:
    assert getattr(env, f"_reward_{name}")().tolist() == pytest.approx(REWARDS[name], rel=1e-5, abs=1e-6)


def test_no_reward_is_left_out() -> None:
    names = {name.removeprefix("_reward_") for name in vars(LeggedRobotRewards) if name.startswith("_reward_")}
    assert names == {*REWARDS, "feet_stumble"}, "another name of stumble"
