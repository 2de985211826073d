"""Rotations and small helpers in PyTorch, under the names that legged_gym and Isaac Gym gave them.

Conventions of every function here:

* A quaternion is ``(..., 4)`` in the order ``x, y, z, w``, of unit length. A robot's orientation rotates vectors from
  the base frame into the world frame.
* Vectors ``v`` are ``(..., 3)``, angles are radians, Euler angles are roll, pitch, yaw about the fixed x, y and z
  axes (so ``R = Rz(yaw) Ry(pitch) Rx(roll)``).
* Leading shapes broadcast. Nothing is changed in place.
* No function reads a tensor's value on the host or branches on it, so all of them work in a CUDA graph.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

__all__ = [
    "get_euler_xyz", "quat_apply", "quat_apply_yaw", "quat_conjugate", "quat_from_euler_xyz", "quat_mul",
    "quat_rotate_inverse", "torch_rand_float", "wrap_to_pi", "yaw_quat",
]  # fmt: skip


def quat_apply(q: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """Rotate vectors ``v``, in any unit, by quaternions (base frame to world frame)."""
    axis, vec = torch.broadcast_tensors(q[..., :3], v)
    # v + w t + a x t with t = 2 a x v: the same as q v q*, in a third of the kernels.
    twice = 2.0 * torch.linalg.cross(axis, vec)
    return torch.addcmul(vec, q[..., 3:], twice) + torch.linalg.cross(axis, twice)


def quat_rotate_inverse(q: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """Rotate vectors ``v``, in any unit, by the inverse of quaternions (world frame to base frame)."""
    axis, vec = torch.broadcast_tensors(q[..., :3], v)
    # Like quat_apply with the axis reversed. Swapping the factors of each cross product saves the negation.
    twice = 2.0 * torch.linalg.cross(vec, axis)
    return torch.addcmul(vec, q[..., 3:], twice) + torch.linalg.cross(twice, axis)


def quat_mul(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Multiply quaternions: the result ``a b`` rotates by ``b`` first, then by ``a``."""
    a, b = torch.broadcast_tensors(a, b)
    a_vec, a_w = a[..., :3], a[..., 3:]
    b_vec, b_w = b[..., :3], b[..., 3:]
    vec = torch.linalg.cross(a_vec, b_vec).addcmul_(a_w, b_vec).addcmul_(b_w, a_vec)
    w = a_w * b_w - (a_vec * b_vec).sum(dim=-1, keepdim=True)
    return torch.cat((vec, w), dim=-1)


def quat_conjugate(q: torch.Tensor) -> torch.Tensor:
    """Conjugate quaternions. For unit quaternions this is the inverse rotation."""
    return torch.cat((-q[..., :3], q[..., 3:]), dim=-1)


def quat_from_euler_xyz(roll: torch.Tensor, pitch: torch.Tensor, yaw: torch.Tensor) -> torch.Tensor:
    """Return quaternions, ``(..., 4)``, for roll, pitch and yaw, each ``(...)``, rad."""
    half = 0.5 * torch.stack(torch.broadcast_tensors(roll, pitch, yaw), dim=-1)
    cr, cp, cy = half.cos().unbind(-1)
    sr, sp, sy = half.sin().unbind(-1)
    sr_cp, cr_sp, sr_sp, cr_cp = sr * cp, cr * sp, sr * sp, cr * cp
    # (0, 0, sy, cy) * (quaternion of roll and pitch), gathered by the two factors of yaw.
    of_cos = torch.stack((sr_cp, cr_sp, -sr_sp, cr_cp), dim=-1)
    of_sin = torch.stack((-cr_sp, sr_cp, cr_cp, sr_sp), dim=-1)
    return cy.unsqueeze(-1) * of_cos + sy.unsqueeze(-1) * of_sin


def get_euler_xyz(q: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return roll, pitch and yaw of quaternions, each ``(...)``, rad.

    Roll and yaw lie within (-pi, pi] (rounding may give a half-turn either sign), pitch within [-pi/2, pi/2]. At a
    pitch of exactly ±pi/2 roll and yaw are not unique. Isaac Gym's function of this name returns 0 to 2 pi.
    """
    x, y, z, w = q.unbind(-1)
    yy = y * y
    roll = torch.atan2(2.0 * (w * x + y * z), 1.0 - 2.0 * (x * x + yy))
    # Without the clamp, rounding would make asin NaN at a pitch of ±pi/2.
    pitch = (2.0 * (w * y - z * x)).clamp(-1.0, 1.0).asin()
    yaw = torch.atan2(2.0 * (w * z + x * y), 1.0 - 2.0 * (yy + z * z))
    return roll, pitch, yaw


def yaw_quat(q: torch.Tensor) -> torch.Tensor:
    """Keep only the rotation about the vertical axis: x and y of the result are 0.

    It is the twist of the swing-twist decomposition about z, as in legged_gym's ``quat_apply_yaw``. It equals the
    Euler yaw unless both roll and pitch are large. Where it is undefined (robot upside down) it is the identity.
    """
    half = torch.atan2(q[..., 2], q[..., 3])
    zero = torch.zeros_like(half)
    return torch.stack((zero, zero, half.sin(), half.cos()), dim=-1)


def quat_apply_yaw(q: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """Rotate vectors about the vertical axis only, by :func:`yaw_quat` of quaternions (yaw frame to world axes).

    Many points per robot need no repeated quaternions: pass ``q`` as ``(N, 1, 4)`` and ``v`` as ``(N, P, 3)`` or
    ``(P, 3)``. legged_gym's shapes ``(N, 4 P)`` and ``(N, P, 3)`` also work.
    """
    if q.shape[-1] != 4:
        q = q.reshape(v.shape[0], -1, 4)
    yaw = 2.0 * torch.atan2(q[..., 2], q[..., 3])
    cos = yaw.cos()
    x, y, _ = v.unbind(-1)
    # Terms of robots or points alone come first: only two kernels work on every point of every robot.
    scale = torch.stack((cos, cos, torch.ones_like(cos)), dim=-1)
    turned = torch.stack((-y, x, torch.zeros_like(x)), dim=-1)
    return torch.addcmul(scale * v, yaw.sin().unsqueeze(-1), turned)


def wrap_to_pi(angles: torch.Tensor) -> torch.Tensor:
    """Wrap angles, ``(...)``, rad, to (-pi, pi]. Angles in this range are returned bit for bit.

    Unlike legged_gym's function of this name it does not change its argument.
    """
    turns = torch.ceil(angles * (0.5 / math.pi) - 0.5)
    return torch.sub(angles, turns, alpha=2.0 * math.pi)


def torch_rand_float(lower: float, upper: float, shape: Sequence[int], device: str | torch.device) -> torch.Tensor:
    """Draw float32 values uniformly from [lower, upper], in this shape."""
    return torch.rand(tuple(shape), device=device).mul_(upper - lower).add_(lower)
