"""A window on a virtual screen, driven by keys."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import glfw
import pytest

from legged_gym.viewers.actions import ACTIONS
from legged_gym.viewers.gamepad import Gamepad, stick_command
from legged_gym.viewers.session import PlaySession

_MISSING = [tool for tool in ("Xvfb", "xdotool") if shutil.which(tool) is None]
needs_screen = pytest.mark.skipif(
    bool(_MISSING),
    reason=f"{' and '.join(_MISSING)} missing (Debian, Ubuntu: apt install xvfb xdotool libgl1-mesa-dri)",
)
_PATIENCE = 60.0


class Window:
    """A window on a session, and what the session reports after each update."""

    def __init__(self, display: str, *arguments: str) -> None:
        self._env = {**os.environ, "DISPLAY": display, "MUJOCO_GL": "glfw"}
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("window_probe.py")), *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=self._env,
        )  # fmt: skip
        self.rows: list[dict[str, Any]] = []
        threading.Thread(target=self._read, daemon=True).start()
        self.wait_for(lambda row: True)
        self._id = self._xdotool("search", "--sync", "--name", "MuJoCo").split()[0]

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.rows.append(json.loads(line))

    def _xdotool(self, *arguments: str) -> str:
        done = subprocess.run(
            ["xdotool", *arguments], capture_output=True, text=True, env=self._env, timeout=_PATIENCE, check=True
        )
        return done.stdout

    def press(self, *keys: str) -> None:
        for key in keys:
            self._xdotool("key", "--window", self._id, key)

    def wait_for(self, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Return the first report from now on that fulfils a condition."""
        begin, end = max(0, len(self.rows) - 1), time.monotonic() + _PATIENCE
        while time.monotonic() < end and (self.process.poll() is None or begin < len(self.rows)):
            while begin < len(self.rows):
                if condition(self.rows[begin]):
                    return self.rows[begin]
                begin += 1
            time.sleep(0.05)
        self.process.kill()
        raise AssertionError(f"never in {self.rows[-3:]}; {self.process.stderr.read() if self.process.stderr else ''}")


@pytest.fixture
def display() -> Iterator[str]:
    """Start a screen that nobody sees, and return its name."""
    read, write = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(write), "-screen", "0", "640x480x24", "-nolisten", "tcp"],
        pass_fds=[write], stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(write)
    with os.fdopen(read) as pipe:
        number = pipe.readline().strip()
    assert number, "Xvfb did not start"
    yield f":{number}"
    server.terminate()
    server.wait()


@needs_screen
def test_keys_drive_the_robot_in_the_window(display: str) -> None:
    window = Window(display)
    window.press("x")
    window.wait_for(lambda row: row["command"] == [0.0, 0.0, 0.0])
    window.press("Up", "i", "j")
    row = window.wait_for(lambda row: row["command"] != [0.0, 0.0, 0.0] and row["command"][2] != 0.0)
    assert row["command"][0] > 0.0
    assert row["command"][2] > 0.0
    window.press("k", "k", "l")
    window.wait_for(lambda row: row["command"] == [0.0, 0.0, 0.0])
    window.press("Down", "Right")
    row = window.wait_for(lambda row: row["command"][0] < 0.0 and row["command"][2] < 0.0)
    window.press("x")
    window.wait_for(lambda row: row["command"] == [0.0, 0.0, 0.0])
    window.process.kill()


@needs_screen
def test_keys_stop_the_time_push_reset_and_show_other_robots(display: str) -> None:
    window = Window(display, "terrain")
    window.press("space")
    paused = window.wait_for(lambda row: row["paused"])
    assert window.wait_for(lambda row: len(window.rows) > 5)["step"] == paused["step"]
    window.press("t", "t")
    stepped = window.wait_for(lambda row: row["step"] == paused["step"] + 2)
    assert stepped["paused"]
    window.press("r")
    still = window.wait_for(lambda row: row["age"] == 0)
    assert still["speed"] < 0.05
    window.press("p", "t")
    assert window.wait_for(lambda row: row["step"] == paused["step"] + 3)["speed"] > 0.25
    window.press("n")
    window.wait_for(lambda row: row["robot"] == 1)
    window.press("b", "b")
    window.wait_for(lambda row: row["robot"] == 2)
    window.press("space")
    window.wait_for(lambda row: not row["paused"] and row["step"] > stepped["step"] + 3)
    window.process.kill()


@needs_screen
def test_what_mujoco_itself_does_on_our_keys_is_taken_back(display: str, tmp_path: Path) -> None:
    window = Window(display)
    window.press("space")
    window.wait_for(lambda row: row["paused"])
    flags = window.wait_for(lambda row: len(window.rows) > 8)["flags"]
    # Joints, inertia, skybox, fog and reflections, for MuJoCo.
    window.press("j", "i", "k", "g", "r")
    window.wait_for(lambda row: row["command"] != [0.0, 0.0, 0.0])
    seen = len(window.rows)
    assert window.wait_for(lambda row: len(window.rows) > seen + 20)["flags"] == flags
    window.press("c")
    window.wait_for(lambda row: row["flags"] != flags)
    window.process.kill()


@needs_screen
def test_keys_stop_the_time_of_a_recording(display: str) -> None:
    window = Window(display, "recorded")
    window.press("space")
    paused = window.wait_for(lambda row: row["paused"])
    window.press("p", "x", "t", "n")
    row = window.wait_for(lambda row: row["robot"] == 1 and row["step"] == paused["step"] + 1)
    assert row["speed"] < 0.05, "nobody can push what was recorded"
    window.press("r", "t")
    window.wait_for(lambda row: row["age"] == 0)
    window.process.kill()


@needs_screen
def test_closing_the_window_ends_the_session(display: str) -> None:
    window = Window(display)
    window.press("ctrl+q")
    status = window.process.wait(timeout=_PATIENCE)
    assert window.process.stderr is not None
    assert status == 0, window.process.stderr.read()


def make_session(log: list[Any]) -> PlaySession:
    """Return something that notes what is asked of it as a session would be asked."""

    class Notes:
        command_ranges = ((-0.2, 0.6), (-0.3, 0.3), (-1.0, 1.0))

        def __getattr__(self, name: str) -> Callable[..., None]:
            return lambda *arguments: log.append((name, *arguments))

    return cast(PlaySession, Notes())


def axes(**sticks: float) -> list[float]:
    """Return GLFW's axes with some of them moved."""
    names = ("left_x", "left_y", "right_x", "right_y", "left_trigger", "right_trigger")
    return [sticks.get(name, 0.0) for name in names]


def buttons(*pressed: int) -> list[int]:
    return [int(button in pressed) for button in range(glfw.GAMEPAD_BUTTON_LAST + 1)]


def test_sticks_ask_for_commands_within_the_range_of_the_task() -> None:
    ranges = [(-0.2, 0.6), (-0.3, 0.3), (-1.0, 1.0)]
    assert stick_command(axes(left_y=-1.0), ranges) == pytest.approx((0.6, 0.0, 0.0))
    assert stick_command(axes(left_y=1.0), ranges) == pytest.approx((-0.2, 0.0, 0.0))
    assert stick_command(axes(left_x=-1.0, right_x=-1.0), ranges) == pytest.approx((0.0, 0.3, 1.0))
    assert stick_command(axes(left_x=0.1, left_y=-0.1, right_x=0.14), ranges) == (0.0, 0.0, 0.0)
    half = stick_command(axes(right_x=0.575), ranges)[2]
    assert half == pytest.approx(-0.5)


def test_gamepad_acts_when_something_changes_only() -> None:
    log: list[Any] = []
    gamepad = Gamepad(make_session(log))
    gamepad.take(axes(), buttons())
    assert log == []
    for _ in range(2):
        gamepad.take(axes(left_y=-1.0), buttons(glfw.GAMEPAD_BUTTON_B))
    assert log == [("drive", (0.6, 0.0, 0.0)), ("push",)]
    gamepad.take(axes(), buttons(glfw.GAMEPAD_BUTTON_RIGHT_BUMPER))
    assert log[2:] == [("drive", (0.0, 0.0, 0.0)), ("next_robot",)]
    gamepad.take(axes(), buttons(glfw.GAMEPAD_BUTTON_LEFT_BUMPER))
    assert log[4:] == [("next_robot", -1)], "the one before"


def test_no_two_keys_of_the_window_mean_different_things() -> None:
    keys = [action.key for action in ACTIONS]
    assert len({*keys, "H"}) == len(keys) + 1
