"""A log beside a simulation that is given the same targets: on a page, and in a film."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from browser import open_browser, skip_without_browser, tick, wait_for

from legged_gym.cli.arguments import run_main
from legged_gym.common.rotations import quat_rotate_inverse
from legged_gym.scripts import replay
from legged_gym.this_robot.excite import make_trajectory
from legged_gym.this_robot.log import RobotLog, write_log
from legged_gym.this_robot.replay import session, simulated_pieces
from legged_gym.this_robot.stand import Stand, simulate
from legged_gym.viewers.actions import actions_of
from legged_gym.viewers.replay import RecordedSession
from legged_gym.viewers.web_page import WebPage


@pytest.fixture(scope="module")
def stand() -> Stand:
    return Stand()


@pytest.fixture(scope="module")
def log(stand: Stand) -> RobotLog:
    """Return a log of a robot whose knees are weak, in a stand that leans."""
    truth = stand.nominal()
    truth.strength[[3, 8]] = 0.5
    return simulate(stand, make_trajectory(stand, 8.0, 0, tilt=(0.0, 0.4)), truth, rate=250.0).rows(800, 1900)


@pytest.fixture
def shown(stand: Stand, log: RobotLog) -> Iterator[RecordedSession]:
    both = session(stand, simulated_pieces(stand, log, stand.nominal()), "upright.csv")
    yield both
    both.env.close()


def test_the_log_is_on_the_left_and_the_simulation_on_the_right(shown: RecordedSession, log: RobotLog) -> None:
    env = shown.env
    for _ in range(30):
        shown.advance()
    row = round(29 * env.dt / log.dt)
    assert np.allclose(env.dof_pos[0], log["position"][row], atol=1e-5)
    assert 0.01 < float((env.dof_pos[1] - env.dof_pos[0]).abs()[[3, 8]].max()) < 0.3
    down = quat_rotate_inverse(env.root_states[:, 3:7], torch.tensor([0.0, 0.0, -1.0]).expand(2, 3))
    assert np.allclose(down, log.gravity.mean(0), atol=1e-3) and float(down[0, 0]) > 0.3
    view = np.array(env.cfg.viewer.lookat) - env.cfg.viewer.pos
    to_simulation = (env.root_states[1, :3] - env.root_states[0, :3]).numpy()
    assert np.cross(view, to_simulation)[2] < -0.1, "seen from the camera it is to the right"
    assert shown.title == "log upright.csv" and "mrad apart" in shown.message
    shown.next_robot()
    assert shown.title == "simulation"
    shown.reset()
    shown.carry_out_requests()
    shown.advance()
    assert np.allclose(env.dof_pos[0], log["position"][0], atol=1e-5)
    assert [action.label for action in actions_of(shown)] == [
        "pause or go on", "one step", "reset", "next robot", "robot before",
    ]  # fmt: skip


def test_a_page_shows_both_and_can_stop_them(shown: RecordedSession) -> None:
    skip_without_browser()
    page = WebPage(shown, port=18240)
    thread = threading.Thread(target=lambda: list(shown.steps(None, [page])))
    thread.start()
    driver = open_browser()

    def text() -> str:
        return str(driver.find_element("tag name", "body").text)

    try:
        driver.get(page.url)
        wait_for(lambda: "left: the log" in text() and "hip_yaw_l, rad" in text())
        assert "Forward, m/s" not in text() and "Push" not in text()
        tick(driver, "Pause", lambda: shown.paused)
    finally:
        shown.stop()
        thread.join()
        page.close()
        driver.quit()


def test_the_command_films_both(
    log: RobotLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    write_log(log.rows(0, 530), str(tmp_path / "log.npz"))
    film = tmp_path / "both.mp4"
    monkeypatch.setattr("sys.argv", ["replay.py", str(tmp_path / "log.npz"), "--video", str(film)])
    assert run_main(replay.main) == 0
    assert film.stat().st_size > 20_000 and (tmp_path / "log_replay.png").stat().st_size > 20_000
    assert "video" in capsys.readouterr().out
