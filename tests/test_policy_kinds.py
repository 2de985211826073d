"""Every kind of policy is trained, resumed, exported, loaded and run by the robot's controller, always the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import PlainCfg
from qmini_training import env_config, train_config
from rsl_rl.modules import EmpiricalNormalization
from rsl_rl.runners import OnPolicyRunner as RslRlRunner

from legged_gym.common.errors import UserError
from legged_gym.deploy.controller import Controller, Sensors
from legged_gym.envs import LeggedRobot, Qmini
from legged_gym.envs.base.legged_robot_config import LeggedRobotCfgPPO
from legged_gym.policies.export import export_policy
from legged_gym.policies.exported import load_policy as load_files
from legged_gym.policies.finder import load_policy
from legged_gym.runners import OnPolicyRunner, OnPolicyRunnerEE, rsl_rl_config

RECURRENT = {"policy.class_name": "ActorCriticRecurrent", "policy.rnn_hidden_size": 8}
KINDS: dict[str, tuple[bool, dict[str, Any]]] = {
    "plain": (False, {}),
    "plain, normalised": (False, {"policy.empirical_normalization": True}),
    "plain LSTM": (False, RECURRENT),
    "plain GRU of two layers": (False, {**RECURRENT, "policy.rnn_type": "gru", "policy.rnn_num_layers": 2}),
    "estimator, normalised": (True, {"policy.empirical_normalization": True}),
    "estimator, LSTM, normalised": (True, {**RECURRENT, "policy.empirical_normalization": True}),
    "estimator, GRU": (True, {**RECURRENT, "policy.rnn_type": "gru"}),
    "estimator, curiosity": (True, {"rnd.weight": 0.5}),
}
"""Whether there is an estimator, and what else is set."""


class MeasuredCfg(PlainCfg):
    """What a robot without an estimator can measure, without a gait clock."""


class Measured(LeggedRobot):
    def _observation_terms(self) -> list[Any]:
        return self._measured_terms()


def build(kind: str) -> tuple[LeggedRobot, OnPolicyRunner]:
    """Make a small task and its runner."""
    estimates, changes = KINDS[kind]
    torch.manual_seed(1)
    train_cfg = train_config() if estimates else LeggedRobotCfgPPO()
    train_cfg.policy.actor_hidden_dims = train_cfg.policy.critic_hidden_dims = [16]
    train_cfg.algorithm.num_learning_epochs, train_cfg.algorithm.num_mini_batches = 1, 2
    train_cfg.runner.num_steps_per_env = 8
    if estimates:
        train_cfg.symmetry.data_augmentation = False
    for key, value in changes.items():
        train_cfg.set(key, value)
    if estimates:
        env: LeggedRobot = Qmini(env_config(4))
    else:
        cfg = MeasuredCfg()
        cfg.env.num_envs = 4
        env = Measured(cfg)
    return env, (OnPolicyRunnerEE if estimates else OnPolicyRunner)(env, rsl_rl_config(train_cfg))


@pytest.mark.parametrize("kind", KINDS)
def test_all_that_a_policy_comes_in_acts_alike(kind: str, tmp_path: Path) -> None:
    env, runner = build(kind)
    runner.learn(2)
    runner.save(str(tmp_path / "model_1.pt"))
    _, resumed = build(kind)
    resumed.load(str(tmp_path / "model_1.pt"))
    resumed.learn(1)
    # Exported: the parity with PyTorch on a rollout is checked there, episodes that end included.
    env.episode_length_buf = torch.tensor([0, 0, env.max_episode_length - 2, 0])
    files = export_policy(runner, env, tmp_path / "exported", steps=6)
    metadata = json.loads(files["metadata"].read_text())
    assert (metadata["estimator"] is None) == (not KINDS[kind][0]) == ("estimator" not in files)
    assert (metadata["gait"] is None) == (not KINDS[kind][0])
    # The checkpoint, the files and the runner act alike, and remember alike.
    policies = [load_policy(str(tmp_path / "model_1.pt")), load_policy(str(tmp_path / "exported"))]
    played = runner.get_inference_policy()
    played.reset()
    with torch.inference_mode():
        obs = env.reset()
        for step in range(4):
            expected = played(obs)
            for policy in policies:
                torch.testing.assert_close(policy.act(obs["policy"])[1], expected, rtol=1e-4, atol=1e-5)
            obs, _, dones, _ = env.step(expected)
            ended = dones | (torch.arange(4) == step)
            played.reset(ended)
            for policy in policies:
                policy.reset(ended)
    assert {key for policy in policies for key in policy.contract["control"]} >= {"stiffness", "action_scale"}


@pytest.mark.parametrize("kind", ["plain GRU of two layers", "estimator, LSTM, normalised", "plain, normalised"])
def test_the_robots_controller_runs_them(kind: str, tmp_path: Path) -> None:
    env, runner = build(kind)
    runner.learn(1)
    export_policy(runner, env, tmp_path, steps=2)
    controller, played = Controller(load_files(tmp_path)), runner.get_inference_policy()
    pose = controller.config.default_angles
    played.reset()
    history: np.ndarray | None = None
    for step in range(4):
        if step == 2:
            # Who walks again has forgotten the last walk.
            controller.start()
            played.reset()
        told = Sensors(np.array([1.0, 0.0, 0.0, 0.0]), np.full(3, 0.1 * step), pose + 0.01 * step, np.zeros(10))
        controller.update(told, (0.3, 0.0, 0.0))
        history = controller._history
        assert history is not None
        obs = {"policy": torch.tensor(history, dtype=torch.float32).reshape(1, -1)}
        with torch.inference_mode():
            expected = played(type(env.get_observations())(obs, batch_size=[1]))
        np.testing.assert_allclose(controller.action, expected[0], atol=1e-5)


def test_normalisers_stay_where_recordings_look_for_them() -> None:
    env, runner = build("estimator, normalised")
    normalizer = runner.alg.actor.obs_normalizer
    assert isinstance(normalizer, EmpiricalNormalization)
    places = [buffer.data_ptr() for buffer in normalizer.buffers()]
    before = normalizer.std
    runner.learn(1)
    assert not torch.equal(normalizer.std, before)
    assert [buffer.data_ptr() for buffer in normalizer.buffers()] == places
    env.close()


def test_rsl_rls_own_runner_exports(tmp_path: Path) -> None:
    env, _ = build("plain")
    runner = RslRlRunner(env, rsl_rl_config(LeggedRobotCfgPPO()), None, "cpu")
    assert set(export_policy(runner, env, tmp_path, steps=2)) == {"actor", "actor_jit", "metadata", "controller"}


def test_a_recurrent_policy_is_a_word_in_the_configuration(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    train_cfg = train_config(symmetry__data_augmentation=False, policy__class_name="ActorCriticRecurrent")
    env = Qmini(env_config(2))
    OnPolicyRunnerEE(env, rsl_rl_config(train_cfg), str(tmp_path))
    assert capsys.readouterr().out.count("learn by rsl_rl's own update") == 1


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("policy.class_name", "ActorCriticRecurent", "did you mean 'ActorCriticRecurrent'"),
        ("policy.class_name", "ActorCriticRecurrent", "set 'symmetry.data_augmentation' to False"),
        ("policy.rnn_type", "rnn", "policy.rnn_type"),
    ],
)
def test_settings_that_do_not_fit_are_named(key: str, value: str, message: str) -> None:
    train_cfg = train_config()
    with pytest.raises(UserError, match=message):
        train_cfg.set(key, value)
        rsl_rl_config(train_cfg)
