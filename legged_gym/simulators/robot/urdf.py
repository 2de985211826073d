"""URDFs: checks them, and rewrites them with only the elements that simulators need.

MuJoCo's importer makes the robot of what is written here. It drops or guesses much of what can be wrong with a URDF,
so that is found before: what is refused here names its link or joint.
"""

from __future__ import annotations

import difflib
import math
import os
import xml.etree.ElementTree as ElementTree
from collections.abc import Collection, Mapping, Sequence
from typing import NoReturn

import mujoco
import trimesh

from legged_gym.common.errors import UserError, near_names
from legged_gym.common.paths import plain_file
from legged_gym.simulators.robot.meshes import MeshError, find_mesh, read_mesh
from legged_gym.simulators.robot.robot_file import RobotFile, one_line, refuse

_MAX_BYTES, _MAX_LINKS = 50_000_000, 1000
_MOMENTS = ("ixx", "iyy", "izz", "ixy", "ixz", "iyz")
_MOVING = ("revolute", "continuous", "prismatic")
_SHAPES = {"box": {"size": 3}, "sphere": {"radius": 1}, "cylinder": {"radius": 1, "length": 1}, "mesh": {}}
_SHAPES["capsule"] = _SHAPES["cylinder"]
"""Sizes of each kind of shape, and of how many numbers they are."""
_KNOWN = {
    "link": ("name", "inertial", "visual", "collision"), "inertial": ("origin", "mass", "inertia"),
    "joint": ("name", "type", "parent", "child", "origin", "axis", "limit", "dynamics", "mimic", "safety_controller"),
    "collision": ("name", "origin", "geometry"), "visual": ("name", "origin", "geometry", "material"),
    "origin": ("xyz", "rpy"), "limit": ("lower", "upper", "effort", "velocity"), "dynamics": ("damping", "friction"),
    "mimic": ("joint", "multiplier", "offset"), "mesh": ("filename", "scale"),
}  # fmt: skip
"""What stands in these elements; other words are left out, unless they are nearly one of these."""
_ONCE = ("inertial", "origin", "parent", "child", "axis", "limit", "dynamics", "mimic")
"""Elements of which a link or joint has one at most."""
_COMPILER = (
    "balanceinertia", "boundmass", "boundinertia", "settotalmass", "inertiafromgeom", "inertiagrouprange", "alignfree",
    "autolimits",
)  # fmt: skip
"""Attributes of MuJoCo's own ``<mujoco><compiler>`` that hold."""
_OURS = ("meshdir", "strippath", "discardvisual", "fusestatic")
"""Those that mean nothing here: meshes are found as they are, and links are merged as the configuration says."""


def read_urdf(path: str, visuals: bool) -> RobotFile:
    """Read a URDF, with ``visuals`` what is only looked at, too; ``UserError`` names what can't be simulated."""
    return _Urdf(path, visuals).robot_file()


class _Urdf:
    """One file on its way to a scene."""

    def __init__(self, path: str, visuals: bool) -> None:
        self.path, self.visuals = path, visuals
        self.robot = ElementTree.Element("robot", name="robot")
        self.meshes: dict[str, trimesh.Trimesh] = {}
        self.velocity_limits: dict[str, float] = {}
        self.undrawn: dict[str, str] = {}
        root = self._parse()
        self._mesh_folders = self._take_mujoco(root)
        for part in root:
            near = difflib.get_close_matches(str(part.tag), ("link", "joint", "loop_joint"), cutoff=0.75)
            if near and part.tag not in ("link", "joint"):
                self.fail(f"<{part.tag} name='{part.get('name')}'>: a robot is a tree of elements <link> and <joint>")
        links, joints = self._named(root, "link"), self._named(root, "joint")
        if not 1 <= len(links) <= _MAX_LINKS:
            self.fail(f"it has {len(links)} links, a robot has 1 to {_MAX_LINKS}")
        self._drop_world(links, joints)
        self._check_tree(links, joints)
        for material in root.findall("material"):
            self._colour("the robot", material, self.robot)
        self.moving = {name for name, joint in joints.items() if joint.get("type") in _MOVING}
        for name, element in links.items():
            self._link(name, element)
        for name, element in joints.items():
            self._joint(name, element)
        mimics = {end.get("name", ""): end for end in self.robot.findall("joint[mimic]")}
        leaders = {name: end.find("mimic").get("joint", "") for name, end in mimics.items()}  # type: ignore[union-attr]
        self._check_circle(leaders, "joint '{}' mimics itself: the <mimic> elements go round in a circle")
        self.fixed_joints = frozenset(name for name, joint in joints.items() if joint.get("type") == "fixed")
        self.uncollapsed = frozenset(
            _end(joint, "child") for joint in joints.values() if joint.get("dont_collapse", "").lower() == "true"
        )

    def robot_file(self) -> RobotFile:
        try:
            spec = mujoco.MjSpec.from_string(ElementTree.tostring(self.robot, encoding="unicode"))
        except ValueError as error:
            raise refuse(self.path, one_line(error)) from error
        for mimic in spec.equalities:
            # Gears are stiffer than MuJoCo's usual constraints; these are as stiff as a physics step of 5 ms allows.
            mimic.solref, mimic.solimp = [0.01, 1.0], [0.99, 0.999, 0.001, 0.5, 2.0]
        for mesh in spec.meshes:
            # Lists: of an array MuJoCo's binding may fetch the numbers one by one.
            triangles = self.meshes[mesh.name]
            mesh.file = ""
            mesh.uservert, mesh.userface = triangles.vertices.ravel().tolist(), triangles.faces.ravel().tolist()
        return RobotFile(
            path=self.path,
            spec=spec,
            velocity_limits=self.velocity_limits,
            fixed_joints=self.fixed_joints,
            uncollapsed=self.uncollapsed,
            undrawn=frozenset(self.undrawn),
            write=self._write,
        )

    def _write(self, folder: str, kept: Collection[str], balanced: Mapping[str, float]) -> str:
        """Write the checked file for a simulator that reads it itself; see :attr:`RobotFile.write`."""
        for joint in self.robot.findall("joint"):
            joint.attrib.pop("dont_collapse", None)
            if joint.get("type") == "fixed" and _end(joint, "child") in kept:
                joint.set("dont_collapse", "true")
        for link in self.robot.findall("link"):
            inertia, mean = link.find("inertial/inertia"), balanced.get(link.get("name", ""))
            if inertia is not None and mean is not None:
                inertia.attrib.update({key: repr(mean) if key in _MOMENTS[:3] else "0" for key in _MOMENTS})
        for name, mesh in self.meshes.items():
            mesh.export(os.path.join(folder, f"{name}.stl"))
        path = os.path.join(folder, "robot.urdf")
        ElementTree.ElementTree(self.robot).write(path, encoding="utf-8", xml_declaration=True)
        return path

    def fail(self, text: str) -> NoReturn:
        raise refuse(self.path, text)

    # --- the file as a whole -------------------------------------------------------------------------------------

    def _parse(self) -> ElementTree.Element:
        try:
            if os.path.getsize(self.path) > _MAX_BYTES:
                self.fail(f"more than {_MAX_BYTES // 1_000_000} MB, which no URDF has")
            root = ElementTree.parse(plain_file(self.path)).getroot()
        except (ElementTree.ParseError, ValueError, LookupError, OSError) as error:
            # A LookupError is an encoding that Python does not know.
            text = one_line(error).replace("unbound prefix", "unbound prefix (if it is xacro, make a URDF of it first)")
            raise refuse(self.path, text) from error
        # A default namespace, as Drake's files have it, is part of every tag.
        namespace = root.tag[: root.tag.find("}") + 1]
        for element in root.iter() if namespace else ():
            element.tag = element.tag.removeprefix(namespace) if isinstance(element.tag, str) else element.tag
        if root.tag != "robot":
            self.fail(f"not a URDF, its root element is <{root.tag}>, not <robot>")
        if any("xacro" in str(part.tag) or "${" in "".join(part.attrib.values()) for part in root.iter()):
            self.fail("it holds xacro macros: turn it into a URDF with the program xacro first")
        return root

    def _named(self, root: ElementTree.Element, tag: str) -> dict[str, ElementTree.Element]:
        """Return the robot's own elements of one kind by name; others of that tag are deeper, as in transmissions."""
        found: dict[str, ElementTree.Element] = {}
        for element in root.findall(tag):
            name = element.get("name", "")
            if not name or name in found:
                self.fail(f"two {tag}s are called '{name}'" if name else f"a {tag} without a name")
            parts = [part.tag for part in element if part.tag in _ONCE]
            if len(set(parts)) < len(parts):
                self.fail(f"{tag} '{name}': <{max(parts, key=parts.count)}> stands there twice")
            for part in element.iter():
                valid = _KNOWN.get(part.tag, ())
                for word in {*part.attrib, *(str(child.tag) for child in part)} - {*valid}:
                    if difflib.get_close_matches(word, valid, cutoff=0.75):
                        self.fail(f"{tag} '{name}': <{part.tag}> has no '{word}': {near_names(word, valid)}")
            found[name] = element
        return found

    def _take_mujoco(self, root: ElementTree.Element) -> tuple[str, ...]:
        """Merge MuJoCo's own element with ours; return the folder in which it looks for meshes."""
        ours = ElementTree.SubElement(ElementTree.SubElement(self.robot, "mujoco"), "compiler")
        folders = []
        for element in (child for extension in root.findall("mujoco") for child in extension):
            if element.tag != "compiler":
                self.fail(
                    f"<mujoco><{element.tag}> can't be used: the configuration's section 'sim' holds its settings"
                )
            for key, value in element.attrib.items():
                if key not in _COMPILER + _OURS and (key, value) != ("angle", "radian"):
                    self.fail(f"<mujoco><compiler {key}={value!r}> can't be used; valid: {', '.join(_COMPILER)}")
                if key in _COMPILER:
                    ours.set(key, value)
            folders.append(os.path.join(os.path.dirname(self.path), element.get("meshdir", "")))
        ours.set("discardvisual", "false")
        ours.set("fusestatic", "false")
        return tuple(folders)

    def _drop_world(self, links: dict[str, ElementTree.Element], joints: dict[str, ElementTree.Element]) -> None:
        """Leave out an empty link that stands for the world, of which the base moves freely anyway."""
        children = {_end(joint, "child") for joint in joints.values()}
        for name in [name for name in links if name not in children]:
            first = [joint for joint, element in joints.items() if _end(element, "parent") == name]
            empty = links[name].find("inertial") is None and links[name].find("collision") is None
            kind = joints[first[0]].get("type") if len(first) == 1 else None
            if empty and (kind == "floating" or (name == "world" and kind == "fixed")):
                del links[name], joints[first[0]]
        if "world" in links:
            self.fail("link 'world': only an empty root on one fixed or floating joint may be called so; rename it")

    def _check_tree(self, links: dict[str, ElementTree.Element], joints: dict[str, ElementTree.Element]) -> None:
        parent_of: dict[str, str] = {}
        for name, joint in joints.items():
            parent, child = _end(joint, "parent"), _end(joint, "child")
            for link in (parent, child):
                if link not in links:
                    self.fail(f"joint '{name}': no link '{link}'")
            if child in parent_of:
                self.fail(f"link '{child}' is the child of two joints, '{name}' and another")
            parent_of[child] = parent
        roots = [name for name in links if name not in parent_of]
        if len(roots) > 1:
            self.fail(f"{len(roots)} links have no parent, a robot has one: {', '.join(map(repr, roots[:5]))}")
        self._check_circle(parent_of, "link '{}' is its own ancestor: the joints go round in a circle")

    def _check_circle(self, before: Mapping[str, str], text: str) -> None:
        for name in sorted(before):
            steps, at = 0, name
            while at in before and steps <= len(before):
                steps, at = steps + 1, before[at]
            if steps > len(before):
                self.fail(text.format(name))

    # --- links and joints ----------------------------------------------------------------------------------------

    def _link(self, name: str, element: ElementTree.Element) -> None:
        where, link = f"link '{name}'", ElementTree.SubElement(self.robot, "link", name=name)
        inertial = element.find("inertial")
        if inertial is not None:
            self._inertial(where, inertial, ElementTree.SubElement(link, "inertial"))
        tags = ("visual", "collision") if self.visuals else ("collision",)
        for shape in (child for child in element if child.tag in tags):
            made = ElementTree.Element("link")
            try:
                self._shape(where, shape, made)
                link.extend(made)
            except UserError as error:
                # A faulty visual shape must not prevent training, which does not need it.
                if shape.tag == "collision":
                    raise
                self.undrawn.setdefault(name, str(error))

    def _inertial(self, where: str, element: ElementTree.Element, copy: ElementTree.Element) -> None:
        self._origin(where, element, copy)
        mass, inertia = element.find("mass"), element.find("inertia")
        if mass is None or inertia is None:
            self.fail(f"{where}: <inertial> without <{'mass' if mass is None else 'inertia'}>")
        if self._numbers(where, mass, "value", 1)[0] < 0.0:
            self.fail(f"{where}: mass {mass.get('value')} kg")
        _copy(mass, copy, "value")
        for key in _MOMENTS[:3]:
            self._numbers(where, inertia, key, 1)
        for key in _MOMENTS[3:]:
            self._numbers(where, inertia, key, 1, [0.0])
            inertia.set(key, inertia.get(key, "0"))
        _copy(inertia, copy, *_MOMENTS)

    def _shape(self, where: str, element: ElementTree.Element, link: ElementTree.Element) -> None:
        """Copy a visual or collision shape; its own name is left out, because scenes have names of their own."""
        geometry = element.find("geometry")
        if geometry is None or len(geometry) == 0:
            return
        shape = geometry[-1]
        if len(geometry) > 1:
            self.fail(f"{where}: <geometry> holds <{geometry[0].tag}> and <{shape.tag}>, and may hold one shape")
        if shape.tag not in _SHAPES:
            self.fail(f"{where}: no shape <{shape.tag}>; valid: {', '.join(_SHAPES)}")
        for key, count in _SHAPES[shape.tag].items():
            if min(self._numbers(where, shape, key, count)) <= 0.0:
                self.fail(f"{where}: <{shape.tag} {key}='{shape.get(key)}'> must be above 0")
        mesh = self._mesh(where, shape, element.tag == "collision") if shape.tag == "mesh" else None
        copy = ElementTree.SubElement(link, element.tag)
        self._origin(where, element, copy)
        geometry = ElementTree.SubElement(copy, "geometry")
        if mesh is not None:
            ElementTree.SubElement(geometry, "mesh", filename=f"{mesh}.stl")
        else:
            _copy(shape, geometry, *_SHAPES[shape.tag])
        material = element.find("material")
        if material is not None and element.tag == "visual":
            self._colour(where, material, copy)

    def _mesh(self, where: str, element: ElementTree.Element, hull: bool) -> str:
        """Read a mesh, and return the name under which it is kept."""
        scale = tuple(self._numbers(where, element, "scale", 3, [1.0, 1.0, 1.0]))
        if 0.0 in scale:
            self.fail(f"{where}: <mesh scale='{element.get('scale')}'>")
        name = f"mesh{len(self.meshes)}"
        try:
            path = find_mesh(element.get("filename", ""), self.path, self._mesh_folders)
            self.meshes[name] = read_mesh(path, scale, hull)
        except MeshError as error:
            self.fail(f"{where}: {error}")
        return name

    def _colour(self, where: str, element: ElementTree.Element, parent: ElementTree.Element) -> None:
        material = ElementTree.SubElement(parent, "material", name=element.get("name", ""))
        colour = element.find("color")
        if colour is not None:
            self._numbers(where, colour, "rgba", 4)
            _copy(colour, material, "rgba")

    def _joint(self, name: str, element: ElementTree.Element) -> None:
        where, kind = f"joint '{name}'", element.get("type", "")
        if kind not in (*_MOVING, "fixed"):
            self.fail(f"{where}: no joints of type '{kind}' here; valid: {', '.join((*_MOVING, 'fixed'))}")
        copy = ElementTree.SubElement(self.robot, "joint", name=name, type=kind)
        for tag in ("parent", "child"):
            ElementTree.SubElement(copy, tag, link=_end(element, tag))
        self._origin(where, element, copy)
        if kind == "fixed":
            return
        axis, limit, dynamics, mimic = (element.find(tag) for tag in ("axis", "limit", "dynamics", "mimic"))
        if mimic is not None:
            if mimic.get("joint") not in self.moving - {name}:
                self.fail(f"{where}: it mimics '{mimic.get('joint')}', which is no other joint that moves")
            for key in ("multiplier", "offset"):
                self._numbers(where, mimic, key, 1, [1.0])
            _copy(mimic, copy, "joint", "multiplier", "offset")
        if axis is not None:
            if not any(self._numbers(where, axis, "xyz", 3)):
                self.fail(f"{where}: its axis is zero")
            _copy(axis, copy, "xyz")
        if limit is not None:
            self._limit(name, kind, limit, ElementTree.SubElement(copy, "limit"))
        if dynamics is not None:
            for key in ("damping", "friction"):
                if self._numbers(where, dynamics, key, 1, [0.0])[0] < 0.0:
                    self.fail(f"{where}: {key} {dynamics.get(key)} must be 0 or more")
            for key in {*dynamics.attrib} - {"damping", "friction"}:
                if self._numbers(where, dynamics, key, 1)[0] != 0.0:
                    self.fail(f"{where}: <dynamics {key}='{dynamics.get(key)}'> is not simulated; an MJCF file has it")
            _copy(dynamics, copy, "damping", "friction")

    def _limit(self, name: str, kind: str, limit: ElementTree.Element, copy: ElementTree.Element) -> None:
        """Copy a joint's limits; what is not there is not limited."""
        where = f"joint '{name}'"
        if kind != "continuous" and ("lower" in limit.attrib or "upper" in limit.attrib):
            lower, upper = (self._numbers(where, limit, key, 1, [0.0], True)[0] for key in ("lower", "upper"))
            if not lower < upper:
                self.fail(f"{where}: lower limit {lower:g} is not below upper limit {upper:g}; make it fixed or free")
            if math.isinf(lower) != math.isinf(upper):
                self.fail(f"{where}: limits {lower:g} and {upper:g}; a joint is limited on both sides or on none")
            if math.isfinite(lower):
                copy.attrib.update({key: limit.get(key, "0") for key in ("lower", "upper")})
        for key, unit in (("effort", "N·m"), ("velocity", "rad/s")):
            value = self._numbers(where, limit, key, 1, [math.inf], True)[0]
            if value <= 0.0:
                self.fail(f"{where}: {key} {value:g} {unit}, so no motor could move it; leave it out for no limit")
            if math.isfinite(value):
                copy.set(key, limit.attrib[key])
        if "velocity" in copy.attrib:
            self.velocity_limits[name] = float(copy.attrib["velocity"])

    def _origin(self, where: str, element: ElementTree.Element, parent: ElementTree.Element) -> None:
        origin = element.find("origin")
        if origin is not None:
            for key in ("xyz", "rpy"):
                self._numbers(where, origin, key, 3, [0.0, 0.0, 0.0])
            others = {*origin.attrib} - {"xyz", "rpy"} | {str(child.tag) for child in origin}
            if others or (origin.text or "").strip():
                self.fail(f"{where}: <origin> takes 'xyz' and 'rpy', got '{min(others, default=origin.text)}'")
            _copy(origin, parent, "xyz", "rpy")

    def _numbers(
        self, where: str, element: ElementTree.Element, key: str, count: int, default: Sequence[float] = (),
        infinite: bool = False,
    ) -> Sequence[float]:  # fmt: skip
        text = element.get(key)
        if text is None:
            if not default:
                self.fail(f"{where}: <{element.tag}> without '{key}'")
            return default
        try:
            values = [float(word) for word in text.split()]
        except ValueError:
            values = []
        # Python reads more than XML's numbers: 1_0 and other alphabets' digits.
        if (
            "_" in text
            or not text.isascii()
            or len(values) != count
            or any(math.isnan(x) or (math.isinf(x) and not infinite) for x in values)
        ):
            self.fail(f"{where}: <{element.tag} {key}='{text}'> must be {count} finite number{'s'[: count > 1]}")
        return values


def _end(joint: ElementTree.Element, tag: str) -> str:
    end = joint.find(tag)
    return "" if end is None else end.get("link", "")


def _copy(element: ElementTree.Element, parent: ElementTree.Element, *keys: str) -> None:
    ElementTree.SubElement(parent, element.tag, {key: element.attrib[key] for key in keys if key in element.attrib})
