"""Applies the command line's arguments and ``--set`` to configurations, and checks the result."""

from __future__ import annotations

import argparse
import difflib
import importlib.util
import random
from collections.abc import Iterator, Sequence
from typing import Any

from legged_gym.common.errors import UserError, near_names
from legged_gym.envs.base.admissible import shown
from legged_gym.envs.base.base_config import BaseConfig
from legged_gym.envs.base.effects import flat, require_effect
from legged_gym.simulators import SIMULATORS, UNREAD

_OF_RUNNER = ("max_iterations", "experiment_name", "run_name", "resume", "load_run", "checkpoint", "logger")
_ARGUMENTS = {
    "num_envs": ("env", "env.num_envs"),
    "seed": ("train", "seed"),
    **{name: ("train", f"runner.{name}") for name in _OF_RUNNER},
}
"""Arguments that set a value of a configuration, with the value's key."""

_INSTEAD = {"env.num_envs_gpu": "env.num_envs", "runner.num_learning_epochs_cpu": "algorithm.num_learning_epochs"}
"""Settings that a new training uses before it reads ``--set``, and what to set instead."""


def update_cfg_from_args(
    env_cfg: BaseConfig, train_cfg: BaseConfig, args: argparse.Namespace, task: type | None = None
) -> tuple[BaseConfig, BaseConfig]:
    """Write the command line's values into both configurations, in place, and return both. ``--set`` comes last.

    ``task``: the task's class, whose code says which rewards read a setting.

    Raises:
        UserError: A key is unknown or has no effect with ``args.sim`` or other settings, or a value is not valid.
    """
    configs = {"env": env_cfg, "train": train_cfg}
    told: dict[str, str] = {}
    for name, (owner, key) in _ARGUMENTS.items():
        value = getattr(args, name, None)
        if value is not None:
            configs[owner].set(key, value)
            told[key] = str(value)
    for override in args.overrides:
        _apply_override(override, configs, told)
    for key in told:
        _require_reader(key, getattr(args, "sim", None))
    for cfg in configs.values():
        require_effect(cfg, told, task)
    validate(env_cfg, train_cfg)
    # So that a run's configuration has the real value.
    if train_cfg.to_dict().get("seed") == -1:
        train_cfg.set("seed", random.SystemRandom().randrange(10_000))
    return env_cfg, train_cfg


def _apply_override(override: str, configs: dict[str, BaseConfig], told: dict[str, str]) -> None:
    """Set ``key=value`` in the first configuration with the key, or in the one that a prefix such as ``env.`` names."""
    key, equals, value = override.partition("=")
    if not (key and equals):
        raise UserError(f"--set takes KEY=VALUE, got '{override}'")
    keys = {owner: set(_keys(cfg.to_dict())) for owner, cfg in configs.items()}
    for owner, cfg in configs.items():
        for candidate in (key, key.removeprefix(f"{owner}.")):
            if candidate in keys[owner]:
                cfg.set(candidate, value)
                before = told.setdefault(candidate, value)
                if before != value:
                    values = f"{shown(before)} and {shown(value)}"
                    raise UserError(f"config key '{candidate}' is given twice, as {values}: give it once")
                return
    raise UserError(f"unknown config key '{key}': {_near_keys(key, [k for group in keys.values() for k in group])}")


def _require_reader(key: str, sim: str | None) -> None:
    """Refuse a setting that the chosen simulator does not read."""
    blind = [name for name, keys in UNREAD.items() if key.startswith(keys)]
    if sim in blind:
        readers = " or ".join(name for name in SIMULATORS if name not in blind)
        raise UserError(f"config key '{key}' has no effect with --sim={sim}, only with {readers}")
    if key in _INSTEAD:
        raise UserError(f"config key '{key}' has no effect on the command line: set {_INSTEAD[key]}")


def set_keys(args: argparse.Namespace) -> list[str]:
    """Return the keys that ``--set`` names, without the prefix ``env.`` or ``train.``."""
    return [override.partition("=")[0].removeprefix("train.").removeprefix("env.") for override in args.overrides]


def _keys(values: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for name, value in values.items():
        yield f"{prefix}{name}"
        if isinstance(value, dict):
            yield from _keys(value, f"{prefix}{name}.")


def _near_keys(key: str, keys: Sequence[str]) -> str:
    """Suggest similar keys: similar as a whole, otherwise in the last part."""
    whole = difflib.get_close_matches(key, keys, n=3)
    if whole:
        return near_names(key, whole)
    last = {k.rpartition(".")[2]: k for k in keys}
    close = difflib.get_close_matches(key.rpartition(".")[2], last, n=3)
    if close:
        return "did you mean " + " or ".join(f"'{last[name]}'" for name in close) + "?"
    return near_names("", {k.partition(".")[0] for k in keys})


def validate(env_cfg: BaseConfig, train_cfg: BaseConfig) -> None:
    """Raise ``UserError`` for settings that their annotations don't allow, or that don't fit together."""
    for cfg in (env_cfg, train_cfg):
        cfg.check()
    values = flat(env_cfg) | flat(train_cfg)
    _check_times(values)
    name = values["runner.logger"].lower()
    if name != "tensorboard" and importlib.util.find_spec(name) is None:
        raise UserError(
            f"config key 'runner.logger' is '{values['runner.logger']}', but the package '{name}' is not installed: "
            f"pip install {name}"
        )
    # Each mini-batch needs a sample. A student's training has no mini-batches.
    batches = values.get("algorithm.num_mini_batches", 1)
    samples = values["env.num_envs"] * values["runner.num_steps_per_env"]
    if batches > samples:
        raise UserError(
            "config key 'algorithm.num_mini_batches' must be at most env.num_envs * runner.num_steps_per_env = "
            f"{samples}, got {batches}"
        )


def _check_times(values: dict[str, Any]) -> None:
    """Refuse delays longer than a control step, because only one past step is kept, and episodes that are shorter."""
    step = values["control.decimation"] * values["sim.dt"]
    for key in ("domain_rand.action_delay_range", "domain_rand.observation_delay_range"):
        latest = values[key][1]
        if latest > step + 1e-9:
            raise UserError(f"config key '{key}' takes delays up to a control step, {step:g} s, got {latest:g} s")
    seconds = values["env.episode_length_s"]
    if seconds < step - 1e-9:
        raise UserError(f"config key 'env.episode_length_s' takes a control step, {step:g} s, or more, got {seconds:g}")
