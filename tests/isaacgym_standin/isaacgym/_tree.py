"""A robot's tree of links, as assets are loaded into it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass
class Shape:
    """A collision shape in its link's frame."""

    kind: str
    """box (full edge lengths), sphere (radius), capsule and cylinder (radius, length), mesh (scale)."""
    size: tuple[float, ...]
    position: np.ndarray
    rotation: np.ndarray
    """(3, 3)."""
    file: str = ""
    friction: float = 1.0
    vertices: np.ndarray | None = None
    """Points of a mesh whose file MuJoCo can't read, (n, 3)."""


@dataclass
class Joint:
    """A joint between a link and its parent."""

    name: str
    kind: str
    """fixed, revolute, continuous, prismatic."""
    axis: np.ndarray
    position: np.ndarray
    """Of its anchor in the child's frame."""
    lower: float = 0.0
    upper: float = 0.0
    limited: bool = False
    effort: float = 0.0
    velocity: float = 0.0
    damping: float = 0.0
    friction: float = 0.0
    stiffness: float = 0.0
    armature: float = 0.0
    keep: bool = False
    """Not to be collapsed."""


@dataclass
class Link:
    """A link, where it sits in its parent, and what hangs on it."""

    name: str
    position: np.ndarray = field(default_factory=lambda: np.zeros(3))
    rotation: np.ndarray = field(default_factory=lambda: np.eye(3))
    joints: list[Joint] = field(default_factory=list)
    """Those that move it against its parent, none for a fixed one or the root."""
    fixed: Joint | None = None
    mass: float | None = None
    """kg; from the shapes' density when None."""
    com: np.ndarray = field(default_factory=lambda: np.zeros(3))
    inertia: np.ndarray = field(default_factory=lambda: np.zeros((3, 3)))
    """About the centre of mass in the link's axes."""
    shapes: list[Shape] = field(default_factory=list)
    children: list[Link] = field(default_factory=list)

    def joint_name(self) -> str:
        """Return the name of the joint that holds it, empty for the root."""
        joints = [self.fixed] if self.fixed else self.joints
        return joints[0].name if joints else ""

    def walk(self) -> list[Link]:
        """Return this link and all below it, depth first."""
        return [self, *(link for child in self.children for link in child.walk())]


def collapse_fixed(link: Link) -> None:
    """Merge links on fixed joints into their parents, as ``AssetOptions.collapse_fixed_joints`` does."""
    children: list[Link] = []
    for child in link.children:
        collapse_fixed(child)
        if child.fixed is None or child.fixed.keep:
            children.append(child)
        else:
            children.extend(_merge(link, child))
    # NVIDIA's importer orders a link's children by their joints' names, those that it took over, too.
    link.children = sorted(children, key=Link.joint_name)


def _merge(parent: Link, child: Link) -> list[Link]:
    """Move a child's mass and shapes to its parent; return the child's children in the parent's frame."""
    turn, shift = child.rotation, child.position
    if child.mass:
        _add_mass(parent, child.mass, turn @ child.com + shift, turn @ child.inertia @ turn.T)
    for shape in [*child.shapes]:
        shape.position = turn @ shape.position + shift
        shape.rotation = turn @ shape.rotation
        parent.shapes.append(shape)
    for grandchild in child.children:
        grandchild.position = turn @ grandchild.position + shift
        grandchild.rotation = turn @ grandchild.rotation
    return child.children


def _add_mass(link: Link, mass: float, com: np.ndarray, inertia: np.ndarray) -> None:
    if not link.mass:
        link.mass, link.com, link.inertia = mass, com, inertia
        return
    total = link.mass + mass
    centre = (link.mass * link.com + mass * com) / total
    link.inertia = link.inertia + inertia + _steiner(link.mass, link.com - centre) + _steiner(mass, com - centre)
    link.mass, link.com = total, centre


def _steiner(mass: float, arm: np.ndarray) -> np.ndarray:
    return mass * (arm @ arm * np.eye(3) - np.outer(arm, arm))
