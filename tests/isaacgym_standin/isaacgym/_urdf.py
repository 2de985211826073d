"""Reading a URDF the way Isaac Gym's importer orders it."""

from __future__ import annotations

import os
import sys
import xml.etree.ElementTree as ElementTree

import numpy as np

from ._meshes import collada_points, flat_box, obj_points, stl_points
from ._tree import Joint, Link, Shape, collapse_fixed


def load_urdf(path: str, collapse: bool, capsules: bool) -> Link:
    """Read a robot.

    A link's children follow each other by their joints' names, not as the file has them.

    Args:
        path: The file.
        collapse: Merge links on fixed joints into their parents.
        capsules: Make capsules of cylinders.

    Raises:
        ValueError: Not a URDF, or not a tree.
    """
    robot = ElementTree.parse(path).getroot()
    if robot.tag != "robot":
        raise ValueError(f"{path}: no <robot>")
    links = {element.get("name", ""): _link(element, path, capsules) for element in robot.findall("link")}
    children = set()
    for element in sorted(robot.findall("joint"), key=lambda joint: joint.get("name", "")):
        parent, child = _ends(element)
        if parent not in links or child not in links:
            raise ValueError(f"{path}: joint '{element.get('name')}' names a link that is not there")
        _hang(links[parent], links[child], element)
        children.add(child)
    roots = sorted(name for name in links if name not in children)
    if not roots:
        raise ValueError(f"{path}: no root link")
    if len(roots) > 1:
        print(f"[Warning] [carb.gym.plugin] '{path}' has {len(roots)} root links: {roots}", file=sys.stderr)
    root = links[roots[0]]
    if collapse:
        collapse_fixed(root)
    return root


def _ends(joint: ElementTree.Element) -> tuple[str, str]:
    ends = [joint.find(tag) for tag in ("parent", "child")]
    return tuple("" if end is None else end.get("link", "") for end in ends)  # type: ignore[return-value]


def _numbers(text: str | None, default: tuple[float, ...]) -> np.ndarray:
    return np.array([float(x) for x in text.split()] if text else default)


def _origin(element: ElementTree.Element) -> tuple[np.ndarray, np.ndarray]:
    origin = element.find("origin")
    if origin is None:
        return np.zeros(3), np.eye(3)
    roll, pitch, yaw = _numbers(origin.get("rpy"), (0, 0, 0))
    cr, sr, cp, sp, cy, sy = (f(a) for a in (roll, pitch, yaw) for f in (np.cos, np.sin))
    rotation = np.array(
        [
            [cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr],
            [sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr],
            [-sp, cp * sr, cp * cr],
        ]
    )
    return _numbers(origin.get("xyz"), (0, 0, 0)), rotation


def _hang(parent: Link, child: Link, element: ElementTree.Element) -> None:
    child.position, child.rotation = _origin(element)
    joint = _joint(element)
    if joint.kind == "fixed":
        child.fixed = joint
    elif joint.kind in ("revolute", "continuous", "prismatic"):
        child.joints = [joint]
    else:
        raise ValueError(f"joint '{joint.name}' is of type '{joint.kind}', which the stand-in does not have")
    parent.children.append(child)


def _joint(element: ElementTree.Element) -> Joint:
    kind = element.get("type", "")
    axis = element.find("axis")
    limit, dynamics = element.find("limit"), element.find("dynamics")
    values = {} if limit is None else dict(limit.attrib)
    values.update({} if dynamics is None else dynamics.attrib)
    direction = _numbers(None if axis is None else axis.get("xyz"), (1, 0, 0))
    return Joint(
        name=element.get("name", ""),
        kind=kind,
        axis=direction / (np.linalg.norm(direction) or 1.0),
        position=np.zeros(3),
        limited=kind in ("revolute", "prismatic") and limit is not None,
        keep=element.get("dont_collapse", "").lower() == "true",
        **{key: float(values.get(key, 0.0)) for key in ("lower", "upper", "effort", "velocity", "damping", "friction")},
    )


def _link(element: ElementTree.Element, path: str, capsules: bool) -> Link:
    link = Link(element.get("name", ""))
    inertial = element.find("inertial")
    if inertial is not None:
        link.com, rotation = _origin(inertial)
        mass, inertia = inertial.find("mass"), inertial.find("inertia")
        link.mass = 0.0 if mass is None else float(mass.get("value", 0.0))
        if inertia is not None:
            xx, xy, xz, yy, yz, zz = (float(inertia.get(k, 0.0)) for k in ("ixx", "ixy", "ixz", "iyy", "iyz", "izz"))
            link.inertia = rotation @ np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]]) @ rotation.T
    for collision in element.findall("collision"):
        shape = _shape(collision, path, capsules)
        if shape is not None:
            link.shapes.append(shape)
    return link


def _shape(collision: ElementTree.Element, path: str, capsules: bool) -> Shape | None:
    geometry = collision.find("geometry")
    if geometry is None or len(geometry) == 0:
        return None
    position, rotation = _origin(collision)
    kind, values = geometry[0].tag, geometry[0].attrib
    if kind == "box":
        return Shape("box", tuple(_numbers(values.get("size"), ())), position, rotation)
    if kind == "sphere":
        return Shape("sphere", (float(values["radius"]),), position, rotation)
    if kind in ("cylinder", "capsule"):
        kind = "capsule" if capsules else kind
        return Shape(kind, (float(values["radius"]), float(values["length"])), position, rotation)
    if kind == "mesh":
        return _mesh(values, path, position, rotation)
    return None


def _mesh(values: dict[str, str], path: str, position: np.ndarray, rotation: np.ndarray) -> Shape | None:
    file = find_mesh(values.get("filename", ""), path)
    scale = tuple(_numbers(values.get("scale"), (1, 1, 1)))
    if file is None:
        print(f"[Error] [carb.gym.plugin] Failed to resolve mesh '{values.get('filename')}'", file=sys.stderr)
        return None
    try:
        points, readable = _points(file)
    except ValueError:
        points, readable = None, False
    if points is None or len(points) == 0:
        if file.lower().endswith(".msh"):
            return Shape("mesh", scale, position, rotation, file=file)
        print(f"[Error] [carb.gym.plugin] Failed to load mesh '{file}'", file=sys.stderr)
        return None
    flat = flat_box(points * scale)
    if flat is not None:
        return Shape("box", tuple(flat[0]), position + rotation @ flat[1], rotation)
    if readable:
        return Shape("mesh", scale, position, rotation, file=file)
    return Shape("mesh", scale, position, rotation, vertices=points)


def _points(file: str) -> tuple[np.ndarray | None, bool]:
    """Return a mesh's vertices, (n, 3), and whether MuJoCo reads such files itself."""
    kind = os.path.splitext(file)[1].lower()
    if kind == ".stl":
        return stl_points(file)
    if kind == ".obj":
        return obj_points(file), True
    return (collada_points(file) if kind == ".dae" else None), False


def find_mesh(name: str, urdf: str) -> str | None:
    """Return the path of a mesh that a URDF names, or None when it is not there."""
    # As "package://robot/meshes/leg.stl": Isaac Gym drops the first part and looks in all folders above.
    name = name.partition("://")[2] or name
    folder = os.path.dirname(os.path.abspath(urdf))
    candidates = [os.path.join(folder, name)]
    while folder != os.path.dirname(folder):
        candidates += [os.path.join(folder, name), os.path.join(folder, *name.split("/")[1:])]
        folder = os.path.dirname(folder)
    return next((c for c in candidates if os.path.isfile(c)), None)
