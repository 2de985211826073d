"""Refuses configurations that could not be simulated or trained with, before anything is made of them."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from legged_gym.common.errors import UserError, near_names

if TYPE_CHECKING:
    from legged_gym.envs.base.base_config import BaseConfig

_COUNTS = (
    "env.num_envs", "env.num_envs_gpu", "env.history_length", "env.log_interval", "control.decimation",
    "sim.solver_iterations", "sim.physx.substeps", "sim.physx.num_position_iterations",
    "runner.max_iterations", "runner.num_steps_per_env", "runner.save_interval",
    "policy.actor_hidden_dims", "policy.critic_hidden_dims", "algorithm.num_mini_batches",
    "algorithm.num_learning_epochs",
    "estimator.hidden_dims", "estimator.decay_iterations", "estimator.batch_size", "estimator.num_epochs",
)  # fmt: skip
"""Settings that are 1 or more; of lists, every item."""

_DURATIONS = (
    "sim.dt", "env.episode_length_s", "gait.period", "commands.resampling_time", "domain_rand.push_interval_s",
    "sim.physx.time_out",
)  # fmt: skip
"""Settings in seconds, above 0."""

_ACTIVATIONS = (
    "elu", "selu", "relu", "crelu", "lrelu", "tanh", "sigmoid", "softplus", "gelu", "swish", "mish", "identity",
)  # fmt: skip
_CHOICES = {
    "algorithm.schedule": ("adaptive", "fixed"),
    "policy.activation": _ACTIVATIONS,
    "estimator.activation": _ACTIVATIONS,
    "runner.logger": ("tensorboard", "wandb", "neptune"),
    "sim.physx.velocities_of": ("com", "link"),
}
_IN_ANY_CASE = ("policy.activation", "estimator.activation", "runner.logger")
"""Settings whose readers take capitals for small letters."""


def validate(env_cfg: BaseConfig, train_cfg: BaseConfig) -> None:
    """Check the values that both configurations hold; settings that a task does not have are passed over.

    Args:
        env_cfg: The environment's configuration.
        train_cfg: The training's configuration.

    Raises:
        UserError: It names the key, its value and what is valid.
    """
    values = {**dict(_flat(env_cfg.to_dict())), **dict(_flat(train_cfg.to_dict()))}
    _check(values, _COUNTS, lambda value: value >= 1, "at least 1")
    _check(values, _DURATIONS, lambda value: 0 < value < math.inf, "above 0 s")
    _check(values, ("sim.physx.solver_type",), lambda value: value in (0, 1), "0 (PGS) or 1 (TGS)")
    _check(values, ("sim.physx.contact_collection",), lambda value: value in (0, 1, 2), "0, 1 or 2")
    _check(values, ("runner.num_learning_epochs_cpu",), lambda value: value >= 0, "0 or more")
    _check(values, ("asset.terminate_past_tilt",), lambda value: 0 <= value <= 180, "0 to 180 degrees")
    for key, value in values.items():
        if _is_range(key, value) and not value[0] <= value[1]:
            raise UserError(f"config key '{key}' must be [lowest, highest], got {value}")
    for key, choices in _CHOICES.items():
        value = values.get(key)
        if value is not None and (value.lower() if key in _IN_ANY_CASE else value) not in choices:
            raise UserError(f"config key '{key}' can't be '{value}': {near_names(value, choices)}")
    _check_delays(values)
    _check_logger(values.get("runner.logger", "tensorboard"))
    _check_batches(values)


def _flat(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the dotted names of all values that are no dicts, with them."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _is_range(key: str, value: Any) -> bool:
    """Return whether a setting is called a range and holds two numbers."""
    called = ".ranges." in key or "_range" in key.rpartition(".")[2]
    return called and isinstance(value, list | tuple) and len(value) == 2


def _check(values: dict[str, Any], keys: tuple[str, ...], valid: Callable[[Any], bool], expected: str) -> None:
    for key in keys:
        value = values.get(key)
        items = value if isinstance(value, list | tuple) else [value]
        if value is not None and not all(map(valid, items)):
            raise UserError(f"config key '{key}' must be {expected}, got {value}")


def _check_delays(values: dict[str, Any]) -> None:
    """Only the last action and the last step's sensor values are kept for those that come late."""
    if "sim.dt" not in values or "control.decimation" not in values:
        return
    longest = values["control.decimation"] * values["sim.dt"]
    for key in ("domain_rand.action_delay_range", "domain_rand.observation_delay_range"):
        low, high = values.get(key, (0.0, 0.0))
        if not 0.0 <= low <= high <= longest + 1e-9:
            raise UserError(
                f"config key '{key}' must lie between 0 and a control step, {longest:g} s, got {[low, high]}"
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
