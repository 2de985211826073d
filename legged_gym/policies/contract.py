"""What a policy is tied to: the settings of the robot and its control that must be those of its training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from legged_gym.common.errors import UserError
from legged_gym.policies.exported import BUILT_IN

if TYPE_CHECKING:
    from legged_gym.envs.base.base_config import BaseConfig

Contract = dict[str, Any]
"""Settings of an environment's configuration, as a nested dict."""

_SECTIONS = ("control", "gait", "normalization")
"""Sections of a configuration that a policy is tied to as a whole."""

_KEYS = {"env": ["history_length"], "init_state": ["pos", "default_joint_angles"], "commands": ["dead_band"],
         "sim": ["dt"]}  # fmt: skip
"""Further settings that a policy is tied to, by section."""

_OBS_SCALES = {"base_ang_vel": "ang_vel", "dof_pos": "dof_pos", "dof_vel": "dof_vel"}
"""Names in ``normalization.obs_scales`` by the observation's terms."""


def trained_contract(env: dict[str, Any]) -> Contract:
    """Take from an environment's whole configuration, as a nested dict, what a policy is tied to."""
    contract = {name: env[name] for name in _SECTIONS if name in env}
    for section, names in _KEYS.items():
        contract[section] = {name: env[section][name] for name in names if name in env[section]}
    return contract


def exported_contract(folder: Path, prefix: str) -> Contract:
    """Read what exported networks are tied to from the metadata beside them, else from the controller's file.

    Args:
        folder: Where they lie.
        prefix: First part of the files' names.

    Returns:
        Nothing where there is neither file.

    Raises:
        UserError: The file is damaged.
    """
    metadata, controller = folder / f"{prefix}_metadata.json", folder / f"{prefix}_controller.yaml"
    path = metadata if metadata.exists() else controller
    if not path.exists():
        return {}
    try:
        text = path.read_text(encoding="utf-8")
        return _of_metadata(json.loads(text)) if path is metadata else _of_controller(yaml.safe_load(text))
    except (OSError, ValueError, LookupError, TypeError, AttributeError, yaml.YAMLError) as error:
        raise UserError(f"can't read what the policy is tied to from '{path}': {error!r}") from error


def apply_contract(path: str, contract: Contract, env_cfg: BaseConfig) -> None:
    """Change an environment's configuration to what a policy is tied to.

    Args:
        path: The policy, for messages.
        contract: What it is tied to.
        env_cfg: The environment's configuration; changed in place.

    Raises:
        UserError: The configuration knows no such settings.
    """
    try:
        env_cfg.update(contract)
    except (UserError, ValueError) as error:
        raise UserError(f"'{path}' does not fit this version of the task: {error}") from error


def _of_metadata(data: dict[str, Any]) -> Contract:
    control, joints, gait = data["control"], data["joints"], data["gait"]
    scales = {term["name"]: term["scale"] for term in data["observation"]["terms"]}
    velocity = next(label["scale"] for label in data["estimator"]["output"] if label["name"] == "base_lin_vel")
    return {
        "control": {
            **{name: control[name] for name in ("decimation", "action_scale")},
            "stiffness": dict(zip(joints["names"], joints["kp"], strict=True)),
            "damping": dict(zip(joints["names"], joints["kd"], strict=True)),
        },
        "sim": {"dt": control["dt"] / control["decimation"]},
        "init_state": {"default_joint_angles": dict(zip(joints["names"], joints["default_angle"], strict=True))},
        "gait": {"period": gait["period"], "offset": gait["offsets"][1], "stance_ratio": gait["stance_ratio"]},
        "commands": {"dead_band": data["commands"]["low_vel_thresholds"]},
        "env": {"history_length": data["observation"]["history_length"]},
        "normalization": {
            **({"clip_actions": data["actor"]["clip"]} if "clip" in data["actor"] else {}),
            "obs_scales": {"lin_vel": velocity, **{name: scales[term] for term, name in _OBS_SCALES.items()}},
        },
    }


def _of_controller(data: dict[str, Any]) -> Contract:
    """Take over the controller's walking state, whose lists go with the joints of its section ``Policy``."""
    walk = data["FSMState_Walk"]
    joints = data.get("Policy", {}).get("joint_names", BUILT_IN["joint_names"])

    def named(key: str) -> dict[str, float]:
        return dict(zip(joints, walk[key], strict=True))

    return {
        "control": {"stiffness": named("joint_kp"), "damping": named("joint_kd")},
        "init_state": {"default_joint_angles": named("default_joint_angles")},
        "gait": {"period": walk["gait_period"], "offset": walk["gait_offsets"][1]},
        "commands": {"dead_band": walk["low_vel_thresholds"]},
    }
