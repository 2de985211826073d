"""Reading states from a group of envs and writing them."""

from __future__ import annotations

import os

import numpy as np

from ._group import Group

_WXYZ, _XYZW = [3, 0, 1, 2], [1, 2, 3, 0]
VELOCITY = "ISAACGYM_STANDIN_VELOCITY"
"""``origin``: linear velocities are of links' origins, not of their centres of mass."""


def _of_origin() -> bool:
    return os.environ.get(VELOCITY) == "origin"


def rotate(quat: np.ndarray, vector: np.ndarray, back: bool = False) -> np.ndarray:
    """Turn vectors, (n, 3), by quaternions w x y z, (n, 4), or back."""
    axis = -quat[:, 1:] if back else quat[:, 1:]
    t = 2.0 * np.cross(axis, vector)
    return vector + quat[:, :1] * t + np.cross(axis, t)


def read_roots(group: Group) -> np.ndarray:
    """Return the root states, (N, actors, 13); velocities are of the root's centre of mass."""
    n, slots = len(group.envs), len(group.root_qpos)
    out = np.zeros((n, slots, 13))
    for slot, (adr, dof) in enumerate(zip(group.root_qpos, group.root_dof)):
        body = group.first_body[slot]
        if adr < 0:
            out[:, slot, :3], out[:, slot, 3:7] = group.body_pos[:, body], group.body_quat[:, body][:, _XYZW]
            continue
        quat = group.qpos[:, adr + 3 : adr + 7]
        quat = quat / np.linalg.norm(quat, axis=1, keepdims=True)
        out[:, slot, :3], out[:, slot, 3:7] = group.qpos[:, adr : adr + 3], quat[:, _XYZW]
        angular = rotate(quat, group.qvel[:, dof + 3 : dof + 6])
        linear = group.qvel[:, dof : dof + 3]
        if not _of_origin():
            linear = linear + np.cross(angular, rotate(quat, group.ipos[:, body]))
        out[:, slot, 7:10], out[:, slot, 10:13] = linear, angular
    return out


def write_roots(group: Group, rows: np.ndarray, slot: int, states: np.ndarray) -> None:
    """Set the root states, (n, 13), of the actors at ``slot`` in some rows, (n,)."""
    adr, dof, body = group.root_qpos[slot], group.root_dof[slot], group.first_body[slot]
    quat = states[:, 3:7][:, _WXYZ]
    length = np.linalg.norm(quat, axis=1, keepdims=True)
    quat = quat / np.where(length > 0, length, 1.0)
    if adr < 0:
        group.body_pos[rows, body], group.body_quat[rows, body] = states[:, :3], quat
        return
    group.qpos[rows, adr : adr + 3], group.qpos[rows, adr + 3 : adr + 7] = states[:, :3], quat
    linear, angular = states[:, 7:10], states[:, 10:13]
    if not _of_origin():
        linear = linear - np.cross(angular, rotate(quat, group.ipos[rows, body]))
    group.qvel[rows, dof : dof + 3] = linear
    group.qvel[rows, dof + 3 : dof + 6] = rotate(quat, angular, back=True)
    group.warmstart[rows] = 0.0


def write_dofs(group: Group, rows: np.ndarray, slot: int, states: np.ndarray) -> None:
    """Set the DOF states, (n, D, 2), of the actors at ``slot`` in some rows, (n,)."""
    where = slice(group.first_dof[slot], group.first_dof[slot] + states.shape[1])
    group.qpos[rows[:, None], group.qpos_adr[where]] = states[..., 0]
    group.qvel[rows[:, None], group.dof_adr[where]] = states[..., 1]
    group.warmstart[rows] = 0.0


def read_bodies(group: Group) -> np.ndarray:
    """Return rigid body states, (N, bodies, 13), from what the last forward pass computed."""
    bodies = group.mj_bodies
    out = np.empty((len(group.envs), len(bodies), 13))
    out[..., :3] = group.xpos[:, bodies]
    out[..., 3:7] = group.xquat[:, bodies][..., _XYZW]
    angular, linear = group.cvel[:, bodies, :3], group.cvel[:, bodies, 3:]
    point = group.xpos[:, bodies] if _of_origin() else group.xipos[:, bodies]
    # MuJoCo states velocities at the centre of mass of the whole tree.
    arm = point - group.subtree_com[:, group.body_root]
    out[..., 7:10], out[..., 10:13] = linear + np.cross(angular, arm), angular
    return out


def read_contacts(group: Group) -> np.ndarray:
    """Return net contact forces on bodies, world frame, N, (N, bodies, 3)."""
    out = np.zeros((len(group.envs), len(group.mj_bodies), 3))
    # The sensor reports what the body does to its surroundings.
    out[:, group.sensed] = -group.sensordata.reshape(len(group.envs), -1, 3)
    return out


def read_dofs(group: Group) -> np.ndarray:
    """Return positions and velocities of the DOFs, (N, D, 2)."""
    return np.stack([group.qpos[:, group.qpos_adr], group.qvel[:, group.dof_adr]], axis=-1)
