from __future__ import annotations

import mujoco
import numpy as np
import pytest
import torch
from conftest import QminiFactory, quiet, small_cfg
from ground_truth import height_at

from legged_gym.render.drawing import RobotDrawing


@pytest.mark.parametrize("plane", [True, False])
def test_drawing_takes_the_pose_of_the_simulated_robot(make_qmini: QminiFactory, plane: bool) -> None:
    cfg = small_cfg(3, plane)
    cfg.viewer.ref_env = 2
    env = make_qmini(cfg)
    for _ in range(5):
        env.step(torch.randn(3, 10))
    drawing = RobotDrawing(env, reach=6.0)
    drawing.update()
    for index, name in enumerate(env.body_names):
        np.testing.assert_allclose(drawing.data.body(name).xpos, env.rigid_body_states[2, index, :3], atol=1e-5)


def test_drawing_has_the_shapes_that_physics_leaves_out(make_qmini: QminiFactory) -> None:
    env = make_qmini()
    assert RobotDrawing(env).model.ngeom > env.sim.scene.model.ngeom  # type: ignore[attr-defined]


def test_drawn_terrain_lies_where_the_simulated_one_does(make_qmini: QminiFactory) -> None:
    cfg = quiet(small_cfg(1, plane=False))
    cfg.terrain.slope_max = 0.4
    env = make_qmini(cfg)
    drawing = RobotDrawing(env, reach=3.0)
    assert drawing.model.hfield_nrow[0] * drawing.model.hfield_ncol[0] < env.terrain.heights.size  # type: ignore[union-attr]
    drawing.update()
    base = env.root_states[0, :3].numpy()
    for dx, dy in ((0.0, 0.0), (1.03, -0.58), (-2.2, 2.1)):
        start, geom = np.array([base[0] + dx, base[1] + dy, 10.0]), np.zeros(1, np.int32)
        only_ground = np.array([1, 0, 0, 0, 0, 0], np.uint8)
        down = np.array([0.0, 0.0, -1.0])
        distance = mujoco.mj_ray(drawing.model, drawing.data, start, down, only_ground, 1, -1, geom)
        expected = height_at(env.terrain, start[0], start[1])  # type: ignore[arg-type]
        assert 10.0 - distance == pytest.approx(float(expected), abs=1e-4)


def test_camera_stays_where_the_configuration_puts_it(make_qmini: QminiFactory) -> None:
    cfg = quiet(small_cfg(1))
    cfg.viewer.pos, cfg.viewer.lookat = [2.0, 0.0, 1.0], [0.0, 0.0, -0.5]
    env = make_qmini(cfg)
    drawing = RobotDrawing(env)
    drawing.update()
    camera, base = drawing.camera, env.root_states[0, :3].numpy()
    azimuth, elevation = np.radians(camera.azimuth), np.radians(camera.elevation)
    view = [np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)]
    np.testing.assert_allclose(
        camera.lookat - camera.distance * np.array(view), np.add(base, [2.0, 0.0, 1.0]), atol=1e-5
    )


def test_camera_glides_after_a_walking_robot_and_jumps_after_a_reset_one(make_qmini: QminiFactory) -> None:
    env = make_qmini(quiet(small_cfg(1)))
    drawing = RobotDrawing(env, smoothing=0.75)
    drawing.update()
    start = drawing.camera.lookat.copy()
    env.root_states[0, 0] += 0.4
    drawing.update()
    assert drawing.camera.lookat[0] - start[0] == pytest.approx(0.1, abs=1e-5)
    env.root_states[0, 0] += 50.0
    drawing.update()
    assert drawing.camera.lookat[0] - start[0] == pytest.approx(50.4, abs=1e-4)


def test_drawing_says_when_the_robot_leaves_it(make_qmini: QminiFactory) -> None:
    env = make_qmini(small_cfg(1, plane=False))
    near, everywhere = RobotDrawing(env, reach=3.0), RobotDrawing(env)
    assert not near.strayed
    env.root_states[0, 1] += 1.6
    assert near.strayed
    assert not everywhere.strayed
