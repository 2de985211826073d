"""Refuses configurations that could not be simulated or trained with, before anything is made of them."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

from legged_gym.common.errors import UserError

if TYPE_CHECKING:
    from legged_gym.envs.base.base_config import BaseConfig


def validate(env_cfg: BaseConfig, train_cfg: BaseConfig) -> None:
    """Check each setting against its annotation, then the settings that have to go together.

    Raises:
        UserError: It names the key, its value and what is admissible.
    """
    values: dict[str, Any] = {}
    for cfg in (env_cfg, train_cfg):
        cfg.check()
        values.update({section.key(name): value for section, name, value in cfg.walk()})
    _check_times(values)
    _check_logger(values.get("runner.logger", "tensorboard"))
    _check_batches(values)


def _check_times(values: dict[str, Any]) -> None:
    """Refuse delays longer than a control step, as only one past step is kept, and episodes that are shorter."""
    if not {"sim.dt", "control.decimation"} <= values.keys():
        return
    step = values["control.decimation"] * values["sim.dt"]
    for key in ("domain_rand.action_delay_range", "domain_rand.observation_delay_range"):
        latest = values.get(key, (0.0, 0.0))[1]
        if latest > step + 1e-9:
            raise UserError(f"config key '{key}' takes delays up to a control step, {step:g} s, got {latest:g} s")
    seconds = values.get("env.episode_length_s", step)
    if seconds < step - 1e-9:
        raise UserError(f"config key 'env.episode_length_s' takes a control step, {step:g} s, or more, got {seconds:g}")


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
