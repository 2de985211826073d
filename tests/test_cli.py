"""The scripts as a user runs them."""

from __future__ import annotations

import importlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import imageio_ffmpeg
import onnxruntime
import pytest
import torch
import yaml

from legged_gym import LEGGED_GYM_ROOT_DIR
from legged_gym.common.lock import RunLock
from legged_gym.render.video import has_egl

SCRIPTS = Path(LEGGED_GYM_ROOT_DIR, "legged_gym", "scripts")
SMALL = [
    "--headless", "--sim=mujoco", "--num_envs=4", "--rl_device=cpu", "--set=terrain.mesh_type=plane",
    "--set=sim.num_threads=1", "--set=policy.actor_hidden_dims=[16,16]", "--set=policy.critic_hidden_dims=[16,16]",
    "--set=estimator.hidden_dims=[8]",
]  # fmt: skip


def command(script: str, *arguments: str | Path) -> list[str]:
    return [sys.executable, str(SCRIPTS / f"{script}.py"), *map(str, arguments)]


def run(script: str, *arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(script, *arguments),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={**os.environ, "DISPLAY": "", "WAYLAND_DISPLAY": "", **environment},
    )


def iterations(folder: Path) -> list[int]:
    """Return what the checkpoints say of themselves, the newest last."""
    paths = sorted(folder.glob("model_*.pt"), key=lambda path: int(path.stem.split("_")[1]))
    return [torch.load(path, weights_only=True)["iter"] for path in paths]


def starts(folder: Path) -> int:
    """Return how often the run was started, by its notes of the code's revision."""
    return len(re.findall(r"^\d{4}-\d\d-\d\d [\d:]+ commit ", (folder / "git.txt").read_text(), re.M))


def can_draw() -> bool:
    return sys.platform == "darwin" or has_egl()


@pytest.fixture(scope="module")
def training(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Train for two iterations; return the log root and what was printed."""
    root = tmp_path_factory.mktemp("logs")
    done = run(
        "train", *SMALL, f"--log_root={root}", "--max_iterations=2", "--seed=7", "--run_name=cli",
        "--set=rewards.scales.alive=0.5",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return root, done.stdout


@pytest.fixture
def log_root(training: tuple[Path, str], tmp_path: Path) -> Path:
    """Return a log root of the test's own with that run in it."""
    return Path(shutil.copytree(training[0], tmp_path / "logs"))


def only_run(log_root: Path) -> Path:
    (folder,) = (log_root / "qmini").iterdir()
    return folder


def test_a_run_that_another_process_trains_is_refused_before_anything_is_said(log_root: Path) -> None:
    with RunLock(str(only_run(log_root))).held():
        done = run("train", "--resume", *SMALL, f"--log_root={log_root}", "--max_iterations=3")
    assert (done.returncode, done.stdout) == (2, "") and "is being trained already, by process" in done.stderr


def test_training_leaves_a_complete_run(training: tuple[Path, str]) -> None:
    folder = only_run(training[0])
    assert re.fullmatch(r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d_cli", folder.name)
    config = yaml.safe_load((folder / "config.yaml").read_text())
    assert (config["task"], config["env"]["env"]["num_envs"], config["train"]["seed"]) == ("qmini", 4, 7)
    assert config["env"]["rewards"]["scales"]["alive"] == 0.5
    assert starts(folder) == 1
    assert iterations(folder)[-1] == 2
    assert len(list(folder.glob("events.out.tfevents.*"))) == 1


def test_training_ends_by_saying_what_can_be_done_next(training: tuple[Path, str]) -> None:
    folder, output = str(only_run(training[0])), training[1]
    assert "iteration 2/2" in output
    for pattern in (
        f"run +{folder}",
        f"play.py .*{folder}",
        f"train.py .*{folder} --resume",
        f"dashboard.py --logdir={training[0]}",
    ):
        assert re.search(pattern, output), pattern


def test_resumed_training_goes_on_in_its_folder_as_configured(log_root: Path) -> None:
    done = run("train", f"--log_root={log_root}", "--rl_device=cpu", "--resume", "--headless", "--max_iterations=3")
    assert done.returncode == 0, done.stderr
    assert "iteration 3/3" in done.stdout
    assert "iteration 2/3" not in done.stdout
    folder = only_run(log_root)
    assert iterations(folder)[-1] == 3
    config = yaml.safe_load((folder / "config.yaml").read_text())
    assert (config["env"]["env"]["num_envs"], config["env"]["rewards"]["scales"]["alive"]) == (4, 0.5)
    assert (config["train"]["runner"]["max_iterations"], config["train"]["policy"]["actor_hidden_dims"]) == (
        3,
        [16, 16],
    )


def start_training(folder: Path, ignored: tuple[int, ...] = ()) -> subprocess.Popen[str]:
    """Start a long training in a process group of its own that ignores some signals, and wait for an iteration."""
    process = subprocess.Popen(
        command("train", *SMALL, f"--log_root={folder}", "--max_iterations=100000"),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        preexec_fn=lambda: [signal.signal(number, signal.SIG_IGN) for number in ignored],
    )  # fmt: skip
    assert process.stdout is not None
    assert any(line.startswith("iteration 1/") for line in process.stdout)
    # The next one has begun by then, so that there is something to finish.
    time.sleep(1.0)
    return process


def test_many_signals_to_all_keep_the_run_and_say_how_to_go_on(tmp_path: Path) -> None:
    process = start_training(tmp_path)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        os.killpg(process.pid, number)
    output, errors = process.communicate(timeout=60)
    # The first one that the process sees may be any of them.
    assert process.returncode in {128 + number for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)}, errors
    assert "Traceback" not in errors and "--resume" in output
    assert iterations(only_run(tmp_path))[-1] > 1, "more than the first iteration's checkpoint"


def test_ctrl_c_is_heard_and_a_closed_terminal_is_not_where_both_are_ignored(tmp_path: Path) -> None:
    """A shell's background jobs inherit SIGINT ignored, and what ``nohup`` starts SIGHUP."""
    process = start_training(tmp_path, ignored=(signal.SIGINT, signal.SIGHUP))
    process.send_signal(signal.SIGHUP)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=1.0)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "--resume" in output and iterations(only_run(tmp_path))[-1] > 1


def test_a_signal_that_comes_again_later_ends_the_process_at_once(tmp_path: Path) -> None:
    code = (
        "import signal, time\nfrom legged_gym.common import signals\nsignals.take_signals()\n"
        "with signals.deferred():\n print('ready', flush=True)\n time.sleep(1.2)\n time.sleep(60)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    for _ in range(3):
        process.send_signal(signal.SIGTERM)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=1.1)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 143 and errors.count("finishing what has begun") == 1 and "ended at once" in errors


def test_play_reports_plots_and_exports_without_a_screen(log_root: Path) -> None:
    done = run("play", f"--log_root={log_root}", "--rl_device=cpu", "--num_envs=2", "--steps=12")
    assert done.returncode == 0, done.stderr
    assert re.search(r"page +http://127\.0\.0\.1:\d+ ", done.stdout)
    for figure in (
        "vx error",
        "vy error",
        "yaw rate error",
        "estimated forward velocity error",
        "contacts right",
        "falls and tilts past 20° per",
    ):
        assert figure in done.stdout
    folder = only_run(log_root)
    for name in ("joints", "velocities", "estimate", "contact_forces"):
        assert (folder / "play" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert {"qmini_estimator.onnx", "qmini_actor.onnx"} <= {path.name for path in (folder / "exported").iterdir()}


def test_training_serves_a_page_unless_headless(tmp_path: Path) -> None:
    done = run("train", *SMALL[1:], f"--log_root={tmp_path}", "--max_iterations=1", "--port=18200")
    assert done.returncode == 0, done.stderr
    assert re.search(r"page +http://127\.0\.0\.1:182\d\d ", done.stdout)
    assert iterations(only_run(tmp_path))[-1] == 1


def test_ctrl_c_ends_the_play_with_its_report(log_root: Path) -> None:
    process = subprocess.Popen(
        command("play", f"--log_root={log_root}", "--rl_device=cpu", "--num_envs=1", "--no_export", "--viewer=web",
                "--host=0.0.0.0", "--steps=100000"),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    assert process.stdout is not None
    assert any(line.startswith("warning: everybody") for line in iter(process.stdout.readline, ""))
    # Steps begin at once, but there has to be one to report of.
    time.sleep(6.0)
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert "stopped" in output and "vx error" in output


@pytest.mark.skipif(not can_draw(), reason="libEGL is missing (Debian, Ubuntu: apt install libegl1 libopengl0)")
def test_play_records_a_video_without_a_screen(log_root: Path, tmp_path: Path) -> None:
    video = tmp_path / "out.mp4"
    done = run("play", f"--log_root={log_root}", "--rl_device=cpu", "--headless", "--no_export", "--num_envs=1",
               "--steps=6", "--command", "0.3", "0", "-0.1", f"--video={video}")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert [path.name for path in tmp_path.glob("*.mp4")] == ["out.mp4"]
    frames = imageio_ffmpeg.read_frames(str(video))
    assert next(frames)["size"] == (960, 544)
    pictures = list(frames)
    assert len(pictures) == 3
    assert all(len(set(picture[::997])) > 20 for picture in pictures)
    assert not (only_run(log_root) / "exported").exists()


def test_play_shows_the_last_second_of_a_robot_that_diverged(tmp_path: Path) -> None:
    """Ground without friction makes the simulation blow up."""
    trained = run("train", *SMALL, f"--log_root={tmp_path}", "--max_iterations=1", "--set",
                  "domain_rand.friction_range=[0,0]", "--set", "sim.divergence.max_share=1")  # fmt: skip
    assert trained.returncode == 0, trained.stderr
    (file,) = (only_run(tmp_path) / "diverged").iterdir()
    done = run("play", "--headless", f"--replay={file}")
    assert done.returncode == 0, done.stderr
    assert re.search(r"robot \d diverged \('\w+'\)", done.stdout)
    assert len(re.findall(r"\n +0\.\d\d .*(hip|knee|ankle)", done.stdout)) >= 3


def test_play_goes_on_where_nothing_can_be_drawn(log_root: Path, tmp_path: Path) -> None:
    done = run("play", f"--log_root={log_root}", "--rl_device=cpu", "--headless", "--no_export", "--num_envs=1",
               "--steps=2", f"--video={tmp_path / 'out.mp4'}", MUJOCO_GL="disable")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "no video: " in done.stdout
    assert "vx error" in done.stdout
    assert list(tmp_path.glob("*.mp4")) == []


def test_export_only_exports(log_root: Path, tmp_path: Path) -> None:
    folder = only_run(log_root)
    before = sorted(path.name for path in folder.iterdir())
    done = run("export", f"--log_root={log_root}", "--rl_device=cpu", f"--load_run={folder.name}",
               f"--output={tmp_path / 'policy'}")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in folder.iterdir()) == before
    session = onnxruntime.InferenceSession(tmp_path / "policy" / "qmini_actor.onnx")
    assert session.get_inputs()[0].shape == ["batch", 220]
    metadata = json.loads((tmp_path / "policy" / "qmini_metadata.json").read_text())
    assert metadata["iterations"] == 2


def test_plot_draws_the_newest_run(log_root: Path) -> None:
    done = run("plot", f"--log_root={log_root}")
    assert done.returncode == 0, done.stderr
    assert (only_run(log_root) / "curves.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("script", ["train", "play", "export", "plot", "benchmark", "sim2sim"])
def test_help_needs_no_heavy_imports(script: str) -> None:
    code = (
        "import runpy, sys\n"
        f"sys.argv = ['{script}.py', '--help']\n"
        "try:\n"
        f"    runpy.run_path({str(SCRIPTS / (script + '.py'))!r}, run_name='__main__')\n"
        "except SystemExit as stop:\n"
        "    assert not stop.code\n"
        "print(sorted({'torch', 'mujoco', 'numpy', 'matplotlib'} & set(sys.modules)))\n"
    )
    environment = {**os.environ}
    output = subprocess.check_output([sys.executable, "-c", code], text=True, env=environment)
    assert "examples:" in output
    assert output.endswith("[]\n")


def flags(text: str) -> Sequence[str]:
    return re.findall(r"--\w+", text)


def test_the_originals_flags_are_there() -> None:
    shown = flags(run("train", "--help").stdout)
    for flag in ("task", "resume", "experiment_name", "run_name", "load_run", "checkpoint", "headless", "rl_device",
                 "num_envs", "seed", "max_iterations", "sim", "sim_device", "set"):  # fmt: skip
        assert f"--{flag}" in shown


def test_scripts_serve_robots_without_an_estimator(
    tmp_path: Path, plain_task: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    common = [
        f"--task={plain_task}",
        f"--log_root={tmp_path}",
        "--headless",
        "--sim=mujoco",
        "--num_envs=2",
        "--rl_device=cpu",
    ]
    for script, *arguments in (["train", "--max_iterations=1"], ["play", "--steps=3"]):
        monkeypatch.setattr(sys, "argv", [f"{script}.py", *common, *arguments])
        importlib.import_module(f"legged_gym.scripts.{script}").main()
    output = capsys.readouterr().out
    assert "vx error" in output
    assert "estimated" not in output
    (folder,) = (tmp_path / "legged_robot").iterdir()
    assert {"model_0.pt", "config.yaml", "play", "exported"} <= {path.name for path in folder.iterdir()}
    assert not (folder / "play" / "estimate.png").exists()
