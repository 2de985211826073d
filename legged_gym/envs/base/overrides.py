"""What the command line changes in configurations, by single arguments and ``--set``, and the check of the result."""

from __future__ import annotations

import argparse
import difflib
import importlib.util
import random
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from legged_gym.common.errors import UserError, near_names
from legged_gym.envs.base.admissible import shown
from legged_gym.simulators import SIMULATORS, UNREAD

if TYPE_CHECKING:
    from legged_gym.envs.base.base_config import BaseConfig

_OF_RUNNER = ("max_iterations", "experiment_name", "run_name", "resume", "load_run", "checkpoint", "logger")
_ARGUMENTS = {
    "num_envs": ("env", "env.num_envs"),
    "seed": ("train", "seed"),
    **{name: ("train", f"runner.{name}") for name in _OF_RUNNER},
}
"""Arguments that stand for a value of a configuration: which one, and its key."""

NEEDED: dict[str, tuple[str, ...]] = {
    "policy.class_name=ActorCriticRecurrent": ("policy.rnn_",),
    "runner.policy_class_name=''": ("policy.class_name",),
    "algorithm.schedule=adaptive": ("algorithm.desired_kl",),
    "symmetry.data_augmentation=true or symmetry.mirror_loss_coeff>0": ("symmetry.function",),
    "rnd.weight>0": ("rnd.", "obs_groups.rnd_state"),
    "runner.denoising_iterations>0": ("runner.denoising_stage",),
    "commands.curriculum=true": ("commands.max_curriculum",),
    "commands.heading_command=true": ("commands.ranges.heading",),
    "terrain.mesh_type=plane": ("env.env_spacing",),
    "terrain.mesh_type=heightfield or terrain.mesh_type=trimesh": (
        *(f"terrain.{name}" for name in (
            "border_size", "horizontal_scale", "terrain_", "num_", "platform_size", "slope_max", "roughness_max",
            "step_", "obstacle_", "hole_depth", "stone_", "gap_", "pit_", "wave_", "block_size", "beam_",
        )), "init_state.position_noise",
    ),
    "terrain.curriculum=true": ("terrain.max_init_", "terrain.max_level", "terrain.level_change_"),
    "control.actuator_network=''": ("control.control_type",),
    "noise.add_noise=true": ("noise.noise_level",),
    "domain_rand.randomize_friction=false": ("terrain.friction",),
    **{f"domain_rand.{switch}=true": tuple(f"domain_rand.{name}" for name in names) for switch, names in {
        "randomize_friction": ("friction_",),
        "randomize_base_mass": ("added_mass_",),
        "randomize_base_com": ("added_com_",),
        "randomize_joint_dynamics": ("joint_friction_", "joint_damping_", "joint_armature_"),
        "randomize_gains": ("stiffness_", "damping_", "torque_"),
        "randomize_joint_offset": ("joint_offset_",),
        "push_robots": ("push_interval_s", "push_together", "max_push_"),
    }.items()},
}  # fmt: skip
"""What has to be set for others, or for all whose names begin so, to have an effect."""
_CONDITION = re.compile(r"([\w.]+)([=>])(\S+)")
_INSTEAD = {"env.num_envs_gpu": "env.num_envs", "runner.num_learning_epochs_cpu": "algorithm.num_learning_epochs"}
"""Settings that a new training has followed before it reads ``--set``, and what to set in their places."""


def update_cfg_from_args(
    env_cfg: BaseConfig, train_cfg: BaseConfig, args: argparse.Namespace, are_final: bool = True
) -> tuple[BaseConfig, BaseConfig]:
    """Carry the command line's values into both configurations, in place, and return both; ``--set`` comes last.

    ``are_final``: nobody changes settings afterwards, so that those without effect are refused.

    Raises:
        UserError: An unknown key, one that has no effect with ``args.sim``, or a value that does not fit.
    """
    configs = {"env": env_cfg, "train": train_cfg}
    told = {}
    for name, (owner, key) in _ARGUMENTS.items():
        value = getattr(args, name, None)
        if value is not None:
            configs[owner].set(key, value)
            told[owner, key] = str(value)
    for override in args.overrides:
        _apply_override(override, configs, told)
    for _, key in told:
        _require_reader(key, getattr(args, "sim", None))
    if are_final:
        require_effect([key for _, key in told], env_cfg, train_cfg)
    validate(env_cfg, train_cfg)
    # So that a run's configuration says what it became.
    if train_cfg.to_dict().get("seed") == -1:
        train_cfg.set("seed", random.SystemRandom().randrange(10_000))
    return env_cfg, train_cfg


def _apply_override(override: str, configs: dict[str, BaseConfig], told: dict[tuple[str, str], str]) -> None:
    """Set ``key=value``, unless told otherwise, in the first configuration with the key; ``env.`` may name one."""
    key, equals, value = override.partition("=")
    if not (key and equals):
        raise UserError(f"--set takes KEY=VALUE, got '{override}'")
    keys = {owner: set(_keys(cfg.to_dict())) for owner, cfg in configs.items()}
    for owner, cfg in configs.items():
        for candidate in (key, key.removeprefix(f"{owner}.")):
            if candidate in keys[owner]:
                cfg.set(candidate, value)
                before = told.setdefault((owner, candidate), value)
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


def require_effect(keys: Iterable[str], env_cfg: BaseConfig, train_cfg: BaseConfig) -> None:
    """Raise ``UserError`` for the first of some settings, by their dotted names, that others leave without effect."""
    values = _values(env_cfg, train_cfg)
    sections = {name.partition(".")[0] for name in values}
    for key in keys:
        for needed, beginnings in NEEDED.items():
            conditions = [condition.groups() for condition in _CONDITION.finditer(needed)]
            holds = (key == switch or _holds(values.get(switch), *rest) for switch, *rest in conditions)
            if key.startswith(beginnings) and not any(holds):
                present = dict.fromkeys(f"{switch} is {_text(values[switch])}" for switch, *_ in conditions)
                raise UserError(f"config key '{key}' has no effect while {' and '.join(present)}: set {needed}")
        if key == "runner.estimator_iterations" and "estimator" not in sections:
            raise UserError(f"config key '{key}' has no effect: this training has no section 'estimator'")
        if key in ("policy.critic_hidden_dims", "obs_groups.critic") and "distillation" in sections:
            raise UserError(f"config key '{key}' has no effect: a student has no critic")


def _holds(present: Any, sign: str, wanted: str) -> bool:
    if present is None:
        # A section of an algorithm of its own, which decides.
        return True
    return present > 0 if sign == ">" else _text(present) == wanted


def _text(value: Any) -> str:
    """Return a value as ``--set`` takes it."""
    return str(value).lower() if isinstance(value, bool) else str(value) or "''"


def _values(env_cfg: BaseConfig, train_cfg: BaseConfig) -> dict[str, Any]:
    """Return all settings by their dotted names, the class of the policy in one place."""
    values = {section.key(name): value for cfg in (env_cfg, train_cfg) for section, name, value in cfg.walk()}
    values["policy.class_name"] = values["runner.policy_class_name"] or values["policy.class_name"]
    return values


def _keys(values: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for name, value in values.items():
        yield f"{prefix}{name}"
        if isinstance(value, dict):
            yield from _keys(value, f"{prefix}{name}.")


def _near_keys(key: str, keys: Sequence[str]) -> str:
    """Name the likeliest keys: alike as a whole, else with an alike last part."""
    whole = difflib.get_close_matches(key, keys, n=3)
    if whole:
        return near_names(key, whole)
    last = {k.rpartition(".")[2]: k for k in keys}
    close = difflib.get_close_matches(key.rpartition(".")[2], last, n=3)
    if close:
        return "did you mean " + " or ".join(f"'{last[name]}'" for name in close) + "?"
    return near_names("", {k.partition(".")[0] for k in keys})


def validate(env_cfg: BaseConfig, train_cfg: BaseConfig) -> None:
    """Raise ``UserError`` for settings that their annotations do not admit, or that do not go together."""
    for cfg in (env_cfg, train_cfg):
        cfg.check()
    values = _values(env_cfg, train_cfg)
    _check_times(values)
    name = values["runner.logger"].lower()
    if name != "tensorboard" and importlib.util.find_spec(name) is None:
        raise UserError(
            f"config key 'runner.logger' is '{values['runner.logger']}', but the package '{name}' is not installed: "
            f"pip install {name}"
        )
    # Each mini-batch needs a sample; a student's training has none.
    batches = values.get("algorithm.num_mini_batches", 1)
    samples = values["env.num_envs"] * values["runner.num_steps_per_env"]
    if batches > samples:
        raise UserError(
            "config key 'algorithm.num_mini_batches' must be at most env.num_envs * runner.num_steps_per_env = "
            f"{samples}, got {batches}"
        )


def _check_times(values: dict[str, Any]) -> None:
    """Refuse delays longer than a control step, as only one past step is kept, and episodes that are shorter."""
    step = values["control.decimation"] * values["sim.dt"]
    for key in ("domain_rand.action_delay_range", "domain_rand.observation_delay_range"):
        latest = values[key][1]
        if latest > step + 1e-9:
            raise UserError(f"config key '{key}' takes delays up to a control step, {step:g} s, got {latest:g} s")
    seconds = values["env.episode_length_s"]
    if seconds < step - 1e-9:
        raise UserError(f"config key 'env.episode_length_s' takes a control step, {step:g} s, or more, got {seconds:g}")
