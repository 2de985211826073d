"""Checkpoints: everything in, everything out, whole or not at all, and clear words about bad ones."""

from __future__ import annotations

import copy
import math
import re
import resource
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from qmini_training import NUM_STEPS, make_env, make_runner
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from legged_gym.common.errors import UserError
from legged_gym.runners import OnPolicyRunnerEE, going_on
from legged_gym.runners.checkpoint import NotFiniteError, read_checkpoint, write_checkpoint
from legged_gym.runners.last_state import LastState
from legged_gym.runners.runs import newest_whole_checkpoint


def events(folder: Path) -> EventAccumulator:
    accumulator = EventAccumulator(str(folder))
    accumulator.Reload()
    return accumulator


def assert_same(a: Any, b: Any, where: str = "") -> None:
    """Compare nested states, tensors bit by bit."""
    if isinstance(a, torch.Tensor):
        assert torch.equal(a, b), where
    elif isinstance(a, dict):
        assert a.keys() == b.keys(), where
        for key, value in a.items():
            assert_same(value, b[key], f"{where}/{key}")
    elif isinstance(a, list | tuple):
        assert len(a) == len(b), where
        for index, value in enumerate(a):
            assert_same(value, b[index], f"{where}/{index}")
    else:
        assert a == b, where


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[OnPolicyRunnerEE, Path]:
    """Return a runner after three iterations and its last checkpoint; tests must not train it further."""
    folder = tmp_path_factory.mktemp("run")
    runner = make_runner(make_env(), folder)
    runner.learn(3)
    return runner, folder / "model_2.pt"


def test_round_trip_keeps_everything(trained: tuple[OnPolicyRunnerEE, Path]) -> None:
    runner, path = trained
    other = make_runner(make_env())
    assert other.load(str(path)) is None
    assert_same(runner.alg.save(), other.alg.save())
    assert other.alg.learning_rate == runner.alg.learning_rate != 1e-3
    assert other.completed_iterations == other.current_learning_iteration == other.alg.num_updates == 3
    assert other.alg.estimator_learning_rate == runner.alg.estimator_learning_rate < 2e-3
    assert other.env.common_step_counter == 3 * NUM_STEPS
    assert other.logger.state_dict() == runner.logger.state_dict()
    assert other.logger.tot_timesteps == 3 * NUM_STEPS * 8


def test_terrain_levels_return(tmp_path: Path) -> None:
    terrain = {
        "terrain__mesh_type": "heightfield",
        "terrain__num_rows": 3,
        "terrain__num_cols": 5,
        "terrain__max_init_terrain_level": 2,
        "terrain__level_change_probability": 1.0,
    }
    env = make_env(**terrain)
    assert env.terrain_levels.unique().numel() > 1
    env.common_step_counter = 1000
    make_runner(env).save(str(tmp_path / "model.pt"))
    other = make_env(**{**terrain, "terrain__max_init_terrain_level": 0})
    make_runner(other).load(str(tmp_path / "model.pt"))
    assert torch.equal(other.terrain_levels, env.terrain_levels)


def test_file_holds_what_it_should(trained: tuple[OnPolicyRunnerEE, Path]) -> None:
    checkpoint = torch.load(trained[1], weights_only=True)
    assert checkpoint["format"] == "qmini_rl_gym/1"
    assert checkpoint["iter"] == 3
    assert checkpoint["config"]["env"]["env"]["num_envs"] == 8
    assert checkpoint["config"]["train"]["algorithm"]["estimator_cfg"]["batch_size"] == 64
    assert str(Path(__file__).parent.parent) not in str(checkpoint["config"])


ROUGH = {
    "terrain__mesh_type": "heightfield", "terrain__num_rows": 3, "terrain__num_cols": 5, "terrain__border_size": 5.0,
    "env__episode_length_s": 0.7,
}  # fmt: skip


def stop_after(runner: OnPolicyRunnerEE, iterations: int) -> None:
    """Send the process a signal in the last of so many iterations."""

    def stop(iteration: int) -> dict[str, float]:
        if iteration == iterations - 1:
            signal.raise_signal(signal.SIGTERM)
        return {}

    runner.logger.sources.append(stop)


@pytest.mark.parametrize(
    "finish",
    [
        {"runner__averaged_iterations": 0, "runner__estimator_iterations": 0},
        {"runner__averaged_iterations": 3, "runner__estimator_iterations": 1},
        {"runner__averaged_iterations": 2, "runner__estimator_iterations": 3},
        {"runner__averaged_iterations": 1, "runner__estimator_iterations": 1, "runner__denoising_iterations": 4},
    ],
)
def test_resumed_training_equals_an_uninterrupted_one(finish: dict[str, int], tmp_path: Path) -> None:
    """Episodes, noise, pushes, delays, curriculum, statistics, schedules: whatever is not saved shows here."""
    straight = make_runner(make_env(**ROUGH), tmp_path / "straight", **finish)
    straight.learn(6, init_at_random_ep_len=True)
    stopped = make_runner(make_env(**ROUGH), tmp_path / "resumed", **finish)
    stop_after(stopped, 3)
    with pytest.raises(KeyboardInterrupt):
        stopped.learn(6, init_at_random_ep_len=True)

    resumed = make_runner(make_env(**ROUGH), tmp_path / "resumed", **finish)
    torch.manual_seed(99)
    resumed.load(str(tmp_path / "resumed" / "model_2.pt"))
    assert resumed.new_episodes is None
    resumed.learn(3, init_at_random_ep_len=True)

    assert_same_trainings(tmp_path, "model_5.pt")
    curves = [events(tmp_path / name) for name in ("straight", "resumed")]
    for tag in curves[0].Tags()["scalars"]:
        if not tag.startswith("Perf/") and not tag.endswith("/time"):
            # Files of the same second are not read in the order in which they were written.
            one, other = (sorted((event.step, event.value) for event in curve.Scalars(tag)) for curve in curves)
            assert one == other, tag


def test_a_rehearsal_leaves_no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a GPU a resumed training first rehearses some iterations; here the same is done on a CPU."""
    straight = make_runner(make_env(**ROUGH), tmp_path / "straight")
    straight.learn(4, init_at_random_ep_len=True)
    stopped = make_runner(make_env(**ROUGH), tmp_path / "resumed")
    stop_after(stopped, 2)
    with pytest.raises(KeyboardInterrupt):
        stopped.learn(4, init_at_random_ep_len=True)

    resumed = make_runner(make_env(**ROUGH), tmp_path / "resumed")
    read = going_on._read_session
    monkeypatch.setattr(going_on, "_read_session", lambda *args: (going_on.rehearse(resumed), read(*args))[1])
    resumed.load(str(tmp_path / "resumed" / "model_1.pt"))
    assert resumed.new_episodes is None
    resumed.learn(2, init_at_random_ep_len=True)
    assert_same_trainings(tmp_path, "model_3.pt")


def test_open_episodes_go_on_on_the_device_of_the_training(tmp_path: Path) -> None:
    """A state is read into the host's memory; a device that any machine has stands for a GPU here."""
    logger = make_runner(make_env(), tmp_path).logger
    logger.cur_reward_sum, logger.cur_episode_length = (torch.zeros(2, device="meta") for _ in range(2))
    logger.go_on_with({"rewards": torch.ones(2), "lengths": torch.ones(2), "last_rewards": [], "last_lengths": []})
    assert logger.cur_reward_sum.is_meta and logger.cur_episode_length.is_meta


def assert_same_trainings(folder: Path, last: str) -> None:
    """Compare the last checkpoints and states of the runs ``straight`` and ``resumed``, measured times aside."""
    first, second = (read_checkpoint(folder / name / last) for name in ("straight", "resumed"))
    for entries in (first, second):
        del entries["session"], entries["logger"]["total_time"]
    assert_same(first, second)
    assert_same(*(without_names(folder / name / "session.state") for name in ("straight", "resumed")))


def without_names(path: Path) -> dict[str, Any]:
    session = torch.load(path, weights_only=True)
    del session["name"]
    return session


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"env__episode_length_s": 0.5}, "settings of the environment have changed"), ({}, "does not hold the robots")],
)
def test_new_episodes_begin_where_the_old_ones_cannot_go_on(
    changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    make_runner(make_env(**ROUGH), tmp_path).learn(1)
    if not changes:
        (tmp_path / "session.state").write_bytes(b"PK\x03\x04")
    resumed = make_runner(make_env(**ROUGH | changes), tmp_path)
    resumed.load(str(tmp_path / "model_0.pt"))
    assert resumed.new_episodes is not None and message in resumed.new_episodes
    assert not resumed.env.episode_length_buf.any()
    resumed.learn(1)
    assert read_checkpoint(tmp_path / "model_1.pt")["env"]["common_step_counter"] == 2 * NUM_STEPS


def test_curves_have_each_step_once_after_a_kill(tmp_path: Path) -> None:
    runner = make_runner(make_env(2), tmp_path, runner__save_interval=2)
    runner.learn(4)
    resumed = make_runner(make_env(2), tmp_path)
    resumed.load(str(tmp_path / "model_2.pt"))
    resumed.learn(3)
    assert [event.step for event in events(tmp_path).Scalars("Loss/value")] == [0, 1, 2, 3, 4, 5]


def test_old_checkpoints_go_but_not_the_best(tmp_path: Path) -> None:
    runner = make_runner(make_env(2), tmp_path, runner__save_interval=1, runner__keep_checkpoints=2)
    runner.logger._count_episodes = lambda steps: None  # type: ignore[method-assign]
    rewards = iter((1.0, 3.0, 2.0, 0.0, -1.0, -2.0))

    def next_reward() -> None:
        runner.logger.rewbuffer.clear()
        runner.logger.rewbuffer.append(next(rewards, -3.0))
        runner.logger.lenbuffer.append(1.0)

    runner.after_save.append(next_reward)
    next_reward()
    (tmp_path / "model_7.part.pt").write_bytes(b"cut off")
    runner.learn(5)
    assert {path.name for path in tmp_path.glob("*.pt")} == {"model_1.pt", "model_3.pt", "model_4.pt"}
    assert not list(tmp_path.glob("*.part.*")), "what a killed process had begun goes, too"
    resumed = make_runner(make_env(2), tmp_path, runner__save_interval=1, runner__keep_checkpoints=2)
    resumed.load(str(tmp_path / "model_4.pt"))
    resumed.logger.rewbuffer.clear()
    resumed.learn(1)
    assert {path.name for path in tmp_path.glob("m*.pt")} == {"model_1.pt", "model_4.pt", "model_5.pt"}


def test_a_damaged_newest_checkpoint_is_put_aside(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_runner(make_env(2), tmp_path, runner__save_interval=1).learn(3)
    (tmp_path / "model_2.pt").write_bytes((tmp_path / "model_2.pt").read_bytes()[:1000])
    assert newest_whole_checkpoint(str(tmp_path)) == str(tmp_path / "model_1.pt")
    assert re.search(
        r"model_2.pt is damaged.* now called model_2.pt.damaged, and .*model_1.pt", capsys.readouterr().out
    )
    assert not (tmp_path / "model_2.pt").exists()
    for path in tmp_path.glob("model_*.pt"):
        path.write_bytes(b"")
    with pytest.raises(UserError, match=r"model_0\.pt is damaged"):
        newest_whole_checkpoint(str(tmp_path))


def test_actor_brings_its_estimator_and_nothing_else(trained: tuple[OnPolicyRunnerEE, Path]) -> None:
    runner, path = trained
    other = make_runner(make_env())
    critic, optimizer = other.alg.save()["critic_state_dict"], other.alg.save()["optimizer_state_dict"]
    critic = {name: parameter.clone() for name, parameter in critic.items()}
    other.load(str(path), load_cfg={"actor": True})
    assert_same(runner.alg.get_policy().state_dict(), other.alg.get_policy().state_dict())
    assert_same(runner.alg.get_estimator().state_dict(), other.alg.get_estimator().state_dict())
    assert_same(critic, other.alg.save()["critic_state_dict"])
    assert_same(optimizer, other.alg.save()["optimizer_state_dict"])
    assert other.completed_iterations == other.env.common_step_counter == 0


def test_checkpoint_loads_for_another_number_of_robots(trained: tuple[OnPolicyRunnerEE, Path]) -> None:
    runner, path = trained
    other = make_runner(make_env(3))
    other.load(str(path))
    obs = other.env.get_observations()
    torch.testing.assert_close(other.get_inference_policy()(obs), runner.get_inference_policy()(obs))


def test_full_disk_leaves_the_old_checkpoint(trained: tuple[OnPolicyRunnerEE, Path], tmp_path: Path) -> None:
    runner = trained[0]
    path = tmp_path / "model_0.pt"
    runner.save(str(path))
    before = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, limits[1]))
    try:
        with pytest.raises(UserError, match=r"can't write .*model_0.pt': File too large"):
            runner.save(str(path), infos={"note": "new"})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == before
    assert {file.name for file in tmp_path.iterdir()} == {"model_0.pt", "session.state"}


def test_missing_folder_is_one_clear_error(trained: tuple[OnPolicyRunnerEE, Path], tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"can't write .*model.pt': no writable folder"):
        trained[0].save(str(tmp_path / "none" / "model.pt"))


class Payload:
    """Runs code if it is unpickled carelessly."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Path.touch, (self.target,)


def without(key: str) -> Callable[[dict[str, Any]], Any]:
    return lambda checkpoint: {name: value for name, value in checkpoint.items() if name != key}


OPTIMIZER = "estimator_optimizer_state_dict"
FIT = "optimizer_state_dict' does not fit: "
ONES = torch.ones(2, 2)


def change_optimizer(checkpoint: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    return {**checkpoint, OPTIMIZER: {**checkpoint[OPTIMIZER], key: value}}


def change_moments(checkpoint: dict[str, Any], change: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    """Change what the estimator's optimiser remembers of its first parameter."""
    states = checkpoint[OPTIMIZER]["state"]
    return change_optimizer(checkpoint, "state", {**states, 0: change(states[0])})


BAD_CONTENT: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "another project's": (
        lambda _: {"model_state_dict": {}, "iter": 3},
        r"not a checkpoint of this project \(format None",
    ),
    "not a dict": (lambda _: [1, 2], r"not a checkpoint of this project \(format 'list'"),
    "later format": (lambda c: {**c, "format": "qmini_rl_gym/2"}, r"format 'qmini_rl_gym/2' instead of"),
    "no optimiser": (without("estimator_optimizer_state_dict"), "'estimator_optimizer_state_dict' is missing"),
    "iteration as text": (lambda c: {**c, "iter": "3"}, "'iter' is missing or of the wrong type"),
    "negative iteration": (lambda c: {**c, "iter": -3}, "'iter' is -3, no number of iterations"),
    "no parameters of Adam's": (
        lambda c: {**c, "optimizer_state_dict": {}},
        "'optimizer_state_dict' does not fit: 'param_groups'",
    ),
    "other parameters of Adam's": (lambda c: {**c, "optimizer_state_dict": c["estimator_optimizer_state_dict"]}, FIT),
    "Adam's moments of other sizes": (lambda c: change_moments(c, lambda state: {**state, "exp_avg": ONES}), FIT),
    "no second moments": (lambda c: change_moments(c, lambda state: without("exp_avg_sq")(state)), FIT),
    "learning rate as text": (
        lambda c: change_optimizer(c, "param_groups", [{**c[OPTIMIZER]["param_groups"][0], "lr": "high"}]),
        FIT,
    ),
    "no counters": (lambda c: {**c, "env": {}}, "'env.common_step_counter' is missing or of the wrong kind"),
    "levels as text": (
        lambda c: {**c, "env": {**c["env"], "terrain_levels": "high"}},
        "'env.terrain_levels' is missing or of the wrong kind",
    ),
    "no levels": (
        lambda c: {**c, "env": {**c["env"], "terrain_levels": torch.zeros(0, dtype=torch.long)}},
        "'env.terrain_levels' is missing or of the wrong kind",
    ),
    "no totals": (lambda c: {**c, "logger": {}}, "'logger.total_timesteps' is missing or of the wrong kind"),
    "layer as text": (
        lambda c: {**c, "actor_state_dict": dict.fromkeys(c["actor_state_dict"], "weights")},
        "the actor's .* is no tensor there",
    ),
    "other layers": (
        lambda c: {**c, "critic_state_dict": {"mlp.9.weight": torch.zeros(1)}},
        "does not fit this task: the critic's layers differ",
    ),
    "other size": (
        lambda c: {**c, "estimator_state_dict": {n: p[:3] for n, p in c["estimator_state_dict"].items()}},
        r"does not fit this task: the estimator's mlp.0.weight is \(3, 215\) there and \(16, 215\) here",
    ),
}


@pytest.mark.parametrize("kind", BAD_CONTENT)
def test_unfit_content_is_refused_in_one_line(
    kind: str, trained: tuple[OnPolicyRunnerEE, Path], tmp_path: Path
) -> None:
    change, message = BAD_CONTENT[kind]
    torch.save(change(torch.load(trained[1], weights_only=True)), tmp_path / "bad.pt")
    assert_refused(tmp_path / "bad.pt", message)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.99])
def test_truncated_file_is_refused_in_one_line(
    share: float, trained: tuple[OnPolicyRunnerEE, Path], tmp_path: Path
) -> None:
    whole = trained[1].read_bytes()
    (tmp_path / "bad.pt").write_bytes(whole[: int(share * len(whole))])
    assert_refused(tmp_path / "bad.pt", "is damaged, or not a checkpoint")


@pytest.mark.parametrize("content", [b"hello\n", b"\x80\x02}.", bytes(range(256)), b"PK\x03\x04" + bytes(200)])
def test_other_files_are_refused_in_one_line(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "bad.pt").write_bytes(content)
    assert_refused(tmp_path / "bad.pt", "not a checkpoint")


def test_file_with_code_is_refused_and_not_run(tmp_path: Path) -> None:
    torch.save({"format": "qmini_rl_gym/1", "iter": Payload(tmp_path / "ran")}, tmp_path / "bad.pt")
    assert_refused(tmp_path / "bad.pt", "it has more than numbers")
    assert not (tmp_path / "ran").exists()


def test_missing_file_and_folder_are_refused_in_one_line(tmp_path: Path) -> None:
    assert_refused(tmp_path / "model_5.pt", "No such file or directory")
    assert_refused(tmp_path, "Is a directory")


def assert_refused(path: Path, message: str) -> None:
    """Load it and expect a one-line error that names the file, and a runner that stayed as it was."""
    runner = make_runner(make_env(2))
    before = copy.deepcopy(runner.alg.save())
    with pytest.raises(UserError, match=message) as error:
        runner.load(str(path))
    assert str(path) in str(error.value) and "\n" not in str(error.value)
    assert_same(before, runner.alg.save())
    assert runner.completed_iterations == runner.env.common_step_counter == runner.logger.tot_timesteps == 0


def test_last_state_is_a_copy_on_the_host_that_is_renewed_now_and_then(tmp_path: Path) -> None:
    weights = torch.ones(3)
    state = LastState(str(tmp_path), interval=60.0)
    assert state.save() == "no iteration was completed, so there is nothing to save"
    state.keep(4, lambda: {"nets": {"weights": weights}, "groups": [{"lr": 0.1, "params": [0, 1]}], "iter": 5})
    weights.zero_()
    state.keep(5, lambda: {"nets": {"weights": weights}})
    state.may_save = lambda: False
    assert state.save() == "the first process saves" and not list(tmp_path.iterdir())
    state.may_save = lambda: True
    assert re.fullmatch(r"saved \S+model_4.pt, the state after 5 iterations", state.save())
    saved = torch.load(tmp_path / "model_4.pt", weights_only=True)
    assert saved["nets"]["weights"].tolist() == [1.0, 1.0, 1.0]
    assert (saved["groups"], saved["iter"]) == ([{"lr": 0.1, "params": [0, 1]}], 5)
    state.interval = 0.0
    state.keep(6, lambda: {"nets": {"weights": weights}})
    assert "after 7 iterations" in state.save()


@pytest.mark.parametrize("key", ["actor_state_dict", "estimator_state_dict", "optimizer_state_dict"])
def test_what_is_not_finite_is_neither_written_nor_loaded(
    key: str, trained: tuple[OnPolicyRunnerEE, Path], tmp_path: Path
) -> None:
    checkpoint = torch.load(trained[1], weights_only=True)
    state = checkpoint[key]["state"][0] if "optimizer" in key else checkpoint[key]
    name = next(name for name, value in state.items() if value.is_floating_point() and value.dim() > 0)
    state[name].view(-1)[0] = math.nan
    with pytest.raises(NotFiniteError, match=rf"was not written: '{key}\S*{name}' contains values"):
        write_checkpoint(tmp_path / "new.pt", checkpoint)
    assert not list(tmp_path.iterdir())
    torch.save(checkpoint, tmp_path / "bad.pt")
    assert_refused(
        tmp_path / "bad.pt", rf"is damaged: '{key}\S*{name}' contains values that are infinite or not a number"
    )
