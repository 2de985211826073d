"""The contract of a policy: its inputs and outputs, and the settings of robot and control that it needs.

Exported networks have it as a metadata file. A training's checkpoint has the whole configuration instead. Values are in
SI units and radians; values by joint are in the order of ``joints.names``.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from legged_gym.common.errors import UserError
from legged_gym.common.labels import LabelLayout
from legged_gym.common.yaml_text import read_json
from legged_gym.policies.exported import ACTOR_INPUT, ControllerConfig, read_controller_config
from legged_gym.policies.finder import CONTROLLER_FILE

if TYPE_CHECKING:
    from legged_gym.envs.base.base_config import BaseConfig

Settings = dict[str, Any]
"""Settings of an environment's configuration, as a nested dict."""

METADATA_FILE = "_metadata.json"
"""The end of the file's name."""

_SECTIONS = ("control", "gait", "normalization")
"""Sections of a configuration that a policy needs as a whole."""

_KEYS = {"env": ["history_length"], "init_state": ["pos", "default_joint_angles"], "commands": ["dead_band"],
         "sim": ["dt"]}  # fmt: skip
"""Further settings that a policy needs, by section."""

_OBS_SCALES = {"base_ang_vel": "ang_vel", "dof_pos": "dof_pos", "dof_vel": "dof_vel"}
"""For each observation term, its name in ``normalization.obs_scales``."""

_GROUPS = dict(zip(ACTOR_INPUT, ("policy", "estimate"), strict=True))
"""Observation groups, by their names in the metadata."""
_WORDS = {group: word for word, group in _GROUPS.items()}


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class Control(_Part):
    """How actions become torques."""

    dt: float = Field(gt=0)
    """Time between two actions, s."""
    decimation: int = Field(ge=1)
    """Number of the training's physics steps in that time."""
    action_scale: float
    target: str = ""
    """The meaning of actions, in words."""
    fall_protection_tilt: float | None = None
    """Roll or pitch past which the robot's controller damps all joints, rad."""


class Joints(_Part):
    """Pose, gains and limits. A missing limit is None."""

    names: list[str]
    default_angle: list[float]
    """Pose at action zero."""
    kp: list[float]
    kd: list[float]
    limits: list[tuple[float | None, float | None]] = []
    torque_limit: list[float | None] = []

    @model_validator(mode="after")
    def _check_lengths(self) -> Joints:
        for name in ("default_angle", "kp", "kd"):
            if len(getattr(self, name)) != len(self.names):
                raise ValueError(f"{name} must have a value for each of the {len(self.names)} joints")
        return self

    def by_name(self, values: str) -> dict[str, float]:
        """Return ``default_angle``, ``kp`` or ``kd`` by joint."""
        return dict(zip(self.names, getattr(self, values), strict=True))


class Term(_Part):
    """One term of a step's observation."""

    name: str
    size: int
    scale: float | list[float] = 1.0
    noise: float = 0.0
    """Largest noise in training, in the term's own unit."""
    start: int = 0


class Observation(_Part):
    """The policy's observation."""

    size: int
    step_size: int
    history_length: int = Field(ge=1)
    history: str = "newest step first; filled with the first step after a reset"
    clip: float = Field(gt=0)
    terms: list[Term]


class Estimator(_Part):
    """The estimator's inputs and outputs."""

    input: list[str] = [*ACTOR_INPUT[:1]]
    output: list[dict[str, Any]]

    @property
    def labels(self) -> LabelLayout:
        """The terms of its output."""
        return LabelLayout.from_list(self.output)


class Actor(_Part):
    """The actor's inputs and outputs."""

    input: list[str] = [*ACTOR_INPUT]
    output: str = "action of each joint"
    clip: float | None = None
    """The network clips actions to ± this."""
    memory: list[list[int]] = []
    """Shape of each hidden state of a recurrent network for one robot: layers and size. States start at zero."""


class Gait(_Part):
    """The gait clock."""

    period: float = Field(gt=0)
    offsets: list[float]
    """The phase lead of each leg."""
    stance_ratio: float
    standing: str = ""


class Commands(_Part):
    """The trained ranges, m/s and rad/s, and the thresholds below which a command counts as zero."""

    lin_vel_x: tuple[float, float]
    lin_vel_y: tuple[float, float]
    ang_vel_yaw: tuple[float, float]
    low_vel_thresholds: list[float]


class Contacts(_Part):
    """Contact thresholds, N."""

    feet: list[str]
    foot_force: float
    force: float
    """Threshold for other links."""


class PolicyContract(_Part):
    """Everything that is needed to run a policy."""

    git_revision: str | None = None
    iterations: int = 0
    control: Control
    joints: Joints
    observation: Observation
    estimator: Estimator | None = None
    actor: Actor = Actor()
    gait: Gait | None = None
    commands: Commands
    contacts: Contacts | None = None
    start_noise: dict[str, Any] = {}
    """Noise of initial states in training: ``dof_pos`` by joint, rad; ``velocity``, m/s, rad/s; ``orientation``."""
    largest_difference: float | None = None
    """Largest difference between the exported networks and PyTorch in a rollout."""
    files: dict[str, str] = {}

    def settings(self) -> Settings:
        """Return the settings that a task needs for the policy to walk as in its training."""
        joints, control = self.joints, self.control
        scales = {term.name: term.scale for term in self.observation.terms}
        obs_scales = {name: scales[term] for term, name in _OBS_SCALES.items() if term in scales}
        normalization: Settings = {"obs_scales": obs_scales | self._velocity_scale()}
        if self.actor.clip is not None:
            normalization["clip_actions"] = self.actor.clip
        settings: Settings = {
            "control": {
                "decimation": control.decimation, "action_scale": control.action_scale,
                "stiffness": joints.by_name("kp"), "damping": joints.by_name("kd"),
            },
            "sim": {"dt": control.dt / control.decimation},
            "init_state": {"default_joint_angles": joints.by_name("default_angle")},
            "commands": {"dead_band": self.commands.low_vel_thresholds},
            "env": {"history_length": self.observation.history_length},
            "normalization": normalization,
        }  # fmt: skip
        if (gait := self.gait) is not None:
            settings["gait"] = {"period": gait.period, "offset": gait.offsets[1], "stance_ratio": gait.stance_ratio}
        return settings

    def _velocity_scale(self) -> dict[str, float]:
        """Return the scale of linear velocities, from the labels and observations."""
        labels = self.estimator.labels.labels if self.estimator is not None else ()
        told: dict[str, Any] = {label.name: label.scale for label in labels}
        told |= {term.name: term.scale for term in self.observation.terms}
        scale = told.get("base_lin_vel", told.get("commands"))
        if scale is None:
            return {}
        return {"lin_vel": scale[0] if isinstance(scale, list) else scale}


def words(groups: list[str]) -> list[str]:
    """Return observation groups under their names in the metadata."""
    return [_WORDS.get(group, group) for group in groups]


def groups(names: list[str]) -> list[str]:
    """Return the observation groups for their names in the metadata."""
    return [_GROUPS.get(name, name) for name in names]


def read_contract(folder: Path, prefix: str) -> PolicyContract | None:
    """Read the metadata of exported networks whose files' names begin with ``prefix``; None if there is none.

    Raises:
        UserError: The file is damaged; the message names the key.
    """
    path = folder / f"{prefix}{METADATA_FILE}"
    if not os.path.lexists(path):
        return None
    try:
        return PolicyContract.model_validate(read_json(path))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        reason = f"'{key}': {first['msg'][0].lower()}{first['msg'][1:]}"
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())
    raise UserError(f"can't read the policy's metadata '{path}': {reason}")


def exported_contract(folder: Path, prefix: str) -> Settings:
    """Read the settings that exported networks need: from their metadata or, without it, the controller's file.

    Raises:
        UserError: The file is damaged.
    """
    contract, path = read_contract(folder, prefix), folder / f"{prefix}{CONTROLLER_FILE}"
    if contract is None:
        return _of_controller(read_controller_config(path)) if path.exists() else {}
    if path.exists():
        require_agreement(folder, contract, read_controller_config(path))
    return contract.settings()


def require_agreement(folder: Path, contract: PolicyContract, config: ControllerConfig) -> None:
    """Refuse metadata and a controller's file in one folder that mean different policies or robots."""
    joints, seen, gait, contacts = contract.joints, contract.observation, contract.gait, contract.contacts
    scales = [scale.tolist() for scale in config.observation_scales]
    told = {
        "joint_names": (config.joint_names, joints.names),
        "default_joint_angles": (config.default_angles, joints.default_angle),
        "joint_kp": (config.kp, joints.kp),
        "joint_kd": (config.kd, joints.kd),
        "control_dt": (config.control_dt, contract.control.dt),
        "action_scale": (config.action_scale, contract.control.action_scale),
        "history_length": (config.history_length, seen.history_length),
        "observation_terms": (config.observation_terms, [term.name for term in seen.terms]),
        "observation_scales": (np.hstack(scales), np.hstack([term.scale for term in seen.terms])),
        "low_vel_thresholds": (config.low_vel_thresholds, contract.commands.low_vel_thresholds),
        "gait_period": (config.gait_period, None if gait is None else gait.period),
        "gait_offsets": (config.gait_offsets, [] if gait is None else gait.offsets),
        "foot_names": (config.foot_names, config.foot_names if contacts is None else contacts.feet),
    }
    for name, (ours, theirs) in told.items():
        one, other = np.array(ours), np.array(theirs)
        numbers = one.shape == other.shape and one.dtype.kind in "if" and other.dtype.kind in "if"
        if not (np.allclose(one, other, rtol=1e-5, atol=1e-5) if numbers else np.array_equal(one, other)):
            raise UserError(
                f"'{folder}': the controller's file says {name} {one.tolist()} and the metadata {other.tolist()}: "
                "the two don't belong together"
            )


def _of_controller(config: ControllerConfig) -> Settings:
    def named(values: np.ndarray) -> dict[str, float]:
        return dict(zip(config.joint_names, values.tolist(), strict=True))

    offsets = config.gait_offsets.tolist()
    clock = {"period": config.gait_period, "offset": offsets[1]} if len(offsets) > 1 else {}
    return {
        "control": {"stiffness": named(config.kp), "damping": named(config.kd)},
        "init_state": {"default_joint_angles": named(config.default_angles)},
        "commands": {"dead_band": config.low_vel_thresholds.tolist()},
        **({"gait": clock} if clock else {}),
    }


def trained_contract(env: dict[str, Any]) -> Settings:
    """Return the settings that a policy needs, from an environment's whole configuration as a nested dict."""
    settings = {name: env[name] for name in _SECTIONS if name in env}
    for section, names in _KEYS.items():
        settings[section] = {name: env[section][name] for name in names if name in env[section]}
    return settings


def apply_contract(path: str, settings: Settings, env_cfg: BaseConfig) -> None:
    """Write the settings that a policy needs into a task's configuration, in place; ``path`` is for messages.

    Raises:
        UserError: The configuration does not have one of these settings.
    """
    ours, key = env_cfg.to_dict()["init_state"]["default_joint_angles"], "default_joint_angles"
    foreign = [joint for joint in settings.get("init_state", {}).get(key, {}) if joint not in ours]
    if foreign and ours:
        raise UserError(
            f"'{path}' is a policy of another robot: it moves '{foreign[0]}'; joints here: {', '.join(ours)}"
        )
    try:
        env_cfg.update(settings)
    except (UserError, ValueError) as error:
        raise UserError(f"'{path}' does not fit this version of the task: {error}") from error
