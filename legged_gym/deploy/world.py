"""Plain MuJoCo with one robot, its ground, and its motors' limits."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import mujoco
import numpy as np
from numpy.typing import ArrayLike

from legged_gym.common.errors import UserError, near_names
from legged_gym.deploy.controller import Sensors
from legged_gym.evaluation.scenarios import PLANE
from legged_gym.evaluation.terrain import SCALE, TERRAINS, TILE_SIZE
from legged_gym.policies.exported import BUILT_IN, TYPICAL_JOINT
from legged_gym.simulators.mujoco_model import HeightField, build_scene

_STANCE = 0.2
"""Largest distance of the feet from the base at the start, m."""

_MARGIN = 2.0
"""Uneven ground extends this far beyond the distance that the robot may walk, m."""


_FIELDS = {"armature": "dof_armature", "damping": "dof_damping", "friction": "dof_frictionloss"}
"""MuJoCo's names."""


@dataclass(frozen=True)
class WorldSettings:
    """The robot's body and its ground."""

    urdf: str
    body: dict[str, float] = field(default_factory=lambda: dict(BUILT_IN["body"]))
    """Settings of the robot's model, as in training; see :class:`~legged_gym.policies.exported.ControllerConfig`."""
    dt: float = 0.001
    """Physics step, s."""
    friction: float = 1.0
    """Coulomb friction of the ground."""
    payload: float = 0.0
    """Mass added to the base, kg; its inertia grows in proportion, as in training."""
    com_shift: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Added to the base's centre of mass, m."""
    ground: str = PLANE
    """``plane``, or a key of :data:`legged_gym.evaluation.terrain.TERRAINS`."""
    reach: float = 8.0
    """Distance that the robot may walk from the start, m."""
    contact_force: float = 1.0
    """A link other than a foot is in contact if its force is above this, N."""
    joint_armature: float | tuple[float, ...] = TYPICAL_JOINT["armature"]
    """Reflected inertia of the rotors, kg·m²: for all joints, or for each in the controller's order."""
    joint_damping: float | tuple[float, ...] = TYPICAL_JOINT["damping"]
    """N·m·s/rad."""
    joint_friction: float | tuple[float, ...] = TYPICAL_JOINT["friction"]
    """N·m."""


@dataclass
class Truth:
    """The robot's state at one instant."""

    position: np.ndarray
    """Base, m, world frame, (3,)."""
    quat: np.ndarray
    """Base, wxyz, (4,)."""
    lin_vel: np.ndarray
    """Of the base's origin, m/s, base frame, (3,)."""
    ang_vel: np.ndarray
    """rad/s, base frame, (3,)."""
    dof_pos: np.ndarray
    """rad, (D,)."""
    dof_vel: np.ndarray
    """rad/s, (D,)."""
    foot_forces: np.ndarray
    """Net contact force of each foot, N, (F,)."""
    foot_pos: np.ndarray
    """Position of each foot's origin, m, world frame, (F, 3)."""
    sole_vel: np.ndarray
    """Horizontal velocity of the point of each foot that is on the ground below its origin, m/s, (F, 2)."""
    fallen: bool
    """Whether a link other than a foot touches the ground."""


class World:
    """Simulates one robot."""

    def __init__(self, settings: WorldSettings, joint_names: list[str], foot_names: list[str]) -> None:
        """Build the scene; ``foot_names`` are the links that may touch the ground.

        Raises:
            UserError: The URDF can't be read or lacks a joint or a foot, or a setting is not valid.
        """
        _check(settings)
        self.settings = settings
        self.cfg = _scene_cfg(settings, foot_names)
        self.terrain = _uneven_ground(settings) if settings.ground != PLANE else None
        self.scene = build_scene(self.cfg, self.terrain)
        self.model = self.scene.model
        self._find(joint_names, foot_names)
        self._set_body()
        self.data = mujoco.MjData(self.model)

    @property
    def mass(self) -> float:
        """Mass of the robot with its payload, kg."""
        return float(self.model.body_subtreemass[self._base])

    def place(
        self,
        dof_pos: np.ndarray,
        position: ArrayLike = (0.0, 0.0),
        attitude: ArrayLike = (0.0, 0.0, 0.0),
        velocity: ArrayLike = (0.0,) * 6,
        height: float = 0.0,
    ) -> None:
        """Put the robot onto the ground.

        Args:
            dof_pos: Joint angles, rad, (D,).
            position: Position of the base, m, world frame, (2,).
            attitude: Roll, pitch and yaw of the base, rad, (3,).
            velocity: Velocity of the base, linear, m/s, and angular, rad/s, world frame, (6,).
            height: Height of the lowest sole above the highest ground nearby, m.
        """
        data, place = self.data, np.asarray(position, float)
        mujoco.mj_resetData(self.model, data)
        data.qpos[:3] = [*place, 0.0]
        # Capital letters are rotations about the world's axes, in this order.
        mujoco.mju_euler2Quat(data.qpos[3:7], np.asarray(attitude, float), "XYZ")
        data.qpos[self._qpos] = dof_pos
        mujoco.mj_kinematics(self.model, data)
        data.qpos[2] = height + self._highest_ground(place) - self._lowest_point()
        linear, angular = np.split(np.asarray(velocity, float), 2)
        data.qvel[:3] = linear
        data.qvel[3:6] = data.xmat[self._base].reshape(3, 3).T @ angular
        mujoco.mj_forward(self.model, data)

    def addresses(self) -> dict[str, Any]:
        """Return addresses of joints, sensors and soles in MuJoCo's arrays, and the motors' limits, as lists."""
        return {
            "qpos": self._qpos.tolist(), "qvel": self._qvel.tolist(), "efforts": self.torque_limits.tolist(),
            "foot_sensors": list(self._foot_sensors), "sole_geoms": self._soles.tolist(),
        }  # fmt: skip

    def sense(self) -> Sensors:
        """Return the measurements of perfect sensors."""
        qpos, qvel = self.data.qpos, self.data.qvel
        return Sensors(qpos[3:7].copy(), qvel[3:6].copy(), qpos[self._qpos].copy(), qvel[self._qvel].copy())

    def encoders(self) -> tuple[np.ndarray, np.ndarray]:
        """Return joint angles, rad, and velocities, rad/s, both (D,), from the motors' encoders."""
        return self.data.qpos[self._qpos], self.data.qvel[self._qvel]

    def limit(self, torques: np.ndarray) -> np.ndarray:
        """Return these torques within the motors' limits, N·m, (D,)."""
        return np.clip(torques, -self.torque_limits, self.torque_limits)

    def step(self, torques: np.ndarray) -> None:
        """Advance by ``settings.dt`` with these joint torques, N·m, (D,)."""
        self.data.qfrc_applied[self._qvel] = torques
        mujoco.mj_step(self.model, self.data)

    def push(self, velocity: np.ndarray) -> None:
        """Add to the base's velocity, m/s, world frame, (2,)."""
        self.data.qvel[:2] += velocity

    def truth(self) -> Truth:
        """Return the present state. MuJoCo's own derived values are of the last step's start."""
        mujoco.mj_forward(self.model, self.data)
        qpos, qvel = self.data.qpos, self.data.qvel
        rotation = self.data.xmat[self._base].reshape(3, 3)
        forces = np.linalg.norm(self.data.sensordata.reshape(-1, 3), axis=1)
        return Truth(
            position=qpos[:3].copy(), quat=qpos[3:7].copy(), lin_vel=rotation.T @ qvel[:3], ang_vel=qvel[3:6].copy(),
            dof_pos=qpos[self._qpos].copy(), dof_vel=qvel[self._qvel].copy(), foot_forces=forces[self._foot_sensors],
            foot_pos=self.data.xpos[self._feet], sole_vel=self._sole_velocities(),
            fallen=bool((forces[self._other_sensors] > self.settings.contact_force).any()),
        )  # fmt: skip

    def _find(self, joint_names: list[str], foot_names: list[str]) -> None:
        """Look up joints, feet and contact sensors by name."""
        scene, urdf = self.scene, self.settings.urdf
        if sorted(joint_names) != sorted(scene.dof_names):
            raise UserError(
                f"{urdf}: its joints are {', '.join(scene.dof_names)}, the policy's {', '.join(joint_names)}"
            )
        sensed = [self.model.sensor(i).name for i in range(self.model.nsensor)]
        for name in foot_names:
            if name not in sensed:
                raise UserError(f"{urdf}: no link '{name}' that can touch the ground, only {', '.join(sensed)}")
        joints = [self.model.joint(name) for name in joint_names]
        self._qpos = np.array([joint.qposadr[0] for joint in joints])
        self._qvel = np.array([joint.dofadr[0] for joint in joints])
        order = [scene.dof_names.index(name) for name in joint_names]
        self.torque_limits = scene.torque_limits[order]
        self._base = int(scene.body_ids[0])
        self._feet = [self.model.body(name).id for name in foot_names]
        self._soles = np.flatnonzero(np.isin(self.model.geom_bodyid, self._feet) & (self.model.geom_contype != 0))
        self._foot_sensors = [sensed.index(name) for name in foot_names]
        self.dof_vel_limits = scene.dof_vel_limits[order]
        self._other_sensors = [i for i, name in enumerate(sensed) if name not in foot_names]

    def _set_body(self) -> None:
        settings, model, base = self.settings, self.model, self._base
        model.geom_friction[self.scene.ground_id, 0] = settings.friction
        mass = model.body_mass[base] + settings.payload
        if mass <= 0.0:
            raise UserError(f"a payload of {settings.payload:g} kg: the base has only {model.body_mass[base]:.2f} kg")
        model.body_inertia[base] *= mass / model.body_mass[base]
        model.body_mass[base] = mass
        model.body_ipos[base] += settings.com_shift
        for name, place in _FIELDS.items():
            values = np.atleast_1d(getattr(settings, f"joint_{name}"))
            if len(values) not in (1, len(self._qvel)):
                raise UserError(f"joint {name} needs 1 or {len(self._qvel)} values, got {len(values)}")
            getattr(model, place)[self._qvel] = values
        mujoco.mj_setConst(model, mujoco.MjData(model))

    def _lowest_point(self) -> float:
        """Return the world z of the feet's lowest point, m, from the boxes around their shapes."""
        model, soles = self.model, self._soles
        up = self.data.geom_xmat[soles, 6:]
        centre, half = model.geom_aabb[soles, :3], model.geom_aabb[soles, 3:]
        return float((self.data.geom_xpos[soles, 2] + (up * centre).sum(1) - (abs(up) * half).sum(1)).min())

    def _highest_ground(self, position: np.ndarray) -> float:
        """Return the height of the highest ground that a foot could touch there, m."""
        steps = np.arange(-_STANCE, _STANCE + 0.01, 0.05)
        return max(self.ground_height(position + np.array((x, y))) for x in steps for y in steps)

    def ground_height(self, position: np.ndarray) -> float:
        """Return the ground's height at the grid point nearest to a position, m, (2 or more,)."""
        if self.terrain is None:
            return 0.0
        cell = np.rint((position[:2] - self.terrain.origin) / self.terrain.horizontal_scale).astype(int)
        cell = np.clip(cell, 0, len(self.terrain.heights) - 1)
        return float(self.terrain.heights[cell[0], cell[1]])

    def _sole_velocities(self) -> np.ndarray:
        velocity, result = np.zeros(6), np.zeros((len(self._feet), 2))
        for index, body in enumerate(self._feet):
            mujoco.mj_objectVelocity(self.model, self.data, mujoco.mjtObj.mjOBJ_XBODY, body, velocity, 0)
            position = self.data.xpos[body]
            below = np.array([0.0, 0.0, self.ground_height(position) - position[2]])
            result[index] = (velocity[3:] + np.cross(velocity[:3], below))[:2]
        return result


def check_ground(name: str) -> None:
    """Refuse a ground that does not exist."""
    if name not in (PLANE, *TERRAINS):
        raise UserError(f"no ground '{name}': {near_names(name, [PLANE, *TERRAINS])}")


def _uneven_ground(settings: WorldSettings) -> HeightField:
    """Make the evaluation's ground of that name, with the world's origin in its middle. It is always the same."""
    check_ground(settings.ground)
    half = math.ceil(max(settings.reach + _MARGIN, TILE_SIZE / 2) / SCALE)
    seed = list(TERRAINS).index(settings.ground)
    heights = TERRAINS[settings.ground](np.random.default_rng(seed), (2 * half + 1, 2 * half + 1))
    return HeightField(heights, SCALE, (-half * SCALE, -half * SCALE))


def _scene_cfg(settings: WorldSettings, foot_names: list[str]) -> SimpleNamespace:
    """Return the configuration for ``build_scene`` and drawings."""
    return SimpleNamespace(
        asset=SimpleNamespace(
            file=settings.urdf, foot_name=tuple(foot_names), fix_base_link=False, self_collisions=1, **settings.body
        ),
        init_state=SimpleNamespace(pos=[0.0, 0.0, 0.0], rot=[0.0, 0.0, 0.0, 1.0]),
        sim=SimpleNamespace(
            dt=settings.dt, gravity=[0.0, 0.0, -9.81], solver_iterations=100, line_search_iterations=50
        ),
        terrain=SimpleNamespace(friction=settings.friction),
        viewer=SimpleNamespace(pos=[0.9, -1.2, 0.35], lookat=[0.0, 0.0, -0.1]),
    )


def _check(settings: WorldSettings) -> None:
    for name in ("friction", "joint_armature", "joint_damping", "joint_friction"):
        for value in np.atleast_1d(getattr(settings, name)):
            if not 0.0 <= value < math.inf:
                raise UserError(f"{name.replace('_', ' ')} must be 0 or more, got {value:g}")
    if not math.isfinite(settings.payload):
        raise UserError(f"payload must be a mass in kg, got {settings.payload:g}")
