"""What a user does to add a robot: a URDF, a configuration, and rsl_rl's own runner."""

from __future__ import annotations

from pathlib import Path

import pytest
import quadruped
import torch
from rsl_rl.runners import OnPolicyRunner

from legged_gym.envs import LeggedRobot
from legged_gym.envs.base.legged_robot_config import LeggedRobotCfg, LeggedRobotCfgPPO
from legged_gym.envs.registry import TaskRegistry
from legged_gym.runners import rsl_rl_config


class QuadrupedCfg(quadruped.QuadrupedCfg):
    class env(quadruped.QuadrupedCfg.env):
        num_envs = 8

    class rewards(LeggedRobotCfg.rewards):
        class scales(LeggedRobotCfg.rewards.scales):
            joint_speed = -0.01
            dof_pos_limits = -1.0
            dof_vel_limits = -1.0
            torque_limits = -0.1
            feet_contact_forces = -0.01
            stumble = -0.1


class Quadruped(LeggedRobot):
    def _reward_joint_speed(self) -> torch.Tensor:
        return self.dof_vel.abs().sum(1)


@pytest.mark.parametrize("mesh_type", ["plane", "heightfield"])
def test_a_quadruped_trains_with_rsl_rls_own_runner(tmp_path: Path, mesh_type: str) -> None:
    (tmp_path / "quadruped.urdf").write_text(quadruped.urdf())
    cfg, train_cfg = QuadrupedCfg(), LeggedRobotCfgPPO()
    cfg.asset.file = str(tmp_path / "quadruped.urdf")
    cfg.terrain.mesh_type = mesh_type
    cfg.terrain.num_rows, cfg.terrain.num_cols, cfg.terrain.border_size = 2, 5, 5.0
    train_cfg.policy.actor_hidden_dims = train_cfg.policy.critic_hidden_dims = [16]
    train_cfg.runner.experiment_name = "quadruped"
    registry = TaskRegistry()
    registry.register("quadruped", Quadruped, cfg, train_cfg)
    env, _ = registry.make_env("quadruped")
    assert env.dof_names[:4] == ["fl_hip", "fl_knee", "fr_hip", "fr_knee"]
    assert [env.body_names[i] for i in env.feet_indices] == ["fl_foot", "fr_foot", "rl_foot", "rr_foot"]
    assert "joint_speed" in env.reward_names
    runner = OnPolicyRunner(env, rsl_rl_config(train_cfg), str(tmp_path / "run"), "cpu")
    before = [p.clone() for p in runner.alg.actor.parameters()]
    runner.learn(2, init_at_random_ep_len=True)
    after = list(runner.alg.actor.parameters())
    assert all(torch.isfinite(p).all() for p in after)
    assert any(not torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert (tmp_path / "run" / "model_1.pt").is_file()
    env.close()


def test_a_joint_without_limits_is_free(tmp_path: Path) -> None:
    (tmp_path / "quadruped.urdf").write_text(quadruped.urdf().replace("lower='-2.6' upper='2.6' ", ""))
    cfg = QuadrupedCfg()
    cfg.asset.file, cfg.env.num_envs = str(tmp_path / "quadruped.urdf"), 1
    cfg.asset.file = str(tmp_path / "quadruped.urdf")
    env = Quadruped(cfg)
    torch.testing.assert_close(env.dof_pos, env.default_dof_pos)
    env.close()


def test_a_quadruped_stands_on_its_gains(tmp_path: Path) -> None:
    (tmp_path / "quadruped.urdf").write_text(quadruped.urdf())
    cfg = QuadrupedCfg()
    cfg.asset.file, cfg.env.num_envs = str(tmp_path / "quadruped.urdf"), 2
    env = Quadruped(cfg)
    for _ in range(100):
        env.step(torch.zeros(2, 8))
    assert (env.episode_length_buf == 100).all(), "nobody fell"
    assert (env.base_height > 0.25).all()
    assert (env.contact_forces[:, env.feet_indices, 2] > 5.0).all()
    env.close()
