"""The page that walks in a browser: its physics against the robot's simulated controller, and the page itself."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import browser
import numpy as np
import pytest

from legged_gym import LEGGED_GYM_ROOT_DIR
from legged_gym.common.errors import UserError
from legged_gym.deploy.plan import TrialPlan
from legged_gym.deploy.trial import Trial
from legged_gym.deploy.web import GROUNDS, check_page_path, page_data, write_page
from legged_gym.policies.exported import load_policy
from legged_gym.runners.runs import shipped_policy
from legged_gym.scripts import export, train

WEB = Path(LEGGED_GYM_ROOT_DIR, "web")
URDF = str(Path(LEGGED_GYM_ROOT_DIR, "resources/robots/qmini/urdf/qmini.urdf"))
GO2 = URDF.replace("qmini", "go2")
FOLDER = str(shipped_policy("qmini"))
DT = 0.02
Drive = tuple[tuple[float, tuple[float, float, float]], ...]
"""Seconds, and the command from then on."""

DRIVE: Drive = (
    (0, (0, 0, 0)), (2, (0.4, 0, 0)), (8, (0.4, 0, 0.4)), (14, (0, 0, 0)), (17, (-0.3, 0, 0)), (22, (0, 0, -0.5)),
)  # fmt: skip
DRIVES: dict[str, Drive] = {
    "curves": ((0, (0.3, 0, 0.3)), (10, (0, 0, -0.5)), (18, (0.3, 0, -0.3))),
    "sideways": ((0, (0, 0, 0)), (2, (0.2, 0.2, 0)), (10, (0, -0.2, 0)), (18, (0, 0, 0)), (20, (0, 0.2, 0))),
    "backward": ((0, (0, 0, 0)), (2, (-0.5, 0, 0.5)), (20, (0, 0, 0))),
    "stop and go": tuple((float(at), (0.4 if at % 4 else 0, 0, 0)) for at in range(0, 28, 2)),
    "of all kinds": DRIVE,
}

needs_node = pytest.mark.skipif(
    shutil.which("node") is None or not (WEB / "node_modules").is_dir(), reason="needs Node: npm ci --prefix web"
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("web") / "data.json"
    path.write_text(json.dumps(page_data(load_policy(FOLDER), URDF, "Qmini")))
    return path


def commands(seconds: float, drive: Drive = DRIVE) -> np.ndarray:
    steps = range(round(seconds / DT))
    return np.array([[command for at, command in drive if at <= step * DT + 1e-9][-1] for step in steps], float)


def make_trial(ground: str, plan: np.ndarray, folder: str = FOLDER, urdf: str = URDF) -> Trial:
    policy = load_policy(folder)
    zeros = np.zeros(len(policy.config.joint_names))
    trial = TrialPlan(
        dt=DT, commands=plan, pushes=np.zeros((len(plan), 2)), ground=GROUNDS[ground], friction=1.0, payload=0.0,
        p_gain=1.0, d_gain=1.0, zero_offset=zeros, action_delay=0.0, observation_delay=0.0, position=np.zeros(2),
        attitude=np.zeros(3), velocity=np.zeros(6), dof_pos=zeros, noise=0.0, seed=(1,),
    )  # fmt: skip
    return Trial(policy, urdf, trial)


def drive_page(
    data: Path, ground: str, plan: np.ndarray, states: list[dict[str, Any]] | None = None
) -> list[dict[str, Any]]:
    file = data.with_name("plan.json")
    rows = [{"command": command} for command in plan.tolist()]
    for row, state in zip(rows, states or [], strict=False):
        row |= state
    file.write_text(json.dumps(rows))
    command = ["node", str(WEB / "test" / "drive.mjs"), str(data), ground, str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def distances(rows: list[dict[str, Any]], positions: np.ndarray) -> np.ndarray:
    return np.abs(np.array([row["position"] for row in rows]) - positions).max(1)


@needs_node
@pytest.mark.parametrize("name", DRIVES)
def test_on_flat_ground_the_page_follows_the_controller_s_trial(data: Path, name: str) -> None:
    """In each of these drives, trials that start up to 12 nm higher stay within 20 µm of one another."""
    plan = commands(28.0, DRIVES[name])
    positions = make_trial("flat", plan).run().record.base_pos[:, 0]
    assert distances(drive_page(data, "flat", plan), positions).max() < 1e-3


@needs_node
def test_each_step_from_the_trial_s_own_state_ends_where_the_trial_s_does(data: Path) -> None:
    """A gait may amplify rounding; here the page goes on from the trial's state in every step, so nothing adds up."""
    plan = commands(28.0)
    trial, states = make_trial("flat", plan), []

    def note(trial: Trial) -> None:
        states.append({"qpos": trial.world.data.qpos.tolist(), "qvel": trial.world.data.qvel.tolist()})

    note(trial)
    positions = trial.run(note).record.base_pos[:, 0]
    assert distances(drive_page(data, "flat", plan, states=states), positions).max() < 1e-6


@needs_node
@pytest.mark.parametrize("ground", [name for name in GROUNDS if name != "flat"])
def test_on_other_grounds_it_walks_as_the_trial_does(data: Path, ground: str) -> None:
    plan = commands(8.0)
    rows = drive_page(data, ground, plan)
    assert not any(row["fallen"] for row in rows)
    expected = make_trial(ground, plan).run()
    assert expected.fall is None
    walking = slice(150, None)
    mean = np.mean([row["velocity"][0] for row in rows][walking])
    assert mean == pytest.approx(expected.record.lin_vel[walking, 0, 0].mean(), rel=0.1)


@needs_node
def test_the_edge_of_uneven_ground_is_noticed_before_it_is_reached(data: Path) -> None:
    rows = drive_page(data, "rough 2 cm", np.tile([0.6, 0.0, 0.0], (700, 1)))
    first = next(row for row in rows if row["edge"])
    assert 7.5 < first["position"][0] < 7.7 and first["position"][2] > 0.4


def test_a_browser_opens_the_file_from_disk_drives_pushes_and_changes_the_ground(tmp_path: Path) -> None:
    path = tmp_path / "qmini.html"
    write_page(FOLDER, URDF, str(path), "Qmini walks")
    assert 3e6 < path.stat().st_size < 8e6
    browser.skip_without_browser()
    with browser.open_browser() as page:
        page.get(path.as_uri())
        browser.wait_for(lambda: page.find_element("id", "walks").text.strip())
        assert page.title == "Qmini walks"
        # A slider that was moved last has the keyboard's focus.
        page.execute_script(
            "const slider = document.getElementById('friction'); slider.focus();"
            "slider.dispatchEvent(new KeyboardEvent('keydown', {code: 'KeyW', bubbles: true}))"
        )
        browser.wait_for(lambda: _numbers(page, "walks")[0] > 0.4)
        page.execute_script("dispatchEvent(new Event('blur'))")
        browser.wait_for(lambda: _numbers(page, "asked")[0] == 0.0)
        page.find_element("xpath", "//button[text()='rough 4 cm']").click()
        page.execute_script("document.getElementById('payload').value = 2")
        page.execute_script("document.getElementById('payload').dispatchEvent(new Event('input'))")
        page.execute_script(
            "const c = document.getElementById('scene'), b = c.getBoundingClientRect();"
            "const at = (type, x, y) => c.dispatchEvent(new PointerEvent(type,"
            " {clientX: b.x + x, clientY: b.y + y, pointerId: 1}));"
            "c.setPointerCapture = () => {}; at('pointerdown', b.width / 2, b.height / 2 + 15);"
            "at('pointermove', b.width / 2 + 90, b.height / 2); at('pointerup', b.width / 2 + 90, b.height / 2)"
        )
        time.sleep(1.0)
        assert "wrong" not in page.find_element("id", "message").get_attribute("class")
        assert [entry for entry in page.get_log("browser") if entry["level"] == "SEVERE"] == []


def test_go2_s_page_walks_in_a_browser_without_an_estimate(tmp_path: Path) -> None:
    path = tmp_path / "go2.html"
    write_page(str(shipped_policy("go2")), GO2, str(path), "Go2 walks")
    browser.skip_without_browser()
    with browser.open_browser() as page:
        page.get(path.as_uri())
        browser.wait_for(lambda: page.find_element("id", "walks").text.strip())
        page.execute_script("dispatchEvent(new KeyboardEvent('keydown', {code: 'KeyW'}))")
        browser.wait_for(lambda: _numbers(page, "asked")[0] > 0.4 and abs(_difference(page)) < 0.1)
        shown = page.find_element("tag name", "aside").text
        assert "feet FL_foot FR_foot RL_foot RR_foot" in shown and "estimates" not in shown
        assert [entry for entry in page.get_log("browser") if entry["level"] == "SEVERE"] == []


def test_on_a_phone_the_panel_is_folded_and_stick_and_gamepad_drive(tmp_path: Path) -> None:
    path = tmp_path / "qmini.html"
    write_page(FOLDER, URDF, str(path), "Qmini walks")
    browser.skip_without_browser()
    with browser.open_browser() as page:
        screen = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}
        page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
        page.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": True})
        page.get(path.as_uri())
        browser.wait_for(lambda: "stick" in page.find_element("id", "message").text)
        assert page.execute_script("return document.documentElement.scrollWidth") == 390
        assert page.find_element("tag name", "aside").size["height"] < 844 / 4
        x, y = page.execute_script(
            "const b = document.getElementById('stick').getBoundingClientRect(); return [b.x + b.width / 2, b.y]"
        )
        for kind, points in (("Start", [(x, y + 56)]), ("Move", [(x, y + 4)])):
            _touch(page, f"touch{kind}", points)
        browser.wait_for(lambda: _numbers(page, "asked")[0] > 0.6 and _numbers(page, "walks")[0] > 0.4)
        _touch(page, "touchEnd", [])
        browser.wait_for(lambda: _numbers(page, "asked") == [0.0, 0.0, 0.0])
        # Sticks up are negative, as browsers tell them.
        page.execute_script(
            "navigator.getGamepads = () => [null, {axes: [0.05, -1, -0.5, 0]}];"
            "dispatchEvent(new Event('gamepadconnected'))"
        )
        browser.wait_for(lambda: _numbers(page, "asked") == [0.7, 0.0, 0.4])
        assert page.find_element("id", "message").text.startswith("gamepad: left stick walks")
        page.find_element("id", "fold").click()
        browser.wait_for(lambda: page.find_element("id", "payload").is_displayed())
        assert [entry for entry in page.get_log("browser") if entry["level"] == "SEVERE"] == []


@needs_node
def test_another_robot_s_policy_moves_on_the_page_as_in_the_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Go2 has twelve joints, four feet and no estimator."""
    where = ["--task=go2", "--sim=mujoco", "--rl_device=cpu", f"--log_root={tmp_path}"]
    small = ["--headless", "--num_envs=2", "--max_iterations=1", "--set=terrain.mesh_type=plane"]
    exported, data = tmp_path / "exported", tmp_path / "data.json"
    for script, further in ((train, small), (export, [f"--output={exported}", f"--web={tmp_path / 'go2.html'}"])):
        monkeypatch.setattr("sys.argv", [f"{script.__name__}.py", *where, *further])
        script.main()
    data.write_text(json.dumps(page_data(load_policy(exported), GO2, "Go2")))
    plan = np.tile([0.3, 0.0, 0.0], (100, 1))
    expected = make_trial("flat", plan, str(exported), GO2).run().record.base_pos[:, 0]
    rows = drive_page(data, "flat", plan)
    np.testing.assert_allclose([row["position"] for row in rows][: len(expected)], expected, atol=1e-3)


def test_what_is_no_page_s_name_is_refused() -> None:
    with pytest.raises(UserError, match=r"--web takes the name of an .html file"):
        check_page_path("qmini.txt")
    with pytest.raises(UserError, match="no writable folder"):
        check_page_path("nowhere/qmini.html")


def _numbers(page: Any, name: str) -> list[float]:
    return [float(text) for text in page.find_element("id", name).get_attribute("textContent").split()]


def _difference(page: Any) -> float:
    return _numbers(page, "walks")[0] - _numbers(page, "asked")[0]


def _touch(page: Any, kind: str, points: list[tuple[float, float]]) -> None:
    touches = [{"x": x, "y": y} for x, y in points]
    page.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})
