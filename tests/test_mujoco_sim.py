"""The MuJoCo C back-end against MuJoCo itself."""

from __future__ import annotations

from collections.abc import Iterator

import mujoco
import numpy as np
import pytest
import torch
from conftest import small_cfg

from legged_gym.common.errors import UserError
from legged_gym.envs.base.terrain import Terrain
from legged_gym.simulators import PhysicsParameters, make_simulator
from legged_gym.simulators.mujoco_model import build_scene
from legged_gym.simulators.mujoco_sim import MujocoSimulator

N = 6


def parameters(n: int = N) -> PhysicsParameters:
    torch.manual_seed(3)
    return PhysicsParameters(
        friction=0.2 + torch.rand(n),
        added_mass=4.0 * torch.rand(n) - 1.0,
        added_com=0.04 * torch.rand(n, 3) - 0.02,
        joint_friction=0.01 * torch.rand(n, 10),
        joint_damping=0.01 * torch.rand(n, 10),
        joint_armature=1e-3 + 0.009 * torch.rand(n, 10),
    )


@pytest.fixture(params=["plane", "heightfield"])
def sim(request: pytest.FixtureRequest) -> Iterator[MujocoSimulator]:
    cfg = small_cfg(N, plane=request.param == "plane")
    terrain = None if request.param == "plane" else Terrain(cfg.terrain, seed=0)
    simulator = MujocoSimulator(cfg, terrain, N)
    simulator.set_parameters(parameters())
    yield simulator
    simulator.close()


def drop(sim: MujocoSimulator, steps: int = 60) -> None:
    """Let the robots fall onto the ground with random torques, ending at a refreshed state."""
    root = torch.zeros(N, 13)
    root[:, 0] = torch.linspace(2.0, 6.0, N)
    root[:, 1], root[:, 2], root[:, 6] = 3.0, 0.55, 1.0
    root[:, 7:] = 0.3 * torch.randn(N, 6)
    joints = 0.2 * torch.randn(N, sim.num_dof)
    sim.set_state(torch.ones(N, dtype=torch.bool), root, joints, torch.zeros_like(joints))
    for step in range(steps):
        sim.step(torch.randn(N, sim.num_dof), refresh=step == steps - 1)


def test_all_tensors_are_of_one_instant(sim: MujocoSimulator) -> None:
    torch.manual_seed(0)
    drop(sim)
    assert (sim.contact_forces.norm(dim=-1) > 1.0).any(), "the test needs contacts"
    for i in range(N):
        model, data = sim.batch.get_model(i), sim.batch.get_data(i)
        mujoco.mj_forward(model, data)
        np.testing.assert_allclose(sim.dof_pos[i], data.qpos[7:], atol=1e-6)
        np.testing.assert_allclose(sim.dof_vel[i], data.qvel[6:], atol=1e-5)
        np.testing.assert_allclose(sim.rigid_body_states[i, :, :3], data.xpos[1:], atol=1e-5)
        np.testing.assert_allclose(sim.rigid_body_states[i, :, 3:7], data.xquat[1:, [1, 2, 3, 0]], atol=1e-6)
        for body in range(sim.num_bodies):
            velocity = np.zeros(6)
            mujoco.mj_objectVelocity(model, data, mujoco.mjtObj.mjOBJ_XBODY, body + 1, velocity, 0)
            np.testing.assert_allclose(sim.rigid_body_states[i, body, 7:10], velocity[3:], atol=1e-5)
            np.testing.assert_allclose(sim.rigid_body_states[i, body, 10:], velocity[:3], atol=1e-5)
        np.testing.assert_allclose(sim.root_states[i], sim.rigid_body_states[i, 0], atol=0)
        np.testing.assert_allclose(sim.contact_forces[i], net_forces(model, data), atol=0.05)


def net_forces(model: mujoco.MjModel, data: mujoco.MjData) -> np.ndarray:
    """Sum up MuJoCo's contacts by body, N, world frame, (B, 3)."""
    forces = np.zeros((model.nbody, 3))
    for index, contact in enumerate(data.contact[: data.ncon]):
        local = np.zeros(6)
        mujoco.mj_contactForce(model, data, index, local)
        world = contact.frame.reshape(3, 3).T @ local[:3]
        forces[model.geom_bodyid[contact.geom2]] += world
        forces[model.geom_bodyid[contact.geom1]] -= world
    return forces[1:]


def test_a_standing_robot_presses_with_its_weight() -> None:
    cfg = small_cfg(1)
    sim = MujocoSimulator(cfg, None, 1)
    root = torch.zeros(1, 13)
    root[:, 2], root[:, 6] = 0.4218, 1.0
    angles = torch.tensor([[cfg.init_state.default_joint_angles[name] for name in sim.dof_names]])
    sim.set_state(torch.ones(1, dtype=torch.bool), root, angles, torch.zeros_like(angles))
    sim.set_drive_damping(torch.full((1, 10), 2.0))
    vertical = []
    for _ in range(40):
        torques = 60.0 * (angles - sim.dof_pos) - 2.0 * sim.dof_vel
        sim.step(torques, refresh=True)
        vertical.append(sim.contact_forces[0, :, 2].sum().item())
    assert np.mean(vertical[10:]) == pytest.approx(11.145 * 9.81, rel=0.1)
    pressed = []
    for torques in (torch.zeros(1, 10), torch.full((1, 10), 50.0)):
        sim.step(torques, refresh=True)
        sim.set_state(torch.ones(1, dtype=torch.bool), root, angles, torch.zeros_like(angles))
        pressed.append(sim.contact_forces.clone())
    assert pressed[0].any() and torch.equal(*pressed), "the torques of before are gone"
    sim.close()


def test_the_ground_lies_where_the_field_says() -> None:
    cfg = small_cfg(1, plane=False)
    cfg.terrain.num_rows, cfg.terrain.num_cols, cfg.terrain.terrain_proportions = 2, 5, [1.0, 0.0, 0.0, 0.0, 0.0]
    terrain = Terrain(cfg.terrain, seed=3)
    assert terrain.heights.min() < -0.1 and terrain.heights.max() > 0.1
    model = build_scene(cfg, terrain).model
    data = mujoco.MjData(model)
    data.qpos[2] = -100.0
    mujoco.mj_forward(model, data)
    for i, j in np.random.default_rng(0).integers(20, np.array(terrain.heights.shape) - 20, (50, 2)):
        above = np.array([*(np.array(terrain.origin) + terrain.horizontal_scale * np.array([i, j]) + 1e-4), 5.0])
        down = mujoco.mj_ray(model, data, above, np.array([0.0, 0.0, -1.0]), None, 1, -1, np.zeros(1, np.int32))
        assert 5.0 - down == pytest.approx(terrain.heights[i, j], abs=2e-3)


def test_settings_of_the_body_reach_the_model() -> None:
    cfg = small_cfg(1)
    before = build_scene(cfg).model
    cfg.asset.armature, cfg.asset.fix_base_link, cfg.init_state.rot = 0.02, True, [0.0, 0.0, 0.6, 0.8]
    model = build_scene(cfg).model
    np.testing.assert_allclose(model.dof_armature, before.dof_armature[6:] + 0.02)
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    np.testing.assert_allclose(data.xquat[1], [0.8, 0.0, 0.0, 0.6])


def test_tensors_are_updated_in_place(sim: MujocoSimulator) -> None:
    names = ("root_states", "dof_pos", "dof_vel", "rigid_body_states", "contact_forces")
    before = [getattr(sim, name) for name in names]
    drop(sim, steps=3)
    assert all(getattr(sim, name) is tensor for name, tensor in zip(names, before, strict=True))


def test_set_state_touches_only_the_mask_and_refreshes_it(sim: MujocoSimulator) -> None:
    drop(sim)
    mask = torch.zeros(N, dtype=torch.bool)
    mask[[1, 4]] = True
    root, joints = torch.randn(N, 13), 0.1 * torch.randn(N, sim.num_dof)
    root[:, 3:7] /= root[:, 3:7].norm(dim=1, keepdim=True)
    root[:, 2] += 5.0
    before = sim.rigid_body_states.clone(), sim.contact_forces.clone(), sim.dof_pos.clone()
    sim.set_state(mask, root, joints, -joints)
    torch.testing.assert_close(sim.root_states[mask], root[mask], atol=1e-5, rtol=0)
    torch.testing.assert_close(sim.dof_pos[mask], joints[mask])
    torch.testing.assert_close(sim.dof_vel[mask], -joints[mask])
    assert (sim.contact_forces[mask] == 0.0).all()
    torch.testing.assert_close(sim.rigid_body_states[~mask], before[0][~mask], atol=0, rtol=0)
    torch.testing.assert_close(sim.contact_forces[~mask], before[1][~mask], atol=0, rtol=0)
    torch.testing.assert_close(sim.dof_pos[~mask], before[2][~mask], atol=0, rtol=0)


def test_root_velocity_is_in_the_world_frame(sim: MujocoSimulator) -> None:
    drop(sim, steps=5)
    mask = torch.zeros(N, dtype=torch.bool)
    mask[2] = True
    velocity = torch.randn(N, 6)
    others = torch.from_numpy(sim.batch.qvel.copy())
    sim.set_root_velocity(mask, velocity)
    data = sim.batch.get_data(2)
    mujoco.mj_forward(sim.batch.get_model(2), data)
    got = np.zeros(6)
    mujoco.mj_objectVelocity(sim.batch.get_model(2), data, mujoco.mjtObj.mjOBJ_XBODY, 1, got, 0)
    np.testing.assert_allclose(np.concatenate((got[3:], got[:3])), velocity[2], atol=1e-5)
    torch.testing.assert_close(torch.from_numpy(sim.batch.qvel)[~mask], others[~mask], atol=0, rtol=0)


def test_parameters_reach_each_robots_model(sim: MujocoSimulator) -> None:
    values, nominal = parameters(), sim.scene.model
    base = sim.scene.body_ids[0]
    for i in range(N):
        model = sim.batch.get_model(i)
        assert model.geom_friction[sim.scene.ground_id, 0] == pytest.approx(values.friction[i].item())
        mass = nominal.body_mass[base] + values.added_mass[i].item()
        assert model.body_mass[base] == pytest.approx(mass)
        np.testing.assert_allclose(model.body_inertia[base] / nominal.body_inertia[base], mass / sim.base_mass)
        np.testing.assert_allclose(model.body_ipos[base] - nominal.body_ipos[base], values.added_com[i], atol=1e-7)
        np.testing.assert_allclose(model.dof_frictionloss[6:], values.joint_friction[i])
        np.testing.assert_allclose(model.dof_armature[6:], values.joint_armature[i])
        np.testing.assert_allclose(model.dof_damping[6:], values.joint_damping[i])
        # Derived fields must follow, or contacts and limits would be solved with the old masses.
        reference = nominal.__copy__()
        for field in ("body_mass", "body_inertia", "body_ipos", "dof_armature"):
            getattr(reference, field)[:] = getattr(model, field)
        mujoco.mj_setConst(reference, mujoco.MjData(reference))
        np.testing.assert_allclose(model.dof_invweight0, reference.dof_invweight0, rtol=1e-9)
        np.testing.assert_allclose(model.body_invweight0, reference.body_invweight0, rtol=1e-9)
        np.testing.assert_allclose(model.body_subtreemass, reference.body_subtreemass, rtol=1e-9)


def test_friction_decides_who_slides() -> None:
    """On a slope of 0.35 only robots with less friction than that keep sliding."""
    cfg = small_cfg(2)
    cfg.sim.gravity = [9.81 * 0.33, 0.0, -9.81 * 0.944]
    sim = MujocoSimulator(cfg, None, 2)
    values = parameters(2)
    values.friction[:] = torch.tensor([0.1, 1.0])
    sim.set_parameters(values)
    root = torch.zeros(2, 13)
    root[:, 2], root[:, 6] = 0.6, 1.0
    joints = torch.zeros(2, 10)
    sim.set_state(torch.ones(2, dtype=torch.bool), root, joints, joints)
    sim.set_drive_damping(torch.full((2, 10), 2.0))
    for step in range(400):
        sim.step(-2.0 * sim.dof_vel, refresh=step == 399)
    assert sim.root_states[0, 7] > 1.0 > 0.2 > sim.root_states[1, 7].abs()
    sim.close()


def test_drive_damping_is_stable_where_explicit_feedback_is_not() -> None:
    """A light foot under a strong D gain: implicit follows a finely stepped reference, explicit blows up."""
    speeds = {}
    for name, dt, implicit in (("fine", 2e-4, False), ("explicit", 5e-3, False), ("implicit", 5e-3, True)):
        cfg = small_cfg(1)
        cfg.sim.dt, cfg.sim.gravity = dt, [0.0, 0.0, 0.0]
        sim = MujocoSimulator(cfg, None, 1)
        values = parameters(1)
        values.joint_armature[:], values.joint_friction[:] = 1e-3, 0.0
        sim.set_parameters(values)
        gain = torch.full((1, 10), 1.1)
        sim.set_drive_damping(gain if implicit else torch.zeros(1, 10))
        root, joints = torch.zeros(1, 13), torch.zeros(1, 10)
        root[:, 2], root[:, 6] = 2.0, 1.0
        joints[0, 9] = 1.0
        sim.set_state(torch.ones(1, dtype=torch.bool), root, joints, joints)
        for _ in range(round(0.1 / dt)):
            sim.step(20.0 * (0.8 - sim.dof_pos) * (joints > 0) - gain * sim.dof_vel)
        speeds[name] = sim.dof_vel[0].clone()
        sim.close()
    assert speeds["explicit"].abs().max() > 10.0
    torch.testing.assert_close(speeds["implicit"], speeds["fine"], atol=0.3, rtol=0)


def test_unknown_back_end_and_device() -> None:
    with pytest.raises(UserError, match="unknown simulator 'mujco': did you mean 'mujoco'"):
        make_simulator("mujco")
    with pytest.raises(UserError, match="runs on 'cpu'"):
        MujocoSimulator(small_cfg(1), None, 1, device="cuda:0")


def test_a_robot_that_diverged_is_told_once(sim: MujocoSimulator) -> None:
    drop(sim, steps=5)
    sim.batch.qvel[2] = 1e30
    sim.step(torch.zeros(N, 10), refresh=True)
    assert sim.diverged.tolist() == [0, 0, 1, 0, 0, 0]
    assert torch.isfinite(sim.rigid_body_states).all()
    sim.step(torch.zeros(N, 10), refresh=True)
    assert not sim.diverged.any()


def test_an_empty_mask_changes_nothing(sim: MujocoSimulator) -> None:
    drop(sim, steps=5)
    before = sim.rigid_body_states.clone()
    sim.set_state(torch.zeros(N, dtype=torch.bool), torch.zeros(N, 13), torch.zeros(N, 10), torch.zeros(N, 10))
    torch.testing.assert_close(sim.rigid_body_states, before, atol=0, rtol=0)
