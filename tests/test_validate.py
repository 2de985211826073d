"""Configurations that can't be used are refused before anything is made."""

from __future__ import annotations

import pytest
from rsl_rl.utils import resolve_nn_activation

from legged_gym.common.errors import UserError
from legged_gym.envs import QminiCfg, QminiCfgPPO
from legged_gym.envs.base import validate as module
from legged_gym.envs.base.legged_robot_config import LeggedRobotCfg, LeggedRobotCfgPPO
from legged_gym.envs.base.validate import validate


def test_what_is_registered_is_valid() -> None:
    validate(QminiCfg(), QminiCfgPPO())
    validate(LeggedRobotCfg(), LeggedRobotCfgPPO())


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        *((f"env.{name}", 0, "at least 1, got 0") for name in ("num_envs", "history_length", "log_interval")),
        ("control.decimation", 0, "at least 1, got 0"),
        ("sim.dt", 0.0, "above 0 s, got 0.0"),
        ("sim.dt", float("nan"), "above 0 s, got nan"),
        ("env.episode_length_s", -1.0, "above 0 s, got -1.0"),
        ("gait.period", 0.0, "above 0 s, got 0.0"),
        ("commands.resampling_time", 0.0, "above 0 s, got 0.0"),
        ("domain_rand.push_interval_s", float("inf"), "above 0 s, got inf"),
        ("commands.ranges.lin_vel_x", [0.5, 0.4], r"\[lowest, highest\], got \[0.5, 0.4\]"),
        ("domain_rand.added_com_range_x", [0.1, 0.0], r"\[lowest, highest\], got \[0.1, 0.0\]"),
        ("sim.physx.solver_type", 2, r"0 \(PGS\) or 1 \(TGS\), got 2"),
        ("domain_rand.friction_range", [0.1, float("nan")], r"\[lowest, highest\], got \[0.1, nan\]"),
    ],
)
def test_environments_that_cannot_be(key: str, value: object, message: str) -> None:
    cfg = QminiCfg()
    cfg.set(key, value)
    with pytest.raises(UserError, match=rf"^config key '{key}' must be {message}$"):
        validate(cfg, QminiCfgPPO())


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("runner.max_iterations", 0, "at least 1, got 0"),
        ("runner.num_steps_per_env", 0, "at least 1, got 0"),
        ("runner.save_interval", 0, "at least 1, got 0"),
        ("algorithm.num_mini_batches", 0, "at least 1, got 0"),
        ("algorithm.num_learning_epochs", -2, "at least 1, got -2"),
        *((f"estimator.{name}", 0, "at least 1, got 0") for name in ("decay_iterations", "batch_size", "num_epochs")),
        ("policy.actor_hidden_dims", [8, 0], "at least 1, got"),
        ("algorithm.schedule", "adaptiv", "did you mean 'adaptive'?"),
        ("algorithm.schedule", "Adaptive", "did you mean 'adaptive'?"),
        ("policy.activation", "rely", "did you mean 'relu'"),
        ("estimator.activation", "rely", "did you mean 'relu'"),
        ("runner.logger", "tensorbord", "did you mean 'tensorboard'?"),
        ("algorithm.num_mini_batches", 256 * 24 + 1, "at most env.num_envs * runner.num_steps_per_env = 6144"),
    ],
)
def test_trainings_that_cannot_be(key: str, value: object, message: str) -> None:
    cfg = QminiCfgPPO()
    cfg.set(key, value)
    with pytest.raises(UserError) as error:
        validate(QminiCfg(), cfg)
    assert str(error.value).startswith(f"config key '{key}' ")
    assert message in str(error.value)


def test_a_logging_service_needs_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    cfg = QminiCfgPPO()
    cfg.runner.logger = "wandb"
    with pytest.raises(UserError, match="package 'wandb' is not installed: pip install wandb"):
        validate(QminiCfg(), cfg)


def test_names_are_taken_as_their_readers_take_them() -> None:
    cfg, train_cfg = QminiCfg(), QminiCfgPPO()
    train_cfg.policy.activation, train_cfg.runner.logger = "ELU", "TensorBoard"
    validate(cfg, train_cfg)
    cfg.sim.physx.velocities_of = "LINK"
    with pytest.raises(UserError, match=r"'sim.physx.velocities_of' can't be 'LINK': valid: com, link"):
        validate(cfg, train_cfg)


def test_activations_are_those_of_rsl_rl() -> None:
    for name in module._ACTIVATIONS:
        resolve_nn_activation(name)
