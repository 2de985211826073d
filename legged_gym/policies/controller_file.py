"""The configuration file of the robot's controller: writes a policy's sections and merges them into it."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import CommentMark, YAMLError
from ruamel.yaml.tokens import CommentToken

from legged_gym.common.controller_rules import AXES, TILT_LIMIT
from legged_gym.common.errors import UserError
from legged_gym.common.yaml_text import parse_yaml, read_yaml
from legged_gym.envs.base.name_matching import joint_values
from legged_gym.policies.exported import ACTOR_INPUT, POLICY, STAND_UP, WALK, check_first_range, check_stand_up
from legged_gym.simulators.mujoco_model import BODY_SETTINGS

if TYPE_CHECKING:
    from legged_gym.envs.base.legged_robot import LeggedRobot

_HEADER = """\
Sections for the configuration file of the robot's controller. Replace the old sections in that file by these, or use
export.py --controller_yaml FILE. This file alone is not enough: the controller needs others (motor, imu).
"""

_TRAINED = "trained:"

_DIGITS = 6
"""Decimals: float32 has no more, and 0.35 should be written as 0.35."""


def controller_yaml(
    env: LeggedRobot, merge_into: str | os.PathLike[str] | None = None, actor_input: Sequence[str] = ACTOR_INPUT
) -> str:
    """Return the controller's configuration with the policy's pose, gains, gait and commands.

    The pose and gains for standing up and the initial command ranges are the robot's own. A comment beside them gives
    the trained ranges.

    Args:
        env: The task that the policy was trained for.
        merge_into: The robot's file. Everything else in it stays, also its settings for standing up and its command
            ranges. None: return only the policy's sections.
        actor_input: The actor's inputs, as in the metadata.

    Raises:
        UserError: That file can't be read, or its command ranges are not valid.
    """
    sections = _sections(env, actor_input)
    if merge_into is None:
        content = CommentedMap(sections)
        content.yaml_set_start_comment(_HEADER)
    else:
        content = _read(Path(merge_into))
        _merge(Path(merge_into), content, sections)
    for axis, unit in AXES.items():
        low, high = sections[POLICY][f"{axis}_range"]
        _add_comment(content[WALK], f"{axis}_range", f"{_TRAINED} {low:g} to {high:g} {unit}")
    text = _text(content)
    if merge_into is not None:
        _require_kept(Path(merge_into), sections, text)
    return text


def _sections(env: LeggedRobot, actor_input: Sequence[str]) -> dict[str, CommentedMap]:
    cfg = env.cfg
    terms, gait = env.obs_layout.describe(), getattr(cfg, "gait", None)
    trained = {axis: list(getattr(cfg.commands.ranges, axis)) for axis in AXES}
    first = {axis: list(cfg.commands.first_ranges.get(axis, limits)) for axis, limits in trained.items()}
    walk = {
        "default_joint_angles": rounded(env.default_dof_pos[0]),
        "joint_kp": rounded(env.p_gains),
        "joint_kd": rounded(env.d_gains),
        **({"gait_period": gait.period, "gait_offsets": [0.0, gait.offset]} if gait is not None else {}),
        "low_vel_thresholds": list(cfg.commands.dead_band),
        **{f"{axis}_range": limits for axis, limits in first.items()},
    }
    policy = {
        "joint_names": list(env.dof_names),
        "foot_names": [env.body_names[index] for index in env.feet_indices],
        "control_dt": round(env.dt, _DIGITS),
        "action_scale": cfg.control.action_scale,
        **({} if env.has_plain_law else {"torque_law": env.torque_law}),
        "history_length": cfg.env.history_length,
        "observation_terms": [term["name"] for term in terms],
        "observation_scales": [term["scale"] for term in terms],
        "observation_noise": {term["name"]: term["noise"] for term in terms if term["noise"]},
        "start_noise": start_noise(env),
        "body": {name: getattr(cfg.asset, name) for name in BODY_SETTINGS},
        "joint_dynamics": _map(
            {name: rounded(values) for name, values in env.rand.typical_joints(cfg, env.sim).items()}
        ),
        "foot_contact_force": cfg.rewards.foot_contact_force,
        "contact_force_threshold": cfg.rewards.contact_force_threshold,
        "fall_protection_tilt": round(TILT_LIMIT, _DIGITS),
        "actor_input": list(actor_input),
        "labels": env.label_layout.to_list() if ACTOR_INPUT[1] in actor_input else [],
        **{f"{axis}_range": limits for axis, limits in trained.items()},
    }
    return {name: _map(values) for name, values in ((STAND_UP, _stand_up(env)), (WALK, walk), (POLICY, policy))}


def start_noise(env: LeggedRobot) -> dict[str, Any]:
    """Return the noise of training's initial states: joints, (D,), rad; velocity, m/s and rad/s; orientation, rad."""
    init = env.cfg.init_state
    joints = joint_values("init_state.joint_noise", init.joint_noise, env.dof_names, missing=0.0)
    return {"dof_pos": list(joints), "velocity": init.velocity_noise, "orientation": init.orientation_noise}


def _stand_up(env: LeggedRobot) -> dict[str, list[float]]:
    """Return the robot's pose and gains for standing up, or those for walking if the configuration has no others."""
    init, control, joints = env.cfg.init_state, env.cfg.control, env.dof_names
    own = {
        "joint_standup_q": ("init_state.stand_up_joint_angles", init.stand_up_joint_angles, env.default_dof_pos[0]),
        "joint_kp": ("control.stand_up_stiffness", control.stand_up_stiffness, env.p_gains),
        "joint_kd": ("control.stand_up_damping", control.stand_up_damping, env.d_gains),
    }
    return {
        name: list(joint_values(key, values, joints)) if values else rounded(walking)
        for name, (key, values, walking) in own.items()
    }


def _read(path: Path) -> CommentedMap:
    try:
        # Read once with the limits for all files, and once more to keep comments and order.
        read_yaml(path)
        content = _yaml().load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, YAMLError) as error:
        raise UserError(f"{path}: can't be read: {' '.join(str(error).split())}") from error
    if not isinstance(content, CommentedMap):
        raise UserError(f"{path}: must hold the sections of a controller's configuration, e.g. {WALK}")
    for name in (STAND_UP, WALK, POLICY):
        if name in content and not isinstance(content[name], CommentedMap):
            raise UserError(f"{path}: '{name}' must be a section, got {content[name]!r}")
    return content


def _merge(path: Path, content: dict[str, Any], sections: dict[str, Any]) -> None:
    """Put the policy's sections into the robot's file, except how it stands up and its command limits."""
    joints, stand = list(sections[POLICY]["joint_names"]), content.setdefault(STAND_UP, CommentedMap())
    theirs = (content.get(POLICY) or {}).get("joint_names", joints)
    if not isinstance(theirs, list) or {*map(str, theirs)} != {*joints} or len(theirs) != len(joints):
        raise UserError(f"{path}: '{POLICY}.joint_names' must be this policy's, {joints}, got {theirs!r}")
    for key in [key for key in sections[STAND_UP] if key not in stand]:
        _put(stand, key, sections[STAND_UP][key])
    check_stand_up(path, stand, len(joints))
    for key in sections[STAND_UP] if list(theirs) != joints else ():
        # By joint name, as the networks' order may be another one than that of the policy before.
        _put(stand, key, _row([stand[key][theirs.index(joint)] for joint in joints]))
    kept = [f"{axis}_range" for axis in AXES]
    walk = content.setdefault(WALK, CommentedMap())
    for key in [key for key in sections[WALK] if key not in kept or key not in walk]:
        _put(walk, key, sections[WALK][key])
    _put(content, POLICY, sections[POLICY])
    for key in kept:
        check_first_range(path, key, walk[key], list(sections[POLICY][key]))


def _require_kept(path: Path, sections: dict[str, Any], merged: str) -> None:
    """Refuse a file whose aliases would change more of it than what is put in."""
    meant = {name: dict(value) if isinstance(value, dict) else value for name, value in read_yaml(path).items()}
    _merge(path, meant, parse_yaml(_text(CommentedMap(sections))))
    for name, value in parse_yaml(merged).items():
        # Compared as text, in which NaN equals NaN.
        found, wanted = (sorted(map(repr, each.items())) if isinstance(each, dict) else repr(each)
                         for each in (value, meant[name]))  # fmt: skip
        if found != wanted:
            raise UserError(f"{path}: '{name}' shares values with a section that changes: write them out, without '*'")


def _put(section: dict[str, Any], key: str, value: Any) -> None:
    """Set a key's value, or add it at the end. Comment lines below the old value, or below the end, stay there."""
    old, below = key if key in section else next(reversed(section), None), ""
    if old is not None and isinstance(section, CommentedMap) and not section.merge:
        slots, place = _behind(section, old)
        if slots[place] is not None:
            slots[place].value, line_end, below = slots[place].value.partition("\n")
            slots[place].value += line_end
    section[key] = value
    if below:
        slots, place = _behind(section, key)
        slots[place] = slots[place] or CommentToken("\n", CommentMark(0), None)
        slots[place].value += below


def _behind(node: Any, key: Any) -> tuple[list[Any], int]:
    """Return where ruamel.yaml keeps the comment behind a value: list and index, at the last part of a long value."""
    while isinstance(node[key], CommentedMap | CommentedSeq) and node[key] and not node[key].fa.flow_style():
        node = node[key]
        key = next(reversed(node)) if isinstance(node, CommentedMap) else len(node) - 1
    return node.ca.items.setdefault(key, [None] * 4), 2 if isinstance(node, CommentedMap) else 0


def _add_comment(section: CommentedMap, key: str, comment: str) -> None:
    """Add a comment behind a key's value, after an existing one."""
    if (old := section.ca.items.get(key, [None] * 3)[2]) is None:
        section.yaml_add_eol_comment(comment, key)
    else:
        line, _, below = old.value.partition("\n")
        kept = line.partition(_TRAINED)[0].strip(" #;")
        old.value = f"# {kept}; {comment}\n{below}" if kept else f"# {comment}\n{below}"


def _yaml() -> YAML:
    yaml = YAML()
    yaml.width, yaml.preserve_quotes = 120, True
    return yaml


def _text(content: CommentedMap) -> str:
    stream = io.StringIO()
    _yaml().dump(content, stream)
    return stream.getvalue()


def _map(values: dict[str, Any]) -> CommentedMap:
    """Return a section with each list on one line."""
    return CommentedMap({name: _row(value) if isinstance(value, list) else value for name, value in values.items()})


def _row(values: list[Any]) -> CommentedSeq:
    row = CommentedSeq([_row(value) if isinstance(value, list) else value for value in values])
    row.fa.set_flow_style()
    return row


def rounded(values: torch.Tensor | float) -> Any:
    """Return plain numbers, nested like the tensor, without float32's rounding; None for a missing limit."""
    array = np.asarray(values.cpu() if isinstance(values, torch.Tensor) else values, float)
    numbers = np.array(np.round(array, _DIGITS), object)
    # JSON has no infinity.
    numbers[~np.isfinite(array)] = None
    return numbers.tolist()
