"""A film of a task's robots, one of them followed, with what it is asked for, does and takes itself to do."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING

import torch

from legged_gym.render.drawing import Arrow, RobotDrawing, at_distance
from legged_gym.render.velocities import Velocities
from legged_gym.render.video import REACH, VideoRecorder
from legged_gym.viewers.recording import FURTHER

if TYPE_CHECKING:
    import numpy as np

    from legged_gym.envs.base.legged_robot import LeggedRobot


def nearest_robots(env: LeggedRobot, robot: int, count: int) -> list[int]:
    """Return the ``count`` robots that now stand nearest to a robot, which is the first of them."""
    distance = (env.root_states[:, :2] - env.root_states[robot, :2]).norm(dim=1)
    distance[robot] = -1.0
    return distance.argsort()[:count].tolist()


def velocities(env: LeggedRobot, robot: int, command: torch.Tensor, estimate: torch.Tensor | None) -> Velocities:
    """Return a robot's velocities.

    Args:
        env: The environment.
        robot: Which robot.
        command: What the last step was asked to do, (N, 3).
        estimate: The estimator's output, in its label's scale, (N, L), if there is one.
    """
    measured = torch.cat((env.base_lin_vel[robot, :2], env.base_ang_vel[robot, 2:]))
    layout = env.label_layout
    said = None if estimate is None else layout.part("velocity", layout.physical(estimate[robot].cpu().numpy()))
    return Velocities(command[robot, :3].cpu().numpy(), measured.cpu().numpy(), None if said is None else said[:2])


class RobotFilm:
    """Films an environment at the speed of real time; a context manager, which finishes the file."""

    def __init__(self, env: LeggedRobot, path: str, robots: Sequence[int], title: str = "") -> None:
        """Get ready to draw.

        Args:
            env: The environment.
            path: The video, ``.mp4``.
            robots: Robots in the picture; the first one is followed.
            title: A line above the velocities.

        Raises:
            UserError: The video can't be written there.
            VideoUnavailableError: There is no OpenGL or no encoder here.
        """
        self._env, self._robots, self._title = env, list(robots), title
        self._view = at_distance(env.cfg.viewer, FURTHER if len(self._robots) > 1 else 1.0)
        self._steps = 0
        self._arrows: list[Arrow] = []
        self._recorder = VideoRecorder(self._draw, env.dt, path)

    def add_step(self, command: torch.Tensor, estimate: torch.Tensor | None) -> np.ndarray | None:
        """Draw the present state if it is time for a frame; call this after each ``env.step``.

        Args:
            command: What the step was asked to do, (N, 3).
            estimate: What the estimator said before the step, in its label's scale, (N, L), if there is one.

        Returns:
            The frame, RGB, (height, width, 3), uint8, if it was time.
        """
        self._steps += 1
        seen = velocities(self._env, self._robots[0], command, estimate)
        self._drawing.arrows = self._arrows = seen.arrows(self._env.root_states[self._robots[0], :7].cpu().numpy())
        title = [self._title] if self._title else []
        return self._recorder.add_step([*title, *seen.caption(f"{self._steps * self._env.dt:.1f} s")])

    def __enter__(self) -> RobotFilm:
        """Return the film."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finish the file, or take it away after an error."""
        self._recorder.__exit__(kind, error, trace)

    def _draw(self) -> RobotDrawing:
        self._drawing = RobotDrawing(self._env, REACH, robots=self._robots, view=self._view)
        self._drawing.arrows = self._arrows
        return self._drawing
