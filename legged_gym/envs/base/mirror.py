"""Mirrors observations and actions at a robot's x-z plane, left becoming right, as the terms declare it."""

from __future__ import annotations

import re

import torch
from tensordict import TensorDict

from legged_gym.common.errors import UserError
from legged_gym.envs.base.legged_robot import LeggedRobot
from legged_gym.envs.base.name_matching import joint_values
from legged_gym.envs.base.observations import MirrorRule, ObsTerm, Reflection

_SIGNS: dict[str, list[float]] = {
    "same": [1.0],
    "vector": [1.0, -1.0, 1.0],
    "rotation": [-1.0, 1.0, -1.0],
    "command": [1.0, -1.0, -1.0],
}
"""Rules that keep the order of components."""

_TABLES = "mirror_tables"
"""Attribute of a task: order and signs by name and device. A CUDA graph needs the same tensors each time."""

_GROUPS = "mirror_groups"
"""Attribute of a task: the names of the observation groups that can be mirrored."""

_SIDES = {"left": "right", "right": "left", "l": "r", "r": "l"}
_SIDE = re.compile(r"^([FRfr])([LRlr])(?![a-zA-Z])|(?<![a-zA-Z])(left|right|Left|Right|LEFT|RIGHT|l|r|L|R)(?![a-z])")
"""A side in a joint's name: the second letter of FL, FR, RL and RR, a word, or a single letter."""


def mirror(
    env: LeggedRobot, obs: TensorDict | None, actions: torch.Tensor | None
) -> tuple[TensorDict | None, torch.Tensor | None]:
    """Append the mirrored samples to observation groups and actions, each (B, ...) or None, the originals first.

    rsl_rl's symmetry extension calls this. ``UserError`` if a term of the task does not declare its mirror, or the
    robot does not have a left and a right half.
    """
    if obs is not None:
        # Some versions of the compiler can't list a TensorDict, and none should trace the terms.
        if _GROUPS not in env.__dict__:
            env.__dict__[_GROUPS] = tuple(env.mirrored_groups())
        groups = {name: obs.get(name, None) for name in env.__dict__[_GROUPS]}
        both = {name: _append(env, name, values) for name, values in groups.items() if values is not None}
        obs = TensorDict(both, batch_size=[2 * obs.batch_size[0]])
    if actions is not None:
        actions = _append(env, "actions", actions)
    return obs, actions


def _append(env: LeggedRobot, name: str, values: torch.Tensor) -> torch.Tensor:
    known = env.__dict__.setdefault(_TABLES, {})
    if (name, values.device) not in known:
        order, signs = _reflection(env, name)
        if len(order) != values.shape[-1]:
            raise UserError(
                f"'{name}' has {values.shape[-1]} components, but its terms have {len(order)}: a class that observes "
                "by itself needs a function of its own in 'symmetry.function'"
            )
        known[name, values.device] = (
            torch.tensor(order, device=values.device), torch.tensor(signs, device=values.device),
        )  # fmt: skip
    order, signs = known[name, values.device]
    return torch.cat([values, values[..., order] * signs])


def _reflection(env: LeggedRobot, name: str) -> Reflection:
    if name == "actions":
        return _joints(env)
    unknown = set(env.get_observations().keys()) - set(env.mirrored_groups())
    if unknown:
        raise UserError(
            f"observation group '{min(unknown)}' can't be mirrored: let the task's mirrored_groups() name its terms"
        )
    return _join([_of_term(env, term, size) for term, size in env.mirrored_groups()[name]])


def _of_term(env: LeggedRobot, term: ObsTerm, size: int) -> Reflection:
    if term.mirror is None:
        raise UserError(
            f"observation term '{term.name}' does not say how it is mirrored, which 'symmetry' needs: "
            "add mirror='vector' (or 'rotation', 'joints', 'feet', 'same', …) where it is declared"
        )
    part = _of_rule(env, term.mirror) if isinstance(term.mirror, str) else term.mirror
    if size % len(part[0]):
        raise UserError(f"observation term '{term.name}' has size {size}: mirror '{term.mirror}' takes {len(part[0])}")
    return _join([part] * (size // len(part[0])))


def _of_rule(env: LeggedRobot, rule: MirrorRule) -> Reflection:
    if rule in _SIGNS:
        return list(range(len(_SIGNS[rule]))), _SIGNS[rule]
    if rule == "heights":
        order = _heights(env)
    elif rule == "feet":
        order = _other_sides(env.foot_names, "foot")
    else:
        order, signs = _joints(env)
        if rule == "joints":
            return order, signs
    return order, [1.0] * len(order)


def _joints(env: LeggedRobot) -> Reflection:
    key, names = "asset.mirrored_joints", env.dof_names
    if not env.cfg.asset.mirrored_joints:
        raise UserError(
            f"config key '{key}' is empty: 'symmetry' needs the sign of each joint in a mirror, by parts of names, for "
            "example {'hip_roll': -1.0, 'knee': 1.0}"
        )
    return _other_sides(names, "joint"), joint_values(key, env.cfg.asset.mirrored_joints, names)


def _heights(env: LeggedRobot) -> list[int]:
    points = env.cfg.terrain.measured_points_y
    rows, columns = len(env.cfg.terrain.measured_points_x), len(points)
    if any(abs(left + right) > 1e-6 for left, right in zip(points, reversed(points), strict=True)):
        raise UserError(f"config key 'terrain.measured_points_y' is not symmetric, which 'symmetry' needs: {points}")
    return [row * columns + columns - 1 - column for row in range(rows) for column in range(columns)]


def _other_sides(names: list[str], what: str) -> list[int]:
    """Return for each name the index of its counterpart. Names without a side are their own counterpart."""
    order = []
    for name in names:
        other = _SIDE.sub(_swap, name)
        if other not in names:
            raise UserError(f"{what} '{name}' has no counterpart '{other}' on the other side, which 'symmetry' needs")
        order.append(names.index(other))
    return order


def _swap(found: re.Match[str]) -> str:
    """Return the other side, with the same case as the given one."""
    side = found[3] or found[2]
    other = _SIDES[side.lower()]
    return (found[1] or "") + (other.upper() if side.isupper() else other.title() if side.istitle() else other)


def _join(parts: list[Reflection]) -> Reflection:
    order: list[int] = []
    signs: list[float] = []
    for part_order, part_signs in parts:
        order += [len(signs) + index for index in part_order]
        signs += part_signs
    return order, signs
