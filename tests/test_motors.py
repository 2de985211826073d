"""What real motors, wires and sensors do, each setting on its own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from conftest import QminiFactory, quiet, small_cfg

from legged_gym.envs import Qmini, QminiCfg
from legged_gym.envs.base.base_config import ConfigError
from legged_gym.envs.qmini.qmini_mirror import mirror

LINE = {
    "stall_torque": {"hip_roll": [71.1, 71.1], "": [23.7, 23.7]},
    "no_load_speed": {"hip_roll": [10.0, 10.0], "": [30.0, 30.0]},
}
REAL = {
    **LINE, "armature": {"hip_roll": [0.036, 0.044], "": [0.004, 0.005]}, "dry_friction": {"": [0.02, 0.1]},
    "viscous_friction": {"knee": [0.02, 0.06]}, "strength": {"": [0.9, 1.1]}, "zero_offset": {"ankle": [-0.03, 0.03]},
    "backlash": {"": [0.0, 0.01]},
}  # fmt: skip


def real(n: int = 2, latency: dict[str, list[float]] | None = None, **motors: Any) -> QminiCfg:
    """Return a quiet configuration with these settings of ``motors`` and ``latency``."""
    cfg = quiet(small_cfg(n))
    for section, values in (("motors", motors), ("latency", latency or {})):
        for name, value in values.items():
            cfg.set(f"{section}.{name}", value)
    return cfg


def test_joints_get_their_own_dynamics(make_qmini: QminiFactory) -> None:
    env = make_qmini(real(64, armature=REAL["armature"], dry_friction=REAL["dry_friction"],
                          viscous_friction=REAL["viscous_friction"]))  # fmt: skip
    armature = env.sim.batch.expand("dof_armature")[:, 6:]
    rolls = [i for i, name in enumerate(env.dof_names) if "hip_roll" in name]
    others = [i for i in range(10) if i not in rolls]
    assert 0.036 <= armature[:, rolls].min() < 0.0365 and 0.0435 < armature[:, rolls].max() <= 0.044
    assert armature[:, others].min() >= 0.004 and armature[:, others].max() <= 0.005
    assert len(np.unique(armature)) > 500, "each joint of each robot has a value of its own"
    friction = env.sim.batch.expand("dof_frictionloss")[:, 6:]
    np.testing.assert_allclose(friction, env.rand.physics.joint_friction)
    assert friction.min() >= 0.02 and friction.max() > 0.09
    damping = env.rand.physics.joint_damping
    knees = [i for i, name in enumerate(env.dof_names) if "knee" in name]
    assert damping[:, knees].min() >= 0.02 and damping[:, rolls].max() == 0.0, "what is not named stays as it was"


def test_armature_slows_its_joint_and_friction_holds_it(make_qmini: QminiFactory) -> None:
    speeds = {}
    for name, settings in (
        ("plain", {"armature": {"": [0.01, 0.01]}}),
        ("heavy", {"armature": {"hip_roll": [0.4, 0.4], "": [0.01, 0.01]}}),
        ("stuck", {"armature": {"": [0.01, 0.01]}, "dry_friction": {"hip_roll": [15.0, 15.0]}}),
    ):
        cfg = real(1, **settings)
        cfg.asset.fix_base_link = True
        env = make_qmini(cfg)
        action = torch.zeros(1, 10)
        action[0, 1] = 0.5
        env.step(action)
        speeds[name] = float(env.dof_vel[0, 1])
    assert 0.0 < speeds["heavy"] < 0.6 * speeds["plain"]
    assert abs(speeds["stuck"]) < 0.2 * speeds["plain"]


def test_torque_falls_with_speed(make_qmini: QminiFactory) -> None:
    env = make_qmini(real(1, **LINE))
    asked = torch.full((1, 10), 100.0)
    limits = env.torque_limits
    for speed, expected in ((0.0, [20.0, 60.0]), (15.0, [11.85, 0.0]), (-20.0, [20.0, 60.0]), (40.0, [0.0, 0.0])):
        given = env.rand.motors.limit(asked, limits, torch.full((1, 10), speed))
        torch.testing.assert_close(given[0, :2], torch.tensor(expected))
        back = env.rand.motors.limit(-asked, limits, torch.full((1, 10), -speed))
        torch.testing.assert_close(back, -given)
    env.dof_vel[:] = 25.0
    assert env._compute_torques(torch.full((1, 10), 20.0)).max() <= 23.7 * 5 / 30 + 1e-4


def test_backlash_is_a_gap_that_encoders_see(make_qmini: QminiFactory) -> None:
    env, tight = make_qmini(real(backlash={"": [0.02, 0.02]})), make_qmini(real())
    for robot in (env, tight):
        robot.dof_vel[:] = 0.0
        robot.dof_pos[:] = robot.default_dof_pos
    inside, outside = torch.full((2, 10), 0.008 / 0.25), torch.full((2, 10), 0.05 / 0.25)
    assert env._compute_torques(inside).abs().max() < 1e-5
    env._update_derived()
    torch.testing.assert_close(env.measured_dof_pos - env.dof_pos, torch.full((2, 10), 0.008), atol=1e-6, rtol=0)
    lost = tight._compute_torques(outside) - env._compute_torques(outside)
    torch.testing.assert_close(lost, tight._p_gains * 0.01, atol=1e-4, rtol=0)


def test_actions_jitter_and_get_lost(make_qmini: QminiFactory) -> None:
    env = make_qmini(real(400, {"action_jitter_range": [0.015, 0.015], "action_loss_range": [0.25, 0.25]}))
    torch.manual_seed(0)
    before = torch.zeros(400, 10)
    arrivals = []
    for step in range(3):
        env.actions = torch.full((400, 10), float(step + 1))
        env._send_actions()
        followed = torch.stack([env._arrived_actions(i)[:, 0] for i in range(4)])
        last = followed[-1]
        kept = last == before[:, 0]
        assert 0.15 < kept.float().mean() < 0.35
        assert (followed[0] == before[:, 0]).logical_or(followed[0] == last).all()
        arrivals += (followed[:, ~kept] != before[~kept, 0]).float().argmax(0).tolist()
        before = last[:, None].expand(-1, 10)
    assert set(arrivals) == {0, 1, 2, 3}
    env.reset()
    assert (env.rand.latency._held == 0.0).all()


def test_imu_is_old_on_its_own(make_qmini: QminiFactory) -> None:
    env, prompt = (
        make_qmini(real(8, {"imu_rate_range": [65.0, 100.0], "imu_age_range": [0.01, 0.02]})),
        make_qmini(real(8)),
    )
    assert env._past_clean.shape[1] == 2, "an IMU's value can be older than a control step"
    prompt.commands.copy_(env.commands)
    prompt._lead_offset.copy_(env._lead_offset)
    for name in ("_steps_on_the_spot", "_clock", "_last_clock"):
        getattr(prompt, name).copy_(getattr(env, name))
    torch.manual_seed(5)
    ages, seen = [], [prompt.get_observations()["policy"][:, :43].clone()] * 3
    for _ in range(12):
        action = 0.5 * torch.randn(8, 10)
        env.step(action)
        prompt.step(action)
        seen = [prompt.get_observations()["policy"][:, :43].clone(), *seen[:2]]
        late = env.get_observations()["policy"][:, :43]
        # All but the clock, which has draws of its own.
        torch.testing.assert_close(late[:, 6:39], seen[0][:, 6:39])
        ages.append(
            (env.rand.latency._imu_phase / env.rand.latency.values["imu_rate"] + env.rand.latency.values["imu_age"])
            / 0.02
        )
        whole = ages[-1].long()
        between = torch.stack(seen)
        robots = torch.arange(8)
        expected = torch.lerp(between[whole, robots], between[whole + 1, robots], (ages[-1] - whole).unsqueeze(1))
        torch.testing.assert_close(late[:, :6], expected[:, :6])
    assert torch.stack(ages).min() < 1.0 < torch.stack(ages).max() and torch.stack(ages).std(0).min() > 0.05


def test_sensors_jitter_and_fall_silent(make_qmini: QminiFactory) -> None:
    env = make_qmini(real(500, {"observation_jitter_range": [0.01, 0.01], "observation_loss_range": [0.5, 0.5]}))
    age, imu = env.rand.latency.ages(torch.zeros(500))
    late = age >= 0.02
    assert 0.4 < late.float().mean() < 0.6 and (imu == 0.0).all()
    assert (age % 0.02).max() < 0.01 < 0.0105 < age.max() and (age % 0.02).std() > 0.002
    late = make_qmini(real(2, {"observation_jitter_range": [0.0, 0.05]}))
    assert late._past_clean.shape[1] == 3, "as many steps are kept as values may be old"


def test_critic_reads_them_behind_what_it_read_before(make_qmini: QminiFactory) -> None:
    plain = make_qmini(real(3))
    latency = {"imu_rate_range": [65.0, 100.0], "action_loss_range": [0.0, 0.1]}
    env = make_qmini(real(3, latency, **REAL))
    before, after = (robot.get_observations()["privileged"] for robot in (plain, env))
    told = after[:, before.shape[1] :]
    # Armature, dry and viscous friction, backlash and both ends of the line, then loss and rate.
    assert told.shape == (3, 6 * 10 + 2)
    torch.testing.assert_close(told[:, :10], 100.0 * env.rand.physics.joint_armature)
    torch.testing.assert_close(told[:, 40:50], 0.05 * env.rand.motors.stall_torque)
    torch.testing.assert_close(told[:, -1], 0.01 * env.rand.latency.values["imu_rate"])
    both, _ = mirror(env, env.get_observations().select("privileged"), None)
    assert both is not None
    names = [env.dof_names.index(name[:-1] + {"l": "r", "r": "l"}[name[-1]]) for name in env.dof_names]
    torch.testing.assert_close(both["privileged"][3:, before.shape[1] :][:, :10], told[:, names])


def test_strength_and_offset_replace_those_of_all_joints(make_qmini: QminiFactory) -> None:
    env: Qmini = make_qmini(real(32, strength={"knee": [0.5, 0.6]}, zero_offset={"knee_pitch_l": [0.02, 0.03]}))
    knees = [i for i, name in enumerate(env.dof_names) if "knee" in name]
    assert env.rand.torque_multiplier[:, knees].min() >= 0.5 and env.rand.torque_multiplier[:, knees].max() <= 0.6
    assert (env.rand.torque_multiplier[:, 0] == 1.0).all()
    assert env.rand.joint_offset[:, env.dof_names.index("knee_pitch_l")].min() >= 0.02
    before = env.rand.torque_multiplier.clone()
    env.reset_idx(torch.arange(16))
    assert (env.rand.torque_multiplier[:16, knees] != before[:16, knees]).all()
    assert torch.equal(env.rand.torque_multiplier[16:], before[16:])


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("motors.armature", {"hip_rol1": [0.0, 0.1]}, "motors.armature': no joint is called 'hip_rol1'"),
        (
            "motors.backlash",
            {"hip": [0.1, 0.0]},
            r"takes 2 numbers from 0 to 1, \[lowest, highest\], got \[0.1, 0.0\]",
        ),
        ("motors.backlash", {"hip": 0.1}, r"takes 2 numbers from 0 to 1, \[lowest, highest\], got 0.1"),
        ("motors.dry_friction", {"hip": [-0.1, 0.0]}, r"hip\[0\]' takes a number from 0 to 100000, got -0.1"),
        ("motors.stall_torque", {"": [23.7, 23.7]}, "belong together"),
        ("latency.action_loss_range", [0.0, 1.5], r"range\[1\]' takes a number from 0 to 1, got 1.5"),
        ("latency.action_jitter_range", [0.0, 0.03], "at most a control step, 0.02 s"),
        ("latency.imu_rate_range", [0.0, 100.0], "above 0 Hz"),
    ],
)
def test_what_can_not_be_is_refused(key: str, value: Any, said: str, make_qmini: QminiFactory) -> None:
    cfg = real()
    section, name = key.split(".")
    setattr(getattr(cfg, section), name, value)
    with pytest.raises(ConfigError, match=said):
        make_qmini(cfg)
