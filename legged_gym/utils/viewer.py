"""A window that shows one robot, where there is a screen."""

from __future__ import annotations

import os
import sys
import time
import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from legged_gym.envs.base.legged_robot import LeggedRobot


def screen_available() -> bool:
    """Return whether a window can be opened here."""
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return False
    import glfw

    with warnings.catch_warnings():
        # GLFW reports an unreachable screen as a warning; MuJoCo's viewer would wait for the window forever.
        warnings.simplefilter("ignore")
        return bool(glfw.init())


class Viewer:
    """MuJoCo's own viewer on the environment's state tensors, at the speed of real time."""

    def __init__(self, env: LeggedRobot) -> None:
        """Open the window; check :func:`screen_available` first."""
        import mujoco.viewer

        from legged_gym.utils.drawing import RobotDrawing

        self._drawing = RobotDrawing(env)
        self._dt = env.dt
        self._handle = mujoco.viewer.launch_passive(
            self._drawing.model, self._drawing.data, show_left_ui=False, show_right_ui=False
        )
        self._next = time.monotonic()

    @property
    def is_open(self) -> bool:
        """Whether the user left the window open."""
        return self._handle.is_running()

    def render(self) -> None:
        """Show the present state, not sooner than one control step after the last."""
        with self._handle.lock():
            self._drawing.update()
            self._handle.cam.lookat[:] = self._drawing.camera.lookat
        self._handle.sync()
        self._next = max(self._next + self._dt, time.monotonic() - self._dt)
        time.sleep(max(0.0, self._next - time.monotonic()))

    def close(self) -> None:
        """Close the window."""
        self._handle.close()
