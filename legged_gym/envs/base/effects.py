"""Settings that others leave without effect: refused where a user gives one, named where a class writes one."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from typing import Any

from legged_gym.common.errors import UserError
from legged_gym.common.processes import world
from legged_gym.envs.base.base_config import BaseConfig
from legged_gym.envs.base.hooks import rewards_that_read

HEIGHTS = "terrain.mesh_type=heightfield or terrain.mesh_type=trimesh"
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
    HEIGHTS: (
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
_told: set[type] = set()
"""Classes that this process has been warned of."""


def without_effect(cfg: BaseConfig, keys: Iterable[str], task: type | None = None) -> Iterator[tuple[str, str]]:
    """Yield which of some settings have no effect, by their dotted names, and the rest of a sentence that says why.

    Names of another configuration are passed over. ``task`` is the class whose rewards may read them.
    """
    values, sections = flat(cfg), cfg.names()
    values["policy.class_name"] = values.get("runner.policy_class_name") or values.get("policy.class_name")
    for key in keys:
        if key.partition(".")[0] not in sections:
            continue
        for needed, beginnings in NEEDED.items():
            conditions = [condition.groups() for condition in _CONDITION.finditer(needed)]
            holds = (key == switch or _holds(values.get(switch), *rest) for switch, *rest in conditions)
            if key.startswith(beginnings) and not any(holds):
                present = dict.fromkeys(f"{switch} is {_text(values[switch])}" for switch, *_ in conditions)
                yield key, f" while {' and '.join(present)}: set {needed}"
        if key == "runner.estimator_iterations" and "estimator" not in sections:
            yield key, ": this training has no section 'estimator'"
        if key in ("policy.critic_hidden_dims", "obs_groups.critic") and "distillation" in sections:
            yield key, ": a student has no critic"
        readers = rewards_that_read(task, key) if task is not None else []
        if readers and not any(values.get(f"rewards.scales.{name}") for name in readers):
            there = any(f"rewards.scales.{name}" in values for name in readers)
            how = "set" if there else "let the task's configuration class have"
            wanted = " or ".join(f"rewards.scales.{name}" for name in readers)
            yield key, f" while its reward has no scale: {how} {wanted}"


def require_effect(cfg: BaseConfig, keys: Iterable[str], task: type | None = None) -> None:
    """Raise ``UserError`` for the first setting of :func:`without_effect`."""
    for key, why in without_effect(cfg, keys, task):
        raise UserError(f"config key '{key}' has no effect{why}")


def warn_without_effect(cfg: BaseConfig, task: type | None = None) -> None:
    """Warn, once in a process, of what a class of the user's own changes in vain, a line for each reason.

    It is judged by the class's own values, whatever was set afterwards.
    """
    cls = type(cfg)
    if cls.__module__.startswith("legged_gym.") or cls in _told or not world().is_first:
        return
    _told.add(cls)
    fresh, inherited = cls(), flat(next(base for base in cls.__mro__[1:] if issubclass(base, BaseConfig))())
    written = [key for key, value in flat(fresh).items() if value != inherited.get(key, value)]
    reasons: dict[str, list[str]] = {}
    for key, why in without_effect(fresh, written, task):
        reasons.setdefault(why, []).append(key)
    for why, in_vain in reasons.items():
        print(f"warning: {cls.__name__} sets {', '.join(in_vain)} without effect{why}", file=sys.stderr)


def flat(cfg: BaseConfig) -> dict[str, Any]:
    """Return all settings by their dotted names."""
    return {section.key(name): value for section, name, value in cfg.walk()}


def _holds(present: Any, sign: str, wanted: str) -> bool:
    if present is None:
        # A section of an algorithm of its own, which decides.
        return True
    return present > 0 if sign == ">" else _text(present) == wanted


def _text(value: Any) -> str:
    """Return a value as ``--set`` takes it."""
    return str(value).lower() if isinstance(value, bool) else str(value) or "''"
