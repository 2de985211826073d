"""The second robot: its published figures, its rewards, and a short training by the real command."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import viser

import legged_gym
from legged_gym.envs import Go2, Go2Cfg
from legged_gym.envs.base.mirror import mirror
from legged_gym.envs.go2 import go2
from legged_gym.evaluation.evaluator import EvaluationSettings, evaluate_policies
from legged_gym.evaluation.report import print_results
from legged_gym.evaluation.results import EvaluationResult
from legged_gym.evaluation.scenarios import select_scenarios
from legged_gym.policies.finder import find_policy, load_policy
from legged_gym.runners.runs import SHIPPED_CHECKPOINT, shipped_policy
from legged_gym.scripts import train
from legged_gym.simulators.mujoco_model import build_scene
from legged_gym.viewers.readings import Instruments
from legged_gym.viewers.session import Session
from legged_gym.viewers.web_page import WebPage

LEGS = ("FL", "FR", "RL", "RR")
LIMITS = {"hip": (-1.0472, 1.0472), "calf": (-2.7227, -0.83776)}
THIGHS = {"F": (-1.5708, 3.4907), "R": (-0.5236, 4.5379)}


@pytest.fixture
def env() -> Go2:
    cfg = Go2Cfg()
    cfg.env.num_envs, cfg.terrain.mesh_type, cfg.domain_rand.push_robots = 4, "plane", False
    return Go2(cfg)


def test_figures_are_the_published_ones() -> None:
    scene = build_scene(Go2Cfg())
    model = scene.model
    assert scene.dof_names == [f"{leg}_{part}_joint" for leg in LEGS for part in ("hip", "thigh", "calf")]
    assert model.body_mass.sum() == pytest.approx(15.019, abs=1e-6)
    assert scene.torque_limits.tolist() == [23.7, 23.7, 35.55] * 4
    assert scene.dof_vel_limits.tolist() == [30.1, 30.1, 20.07] * 4
    for joint, index in zip(scene.dof_names, scene.joint_ids, strict=True):
        leg, part, _ = joint.split("_")
        assert tuple(model.jnt_range[index]) == (THIGHS[leg[0]] if part == "thigh" else LIMITS[part])
    for leg in LEGS:
        masses = [model.body(f"{leg}_{part}").mass[0] for part in ("hip", "thigh", "calf", "foot")]
        assert masses == [0.678, 1.152, 0.154, 0.04]


def test_left_and_right_are_mirror_images() -> None:
    model = build_scene(Go2Cfg()).model
    for left, right in (("FL", "FR"), ("RL", "RR")):
        for part in ("hip", "thigh", "calf", "foot"):
            a, b = model.body(f"{left}_{part}"), model.body(f"{right}_{part}")
            np.testing.assert_allclose(a.pos, b.pos * [1, -1, 1])
            np.testing.assert_allclose(a.ipos, b.ipos * [1, -1, 1])
            np.testing.assert_allclose(a.inertia, b.inertia)


def test_it_stands_on_its_gains(env: Go2) -> None:
    for _ in range(60):
        env.step(torch.zeros(4, 12))
    assert (env.episode_length_buf == 60).all(), "nobody fell"
    assert (env.base_height > 0.2).all()
    assert [env.body_names[i] for i in env.feet_indices] == [f"{leg}_foot" for leg in LEGS]
    env.close()


def test_a_trot_is_told_from_other_gaits(env: Go2) -> None:
    env.commands[:2] = torch.tensor([0.5, 0.0, 0.0])
    env.commands[2:] = 0.0
    env.feet_contact = torch.tensor([[1, 0, 0, 1], [1, 0, 1, 0], [1, 1, 1, 1], [1, 0, 0, 1]]).bool()
    assert env._reward_trot().tolist() == [1.0, 0.0, 1.0, 0.0]
    env.swing_time = torch.tensor([[0.25, 0.9, 0.2, 0.1]]).repeat(4, 1)
    env.feet_touchdown = torch.tensor([[1, 0, 0, 0], [0, 1, 0, 0], [0, 1, 1, 0], [0, 0, 0, 1]]).bool()
    assert env._reward_swing().tolist() == pytest.approx([0.1, 0.15, 0.2, -0.05]), "up to a cap"
    feet = env.rigid_body_states[:, env.feet_indices]
    feet[..., 2], feet[..., 7:10] = 0.08, torch.tensor([0.3, 0.4, 5.0])
    feet[1, 2, 2] = 0.02
    env.rigid_body_states[:, env.feet_indices] = feet
    assert env._reward_feet_clearance().tolist() == pytest.approx([0.0, 0.5 * 0.06**2, 0.0, 0.0], abs=1e-7)
    env.dof_pos[:] = env.default_dof_pos
    for joint, name in enumerate(env.dof_names):
        env.dof_pos[0, joint] += 0.1 if "hip" in name else 0.3
    assert env._reward_hip_deviation().tolist() == pytest.approx([0.04, 0.0, 0.0, 0.0], abs=1e-6)
    env.close()


def test_its_own_code_is_short() -> None:
    assert len(inspect.getsource(go2.Go2).splitlines()) <= 40


def test_it_trains_by_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = {"terrain.num_rows": 2, "terrain.num_cols": 5, "policy.actor_hidden_dims": [16]}
    arguments = ["--task=go2", "--headless", "--sim=mujoco", "--rl_device=cpu", "--num_envs=4", "--max_iterations=3"]
    arguments += [f"--log_root={tmp_path}", *(f"--set={key}={value}" for key, value in small.items())]
    monkeypatch.setattr("sys.argv", ["train.py", *arguments])
    train.main()
    (run,) = (tmp_path / "go2").iterdir()
    weights = [torch.load(run / f"model_{i}.pt", weights_only=False) for i in (0, 2)]
    assert all(torch.isfinite(p).all() for p in weights[1]["actor_state_dict"].values())
    assert any(not torch.equal(a, b) for a, b in zip(*(w["actor_state_dict"].values() for w in weights), strict=True))


def test_a_mirror_exchanges_left_and_right(env: Go2) -> None:
    _, actions = mirror(env, None, torch.arange(1.0, 13.0).repeat(1, 1))
    assert actions is not None
    assert actions[1].tolist() == [-4.0, 5.0, 6.0, -1.0, 2.0, 3.0, -10.0, 11.0, 12.0, -7.0, 8.0, 9.0]
    both, _ = mirror(env, env.get_observations(), None)
    assert both is not None and both["policy"].shape == (8, 225)
    torch.testing.assert_close(mirror(env, both[4:], None)[0]["policy"][4:], both["policy"][:4])
    env.close()


@pytest.mark.filterwarnings("error")
def test_the_shipped_policy_trots_where_it_is_told_to(capsys: pytest.CaptureFixture[str]) -> None:
    scenarios = select_scenarios("push_0.6,lateral")
    settings = EvaluationSettings("go2", "mujoco", "cpu", trials=6, seed=1, longest=4.0, adjust=lambda cfg: None)
    result = EvaluationResult("go2", "mujoco", "cpu", 1, 6, 4.0, [], scenarios)
    evaluate_policies([load_policy(find_policy("shipped", "go2", ""))], scenarios, settings, result)
    push, lateral = (result.policies[0].scenarios[scenario.name].metrics for scenario in scenarios)
    assert push["falls"] == lateral["falls"] == 0.0
    assert lateral["vx_rmse"] < 0.06 and lateral["vy_rmse"] < 0.06 and push["yaw_rmse"] < 0.3
    capsys.readouterr()
    print_results(result)
    titles = capsys.readouterr().out.splitlines()[1]
    assert "torque" in titles and "est." not in titles and "contacts" not in titles


def test_its_network_equals_pytorch_s_on_a_rollout() -> None:
    folder = str(shipped_policy("go2"))
    exported, trained = load_policy(folder), load_policy(f"{folder}/{SHIPPED_CHECKPOINT}")
    env = legged_gym.make_env("go2", num_envs=2, settings={"terrain.mesh_type": "plane"})
    observation, _ = env.reset(seed=1)
    for _ in range(100):
        rows = torch.as_tensor(observation)
        (said, actions), (unsaid, expected) = exported.act(rows), trained.act(rows)
        assert said is None and unsaid is None
        torch.testing.assert_close(actions, expected, atol=1e-5, rtol=1e-5)
        observation, *_ = env.step(actions)
    assert env.task.base_height.min() > 0.2
    env.close()


def test_its_page_has_its_name_and_no_estimate(env: Go2, monkeypatch: pytest.MonkeyPatch) -> None:
    labels: list[str] = []
    server = viser.ViserServer

    def serve(*args: Any, label: str, **settings: Any) -> viser.ViserServer:
        labels.append(label)
        return server(*args, label=label, **settings)

    monkeypatch.setattr(viser, "ViserServer", serve)
    env.reset()
    session = Session(env)
    page = WebPage(session, port=8190)
    try:
        page._scene.update(Instruments(session).read())
        assert page._scene._velocities.points.shape == (2, 2, 3)
        assert page._scene._velocities.colors.shape[0] == 2
    finally:
        page.close()
    assert labels == ["go2"]
