"""Shows a log beside a simulation with the same targets: as a plot, and as two robots."""

from __future__ import annotations

import numpy as np

from legged_gym.envs.registry import task_registry
from legged_gym.evaluation.plots import grid, save_figure
from legged_gym.simulators.backend import DEFAULT_SIM
from legged_gym.this_robot.log import RobotLog
from legged_gym.this_robot.prediction import Chunk, chunks, predict
from legged_gym.this_robot.stand import Stand, Truth, attitude
from legged_gym.viewers.replay import RecordedSession

_ASIDE, _HUNG = 0.4, 1.3
"""Distance between both robots, relative to the camera's; and their height, relative to standing on the ground."""


def simulated_pieces(stand: Stand, log: RobotLog, truth: Truth) -> list[tuple[Chunk, np.ndarray]]:
    """Return the pieces of a log with constant gains, and a simulated robot's angles for their targets, rad, (T, D)."""
    return [(chunk, predict(stand, chunk, [truth])[0]) for chunk in chunks(log.in_order(stand.joint_names), 0.0)]


def plot(stand: Stand, pieces: list[tuple[Chunk, np.ndarray]], path: str) -> None:
    """Plot targets, log and simulation of each joint."""
    begins = np.cumsum([0.0, *(chunk.time[-1] for chunk, _ in pieces[:-1])])
    time = np.concatenate([begin + chunk.time for begin, (chunk, _) in zip(begins, pieces, strict=True)])
    parts = {"target": [chunk.target for chunk, _ in pieces], "log": [chunk.position for chunk, _ in pieces],
             "simulation": [shown for _, shown in pieces]}  # fmt: skip
    curves = {name: np.concatenate(found) for name, found in parts.items()}
    save_figure(grid(time, stand.joint_names, curves, "rad"), path)


def session(stand: Stand, pieces: list[tuple[Chunk, np.ndarray]], name: str) -> RecordedSession:
    """Return a session with both robots side by side: the log on the left, the simulation on the right."""
    cfg, train_cfg = task_registry.get_cfgs(stand.task)
    cfg.env.num_envs, cfg.terrain.mesh_type = 2, "plane"
    env = task_registry.build_env(stand.task, cfg, train_cfg.seed, DEFAULT_SIM, "cpu")
    env.commands[:] = 0.0
    view = np.array(cfg.viewer.lookat) - cfg.viewer.pos
    aside = _ASIDE * np.array([view[1], -view[0], 0.0])
    roots, angles, targets = [], [], []
    for chunk, shown in pieces:
        rows = np.searchsorted(chunk.time, np.arange(chunk.time[0], chunk.time[-1], env.dt))
        targets.append(chunk.target[rows])
        angles.append(np.stack((chunk.position[rows], shown[rows]), axis=1))
        root = np.zeros((len(rows), 2, 13))
        root[:, 1, :3] = aside
        root[..., 2] += _HUNG * cfg.init_state.pos[2]
        root[..., 3:7] = attitude(chunk.down)[[1, 2, 3, 0]]
        roots.append(root)
    position, target = np.concatenate(angles), np.concatenate(targets)
    apart = 1e3 * np.sqrt(np.square(position[:, 0] - position[:, 1]).mean(1))
    told = [f"left: the log, right: the simulation, {error:.0f} mrad apart" for error in apart]
    curves = {
        f"{joint}, rad": {"target": target[:, j], "log": position[:, 0, j], "simulation": position[:, 1, j]}
        for j, joint in enumerate(stand.joint_names)
    }
    motion = (np.concatenate(roots), position, np.zeros_like(position))
    return RecordedSession(env, motion, (f"log {name}", "simulation"), told, curves)
