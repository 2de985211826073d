"""Rotations against hand-computed numbers, MuJoCo's own functions and their algebraic properties."""

from __future__ import annotations

import math
import re
from pathlib import Path

import mujoco
import numpy as np
import pytest
import torch

from legged_gym.common import torch_utils
from legged_gym.common.rotations import (
    get_euler_xyz,
    quat_apply,
    quat_apply_yaw,
    quat_conjugate,
    quat_from_euler_xyz,
    quat_mul,
    quat_rotate_inverse,
    torch_rand_float,
    wrap_to_pi,
    yaw_quat,
)

HALF = math.sqrt(0.5)
QUARTER_TURN_Z = torch.tensor([0.0, 0.0, HALF, HALF])
QUARTER_TURN_X = torch.tensor([HALF, 0.0, 0.0, HALF])
IDENTITY = torch.tensor([0.0, 0.0, 0.0, 1.0])


def random_quats(*shape: int, seed: int = 0) -> torch.Tensor:
    """Draw unit quaternions spread evenly over all rotations."""
    q = torch.randn(*shape, 4, generator=torch.Generator().manual_seed(seed))
    return q / q.norm(dim=-1, keepdim=True)


def random_vecs(*shape: int, seed: int = 1) -> torch.Tensor:
    """Draw vectors of ordinary size."""
    return torch.randn(*shape, 3, generator=torch.Generator().manual_seed(seed))


def to_wxyz(q: torch.Tensor) -> np.ndarray:
    """Reorder a quaternion for MuJoCo."""
    return q.double().numpy()[[3, 0, 1, 2]]


def test_quarter_turns() -> None:
    forward = torch.tensor([1.0, 0.0, 0.0])
    left = torch.tensor([0.0, 1.0, 0.0])
    up = torch.tensor([0.0, 0.0, 1.0])
    torch.testing.assert_close(quat_apply(QUARTER_TURN_Z, forward), left)
    torch.testing.assert_close(quat_apply(QUARTER_TURN_X, left), up)
    torch.testing.assert_close(quat_rotate_inverse(QUARTER_TURN_Z, left), forward)


def test_projected_gravity_of_a_robot_pitched_nose_down() -> None:
    zero = torch.zeros(())
    q = quat_from_euler_xyz(zero, torch.tensor(math.radians(30.0)), zero)
    gravity = quat_rotate_inverse(q, torch.tensor([0.0, 0.0, -1.0]))
    torch.testing.assert_close(gravity, torch.tensor([0.5, 0.0, -math.sqrt(0.75)]))


def test_rotation_agrees_with_mujoco() -> None:
    quats, vecs = random_quats(50), random_vecs(50)
    expected = np.zeros((50, 3))
    for q, v, out in zip(quats, vecs, expected, strict=True):
        mujoco.mju_rotVecQuat(out, v.double().numpy(), to_wxyz(q))
    np.testing.assert_allclose(quat_apply(quats, vecs).numpy(), expected, atol=2e-6)


def test_product_agrees_with_mujoco() -> None:
    left, right = random_quats(50, seed=2), random_quats(50, seed=3)
    for a, b, product in zip(left, right, quat_mul(left, right), strict=True):
        expected = np.zeros(4)
        mujoco.mju_mulQuat(expected, to_wxyz(a), to_wxyz(b))
        np.testing.assert_allclose(to_wxyz(product), expected, atol=1e-6)


def test_product_turns_by_the_right_factor_first() -> None:
    forward = torch.tensor([1.0, 0.0, 0.0])
    # x forward becomes y by the turn about z, then z by the turn about x.
    both = quat_mul(QUARTER_TURN_X, QUARTER_TURN_Z)
    torch.testing.assert_close(quat_apply(both, forward), torch.tensor([0.0, 0.0, 1.0]))


def test_inverse_undoes_rotation() -> None:
    q, v = random_quats(100), random_vecs(100)
    torch.testing.assert_close(quat_rotate_inverse(q, quat_apply(q, v)), v, atol=5e-6, rtol=0)
    torch.testing.assert_close(quat_apply(quat_conjugate(q), v), quat_rotate_inverse(q, v), atol=5e-6, rtol=0)
    torch.testing.assert_close(quat_mul(q, quat_conjugate(q)), IDENTITY.expand(100, 4), atol=1e-6, rtol=0)


def test_euler_angles_of_single_axes() -> None:
    angle, zero = torch.tensor(0.6), torch.zeros(())
    s, c = math.sin(0.3), math.cos(0.3)
    torch.testing.assert_close(quat_from_euler_xyz(angle, zero, zero), torch.tensor([s, 0.0, 0.0, c]))
    torch.testing.assert_close(quat_from_euler_xyz(zero, angle, zero), torch.tensor([0.0, s, 0.0, c]))
    torch.testing.assert_close(quat_from_euler_xyz(zero, zero, angle), torch.tensor([0.0, 0.0, s, c]))


def test_euler_order_is_roll_then_pitch_then_yaw_about_fixed_axes() -> None:
    roll, pitch, yaw = torch.tensor([0.4, -0.7, 1.9]).unbind()
    zero = torch.zeros(())
    composed = quat_mul(
        quat_from_euler_xyz(zero, zero, yaw),
        quat_mul(quat_from_euler_xyz(zero, pitch, zero), quat_from_euler_xyz(roll, zero, zero)),
    )
    torch.testing.assert_close(quat_from_euler_xyz(roll, pitch, yaw), composed)


def test_euler_round_trip_keeps_signs() -> None:
    torch.manual_seed(4)
    roll, yaw = torch_rand_float(-3.1, 3.1, (2, 200), "cpu")
    pitch = torch_rand_float(-1.5, 1.5, (200,), "cpu")
    back = get_euler_xyz(quat_from_euler_xyz(roll, pitch, yaw))
    for got, expected in zip(back, (roll, pitch, yaw), strict=True):
        torch.testing.assert_close(got, expected, atol=2e-5, rtol=0)


@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_pitch_of_a_quarter_turn_is_finite(sign: float) -> None:
    # A little longer than one, as a simulator's quaternion may be: asin's argument passes 1.
    q = torch.tensor([0.0, sign * HALF, 0.0, HALF]) * (1.0 + 1e-6)
    _, pitch, _ = get_euler_xyz(q)
    assert pitch.item() == pytest.approx(sign * math.pi / 2)


def test_yaw_quat_keeps_only_the_turn_about_z() -> None:
    yaw = torch.linspace(-3.0, 3.0, 13)
    zero = torch.zeros_like(yaw)
    expected = quat_from_euler_xyz(zero, zero, yaw)
    for roll, pitch in ((0.0, 0.0), (0.5, 0.0), (0.0, -0.5)):
        tilted = quat_from_euler_xyz(zero + roll, zero + pitch, yaw)
        torch.testing.assert_close(yaw_quat(tilted), expected)


def test_yaw_quat_of_a_robot_on_its_back_is_the_identity() -> None:
    upside_down = torch.tensor([1.0, 0.0, 0.0, 0.0])
    torch.testing.assert_close(yaw_quat(upside_down), IDENTITY)


def test_quat_apply_yaw_is_rotation_by_yaw_quat() -> None:
    q, points = random_quats(20), random_vecs(7)
    got = quat_apply_yaw(q.unsqueeze(1), points)
    assert got.shape == (20, 7, 3)
    torch.testing.assert_close(got, quat_apply(yaw_quat(q).unsqueeze(1), points), atol=5e-6, rtol=0)
    assert torch.equal(got[..., 2], points[:, 2].expand(20, 7))


@pytest.mark.parametrize("shape", [(), (5,), (3, 4, 2), (0,)])
def test_leading_shapes(shape: tuple[int, ...]) -> None:
    q, v = random_quats(*shape), random_vecs(*shape)
    assert quat_apply(q, v).shape == (*shape, 3)
    assert quat_rotate_inverse(q, v).shape == (*shape, 3)
    assert quat_apply_yaw(q, v).shape == (*shape, 3)
    assert quat_mul(q, q).shape == (*shape, 4)
    assert quat_conjugate(q).shape == yaw_quat(q).shape == (*shape, 4)
    assert all(angle.shape == shape for angle in get_euler_xyz(q))
    assert quat_from_euler_xyz(*get_euler_xyz(q)).shape == (*shape, 4)


def test_leading_shapes_broadcast() -> None:
    q, v = random_quats(6, 1), random_vecs(3)
    expected = torch.stack([torch.stack([quat_apply(one[0], vec) for vec in v]) for one in q])
    torch.testing.assert_close(quat_apply(q, v), expected)
    assert quat_rotate_inverse(q, v).shape == (6, 3, 3)
    torch.testing.assert_close(quat_mul(IDENTITY, q), q)


def test_inputs_are_left_alone() -> None:
    q, v, angles = random_quats(4), random_vecs(4), torch.tensor([4.0, -4.0])
    before = q.clone(), v.clone(), angles.clone()
    for function in (quat_apply, quat_rotate_inverse, quat_apply_yaw):
        function(q, v)
    quat_mul(q, q)
    wrap_to_pi(angles)
    assert all(torch.equal(now, then) for now, then in zip((q, v, angles), before, strict=True))


def test_wrap_to_pi() -> None:
    angles = torch.tensor([0.0, 3.0, 4.0, -4.0, 7.0, 5 * math.pi, math.pi, -math.pi], dtype=torch.float64)
    tau = 2 * math.pi
    expected = torch.tensor([0.0, 3.0, 4.0 - tau, tau - 4.0, 7.0 - tau, math.pi, math.pi, math.pi], dtype=torch.float64)
    torch.testing.assert_close(wrap_to_pi(angles), expected)
    inside = torch.linspace(-3.14, 3.14, 101)
    assert torch.equal(wrap_to_pi(inside), inside)


def test_torch_rand_float() -> None:
    torch.manual_seed(5)
    draw = torch_rand_float(-2.0, 6.0, (100, 50), "cpu")
    assert draw.shape == (100, 50) and draw.dtype == torch.float32
    assert draw.min() >= -2.0 and draw.max() <= 6.0
    assert draw.mean().item() == pytest.approx(2.0, abs=0.15)
    assert draw.std().item() == pytest.approx(8.0 / math.sqrt(12.0), abs=0.1)
    torch.manual_seed(5)
    assert torch.equal(draw, torch_rand_float(-2.0, 6.0, (100, 50), "cpu"))


def test_star_brings_the_names_of_isaac_gyms_torch_utils() -> None:
    brought: dict[str, object] = {}
    exec("from legged_gym.utils.math import *", brought)
    theirs = Path(__file__).with_name("isaacgym_standin") / "isaacgym" / "torch_utils.py"
    names = re.findall(r"^def ([a-z]\w*)", theirs.read_text(), re.MULTILINE)
    assert len(names) > 20 and not set(names) - set(brought)


def test_what_only_tasks_of_users_call() -> None:
    q, p, v, t, s = random_quats(7), random_quats(7, seed=2), *(random_vecs(7, seed=i) for i in (3, 4, 5))
    torch.testing.assert_close(torch_utils.tf_apply(*torch_utils.tf_inverse(q, t), torch_utils.tf_apply(q, t, v)), v)
    both = torch_utils.tf_combine(q, t, p, s)
    torch.testing.assert_close(torch_utils.tf_apply(*both, v), quat_apply(q, quat_apply(p, v) + s) + t)
    torch.testing.assert_close(torch_utils.quat_rotate(q, quat_rotate_inverse(q, v)), v)
    quarter = torch_utils.quat_from_angle_axis(torch.tensor([math.pi / 2]), torch.tensor([[0.0, 0.0, 3.0]]))
    torch.testing.assert_close(quarter[0], QUARTER_TURN_Z)
    torch.testing.assert_close(torch_utils.normalize(3.0 * q), q)
    assert torch_utils.get_axis_params(-1.0, 2) == [0.0, 0.0, -1.0]
    assert torch_utils.to_torch([1, 2]).tolist() == [1.0, 2.0]
    torch.testing.assert_close(torch_utils.normalize_angle(torch.tensor([3.5])), torch.tensor([3.5 - 2 * math.pi]))
    low, high, middle = torch.tensor([-2.0]), torch.tensor([4.0]), torch.tensor([1.0])
    assert torch_utils.scale(torch.zeros(1), low, high) == middle and torch_utils.unscale(high, low, high) == 1.0
    assert torch_utils.tensor_clamp(torch.tensor([9.0]), low, high) == high
    assert torch_utils.copysign(-2.0, torch.tensor([-3.0, 0.0, 5.0])).tolist() == [-2.0, 0.0, 2.0]
    drawn = torch_utils.torch_rand_sqrt_float(-1.0, 3.0, (2000, 1), "cpu")
    assert drawn.min() >= -1.0 and drawn.max() <= 3.0
    assert (drawn - 1.0).abs().mean() == pytest.approx(4 / 3, rel=0.05), "an even draw's mean distance is 1"
    torch.testing.assert_close(torch_utils.torch_random_dir_2((9, 1), "cpu").norm(dim=1), torch.ones(9))


def test_yaw_of_repeated_quaternions_as_legged_gym_writes_it() -> None:
    q, points = random_quats(3), random_vecs(3, 5)
    torch.testing.assert_close(quat_apply_yaw(q.repeat(1, 5), points), quat_apply_yaw(q.unsqueeze(1), points))
