"""The recording of a motion, step by step, as plain arrays.

Metrics, plots, films and the page use it. ``recorder`` fills it; this module needs only NumPy.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from legged_gym.common.labels import Kind, LabelLayout
from legged_gym.simulators.mujoco_model import HeightField, SceneCfg

Floats = NDArray[Any]
"""An array of float32 or float64."""


def _unrecorded() -> Any:
    return np.zeros(0, np.float32)


@dataclass(frozen=True)
class Stage:
    """What is needed to draw a rollout."""

    cfg: SceneCfg
    """Configuration of the robot; its section ``viewer`` is used, too."""
    terrain: HeightField | None
    dof_names: Sequence[str]


@dataclass(frozen=True)
class Rollout:
    """N robots over T control steps. SI units and radians; x forward, y left, z up; quaternions xyzw.

    There are D joints and F feet, the left one first. Fields that were not recorded are empty. In an evaluation each
    robot does one trial, and a row is the state that the policy observes: row 0 is the start.
    """

    dt: float
    """Time between rows, s."""
    commands: Floats
    """Commanded forward and lateral velocity, m/s, and yaw rate, rad/s, (T, N, 3)."""
    lin_vel: Floats
    """Linear velocity of the base in its own frame, m/s, (T, N, 3)."""
    yaw_rate: Floats
    """Angular velocity of the base about its own z axis, rad/s, (T, N)."""
    base_pos: Floats
    """Position of the base, world frame, m, (T, N, 3)."""
    base_quat: Floats
    """Orientation of the base, (T, N, 4)."""
    dof_pos: Floats
    """Joint angles, rad, (T, N, D)."""
    dof_vel: Floats = field(default_factory=_unrecorded)
    """Joint velocities, rad/s, (T, N, D)."""
    dof_targets: Floats = field(default_factory=_unrecorded)
    """Joint targets of the policy, rad, (T, N, D)."""
    torques: Floats = field(default_factory=_unrecorded)
    """Torques in the last physics step before the row, N·m, (T, N, D)."""
    actions: Floats = field(default_factory=_unrecorded)
    """The policy's action for the row, (T, N, D)."""
    foot_contact: NDArray[np.bool_] = field(default_factory=_unrecorded)
    """Whether the foot is in contact now or was one row ago, (T, N, F)."""
    foot_pos: Floats = field(default_factory=_unrecorded)
    """Positions of the feet, world frame, m, (T, N, F, 3)."""
    foot_forces: Floats = field(default_factory=_unrecorded)
    """Net contact forces, world frame, N, (T, N, F, 3)."""
    sole_vel: Floats = field(default_factory=_unrecorded)
    """Horizontal velocity of the point of each foot that is on the ground below its origin, world frame, m/s,
    (T, N, F, 2)."""
    rewards: Floats = field(default_factory=_unrecorded)
    """Scaled reward terms per second, (T, N, R)."""
    seconds: Floats = field(default_factory=_unrecorded)
    """Time since the robot's reset, s, (T, N)."""
    terrain_level: Floats = field(default_factory=_unrecorded)
    """Row of the robot's terrain tile, (T, N)."""
    rows: NDArray[np.int64] = field(default_factory=_unrecorded)
    """Number of valid rows, (N,): T, or fewer if the trial ended in a fall."""
    mass: Floats = field(default_factory=_unrecorded)
    """Mass of each robot with its payload, kg, (N,)."""
    torque_limits: Floats = field(default_factory=_unrecorded)
    """Torque limit of each joint, N·m, (D,); infinite without a limit."""
    dof_vel_limits: Floats = field(default_factory=_unrecorded)
    """Velocity limit of each joint, rad/s, (D,); infinite if unknown."""
    estimate: Floats | None = None
    """Output of the policy's estimator, in the units of ``labels``, (T, N, L)."""
    label: Floats | None = None
    """The true values, (T, N, L)."""
    labels: LabelLayout | None = None
    """Meaning of the columns of both."""

    @property
    def steps(self) -> int:
        """Number of rows, T."""
        return len(self.commands)

    @property
    def trials(self) -> int:
        """Number of robots, N."""
        return self.commands.shape[1]

    @property
    def velocity(self) -> Floats:
        """Measured forward and lateral velocity, m/s, and yaw rate, rad/s, (T, N, 3)."""
        return np.concatenate((self.lin_vel[..., :2], self.yaw_rate[..., None]), axis=-1)

    def estimated(self, kind: Kind) -> Floats | None:
        """Return the estimate's first term of a kind, such as velocity or contacts, (T, N, n), or None."""
        if self.estimate is None or self.labels is None:
            return None
        return self.labels.part(kind, self.estimate)

    def select(self, trials: Any) -> Rollout:
        """Return the robots with these indices, or in a mask, (N,)."""
        changes = {name: getattr(self, name)[:, trials] for name in self._recorded()}
        changes |= {name: getattr(self, name)[trials] for name in _PER_TRIAL if getattr(self, name).size}
        return dataclasses.replace(self, **changes)

    def cut(self, first: int, last: int) -> Rollout:
        """Return the rows from ``first`` up to, not including, ``last``."""
        changes: dict[str, Any] = {name: getattr(self, name)[first:last] for name in self._recorded()}
        changes["rows"] = np.clip(self.rows - first, 0, last - first)
        return dataclasses.replace(self, **changes)

    @classmethod
    def join(cls, rollouts: Sequence[Rollout]) -> Rollout:
        """Join the robots of rollouts with the same number of rows."""
        first = rollouts[0]
        changes: dict[str, Any] = {}
        changes |= {name: np.concatenate([getattr(r, name) for r in rollouts], axis=1) for name in first._recorded()}
        changes |= {name: np.concatenate([getattr(r, name) for r in rollouts]) for name in _PER_TRIAL}
        return dataclasses.replace(first, **changes)

    def _recorded(self) -> list[str]:
        """Return the names of the fields that have a row for each step."""
        names = [item.name for item in dataclasses.fields(self) if item.name not in (*_PER_TRIAL, *_SHARED)]
        return [name for name in names if getattr(self, name) is not None and getattr(self, name).size]


_PER_TRIAL, _SHARED = ("rows", "mass"), ("dt", "dof_vel_limits", "torque_limits", "labels")
"""Fields without rows."""
