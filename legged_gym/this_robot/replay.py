"""A log beside a simulation that is given the same targets: as a plot, and as a film of both robots."""

from __future__ import annotations

from collections.abc import Iterator

import mujoco
import numpy as np
from matplotlib.figure import Figure

from legged_gym.render.video import VideoFile, check_video_path
from legged_gym.simulators.mujoco_model import build_scene
from legged_gym.this_robot.log import RobotLog
from legged_gym.this_robot.prediction import Candidate, Chunk, chunks, predict
from legged_gym.this_robot.stand import Stand, Truth

_FPS = 25.0
_SIZE = (480, 544)
"""Width and height of each robot's picture; the film shows two."""
_VIEW = {"azimuth": 130.0, "elevation": -10.0, "distance": 1.25}


def simulated_pieces(stand: Stand, log: RobotLog, truth: Truth) -> list[tuple[Chunk, np.ndarray]]:
    """Return the pieces of a log in which its gains stay the same, with what a robot does with their targets.

    Args:
        stand: The robot's description.
        log: Of the robot in its stand.
        truth: The simulated robot.

    Returns:
        Pieces, and its joints' angles as encoders would show them, rad, (T, D) each.

    Raises:
        UserError: The log has other joints, or no piece that is long enough.
    """
    robot = Candidate(**vars(truth))
    return [(chunk, predict(stand, chunk, [robot])[0]) for chunk in chunks(log.in_order(stand.joint_names))]


def plot(stand: Stand, pieces: list[tuple[Chunk, np.ndarray]], path: str) -> None:
    """Draw targets, log and simulation of each joint as a picture."""
    figure = Figure(figsize=(11.0, 1.5 * stand.num_dof))
    axes = figure.subplots(stand.num_dof, 1, sharex=True, squeeze=False)[:, 0]
    begin = 0.0
    for chunk, shown in pieces:
        for joint, axis in enumerate(axes):
            for values, style in (
                (chunk.target, {"color": "#bbb", "label": "target"}),
                (chunk.position, {"color": "#333", "label": "log"}),
                (shown, {"color": "#d1495b", "label": "simulation"}),
            ):
                axis.plot(begin + chunk.time, values[:, joint], linewidth=0.9, **style)
        begin += float(chunk.time[-1])
    for axis, name in zip(axes, stand.joint_names, strict=True):
        axis.set_ylabel(f"{name}\nrad", fontsize=7)
        axis.tick_params(labelsize=7)
        axis.spines[["top", "right"]].set_visible(False)
    handles, labels = axes[0].get_legend_handles_labels()
    axes[0].legend(handles[:3], labels[:3], fontsize=7, loc="upper right", ncols=3)
    axes[-1].set_xlabel("s", fontsize=8)
    figure.savefig(path, dpi=110, bbox_inches="tight")


def film(stand: Stand, pieces: list[tuple[Chunk, np.ndarray]], path: str) -> None:
    """Film the log, on the left, and the simulation.

    Raises:
        UserError: Films can't be written there.
    """
    check_video_path(path)
    with VideoFile(path, (2 * _SIZE[0], _SIZE[1]), _FPS) as video:
        for picture in _pictures(stand, pieces):
            video.add(picture)


def _pictures(stand: Stand, pieces: list[tuple[Chunk, np.ndarray]]) -> Iterator[np.ndarray]:
    scene = build_scene(stand.cfg, visuals=True)
    scene.model.vis.global_.offwidth, scene.model.vis.global_.offheight = _SIZE
    data, camera = mujoco.MjData(scene.model), mujoco.MjvCamera()
    camera.lookat[:] = np.array(stand.cfg.init_state.pos) - (0.0, 0.0, 0.2)
    for name, value in _VIEW.items():
        setattr(camera, name, value)
    with mujoco.Renderer(scene.model, _SIZE[1], _SIZE[0]) as renderer:
        for chunk, shown in pieces:
            for time in np.arange(chunk.time[0], chunk.time[-1], 1.0 / _FPS):
                row, both = min(int(np.searchsorted(chunk.time, time)), len(shown) - 1), []
                for angles in (chunk.position[row], shown[row]):
                    data.qpos[:] = angles
                    mujoco.mj_kinematics(scene.model, data)
                    mujoco.mj_camlight(scene.model, data)
                    renderer.update_scene(data, camera)
                    both.append(renderer.render())
                yield np.concatenate(both, axis=1)
