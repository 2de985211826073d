"""A disk that is full, or a limit of a file's size, while anything is written: one line, and nothing half written."""

from __future__ import annotations

import contextlib
import importlib
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from qmini_training import NUM_STEPS
from test_bad_input import whole_log
from test_training_films import make_filmed_runner

from legged_gym.cli.arguments import run_main
from legged_gym.common.errors import UserError
from legged_gym.common.paths import write_text
from legged_gym.envs.base.divergence import Replay
from legged_gym.evaluation.plots import save_figure
from legged_gym.render import training_films
from legged_gym.render.film import Scene
from legged_gym.render.training_films import TrainingFilms
from legged_gym.render.video import video_file
from legged_gym.this_robot.log import RobotLog, write_log


@contextlib.contextmanager
def files_up_to(size: int) -> Iterator[None]:
    """Let this process and what it starts write no file longer than so many bytes, as ``ulimit -f`` does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def a_film(path: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (20, 240, 320, 3), np.uint8)
    with video_file(str(path), (320, 240), 25.0) as add:
        for picture in noise:
            add(picture.tobytes())


def a_log(path: Path) -> None:
    write_log(RobotLog(["hip", "knee"], {name: np.random.rand(*v.shape) for name, v in whole_log().items()}), str(path))


def a_plot(path: Path) -> None:
    figure = Figure()
    figure.add_subplot().plot(np.random.rand(100))
    save_figure(figure, str(path))


def a_replay(path: Path) -> None:
    Replay("speed", 0, 0.02, *(np.random.rand(50, columns) for columns in (13, 10, 10, 10, 3))).write(str(path))


WRITERS: dict[str, Callable[[Path], None]] = {
    "film.mp4": a_film,
    "plot.png": a_plot,
    "log.csv": a_log,
    "log.npz": a_log,
    "replay.npz": a_replay,
    "report.html": lambda path: write_text(str(path), 1000 * "a line\n"),
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_file_is_whole_or_as_it_was(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text("before")
    with files_up_to(1024), pytest.raises(UserError, match=f"can't write '{path}': .*File too large") as error:
        WRITERS[name](path)
    assert "\n" not in str(error.value)
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == {name: "before"}
    WRITERS[name](path)
    assert path.stat().st_size > 1024 and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(("size", "what"), [(300_000, "can't write into folder"), (2_000_000, "page.html'")])
def test_an_export_is_whole_or_not_there(
    size: int, what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [f"--output={tmp_path / 'policy'}", f"--web={tmp_path / 'page.html'}", f"--log_root={tmp_path / 'logs'}"]
    monkeypatch.setattr(sys, "argv", ["export.py", "--load_run=shipped", "--num_envs=1", "--rl_device=cpu", *given])
    with files_up_to(size):
        assert run_main(importlib.import_module("legged_gym.scripts.export").main) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ") and said.count("\n") == 1 and what in said
    assert [path.name for path in tmp_path.iterdir()] == ([] if "folder" in what else ["policy"])


def test_a_training_goes_on_without_the_film_that_has_no_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(training_films, "_SECONDS", NUM_STEPS * 0.02)
    runner = make_filmed_runner(tmp_path, 1)
    (films,) = runner.logger.observers
    assert isinstance(films, TrainingFilms)
    start = films._start_process

    def start_with_little_room(scene: Scene) -> subprocess.Popen[str]:
        # Only the process that draws: this one's curves are written at any time.
        process = start(scene)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (2000, 2000))
        return process

    monkeypatch.setattr(films, "_start_process", start_with_little_room)
    runner.learn(3)
    assert runner.completed_iterations == 3 and (tmp_path / "model_2.pt").is_file()
    assert capsys.readouterr().out.count("no films of the training: ") == 1


def test_a_drawn_film_that_has_no_room_in_the_run_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (films,) = make_filmed_runner(tmp_path / "run", 1).logger.observers
    assert isinstance(films, TrainingFilms)
    (tmp_path / "drawn").mkdir()
    (tmp_path / "drawn" / "film.mp4").write_bytes(bytes(5000))
    films._workplace = str(tmp_path / "drawn")
    films._process = subprocess.Popen(["true"], stderr=subprocess.PIPE, text=True)
    films._process.wait()
    with files_up_to(1024):
        films._show()
    assert "no films of the training: can't write '" in capsys.readouterr().out
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
