"""Gym: seldom used calls, and those that the stand-in leaves out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ._asset import Asset
from ._calls import gymcall
from ._contacts import read_list
from ._enums import IndexDomain
from ._gym_assets import index_of, item
from ._gym_states import classic
from ._params import RIGID_CONTACT, ActuatorProperties
from ._rules import broken, require
from ._scene import Env, Sim, Viewer
from ._sensors import read
from ._vectors import SpatialForce, Transform, Vec3

LEFT_OUT = set(
    [
        "acquire_particle_state_tensor",
        "acquire_pneumatic_pressure_tensor",
        "acquire_pneumatic_target_tensor",
        "attach_sim",
        "create_aggregate",
        "create_cloth_grid",
        "create_rigid_body_attractor",
        "create_tet_grid",
        "create_usd_exporter",
        "destroy_usd_exporter",
        "draw_env_soft_contacts",
        "export_usd_asset",
        "export_usd_sim",
        "find_actor_fixed_tendon_joint_index",
        "find_actor_tendon_index",
        "find_asset_tendon_index",
        "get_actor_dof_frames",
        "get_actor_fixed_tendon_joint_coefficients",
        "get_actor_fixed_tendon_joint_name",
        "get_actor_joint_transforms",
        "get_actor_soft_body_count",
        "get_actor_soft_materials",
        "get_actor_tendon_name",
        "get_actor_tendon_offset",
        "get_actor_tetrahedra_range",
        "get_actor_triangle_range",
        "get_asset_fixed_tendon_joint_coefficients",
        "get_asset_fixed_tendon_joint_name",
        "get_asset_soft_materials",
        "get_asset_tendon_name",
        "get_asset_tendon_properties",
        "get_attractor_properties",
        "get_dof_frame",
        "get_joint_handle",
        "get_joint_name",
        "get_joint_position",
        "get_joint_target_position",
        "get_joint_target_velocity",
        "get_joint_transform",
        "get_joint_velocity",
        "get_pneumatic_pressure",
        "get_pneumatic_target",
        "get_rigid_body_texture",
        "get_sensor",
        "get_sim_tetrahedra",
        "get_sim_tetrahedra_count",
        "get_sim_triangle_count",
        "get_sim_triangles",
        "get_soft_contacts",
        "get_usd_export_root",
        "get_vec_actor_dof_states",
        "get_vec_env_rigid_contact_forces",
        "get_vec_rigid_angular_velocity",
        "get_vec_rigid_linear_velocity",
        "get_vec_rigid_transform",
        "load_opensim",
        "load_sim",
        "load_usd",
        "omni_connect",
        "omni_disconnect",
        "refresh_particle_state_tensor",
        "refresh_pneumatic_pressure_tensor",
        "refresh_pneumatic_target_tensor",
        "reset_actor_particles_to_rest",
        "set_actor_fixed_tendon_joint_coefficients",
        "set_actor_soft_materials",
        "set_actor_tendon_offset",
        "set_asset_fixed_tendon_joint_coefficients",
        "set_asset_tendon_properties",
        "set_attractor_properties",
        "set_attractor_target",
        "set_joint_target_position",
        "set_joint_target_velocity",
        "set_particle_state_tensor",
        "set_particle_state_tensor_indexed",
        "set_pneumatic_pressure",
        "set_pneumatic_pressure_tensor",
        "set_pneumatic_pressure_tensor_indexed",
        "set_pneumatic_target",
        "set_pneumatic_target_tensor",
        "set_pneumatic_target_tensor_indexed",
        "set_usd_export_root",
    ]
)
"""Functions that Isaac Gym has and the stand-in has not."""


class ForceSensor:
    """One force sensor of one actor."""

    def __init__(self, env: Env, handle: int, number: int) -> None:
        """Name it."""
        self._env, self._handle, self._number = env, handle, number

    def get_forces(self) -> SpatialForce:
        """Return what it measures now."""
        values = read(classic(self._env.sim, "get_forces"), self._env.actor(self._handle))[self._number]
        out: Any = SpatialForce()
        out.force, out.torque = Vec3(*values[:3]), Vec3(*values[3:])
        return out

    def get_global_index(self) -> int:
        """Return its row in the tensor of force sensors."""
        actor = self._env.actor(self._handle)
        before = self._env.sim.actors[: actor.index]
        return sum(len(other.asset.force_sensors) for other in before) + self._number


class MoreCalls:
    """Calls that few programs make."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name in LEFT_OUT:
            return lambda *args, **kwargs: broken(f"{name} is one of Isaac Gym's functions, but not in the stand-in")
        raise AttributeError(f"'Gym' object has no attribute '{name}'")

    @gymcall
    def get_actor_force_sensor_count(self, env: Env, handle: int, /) -> int:
        """Return the number of force sensors."""
        return len(env.actor(handle).asset.force_sensors)

    @gymcall
    def get_actor_force_sensor(self, env: Env, handle: int, index: int, /) -> ForceSensor:
        """Return a force sensor."""
        item(env.actor(handle).asset.force_sensors, index, "get_actor_force_sensor")
        return ForceSensor(env, handle, index)

    @gymcall
    def get_actor_joint_handle(self, env: Env, handle: int, index: int, /) -> int:
        """Return the handle, which is the index in the env, of a joint."""
        return self.get_actor_joint_index(env, handle, index, IndexDomain.DOMAIN_ENV)

    @gymcall
    def get_actor_joint_index(self, env: Env, handle: int, index: int, domain: IndexDomain, /) -> int:
        """Return a joint's index."""
        actor = env.actor(handle)
        item(actor.asset.joints, index, "get_actor_joint_index")
        before = {"DOMAIN_ENV": env.actors[: actor.handle], "DOMAIN_SIM": env.sim.actors[: actor.index]}
        return index + sum(len(other.asset.joints) for other in before.get(domain.name, []))

    @gymcall
    def find_actor_joint_index(self, env: Env, handle: int, name: str, domain: IndexDomain, /) -> int:
        """Return the index of the joint of this name."""
        index = index_of([joint.name for joint in env.actor(handle).asset.joints], name)
        return index if index < 0 else self.get_actor_joint_index(env, handle, index, domain)

    @gymcall
    def get_actor_actuator_count(self, env: Env, handle: int, /) -> int:
        """Return the number of actuators."""
        return len(env.actor(handle).asset.actuators)

    @gymcall
    def get_actor_actuator_name(self, env: Env, handle: int, index: int, /) -> str:
        """Return an actuator's name."""
        return item(env.actor(handle).asset.actuators, index, "get_actor_actuator_name")[0]

    @gymcall
    def get_actor_actuator_joint_name(self, env: Env, handle: int, index: int, /) -> str:
        """Return the name of the joint that an actuator moves."""
        return item(env.actor(handle).asset.actuators, index, "get_actor_actuator_joint_name")[1]

    @gymcall
    def get_actor_actuator_properties(self, env: Env, handle: int, /) -> list[ActuatorProperties]:
        """Return the actuators' properties."""
        return [actuator[2] for actuator in env.actor(handle).asset.actuators]

    @gymcall
    def find_actor_actuator_index(self, env: Env, handle: int, name: str, /) -> int:
        """Return the index of the actuator of this name."""
        return index_of([actuator[0] for actuator in env.actor(handle).asset.actuators], name)

    @gymcall
    def get_rigid_handle(self, env: Env, actor: str, body: str, /) -> int:
        """Return the handle of a body by its actor's and its own name."""
        handle = index_of([each.name for each in env.actors], actor)
        return handle if handle < 0 else self.find_actor_rigid_body_handle(env, handle, body)

    @gymcall
    def get_rigid_name(self, env: Env, body: int, /) -> str:
        """Return the name of a body by its handle."""
        return item([name for actor in env.actors for name in actor.asset.body_names], body, "get_rigid_name")

    @gymcall
    def set_rigid_transform(self, env: Env, body: int, pose: Transform, /) -> None:
        """Move an actor's root."""
        self._set_root(env, body, "set_rigid_transform", slice(0, 7), [*_xyz(pose.p), *_xyz(pose.r), pose.r.w])

    @gymcall
    def set_rigid_linear_velocity(self, env: Env, body: int, velocity: Vec3, /) -> None:
        """Set an actor's root's linear velocity."""
        self._set_root(env, body, "set_rigid_linear_velocity", slice(7, 10), _xyz(velocity))

    @gymcall
    def set_rigid_angular_velocity(self, env: Env, body: int, velocity: Vec3, /) -> None:
        """Set an actor's root's angular velocity."""
        self._set_root(env, body, "set_rigid_angular_velocity", slice(10, 13), _xyz(velocity))

    def _set_root(self, env: Env, body: int, call: str, columns: slice, values: list[float]) -> None:
        first = env.actors[0].first_body
        roots = [actor for actor in env.actors if actor.first_body - first == body]
        require(bool(roots), f"{call}: body {body} is no actor's root, and only those can be moved")
        world = classic(env.sim, call, env)
        states = world.roots()
        states[roots[0].index, columns] = values
        world.set_roots(states, [roots[0].index])

    @gymcall
    def get_dof_target_position(self, env: Env, dof: int, /) -> float:
        """Return a DOF's position target."""
        return float(
            classic(env.sim, "get_dof_target_position", env).control("positions")[env.actors[0].first_dof + dof]
        )

    @gymcall
    def get_dof_target_velocity(self, env: Env, dof: int, /) -> float:
        """Return a DOF's velocity target."""
        return float(
            classic(env.sim, "get_dof_target_velocity", env).control("velocities")[env.actors[0].first_dof + dof]
        )

    @gymcall
    def get_env_rigid_contacts(self, env: Env, /) -> np.ndarray:
        """Return the contacts in an env."""
        return read_list(classic(env.sim, "get_env_rigid_contacts"), env)

    @gymcall
    def get_rigid_contacts(self, sim: Sim, /) -> np.ndarray:
        """Return all contacts."""
        world = classic(sim, "get_rigid_contacts")
        return np.concatenate([np.zeros(0, dtype=RIGID_CONTACT), *(read_list(world, env) for env in sim.envs)])

    @gymcall
    def debug_print_asset(self, asset: Asset, outpath: str = "") -> None:
        """Print an asset's links and joints."""
        print("\n".join([*asset.body_names, *(joint.name for joint in asset.joints)]))

    @gymcall
    def draw_env_rigid_contacts(self, viewer: Viewer, env: Env, color: Vec3, scale: float, sync: bool, /) -> None:
        """Do nothing."""

    @gymcall
    def destroy_env(self, env: Env, /) -> None:
        """Do nothing: its sim goes on."""

    @gymcall
    def destroy_performance_timers(self, sim: Sim, handle: int, /) -> None:
        """Do nothing."""

    @gymcall
    def set_sim_device(self, sim: Sim, /) -> None:
        """Do nothing."""

    @gymcall
    def free_texture(self, sim: Sim, texture: int, /) -> None:
        """Do nothing."""

    @gymcall
    def get_rigid_body_segmentation_id(self, env: Env, actor: int, body: int, /) -> int:
        """Return the actor's."""
        return env.actor(actor).segmentation


def _xyz(vector: Any) -> list[float]:
    return [vector.x, vector.y, vector.z]
