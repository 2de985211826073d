"""A window: MuJoCo's own viewer, with keys and a gamepad to drive the robots."""

from __future__ import annotations

import os
import queue
import sys
import threading
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING

import glfw
import mujoco
import mujoco.viewer
import numpy as np

from legged_gym.render.drawing import RobotDrawing, nearest_robots
from legged_gym.render.film import velocities
from legged_gym.render.velocities import Velocities
from legged_gym.viewers import MOST_ROBOTS
from legged_gym.viewers.actions import actions_of
from legged_gym.viewers.gamepad import HELP, Gamepad
from legged_gym.viewers.readings import Instruments
from legged_gym.viewers.session import PlaySession, TimedSession

if TYPE_CHECKING:
    from legged_gym.envs.base.legged_robot import LeggedRobot

_REACH = 20.0
"""Terrain further away than this is not drawn, m."""
_NAMED_KEYS = {32: "space", 257: "enter", 265: "I", 264: "K", 263: "J", 262: "L"}
"""GLFW's keys that are not letters, and their names: the arrows change the command."""
_HELP_KEY = "H"
_UPDATES_TO_RESTORE = 3
"""Number of updates after a key press that restore flags, because MuJoCo's viewer reports changes late."""
_TIMEOUT = 5.0
"""Time that closing waits for the window's last frame, s."""

Text = tuple[int, int, str, str]
"""Font, position, and two columns of text."""


def screen_available() -> bool:
    """Return whether this machine can open a window."""
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return False
    with warnings.catch_warnings():
        # GLFW reports a missing screen as a warning, and MuJoCo's viewer would wait for the window forever.
        warnings.simplefilter("ignore")
        return bool(glfw.init())


def key_name(code: int) -> str:
    """Return the name of a GLFW key in :mod:`legged_gym.viewers.actions`; empty if it has no meaning."""
    if code in _NAMED_KEYS:
        return _NAMED_KEYS[code]
    return chr(code) if 48 <= code <= 57 or 65 <= code <= 90 else ""


class _TextBoard:
    """Shows texts in the window from its own thread, because MuJoCo's viewer takes them only between two frames."""

    def __init__(self, handle: mujoco.viewer.Handle) -> None:
        self._handle = handle
        self._wanted: queue.SimpleQueue[list[Text] | None] = queue.SimpleQueue()
        self._shown: list[Text] = []
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def show(self, texts: list[Text]) -> None:
        """Show texts as soon as possible, without waiting."""
        if texts != self._shown and self._wanted.empty():
            self._shown = texts
            self._wanted.put(texts)

    def close(self) -> None:
        """End the thread before the window closes."""
        self._wanted.put(None)
        self._thread.join(timeout=_TIMEOUT)

    def _work(self) -> None:
        while (texts := self._wanted.get()) is not None and self._handle.is_running():
            self._handle.set_texts(texts)


class NativeViewer:
    """Shows a session in a window, with keys and a gamepad."""

    def __init__(self, session: TimedSession) -> None:
        """Open the window; check :func:`screen_available` first.

        Args:
            session: The session to show. A session at play can be driven.

        Raises:
            RuntimeError: On macOS MuJoCo's viewer needs ``mjpython`` instead of ``python``.
        """
        self._session, self._instruments = session, Instruments(session)
        self._gamepad = Gamepad(session) if isinstance(session, PlaySession) else None
        self._drawing = RobotDrawing(session.env, _REACH, robots=self._robots(session.env))
        self._shown = session.robot
        self._actions: dict[str, Callable[[], None]] = {_HELP_KEY: self._switch_help}
        self._actions |= {action.key: lambda do=action.do: do(session) for action in actions_of(session)}  # type: ignore[misc]
        self._helps = True
        self._restoring = 0
        self._prepare_first_view()
        others = set(threading.enumerate())
        self._handle = mujoco.viewer.launch_passive(
            self._drawing.model, self._drawing.data, key_callback=self._on_key, show_left_ui=False, show_right_ui=False
        )
        self._threads = set(threading.enumerate()) - others
        with self._handle.lock():
            camera, wanted = self._handle.cam, self._drawing.camera
            camera.type, camera.distance = wanted.type, wanted.distance
            camera.azimuth, camera.elevation = wanted.azimuth, wanted.elevation
        self._board = _TextBoard(self._handle)
        self._flags = [flags.copy() for flags in self._viewer_flags()]
        self.update()

    @property
    def is_open(self) -> bool:
        """Whether the window is open."""
        return self._handle.is_running()

    def update(self) -> None:
        """Show the present state."""
        if not self.is_open:
            return
        if self._gamepad is not None:
            self._gamepad.update()
        session, drawing = self._session, self._drawing
        if session.robot != self._shown:
            self._shown, drawing.robots = session.robot, self._robots(session.env)
        reading = self._instruments.read()
        seen = velocities(reading, 0) if isinstance(session, PlaySession) else None
        if seen is not None:
            drawing.arrows = seen.arrows(np.concatenate((reading.base_pos[0, 0], reading.base_quat[0, 0])))
        with self._handle.lock():
            self._keep_flags()
            terrain_moved = drawing.follow_terrain()
            drawing.update()
            self._handle.cam.lookat[:] = drawing.camera.lookat
            scene = self._handle.user_scn
            scene.ngeom = 0
            drawing.add_to(scene)
        if terrain_moved:
            self._handle.update_hfield(0)
        self._board.show(self._texts(seen))
        self._handle.sync()

    def close(self) -> None:
        """Close the window. It may be called twice."""
        if self.is_open:
            self._board.close()
        self._handle.close()
        # Python must not exit while the window is still closing.
        for thread in self._threads:
            thread.join(timeout=_TIMEOUT)

    def _prepare_first_view(self) -> None:
        """Set the first view early, because MuJoCo's viewer draws some frames before it gets any."""
        drawing = self._drawing
        drawing.update()
        view, model = drawing.camera, drawing.model
        model.vis.global_.azimuth, model.vis.global_.elevation = view.azimuth, view.elevation
        model.stat.center[:] = view.lookat

    def _robots(self, env: LeggedRobot) -> list[int]:
        return nearest_robots(env, self._session.robot, MOST_ROBOTS)

    # --- keys, in the window's own thread --------------------------------------------------------------------------

    def _on_key(self, code: int) -> None:
        action = self._actions.get(key_name(code))
        if action is not None:
            self._restoring = _UPDATES_TO_RESTORE
            action()

    def _switch_help(self) -> None:
        self._helps = not self._helps

    def _keep_flags(self) -> None:
        """Undo what MuJoCo's viewer itself does on our keys, such as drawing joints on J."""
        for flags, kept in zip(self._viewer_flags(), self._flags, strict=True):
            if self._restoring:
                flags[:] = kept
            else:
                kept[:] = flags
        self._restoring = max(0, self._restoring - 1)

    def _viewer_flags(self) -> tuple[mujoco.MjvOption, mujoco.MjvScene]:
        return self._handle.opt.flags, self._handle.user_scn.flags

    # --- texts -------------------------------------------------------------------------------------------------------

    def _texts(self, seen: Velocities | None) -> list[Text]:
        font, corner = mujoco.mjtFontScale.mjFONTSCALE_150, mujoco.mjtGridPos
        status = (font, corner.mjGRID_TOPLEFT, *_columns(self._status(seen)))
        if not self._helps:
            return [status]
        rows: list[tuple[str, str]] = [(action.key, action.label) for action in actions_of(self._session)]
        rows += [(_HELP_KEY, "hide this help"), ("mouse", "turn and zoom the view")]
        if self._gamepad is not None:
            rows = [("arrows", "as I K J L"), *rows, *(HELP if self._gamepad.name else ())]
        return [status, (font, corner.mjGRID_TOPRIGHT, *_columns(rows))]

    def _status(self, seen: Velocities | None) -> list[tuple[str, str]]:
        session = self._session
        time = "random commands" if getattr(session, "held_command", None) is None else "driven"
        if not isinstance(session, PlaySession):
            time = session.title
        rows = [("robot", f"{session.robot} of {session.env.num_envs}, {'paused' if session.paused else time}")]
        for line in seen.caption("m/s, rad/s") if seen is not None else ():
            name, *values = line.split("\t")
            rows.append((name, "  ".join(f"{value.split(' ')[0]:>7}" for value in values)))
        return [*rows, *([("", session.message)] if session.message else []), (_HELP_KEY, "help")]


def _columns(rows: list[tuple[str, str]]) -> tuple[str, str]:
    """Return rows of two cells as two texts."""
    left, right = zip(*rows, strict=True)
    return "\n".join(left), "\n".join(right)
