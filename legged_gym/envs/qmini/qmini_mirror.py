"""Qmini seen in a mirror that stands along its x-z plane: left becomes right.

Joint vectors swap sides and change sign in every entry, because the joints of both legs turn about mirrored axes.
Velocities and gravity change sign in y, angular velocities in x and z; what belongs to a foot or a leg's phase changes
places. Sizes of things (friction, masses, gains) keep their sign.
"""

from __future__ import annotations

import torch
from tensordict import TensorDict

from legged_gym.envs.qmini.qmini import Qmini

_Reflection = tuple[list[int], list[float]]
"""Where each mirrored component comes from, and its sign."""

_VECTOR: _Reflection = ([0, 1, 2], [1.0, -1.0, 1.0])
"""A position, velocity or direction."""
_ROTATION: _Reflection = ([0, 1, 2], [-1.0, 1.0, -1.0])
"""An angular velocity."""
_COMMAND: _Reflection = ([0, 1, 2], [1.0, -1.0, -1.0])
_PAIR: _Reflection = ([1, 0], [1.0, 1.0])
"""A value of each leg."""

_ACTIONS = "actions"
_TABLES = "mirror_tables"
"""Attribute of a task: order and signs by name and device. A recorded update must find the same tensors again."""


def mirror(
    env: Qmini, obs: TensorDict | None, actions: torch.Tensor | None
) -> tuple[TensorDict | None, torch.Tensor | None]:
    """Append the mirrored samples; this is what rsl_rl's symmetry extension calls.

    Args:
        env: The task, whose layout of observations is read.
        obs: Observation groups, each (B, ...); None if only actions are wanted.
        actions: Actions, (B, 10), or None.

    Returns:
        Observations and actions of twice the batch size, the originals first; None for what was None.
    """
    if obs is not None:
        # Not every version of the compiler can list what a TensorDict holds.
        groups = {name: obs.get(name, None) for name in _PARTS if name != _ACTIONS}
        both = {name: _append(env, name, values) for name, values in groups.items() if values is not None}
        obs = TensorDict(both, batch_size=[2 * obs.batch_size[0]])
    if actions is not None:
        actions = _append(env, _ACTIONS, actions)
    return obs, actions


def _append(env: Qmini, name: str, values: torch.Tensor) -> torch.Tensor:
    """Return values of an observation group, or actions, followed by the mirrored ones."""
    order, signs = _reflection(env, name, values.device)
    return torch.cat([values, values[..., order] * signs])


def _reflection(env: Qmini, name: str, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Return order and signs of an observation group, of the estimate (like its label), or of actions."""
    known = env.__dict__.setdefault(_TABLES, {})
    if (name, device) not in known:
        order, signs = _join(_PARTS[name](env))
        known[name, device] = torch.tensor(order, device=device), torch.tensor(signs, device=device)
    tables: tuple[torch.Tensor, torch.Tensor] = known[name, device]
    return tables


def _actions(env: Qmini) -> list[_Reflection]:
    return [_joints(env, -1.0)]


def _policy(env: Qmini) -> list[_Reflection]:
    return _step(env) * env.history_length


def _label(env: Qmini) -> list[_Reflection]:
    return [_VECTOR, _PAIR]


def _step(env: Qmini) -> list[_Reflection]:
    """Return the reflections of one step's terms, in their order."""
    known = {
        "base_ang_vel": _ROTATION,
        "projected_gravity": _VECTOR,
        "commands": _COMMAND,
        "dof_pos": _joints(env, -1.0),
        "dof_vel": _joints(env, -1.0),
        "actions": _joints(env, -1.0),
        "gait_clock": _join([_PAIR, _PAIR]),
    }
    return [known[term.name] for term in env.obs_layout.terms]


def _privileged(env: Qmini) -> list[_Reflection]:
    """Return the reflections of the critic's further knowledge, in the order in which the task lists it."""
    scalar: _Reflection = ([0], [1.0])
    motors = [_joints(env, 1.0)] * 3 + [_joints(env, -1.0)]
    parts = [*_step(env), _VECTOR, scalar, scalar, _VECTOR, *[scalar] * 3, *motors]
    if env.cfg.terrain.measure_heights:
        rows, columns = len(env.cfg.terrain.measured_points_x), len(env.cfg.terrain.measured_points_y)
        order = [row * columns + columns - 1 - column for row in range(rows) for column in range(columns)]
        parts.append((order, [1.0] * len(order)))
    joints, robots = env.rand.further_privileged()
    return [*parts, *[_joints(env, 1.0)] * len(joints), *[scalar] * len(robots)]


def _joints(env: Qmini, sign: float) -> _Reflection:
    """Return the reflection of a vector of joints: ``..._l`` and ``..._r`` change places."""
    other = {"l": "r", "r": "l"}
    order = [env.dof_names.index(name[:-1] + other[name[-1]]) for name in env.dof_names]
    return order, [sign] * len(order)


def _join(parts: list[_Reflection]) -> _Reflection:
    order: list[int] = []
    signs: list[float] = []
    for part_order, part_signs in parts:
        order += [len(signs) + index for index in part_order]
        signs += part_signs
    return order, signs


_PARTS = {"policy": _policy, "privileged": _privileged, "label": _label, "estimate": _label, _ACTIONS: _actions}
"""What the observation groups and actions consist of; only these groups can be mirrored."""
