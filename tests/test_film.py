from __future__ import annotations

from pathlib import Path

import imageio_ffmpeg
import mujoco
import numpy as np
import pytest
import torch
from conftest import QminiFactory, quiet, small_cfg

from legged_gym.envs import Qmini
from legged_gym.evaluation.recorder import Recorder, stage_of
from legged_gym.render.captions import add_caption
from legged_gym.render.drawing import Arrow, RobotDrawing, nearest_robots
from legged_gym.render.film import PLAY, Scene, pictures, velocities, write_film
from legged_gym.render.velocities import COLOURS, Velocities
from legged_gym.render.video import OffscreenCamera, VideoUnavailableError


def read_film(path: Path) -> np.ndarray:
    """Return a film's frames, (T, height, width, 3)."""
    frames = imageio_ffmpeg.read_frames(str(path))
    width, height = next(frames)["size"]
    return np.stack([np.frombuffer(frame, np.uint8).reshape(height, width, 3) for frame in frames])


def filmed(env: Qmini, robots: list[int], steps: int, path: Path) -> Scene:
    recorder = Recorder(env, robots=torch.tensor(robots))
    for _ in range(steps):
        env.step(torch.randn(env.num_envs, 10))
        recorder.add()
    scene = Scene("a title", recorder.rollout(), stage_of(env))
    try:
        write_film([scene], str(path), PLAY)
    except VideoUnavailableError as error:
        pytest.skip(str(error))
    return scene


def test_film_moves_from_frame_to_frame_and_has_the_velocities_in_it(make_qmini: QminiFactory, tmp_path: Path) -> None:
    scene = filmed(make_qmini(quiet(small_cfg(4))), [1, 0], 12, tmp_path / "out.mp4")
    drawn = list(pictures(scene, scene.frames(PLAY.fps), PLAY))
    frames = read_film(tmp_path / "out.mp4")
    assert frames.shape == (6, 544, 960, 3)
    robot = (slice(None), slice(180, 480), slice(300, 660))
    moved = np.abs(np.diff(frames[robot].astype(int), axis=0)).max(axis=(1, 2, 3))
    assert (moved > 60).all()
    for frame, picture in zip(frames, drawn, strict=True):
        # What ffmpeg decodes is what was drawn, text included.
        assert np.abs(frame.astype(int) - picture).mean() < 6.0
    panel = drawn[0][12:150, 12:300].astype(int)
    for name in ("command", "measured"):
        assert (np.abs(panel - COLOURS[name]).max(axis=2) < 30).sum() > 50
    # The clock in the panel goes on while nothing else in it changes much.
    assert (drawn[0][12:150, 12:120] != drawn[5][12:150, 12:120]).any()


def test_picture_has_every_robot_at_its_place(make_qmini: QminiFactory) -> None:
    env = make_qmini(quiet(small_cfg(3)))
    env.root_states[1, :2] = env.root_states[0, :2] + torch.tensor([0.0, 0.7])
    env.root_states[2, :2] = env.root_states[0, :2] + torch.tensor([0.6, 0.0])
    drawing = RobotDrawing(env, robots=[0, 1, 2])
    drawing.update()
    scene = mujoco.MjvScene(drawing.model, 2000)
    drawing.add_to(scene)
    alone = mujoco.MjvScene(drawing.model, 2000)
    option, everything = mujoco.MjvOption(), mujoco.mjtCatBit.mjCAT_DYNAMIC.value
    mujoco.mjv_updateScene(
        drawing.model, drawing.data, option, mujoco.MjvPerturb(), drawing.camera, everything, alone
    )  # fmt: skip
    own = np.mean([geom.pos for geom in alone.geoms[: alone.ngeom]], axis=0)
    assert scene.ngeom == 2 * alone.ngeom
    first, second = np.array([geom.pos for geom in scene.geoms[: scene.ngeom]]).reshape(2, -1, 3).mean(axis=1)
    np.testing.assert_allclose(first - own, [0.0, 0.7, 0.0], atol=1e-5)
    np.testing.assert_allclose(second - own, [0.6, 0.0, 0.0], atol=1e-5)


def test_robots_beyond_the_drawn_terrain_are_left_out(make_qmini: QminiFactory) -> None:
    env = make_qmini(quiet(small_cfg(2, plane=False)))
    env.root_states[1, :2] = env.root_states[0, :2] + 5.0
    drawing = RobotDrawing(env, reach=3.0, robots=[0, 1])
    drawing.update()
    scene = mujoco.MjvScene(drawing.model, 2000)
    drawing.add_to(scene)
    assert scene.ngeom == 0


def test_camera_shows_further_robots(make_qmini: QminiFactory) -> None:
    env = make_qmini(quiet(small_cfg(2)))
    env.root_states[1, :3] = env.root_states[0, :3] + torch.tensor([-0.7, 0.2, 0.0])
    pictures = []
    for robots in ([0], [0, 1]):
        try:
            camera = OffscreenCamera(lambda robots=robots: RobotDrawing(env, robots=robots), 320, 192)  # type: ignore[misc]
        except VideoUnavailableError as error:
            pytest.skip(str(error))
        with camera:
            pictures.append(camera.picture().astype(int))
    assert (np.abs(pictures[1] - pictures[0]).max(axis=2) > 40).sum() > 300


@pytest.mark.parametrize(("up", "left"), [(0.35, 0.5), (0.35, -0.5), (-0.35, 0.5)])
def test_what_is_up_and_to_the_left_is_so_in_the_picture(make_qmini: QminiFactory, up: float, left: float) -> None:
    """An arrow as seen by a camera that looks along the diagonal of x and y."""
    cfg = quiet(small_cfg(1))
    cfg.viewer.pos, cfg.viewer.lookat = [-1.5, -1.5, 0.1], [0.0, 0.0, 0.1]
    env = make_qmini(cfg)
    drawing = RobotDrawing(env)
    middle = np.add(env.root_states[0, :3].numpy(), [0.0, 0.0, 0.1 + up])
    drawing.arrows = [Arrow(middle, left * np.array([-1.0, 1.0, 0.0]), (255, 0, 0))]
    try:
        camera = OffscreenCamera(lambda: drawing, 320, 192)
    except VideoUnavailableError as error:
        pytest.skip(str(error))
    with camera:
        red, green, blue = np.moveaxis(camera.picture().astype(int), -1, 0)
    rows, columns = np.nonzero((red > 150) & (green < 90) & (blue < 90))
    assert len(rows) > 40
    assert (rows < 96).mean() > 0.95 if up > 0.0 else (rows > 96).mean() > 0.95
    assert (columns < 165).mean() > 0.95 if left > 0.0 else (columns > 155).mean() > 0.95


def test_nearest_robots_are_those_that_stand_around(make_qmini: QminiFactory) -> None:
    env = make_qmini(small_cfg(9))
    env.root_states[:, 0] = torch.arange(9.0)
    env.root_states[:, 1] = 0.0
    assert nearest_robots(env, 4, 1) == [4]
    assert nearest_robots(env, 8, 3) == [8, 7, 6]
    assert len(nearest_robots(env, 0, 100)) == 9


def test_robots_that_share_a_tile_start_together(make_qmini: QminiFactory) -> None:
    cfg = small_cfg(5, plane=False)
    cfg.terrain.curriculum = False
    env = make_qmini(cfg)
    before = env.env_origins.clone()
    env.ground.share_tile([3, 0, 4])
    for robot in (0, 4):
        assert torch.equal(env.env_origins[robot], before[3])
    assert torch.equal(env.env_origins[1], before[1])
    env.reset()
    reach = cfg.init_state.position_noise + 1e-4
    assert ((env.root_states[[0, 3, 4], :2] - before[3, :2]).abs() <= reach).all()


def test_velocities_are_those_of_the_robot_in_its_own_frame(make_qmini: QminiFactory) -> None:
    env = make_qmini(small_cfg(3))
    env.step(torch.randn(3, 10))
    estimate = torch.randn(3, 5)
    recorder = Recorder(env)
    recorder.add(estimate=estimate)
    seen = velocities(recorder.rollout(), 0, robot=2)
    np.testing.assert_allclose(seen.command, env.commands[2].numpy())
    np.testing.assert_allclose(seen.measured, [*env.base_lin_vel[2, :2].tolist(), env.base_ang_vel[2, 2].item()])
    assert seen.estimated is not None
    np.testing.assert_allclose(seen.estimated[:2], estimate[2, :2].numpy() / 2.0)
    lines = seen.caption("1.0 s")
    assert [line.split("\t")[0] for line in lines] == ["1.0 s", "command", "measured", "estimated"]
    assert lines[3].split("\t")[1:] == [f"{value:+.2f}" for value in seen.estimated[:2]]


def test_arrows_point_where_the_robot_is_asked_to_go() -> None:
    quarter_turn = np.array([0.0, 0.0, np.sqrt(0.5), np.sqrt(0.5)])
    root = np.concatenate(([1.0, 2.0, 0.5], quarter_turn))
    command, measured = Velocities(np.array([0.5, 0.0, 0.2]), np.array([0.0, 0.1, 0.0])).arrows(root)
    np.testing.assert_allclose(command.vector / np.linalg.norm(command.vector), [0.0, 1.0, 0.0], atol=1e-6)
    np.testing.assert_allclose(measured.vector / np.linalg.norm(measured.vector), [-1.0, 0.0, 0.0], atol=1e-6)
    assert np.linalg.norm(command.vector) == pytest.approx(5.0 * np.linalg.norm(measured.vector))
    assert command.start[2] > measured.start[2] > 0.5


def test_caption_keeps_its_columns_beside_a_long_title() -> None:
    grey = np.full((272, 480, 3), 128, np.uint8)
    short, long = (add_caption(grey, [title, "a\tb", "c\td"]) for title in ("t", "a much longer title than the table"))
    assert long.shape == grey.shape
    table = slice(38, 58), slice(12, 40)
    np.testing.assert_array_equal(long[table], short[table])
    assert (long != grey).any(axis=(0, 2)).sum() > (short != grey).any(axis=(0, 2)).sum() + 100
