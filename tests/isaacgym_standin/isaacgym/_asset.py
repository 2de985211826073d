"""Assets: what actors are made of."""

from __future__ import annotations

import copy
from typing import Any

import mujoco
import numpy as np

from ._enums import MEMBERS
from ._mjspec import add_tree
from ._params import (
    DOF_PROPERTIES,
    ActuatorProperties,
    AssetOptions,
    RigidBodyProperties,
    RigidShapeProperties,
    body_properties,
)
from ._tree import Joint, Link

_NO_LIMIT = np.finfo(np.float32).max


class Asset:
    """A robot or an object, with the properties that its actors start with."""

    def __init__(self, root: Link, options: AssetOptions, fixed: bool | None = None) -> None:
        """Work out masses and properties.

        Args:
            root: The tree of links.
            options: As given to ``load_asset``.
            fixed: Whether the root is welded to the world; as the options say when None.

        Raises:
            ValueError: MuJoCo can't make this.
        """
        self.root, self.options = root, copy.deepcopy(options)
        self.fixed = options.fix_base_link if fixed is None else fixed
        self.links = root.walk()
        self.joints: list[Joint] = [
            joint for link in self.links for joint in ([link.fixed] if link.fixed else link.joints)
        ]
        self.dofs: list[Joint] = [joint for link in self.links for joint in link.joints]
        self.actuators: list[tuple[str, str, ActuatorProperties]] = []
        self.force_sensors: list[tuple[int, Any, Any]] = []
        """Body, pose, properties of each."""
        self.shape_counts = [len(link.shapes) for link in self.links]
        self.shape_props = self._shape_props()
        self.body_props = self._body_props()
        self.in_use = False

    @property
    def body_names(self) -> list[str]:
        """Names of the links."""
        return [link.name for link in self.links]

    @property
    def dof_names(self) -> list[str]:
        """Names of the joints that move."""
        return [joint.name for joint in self.dofs]

    @property
    def articulated(self) -> bool:
        """Whether it has joints that move."""
        return bool(self.dofs)

    def add_to(self, spec: mujoco.MjSpec, prefix: str) -> None:
        """Add it to a MuJoCo scene; every name there begins with ``prefix``."""
        add_tree(spec, self.root, prefix, self.fixed, self.options.density, not self.options.disable_gravity)

    def dof_properties(self) -> np.ndarray:
        """Return the DOF properties it was loaded with, (D,)."""
        props = np.zeros(len(self.dofs), dtype=DOF_PROPERTIES)
        for row, joint in zip(props, self.dofs):
            row["hasLimits"] = joint.limited
            row["lower"], row["upper"] = (joint.lower, joint.upper) if joint.limited else (-_NO_LIMIT, _NO_LIMIT)
            row["driveMode"] = self.options.default_dof_drive_mode
            row["velocity"] = joint.velocity or _NO_LIMIT
            row["effort"] = joint.effort or _NO_LIMIT
            row["stiffness"], row["damping"], row["friction"] = joint.stiffness, joint.damping, joint.friction
            row["armature"] = joint.armature + self.options.armature
        return props

    def joint_type(self, joint: Joint) -> Any:
        """Return the JointType."""
        kinds = {"fixed": "JOINT_FIXED", "prismatic": "JOINT_PRISMATIC"}
        return MEMBERS[kinds.get(joint.kind, "JOINT_REVOLUTE")]

    def _shape_props(self) -> list[RigidShapeProperties]:
        out = []
        for link in self.links:
            for shape in link.shapes:
                props: Any = RigidShapeProperties()
                props.friction, props.thickness = shape.friction, self.options.thickness
                out.append(props)
        return out

    def _body_props(self) -> list[RigidBodyProperties]:
        spec = mujoco.MjSpec()
        spec.compiler.balanceinertia = True
        # Without a prefix, a link called "world" would clash with MuJoCo's.
        self.add_to(spec, "0/")
        model = spec.compile()
        flags = int(self.options.disable_gravity)
        out = []
        for i in range(1, model.nbody):
            turn = np.zeros(9)
            mujoco.mju_quat2Mat(turn, model.body_iquat[i])
            turn = turn.reshape(3, 3)
            inertia = turn @ np.diag(model.body_inertia[i]) @ turn.T
            out.append(body_properties(model.body_mass[i], model.body_ipos[i], inertia, flags))
        return out
