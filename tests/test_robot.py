"""Qmini's model against its measured figures: what the URDF says, and what MuJoCo makes of it."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections import Counter
from itertools import pairwise
from typing import NamedTuple

import mujoco
import numpy as np
import pytest

from legged_gym.envs.qmini.qmini_config import QminiCfg
from legged_gym.simulators.mujoco_model import Scene, asset_path, build_scene

MIRROR = np.array([1.0, -1.0, 1.0])
"""Turns a position of the left leg into one of the right."""

INERTIAS = {
    "base_link": (4.7754, (0.02, 5.6e-5, -0.041502), (0.026652, -6e-6, -0.006659, 0.04973, -9e-6, 0.049037)),
    "hip_yaw_l": (0.73407, (0.001558, 0.000796, -0.10656), (0.001096, 1e-6, 7e-6, 0.000691, 4e-6, 0.000544)),
    "hip_roll_l": (0.072409, (0.028723, -0.018625, 1.5e-5), (0.000148, 1.6e-5, 0.0, 5.7e-5, 0.0, 0.000112)),
    "hip_pitch_l": (1.4071, (-0.040715, 0.019181, -0.04067), (0.003407, -6e-6, -0.002303, 0.006531, -4e-6, 0.00343)),
    "knee_pitch_l": (0.76749, (0.048081, 0.002331, -0.13228), (0.001333, -2.6e-5, 0.000282, 0.001852, 7e-5, 0.000662)),
    "ankle_pitch_l": (0.2038, (0.013735, -0.006344, -0.045775), (0.000225, 1.1e-5, 0.0, 0.000653, -4e-5, 0.000505)),
}
"""Mass (kg), centre of mass (m), and ixx ixy ixz iyy iyz izz (kg·m²)."""


class Joint(NamedTuple):
    parent: str
    xyz: tuple[float, float, float]
    rpy: tuple[float, float, float]
    axis: tuple[float, float, float]
    limits: tuple[float, float]
    effort: float
    velocity: float


JOINTS = {
    "hip_yaw_l": Joint("base_link", (0, 0.055, 0), (0, 0, 0.4), (0, 0, -1), (-0.1, 0.7), 20, 30),
    "hip_roll_l": Joint("hip_yaw_l", (0, 0.054, -0.1073), (0, 0, 0), (1, 0, 0), (-0.3, 0.6), 60, 10),
    "hip_pitch_l": Joint("hip_roll_l", (0.0165, 0.028, 0), (0, 1.5, 0), (0, 1, 0), (-2.1, 0), 20, 30),
    "knee_pitch_l": Joint("hip_pitch_l", (-0.081317, -0.0003, -0.081317), (0, 1.05, 0), (0, -1, 0), (0, 2.1), 20, 30),
    "ankle_pitch_l": Joint("knee_pitch_l", (0.053013, 0.0228, -0.14565), (0, 1.22, 0), (0, 1, 0), (-2.5, 0), 20, 30),
    "hip_yaw_r": Joint("base_link", (0, -0.055, 0), (0, 0, -0.4), (0, 0, -1), (-0.7, 0.1), 20, 30),
    "hip_roll_r": Joint("hip_yaw_r", (0, -0.054, -0.1073), (0, 0, 0), (1, 0, 0), (-0.6, 0.3), 60, 10),
    "hip_pitch_r": Joint("hip_roll_r", (0.0165, -0.028, 0), (0, 1.5, 0), (0, -1, 0), (0, 2.1), 20, 30),
    "knee_pitch_r": Joint("hip_pitch_r", (-0.081317, 0.0003, -0.081317), (0, 1.05, 0), (0, 1, 0), (-2.1, 0), 20, 30),
    "ankle_pitch_r": Joint("knee_pitch_r", (0.053013, -0.0228, -0.14565), (0, 1.22, 0), (0, -1, 0), (0, 2.5), 20, 30),
}
LINKS = ["base_link", *JOINTS]
FEET = ["ankle_pitch_l", "ankle_pitch_r"]

DEFAULT_POSE = np.array([0.35, 0.0, -1.45, 1.15, -1.18, -0.35, 0.0, 1.45, -1.15, 1.18])
"""rad."""

SOLE_X = np.round(np.arange(-0.075, 0.1, 0.01), 3)
SOLE_Z = -np.array(
    [782, 846, 908, 917, 929, 938, 940, 945, 944, 943, 937, 924, 921, 905, 880, 873, 840, 781], dtype=float
) / 1e4  # fmt: skip
"""Lowest point of the sole at each x, m, foot frame."""


@pytest.fixture(scope="module")
def robot() -> ElementTree.Element:
    return ElementTree.parse(asset_path(QminiCfg().asset.file)).getroot()


def scene(visuals: bool) -> Scene:
    return build_scene(QminiCfg(), visuals=visuals)


def numbers(element: ElementTree.Element, name: str, default: str = "0 0 0") -> np.ndarray:
    return np.array([float(word) for word in element.get(name, default).split()])


def link(robot: ElementTree.Element, name: str) -> ElementTree.Element:
    return next(element for element in robot.findall("link") if element.get("name") == name)


def rotation(rpy: np.ndarray) -> np.ndarray:
    quat, matrix = np.zeros(4), np.zeros(9)
    mujoco.mju_euler2Quat(quat, rpy, "XYZ")
    mujoco.mju_quat2Mat(matrix, quat)
    return matrix.reshape(3, 3)


def expected_inertia(name: str) -> tuple[float, np.ndarray, np.ndarray]:
    mass, com, (ixx, ixy, ixz, iyy, iyz, izz) = INERTIAS[name[:-2] + "_l" if name.endswith("_r") else name]
    tensor = np.array([[ixx, ixy, ixz], [ixy, iyy, iyz], [ixz, iyz, izz]])
    if not name.endswith("_r"):
        return mass, np.array(com), tensor
    return mass, com * MIRROR, tensor * np.outer(MIRROR, MIRROR)


def inertia(robot: ElementTree.Element, name: str) -> np.ndarray:
    element = link(robot, name).find("inertial/inertia")
    ixx, ixy, ixz, iyy, iyz, izz = (float(element.get(key)) for key in ("ixx", "ixy", "ixz", "iyy", "iyz", "izz"))
    return np.array([[ixx, ixy, ixz], [ixy, iyy, iyz], [ixz, iyz, izz]])


def capsules(robot: ElementTree.Element, foot: str) -> np.ndarray:
    """Return x, z and radius of a foot's capsules, (K, 3)."""
    rows = []
    for shape in link(robot, foot).findall("collision"):
        x, _, z = numbers(shape.find("origin"), "xyz")
        rows.append((x, z, float(shape.find("geometry/cylinder").get("radius"))))
    return np.array(rows)


def sole(discs: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return the lowest point of the discs (K, 3) at each x (M,), (M,)."""
    square = discs[:, 2, None] ** 2 - (x - discs[:, 0, None]) ** 2
    bottom = discs[:, 1, None] - np.sqrt(np.maximum(square, 0.0))
    return np.where(square >= 0.0, bottom, np.inf).min(axis=0)


def shape_key(shape: ElementTree.Element, mirrored: bool) -> tuple:
    """Describe a shape so that equal shapes have equal keys, whichever way round their axes are written."""
    origin, geometry = shape.find("origin"), shape.find("geometry")[0]
    side = MIRROR if mirrored else np.ones(3)
    axes = side[:, None] * rotation(numbers(origin, "rpy"))
    kept = {"box": axes.T, "cylinder": axes.T[2:], "sphere": axes.T[:0]}[geometry.tag]
    directions = np.concatenate([np.outer(axis, axis).ravel() for axis in [np.zeros(3), *kept]])
    place = np.concatenate([numbers(origin, "xyz") * side, directions])
    colour = shape.find("material").get("name") if shape.tag == "visual" else ""
    size = tuple(sorted(geometry.attrib.items()))
    return (shape.tag, geometry.tag, size, colour, tuple(np.round(place, 3) + 0.0))


def test_joints_come_in_the_documented_order_and_are_named_as_their_links(robot: ElementTree.Element) -> None:
    hinges = [joint for joint in robot.findall("joint") if joint.get("type") == "revolute"]
    assert [joint.get("name") for joint in hinges] == list(JOINTS)
    assert [joint.find("child").get("link") for joint in hinges] == list(JOINTS)


@pytest.mark.parametrize("name", JOINTS)
def test_joint(robot: ElementTree.Element, name: str) -> None:
    joint = next(element for element in robot.findall("joint") if element.get("name") == name)
    limit, expected = joint.find("limit"), JOINTS[name]
    assert joint.find("parent").get("link") == expected.parent
    np.testing.assert_array_equal(numbers(joint.find("origin"), "xyz"), expected.xyz)
    np.testing.assert_array_equal(numbers(joint.find("origin"), "rpy"), expected.rpy)
    np.testing.assert_array_equal(numbers(joint.find("axis"), "xyz"), expected.axis)
    assert (float(limit.get("lower")), float(limit.get("upper"))) == expected.limits
    assert float(limit.get("effort")) == expected.effort
    assert float(limit.get("velocity")) == expected.velocity
    assert {float(value) for value in joint.find("dynamics").attrib.values()} == {0.0}


def test_imu_is_fixed_to_the_base_and_adds_no_mass(robot: ElementTree.Element) -> None:
    joint = next(element for element in robot.findall("joint") if element.get("name") == "imu")
    assert (joint.get("type"), joint.find("parent").get("link")) == ("fixed", "base_link")
    np.testing.assert_array_equal(numbers(joint.find("origin"), "xyz"), (0.033, 0.0, 0.015))
    np.testing.assert_array_equal(numbers(joint.find("origin"), "rpy"), (0.0, 0.0, 0.0))
    assert len(link(robot, "imu")) == 0


@pytest.mark.parametrize("name", LINKS)
def test_mass_and_inertia(robot: ElementTree.Element, name: str) -> None:
    mass, com, tensor = expected_inertia(name)
    element = link(robot, name).find("inertial")
    assert float(element.find("mass").get("value")) == mass
    np.testing.assert_array_equal(numbers(element.find("origin"), "xyz"), com)
    np.testing.assert_array_equal(numbers(element.find("origin"), "rpy"), (0.0, 0.0, 0.0))
    np.testing.assert_array_equal(inertia(robot, name), tensor)


@pytest.mark.parametrize("name", LINKS)
def test_inertia_belongs_to_a_possible_body(robot: ElementTree.Element, name: str) -> None:
    small, middle, large = np.linalg.eigvalsh(inertia(robot, name))
    assert small > 0.0
    assert small + middle >= large


@pytest.mark.parametrize("left", ["base_link", *[name for name in JOINTS if name.endswith("_l")]])
def test_shapes_of_the_right_side_mirror_the_left(robot: ElementTree.Element, left: str) -> None:
    right = left[:-2] + "_r" if left.endswith("_l") else left
    mirrored, actual = (
        Counter(shape_key(shape, flip) for tag in ("collision", "visual") for shape in link(robot, name).iter(tag))
        for name, flip in ((left, True), (right, False))
    )
    assert mirrored == actual


def test_shapes_are_primitives_in_defined_colours(robot: ElementTree.Element) -> None:
    assert {shape[0].tag for shape in robot.iter("geometry")} <= {"box", "cylinder", "sphere"}
    defined = [material.get("name") for material in robot.findall("material")]
    assert len(defined) == len(set(defined))
    assert {shape.find("material").get("name") for shape in robot.iter("visual")} == set(defined)


def test_bodies_collide_as_measured(robot: ElementTree.Element) -> None:
    boxes = {name: [] for name in ("base_link", "hip_pitch_l")}
    for name, found in boxes.items():
        for shape in link(robot, name).findall("collision"):
            origin, size = shape.find("origin"), numbers(shape.find("geometry/box"), "size")
            found.append([*size, *numbers(origin, "xyz"), *numbers(origin, "rpy")])
    base = [[0.06, 0.18, 0.16, 0.12, 0, -0.06, 0, 0, 0], [0.05, 0.12, 0.15, -0.12, 0, -0.06, 0, 0, 0]]
    np.testing.assert_array_equal(boxes["base_link"], base)
    np.testing.assert_array_equal(boxes["hip_pitch_l"], [[0.16, 0.05, 0.08, -0.045, 0.025, -0.045, 0, -0.7854, 0]])


def test_shin_collides_from_the_knee_axis_to_the_ankle_axis(robot: ElementTree.Element) -> None:
    (shape,) = link(robot, "knee_pitch_l").findall("collision")
    cylinder, origin = shape.find("geometry/cylinder"), shape.find("origin")
    half = 0.5 * float(cylinder.get("length")) * rotation(numbers(origin, "rpy"))[:, 2]
    np.testing.assert_allclose(numbers(origin, "xyz") - half, (0.0, 0.0, 0.0), atol=0.001)
    np.testing.assert_allclose(numbers(origin, "xyz") + half, (0.053, 0.0, -0.1457), atol=0.001)
    assert 2.0 * float(cylinder.get("radius")) == pytest.approx(0.047)


@pytest.mark.parametrize("foot", FEET)
def test_sole_matches_the_measured_rocker(robot: ElementTree.Element, foot: str) -> None:
    discs = capsules(robot, foot)
    np.testing.assert_allclose(sole(discs, SOLE_X), SOLE_Z, atol=0.001)
    between = np.concatenate([np.linspace(a, b, 21) for a, b in pairwise(SOLE_X)])
    np.testing.assert_allclose(sole(discs, between), np.interp(between, SOLE_X, SOLE_Z), atol=0.001)


@pytest.mark.parametrize("foot", FEET)
def test_sole_stays_inside_the_foot_and_touches_with_its_band(robot: ElementTree.Element, foot: str) -> None:
    x, z, radius = capsules(robot, foot).T
    # The measured heel itself reaches 0.6 mm beyond the foot's nominal length.
    assert (x - radius).min() >= -0.0755
    assert (x + radius).max() <= 0.0998
    assert (z + radius).max() <= 0.146 - 0.0945
    side = -1.0 if foot.endswith("_l") else 1.0
    for shape in link(robot, foot).findall("collision"):
        np.testing.assert_allclose(numbers(shape.find("origin"), "rpy"), (np.pi / 2, 0.0, 0.0), atol=1e-5)
        assert numbers(shape.find("origin"), "xyz")[1] == pytest.approx(side * 0.012)
        assert float(shape.find("geometry/cylinder").get("length")) == pytest.approx(0.024)


def test_mujoco_gives_a_free_base_and_keeps_every_mass() -> None:
    built = scene(visuals=False)
    model = built.model
    assert built.free_base
    assert built.dof_names == list(JOINTS)
    assert built.body_names == LINKS
    assert model.body_mass.sum() == pytest.approx(11.145, abs=5e-4)
    np.testing.assert_allclose(model.body_mass[built.body_ids], [expected_inertia(name)[0] for name in LINKS])
    np.testing.assert_allclose(model.body_ipos[built.body_ids], [expected_inertia(name)[1] for name in LINKS])
    for body, name in zip(built.body_ids, LINKS, strict=True):
        axes = np.zeros(9)
        mujoco.mju_quat2Mat(axes, model.body_iquat[body])
        axes = axes.reshape(3, 3)
        tensor = axes @ np.diag(model.body_inertia[body]) @ axes.T
        np.testing.assert_allclose(tensor, expected_inertia(name)[2], atol=1e-9)


def test_mujoco_keeps_the_joints_limits() -> None:
    model = scene(visuals=False).model
    np.testing.assert_allclose(model.jnt_range[1:], [joint.limits for joint in JOINTS.values()])
    assert model.jnt_limited[1:].all()


def test_shapes_to_look_at_change_nothing_physical() -> None:
    plain, drawn = scene(visuals=False).model, scene(visuals=True).model
    assert drawn.ngeom > plain.ngeom
    np.testing.assert_array_equal(drawn.body_mass, plain.body_mass)
    np.testing.assert_array_equal(drawn.body_inertia, plain.body_inertia)
    solid = (drawn.geom_contype != 0) | (drawn.geom_conaffinity != 0)
    assert solid.sum() == plain.ngeom
    np.testing.assert_array_equal(drawn.geom_size[solid], plain.geom_size)


@pytest.mark.parametrize("foot", FEET)
def test_default_pose_stands_level_at_the_measured_height(foot: str) -> None:
    model = scene(visuals=False).model
    data = mujoco.MjData(model)
    data.qpos[:7] = (0, 0, 0, 1, 0, 0, 0)
    data.qpos[7:] = DEFAULT_POSE
    mujoco.mj_kinematics(model, data)
    body = model.body(foot)
    geoms = body.geomadr[0] + np.arange(body.geomnum[0])
    assert (model.geom_type[geoms] == mujoco.mjtGeom.mjGEOM_CAPSULE).all()
    radius, half_length = model.geom_size[geoms, 0], model.geom_size[geoms, 1]
    tilt = np.abs(data.geom_xmat[geoms].reshape(-1, 3, 3)[:, 2, 2])
    lowest = (data.geom_xpos[geoms, 2] - tilt * half_length - radius).min()
    assert lowest == pytest.approx(-0.4218, abs=5e-4)
    assert data.xpos[body.id, 2] - lowest == pytest.approx(0.0945, abs=5e-4)
    up = data.xmat[body.id].reshape(3, 3)[:, 2]
    assert np.arccos(up[2]) < 0.02
