from __future__ import annotations

import io
import re
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from qmini_training import NUM_STEPS, make_env, make_runner
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from test_film import read_film

from legged_gym.render import training_films
from legged_gym.render.training_films import TrainingFilms
from legged_gym.runners import OnPolicyRunnerEE


def make_filmed_runner(folder: Path, interval: int, plane: bool = True) -> OnPolicyRunnerEE:
    changes = {"terrain__mesh_type": "plane"} if plane else {}
    runner = make_runner(make_env(6, **changes), folder)
    films = TrainingFilms(runner.env, runner.logger, interval, runner.last_estimate)  # type: ignore[arg-type]
    runner.logger.observers.append(films)
    return runner


def finish(runner: OnPolicyRunnerEE) -> None:
    """Let the film that is being drawn be done by the next iteration."""
    (films,) = runner.logger.observers
    assert isinstance(films, TrainingFilms)
    if films._process is not None:
        films._process.wait()


def test_films_show_the_robots_of_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(training_films, "_SECONDS", 2 * NUM_STEPS * 0.02)
    monkeypatch.setattr(training_films, "_SHORTEST", 0.0)
    runner = make_filmed_runner(tmp_path, 4, plane=False)
    runner.logger.after_iteration = lambda iteration: finish(runner)
    runner.learn(5)
    output = capsys.readouterr().out
    if "no films of the training" in output:
        pytest.skip(output)
    films = sorted(tmp_path.rglob("*.mp4"))
    # The second one was begun when the training ended, and is as long as that.
    assert [film.relative_to(tmp_path).as_posix() for film in films] == [
        "films/iteration_000000.mp4", "films/iteration_000004.mp4"
    ]  # fmt: skip
    frames = read_film(films[0])
    assert len(frames) == -(-2 * NUM_STEPS // 4)
    below_the_table = frames[:, 110:].astype(int)
    assert (np.abs(np.diff(below_the_table, axis=0)).max(axis=(1, 2, 3)) > 60).all()

    log = EventAccumulator(str(tmp_path))
    log.Reload()
    shown = log.Images("Film/robots")
    assert [event.step for event in shown] == [0, 4]
    gif = Image.open(io.BytesIO(shown[0].encoded_image_string))
    assert (gif.format, gif.size, gif.n_frames) == ("GIF", (shown[0].width, shown[0].height), len(frames))


def test_recording_is_what_the_robots_did(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runner = make_filmed_runner(tmp_path, 1)
    (films,) = runner.logger.observers
    assert isinstance(films, TrainingFilms)
    monkeypatch.setattr(films, "_draw", lambda: None)
    states, said, env = [], [], runner.env
    follow = films.after_step

    def after_step() -> None:
        follow()
        robots = films._recorder.robots
        states.append((env.root_states[robots, :7].clone(), env.dof_pos[robots].clone(), env.commands[0].clone()))
        said.append(runner.alg.storage.observations["estimate"][runner.alg.storage.step - 1, 0, :2].clone())

    monkeypatch.setattr(films, "after_step", after_step)
    runner.learn(2)
    scene = films._scene()
    rollout = scene.rollout
    assert (rollout.steps, rollout.trials, scene.stage.dof_names) == (2 * NUM_STEPS, 4, env.dof_names)
    roots = np.concatenate((rollout.base_pos, rollout.base_quat), axis=-1)
    for values, number in ((roots, 0), (rollout.dof_pos, 1), (rollout.commands[:, 0], 2)):
        torch.testing.assert_close(torch.from_numpy(values), torch.stack([s[number] for s in states]))
    assert rollout.estimate is not None
    torch.testing.assert_close(torch.from_numpy(rollout.estimate[:, 0, :2]) * 2.0, torch.stack(said))
    assert np.abs(rollout.estimate).max() > 0.0


def test_a_film_that_is_due_while_another_is_drawn_begins_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Drawing:
        status: int | None = None

        def poll(self) -> int | None:
            return self.status

    runner = make_filmed_runner(tmp_path, 2)
    (films,) = runner.logger.observers
    assert isinstance(films, TrainingFilms)
    begun, drawing = [], Drawing()
    monkeypatch.setattr(films, "_steps", NUM_STEPS)
    monkeypatch.setattr(films, "_show", lambda: setattr(films, "_process", None))

    def draw() -> None:
        begun.append(films._begun)
        films._recorder.clear()
        films._filming, films._process = False, drawing  # type: ignore[assignment]
        drawing.status = None

    def after_iteration(iteration: int) -> None:
        # The first film takes until after the third iteration, the others are drawn at once.
        drawing.status = None if len(begun) == 1 and runner.completed_iterations < 3 else 0
        watch(iteration)

    watch = films.after_iteration
    monkeypatch.setattr(films, "_draw", draw)
    monkeypatch.setattr(films, "after_iteration", after_iteration)
    monkeypatch.setattr(films, "close", lambda: None)
    runner.learn(7)
    assert begun == [0, 3, 5]


def test_training_goes_on_where_no_film_can_be_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(training_films, "_SECONDS", NUM_STEPS * 0.02)
    monkeypatch.setenv("MUJOCO_GL", "disable")
    runner = make_filmed_runner(tmp_path, 1)
    runner.logger.after_iteration = lambda iteration: finish(runner)
    runner.learn(5)
    assert runner.completed_iterations == 5
    assert capsys.readouterr().out.count("no films of the training: ") == 1
    assert list(tmp_path.rglob("*.mp4")) == []


def test_training_goes_on_where_no_film_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(training_films, "_SECONDS", NUM_STEPS * 0.02)
    runner = make_filmed_runner(tmp_path / "no_room", 1)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    runner.learn(3)
    assert runner.completed_iterations == 3
    (told,) = re.findall("no films of the training: .*", capsys.readouterr().out)
    assert f"No such file or directory: '{tmp_path}/nowhere/film_" in told


def test_a_film_that_cannot_be_kept_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(training_films, "_SECONDS", NUM_STEPS * 0.02)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    runner = make_filmed_runner(tmp_path / "run", 100)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "films").write_text("in the way")
    runner.learn(1)
    (told,) = re.findall("no films of the training: .*", capsys.readouterr().out)
    assert list(tmp_path.glob("film_*")) == []
    if "File exists" not in told:
        pytest.skip(told)


def test_the_end_of_the_training_waits_for_its_film(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(training_films, "_SECONDS", NUM_STEPS * 0.02)
    runner = make_filmed_runner(tmp_path, 100)
    runner.learn(1)
    output = capsys.readouterr().out
    assert "finishing the last film" in output
    assert "no films" in output or (tmp_path / "films" / "iteration_000000.mp4").exists()
