"""The plain simulation: the same robot in the same states as in training, with ground and body as asked."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import mujoco
import numpy as np
import pytest
import torch
from conftest import QminiFactory, quiet, small_cfg
from deploy_policies import POSE, write_policy

from legged_gym import LEGGED_GYM_ROOT_DIR
from legged_gym.common.errors import UserError
from legged_gym.common.rotations import get_euler_xyz
from legged_gym.deploy.controller import Controller
from legged_gym.deploy.world import World, WorldSettings
from legged_gym.envs import Qmini
from legged_gym.evaluation.terrain import TERRAINS
from legged_gym.policies.exported import BUILT_IN, PolicyFiles, load_policy

URDF = str(Path(LEGGED_GYM_ROOT_DIR, "resources", "robots", "qmini", "urdf", "qmini.urdf"))


def make_world(urdf: str = URDF, joints: Sequence[str] = (), **settings: object) -> World:
    names = list(joints) or BUILT_IN["joint_names"]
    return World(WorldSettings(urdf, **settings), names, BUILT_IN["foot_names"])  # type: ignore[arg-type]


def take_over(world: World, env: Qmini, robot: int) -> None:
    """Put the world's robot into the state of an environment's."""
    root = env.root_states[robot].double().numpy()
    data = world.data
    data.qpos[:3], data.qpos[3:7] = root[:3], root[[6, 3, 4, 5]]
    data.qpos[7:], data.qvel[6:] = env.dof_pos[robot], env.dof_vel[robot]
    data.qvel[:3] = root[7:10]
    mujoco.mju_rotVecQuat(data.qvel[3:6], root[10:13], data.qpos[3:7] * (1.0, -1.0, -1.0, -1.0))


def act(policy: PolicyFiles, observations: np.ndarray) -> np.ndarray:
    """Return the actions of all robots, (N, D)."""
    assert policy.estimator is not None
    estimates, _ = policy.estimator(observations)
    return policy.actor(np.hstack((observations, estimates)))[0]


def follow(env: Qmini, commands: list[tuple[float, float, float]]) -> None:
    """Let all robots of an environment get these commands, one after the other, with the left leg leading."""
    plan = iter(torch.tensor(commands))
    env._lead_offset.zero_()
    env._commands.due = torch.ones_like  # type: ignore[method-assign]
    env._commands.resample = lambda mask: env.commands.copy_(next(plan))  # type: ignore[method-assign]


def test_controller_and_training_agree_on_every_step_of_the_same_motion(
    make_qmini: QminiFactory, tmp_path: Path
) -> None:
    env = make_qmini(quiet(small_cfg(3)))
    policy = load_policy(write_policy(tmp_path, actor=0.02, estimator=0.1))
    controller = Controller(policy)
    # No longer than an untrained policy stays up.
    commands = [(0.0, 0.0, 0.0)] * 4 + [(0.4, 0.0, 0.3)] * 8 + [(-0.3, 0.06, 0.0)] * 5 + [(0.0, 0.0, 0.0)] * 3
    env.reset()
    follow(env, commands)
    env.commands.zero_()
    env._fresh[:] = True
    env._observe()
    obs, world, robot = env.get_observations(), make_world(), 1
    for row in range(len(commands)):
        take_over(world, env, robot)
        command = controller.update(world.sense(), env.commands[robot].tolist())
        assert not controller.damping, row
        assert controller._history is not None
        observed = controller._history.reshape(5, 43)
        for name, part in env.obs_layout.slices.items():
            trained = obs["policy"][robot].reshape(5, 43)[:, part]
            np.testing.assert_allclose(observed[:, part], trained, atol=2e-6, rtol=0, err_msg=f"{name}, row {row}")
        actions = act(policy, obs["policy"].numpy())
        np.testing.assert_allclose(controller.action, actions[robot], atol=1e-5)
        np.testing.assert_allclose(command.target, env.default_dof_pos[0].numpy() + 0.25 * actions[robot], atol=1e-5)
        obs = env.step(torch.from_numpy(actions))[0]
    assert env.obs_layout.size == 43
    assert np.abs(controller.action).max() > 0.01


def test_truth_is_that_of_training(make_qmini: QminiFactory) -> None:
    env = make_qmini(quiet(small_cfg(4)))
    world = make_world()
    rng = torch.Generator().manual_seed(1)
    for _ in range(12):
        env.step(2.0 * torch.randn(4, 10, generator=rng))
    for robot in range(4):
        take_over(world, env, robot)
        truth = world.truth()
        np.testing.assert_allclose(truth.lin_vel, env.base_lin_vel[robot], atol=1e-5)
        np.testing.assert_allclose(truth.ang_vel, env.base_ang_vel[robot], atol=1e-5)
        feet = env.rigid_body_states[robot, env.feet_indices]
        np.testing.assert_allclose(truth.foot_pos, feet[:, :3], atol=1e-5)
        arm = torch.zeros(2, 3)
        arm[:, 2] = -feet[:, 2]
        sole = feet[:, 7:10] + torch.linalg.cross(feet[:, 10:13], arm)
        np.testing.assert_allclose(truth.sole_vel, sole[:, :2], atol=1e-4)
        assert truth.fallen == bool(env.reset_buf[robot])


def test_motors_are_held_to_their_limits_and_drive_their_own_joints() -> None:
    world = make_world()
    np.testing.assert_array_equal(world.limit(np.full(10, 100.0)), [20.0, 60.0, 20.0, 20.0, 20.0] * 2)
    np.testing.assert_array_equal(world.limit(np.full(10, -100.0)), [-20.0, -60.0, -20.0, -20.0, -20.0] * 2)
    for joint, name in enumerate(BUILT_IN["joint_names"]):
        world.place(np.array(POSE), height=1.0)
        torques = np.zeros(10)
        torques[joint] = 1.0
        world.step(torques)
        speeds = world.encoders()[1]
        assert speeds.argmax() == joint, name


def test_joints_may_come_in_another_order() -> None:
    names = BUILT_IN["joint_names"][::-1]
    world, usual = make_world(joints=names), make_world()
    world.place(np.array(POSE)[::-1])
    usual.place(np.array(POSE))
    np.testing.assert_array_equal(world.data.qpos, usual.data.qpos)
    np.testing.assert_array_equal(world.limit(np.full(10, 99.0)), usual.limit(np.full(10, 99.0))[::-1])
    np.testing.assert_array_equal(world.dof_vel_limits, usual.dof_vel_limits[::-1])


def test_robot_is_placed_as_asked_with_its_soles_just_above_the_ground() -> None:
    world = make_world()
    attitude, velocity = (0.05, -0.04, 2.0), (0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
    world.place(np.array(POSE), (1.0, -2.0), attitude, velocity, height=0.003)
    root = torch.tensor(world.data.qpos[[4, 5, 6, 3]])
    np.testing.assert_allclose([float(angle) for angle in get_euler_xyz(root)], attitude, atol=1e-9)
    np.testing.assert_allclose(world.data.qpos[:2], (1.0, -2.0))
    truth = world.truth()
    rotation = world.data.body("base_link").xmat.reshape(3, 3)
    np.testing.assert_allclose(rotation @ truth.lin_vel, velocity[:3], atol=1e-9)
    np.testing.assert_allclose(rotation @ truth.ang_vel, velocity[3:], atol=1e-9)
    world.place(np.array(POSE), height=0.003)
    assert world.data.ncon == 0
    assert world.data.qpos[2] == pytest.approx(0.4218 + 0.003, abs=1e-3)


@pytest.mark.parametrize("ground", TERRAINS)
def test_grounds_lie_under_the_robot(ground: str) -> None:
    world = make_world(ground=ground)
    for place in ((0.0, 0.0), (1.3, -0.7), (-2.1, 2.4)):
        world.place(np.array(POSE), place, (0.0, 0.0, 0.5))
        start, geom = np.array([*place, 5.0]), np.zeros(1, np.int32)
        only_ground = np.array([1, 0, 0, 0, 0, 0], np.uint8)
        down = np.array([0.0, 0.0, -1.0])
        distance = mujoco.mj_ray(world.model, world.data, start, down, only_ground, 1, -1, geom)
        assert 5.0 - distance == pytest.approx(world.ground_height(np.array(place)), abs=0.021)
        assert world.data.contact.dist.min(initial=0.0) > -0.01, "no foot starts in the ground"
        assert 0.39 < world.data.qpos[2] - world.ground_height(np.array(place)) < 0.50


def test_body_and_ground_are_as_asked() -> None:
    plain, other = make_world(), make_world(payload=2.0, friction=0.3, com_shift=(0.01, 0.0, 0.0))
    assert plain.mass == pytest.approx(11.145, abs=1e-3)
    assert other.mass == pytest.approx(13.145, abs=1e-3)
    base = other.model.body("base_link")
    np.testing.assert_allclose(base.inertia, plain.model.body("base_link").inertia * (6.7754 / 4.7754), rtol=1e-6)
    assert base.ipos[0] - plain.model.body("base_link").ipos[0] == pytest.approx(0.01)
    assert other.model.geom(other.scene.ground_id).friction[0] == 0.3
    each = make_world(joint_armature=tuple(0.001 * i for i in range(10)), joint_damping=0.2)
    assert each.model.dof_armature[6:] == pytest.approx([0.001 * i for i in range(10)])
    assert (each.model.dof_damping[6:] == 0.2).all()
    assert (other.model.dof_armature[6:] == 5.5e-3).all() and (other.model.dof_armature[:6] == 0.0).all()
    assert other.model.opt.timestep == 0.001


def test_a_link_on_the_ground_is_a_fall_and_a_foot_is_none() -> None:
    world = make_world()
    world.place(np.array(POSE))
    world.data.qpos[2] -= 0.002
    truth = world.truth()
    assert (truth.foot_forces > 2.0).all() and not truth.fallen
    world.data.qpos[2] = 0.1
    world.data.qpos[3:7] = [math.cos(math.pi / 4), 0.0, math.sin(math.pi / 4), 0.0]
    assert world.truth().fallen


def test_push_changes_the_bases_velocity() -> None:
    world = make_world()
    world.place(np.array(POSE), attitude=(0.0, 0.0, math.pi / 2))
    world.push(np.array([0.3, -0.1]))
    np.testing.assert_allclose(world.truth().lin_vel, [-0.1, -0.3, 0.0], atol=1e-9)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"ground": "rough_3cm"}, r"no ground 'rough_3cm': did you mean 'rough_\dcm'"),
        ({"friction": -0.1}, "friction must be 0 or more, got -0.1"),
        ({"friction": math.nan}, "friction must be 0 or more, got nan"),
        ({"joint_damping": (0.1,) * 9}, "joint damping needs 1 or 10 values, got 9"),
        ({"joint_armature": (0.1, -0.1)}, "joint armature must be 0 or more, got -0.1"),
        ({"payload": -5.0}, r"a payload of -5 kg: the base has only 4.78 kg"),
        ({"payload": math.inf}, "payload must be a mass in kg, got inf"),
        ({"urdf": "no.urdf"}, "no URDF at 'no.urdf'"),
        ({"joints": ["knee"]}, r"qmini.urdf: its joints are hip_yaw_l, .*, the policy's knee"),
    ],
)
def test_settings_without_sense_are_one_clear_error(settings: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        make_world(**settings)  # type: ignore[arg-type]


def test_feet_that_the_robot_lacks_are_named() -> None:
    with pytest.raises(UserError, match=r"no link 'paw' that can touch the ground, only base_link, "):
        World(WorldSettings(URDF), BUILT_IN["joint_names"], ["paw"])


def test_the_body_is_what_training_made_of_the_file() -> None:
    cylinders = {**BUILT_IN["body"], "replace_cylinder_with_capsule": False}
    kinds = [set(make_world(body=body).model.geom_type) for body in (BUILT_IN["body"], cylinders)]
    capsule, cylinder = mujoco.mjtGeom.mjGEOM_CAPSULE.value, mujoco.mjtGeom.mjGEOM_CYLINDER.value
    assert (capsule in kinds[0], cylinder in kinds[0]) == (True, False)
    assert (capsule in kinds[1], cylinder in kinds[1]) == (False, True)
