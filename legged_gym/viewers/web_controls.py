"""Sliders, buttons and keys of the page."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import viser

from legged_gym.evaluation.rollout import Rollout
from legged_gym.runners.runs import checkpoint_number, list_checkpoints
from legged_gym.viewers.actions import Action, actions_of
from legged_gym.viewers.guard import log
from legged_gym.viewers.session import SPEEDS, PlaySession, Session, TimedSession

if TYPE_CHECKING:
    from legged_gym.viewers.web_scene import WebScene

_MARGIN = 1.2
"""Range of the sliders, as a multiple of the training's commands."""
_SIDE, _FRONT = 0.5, 0.5
"""Strength of the pushes, m/s."""


class LookControls:
    """Controls of the view, for any session."""

    def __init__(self, gui: viser.GuiApi, session: Session) -> None:
        """Add the status line at the current place of the page."""
        self._session = session
        self._status = gui.add_markdown("")

    def add(self, gui: viser.GuiApi, scene: WebScene) -> None:
        """Add the controls at the current place of the page."""
        session = self._session
        with gui.add_folder("View"):
            count = session.env.num_envs
            self._robot = gui.add_number(
                f"Robot (of {count})", session.robot, min=0, max=count - 1, step=1, hint="or click on one"
            )
            if count > 1:
                company = gui.add_checkbox("Others, too", scene.company, hint="show the robots around it")
                company.on_update(lambda event: setattr(scene, "company", event.target.value))
            follow = gui.add_checkbox("Follow", scene.follow, hint="keep the robot in the middle of the view")
            follow.on_update(lambda event: setattr(scene, "follow", event.target.value))
        self._robot.on_update(_by_user(lambda value: session.select_robot(int(value))))
        for action in actions_of(session):
            gui.add_command(action.label, hotkey=action.key).on_trigger(_asking(action, session))

    def show(self, reading: Rollout, pace: str = "") -> None:
        """Update the page."""
        session = self._session
        _tell(self._robot, session.robot)
        level = f" · level {int(reading.terrain_level[0, 0])}" if session.env.terrain is not None else ""
        lines = [f"**{session.title}** · robot {session.robot} · {reading.seconds[0, 0]:.1f} s{level}{pace}"]
        if session.message:
            lines.append(session.message)
        self._status.content = "\n\n".join(lines)

    def end(self) -> None:
        """Show that the session has ended, and why."""
        self._status.content = f"**{self._session.message or 'ended'}**"


class TimeControls:
    """Controls of the simulation's time."""

    def __init__(self, gui: viser.GuiApi, session: TimedSession) -> None:
        """Add them to the place where the page is being built."""
        self._timed = session
        names = {_speed_name(speed): speed for speed in SPEEDS}
        with gui.add_folder("Time"):
            self._paused = gui.add_checkbox("Pause", session.paused)
            self._paused.on_update(_by_user(session.pause))
            gui.add_button("One step").on_click(lambda _: session.single_step())
            speed = gui.add_dropdown("Speed", list(names), initial_value=_speed_name(session.speed))
            speed.on_update(lambda event: setattr(session, "speed", names[event.target.value]))
        self._add_more(gui)
        gui.add_markdown("Keys: " + " · ".join(f"**{action.key}** {action.label}" for action in actions_of(session)))

    @property
    def pace(self) -> str:
        """The speed or pause, as text for the status line."""
        return " · paused" if self._timed.paused else f" · {_speed_name(self._timed.speed)}"

    def show(self, reading: Rollout) -> None:
        """Bring the page up to date with what keys, other browsers and the task itself have changed."""
        _tell(self._paused, self._timed.paused)

    def _add_more(self, gui: viser.GuiApi) -> None:
        """Add further controls below."""


class PlayControls(TimeControls):
    """Controls for driving a policy."""

    def __init__(self, gui: viser.GuiApi, session: PlaySession) -> None:
        """Add them to the place where the page is being built."""
        self._gui, self._session = gui, session
        self._command_lock = threading.Lock()
        self._known_command: list[float] = []
        self._checkpoints: list[int] = []
        self._checkpoint: viser.GuiDropdownHandle[str] | None = None
        self._add_command(gui)
        super().__init__(gui, session)

    def show(self, reading: Rollout) -> None:
        """Bring the page up to date with what keys, other browsers and the task itself have changed."""
        super().show(reading)
        session = self._session
        with self._command_lock:
            present = session.held_command or reading.commands[0, 0].tolist()
            command = [round(value, 2) for value in present]
            # A slider that the user is moving is ahead of the command, and must not be set back.
            if command != self._known_command:
                self._known_command = command
                for slider, value in zip(self._sliders, command, strict=True):
                    _tell(slider, min(max(value, slider.min), slider.max))
        _tell(self._random, session.held_command is None)
        if self._level is not None:
            _tell(self._level, int(reading.terrain_level[0, 0]))

    def show_checkpoints(self) -> None:
        """List the run's present checkpoints."""
        session = self._session
        checkpoints = list_checkpoints(session.trained.run)
        present = str(checkpoint_number(session.trained.checkpoint))
        if checkpoints != self._checkpoints and present in map(str, checkpoints):
            self._checkpoints = checkpoints
            if self._checkpoint is not None:
                self._checkpoint.remove()
            with self._place:
                options = [str(number) for number in checkpoints]
                self._checkpoint = self._gui.add_dropdown("Iteration", options, initial_value=present)
            self._place.visible = True
            self._checkpoint.on_update(_by_user(lambda value: session.switch_checkpoint(int(value))))
        elif self._checkpoint is not None:
            _tell(self._checkpoint, present)

    def _add_command(self, gui: viser.GuiApi) -> None:
        session = self._session
        names = ("Forward, m/s", "Left, m/s", "Turn, rad/s")
        with gui.add_folder("Command"):
            self._random = gui.add_checkbox("At random", session.held_command is None, hint="as the task draws them")
            self._random.on_update(_by_user(lambda on: session.release() if on else self._hold()))
            self._sliders = [
                # A slider for an untrained component would mislead.
                gui.add_slider(name, low * _MARGIN - 0.01, high * _MARGIN + 0.01, 0.01, 0.0, visible=low < high)
                for name, (low, high) in zip(names, session.command_ranges, strict=True)
            ]
            gui.add_button("Stand still").on_click(lambda _: session.halt())
        for slider in self._sliders:
            slider.on_update(_by_user(lambda _: self._hold()))

    def _hold(self) -> None:
        with self._command_lock:
            self._known_command = [round(slider.value, 2) for slider in self._sliders]
            self._session.drive(self._known_command)

    def _add_more(self, gui: viser.GuiApi) -> None:
        session = self._session
        directions = {"←": (0.0, _SIDE), "↑": (_FRONT, 0.0), "↓": (-_FRONT, 0.0), "→": (0.0, -_SIDE)}
        self._level: viser.GuiSliderHandle[int] | None = None
        with gui.add_folder("Robot"):
            if session.env.num_envs > 1:
                everyone = gui.add_checkbox("Apply to all", session.everyone, hint="commands, pushes, resets, levels")
                everyone.on_update(lambda event: setattr(session, "everyone", event.target.value))
            push = gui.add_button_group("Push", list(directions))
            push.on_click(lambda event: session.push(directions[event.target.value]))
            gui.add_button("Reset").on_click(lambda _: session.reset())
            if session.env.terrain is not None:
                highest = session.env.cfg.terrain.num_rows - 1
                self._level = gui.add_slider("Terrain level", 0, highest, 1, 0)
                self._level.on_update(_by_user(lambda value: session.set_terrain_level(int(value))))
        self._place = gui.add_folder("Checkpoint", visible=False)


def _asking(action: Action, session: Session) -> Callable[[Any], None]:
    return lambda _: action.do(session)


def _tell(handle: Any, value: Any) -> None:
    """Show a value on the page, if it has changed."""
    if handle.value != value:
        handle.value = value


def _by_user(do: Callable[[Any], None]) -> Callable[[viser.GuiEvent[Any]], None]:
    """Return a callback for values that the user changed on the page, not for those that the program set."""

    def updated(event: viser.GuiEvent[Any]) -> None:
        if event.client is None:
            return
        try:
            do(event.target.value)
        except (TypeError, ValueError, KeyError) as error:
            log.warning("page: '%s' can't be %r: %s", event.target.label, event.target.value, error)

    return updated


def _speed_name(speed: float) -> str:
    return "as fast as possible" if math.isinf(speed) else f"{speed:g}x real time"
