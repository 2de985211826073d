"""The stand-in of Isaac Gym moves bodies as plain MuJoCo and textbooks do, and its calls have effect."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from standin import measure, run

G, DT = 9.81, 0.005


@pytest.fixture(scope="module")
def measured() -> Any:
    """Return what the script measured, by name."""
    return measure("standin_physics.py", ISAACGYM_STANDIN_GPU="cpu")


def test_a_box_falls_freely(measured: Any) -> None:
    n = 20
    height = 5.0 - G * DT**2 * n * (n + 1) / 2
    np.testing.assert_allclose(measured["fall"], [0, 0, height, 0, 0, 0, 1, 0, 0, -G * DT * n, 0, 0, 0], atol=1e-5)


def test_tensors_stay_stale_until_they_are_refreshed(measured: Any) -> None:
    assert all(measured["stale_until_refreshed"]["unchanged"])
    assert all(measured["stale_until_refreshed"]["changed"])


def test_linear_velocity_is_of_the_centre_of_mass(measured: Any) -> None:
    result = measured["velocity_of_the_centre_of_mass"]
    for state in result["set"]:
        np.testing.assert_allclose(state[7:], [0.3, 0, 0, 0, 0, 2.0], atol=1e-6)
    # In 0.5 s the centre goes 0.15 m straight on, and the origin turns about it by 1 rad.
    later = np.array([0.05 + 0.15 - 0.05 * np.cos(1.0), -0.05 * np.sin(1.0), 1.0])
    np.testing.assert_allclose(result["later"][:3], later, atol=1e-3)
    np.testing.assert_allclose(result["later"][3:7], [0, 0, np.sin(0.5), np.cos(0.5)], atol=1e-4)


def test_pd_torques_move_an_arm_as_in_plain_mujoco(measured: Any) -> None:
    assert measured["pd_torque_like_plain_mujoco"]["difference"] < 1e-5
    assert measured["pd_torque_like_plain_mujoco"]["reached"][0] > 0.4


def test_the_ground_carries_the_weight(measured: Any) -> None:
    np.testing.assert_allclose(measured["weight"], [[0, 0, 2 * G]] * 2, atol=0.05)


def test_friction_is_the_mean_of_both_sides(measured: Any) -> None:
    held, slid, held_by_more = measured["friction"]
    assert held < 0.02 and held_by_more < 0.02
    # (0.7 - 0.6) g for half a second.
    assert slid == pytest.approx(0.1 * G * 0.5, rel=0.15)


def test_mass_and_inertia_can_be_set(measured: Any) -> None:
    result = measured["mass"]
    assert result["inertia"] == pytest.approx(0.08) and result["invMass"] == pytest.approx(1 / 8)
    # The force and the torque count for one step only.
    assert result["speed"] == pytest.approx(16.0 / 8.0 * DT) and result["spin"] == pytest.approx(0.8 / 0.08 * DT)


def test_centre_of_mass_can_be_set(measured: Any) -> None:
    assert measured["centre_of_mass"][1] > 0.1


def test_joint_properties_have_effect(measured: Any) -> None:
    speeds = {name: values[1] for name, values in measured["dof_properties"].items()}
    assert 0 < speeds["armature"] < 0.1 * speeds["plain"]
    assert abs(speeds["damping"]) < 0.05
    assert speeds["velocity"] == pytest.approx(2.0)
    assert speeds["friction"] == pytest.approx(0.5 * speeds["plain"], rel=1e-3)


def test_efforts_count_in_effort_mode_only_and_are_not_limited(measured: Any) -> None:
    speeds = measured["dof_properties"]
    np.testing.assert_allclose(speeds["beyond_effort_limit"], 10 * np.array(speeds["plain"]), rtol=1e-3)
    assert speeds["in_position_mode"] == speeds["in_no_mode"] == [0.0, 0.0]


def test_drives_go_to_their_targets(measured: Any) -> None:
    (shoulder, _), (_, elbow_speed) = measured["drives"]
    assert shoulder == pytest.approx(0.5, abs=0.01)
    assert elbow_speed == pytest.approx(1.5, abs=0.1)


def test_indexed_setters_reach_the_named_actors_only(measured: Any) -> None:
    result = measured["setters_by_index"]
    assert [position[0] for position in result["before"]] == [0.0, 2.0, 4.0]
    assert result["root"] == [1.0, 1.0, 7.0]
    assert result["dofs"] == [0.25, 0.25, 0.0, 0.0, 0.25, 0.25]


def test_states_set_with_the_gpu_pipeline_count_from_the_next_step(measured: Any) -> None:
    assert measured["gpu_states_wait_for_simulate"] == [1.0, 7.0]


@pytest.mark.parametrize("kind", ["field", "mesh"])
def test_boxes_rest_on_terrain(measured: Any, kind: str) -> None:
    np.testing.assert_allclose(measured["terrain"][kind], [0.1, 0.6], atol=0.003)


def test_the_filter_of_an_actor_turns_self_collisions_off(measured: Any) -> None:
    on, off = measured["self_collisions"]
    assert on[0] > 1.0 and on[2] > 1.0 and on[1] == 0.0
    assert off == [0.0, 0.0, 0.0]


def test_links_follow_their_joints_names_and_fixed_ones_collapse(measured: Any) -> None:
    kept, collapsed = measured["links_in_order"]["False"], measured["links_in_order"]["True"]
    assert kept[0] == ["root", "b_link", "k_link", "m_link", "z_link", "a_link"]
    assert collapsed[0] == ["root", "b_link", "k_link", "z_link", "a_link"]
    assert kept[1] == collapsed[1] == ["b", "z", "a"]
    assert kept[2] == ["b", "k", "m", "z", "a"]
    np.testing.assert_allclose(kept[3], [1.0, 0.1, 1.0], rtol=1e-6)
    np.testing.assert_allclose(collapsed[3], [2.0, 0.1, 2.0], rtol=1e-6)


def test_jacobians_and_mass_matrices(measured: Any) -> None:
    result = measured["matrices"]
    assert result["shapes"] == [[1, 3, 6, 8], [1, 8, 8]]
    assert result["angular"] < 1e-5 and result["symmetric"] < 1e-6
    np.testing.assert_allclose(result["mass"], [1.8] * 3, rtol=1e-5)


def test_nan_stays_with_its_actor(measured: Any) -> None:
    assert measured["nan_stays_with_its_actor"] == [False, True, True]


def test_actors_start_in_the_states_that_setup_gave_them(measured: Any) -> None:
    result = measured["states_given_during_setup"]
    turned = [2.0 - 0.4 * np.sin(0.5), 1.0 - 0.4 * np.cos(0.5)]
    np.testing.assert_allclose(result["tips"], [[0.0, 0.6], turned], atol=1e-5)
    assert result["before"] == [0.0, 0.0, 0.5, 0.0]
    np.testing.assert_allclose(result["after"], result["before"], atol=0.02)


def test_mjcf_is_read(measured: Any) -> None:
    assert measured["mjcf"] == [2, "hip", [0.5, 0.0]]


def test_velocity_can_be_of_the_origin_instead() -> None:
    result = measure("standin_physics.py", "velocity_of_the_centre_of_mass", ISAACGYM_STANDIN_VELOCITY="origin")
    later = result["velocity_of_the_centre_of_mass"]["later"]
    assert abs(later[8]) > 0.01


def test_rotations_of_torch_utils_with_np_float_put_back() -> None:
    code = """
import numpy
numpy.float = float
import isaacgym, torch, math
from isaacgym.torch_utils import *
torch.manual_seed(0)
q, v = quat_unit(torch.randn(50, 4)), torch.randn(50, 3)
rpy = get_euler_xyz(q)
same = quat_from_euler_xyz(*rpy)
assert torch.allclose((same * q).sum(-1).abs(), torch.ones(50), atol=1e-4)
assert all(bool(((a >= 0) & (a < 2 * math.pi + 1e-6)).all()) for a in rpy)
assert torch.allclose(quat_rotate_inverse(q, quat_rotate(q, v)), v, atol=1e-5)
assert torch.allclose(quat_apply(q, v), quat_rotate(q, v), atol=1e-5)
assert torch.allclose(quat_mul(q, quat_conjugate(q))[:, 3], torch.ones(50), atol=1e-5)
quarter = quat_from_angle_axis(torch.tensor([math.pi / 2]), torch.tensor([[0.0, 0.0, 1.0]]))
assert torch.allclose(quat_apply(quarter, torch.tensor([[1.0, 0.0, 0.0]])), torch.tensor([[0.0, 1.0, 0.0]]), atol=1e-6)
assert get_axis_params(-1.0, 2) == [0.0, 0.0, -1.0]
compiled = torch.jit.script(quat_rotate_inverse)
assert torch.allclose(compiled(q, v), quat_rotate_inverse(q, v))
a = torch.jit.script(get_euler_xyz)(q)
print("all well")
"""
    done = run("-c", code, ISAACGYM_STANDIN_FAIL="np_float")
    assert "all well" in done.stdout, done.stderr
