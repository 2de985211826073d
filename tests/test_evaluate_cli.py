"""The evaluation as a user holds it, from a run and from exported files; and policies that come with the project."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import imageio_ffmpeg
import pytest
import yaml
from evaluation_policies import RUN, make_policy
from test_cli import can_draw, command, run

from legged_gym import LEGGED_GYM_ROOT_DIR
from legged_gym.cli.arguments import run_main
from legged_gym.common.errors import VideoUnavailableError
from legged_gym.evaluation.scenarios import SCENARIOS
from legged_gym.runners import runs

THREADS, PLANE = "--set=sim.num_threads=1", "--set=terrain.mesh_type=plane"


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a log root with one run."""
    root = tmp_path_factory.mktemp("logs")
    make_policy(root)
    return root


def call(script: str, monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    """Run a script in this process, which spares its imports."""
    monkeypatch.setattr(sys, "argv", [f"{script}.py", *map(str, arguments)])
    return run_main(importlib.import_module(f"legged_gym.scripts.{script}").main)


def test_an_evaluation_with_a_film(logs: Path, tmp_path: Path) -> None:
    done = run("evaluate", "--scenarios=stairs_2cm", "--quick", "--trials=1", f"--out={tmp_path}", f"--log_root={logs}",
               f"--video={tmp_path / 'evaluation.mp4'}", THREADS)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert f"{RUN}/model_0" in done.stdout and "stairs_2cm" in done.stdout
    assert ("data:image/jpeg" in (tmp_path / "report.html").read_text(encoding="utf-8")) == can_draw()
    if not can_draw():
        assert "no video: " in done.stdout
        return
    frames = imageio_ffmpeg.read_frames(str(tmp_path / "evaluation.mp4"))
    assert next(frames)["size"] == (640, 368)
    pictures = list(frames)
    assert len(pictures) >= 10
    assert pictures[0] != pictures[-1]


@pytest.fixture
def unfilmed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out what takes longest."""

    def fail(sample: object) -> None:
        raise VideoUnavailableError("not wanted here")

    monkeypatch.setattr("legged_gym.render.results.film_strip", fail)


@pytest.mark.usefixtures("unfilmed")
def test_policies_side_by_side(
    logs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = logs / "qmini" / RUN
    assert call("evaluate", monkeypatch, f"ours={folder}", folder / "exported", "--scenarios=flat,slope", "--quick",
                "--trials=2", f"--out={tmp_path}", "--seed=3", THREADS) == 0  # fmt: skip
    output = capsys.readouterr().out
    assert "A  ours" in output and f"B  {RUN} (ONNX)" in output
    data = json.loads((tmp_path / "evaluation.json").read_text())
    assert (data["seed"], data["trials"], data["longest"], data["finished"]) == (3, 2, 4.0, True)
    assert data["overrides"] == ["sim.num_threads=1"]
    first, second = (policy["results"] for policy in data["policies"])
    assert list(first) == ["flat", "slope"]
    # The same nets, but for rounding.
    for scenario in first:
        for name in ("falls", "joint_speed_peak"):
            assert first[scenario]["metrics"][name] == pytest.approx(second[scenario]["metrics"][name], rel=0.05)
    assert "Evaluation of ours" in (tmp_path / "report.html").read_text(encoding="utf-8")


@pytest.mark.usefixtures("unfilmed")
def test_the_newest_run_is_examined_into_a_new_folder(logs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (
        call("evaluate", monkeypatch, "--scenarios=flat", "--quick", "--trials=1", f"--log_root={logs}", THREADS) == 0
    )
    (folder,) = (logs / "evaluations").iterdir()
    assert {path.name for path in folder.iterdir()} == {"evaluation.json", "report.html"}
    assert json.loads((folder / "evaluation.json").read_text())["policies"][0]["name"] == f"{RUN}/model_0"
    shutil.rmtree(logs / "evaluations")


def test_list_says_what_there_is() -> None:
    done = run("evaluate", "--list")
    assert done.returncode == 0
    assert [line.split()[0] for line in done.stdout.splitlines()] == [scenario.name for scenario in SCENARIOS]


def test_help_needs_no_heavy_imports() -> None:
    code = (
        "import runpy, sys\n"
        "sys.argv = ['evaluate.py', '--help']\n"
        "try:\n"
        f"    runpy.run_path({str(Path(LEGGED_GYM_ROOT_DIR, 'legged_gym', 'scripts', 'evaluate.py'))!r}, "
        "run_name='__main__')\n"
        "except SystemExit as stop:\n"
        "    assert not stop.code\n"
        "print(sorted({'torch', 'mujoco', 'numpy', 'matplotlib'} & set(sys.modules)))\n"
    )
    environment = {**os.environ}
    output = subprocess.check_output([sys.executable, "-c", code], text=True, env=environment)
    assert "examples:" in output and "push_0.6" in output
    assert output.endswith("[]\n")


def test_ctrl_c_writes_what_was_finished(logs: Path, tmp_path: Path) -> None:
    process = subprocess.Popen(
        command("evaluate", "--scenarios=flat,stand", "--trials=4", f"--log_root={logs}", f"--out={tmp_path}", THREADS),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "MUJOCO_GL": "disable"},
    )
    assert process.stderr is not None
    shown = ""
    while "stand" not in shown:
        character = process.stderr.read(1)
        assert character, shown
        shown += character
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 130, shown + output + errors
    assert "Traceback" not in errors
    data = json.loads((tmp_path / "evaluation.json").read_text())
    assert data["finished"] is False and list(data["policies"][0]["results"]) == ["flat"]
    assert "Stopped before its end" in (tmp_path / "report.html").read_text(encoding="utf-8")


CASES = {
    "scenario": (["--scenarios=flatt"], "no scenario 'flatt' (--scenarios): did you mean 'flat'?"),
    "policy": (["2025"], f"no run '2025' in '{{logs}}/qmini': valid: {RUN}"),
    "checkpoint": (["gone.pt"], "no checkpoint 'gone.pt'"),
    "shipped": (["shipped", "--task=qmini_published"], "'qmini_published' comes with the project, only of: go2, qmini"),
    "task": (["--task=gmini"], "unknown task 'gmini'"),
    "simulator": (["--scenarios=flat", "--quick", "--sim=mujocco"], "unknown simulator 'mujocco'"),
    "trials": (["--trials=0"], "argument --trials: takes an integer from 1 to 100000, got '0'"),
    "setting": (["--scenarios=flat", "--set=terrain.frictoin=1"], "did you mean 'terrain.friction'"),
    "training's setting": (["--scenarios=flat", "--set=algorithm.gamma=0.99"], "has no effect here: nothing is"),
    "training's seed": (["--scenarios=flat", "--set=seed=3"], "'seed' has no effect here: nothing is trained"),
    "a reward": (["--scenarios=flat", "--set=rewards.scales.alive=2"], "has no effect here: nothing is trained"),
    "a reward's setting": (["--scenarios=flat", "--set=rewards.swing_height=0.1"], "no effect here: nothing is"),
    "the scenario's setting": (["--set=domain_rand.friction_range=[1,1]"], "no effect here: the scenarios decide it"),
    "a height": (["--scenarios=stairs_4cm", "--set=terrain.step_height_max=0.1"], "here: the scenarios decide it"),
    "without its switch": (["--set=domain_rand.torque_multiplier_range=[1,1]"], "set domain_rand.randomize_gains=true"),
    "video": (["--video=film.gif"], "videos are written as .mp4"),
    "folder": (["--out={logs}/file/out"], "can't create the folder '{logs}/file/out' (--out): Not a directory"),
    "another robot": (
        ["shipped", "other={go2}", "--scenarios=flat"],
        "go2' is a policy of another robot: it moves 'FL_hip_joint'; joints here: hip_yaw_l",
    ),
    "number of policies": (["a"] * 13, "at most 12 policies at once, got 13"),
}  # fmt: skip


GO2 = Path(LEGGED_GYM_ROOT_DIR, "resources", "policies", "go2")


@pytest.mark.parametrize("case", CASES)
def test_mistakes_get_one_line_and_leave_nothing_behind(
    case: str, logs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (logs / "file").touch()
    arguments, message = CASES[case]
    before = sorted(path.name for path in logs.iterdir())
    assert call("evaluate", monkeypatch, f"--log_root={logs}", *(a.format(logs=logs, go2=GO2) for a in arguments)) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error:")]
    assert len(errors) == 1
    assert message.format(logs=logs) in errors[0]
    assert sorted(path.name for path in logs.iterdir()) == before


@pytest.fixture(scope="module")
def shipped(logs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Export the run's policy as the one that comes with the project, into a folder that stands for the checkout."""
    checkout = tmp_path_factory.mktemp("checkout")
    folder = checkout / "resources" / "policies" / "qmini"
    with pytest.MonkeyPatch.context() as monkeypatch:
        code = call("export", monkeypatch, f"--log_root={logs}", "--rl_device=cpu", f"--output={folder}",
                    "--with_checkpoint", "--num_envs=2", PLANE)  # fmt: skip
        assert code == 0
        monkeypatch.setattr(runs, "LEGGED_GYM_ROOT_DIR", str(checkout))
        yield folder


@pytest.mark.usefixtures("unfilmed")
def test_a_policy_can_be_shipped_played_and_examined(
    shipped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert {"qmini_actor.onnx", "qmini_estimator.onnx", "qmini_controller.yaml", "model.pt", "config.yaml"} <= {
        path.name for path in shipped.iterdir()
    }
    assert yaml.safe_load((shipped / "config.yaml").read_text())["env"]["gait"]["period"] == 0.6
    there = sorted(shipped.iterdir())
    empty = f"--log_root={tmp_path / 'logs'}"
    capsys.readouterr()
    assert call("play", monkeypatch, empty, "--headless", "--steps=3", "--num_envs=1", "--rl_device=cpu", PLANE) == 0
    output = capsys.readouterr().out
    assert "no run of your own" in output and "vx error" in output
    assert (tmp_path / "logs" / "qmini" / "shipped" / "play" / "joints.png").exists()
    assert (
        call("evaluate", monkeypatch, empty, "--scenarios=flat", "--quick", "--trials=1", f"--out={tmp_path / 'x'}")
        == 0
    )
    assert "no run of your own" in capsys.readouterr().out
    data = json.loads((tmp_path / "x" / "evaluation.json").read_text())
    assert data["policies"][0]["name"] == "shipped"
    assert sorted(shipped.iterdir()) == there


def test_a_run_of_ones_own_comes_before_the_shipped_policy(
    shipped: Path, logs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    common = [f"--log_root={logs}", "--headless", "--steps=2", "--num_envs=1", "--rl_device=cpu", "--no_export", PLANE]
    capsys.readouterr()
    assert call("play", monkeypatch, *common) == 0
    output = capsys.readouterr().out
    assert "no run of your own" not in output and f"{RUN}/model_0.pt" in output
    assert call("play", monkeypatch, *common, "--load_run=shipped") == 0
    output = capsys.readouterr().out
    assert "no run of your own" not in output and "model.pt" in output


def test_a_new_run_starts_from_the_shipped_policy(
    shipped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    there = {path.name: path.stat().st_mtime_ns for path in shipped.iterdir()}
    arguments = [f"--log_root={tmp_path}", "--headless", "--sim=mujoco", "--rl_device=cpu", "--num_envs=2", PLANE]
    assert call("train", monkeypatch, *arguments, "--resume", "--load_run=shipped", "--max_iterations=2") == 0
    assert "iteration 2/2" in capsys.readouterr().out
    (run,) = (tmp_path / "qmini").iterdir()
    assert {"model_1.pt", "config.yaml", "git.txt"} <= {path.name for path in run.iterdir()}
    assert {path.name: path.stat().st_mtime_ns for path in shipped.iterdir()} == there


def test_no_shipped_policy_to_play(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(runs, "LEGGED_GYM_ROOT_DIR", str(tmp_path))
    assert call("play", monkeypatch, f"--log_root={tmp_path}", "--headless", "--load_run=shipped") == 2
    assert "no policy of the task 'qmini' comes with the project, only of: none" in capsys.readouterr().err
    assert call("play", monkeypatch, f"--log_root={tmp_path}", "--headless") == 2
    assert "train first" in capsys.readouterr().err
