"""Changes that users make most: each is made in one place, and all that hangs on it follows."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from qmini_training import make_env, make_runner
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from legged_gym.common.errors import UserError
from legged_gym.deploy.controller import Controller, Sensors
from legged_gym.envs import task_registry
from legged_gym.envs.base.mirror import mirror
from legged_gym.envs.base.observations import LabelTerm, ObsTerm
from legged_gym.envs.base.terrain_tiles import KINDS, Heights, Tile
from legged_gym.envs.qmini.qmini import Qmini
from legged_gym.envs.qmini.qmini_config import QminiCfg
from legged_gym.evaluation.plots import plot_rollout
from legged_gym.evaluation.recorder import Recorder
from legged_gym.evaluation.tally import Tally
from legged_gym.policies.export import export_policy
from legged_gym.policies.exported import load_policy
from legged_gym.runners.runs import load_run_config, shipped_policy


class WithFootHeights(Qmini):
    def _observation_terms(self) -> list[ObsTerm]:
        return [*super()._observation_terms(), ObsTerm("foot_height", lambda: self.feet_height, 3.0, mirror="feet")]


class WithBaseHeight(Qmini):
    def _label_terms(self) -> list[LabelTerm]:
        return [*super()._label_terms(), LabelTerm("base_height", lambda: self.base_height[:, None], 4.0, unit="m",
                                                   mirror="same")]  # fmt: skip


def test_an_observation_term_is_declared_in_one_place(tmp_path: Path) -> None:
    env = make_env(2, WithFootHeights)
    runner = make_runner(env)
    runner.learn(1)
    assert env.get_observations()["policy"].shape == (2, 5 * 45)
    env.obs_layout.terms[-1].value = lambda: torch.tensor([[0.1, 0.2], [0.3, 0.4]])
    seen = env.step(torch.zeros(2, 10))[0]
    both, _ = mirror(env, seen, None)
    assert both is not None
    torch.testing.assert_close(both["policy"][2:, 43:45], torch.tensor([[0.6, 0.3], [1.2, 0.9]]))
    metadata = json.loads(export_policy(runner, env, tmp_path, steps=3)["metadata"].read_text())
    term = metadata["observation"]["terms"][-1]
    assert (term["name"], term["size"], term["scale"], term["start"]) == ("foot_height", 2, 3.0, 43)


def test_a_term_that_does_not_say_its_mirror_is_named() -> None:
    class Undeclared(Qmini):
        def _observation_terms(self) -> list[ObsTerm]:
            return [*super()._observation_terms(), ObsTerm("foot_height", lambda: self.feet_height)]

    env = make_env(2, Undeclared)
    with pytest.raises(UserError, match="observation term 'foot_height' does not say how it is mirrored"):
        make_runner(env).learn(1)


def test_one_more_output_of_the_estimator_is_one_line(tmp_path: Path) -> None:
    env = make_env(2, WithBaseHeight)
    runner = make_runner(env, tmp_path / "run")
    runner.learn(2)
    obs = env.get_observations()
    torch.testing.assert_close(obs["label"][:, 5], 4.0 * env.base_height)
    # Learned, logged in metres and with a chart of its own.
    log = EventAccumulator(str(tmp_path / "run")).Reload()
    assert [event.step for event in log.Scalars("Estimator/base_height_mae")] == [0, 1]
    assert log.Scalars("Estimator/contact_accuracy")
    content = log.Tensors("custom_scalars__config__")[0].tensor_proto.string_val[0].decode(errors="replace")
    assert "base height error, m" in content
    # Played: figures, plots.
    tally, recorder, policy = Tally(env), Recorder(env, ("dof_targets", "foot_forces")), runner.get_inference_policy()
    for _ in range(3):
        estimate, label, commands = policy.estimate(obs), obs["label"], env.commands.clone()
        tally.add_estimate(estimate, label)
        obs, _, dones, _ = env.step(policy(obs))
        tally.add(commands, dones)
        recorder.add(estimate=estimate, label=label)
    rollout = recorder.rollout()
    assert "estimated base height error, m" in tally.metrics()
    assert rollout.label is not None
    assert 0.2 < rollout.label[0, 0, 5] < 0.7
    assert len(plot_rollout(rollout, env.dof_names, env.foot_names, str(tmp_path / "plots"))) == 4
    # Exported, and run by the files alone.
    files = export_policy(runner, env, tmp_path / "exported", steps=3)
    output = json.loads(files["metadata"].read_text())["estimator"]["output"]
    assert output[2] == {
        "name": "base_height", "size": 1, "scale": 4.0, "kind": "scalar", "unit": "m", "components": [""]
    }  # fmt: skip
    controller = Controller(load_policy(tmp_path / "exported"))
    pose = controller.config.default_angles
    controller.update(Sensors(np.array([1.0, 0.0, 0.0, 0.0]), np.zeros(3), pose, np.zeros(10)), (0.3, 0.0, 0.0))
    with torch.inference_mode():
        said = policy.estimator(type(obs)({"policy": torch.tensor(controller._history).float().reshape(1, -1)}, [1]))
    np.testing.assert_allclose(controller.estimate[5], said[0, 5] / 4.0, atol=1e-5)


def test_a_reward_is_a_method_and_a_scale() -> None:
    class Spins(Qmini):
        def _reward_spin(self) -> torch.Tensor:
            return self.base_ang_vel[:, 2]

    class SpinsCfg(QminiCfg):
        class rewards(QminiCfg.rewards):
            class scales(QminiCfg.rewards.scales):
                spin = 2.0

    cfg = SpinsCfg()
    cfg.env.num_envs, cfg.terrain.mesh_type = 2, "plane"
    env = Spins(cfg)
    env.step(torch.zeros(2, 10))
    at = env.reward_names.index("spin")
    torch.testing.assert_close(env.reward_rates[:, at], 2.0 * env.base_ang_vel[:, 2])


def test_a_kind_of_terrain_is_a_function_and_old_policies_still_load(monkeypatch: pytest.MonkeyPatch) -> None:
    def ramps(tile: Tile) -> Heights:
        return tile.clear(np.full(tile.shape, 0.2 * tile.difficulty, np.float32))

    monkeypatch.setitem(KINDS, "ramps", ramps)
    cfg = QminiCfg()
    load_run_config(str(shipped_policy("qmini")), "qmini", cfg, task_registry.get_cfgs("qmini")[1])
    assert "ramps" not in cfg.terrain.terrain_proportions
    cfg.env.num_envs, cfg.terrain.terrain_proportions = 2, {"ramps": 0.5, "discrete": 0.5}
    cfg.terrain.num_rows, cfg.terrain.num_cols, cfg.terrain.border_size = 2, 2, 2.0
    env = Qmini(cfg)
    assert env.terrain is not None
    assert env.terrain.heights.max() > 0.1
    env.step(torch.zeros(2, 10))
