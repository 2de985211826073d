"""What a trained policy is on the robot: two networks and the controller's figures, read from an exported folder."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, Gt, Le, Len, MinLen

from legged_gym.common.controller_rules import TILT_LIMIT
from legged_gym.common.errors import UserError, near_names
from legged_gym.common.labels import LabelLayout
from legged_gym.common.yaml_text import read_yaml
from legged_gym.envs.base.admissible import (
    AngleNoise,
    ConfigError,
    Damping,
    Factor,
    Force,
    Inertia,
    Rule,
    Speed,
    SpeedRange,
    Stiffness,
    Torque,
    check,
    describe,
    shown,
)
from legged_gym.envs.base.legged_robot_config import LeggedRobotCfg
from legged_gym.envs.base.name_matching import joint_values
from legged_gym.envs.qmini.qmini_config import QminiCfg
from legged_gym.policies.finder import ACTOR_FILE, CONTROLLER_FILE, ESTIMATOR_FILE
from legged_gym.policies.networks import OnnxNet, only_file

_JOINTS = ("hip_yaw", "hip_roll", "hip_pitch", "knee_pitch", "ankle_pitch")

BUILT_IN: dict[str, Any] = {
    "joint_names": [f"{joint}_{side}" for side in "lr" for joint in _JOINTS],
    "foot_names": ["ankle_pitch_l", "ankle_pitch_r"],
    "control_dt": 0.02,
    "action_scale": 0.25,
    "history_length": 5,
    "observation_terms": [
        "base_ang_vel", "projected_gravity", "commands", "dof_pos", "dof_vel", "actions", "gait_clock",
    ],
    "observation_scales": [0.25, 1.0, [2.0, 2.0, 0.25], 1.0, 0.05, 1.0, 1.0],
    "velocity_scale": 2.0,
    "labels": "published",
    "actor_input": ["observation", "estimator output"],
    "observation_noise": {"base_ang_vel": 0.2, "projected_gravity": 0.05, "dof_pos": 0.01, "dof_vel": 1.5},
    "start_noise": {
        "dof_pos": [0.1, 0.1, 0.2, 0.2, 0.2] * 2, "velocity": 0.1, "orientation": 0.1
    },
    "body": {
        "collapse_fixed_joints": True, "replace_cylinder_with_capsule": True, "balance_inertia": False,
        "density": 0.001, "armature": 0.0,
    },
    "joint_dynamics": {},
    "foot_contact_force": 2.0,
    "contact_force_threshold": 1.0,
    "fall_protection_tilt": TILT_LIMIT,
}  # fmt: skip
"""What Qmini's controller has built in: it counts where the YAML has no section ``Policy`` that says otherwise."""


@dataclass(frozen=True)
class ControllerConfig:
    """Figures of the controller, SI units and radians; D joints, L legs."""

    joint_names: list[str]
    foot_names: list[str]
    """Links that touch the ground, in the order of the estimator's contacts."""
    body: dict[str, float]
    """Settings of training's ``asset`` that decide what the robot's file becomes."""
    joint_dynamics: dict[str, tuple[float, ...]]
    """Middle of what training draws for ``joint_armature``, kg·m², ``joint_damping``, N·m·s/rad, and
    ``joint_friction``, N·m, each (D,); what is missing is as in :class:`~legged_gym.deploy.world.WorldSettings`."""
    stand_angles: np.ndarray
    """Pose that the robot stands up into, (D,)."""
    stand_kp: np.ndarray
    """Gains of standing up, N·m/rad, (D,)."""
    stand_kd: np.ndarray
    """N·m·s/rad, (D,)."""
    default_angles: np.ndarray
    """Pose at action zero, (D,)."""
    kp: np.ndarray
    """N·m/rad, (D,)."""
    kd: np.ndarray
    """N·m·s/rad, (D,)."""
    gait_period: float | None
    """Seconds; None if the policy has no gait clock."""
    gait_offsets: np.ndarray
    """By how much each leg's phase leads the clock's, in periods, (L,)."""
    low_vel_thresholds: np.ndarray
    """A component of the command up to this is taken as zero, m/s, m/s, rad/s, (3,)."""
    command_ranges: np.ndarray
    """Least and greatest command that the robot's user can give, m/s, m/s, rad/s, (3, 2)."""
    trained_ranges: np.ndarray
    """Least and greatest trained command, (3, 2); the same where the file does not tell."""
    control_dt: float
    """Time between two actions."""
    action_scale: float
    """Target angle = default angle + this · action."""
    history_length: int
    """Steps in an observation, the newest first."""
    observation_terms: list[str]
    observation_scales: list[np.ndarray]
    """One number, or one for each component, of each term."""
    observation_noise: dict[str, float]
    """Largest sensor noise in training, ±, in the units of the terms that have any."""
    start_noise: dict[str, Any]
    """Of training's first states: ``dof_pos``, (D,), rad; ``velocity``, m/s and rad/s; ``orientation``, rad."""
    foot_contact_force: float
    """A foot touches when its contact force is above this, N."""
    contact_force_threshold: float
    """A link other than a foot touches above this, N."""
    fall_protection_tilt: float
    """Roll or pitch past which all joints are damped, rad."""
    actor_input: list[str]
    """What the actor reads: the observation and, perhaps, the estimator's output."""
    labels: LabelLayout | None
    """What the estimator says; None if there is none."""


@dataclass(frozen=True)
class PolicyFiles:
    """An exported policy, loaded."""

    folder: str
    config: ControllerConfig
    estimator: OnnxNet | None
    actor: OnnxNet

    def replay(self, observations: np.ndarray) -> np.ndarray:
        """Return the actions, (T, D), for what a robot observed in T steps from an episode's start, float32, (T, O)."""
        if self.estimator is not None:
            observations = np.concatenate((observations, self.estimator(observations)[0]), axis=1)
        if not self.actor.memory:
            return self.actor(observations)[0]
        actions, memory = [], None
        for row in observations:
            answer, memory = self.actor(row[None], memory)
            actions.append(answer)
        return np.concatenate(actions)


def load_policy(folder: str | os.PathLike[str]) -> PolicyFiles:
    """Load ``*_estimator.onnx``, ``*_actor.onnx`` and ``*_controller.yaml``.

    Args:
        folder: Where they lie, as ``export.py`` writes them.

    Raises:
        UserError: A file is missing, damaged or does not fit the others; the message names it.
    """
    path = Path(folder)
    if not path.is_dir():
        raise UserError(f"no folder '{path}' with an exported policy")
    config = read_controller_config(only_file(path, CONTROLLER_FILE))
    unknown = [name for name in config.actor_input if name not in BUILT_IN["actor_input"]]
    if unknown:
        raise UserError(f"'{path}': the actor reads '{unknown[0]}', which a robot can't measure: distil it first")
    if (BUILT_IN["actor_input"][1] in config.actor_input) != (config.labels is not None):
        raise UserError(f"'{path}': Policy.actor_input and Policy.labels don't agree on whether there is an estimator")
    estimator = OnnxNet(only_file(path, ESTIMATOR_FILE)) if config.labels is not None else None
    return PolicyFiles(str(path), config, estimator, OnnxNet(only_file(path, ACTOR_FILE)))


def has_estimator(folder: Path) -> bool:
    """Return whether the policy in a folder has an estimator, as the controller's file says; without one it has."""
    files = list(folder.glob(f"*{CONTROLLER_FILE}"))
    return len(files) != 1 or read_controller_config(files[0]).labels is not None


def read_controller_config(path: Path) -> ControllerConfig:
    """Read the controller's YAML.

    Raises:
        UserError: A key is missing or its value does not fit; the message names file, key and what is valid.
    """
    content = read_yaml(path)
    walk = _Section(path, content, "FSMState_Walk")
    stand = _Section(path, content, "FSMState_StandUp")
    keys = [f"{name}_range" for name in ("lin_vel_x", "lin_vel_y", "ang_vel_yaw")]
    ranges = [np.array(walk.take(key, SpeedRange)) for key in keys]
    trained = {key: value.tolist() for key, value in zip(keys, ranges, strict=True)}
    policy = _Section(path, content, "Policy", {**BUILT_IN, **trained})
    if "torque_law" in policy:
        raise UserError(f"{path}: 'Policy.torque_law': the robot's controller only aims at angles with gains")
    asset: Any = LeggedRobotCfg().asset
    joints = policy.names("joint_names")
    count = len(joints)
    terms = policy.names("observation_terms")
    clock = "gait_clock" in terms
    dynamics = policy.part(
        "joint_dynamics",
        {f"joint_{name}": _list_of(kind, count) for name, kind in _DYNAMICS.items()},
        built_in=_rotors(joints) if joints == BUILT_IN["joint_names"] else {},
    )
    return ControllerConfig(
        joint_names=joints,
        foot_names=policy.names("foot_names"),
        body=policy.part("body", {name: asset.annotation(name) for name in BUILT_IN["body"]}),
        joint_dynamics={name: tuple(values) for name, values in dynamics.items()},
        stand_angles=stand.numbers("joint_standup_q", count, _Angle),
        stand_kp=stand.numbers("joint_kp", count, Stiffness),
        stand_kd=stand.numbers("joint_kd", count, Damping),
        default_angles=walk.numbers("default_joint_angles", count, _Angle),
        kp=walk.numbers("joint_kp", count, Stiffness),
        kd=walk.numbers("joint_kd", count, Damping),
        gait_period=walk.positive("gait_period", 100) if clock or "gait_period" in walk else None,
        gait_offsets=walk.numbers("gait_offsets", kind=_Phase)
        if "gait_clock" in terms or "gait_offsets" in walk
        else np.zeros(0),
        low_vel_thresholds=walk.numbers("low_vel_thresholds", 3, Speed),
        command_ranges=np.stack(ranges),
        trained_ranges=np.stack([np.array(policy.take(key, SpeedRange)) for key in keys]),
        control_dt=policy.positive("control_dt", 1),
        action_scale=policy.positive("action_scale"),
        history_length=policy.take("history_length", Annotated[int, Ge(1), Le(1000)]),
        observation_terms=terms,
        observation_scales=policy.scales("observation_scales", len(terms)),
        observation_noise=policy.part(
            "observation_noise", dict.fromkeys([*BUILT_IN["observation_noise"], *terms], Speed), built_in={}
        ),
        start_noise=policy.part(
            "start_noise",
            {"dof_pos": _list_of(AngleNoise, count), "velocity": Speed, "orientation": AngleNoise},
        ),
        foot_contact_force=policy.take("foot_contact_force", Force),
        contact_force_threshold=policy.take("contact_force_threshold", Force),
        fall_protection_tilt=policy.positive("fall_protection_tilt", math.pi),
        actor_input=policy.names("actor_input"),
        labels=policy.labels("labels"),
    )


def _rotors(joints: list[str]) -> dict[str, list[float]]:
    """Return Qmini's rotor inertia, for files that were written before they told it."""
    middle = {part: sum(bounds) / 2.0 for part, bounds in QminiCfg.motors.armature.items()}
    return {"joint_armature": joint_values("motors.armature", middle, joints)}


def _all_different(names: list[str]) -> bool:
    return len(set(names)) == len(names)


def _list_of(kind: Any, count: int) -> Any:
    return Annotated[list[kind], Len(count, count)]


_DYNAMICS: dict[str, Any] = {"armature": Inertia, "damping": Damping, "friction": Torque}
_Angle = Annotated[float, Ge(-2 * math.pi), Le(2 * math.pi)]
_Phase = Annotated[float, Ge(-1), Le(1)]


class _Section:
    """A section of the YAML, read key by key with errors that help."""

    def __init__(self, path: Path, content: Any, name: str, defaults: dict[str, Any] | None = None) -> None:
        values = content.get(name) if isinstance(content, dict) else None
        if values is None and defaults is None:
            raise UserError(f"{path}: no section '{name}'; export.py writes one")
        if values is not None and not isinstance(values, dict):
            raise UserError(f"{path}: '{name}' must be a section, got {values!r}")
        self._path, self._name = path, name
        self._values = {**(defaults or {}), **(values or {})}

    def numbers(self, key: str, count: int | None = None, kind: Any = float) -> np.ndarray:
        """Return a list of ``count`` numbers, any number of them without, each as an annotation admits it."""
        return np.array(self.take(key, list[kind] if count is None else _list_of(kind, count)), float)

    def take(self, key: str, hint: Any) -> Any:
        """Return a value that an annotation admits."""
        try:
            return check(key, hint, self._get(key))
        except ConfigError:
            raise self._error(key, describe(hint)) from None

    def positive(self, key: str, highest: float = 1e4) -> float:
        """Return a number above zero."""
        return float(self.take(key, Annotated[float, Gt(0), Le(highest)]))

    def names(self, key: str) -> list[str]:
        """Return a list of names."""
        return self.take(key, Annotated[list[str], MinLen(1), Rule(_all_different, "all different")])

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def part(self, key: str, hints: dict[str, Any], built_in: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return a part of the section: names of ``hints``, each with what it admits; the others are built in."""
        value = self._get(key)
        if not isinstance(value, dict):
            raise self._error(key, "a section")
        for name in value:
            if name not in hints:
                raise UserError(f"{self._path}: unknown key '{self._name}.{key}.{name}': {near_names(name, hints)}")
        inner = _Section(self._path, {f"{self._name}.{key}": value}, f"{self._name}.{key}")
        return {**(BUILT_IN[key] if built_in is None else built_in), **{n: inner.take(n, hints[n]) for n in value}}

    def labels(self, key: str) -> LabelLayout | None:
        """Return what the estimator says, None for an empty list; published: base velocity and the feet's contacts."""
        entries = self._get(key)
        if entries == []:
            return None
        try:
            if entries != BUILT_IN["labels"]:
                return LabelLayout.from_list(entries)
        except (LookupError, TypeError, ValueError):
            raise self._error(key, "a list of label terms") from None
        return LabelLayout.from_list([
            {"name": "base_lin_vel", "size": 3, "scale": self.positive("velocity_scale"), "unit": "m/s"},
            {"name": "foot_contact", "feet": self.names("foot_names")},
        ])  # fmt: skip

    def scales(self, key: str, count: int) -> list[np.ndarray]:
        """Return ``count`` scales, each one number or a list."""
        values = self._get(key)
        if not isinstance(values, list) or len(values) != count:
            raise self._error(key, f"a list of {count} scales")
        for value in values:
            try:
                check(key, list[Factor], value if isinstance(value, list) else [value])
            except ConfigError:
                raise self._error(key, f"a list of numbers and {describe(list[Factor])}") from None
        return [np.array(value, np.float32) for value in values]

    def _get(self, key: str) -> Any:
        if key not in self._values:
            raise UserError(f"{self._path}: no key '{self._name}.{key}'; export.py writes it")
        return self._values[key]

    def _error(self, key: str, expected: str) -> UserError:
        return UserError(f"{self._path}: '{self._name}.{key}' must be {expected}, got {shown(self._values[key])}")
