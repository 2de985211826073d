"""The script as a user runs it: with nothing but exported files, and without PyTorch."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import pytest
from deploy_policies import write_policy
from test_cli import SCRIPTS, can_draw

from legged_gym.common.errors import UserError
from legged_gym.deploy import session
from legged_gym.deploy.plan import TrialPlan
from legged_gym.deploy.pool import run_trials
from legged_gym.deploy.trial import TrialResult
from legged_gym.policies.finder import find_checkpoint, find_exported, find_urdf
from legged_gym.runners.runs import shipped_policy
from legged_gym.scripts import sim2sim

_WITHOUT_TORCH = """
import runpy, sys
sys.argv = sys.argv[1:]
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
except SystemExit as stop:
    code = stop.code or 0
print("imported:", sorted({"torch", "rsl_rl", "legged_gym.envs.base.legged_robot"} & set(sys.modules)))
sys.exit(code)
"""


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", _WITHOUT_TORCH, str(SCRIPTS / "sim2sim.py"), *map(str, arguments)],
        capture_output=True, text=True, check=False, timeout=120,
        env={**os.environ, "DISPLAY": "", "WAYLAND_DISPLAY": ""},
    )  # fmt: skip


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> None:
    """Run the script in this process."""
    monkeypatch.setattr(sys, "argv", ["sim2sim.py", *map(str, arguments)])
    sim2sim.main()


def results(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "sim2sim.json").read_text(), parse_constant=pytest.fail)


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a policy that keeps the robot's pose, until it tips over."""
    return write_policy(tmp_path_factory.mktemp("policy"), estimator=0.1)


def test_trials_need_no_torch_and_leave_figures_and_report(policy: Path, tmp_path: Path) -> None:
    done = run("--policy", policy, "--trials", "2", "--workers", "2", "--vx", "0.7", "--seconds", "2",
               "--friction", "0.5", "--noise", "1", "--out", tmp_path)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("imported: []\n")
    assert "vx exceeds the -0.5 to 0.6 m/s that the policy was trained with" in done.stdout
    assert re.search(r"^drive +100\.0 ", done.stdout, re.M), done.stdout
    assert re.search(r"^drive, trial 1: damping mode at 0\.\d\d s, on the ground at 0\.\d\d s$", done.stdout, re.M), (
        done.stdout
    )
    found = results(tmp_path)
    assert (found["finished"], found["sim"], found["trials"]) == (True, session.SIMULATION, 2)
    assert found["scenarios"]["drive"]["friction"] == [0.5, 0.5]
    drive = found["policies"][0]["results"]["drive"]
    assert (drive["trials"], drive["falls"], drive["metrics"]["falls"]) == (2, 2, 100.0)
    assert [end["trial"] for end in found["ends"]] == [0, 1]
    assert 0.2 < found["ends"][0]["damped"] < found["ends"][0]["fall"] < 2.0
    report = (tmp_path / "report.html").read_text()
    assert report.startswith("<!doctype html>") and "the drive" in report
    assert not re.search(r'(src|href)="(?!data:)', report), "it needs nothing beside it"


def test_same_seed_gives_the_same_figures_with_any_number_of_workers(
    policy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, workers, seed in (("a", 1, 3), ("b", 2, 3), ("c", 1, 4)):
        call(monkeypatch, "--policy", policy, "--trials", 2, "--workers", workers, "--seed", seed, "--noise", 1,
             "--vx", 0.3, "--seconds", 1.2, "--out", tmp_path / name)  # fmt: skip
    first, again, other = (results(tmp_path / name)["policies"][0]["results"] for name in "abc")
    assert first == again
    assert first != other


def test_drive_is_shown_command_by_command(
    policy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "drive.csv").write_text("time, vx, vy, yaw\n0, 0, 0, 0\n0.2, 0.3, 0, 0\n0.6, 0, 0, 0.5\n3, 0, 0, 0\n")
    call(monkeypatch, "--policy", policy, "--drive", tmp_path / "drive.csv", "--out", tmp_path)
    found = results(tmp_path)
    parts = list(found["policies"][0]["results"])
    assert parts[:3] == ["drive", "1: 0 0 0", "2: 0.3 0 0"]
    assert "4: 0 0 0" not in parts, "it was down before that came"
    assert found["policies"][0]["results"]["1: 0 0 0"]["metrics"]["falls"] == 0.0
    assert found["scenarios"]["2: 0.3 0 0"]["title"] == "0.2 s to 0.6 s of the drive"
    assert "2: 0.3 0 0" in capsys.readouterr().out
    # Commands of a stick that was recorded have no figures of their own.
    rows = "".join(f"{0.02 * row:.2f}, {0.01 * row:.2f}, 0, 0\n" for row in range(25))
    (tmp_path / "stick.csv").write_text(rows)
    call(monkeypatch, "--policy", policy, "--drive", tmp_path / "stick.csv", "--out", tmp_path)
    assert list(results(tmp_path)["policies"][0]["results"]) == ["drive"]


def test_scenarios_are_those_of_an_evaluation(policy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    call(monkeypatch, "--policy", policy, "--suites", "friction_0.2,slope", "--trials", 2, "--out", tmp_path)
    found = results(tmp_path)
    assert list(found["scenarios"]) == ["friction_0.2", "slope"]
    assert found["scenarios"]["slope"]["terrains"] == ["slope_up", "slope_down"]
    assert found["policies"][0]["results"]["slope"]["trials"] == 2


@pytest.mark.skipif(not can_draw(), reason="libEGL is missing (Debian, Ubuntu: apt install libegl1 libopengl0)")
def test_video_shows_the_drive(policy: Path, tmp_path: Path) -> None:
    video = tmp_path / "out.mp4"
    done = run("--policy", policy, "--vx", "0.2", "--seconds", "0.24", "--out", tmp_path, "--video", video)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("imported: []\n")
    frames = imageio_ffmpeg.read_frames(str(video))
    width, _ = next(frames)["size"]
    pictures = list(frames)
    assert len(pictures) == 6
    # Where the caption is, light letters stand on a dark panel.
    row = pictures[3][3 * width * 30 : 3 * width * 31]
    assert min(row[: 3 * 200]) < 90 and max(row[: 3 * 200]) > 200


def test_stopped_session_keeps_what_was_finished(
    policy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop_after_one(folder: str, urdf: str, plans: Sequence[TrialPlan], workers: int) -> Iterator[TrialResult]:
        yield next(run_trials(folder, urdf, plans, 1))
        raise KeyboardInterrupt

    monkeypatch.setattr(session, "run_trials", stop_after_one)
    with pytest.raises(KeyboardInterrupt):
        call(monkeypatch, "--policy", policy, "--vx", 0.2, "--seconds", 1, "--trials", 3, "--out", tmp_path)
    found = results(tmp_path)
    assert not found["finished"]
    assert found["policies"][0]["results"]["drive"]["trials"] == 1
    assert "keeping the finished trials" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--vx", "1", "--drive", "a.csv"], "either --drive, or --vx"),
        (["--suites", "flat", "--push", "0.3"], "--push is for a drive: --scenarios have their own conditions"),
        (["--suites", "flatt"], "no scenario 'flatt' .*did you mean 'flat'"),
        (["--seconds", "3"], "--seconds must be more than 14, when the last command begins, got 3"),
        (["--vx", "0.1", "--seconds", "0"], "--seconds must be more than 0"),
        (["--friction", "-1"], "--friction: takes a number from 0 to 10, got '-1'"),
        (["--push_interval", "0"], "--push_interval: takes a number above 0 and at most 1e6, got '0'"),
        (["--noise", "nan"], "--noise: takes a number from 0 to 100, got 'nan'"),
        (["--ground", "sand"], "no ground 'sand': valid: .*rough_2cm"),
        (["--payload", "-6"], "a payload of -6 kg: the base has only 4.78 kg"),
        (["--urdf", "no.urdf"], "no URDF at 'no.urdf'"),
        (["--video", "out.avi"], "videos are written as .mp4"),
        (["--trials", "0"], "--trials: takes an integer from 1 to 100000"),
        (["--frcition", "1"], "unknown argument '--frcition': did you mean '--friction'"),
    ],
)
def test_mistakes_are_one_clear_error(
    policy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        call(monkeypatch, "--policy", policy, "--out", tmp_path / "out", *arguments)


def test_error_is_one_line_and_exit_code_two(tmp_path: Path) -> None:
    done = run("--log_root", tmp_path, "--policy", "nowhere")
    assert done.returncode == 2
    expected = f"error: no run 'nowhere' in '{tmp_path / 'qmini'}': valid: shipped\n"
    assert done.stderr == expected
    assert list(tmp_path.iterdir()) == []


def test_exported_networks_need_no_checkpoint(tmp_path: Path) -> None:
    old, new = (write_policy(tmp_path / name / "exported") for name in ("2026-01-01_00-00-00", "2026-01-02_00-00-00"))
    for spec in (str(old), str(old.parent), "2026-01-01_00-00-00"):
        assert find_exported(spec, "qmini", str(tmp_path)).path == str(old)
    assert find_exported(str(new), "qmini", "nowhere").path == str(new)
    with pytest.raises(UserError, match=r"only exported networks for evaluate\.py and sim2sim\.py"):
        find_checkpoint("2026-01-01_00-00-00", "qmini", str(tmp_path))


def test_robot_is_found_by_the_files_name(tmp_path: Path) -> None:
    assert find_urdf(str(write_policy(tmp_path))).endswith(os.path.join("qmini", "urdf", "qmini.urdf"))
    (tmp_path / "qmini_controller.yaml").rename(tmp_path / "dodo_controller.yaml")
    with pytest.raises(UserError, match=r"is for a robot 'dodo', .*: name its URDF \(--urdf\)"):
        find_urdf(str(tmp_path))


@pytest.mark.skipif(shipped_policy("qmini") is None, reason="no policy is shipped yet")
def test_shipped_policy_walks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    call(monkeypatch, "--policy", "shipped", "--noise", "1", "--out", tmp_path)
    figures = results(tmp_path)["policies"][0]["results"]["drive"]["metrics"]
    assert figures["falls"] == 0.0
    assert figures["vx_rmse"] < 0.1
    assert figures["yaw_rmse"] < 0.25
