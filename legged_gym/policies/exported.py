"""An exported policy, read from its folder: its networks and the controller's settings."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, Gt, Le, Len, MinLen

from legged_gym import policies
from legged_gym.common.controller_rules import AXES, TILT_LIMIT
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
from legged_gym.envs.qmini.qmini_config import QminiCfg, QminiPublishedCfg
from legged_gym.policies.finder import ACTOR_FILE, CONTROLLER_FILE, ESTIMATOR_FILE
from legged_gym.policies.networks import OnnxNet, only_file

STAND_UP, WALK, POLICY = "FSMState_StandUp", "FSMState_Walk", "Policy"
"""Sections. The controller ignores the last one, which has values that are built into it; other programs need them."""

ACTOR_INPUT = ("observation", "estimator output")
"""The actor's inputs in the robot's own controller."""

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
    "actor_input": list(ACTOR_INPUT),
    "observation_noise": {"base_ang_vel": 0.2, "projected_gravity": 0.05, "dof_pos": 0.01, "dof_vel": 1.5},
    "start_noise": {"dof_pos": [0.1, 0.1, 0.2, 0.2, 0.2] * 2, "velocity": 0.1, "orientation": 0.1},
    "body": {
        "collapse_fixed_joints": True, "replace_cylinder_with_capsule": True, "balance_inertia": False,
        "density": 0.001, "armature": 0.0,
    },
    "joint_dynamics": {},
    "foot_contact_force": 2.0,
    "contact_force_threshold": 1.0,
    "fall_protection_tilt": TILT_LIMIT,
}  # fmt: skip
"""Values that are built into Qmini's controller. The section ``Policy`` of the YAML overrides them."""


@dataclass(frozen=True)
class ControllerConfig:
    """Settings of the controller, in SI units and radians. D joints, L legs."""

    joint_names: list[str]
    foot_names: list[str]
    """Links that touch the ground, in the order of the estimator's contacts."""
    body: dict[str, float]
    """Settings of the training's ``asset`` that change the robot's model."""
    joint_dynamics: dict[str, tuple[float, ...]]
    """Middle of training's ranges of ``joint_armature``, kg·m², ``joint_damping``, N·m·s/rad, and ``joint_friction``,
    N·m, each (D,). Missing ones are as in :class:`~legged_gym.deploy.world.WorldSettings`."""
    stand_angles: np.ndarray
    """Pose after standing up, (D,)."""
    stand_kp: np.ndarray
    """Gains for standing up, N·m/rad, (D,)."""
    stand_kd: np.ndarray
    """N·m·s/rad, (D,)."""
    default_angles: np.ndarray
    """Pose at action zero, (D,)."""
    kp: np.ndarray
    """N·m/rad, (D,)."""
    kd: np.ndarray
    """N·m·s/rad, (D,)."""
    gait_period: float | None
    """Period of the gait clock, s; None if the policy has no clock."""
    gait_offsets: np.ndarray
    """The phase lead of each leg over the clock, in periods, (L,)."""
    low_vel_thresholds: np.ndarray
    """Components of the command up to this size count as zero, m/s, m/s, rad/s, (3,)."""
    command_ranges: np.ndarray
    """Lowest and highest command that the robot's user can give, m/s, m/s, rad/s, (3, 2)."""
    trained_ranges: np.ndarray
    """Lowest and highest trained command, (3, 2). If the file does not contain it, it is the same."""
    control_dt: float
    """Time between two actions, s."""
    action_scale: float
    """Target angle = default angle + this · action."""
    history_length: int
    """Number of steps in an observation, newest first."""
    observation_terms: list[str]
    observation_scales: list[np.ndarray]
    """For each term, one number or one for each component."""
    observation_noise: dict[str, float]
    """Largest sensor noise in training, ±, of the terms that have noise, in their units."""
    start_noise: dict[str, Any]
    """Noise of training's initial states: ``dof_pos``, (D,), rad; ``velocity``, m/s and rad/s; ``orientation``, rad."""
    foot_contact_force: float
    """A foot is in contact if its force is above this, N."""
    contact_force_threshold: float
    """Another link is in contact if its force is above this, N."""
    fall_protection_tilt: float
    """Roll or pitch past which the controller damps all joints, rad."""
    actor_input: list[str]
    """The actor's inputs: the observation and, perhaps, the estimator's output."""
    labels: LabelLayout | None
    """The estimator's outputs; None if there is no estimator."""


@dataclass(frozen=True)
class PolicyFiles:
    """An exported policy, loaded."""

    folder: str
    config: ControllerConfig
    estimator: OnnxNet | None
    actor: OnnxNet

    def replay(self, observations: np.ndarray) -> np.ndarray:
        """Return the actions, (T, D), for the observations of T steps from an episode's start, float32, (T, O)."""
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
    """Load ``*_estimator.onnx``, ``*_actor.onnx`` and ``*_controller.yaml``, as ``export.py`` writes them.

    Raises:
        UserError: A file is missing, damaged or does not fit the others; the message names it.
    """
    path = Path(folder)
    if not path.is_dir():
        raise UserError(f"no folder '{path}' with an exported policy")
    controller = only_file(path, CONTROLLER_FILE)
    config = read_controller_config(controller)
    # The robot does not need the metadata. But if it is damaged, the files may not belong together.
    metadata = policies.contract.read_contract(path, controller.name.removesuffix(CONTROLLER_FILE))
    if metadata is not None:
        policies.contract.require_agreement(path, metadata, config)
    unknown = [name for name in config.actor_input if name not in ACTOR_INPUT]
    if unknown:
        raise UserError(f"'{path}': the actor reads '{unknown[0]}', which a robot can't measure: train a student")
    if (ACTOR_INPUT[1] in config.actor_input) != (config.labels is not None):
        raise UserError(f"'{path}': Policy.actor_input and Policy.labels don't agree on whether there is an estimator")
    estimator = OnnxNet(only_file(path, ESTIMATOR_FILE)) if config.labels is not None else None
    return PolicyFiles(str(path), config, estimator, OnnxNet(only_file(path, ACTOR_FILE)))


def has_estimator(folder: Path) -> bool:
    """Return whether the policy in a folder has an estimator, from the controller's file; True without that file."""
    files = list(folder.glob(f"*{CONTROLLER_FILE}"))
    return len(files) != 1 or read_controller_config(files[0]).labels is not None


def read_controller_config(path: Path) -> ControllerConfig:
    """Read the controller's YAML.

    Raises:
        UserError: A key is missing or unknown, or its value is not valid; the message names file, key and valid values.
    """
    content = read_yaml(path)
    given = {name: _section(path, content, name) for name in (STAND_UP, WALK)}
    ranges = {key: given[WALK][key] for key in _RANGES if key in given[WALK]}
    given[POLICY] = {**BUILT_IN, **ranges, **(_section(path, content, POLICY) if content.get(POLICY) else {})}
    if "torque_law" in given[POLICY]:
        raise UserError(f"{path}: 'Policy.torque_law': the robot's controller only takes joint angles with gains")
    first = dict.fromkeys(("joint_names", "observation_terms"), _NAMES)
    joints, terms = _take(path, POLICY, given[POLICY], first).values()
    hints = _hints(len(joints), terms)
    _refuse_unknown(path, POLICY, given[POLICY], (*hints[POLICY], *BUILT_IN))
    hints[WALK] |= {key: hint for key, hint in _CLOCK.items() if "gait_clock" in terms or key in given[WALK]}
    stand, walk, policy = (_take(path, name, given[name], hints[name]) for name in (STAND_UP, WALK, POLICY))
    dynamics = {**(_rotors(joints) if joints == BUILT_IN["joint_names"] else {}), **policy["joint_dynamics"]}
    figures: dict[str, Any] = {field.name: policy.get(field.name) for field in dataclasses.fields(ControllerConfig)}
    figures |= {name: {**BUILT_IN[name], **policy[name]} for name in ("body", "start_noise")}
    figures |= dict(
        joint_dynamics={key: tuple(values) for key, values in dynamics.items()},
        stand_angles=np.array(stand["joint_standup_q"]), stand_kp=np.array(stand["joint_kp"]),
        stand_kd=np.array(stand["joint_kd"]), default_angles=np.array(walk["default_joint_angles"]),
        kp=np.array(walk["joint_kp"]), kd=np.array(walk["joint_kd"]),
        gait_period=walk.get("gait_period"), gait_offsets=np.array(walk.get("gait_offsets", []), float),
        low_vel_thresholds=np.array(walk["low_vel_thresholds"]),
        command_ranges=np.array([walk[key] for key in _RANGES]),
        trained_ranges=np.array([policy[key] for key in _RANGES]),
        observation_scales=_scales(path, given[POLICY]["observation_scales"], len(terms)),
        labels=_labels(path, given[POLICY]["labels"], policy),
    )  # fmt: skip
    return ControllerConfig(**figures)


def check_stand_up(path: Path, values: dict[str, Any], joints: int) -> None:
    """Refuse a pose and gains of standing up that don't fit so many joints, or that no robot can have."""
    _take(path, STAND_UP, values, _hints(joints, [])[STAND_UP])


def check_first_range(path: Path, key: str, value: Any, trained: list[float]) -> None:
    """Refuse limits of commands that a policy has not learned to follow."""
    within: Any = Annotated[SpeedRange, Rule(lambda ends: trained[0] <= ends[0] <= ends[1] <= trained[1], "")]
    _admitted(path, f"{WALK}.{key}", within, value, f"within {trained}, which this policy was trained for")


_RANGES = tuple(f"{axis}_range" for axis in AXES)
_Angle = Annotated[float, Ge(-2 * math.pi), Le(2 * math.pi)]
_NAMES = Annotated[list[str], MinLen(1), Rule(lambda names: len(set(names)) == len(names), "all different")]
_CLOCK: dict[str, Any] = {
    "gait_period": Annotated[float, Gt(0), Le(100)],
    "gait_offsets": list[Annotated[float, Ge(-1), Le(1)]],
}


def _hints(joints: int, terms: list[str]) -> dict[str, dict[str, Any]]:
    """Return the type of every key in every section."""

    def each(kind: Any, count: int = joints) -> Any:
        return Annotated[list[kind], Len(count, count)]

    asset: Any = LeggedRobotCfg().asset
    gains, ranges = {"joint_kp": each(Stiffness), "joint_kd": each(Damping)}, dict.fromkeys(_RANGES, SpeedRange)
    policy = {
        **dict.fromkeys(("joint_names", "foot_names", "observation_terms", "actor_input"), _NAMES),
        "body": {name: asset.annotation(name) for name in BUILT_IN["body"]},
        "joint_dynamics": {f"joint_{name}": each(kind) for name, kind in _DYNAMICS.items()},
        "control_dt": Annotated[float, Gt(0), Le(1)],
        **dict.fromkeys(("action_scale", "velocity_scale"), Annotated[float, Gt(0), Le(1e4)]),
        "history_length": Annotated[int, Ge(1), Le(1000)],
        "observation_noise": dict.fromkeys((*BUILT_IN["observation_noise"], *terms), Speed),
        "start_noise": {"dof_pos": each(AngleNoise), "velocity": Speed, "orientation": AngleNoise},
        **dict.fromkeys(("foot_contact_force", "contact_force_threshold"), Force),
        "fall_protection_tilt": Annotated[float, Gt(0), Le(math.pi)],
        **ranges,
    }
    return {
        STAND_UP: {"joint_standup_q": each(_Angle), **gains},
        WALK: {"default_joint_angles": each(_Angle), **gains, "low_vel_thresholds": each(Speed, 3), **ranges},
        POLICY: policy,
    }


_DYNAMICS: dict[str, Any] = {"armature": Inertia, "damping": Damping, "friction": Torque}
TYPICAL_JOINT = {name: sum(getattr(QminiPublishedCfg.domain_rand, f"joint_{name}_range")) / 2.0 for name in _DYNAMICS}
"""Middle of the training's ranges, kg·m², N·m·s/rad and N·m, for old files that don't contain it."""


def _rotors(joints: list[str]) -> dict[str, list[float]]:
    """Return Qmini's rotor inertia, for old files that don't contain it."""
    middle = {part: sum(bounds) / 2.0 for part, bounds in QminiCfg.motors.armature.items()}
    return {"joint_armature": joint_values("motors.armature", middle, joints)}


def _section(path: Path, content: Any, name: str) -> dict[str, Any]:
    values = content.get(name) if isinstance(content, dict) else None
    if values is None:
        raise UserError(f"{path}: no section '{name}'; export.py writes one")
    if not isinstance(values, dict):
        raise UserError(f"{path}: '{name}' must be a section, got {values!r}")
    return values


def _take(path: Path, section: str, values: dict[str, Any], hints: dict[str, Any]) -> dict[str, Any]:
    """Return the values of a section for the keys in ``hints``, each checked by its annotation."""
    taken: dict[str, Any] = {}
    for key, hint in hints.items():
        name = f"{section}.{key}"
        if key not in values:
            raise UserError(f"{path}: no key '{name}'; export.py writes it")
        value = values[key]
        if not isinstance(hint, dict):
            taken[key] = _admitted(path, name, hint, value, describe(hint))
        elif isinstance(value, dict):
            _refuse_unknown(path, name, value, hint)
            taken[key] = _take(path, name, value, {inner: hint[inner] for inner in value})
        else:
            raise _refusal(path, name, "a section", value)
    return taken


def _admitted(path: Path, name: str, hint: Any, value: Any, expected: str) -> Any:
    try:
        return check(name, hint, value)
    except ConfigError:
        raise _refusal(path, name, expected, value) from None


def _refuse_unknown(path: Path, section: str, values: dict[str, Any], known: Iterable[str]) -> None:
    known = tuple(known)
    for name in values:
        if name not in known:
            raise UserError(f"{path}: unknown key '{section}.{name}': {near_names(str(name), known)}")


def _refusal(path: Path, name: str, expected: str, value: Any) -> UserError:
    return UserError(f"{path}: '{name}' must be {expected}, got {shown(value)}")


def _labels(path: Path, entries: Any, told: dict[str, Any]) -> LabelLayout | None:
    """Return the estimator's outputs, by default base velocity and feet's contacts; None for an empty list."""
    if entries == BUILT_IN["labels"]:
        velocity = {"name": "base_lin_vel", "size": 3, "scale": told["velocity_scale"], "unit": "m/s"}
        entries = [velocity, {"name": "foot_contact", "feet": told["foot_names"]}]
    try:
        return None if entries == [] else LabelLayout.from_list(entries)
    except (LookupError, TypeError, ValueError):
        raise _refusal(path, f"{POLICY}.labels", "a list of label terms", entries) from None


def _scales(path: Path, values: Any, count: int) -> list[np.ndarray]:
    """Return ``count`` scales, each one number or a list."""
    name = f"{POLICY}.observation_scales"
    if not isinstance(values, list) or len(values) != count:
        raise _refusal(path, name, f"a list of {count} scales", values)
    for value in values:
        numbers = value if isinstance(value, list) else [value]
        _admitted(path, name, list[Factor], numbers, f"a list of numbers and {describe(list[Factor])}")
    return [np.array(value, np.float32) for value in values]
