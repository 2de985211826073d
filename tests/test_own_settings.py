"""Settings that a configuration class adds: typing errors are refused, what nobody reads is named."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
import torch
from conftest import PlainCfg, small_cfg

from legged_gym.common.errors import UserError
from legged_gym.envs import LeggedRobot, Qmini, QminiCfg, task_registry
from legged_gym.envs.base.legged_robot_config import LeggedRobotCfg, LeggedRobotCfgPPO
from legged_gym.envs.base.own_settings import LEGGED_GYM, refuse_mistakes, warn_of_unread


class Bouncy(LeggedRobot):
    def _reward_bounce(self) -> torch.Tensor:
        height = self.cfg.rewards.bounce_height
        return self.dof_vel.abs().sum(1) * height * self.cfg.bounce.shares["left"]

    def _push_robots(self) -> None:
        self.root_states[:, 12] = self.cfg.domain_rand.max_push_spin


class BouncyCfg(PlainCfg):
    class env(PlainCfg.env):
        num_envs = 2

    class bounce:
        shares = {"left": 0.5}

    class domain_rand(PlainCfg.domain_rand):
        max_push_vel_z = 0.1
        max_push_spin = 0.1

    class rewards(PlainCfg.rewards):
        bounce_height = 0.1
        bounce_heights = 0.2

        class scales(PlainCfg.rewards.scales):
            bounce = 1.0


def test_own_settings_are_legal_and_those_that_nobody_read_are_named_once(capsys: pytest.CaptureFixture[str]) -> None:
    env = Bouncy(BouncyCfg())
    for _ in range(3):
        env.step(torch.zeros(2, env.num_actions))
    warning = capsys.readouterr().err
    assert warning.count("nothing read") == 1
    assert "domain_rand.max_push_vel_z, rewards.bounce_heights" in warning
    assert "bounce_height," not in warning and "shares" not in warning and "spin" not in warning
    assert "__getattribute__" not in vars(type(env.cfg.rewards)), "reading costs nothing any more"
    env.close()


def test_nothing_is_said_where_all_is_read(capsys: pytest.CaptureFixture[str]) -> None:
    env = Qmini(small_cfg(2))
    env.step(torch.zeros(2, env.num_actions))
    assert "nothing read" not in capsys.readouterr().err
    env.close()


def rewards_with(**names: float) -> type[QminiCfg]:
    rewards = type("rewards", (QminiCfg.rewards,), names)
    return type("MyCfg", (QminiCfg,), {"rewards": rewards})


@pytest.mark.parametrize(
    ("cfg", "message"),
    [
        (rewards_with(swing_hieght=0.1), "'rewards.swing_hieght' is not read anywhere: did you mean 'rewards.swing_he"),
        (
            type("A", (QminiCfg,), {"domain_rand": type("domain_rand", (QminiCfg.domain_rand,), {"push_robot": True})}),
            "'domain_rand.push_robot' is not read anywhere: did you mean 'domain_rand.push_robots'?",
        ),
        (
            type("B", (QminiCfg,), {"controll": type("controll", (QminiCfg.control,), {})}),
            "'controll' is not read anywhere: did you mean 'control'?",
        ),
        (
            type("C", (QminiCfg,), {"asset": type("asset", (QminiCfg.asset,), {"disable_gravity": True})}),
            "'asset.disable_gravity' is legged_gym's, and not here: write 'sim.gravity",
        ),
    ],
)
def test_typing_errors_and_legged_gyms_settings_are_refused(cfg: type[QminiCfg], message: str) -> None:
    with pytest.raises(UserError) as error:
        task_registry.make_env("qmini", env_cfg=cfg())
    assert message in str(error.value)


def small_plain() -> PlainCfg:
    cfg = PlainCfg()
    cfg.env.num_envs = 1
    return cfg


def test_values_of_legged_gym_that_change_nothing_may_stay(capsys: pytest.CaptureFixture[str]) -> None:
    class Published(PlainCfg):
        class terrain(PlainCfg.terrain):
            selected = False
            restitution = 0.0

        class sim(PlainCfg.sim):
            substeps = 1
            up_axis = 1

    cfg = Published()
    cfg.env.num_envs = 1
    with contextlib.closing(LeggedRobot(cfg)) as env:
        env.step(torch.zeros(1, env.num_actions))
    assert "nothing read" not in capsys.readouterr().err
    cfg.sim.substeps = 2
    with pytest.raises(UserError, match=r"'sim\.substeps' is legged_gym's, and not here: write a smaller 'sim\.dt'"):
        LeggedRobot(cfg)


def test_trainings_are_checked_too(tmp_path: Path) -> None:
    class MyPPO(LeggedRobotCfgPPO):
        class runner(LeggedRobotCfgPPO.runner):
            algorithm_class_name = "HIMPPO"

    class Mistyped(LeggedRobotCfgPPO):
        class algorithm(LeggedRobotCfgPPO.algorithm):
            entropy_coeff = 0.1

    class Unread(LeggedRobotCfgPPO):
        class policy(LeggedRobotCfgPPO.policy):
            temperature = 0.1

    class Foreign(LeggedRobotCfgPPO):
        class algorithm(LeggedRobotCfgPPO.algorithm):
            temperature = 0.1

    env = LeggedRobot(small_plain())
    for train_cfg, message in (
        (MyPPO(), "'runner.algorithm_class_name' is legged_gym's, and not here: write 'algorithm.class_name'"),
        (Mistyped(), "'algorithm.entropy_coeff' is not read anywhere: did you mean 'algorithm.entropy_coef'?"),
        (Unread(), "'policy.temperature' is not read anywhere: valid"),
        (Foreign(), "'algorithm.temperature' is not a setting of 'rsl_rl.algorithms:PPO'"),
    ):
        with pytest.raises(UserError, match=message):
            task_registry.make_alg_runner(env, train_cfg=train_cfg, log_root=str(tmp_path))
        assert list(tmp_path.iterdir()) == []
    env.close()


def test_what_is_here_is_not_called_legged_gyms() -> None:
    known = {section.key(name) for cfg in (LeggedRobotCfg(), LeggedRobotCfgPPO()) for section, name, _ in cfg.walk()}
    assert not known & set(LEGGED_GYM)


def test_our_own_configurations_pass(capsys: pytest.CaptureFixture[str]) -> None:
    for task in task_registry.names:
        for cfg in task_registry.get_cfgs(task):
            refuse_mistakes(cfg)
            warn_of_unread(cfg, ())()
    assert capsys.readouterr().err == ""


def test_a_setting_can_not_hide_a_method() -> None:
    with pytest.raises(UserError, match=r"'rewards.check' can't have this name: every section has a 'check\(\)'"):
        rewards_with(check=1.0)()
