"""Records the motion of a task's robots, on the simulation's device."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from legged_gym.evaluation.rollout import Rollout, Stage

if TYPE_CHECKING:
    from legged_gym.envs.base.legged_robot import LeggedRobot


def _sole_velocity(env: LeggedRobot) -> torch.Tensor:
    """Return the horizontal velocity of the point of each foot that is on the ground below its origin."""
    feet = env.rigid_body_states[:, env.feet_indices]
    height = feet[..., 2] - env.ground.height_at(feet)
    along_x, along_y = feet[..., 7] - feet[..., 11] * height, feet[..., 8] + feet[..., 10] * height
    return torch.stack((along_x, along_y), dim=-1)


FIELDS: Mapping[str, Callable[[LeggedRobot], torch.Tensor]] = {
    "commands": lambda env: env.commands[:, :3],
    "lin_vel": lambda env: env.base_lin_vel,
    "yaw_rate": lambda env: env.base_ang_vel[:, 2],
    "base_pos": lambda env: env.root_states[:, :3],
    "base_quat": lambda env: env.root_states[:, 3:7],
    "dof_pos": lambda env: env.dof_pos,
    "dof_vel": lambda env: env.dof_vel,
    "dof_targets": lambda env: env.default_dof_pos + env.cfg.control.action_scale * env.actions,
    "torques": lambda env: env.torques,
    "actions": lambda env: env.actions,
    "foot_contact": lambda env: env.feet_contact,
    "foot_pos": lambda env: env.rigid_body_states[:, env.feet_indices, :3],
    "foot_forces": lambda env: env.contact_forces[:, env.feet_indices],
    "sole_vel": _sole_velocity,
    "rewards": lambda env: env.reward_rates,
    "seconds": lambda env: env.episode_length_buf * env.dt,
    "terrain_level": lambda env: env.terrain_levels,
}
"""Reads each field of a :class:`Rollout` from the task, (N, ...)."""

MOTION = ("commands", "lin_vel", "yaw_rate", "base_pos", "base_quat", "dof_pos")
"""Fields of every rollout: enough for a film."""


class Recorder:
    """Stores a row for each call of :meth:`add`."""

    def __init__(
        self,
        env: LeggedRobot,
        fields: Sequence[str] = (),
        robots: torch.Tensor | slice | list[int] = slice(None),
        longest: int | None = None,
    ) -> None:
        """Start without rows.

        Args:
            env: The task.
            fields: Names of :data:`FIELDS`, in addition to :data:`MOTION`.
            robots: Indices of the recorded robots, (N,). They may be changed while there are no rows.
            longest: Number of rows to keep; older ones are dropped. None: all.
        """
        self._env, self._fields, self.robots = env, (*MOTION, *fields), robots
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._rows: deque[torch.Tensor] = deque(maxlen=longest)

    def __len__(self) -> int:
        """Return the number of rows, T."""
        return len(self._rows)

    def add(self, **given: torch.Tensor | None) -> None:
        """Add a row with the present state.

        Args:
            given: Values of the recorded robots, (N, ...), which replace the task's. ``estimate`` and ``label`` can
                only be given, in the label's scale; None is left out.
        """
        values = {n: given[n] if n in given else self.choose(FIELDS[n](self._env)) for n in self._fields}
        for name in ("estimate", "label"):
            value = given.get(name)
            if value is not None:
                values[name] = self._env.label_layout.physical(value)
        row = {name: value.to(self._env.device) for name, value in values.items() if value is not None}
        self._shapes = {name: tuple(value.shape[1:]) for name, value in row.items()}
        self._rows.append(torch.cat([value.float().reshape(len(value), -1) for value in row.values()], dim=1))

    def choose(self, values: torch.Tensor) -> torch.Tensor:
        """Return the values of the recorded robots, from those of all robots, on any device."""
        robots = self.robots
        return values[robots.to(values.device) if isinstance(robots, torch.Tensor) else robots]

    def rollout(self, **constants: Any) -> Rollout:
        """Return all rows, and keep them. ``constants`` are fields without rows, such as ``mass``."""
        data = torch.stack(tuple(self._rows)).cpu().numpy()
        fields: dict[str, Any] = {}
        first = 0
        for name, shape in self._shapes.items():
            last = first + int(np.prod(shape))
            fields[name] = np.ascontiguousarray(data[..., first:last]).reshape(*data.shape[:2], *shape)
            first = last
        if "foot_contact" in fields:
            fields["foot_contact"] = fields["foot_contact"] > 0.5
        labels = self._env.label_layout if "estimate" in fields else None
        return Rollout(dt=self._env.dt, labels=labels, **fields, **constants)

    def clear(self) -> None:
        """Remove all rows."""
        self._rows.clear()


def stage_of(env: LeggedRobot) -> Stage:
    """Return what is needed to draw a task's rollouts."""
    return Stage(env.cfg, env.terrain, list(env.dof_names))
