"""Robot and ground as triangles, and what instruments read."""

from __future__ import annotations

import io

import mujoco
import numpy as np
import pytest
import torch
import trimesh
from conftest import QminiFactory, small_cfg
from qmini_training import make_env, make_runner

from legged_gym.viewers import meshes
from legged_gym.viewers.readings import Instruments
from legged_gym.viewers.session import PlaySession, Session, TrainingSession


def load(glb: bytes) -> trimesh.Scene:
    scene = trimesh.load(io.BytesIO(glb), file_type="glb")
    assert isinstance(scene, trimesh.Scene)
    return scene


def test_every_link_has_its_shape(make_qmini: QminiFactory) -> None:
    env = make_qmini()
    parts = meshes.robot_parts(env)
    assert sorted(parts) == list(range(len(env.body_names)))
    head = load(parts[0])
    assert len(head.geometry) >= 3, "one mesh for each colour"
    assert head.extents.tolist() == pytest.approx([0.28, 0.22, 0.33], abs=0.06)
    for mesh in head.geometry.values():
        assert np.allclose(np.linalg.norm(mesh.vertex_normals, axis=1), 1.0, atol=1e-4)


@pytest.mark.parametrize(("shape", "extents"), [("sphere", [0.2, 0.2, 0.2]), ("ellipsoid", [0.2, 0.4, 0.6])])
def test_round_shapes_are_drawn(shape: str, extents: list[float]) -> None:
    text = f"<mujoco><worldbody><geom type='{shape}' size='.1 .2 .3'/></worldbody></mujoco>"
    mesh = meshes._shape(mujoco.MjModel.from_xml_string(text), 0)
    assert mesh is not None and mesh.extents.tolist() == pytest.approx(extents, rel=0.03)


def test_shapes_round_and_sharp() -> None:
    ball = meshes._shaded(trimesh.creation.icosphere(subdivisions=2))
    assert np.allclose(ball.vertex_normals, ball.vertices, atol=0.03)
    box = meshes._shaded(trimesh.creation.box())
    assert np.allclose(np.abs(box.vertex_normals).max(axis=1), 1.0)


def test_near_and_far_ground_make_the_whole_terrain(make_qmini: QminiFactory) -> None:
    terrain = make_qmini(small_cfg(plane=False)).terrain
    assert terrain is not None
    centre, reach = np.array([4.0, 6.0]), 2.0
    near, far = (
        next(iter(load(part).geometry.values()))
        for part in (meshes.ground_around(terrain, centre, reach), meshes.ground_beyond(terrain, centre, reach))
    )
    assert near.bounds[:, :2].tolist() == [[2.0, 4.0], [6.0, 8.0]]
    rows, cols = terrain.heights.shape
    whole = (rows - 1) * (cols - 1) * terrain.horizontal_scale**2

    def seen_from_above(mesh: trimesh.Trimesh) -> float:
        a, b = mesh.triangles[:, 1] - mesh.triangles[:, 0], mesh.triangles[:, 2] - mesh.triangles[:, 0]
        areas = 0.5 * (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0])
        assert (areas > 0.0).all(), "the upper side is outside"
        return float(areas.sum())

    assert seen_from_above(near) == pytest.approx(16.0, rel=1e-4)
    assert seen_from_above(near) + seen_from_above(far) == pytest.approx(whole, rel=1e-4)
    for mesh in (near, far):
        cells = np.round((mesh.vertices[:, :2] - terrain.origin[:2]) / terrain.horizontal_scale).astype(int)
        assert np.allclose(mesh.vertices[:, 2], terrain.heights[cells[:, 0], cells[:, 1]], atol=1e-6)


def test_instruments_read_the_shown_robot() -> None:
    env = make_env(3)
    runner = make_runner(env)
    for _ in range(4):
        env.step(torch.randn_like(env.actions))
    session = TrainingSession(env, runner)
    session.select_robot(2)
    reading = Instruments(session).read()
    assert reading.seconds[0, 0] == pytest.approx(4 * env.dt)
    for value, truth in (
        (reading.base_pos, env.root_states[2, :3]),
        (reading.base_quat, env.root_states[2, 3:7]),
        (reading.commands, env.commands[2]),
        (reading.velocity[..., :2], env.base_lin_vel[2, :2]),
        (reading.velocity[..., 2:], env.base_ang_vel[2, 2:]),
        (reading.foot_forces, env.contact_forces[2, env.feet_indices]),
        (reading.foot_pos, env.rigid_body_states[2, env.feet_indices, :3]),
        (reading.foot_contact, env.feet_contact[2]),
        (reading.rewards, env.reward_rates[2]),
    ):
        assert np.allclose(value[0, 0], truth.numpy())
    assert reading.rewards.sum() * env.dt == pytest.approx(float(env.rew_buf[2]), rel=1e-4)
    assert reading.label is not None and reading.estimate is not None
    label, said = reading.label[0, 0], reading.estimate[0, 0]
    assert np.allclose(label[:3], env.base_lin_vel[2].numpy(), atol=1e-6)
    estimate = runner.alg.get_estimator()(env.get_observations())[2].detach().numpy()
    assert np.allclose(said[:3] * env.cfg.normalization.obs_scales.lin_vel, estimate[:3], atol=1e-5)
    assert np.allclose(said[3:], estimate[3:], atol=1e-5)
    assert Instruments(Session(env)).read().estimate is None
    env.close()


def test_looking_at_a_training_leaves_it_as_it_is() -> None:
    env = make_env(2)
    runner = make_runner(env)
    before = env.get_observations()["policy"].clone()
    session = TrainingSession(env, runner)
    reading = Instruments(session).read()
    reading.base_pos[:] = 99.0
    assert torch.equal(env.get_observations()["policy"], before)
    assert not (env.root_states == 99.0).any()
    assert runner.alg.get_policy().training
    assert not isinstance(session, PlaySession)
    env.close()
