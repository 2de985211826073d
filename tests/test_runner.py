"""The training loop on Qmini: what it counts, logs, shows and leaves behind."""

from __future__ import annotations

import contextlib
import math
import re
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import small_cfg
from qmini_training import NUM_STEPS, make_env, make_runner, train_config
from rsl_rl.runners import OnPolicyRunner as RslRlRunner
from rsl_rl.utils import resolve_callable
from rsl_rl.utils.utils import resolve_class
from rsl_rl.utils.wandb_log_writer import WandbLogWriter
from tensorboard.plugins.custom_scalar import layout_pb2
from tensordict import TensorDict
from test_checkpoint import assert_same, events

from legged_gym.common import signals
from legged_gym.common.errors import TrainingStoppedError, UserError
from legged_gym.common.lock import RunLock
from legged_gym.envs.base.legged_robot_config import LeggedRobotCfgPPO
from legged_gym.envs.qmini.qmini import Qmini
from legged_gym.evaluation.curves import PANELS
from legged_gym.runners import OnPolicyRunner, OnPolicyRunnerEE, rsl_rl_config
from legged_gym.runners.checkpoint import read_checkpoint
from legged_gym.runners.logger import custom_scalars_layout


def test_learning_counts_saves_and_logs_in_groups(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    env = make_env(env__episode_length_s=0.4)
    runner = make_runner(env, tmp_path, runner__save_interval=2)
    runner.learn(2)
    runner.learn(1)
    assert runner.completed_iterations == 3
    assert {path.name for path in tmp_path.glob("*.pt")} == {"model_0.pt", "model_1.pt", "model_2.pt"}
    assert [read_checkpoint(tmp_path / f"model_{i}.pt")["iter"] for i in (0, 1, 2)] == [1, 2, 3]
    assert not (tmp_path / "git").exists(), "git.txt is enough"

    log = events(tmp_path)
    tags = log.Tags()["scalars"]
    assert [event.step for event in log.Scalars("Estimator/vel_x_mae")] == [0, 1, 2]
    layout = layout_pb2.Layout.FromString(log.Tensors("custom_scalars__config__")[-1].tensor_proto.string_val[0])
    assert [category.title for category in layout.category] == [
        "At a glance", "Rewards per second", "Penalties per second", "Estimator", "Learning", "Speed",
    ]  # fmt: skip
    charts = [chart for category in layout.category for chart in category.chart]
    for pattern in (pattern for chart in charts for pattern in chart.multiline.tag):
        assert any(re.match(pattern, tag) for tag in tags), f"no curve for {pattern}"
    assert {tag for _, curves in PANELS.values() for tag in curves} <= set(tags)
    titles = {chart.title for chart in charts}
    assert {name for name, scale in env.cfg.rewards.scales.to_dict().items() if scale} <= titles

    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines] == ["iteration 1/2", "iteration 2/2 100%", "iteration 3/3 100%"]
    assert all(re.search(r"steps/s  ETA 0:.*reward -?\d.*length \d.*estimator \d.* m/s", line) for line in lines)


def test_verbose_shows_rsl_rl_output(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cfg = {**rsl_rl_config(train_config()), "verbose": True}
    OnPolicyRunnerEE(make_env(), cfg, str(tmp_path), "cpu").learn(1)
    output = capsys.readouterr().out
    assert "Learning iteration 0/1" in output
    assert "iteration 1/1  " not in output


def test_rollout_is_stored_as_the_actor_saw_it() -> None:
    env = make_env()
    alg = make_runner(env).alg
    seen: list[TensorDict] = []
    with torch.inference_mode():
        obs = env.get_observations()
        for _ in range(NUM_STEPS):
            seen.append(obs.clone())
            obs, rewards, dones, extras = env.step(alg.act(obs))
            alg.process_env_step(obs, rewards, dones, extras)
    for step, expected in enumerate(seen):
        stored = alg.storage.observations[step]
        assert all(torch.equal(stored[group], expected[group]) for group in ("policy", "privileged", "label"))
        assert torch.equal(stored["estimate"], alg.estimator(expected))


def test_inference_policy_chains_both_nets_without_exploring() -> None:
    env = make_env()
    runner = make_runner(env)
    obs = env.get_observations()
    policy = runner.get_inference_policy()
    actions = policy(obs)
    estimate = runner.alg.estimator.mlp(obs["policy"])
    torch.testing.assert_close(actions, runner.alg.actor.mlp(torch.cat((obs["policy"], estimate), dim=1)))
    torch.testing.assert_close(policy.estimate(obs), estimate)
    assert torch.equal(policy(obs), actions)
    assert actions.shape == (8, 10) and not actions.requires_grad
    with pytest.raises(UserError, match=r"policies\.export\.export_policy"):
        runner.export_policy_to_jit("exported")


class StoppedQmini(Qmini):
    """Gets signals in its 60th control step, and again while its state is being saved."""

    numbers: tuple[int, ...] = (signal.SIGINT,)

    def step(self, actions: torch.Tensor) -> tuple[TensorDict, torch.Tensor, torch.Tensor, dict[str, Any]]:
        if self.common_step_counter == 59:
            for number in self.numbers:
                signal.raise_signal(number)
        return super().step(actions)

    def training_state(self) -> dict[str, Any]:
        if self.common_step_counter > 59:
            for number in self.numbers:
                signal.raise_signal(number)
        return super().training_state()


@pytest.mark.parametrize(
    "numbers",
    [(signal.SIGINT,), (signal.SIGTERM,), (signal.SIGHUP,), (signal.SIGTERM, signal.SIGHUP, *10 * [signal.SIGINT])],
)
def test_signals_finish_the_iteration_and_leave_a_checkpoint(
    numbers: tuple[int, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # On a busy machine a second passes between the step and the saving.
    monkeypatch.setattr(signals, "_ONE_REQUEST", 60.0)
    handlers = [signal.getsignal(number) for number in signals.SIGNALS]
    env = make_env(2, task=StoppedQmini)
    env.numbers = numbers
    runner = make_runner(env, tmp_path)
    with pytest.raises(KeyboardInterrupt):
        runner.learn(5)
    assert [signal.getsignal(number) for number in signals.SIGNALS] == handlers
    assert [event.step for event in events(tmp_path).Scalars("Loss/value")] == [0, 1, 2]
    resumed = make_runner(make_env(2), tmp_path)
    resumed.load(str(tmp_path / "model_2.pt"))
    assert resumed.completed_iterations == 3
    assert resumed.env.common_step_counter == 3 * NUM_STEPS
    resumed.learn(1)
    assert read_checkpoint(tmp_path / "model_3.pt")["iter"] == 4


def test_a_second_training_of_a_run_is_refused(tmp_path: Path) -> None:
    with RunLock(str(tmp_path)).held(), pytest.raises(UserError, match=r"is being trained already, by process \d+ on"):
        make_runner(make_env(2), tmp_path).learn(1)
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]
    make_runner(make_env(2), tmp_path).learn(1)


class BrokenQmini(Qmini):
    """Has a reward that becomes no number after some steps."""

    bad_after = 30

    def _reward_alive(self) -> torch.Tensor:
        return super()._reward_alive() + (math.nan if self.common_step_counter >= self.bad_after else 0.0)


def test_learning_that_blows_up_names_the_reward_and_keeps_what_was_learned(tmp_path: Path) -> None:
    runner = make_runner(make_env(2, task=BrokenQmini), tmp_path)
    message = r"diverged in iteration 2: value.* and so did the reward term 'alive'\. The newest good .*model_0.pt$"
    with pytest.raises(TrainingStoppedError, match=message):
        runner.learn(5)
    good = read_checkpoint(tmp_path / "model_0.pt")
    assert good["iter"] == 1
    for key in ("actor_state_dict", "critic_state_dict", "estimator_state_dict"):
        for name, value in good[key].items():
            assert value.isfinite().all(), name
    assert_same(good["optimizer_state_dict"], runner.alg.optimizer.state_dict())


def test_a_reward_that_blows_up_between_two_reports_is_named(tmp_path: Path) -> None:
    cfg = small_cfg(2)
    cfg.env.log_interval = 1000
    with contextlib.closing(BrokenQmini(cfg)) as env, pytest.raises(TrainingStoppedError, match="term 'alive'"):
        make_runner(env, tmp_path).learn(3)


class Changed(Qmini):
    """Changes rewards after they were added up."""

    def compute_reward(self) -> None:
        super().compute_reward()
        self.rew_buf = self.rew_buf * math.nan


def test_rewards_that_blow_up_in_no_term_are_told(tmp_path: Path) -> None:
    message = "so did the rewards, after their terms were added up"
    with pytest.raises(TrainingStoppedError, match=message):
        make_runner(make_env(2, task=Changed), tmp_path).learn(1)


def test_weights_that_blow_up_are_not_saved(tmp_path: Path) -> None:
    """rsl_rl's own PPO has nothing to go back to; then what was saved before is the newest."""
    runner = plain_runner(make_env(2), tmp_path)
    runner.learn(1)
    with torch.no_grad():
        next(runner.alg.actor.parameters()).fill_(math.inf)
    message = r"model_5.pt was not written: 'actor_state_dict.*The newest good checkpoint is .*model_0.pt$"
    with pytest.raises(TrainingStoppedError, match=message):
        runner.learn(5)
    assert [path.name for path in tmp_path.glob("*.pt")] == ["model_0.pt"]


def test_every_name_is_the_index_of_the_last_iteration(tmp_path: Path) -> None:
    runner = make_runner(make_env(2), tmp_path, runner__save_interval=2)
    runner.learn(5)
    names = sorted(path.name for path in tmp_path.glob("*.pt"))
    assert names == ["model_0.pt", "model_2.pt", "model_4.pt"]
    assert [read_checkpoint(tmp_path / name)["iter"] for name in names] == [1, 3, 5]


def plain_runner(env: Qmini, log_dir: Path) -> OnPolicyRunner:
    """Return the runner that a task without an estimator gets, with nets of one small layer."""
    cfg = LeggedRobotCfgPPO()
    assert resolve_callable(cfg.runner_class_name) is OnPolicyRunner
    cfg.policy.actor_hidden_dims = cfg.policy.critic_hidden_dims = [8]
    return OnPolicyRunner(env, rsl_rl_config(cfg), str(log_dir), "cpu")


def test_plain_policy_goes_on_where_it_was(tmp_path: Path) -> None:
    runner = plain_runner(make_env(), tmp_path)
    runner.learn(2)
    resumed = plain_runner(make_env(), tmp_path)
    resumed.load(str(tmp_path / "model_1.pt"))
    assert resumed.completed_iterations == resumed.current_learning_iteration == 2
    assert resumed.env.common_step_counter == 2 * NUM_STEPS
    assert resumed.alg.learning_rate == runner.alg.learning_rate
    for name, parameter in runner.alg.actor.state_dict().items():
        assert torch.equal(parameter, resumed.alg.actor.state_dict()[name])
    resumed.learn(1)
    assert read_checkpoint(tmp_path / "model_2.pt")["env"]["common_step_counter"] == 3 * NUM_STEPS
    log = events(tmp_path)
    assert [event.step for event in log.Scalars("Loss/value")] == [0, 1, 2]
    layout = layout_pb2.Layout.FromString(log.Tensors("custom_scalars__config__")[-1].tensor_proto.string_val[0])
    assert "Estimator" not in [category.title for category in layout.category]


def test_checkpoint_of_a_plain_policy_has_no_estimator_to_load(tmp_path: Path) -> None:
    runner = plain_runner(make_env(2), tmp_path)
    runner.save(str(tmp_path / "plain.pt"))
    with pytest.raises(UserError, match=r"plain\.pt .*the actor's .*"):
        make_runner(make_env(2)).load(str(tmp_path / "plain.pt"))


class CuriousQmini(Qmini):
    """Has the names under which rsl_rl looks for the length of a step where curiosity is rewarded."""

    @property
    def unwrapped(self) -> CuriousQmini:
        return self

    @property
    def step_dt(self) -> float:
        return self.dt


def test_logged_episodes_are_whole_ones_that_did_not_diverge(tmp_path: Path) -> None:
    """Robot 0 ends after two steps and after three more, robot 1 diverges, robot 2 goes on."""
    logger = make_runner(make_env(3), tmp_path).logger
    logger.init_logging_writer()
    never = torch.zeros(3, dtype=torch.bool)
    for step in range(5):
        dones, diverged = never.clone(), never.clone()
        dones[0], dones[1] = step in (1, 4), step == 2
        diverged[1] = step == 2
        logger.process_env_step(torch.tensor([1.0 + step, 9.0, 0.5]), dones, {"diverged": diverged})
    logger._count_episodes(logger._take_steps())
    assert list(logger.rewbuffer) == [1.0 + 2.0, 3.0 + 4.0 + 5.0] and list(logger.lenbuffer) == [2.0, 3.0]
    assert logger.cur_reward_sum.tolist() == [0.0, 18.0, 2.5] and logger.cur_episode_length.tolist() == [0.0, 2.0, 5.0]
    logger.stop_logging_writer()


def test_a_gpu_writes_an_iteration_during_the_next_rollout(tmp_path: Path) -> None:
    """The curves, the last episodes and what a resume needs are those of a training that writes at once."""
    runners = []
    for late in (False, True):
        runner = make_runner(make_env(3, env__episode_length_s=0.2), tmp_path / str(late))
        runner.logger._gpu = late
        waiting = []
        runner.logger.after_iteration = lambda _, logger=runner.logger, seen=waiting: seen.append(logger._unwritten)
        runner.learn(3, init_at_random_ep_len=True)
        assert all((write is not None) == late for write in waiting) and runner.logger._unwritten is None
        runners.append(runner)
    at_once, later = (events(tmp_path / str(late)) for late in (False, True))
    tags = [tag for tag in at_once.Tags()["scalars"] if not tag.startswith("Perf/")]
    assert tags == [tag for tag in later.Tags()["scalars"] if not tag.startswith("Perf/")]
    for tag in tags:
        if not tag.endswith("/time"):
            logs = [[(event.step, event.value) for event in log.Scalars(tag)] for log in (at_once, later)]
            assert logs[0] == logs[1] and logs[0], tag
    assert_same(runners[0].logger.open_episodes(), runners[1].logger.open_episodes(), "episodes")
    assert runners[0].logger.lenbuffer


def test_what_a_gpu_has_not_written_is_written_when_the_task_fails(tmp_path: Path) -> None:
    env = make_env(3)
    runner = make_runner(env, tmp_path)
    runner.logger._gpu = True
    step, left = env.step, iter(range(2 * NUM_STEPS))

    def fail(actions: torch.Tensor) -> Any:
        assert next(left, None) is not None, "a mistake in a reward"
        return step(actions)

    env.step = fail  # type: ignore[method-assign]
    with pytest.raises(AssertionError, match="a mistake"):
        runner.learn(3)
    assert [event.step for event in events(tmp_path).Scalars("Loss/value")] == [0, 1]


def test_the_last_estimate_is_of_the_observation_that_was_acted_on() -> None:
    runner = make_runner(make_env(3))
    obs = runner.env.get_observations()
    with torch.inference_mode():
        for _ in range(2):
            said = runner.alg.get_estimator()(obs)
            obs, rewards, dones, extras = runner.env.step(runner.alg.act(obs))
            runner.alg.process_env_step(obs, rewards, dones, extras)
            assert torch.equal(runner.last_estimate(), said)


def test_random_network_distillation_is_saved_too(tmp_path: Path) -> None:
    def make() -> OnPolicyRunner:
        cfg = rsl_rl_config(LeggedRobotCfgPPO())
        cfg["obs_groups"]["rnd_state"] = ["policy"]
        cfg["algorithm"]["rnd_cfg"] = {"weight": 0.1, "num_outputs": 2, "predictor_hidden_dims": [4],
                                       "target_hidden_dims": [4]}  # fmt: skip
        return OnPolicyRunner(make_env(2, CuriousQmini), cfg, str(tmp_path), "cpu")

    runner = make()
    runner.learn(1)
    assert "Loss/rnd" in events(tmp_path).Tags()["scalars"]
    resumed = make()
    resumed.load(str(tmp_path / "model_0.pt"))
    for name, value in runner.alg.rnd.state_dict().items():
        assert torch.equal(value, resumed.alg.rnd.state_dict()[name])


def test_configuration_also_drives_rsl_rl_own_runner(tmp_path: Path) -> None:
    cfg = LeggedRobotCfgPPO()
    cfg.algorithm.num_learning_epochs = 1
    runner = RslRlRunner(make_env(), rsl_rl_config(cfg), str(tmp_path), "cpu")
    layers = [module.out_features for module in runner.alg.critic.mlp if isinstance(module, torch.nn.Linear)]
    assert layers == [*cfg.policy.critic_hidden_dims, 1]
    assert runner.alg.learning_rate == cfg.algorithm.learning_rate
    assert runner.alg.actor.distribution.std_param.tolist() == [cfg.policy.init_noise_std] * 10
    runner.learn(1)
    assert (tmp_path / "model_0.pt").exists()


def test_misspelt_estimator_setting_is_refused() -> None:
    cfg = rsl_rl_config(train_config())
    cfg["algorithm"]["estimator_cfg"]["batchsize"] = 3
    with pytest.raises(UserError, match=r"estimator.batchsize.*batch_size"):
        OnPolicyRunnerEE(make_env(), cfg)


def test_unwritable_run_folder_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    runner = make_runner(make_env(), tmp_path / "file" / "run")
    with pytest.raises(UserError, match=r"cannot write to run folder .*run"):
        runner.learn(1)


def test_layout_leaves_out_terms_that_are_off() -> None:
    layout = custom_scalars_layout({"alive": 0.5, "torques": -1.0, "off": 0.0})
    assert layout["Rewards per second"] == {"alive": ["Multiline", ["^Reward/alive$"]]}
    assert layout["Penalties per second"] == {"torques": ["Multiline", ["^Reward/torques$"]]}
    assert "Rewards per second" not in custom_scalars_layout({"torques": -1.0})


def test_every_chart_has_one_curve_of_each_run() -> None:
    layout = custom_scalars_layout({"alive": 0.5, "torques": -1.0})
    assert all(len(curves) == 1 for charts in layout.values() for _, curves in charts.values())


@pytest.mark.parametrize(
    ("name", "writer"),
    [
        ("tensorboard", "tensorboard"),
        ("TensorBoard", "tensorboard"),
        ("wandb", {"class_name": "WandbLogWriter", "project_name": "somewhere"}),
    ],
)
def test_logging_services_get_the_experiment_as_project(name: str, writer: object) -> None:
    cfg = rsl_rl_config(train_config(runner__logger=name, runner__experiment_name="somewhere"))
    assert cfg["logger"] == writer
    if isinstance(writer, dict):
        assert resolve_class(dict(writer))[0] is WandbLogWriter


def test_a_service_that_refuses_the_run_is_one_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: object) -> None:
        raise refusal("No API key\n configured")

    monkeypatch.setattr("rsl_rl.utils.logger.Logger.init_logging_writer", refuse)
    refusal = type("UsageError", (Exception,), {"__module__": "wandb.errors"})
    with pytest.raises(UserError, match=r"--logger.*: No API key configured"):
        make_runner(make_env(), tmp_path).learn(1)
    refusal = RuntimeError
    with pytest.raises(RuntimeError):
        make_runner(make_env(), tmp_path).learn(1)


def test_speed_is_of_the_median_iteration_without_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    logger = make_runner(make_env(8)).logger
    logger.gpu_world_size = 2
    clock = iter((100.0, 102.0, 103.0, 109.0))
    monkeypatch.setattr("legged_gym.runners.logger.time.perf_counter", lambda: next(clock))
    seen: list[int] = []
    logger.after_iteration = seen.append
    speeds = []
    for iteration in range(4):
        logger.log(iteration, {}, torch.ones(1))
        speeds.append(logger.steps_per_second)
    assert speeds[:2] == [None, 2 * 8 * NUM_STEPS / 2.0]
    assert speeds[-1] == 2 * 8 * NUM_STEPS / 2.0
    assert seen == [0, 1, 2, 3]
