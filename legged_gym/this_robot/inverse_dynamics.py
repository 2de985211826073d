"""What inverse dynamics tell of a hanging robot before any fit: a first guess, and which zeros gravity shows."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import mujoco
import numpy as np

from legged_gym.this_robot.prediction import Chunk, running_mean
from legged_gym.this_robot.stand import GRAVITY, QUANTITIES, Stand


def gravity_leverage(stand: Stand, pieces: Sequence[Chunk]) -> np.ndarray:
    """Return how much gravity's torques change with each joint's angle, N·m/rad, (D,), in the piece that shows most.

    Everything else is the same for a robot whose joint is turned, so that nothing but gravity shows its zero.
    """
    model, found = stand.model_of(stand.nominal()), np.zeros(stand.num_dof)
    data = mujoco.MjData(model)
    for piece in pieces:
        model.opt.gravity[:] = GRAVITY * piece.down
        rows = piece.position[:: max(1, len(piece.time) // 20)]
        for joint in range(stand.num_dof):
            changes = []
            for row in rows:
                torques = []
                for turn in (-0.01, 0.01):
                    data.qpos[:] = row
                    data.qpos[joint] += turn
                    mujoco.mj_forward(model, data)
                    torques.append(data.qfrc_bias.copy())
                changes.append((torques[1] - torques[0]) / 0.02)
            found[joint] = max(found[joint], np.sqrt(np.square(changes).sum(1).mean()))
    return found


def regress(stand: Stand, chunk: Chunk, delay: float) -> np.ndarray:
    """Return strength, armature, viscous and dry friction of each joint, (4, D), by regression on inverse dynamics."""
    dt = float(np.median(np.diff(chunk.time)))
    width = max(3, round(0.02 / dt)) + 2
    smooth = running_mean(chunk.position, 0.02, dt)
    speed, target = np.gradient(smooth, dt, axis=0), np.empty_like(chunk.target)
    force = np.gradient(speed, dt, axis=0)
    for joint in range(stand.num_dof):
        target[:, joint] = np.interp(chunk.time - delay, chunk.time, chunk.target[:, joint])
    target = running_mean(target, 0.02, dt)
    drive = chunk.kp * (target - smooth) - chunk.kd * speed
    bare = dataclasses.replace(stand.nominal(), **dict.fromkeys(QUANTITIES[1:4], np.zeros(stand.num_dof)))  # type: ignore[arg-type]
    model = stand.model_of(bare)
    model.opt.gravity[:] = GRAVITY * chunk.down
    data, rows = mujoco.MjData(model), np.arange(2 * width, len(chunk.time) - 2 * width, max(1, len(chunk.time) // 800))
    needed = np.empty((len(rows), stand.num_dof))
    for i, row in enumerate(rows):
        data.qpos[:], data.qvel[:], data.qacc[:] = smooth[row], speed[row], force[row]
        mujoco.mj_inverse(model, data)
        needed[i] = data.qfrc_inverse
    nominal = np.stack([getattr(stand.nominal(), name) for name in QUANTITIES[:4]])
    found = np.empty((4, stand.num_dof))
    for joint in range(stand.num_dof):
        columns = [drive[rows, joint], -force[rows, joint], -speed[rows, joint], -np.tanh(speed[rows, joint] / 0.05)]
        # A weak pull to the nominal robot keeps what the motion does not show.
        table = np.vstack([np.stack(columns, axis=1), np.diag([0.3, 3.0, 0.3, 0.3])])
        wanted = np.concatenate((needed[:, joint], np.diag([0.3, 3.0, 0.3, 0.3]) @ nominal[:, joint]))
        found[:, joint] = np.linalg.lstsq(table, wanted, rcond=None)[0]
    return np.clip(found, [[0.5], [1e-3], [0.0], [0.0]], [[1.5], [0.1], [0.5], [0.5]])
