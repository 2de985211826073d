"""Refuses configurations that could not be simulated or trained with, before anything is made of them."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

from legged_gym.common.errors import UserError

if TYPE_CHECKING:
    from legged_gym.envs.base.base_config import BaseConfig


def validate(env_cfg: BaseConfig, train_cfg: BaseConfig) -> None:
    """Check each setting against its annotation, then the settings that have to go together.

    Args:
        env_cfg: The environment's configuration.
        train_cfg: The training's configuration.

    Raises:
        UserError: It names the key, its value and what is admissible.
    """
    values: dict[str, Any] = {}
    for cfg in (env_cfg, train_cfg):
        cfg.check()
        values.update({section.key(name): value for section, name, value in cfg.walk()})
    _check_delays(values)
    _check_episode(values)
    _check_logger(values.get("runner.logger", "tensorboard"))
    _check_batches(values)


def _check_delays(values: dict[str, Any]) -> None:
    """Only the last action and the last step's sensor values are kept for those that come late."""
    if "sim.dt" not in values or "control.decimation" not in values:
        return
    longest = values["control.decimation"] * values["sim.dt"]
    for key in ("domain_rand.action_delay_range", "domain_rand.observation_delay_range"):
        latest = values.get(key, (0.0, 0.0))[1]
        if latest > longest + 1e-9:
            raise UserError(f"config key '{key}' takes delays up to a control step, {longest:g} s, got {latest:g} s")


def _check_episode(values: dict[str, Any]) -> None:
    """Refuse episodes that are shorter than a control step."""
    if "sim.dt" not in values or "control.decimation" not in values or "env.episode_length_s" not in values:
        return
    step, seconds = values["control.decimation"] * values["sim.dt"], values["env.episode_length_s"]
    if seconds < step - 1e-9:
        raise UserError(
            f"config key 'env.episode_length_s' takes a control step, {step:g} s, or more, got {seconds:g} s"
        )


def _check_logger(logger: str) -> None:
    """Find out before the training whether the package of a logging service is there."""
    name = logger.lower()
    if name != "tensorboard" and importlib.util.find_spec(name) is None:
        raise UserError(
            f"config key 'runner.logger' is '{logger}', but the package '{name}' is not installed: pip install {name}"
        )


def _check_batches(values: dict[str, Any]) -> None:
    """Each mini-batch needs a sample."""
    keys = ("env.num_envs", "runner.num_steps_per_env", "algorithm.num_mini_batches")
    if not all(key in values for key in keys):
        return
    num_envs, num_steps, batches = (values[key] for key in keys)
    if batches > num_envs * num_steps:
        raise UserError(
            f"config key 'algorithm.num_mini_batches' must be at most env.num_envs * runner.num_steps_per_env = "
            f"{num_envs * num_steps}, got {batches}"
        )
