"""One robot in every command: its walk and log, its evaluation, and the shipped policy that goes on learning on it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import small_cfg
from robot_logs import some_robot

from legged_gym.common.errors import UserError
from legged_gym.deploy.plan import draw_plans
from legged_gym.envs import Qmini, task_registry
from legged_gym.evaluation.scenarios import Scenario
from legged_gym.policies.exported import PolicyFiles, load_policy
from legged_gym.policies.finder import find_exported, find_urdf
from legged_gym.runners.checkpoint import read_checkpoint, widen_critic
from legged_gym.runners.runs import SHIPPED_CHECKPOINT, shipped_policy
from legged_gym.this_robot.checks import check
from legged_gym.this_robot.log import RobotLog
from legged_gym.this_robot.payload import find_payload
from legged_gym.this_robot.policy_checks import check_policy
from legged_gym.this_robot.robot_file import ThisRobot, apply_robot, read_robot, write_robot
from legged_gym.this_robot.signal_checks import Finding
from legged_gym.this_robot.stand import Stand
from legged_gym.this_robot.walking import log_of_trial, plan_for


@pytest.fixture(scope="module")
def robot() -> ThisRobot:
    names = Stand().joint_names
    joints = {
        name: {"strength": (0.85, 0.9, 0.95), "armature": (0.004, 0.0045, 0.005), "backlash": (0.0, 0.001, 0.002),
               "viscous_friction": (0.02, 0.03, 0.04), "dry_friction": (0.05, 0.06, 0.07),
               "zero_offset": (-0.02, -0.01, 0.0)}
        for name in names
    }  # fmt: skip
    return ThisRobot("qmini", joints, delay=(0.003, 0.004, 0.005))


@pytest.fixture(scope="module")
def policy() -> PolicyFiles:
    return load_policy(find_exported("shipped", "qmini", "").path)


@pytest.fixture(scope="module")
def walk(robot: ThisRobot, policy: PolicyFiles) -> RobotLog:
    scenario = Scenario("walk", "", (((0.0, (0.4, 0.0, 0.2)),),), seconds=3.0, noise=0.5)
    plan = draw_plans(scenario, policy.config, 1, 1)[0]
    plan = plan_for(robot, plan, policy.config.joint_names)
    assert plan.joints["joint_armature"] == (0.0045,) * 10 and plan.action_delay == 0.004
    assert plan.p_gain == pytest.approx(np.full(10, 0.9)) == plan.d_gain and plan.backlash == pytest.approx(
        np.full(10, 0.001)
    )
    return log_of_trial(policy, find_urdf(policy.folder), plan)


@pytest.mark.parametrize("payload", [0.0, 1.5])
def test_a_payload_is_found_from_a_walk(payload: float, robot: ThisRobot, policy: PolicyFiles, tmp_path: Path) -> None:
    scenario = Scenario("walk", "", (((0.0, (0.3, 0.0, 0.2)),),), seconds=5.0, payload=(payload, payload))
    plan = plan_for(robot, draw_plans(scenario, policy.config, 1, 1)[0], policy.config.joint_names)
    log = log_of_trial(policy, find_urdf(policy.folder), plan, of_motors=True)
    assert len(log.time) == 2500 and log.dt == pytest.approx(0.002)
    low, value, high = find_payload(Stand(), robot, log)
    assert abs(value - payload) < 0.2 and low < payload < high < low + 2.0
    loaded = dataclasses.replace(robot, payload=(low, value, high))
    write_robot(loaded, str(tmp_path / "loaded.yaml"))
    cfg = small_cfg(2)
    apply_robot(read_robot(str(tmp_path / "loaded.yaml"), "qmini"), cfg)
    assert cfg.domain_rand.added_mass_range == pytest.approx([low, high], rel=1e-4)
    with pytest.raises(UserError, match="strength of knee_pitch_l is not known"):
        find_payload(Stand(), dataclasses.replace(robot, joints={**robot.joints, "knee_pitch_l": {}}), log)
    with pytest.raises(UserError, match="250 rows a second"):
        find_payload(Stand(), robot, log.rows(0, 500))


def failed(found: list[Finding]) -> list[Finding]:
    return [finding for finding in found if finding.passed is False]


def test_a_walk_is_logged_and_healthy(walk: RobotLog, policy: PolicyFiles) -> None:
    assert len(walk.time) == 150 and walk["observation"].shape == (150, 215)
    assert not failed(check(walk, Stand(), standing=True)) and not failed(check_policy(walk, policy))


def test_feet_on_the_ground_do_not_look_like_exchanged_encoders(policy: PolicyFiles) -> None:
    """While it walks forward an ankle follows the hip over the foot, more than its own target."""
    scenario, truth = (
        Scenario("walk", "", (((0.0, (0.3, 0.0, 0.0)),),), seconds=5.0, noise=0.3),
        some_robot(Stand(), 500),
    )
    plan = draw_plans(scenario, policy.config, 1, 1)[0]
    told = {
        "joint_armature": truth.armature,
        "joint_damping": truth.viscous_friction,
        "joint_friction": truth.dry_friction,
    }
    plan = dataclasses.replace(
        plan, p_gain=plan.p_gain * truth.strength, d_gain=plan.d_gain * truth.strength, action_delay=truth.delay,
        zero_offset=truth.zero_offset, joints={**plan.joints, **{name: tuple(v.tolist()) for name, v in told.items()}},
    )  # fmt: skip
    for of_motors in (False, True):
        log = log_of_trial(policy, find_urdf(policy.folder), plan, of_motors)
        assert not failed(check(log, Stand(), standing=True))


Spoil = Callable[[np.ndarray], np.ndarray]


@pytest.mark.parametrize(
    ("said", "first", "last", "spoil"),
    [
        ("base_ang_vel is 4 times", 0, 3, lambda seen: 4.0 * seen),
        ("dof_vel is 20 times", 19, 29, lambda seen: 20.0 * seen),
        ("commands is 100 times", 6, 9, lambda seen: 100.0 * seen),
        ("projected_gravity is -1 times", 3, 6, lambda seen: -seen),
        ("dof_pos is off by constants", 9, 19, lambda seen: seen + np.linspace(-1.5, 1.5, 10)),
        ("actions is one step early", 29, 39, lambda seen: np.roll(seen, -1, axis=0)),
        ("actions is one step late", 29, 39, lambda seen: np.roll(seen, 1, axis=0)),
        ("dof_vel has another scaling or sign in the columns 3 (-1 times)", 19, 29,
         lambda seen: seen * np.where(np.arange(10) == 3, -1.0, 1.0)),
        ("dof_pos is not what was logged", 9, 19, lambda seen: seen[..., ::-1]),
    ],
)  # fmt: skip
def test_a_term_that_the_policy_does_not_expect_is_named(
    said: str, first: int, last: int, spoil: Spoil, walk: RobotLog, policy: PolicyFiles
) -> None:
    log = dataclasses.replace(walk, values={name: value.copy() for name, value in walk.values.items()})
    blocks = log["observation"].reshape(-1, 5, 43)
    blocks[..., first:last] = spoil(blocks[..., first:last].copy())
    assert said in next(finding.text for finding in failed(check_policy(log, policy)) if finding.topic == "observation")


@pytest.mark.parametrize(
    ("said", "spoil"),
    [
        ("another pose", lambda moved: moved + 0.05),
        ("is 2 times", lambda moved: 2.0 * moved),
        ("in the columns 3 (-1 times)", lambda moved: moved * np.where(np.arange(10) == 3, -1.0, 1.0)),
        ("is one step late", lambda moved: np.roll(moved, 1, axis=0)),
    ],
)
def test_targets_that_are_not_the_policys_are_named(
    said: str, spoil: Spoil, walk: RobotLog, policy: PolicyFiles
) -> None:
    pose = policy.config.default_angles
    log = dataclasses.replace(walk, values={**walk.values, "target": pose + spoil(walk["target"] - pose)})
    assert said in next(finding.text for finding in failed(check_policy(log, policy)) if finding.topic == "action")


def test_a_history_the_wrong_way_round_is_named(walk: RobotLog, policy: PolicyFiles) -> None:
    turned = walk["observation"].reshape(-1, 5, 43)[:, ::-1].reshape(-1, 215)
    log = dataclasses.replace(walk, values={**walk.values, "observation": turned})
    text = next(finding.text for finding in failed(check_policy(log, policy)) if finding.topic == "history")
    assert "newest first" in text


def test_an_old_critic_keeps_its_values_when_it_is_told_more(robot: ThisRobot) -> None:
    plain, _ = task_registry.make_env("qmini", env_cfg=small_cfg(2))
    cfg = small_cfg(2)
    apply_robot(robot, cfg)
    told: Qmini = Qmini(cfg, seed=3)
    old, new = (env.get_observations()["privileged"].shape[1] for env in (plain, told))
    # Both frictions and backlash, for each of ten joints; of armatures the task tells anyway.
    assert new - old == 30
    assert (told.rand.torque_multiplier <= 0.95).all() and (told.rand.torque_multiplier >= 0.85).all()
    assert (told.rand.action_delay >= 0.005).all() and (told.rand.action_delay <= 0.007).all()
    nets = [torch.nn.Sequential(torch.nn.Linear(size, 8), torch.nn.ELU(), torch.nn.Linear(8, 1)) for size in (old, new)]
    optimizers = [torch.optim.Adam(net.parameters()) for net in nets]
    nets[0](torch.randn(4, old)).sum().backward()
    optimizers[0].step()
    checkpoint = {"critic_state_dict": nets[0].state_dict(), "optimizer_state_dict": optimizers[0].state_dict()}
    assert widen_critic(checkpoint, nets[1], optimizers[1]) == 30
    nets[1].load_state_dict(checkpoint["critic_state_dict"])
    optimizers[1].load_state_dict(checkpoint["optimizer_state_dict"])
    seen = told.get_observations()["privileged"]
    torch.testing.assert_close(nets[1](seen), nets[0](seen[:, :old]))
    nets[1](seen).sum().backward()
    optimizers[1].step()


@pytest.mark.parametrize("few", [False, True])
def test_the_shipped_policy_goes_on_on_this_robot(
    few: bool, robot: ThisRobot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """Its rewards stay as they were at its training's end, and all of it learns however few iterations are left."""
    from legged_gym.cli.arguments import run_main
    from legged_gym.scripts import train

    path = str(tmp_path / "my_robot.yaml")
    write_robot(robot, path)
    shipped = read_checkpoint(Path(str(shipped_policy("qmini"))) / SHIPPED_CHECKPOINT, "cpu")
    call = ["train.py", "--resume", "--load_run=shipped", f"--robot={path}", "--headless", "--num_envs=4",
            f"--max_iterations={shipped['iter'] + 1}", f"--log_root={tmp_path}", "--set=terrain.mesh_type=plane",
            "--set=algorithm.num_learning_epochs=1", "--set=algorithm.num_mini_batches=1",
            f"--set=runner.estimator_iterations={20 if few else 0}"]  # fmt: skip
    monkeypatch.setattr("sys.argv", call)
    assert run_main(train.main) == 0
    (config,) = tmp_path.rglob("config.yaml")
    settings = config.read_text(encoding="utf-8")
    for line in ("hip_yaw_l", "rewards.scales.base_pitch: -30.0", "averaged_iterations: 40"):
        assert line in settings
    newest = read_checkpoint(next(tmp_path.rglob("model_*.pt")), "cpu")
    same = torch.equal(newest["actor_state_dict"]["mlp.0.weight"], shipped["actor_state_dict"]["mlp.0.weight"])
    assert not same and "learns from rewards" not in capsys.readouterr().out
