"""The mass matrix of a URDF, computed from its text alone: what MuJoCo makes of it is compared with this."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import numpy as np


def mass_matrix(path: str, base: np.ndarray, positions: dict[str, float], num_dofs: int) -> np.ndarray:
    """Add up every link's ``J_v^T m J_v + J_w^T I J_w``.

    Args:
        path: The URDF.
        base: Pose of its root in the world, (4, 4).
        positions: Of the joints that move, rad or m, in MuJoCo's order.
        num_dofs: Size of the matrix: the base's, linear in the world's axes and angular in its own, and the joints'.
    """
    robot = ElementTree.parse(path).getroot()
    joints = robot.findall("joint")
    children = {joint.find("child").get("link") for joint in joints}
    (root,) = (link.get("name") for link in robot.findall("link") if link.get("name") not in children)
    inertials = {link.get("name"): link.find("inertial") for link in robot.findall("link")}
    order = {name: 6 + i for i, name in enumerate(positions)}
    first = np.zeros((6, num_dofs))
    first[:3, :3], first[3:, 3:6] = np.eye(3), base[:3, :3]
    total, waiting = np.zeros((num_dofs, num_dofs)), [(root, base, first)]
    while waiting:
        name, pose, jacobian = waiting.pop()
        total += _of_link(inertials[name], pose, jacobian)
        for joint in (joint for joint in joints if joint.find("parent").get("link") == name):
            at = pose @ _origin(joint)
            moved = _carried(jacobian, at[:3, 3] - pose[:3, 3])
            dof = order.get(joint.get("name"))
            if dof is not None:
                axis = np.array(joint.find("axis").get("xyz").split(), float)
                at, moved = _moved(joint.get("type"), axis, positions[joint.get("name")], at, moved, dof)
            waiting.append((joint.find("child").get("link"), at, moved))
    return total


def _moved(
    kind: str, axis: np.ndarray, position: float, pose: np.ndarray, jacobian: np.ndarray, dof: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return pose and Jacobian behind a joint."""
    world, step = pose[:3, :3] @ axis, np.eye(4)
    if kind == "prismatic":
        step[:3, 3] = axis * position
        jacobian = _carried(jacobian, world * position)
        jacobian[:3, dof] += world
    else:
        cross = np.cross(np.eye(3), axis)
        step[:3, :3] += np.sin(position) * cross + (1.0 - np.cos(position)) * cross @ cross
        jacobian = jacobian.copy()
        jacobian[3:, dof] += world
    return pose @ step, jacobian


def _carried(jacobian: np.ndarray, arm: np.ndarray) -> np.ndarray:
    """Return the Jacobian of a point of the same body that is ``arm`` away."""
    result = jacobian.copy()
    result[:3] += np.cross(jacobian[3:].T, arm).T
    return result


def _of_link(inertial: ElementTree.Element | None, pose: np.ndarray, jacobian: np.ndarray) -> np.ndarray:
    if inertial is None:
        return np.zeros((jacobian.shape[1],) * 2)
    centre = pose @ _origin(inertial)
    mass = float(inertial.find("mass").get("value"))
    xx, xy, xz, yy, yz, zz = (
        float(inertial.find("inertia").get(k)) for k in ("ixx", "ixy", "ixz", "iyy", "iyz", "izz")
    )
    tensor = centre[:3, :3] @ np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]]) @ centre[:3, :3].T
    linear = _carried(jacobian, centre[:3, 3] - pose[:3, 3])[:3]
    return mass * linear.T @ linear + jacobian[3:].T @ tensor @ jacobian[3:]


def _origin(element: ElementTree.Element) -> np.ndarray:
    pose, origin = np.eye(4), element.find("origin")
    if origin is not None:
        roll, pitch, yaw = (float(x) for x in origin.get("rpy", "0 0 0").split())
        cr, sr, cp, sp, cy, sy = (f(angle) for angle in (roll, pitch, yaw) for f in (np.cos, np.sin))
        about_x = np.array([[1, 0, 0], [0, cr, -sr], [0, sr, cr]])
        about_y = np.array([[cp, 0, sp], [0, 1, 0], [-sp, 0, cp]])
        pose[:3, :3] = np.array([[cy, -sy, 0], [sy, cy, 0], [0, 0, 1]]) @ about_y @ about_x
        pose[:3, 3] = [float(x) for x in origin.get("xyz", "0 0 0").split()]
    return pose
