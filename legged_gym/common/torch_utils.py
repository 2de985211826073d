"""Functions of Isaac Gym's ``torch_utils`` and legged_gym's ``math`` that only users' tasks call.

Conventions are those of :mod:`legged_gym.common.rotations`; ``t`` are translations, (..., 3).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from legged_gym.common.rotations import quat_apply, quat_conjugate, quat_mul, torch_rand_float

__all__ = [
    "copysign", "get_axis_params", "get_basis_vector", "normalize", "normalize_angle", "quat_from_angle_axis",
    "quat_rotate", "quat_unit", "scale", "tensor_clamp", "tf_apply", "tf_combine", "tf_inverse", "tf_vector",
    "to_torch", "torch_rand_sqrt_float", "torch_random_dir_2", "unscale", "unscale_np",
]  # fmt: skip

quat_rotate = get_basis_vector = tf_vector = quat_apply


def to_torch(
    x: Any, dtype: torch.dtype = torch.float32, device: str | torch.device | None = None, requires_grad: bool = False
) -> torch.Tensor:
    """Make a tensor. The default device is PyTorch's; Isaac Gym's is ``cuda:0``."""
    return torch.tensor(x, dtype=dtype, device=device, requires_grad=requires_grad)


def get_axis_params(
    value: float, axis_idx: int, x_value: float = 0.0, dtype: type = float, n_dims: int = 3
) -> list[float]:
    """Return a vector with ``value`` along one axis; its first entry is ``x_value``."""
    vector = np.zeros(n_dims)
    vector[axis_idx] = value
    vector[0] = x_value
    return list(vector.astype(dtype))


def normalize(x: torch.Tensor, eps: float = 1e-9) -> torch.Tensor:
    """Scale vectors, (..., n), to length 1."""
    return x / x.norm(p=2, dim=-1, keepdim=True).clamp(min=eps)


quat_unit = normalize


def quat_from_angle_axis(angle: torch.Tensor, axis: torch.Tensor) -> torch.Tensor:
    """Return the quaternions that rotate by angles, (...), rad, about axes, (..., 3)."""
    half = 0.5 * angle.unsqueeze(-1)
    return torch.cat((normalize(axis) * half.sin(), half.cos()), dim=-1)


def normalize_angle(x: torch.Tensor) -> torch.Tensor:
    """Wrap angles, rad, to [-pi, pi]."""
    return torch.atan2(x.sin(), x.cos())


def tf_inverse(q: torch.Tensor, t: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the inverse of the transformation that rotates by ``q`` and then moves by ``t``."""
    back = quat_conjugate(q)
    return back, -quat_apply(back, t)


def tf_apply(q: torch.Tensor, t: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """Rotate vectors by ``q`` and then move them by ``t``."""
    return quat_apply(q, v) + t


def tf_combine(
    q1: torch.Tensor, t1: torch.Tensor, q2: torch.Tensor, t2: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the transformation that applies the second one and then the first."""
    return quat_mul(q1, q2), quat_apply(q1, t2) + t1


def copysign(a: float, b: torch.Tensor) -> torch.Tensor:
    """Return the absolute values of ``a`` with the signs of ``b``; 0 where ``b`` is 0."""
    return abs(a) * b.sign()


def tensor_clamp(t: torch.Tensor, min_t: torch.Tensor, max_t: torch.Tensor) -> torch.Tensor:
    """Clip entry by entry."""
    return torch.max(torch.min(t, max_t), min_t)


def scale(x: torch.Tensor, lower: torch.Tensor, upper: torch.Tensor) -> torch.Tensor:
    """Map [-1, 1] to [lower, upper]."""
    return 0.5 * (x + 1.0) * (upper - lower) + lower


def unscale(x: torch.Tensor, lower: torch.Tensor, upper: torch.Tensor) -> torch.Tensor:
    """Map [lower, upper] to [-1, 1]."""
    return (2.0 * x - upper - lower) / (upper - lower)


unscale_np = unscale


def torch_rand_sqrt_float(lower: float, upper: float, shape: Sequence[int], device: str | torch.device) -> torch.Tensor:
    """Draw values from [lower, upper], more often near the ends than in the middle."""
    even = torch_rand_float(-1.0, 1.0, shape, device)
    return scale(even.sign() * even.abs().sqrt(), torch.tensor(lower), torch.tensor(upper))


def torch_random_dir_2(shape: Sequence[int], device: str | torch.device) -> torch.Tensor:
    """Draw directions in the plane, (..., 2), for a shape (..., 1)."""
    angle = torch_rand_float(-math.pi, math.pi, shape, device).squeeze(-1)
    return torch.stack((angle.cos(), angle.sin()), dim=-1)
