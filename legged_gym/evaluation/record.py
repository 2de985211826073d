"""What happened in some trials, as plain arrays: all that metrics, plots and films are made of."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from legged_gym.common.labels import Kind, LabelLayout

Floats = NDArray[Any]
"""An array of float32 or float64."""
SHARED = ("dt", "dof_vel_limits", "labels")
"""Fields of a record that belong to all of its trials."""


@dataclass(frozen=True)
class Record:
    """N trials of T control steps, each by one robot.

    A row is what is true when the policy observes: row 0 is the start, with torques still zero. SI units and radians;
    x forward, y left, z up; quaternions xyzw. D joints and F feet, the left one first.
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
    dof_vel: Floats
    """rad/s, (T, N, D)."""
    torques: Floats
    """Of the last physics step before the row, N·m, (T, N, D)."""
    actions: Floats
    """The policy's answer to the row, (T, N, D)."""
    foot_contact: NDArray[np.bool_]
    """The foot touches now or did one row ago, (T, N, F)."""
    foot_pos: Floats
    """World frame, m, (T, N, F, 3)."""
    sole_vel: Floats
    """Horizontal velocity of the point of each foot that lies on the ground below the foot's origin, world frame, m/s,
    (T, N, F, 2)."""
    rows: NDArray[np.int64]
    """Rows that count, (N,): T, or fewer where the trial ended in a fall after so many."""
    mass: Floats
    """Of each robot with its payload, kg, (N,)."""
    dof_vel_limits: Floats
    """Fastest that each joint can turn, rad/s, (D,); infinite where that is not known."""
    estimate: Floats | None = None
    """What the policy's estimator says, in the units of ``labels``, (T, N, L)."""
    labels: LabelLayout | None = None
    """What the columns of ``estimate`` mean."""

    @property
    def steps(self) -> int:
        """Number of rows, T."""
        return len(self.commands)

    @property
    def trials(self) -> int:
        """Number of trials, N."""
        return self.commands.shape[1]

    def estimated(self, kind: Kind) -> Floats | None:
        """Return the first term of a kind that the estimator says, (T, N, n), if it says one."""
        return None if self.estimate is None or self.labels is None else self.labels.part(kind, self.estimate)

    def select(self, trials: Any) -> Record:
        """Return some of the trials.

        Args:
            trials: Indices, or a mask, (N,), as for any NumPy array.
        """
        changes: dict[str, Any] = {"rows": self.rows[trials], "mass": self.mass[trials]}
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.name not in {*SHARED, *changes} and value is not None:
                changes[field.name] = value[:, trials]
        return dataclasses.replace(self, **changes)
