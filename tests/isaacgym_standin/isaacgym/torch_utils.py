"""Rotations, frames and random numbers on PyTorch tensors; quaternions are x y z w.

Plain functions that ``torch.jit.script`` can compile, for third-party code that calls them from compiled ones.
"""

from typing import Any

import numpy as np

from ._rules import failure

# The real module uses np.float in a default argument, which NumPy 1.24 dropped.
_FLOAT: Any = np.float if failure("np_float") else float  # type: ignore[attr-defined]

import torch  # noqa: E402


def to_torch(x: Any, dtype: Any = torch.float, device: str = "cuda:0", requires_grad: bool = False) -> torch.Tensor:
    """Make a tensor."""
    return torch.tensor(x, dtype=dtype, device=device, requires_grad=requires_grad)


def quat_mul(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Multiply quaternions, (..., 4)."""
    shape = a.shape
    p, q = a.reshape(-1, 4), b.reshape(-1, 4)
    pv, pw, qv, qw = p[:, :3], p[:, 3:], q[:, :3], q[:, 3:]
    vector = pw * qv + qw * pv + torch.cross(pv, qv, dim=-1)
    return torch.cat([vector, pw * qw - (pv * qv).sum(dim=-1, keepdim=True)], dim=-1).view(shape)


def normalize(x: torch.Tensor, eps: float = 1e-9) -> torch.Tensor:
    """Scale vectors to length 1."""
    return x / x.norm(p=2, dim=-1).clamp(min=eps).unsqueeze(-1)


def quat_apply(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Turn vectors, (..., 3), by quaternions, (..., 4)."""
    shape = b.shape
    q, v = a.reshape(-1, 4), b.reshape(-1, 3)
    axis = q[:, :3]
    t = torch.cross(axis, v, dim=-1) * 2
    return (v + q[:, 3:] * t + torch.cross(axis, t, dim=-1)).view(shape)


def quat_rotate(q: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """Turn vectors, (n, 3), by quaternions, (n, 4)."""
    axis, w = q[:, :3], q[:, 3:]
    t = torch.cross(axis, v, dim=-1) * 2.0
    return v + w * t + torch.cross(axis, t, dim=-1)


def quat_rotate_inverse(q: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """Turn vectors, (n, 3), back by quaternions, (n, 4)."""
    axis, w = q[:, :3], q[:, 3:]
    t = torch.cross(axis, v, dim=-1) * 2.0
    return v - w * t + torch.cross(axis, t, dim=-1)


def quat_conjugate(a: torch.Tensor) -> torch.Tensor:
    """Return opposite rotations, (..., 4)."""
    return torch.cat([-a[..., :3], a[..., 3:]], dim=-1)


def quat_unit(a: torch.Tensor) -> torch.Tensor:
    """Scale quaternions to length 1."""
    return normalize(a)


def quat_from_angle_axis(angle: torch.Tensor, axis: torch.Tensor) -> torch.Tensor:
    """Make quaternions of angles, (n,), about axes, (n, 3)."""
    half = (angle / 2).unsqueeze(-1)
    return quat_unit(torch.cat([normalize(axis) * half.sin(), half.cos()], dim=-1))


def normalize_angle(x: torch.Tensor) -> torch.Tensor:
    """Bring angles between -pi and pi."""
    return torch.atan2(torch.sin(x), torch.cos(x))


def tf_inverse(q: torch.Tensor, t: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return opposite motions."""
    back = quat_conjugate(q)
    return back, -quat_apply(back, t)


def tf_apply(q: torch.Tensor, t: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """Turn and move points."""
    return quat_apply(q, v) + t


def tf_vector(q: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """Turn vectors."""
    return quat_apply(q, v)


def tf_combine(
    q1: torch.Tensor, t1: torch.Tensor, q2: torch.Tensor, t2: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the second motion followed by the first."""
    return quat_mul(q1, q2), quat_apply(q1, t2) + t1


def get_basis_vector(q: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """Turn vectors, (n, 3), by quaternions, (n, 4)."""
    return quat_rotate(q, v)


def get_axis_params(value: Any, axis_idx: int, x_value: float = 0.0, dtype: Any = _FLOAT, n_dims: int = 3) -> list[Any]:
    """Return ``n_dims`` numbers: ``x_value`` first, ``value`` at ``axis_idx``, zeros elsewhere."""
    numbers = np.zeros((n_dims,))
    if axis_idx >= n_dims:
        raise AssertionError("the axis dim should be within the vector dimensions")
    numbers[0] = x_value
    numbers[axis_idx] = value
    return list(numbers.astype(dtype))


def copysign(a: float, b: torch.Tensor) -> torch.Tensor:
    """Return ``a`` with the signs of ``b``, (n,)."""
    return torch.abs(torch.tensor(a, device=b.device, dtype=torch.float).repeat(b.shape[0])) * torch.sign(b)


def get_euler_xyz(q: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return roll, pitch and yaw of quaternions, (n, 4), each from 0 to 2 pi."""
    x, y, z, w = q[:, 0], q[:, 1], q[:, 2], q[:, 3]
    roll = torch.atan2(2.0 * (w * x + y * z), w * w - x * x - y * y + z * z)
    sine = 2.0 * (w * y - z * x)
    pitch = torch.where(torch.abs(sine) >= 1, copysign(np.pi / 2.0, sine), torch.asin(sine.clamp(-1.0, 1.0)))
    yaw = torch.atan2(2.0 * (w * z + x * y), w * w + x * x - y * y - z * z)
    return roll % (2 * np.pi), pitch % (2 * np.pi), yaw % (2 * np.pi)


def quat_from_euler_xyz(roll: torch.Tensor, pitch: torch.Tensor, yaw: torch.Tensor) -> torch.Tensor:
    """Make quaternions of roll, pitch and yaw."""
    cr, sr = torch.cos(roll * 0.5), torch.sin(roll * 0.5)
    cp, sp = torch.cos(pitch * 0.5), torch.sin(pitch * 0.5)
    cy, sy = torch.cos(yaw * 0.5), torch.sin(yaw * 0.5)
    x = cy * sr * cp - sy * cr * sp
    y = cy * cr * sp + sy * sr * cp
    z = sy * cr * cp - cy * sr * sp
    return torch.stack([x, y, z, cy * cr * cp + sy * sr * sp], dim=-1)


def torch_rand_float(lower: float, upper: float, shape: tuple[int, int], device: str) -> torch.Tensor:
    """Draw evenly between two bounds."""
    return (upper - lower) * torch.rand(shape[0], shape[1], device=device) + lower


def torch_random_dir_2(shape: tuple[int, int], device: str) -> torch.Tensor:
    """Draw directions in the plane, (*shape, 2)."""
    angle = torch_rand_float(-np.pi, np.pi, shape, device).squeeze(-1)
    return torch.stack([torch.cos(angle), torch.sin(angle)], dim=-1)


def tensor_clamp(t: torch.Tensor, min_t: torch.Tensor, max_t: torch.Tensor) -> torch.Tensor:
    """Clip elementwise."""
    return torch.max(torch.min(t, max_t), min_t)


def scale(x: torch.Tensor, lower: torch.Tensor, upper: torch.Tensor) -> torch.Tensor:
    """Map -1…1 to lower…upper."""
    return 0.5 * (x + 1.0) * (upper - lower) + lower


def unscale(x: torch.Tensor, lower: torch.Tensor, upper: torch.Tensor) -> torch.Tensor:
    """Map lower…upper to -1…1."""
    return (2.0 * x - upper - lower) / (upper - lower)


def unscale_np(x: Any, lower: Any, upper: Any) -> Any:
    """Map lower…upper to -1…1."""
    return (2.0 * x - upper - lower) / (upper - lower)
