"""Shows commanded, measured and estimated velocity of a robot in pictures: as a table and as arrows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from legged_gym.evaluation.motion import roll_pitch_yaw
from legged_gym.render.captions import Line
from legged_gym.render.drawing import Arrow

COLOURS = {"command": (120, 190, 255), "measured": (140, 230, 140), "estimated": (255, 190, 90)}
"""RGB of the table's lines and of the arrows."""

_HEIGHT, _SPACING = 0.30, 0.05
"""Height of the lowest arrow above the robot's base, and distance between arrows, m."""
_SECONDS = 0.9
"""An arrow's length is the distance that the robot walks in this time, s."""
_UP = np.array([0.0, 0.0, 1.0])


@dataclass(frozen=True)
class Velocities:
    """Commanded, measured and estimated velocity of a robot, in its own frame."""

    command: np.ndarray
    """Forward and to the left, m/s, turning to the left, rad/s, (3,)."""
    measured: np.ndarray
    """(3,)."""
    estimated: np.ndarray | None = None
    """Forward and to the left, m/s, (2,), where there is an estimator."""

    def caption(self, corner: str = "") -> list[str]:
        """Return the table's lines, with ``corner`` in the upper left cell."""
        return [
            "\t".join((corner, "forward m/s", "left m/s", "turn rad/s")),
            *(
                Line("\t".join((name, *(f"{value:+.2f}" for value in values))), COLOURS[name])
                for name, values in self._rows()
            ),
        ]

    def arrows(self, root: np.ndarray) -> list[Arrow]:
        """Return an arrow for each velocity, above the robot's ``root``, (7 or more,), the command on top."""
        heading = float(roll_pitch_yaw(root[3:7])[2])
        forward = np.array([math.cos(heading), math.sin(heading), 0.0])
        left = np.array([-forward[1], forward[0], 0.0])
        rows = self._rows()
        return [
            Arrow(
                root[:3] + (_HEIGHT + _SPACING * (len(rows) - 1 - place)) * _UP,
                _SECONDS * (values[0] * forward + values[1] * left),
                COLOURS[name],
            )
            for place, (name, values) in enumerate(rows)
        ]

    def _rows(self) -> Sequence[tuple[str, np.ndarray]]:
        rows = [("command", self.command), ("measured", self.measured)]
        return rows if self.estimated is None else [*rows, ("estimated", self.estimated[:2])]
