"""The one recording of a motion: what robots did, step by step, as plain arrays.

Metrics, plots, films and the page in the browser are all made of it. The recorder that fills it reads PyTorch's
tensors, :mod:`legged_gym.evaluation.recorder`; this module needs NumPy alone.
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
    """``viewer`` is read, too."""
    terrain: HeightField | None
    dof_names: Sequence[str]


@dataclass(frozen=True)
class Rollout:
    """N robots over T control steps. SI units and radians; x forward, y left, z up; quaternions xyzw.

    There are D joints and F feet, the left one first. Fields that were not recorded are empty. In an evaluation each
    robot does one trial, and a row is what is true when the policy observes: row 0 is the start.
    """

    dt: float
    """Seconds between rows."""
    commands: Floats
    """Wanted forward and lateral velocity, m/s, and yaw rate, rad/s, (T, N, 3)."""
    lin_vel: Floats
    """Of the base, in its own frame, m/s, (T, N, 3)."""
    yaw_rate: Floats
    """Angular velocity of the base about its own z axis, rad/s, (T, N)."""
    base_pos: Floats
    """World frame, m, (T, N, 3)."""
    base_quat: Floats
    """Orientation of the base, (T, N, 4)."""
    dof_pos: Floats
    """rad, (T, N, D)."""
    dof_vel: Floats = field(default_factory=_unrecorded)
    """rad/s, (T, N, D)."""
    dof_targets: Floats = field(default_factory=_unrecorded)
    """Where the policy wanted the joints to be, rad, (T, N, D)."""
    torques: Floats = field(default_factory=_unrecorded)
    """Of the last physics step before the row, N·m, (T, N, D)."""
    actions: Floats = field(default_factory=_unrecorded)
    """The policy's answer to the row, (T, N, D)."""
    foot_contact: NDArray[np.bool_] = field(default_factory=_unrecorded)
    """The foot touches now or did one row ago, (T, N, F)."""
    foot_pos: Floats = field(default_factory=_unrecorded)
    """World frame, m, (T, N, F, 3)."""
    foot_forces: Floats = field(default_factory=_unrecorded)
    """Net contact forces, world frame, N, (T, N, F, 3)."""
    sole_vel: Floats = field(default_factory=_unrecorded)
    """Horizontal velocity of the point of each foot that lies on the ground below the foot's origin, world frame, m/s,
    (T, N, F, 2)."""
    rewards: Floats = field(default_factory=_unrecorded)
    """Scaled reward terms per second, (T, N, R)."""
    seconds: Floats = field(default_factory=_unrecorded)
    """Since the robot's reset, s, (T, N)."""
    terrain_level: Floats = field(default_factory=_unrecorded)
    """Row of the robot's terrain tile, (T, N)."""
    rows: NDArray[np.int64] = field(default_factory=_unrecorded)
    """Rows that count, (N,): T, or fewer where the trial ended in a fall after so many."""
    mass: Floats = field(default_factory=_unrecorded)
    """Of each robot with its payload, kg, (N,)."""
    torque_limits: Floats = field(default_factory=_unrecorded)
    """Largest torque of each joint, N·m, (D,); infinite where there is no limit."""
    dof_vel_limits: Floats = field(default_factory=_unrecorded)
    """Fastest that each joint can turn, rad/s, (D,); infinite where that is not known."""
    estimate: Floats | None = None
    """What the policy's estimator says, in the units of ``labels``, (T, N, L)."""
    label: Floats | None = None
    """What it should say, (T, N, L)."""
    labels: LabelLayout | None = None
    """What the columns of both mean."""

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
        """Forward and lateral velocity, m/s, and yaw rate, rad/s: what is asked for by the commands, (T, N, 3)."""
        return np.concatenate((self.lin_vel[..., :2], self.yaw_rate[..., None]), axis=-1)

    def estimated(self, kind: Kind) -> Floats | None:
        """Return the estimate's first term of a kind, (T, N, n): the velocity, the feet's contacts; None without it."""
        if self.estimate is None or self.labels is None:
            return None
        return self.labels.part(kind, self.estimate)

    def select(self, trials: Any) -> Rollout:
        """Return the robots that indices, or a mask, (N,), pick."""
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
        """Return all robots of rollouts that are equally long."""
        first = rollouts[0]
        changes: dict[str, Any] = {}
        changes |= {name: np.concatenate([getattr(r, name) for r in rollouts], axis=1) for name in first._recorded()}
        changes |= {name: np.concatenate([getattr(r, name) for r in rollouts]) for name in _PER_TRIAL}
        return dataclasses.replace(first, **changes)

    def _recorded(self) -> list[str]:
        """Return the names of the fields that hold a row for each step."""
        names = [item.name for item in dataclasses.fields(self) if item.name not in (*_PER_TRIAL, *_SHARED)]
        return [name for name in names if getattr(self, name) is not None and getattr(self, name).size]


_PER_TRIAL, _SHARED = ("rows", "mass"), ("dt", "dof_vel_limits", "torque_limits", "labels")
"""Fields without rows."""
