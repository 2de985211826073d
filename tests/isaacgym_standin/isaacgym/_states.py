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


def write_root(group: Group, row: int, slot: int, state: np.ndarray) -> None:
    """Set one root's state, (13,)."""
    adr, dof, body = group.root_qpos[slot], group.root_dof[slot], group.first_body[slot]
    quat = state[3:7].astype(np.float64)[_WXYZ]
    quat /= np.linalg.norm(quat) or 1.0
    if adr < 0:
        group.body_pos[row, body], group.body_quat[row, body] = state[:3], quat
        return
    group.qpos[row, adr : adr + 3], group.qpos[row, adr + 3 : adr + 7] = state[:3], quat
    linear, angular = state[None, 7:10].astype(np.float64), state[None, 10:13].astype(np.float64)
    if not _of_origin():
        linear = linear - np.cross(angular, rotate(quat[None], group.ipos[row, body][None]))
    group.qvel[row, dof : dof + 3] = linear[0]
    group.qvel[row, dof + 3 : dof + 6] = rotate(quat[None], angular, back=True)[0]
    group.warmstart[row] = 0.0


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
