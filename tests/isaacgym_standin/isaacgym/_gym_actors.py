"""Gym: what actors consist of, and their properties."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from ._asset import Asset
from ._calls import gymcall
from ._enums import INVALID_HANDLE, IndexDomain
from ._gym_assets import index_of, item, shape_ranges
from ._params import (
    DOF_PROPERTIES,
    IndexRange,
    RigidBodyProperties,
    RigidShapeProperties,
    TendonProperties,
    body_properties,
    matrix_of,
)
from ._rules import broken, require
from ._scene import Actor, Env, Sim
from ._vectors import Vec3


def in_domain(actor: Actor, index: int, kind: str, domain: IndexDomain) -> int:
    """Return an actor's body or DOF index in a domain; ``kind`` is ``links`` or ``dofs``."""
    if index == INVALID_HANDLE or domain.name == "DOMAIN_ACTOR":
        return index
    first = actor.first_body if kind == "links" else actor.first_dof
    if domain.name == "DOMAIN_SIM":
        return first + index
    return index + sum(len(getattr(a.asset, kind)) for a in actor.env.actors[: actor.handle])


class ActorCalls:
    """``get_actor_``, ``set_actor_`` and ``find_actor_`` calls, but for states."""

    @gymcall
    def get_env(self, sim: Sim, index: int, /) -> Env:
        """Return an env."""
        return item(sim.envs, index, "get_env")

    @gymcall
    def get_env_count(self, sim: Sim, /) -> int:
        """Return the number of envs."""
        return len(sim.envs)

    @gymcall
    def get_env_origin(self, env: Env, /) -> Vec3:
        """Return where an env is."""
        return Vec3(*env.origin)

    @gymcall
    def get_env_rigid_body_count(self, env: Env, /) -> int:
        """Return the number of bodies in an env."""
        return env.num_bodies

    @gymcall
    def get_env_dof_count(self, env: Env, /) -> int:
        """Return the number of DOFs in an env."""
        return env.num_dofs

    @gymcall
    def get_env_joint_count(self, env: Env, /) -> int:
        """Return the number of joints in an env."""
        return sum(len(actor.asset.joints) for actor in env.actors)

    @gymcall
    def get_sim_actor_count(self, sim: Sim, /) -> int:
        """Return the number of actors."""
        return len(sim.actors)

    @gymcall
    def get_sim_rigid_body_count(self, sim: Sim, /) -> int:
        """Return the number of bodies."""
        return sim.num_bodies

    @gymcall
    def get_sim_dof_count(self, sim: Sim, /) -> int:
        """Return the number of DOFs."""
        return sim.num_dofs

    @gymcall
    def get_sim_joint_count(self, sim: Sim, /) -> int:
        """Return the number of joints."""
        return sum(len(actor.asset.joints) for actor in sim.actors)

    @gymcall
    def get_sim_force_sensor_count(self, sim: Sim, /) -> int:
        """Return the number of force sensors."""
        return sum(len(actor.asset.force_sensors) for actor in sim.actors)

    @gymcall
    def get_actor_count(self, env: Env, /) -> int:
        """Return the number of actors in an env."""
        return len(env.actors)

    @gymcall
    def get_actor_handle(self, env: Env, index: int, /) -> int:
        """Return the handle of an env's actor."""
        return env.actor(index).handle

    @gymcall
    def get_actor_name(self, env: Env, handle: int, /) -> str:
        """Return an actor's name."""
        return env.actor(handle).name

    @gymcall
    def get_actor_asset(self, env: Env, handle: int, /) -> Asset:
        """Return what an actor was made of."""
        return env.actor(handle).asset

    @gymcall
    def get_actor_index(self, env: Env, handle: int, domain: IndexDomain, /) -> int:
        """Return an actor's index."""
        actor = env.actor(handle)
        return actor.index if domain.name == "DOMAIN_SIM" else actor.handle

    @gymcall
    def find_actor_handle(self, env: Env, name: str, /) -> int:
        """Return the handle of the actor of this name."""
        return index_of([actor.name for actor in env.actors], name)

    @gymcall
    def find_actor_index(self, env: Env, name: str, domain: IndexDomain, /) -> int:
        """Return the index of the actor of this name."""
        handle = index_of([actor.name for actor in env.actors], name)
        return handle if handle < 0 or domain.name != "DOMAIN_SIM" else env.actors[handle].index

    @gymcall
    def get_actor_rigid_body_count(self, env: Env, handle: int, /) -> int:
        """Return the number of bodies."""
        return len(env.actor(handle).asset.links)

    @gymcall
    def get_actor_rigid_body_names(self, env: Env, handle: int, /) -> list[str]:
        """Return the bodies' names."""
        return env.actor(handle).asset.body_names

    @gymcall
    def get_actor_rigid_body_dict(self, env: Env, handle: int, /) -> dict[str, int]:
        """Return the bodies' indices by name."""
        return {name: i for i, name in enumerate(env.actor(handle).asset.body_names)}

    @gymcall
    def get_actor_rigid_body_handle(self, env: Env, handle: int, index: int, /) -> int:
        """Return the handle, which is the index in the env, of an actor's body."""
        actor = env.actor(handle)
        item(actor.asset.links, index, "get_actor_rigid_body_handle")
        return in_domain(actor, index, "links", IndexDomain.DOMAIN_ENV)

    @gymcall
    def get_actor_rigid_body_index(self, env: Env, handle: int, index: int, domain: IndexDomain, /) -> int:
        """Return a body's index."""
        item(env.actor(handle).asset.links, index, "get_actor_rigid_body_index")
        return in_domain(env.actor(handle), index, "links", domain)

    @gymcall
    def find_actor_rigid_body_handle(self, env: Env, handle: int, name: str, /) -> int:
        """Return the handle, which is the index in the env, of the body of this name."""
        actor = env.actor(handle)
        return in_domain(actor, index_of(actor.asset.body_names, name), "links", IndexDomain.DOMAIN_ENV)

    @gymcall
    def find_actor_rigid_body_index(self, env: Env, handle: int, name: str, domain: IndexDomain, /) -> int:
        """Return the index of the body of this name."""
        actor = env.actor(handle)
        return in_domain(actor, index_of(actor.asset.body_names, name), "links", domain)

    @gymcall
    def get_actor_root_rigid_body_handle(self, env: Env, handle: int, /) -> int:
        """Return the handle of the root."""
        return in_domain(env.actor(handle), 0, "links", IndexDomain.DOMAIN_ENV)

    @gymcall
    def get_actor_dof_count(self, env: Env, handle: int, /) -> int:
        """Return the number of DOFs."""
        return len(env.actor(handle).asset.dofs)

    @gymcall
    def get_actor_dof_names(self, env: Env, handle: int, /) -> list[str]:
        """Return the DOFs' names."""
        return env.actor(handle).asset.dof_names

    @gymcall
    def get_actor_dof_dict(self, env: Env, handle: int, /) -> dict[str, int]:
        """Return the DOFs' indices by name."""
        return {name: i for i, name in enumerate(env.actor(handle).asset.dof_names)}

    @gymcall
    def get_actor_dof_handle(self, env: Env, handle: int, index: int, /) -> int:
        """Return the handle, which is the index in the env, of a DOF."""
        item(env.actor(handle).asset.dofs, index, "get_actor_dof_handle")
        return in_domain(env.actor(handle), index, "dofs", IndexDomain.DOMAIN_ENV)

    @gymcall
    def get_actor_dof_index(self, env: Env, handle: int, index: int, domain: IndexDomain, /) -> int:
        """Return a DOF's index."""
        item(env.actor(handle).asset.dofs, index, "get_actor_dof_index")
        return in_domain(env.actor(handle), index, "dofs", domain)

    @gymcall
    def find_actor_dof_handle(self, env: Env, handle: int, name: str, /) -> int:
        """Return the handle, which is the index in the env, of the DOF of this name."""
        actor = env.actor(handle)
        return in_domain(actor, index_of(actor.asset.dof_names, name), "dofs", IndexDomain.DOMAIN_ENV)

    @gymcall
    def find_actor_dof_index(self, env: Env, handle: int, name: str, domain: IndexDomain, /) -> int:
        """Return the index of the DOF of this name."""
        actor = env.actor(handle)
        return in_domain(actor, index_of(actor.asset.dof_names, name), "dofs", domain)

    @gymcall
    def get_actor_joint_count(self, env: Env, handle: int, /) -> int:
        """Return the number of joints."""
        return len(env.actor(handle).asset.joints)

    @gymcall
    def get_actor_joint_names(self, env: Env, handle: int, /) -> list[str]:
        """Return the joints' names."""
        return [joint.name for joint in env.actor(handle).asset.joints]

    @gymcall
    def get_actor_joint_dict(self, env: Env, handle: int, /) -> dict[str, int]:
        """Return the joints' indices by name."""
        return {joint.name: i for i, joint in enumerate(env.actor(handle).asset.joints)}

    @gymcall
    def find_actor_joint_handle(self, env: Env, handle: int, name: str, /) -> int:
        """Return the index of the joint of this name."""
        return index_of([joint.name for joint in env.actor(handle).asset.joints], name)

    @gymcall
    def get_actor_rigid_shape_count(self, env: Env, handle: int, /) -> int:
        """Return the number of shapes."""
        return len(env.actor(handle).shape_props)

    @gymcall
    def get_actor_rigid_body_shape_indices(self, env: Env, handle: int, /) -> list[IndexRange]:
        """Return which shapes each body has."""
        return shape_ranges(env.actor(handle).asset.shape_counts)

    @gymcall
    def get_actor_dof_properties(self, env: Env, handle: int, /) -> np.ndarray:
        """Return a copy of the DOFs' properties."""
        return env.actor(handle).dof_props.copy()

    @gymcall
    def set_actor_dof_properties(self, env: Env, handle: int, props: Any, /) -> bool:
        """Set the DOFs' properties."""
        actor = env.actor(handle)
        if not isinstance(props, np.ndarray) or props.dtype.names != DOF_PROPERTIES.names:
            fields = getattr(getattr(props, "dtype", None), "names", None) or type(props).__name__
            raise TypeError(
                "set_actor_dof_properties(): incompatible function arguments: needs an array with the fields"
                f" {', '.join(DOF_PROPERTIES.names or ())}, as get_actor_dof_properties returns it, not {fields}"
            )
        count = len(actor.asset.dofs)
        require(len(props) == count, f"set_actor_dof_properties: {len(props)} properties for {count} DOFs")
        modes = np.unique(props["driveMode"])
        require(bool(np.isin(modes, [0, 1, 2, 3]).all()), f"set_actor_dof_properties: driveMode is one of 0-3: {modes}")
        for name in ("stiffness", "damping", "armature", "friction", "effort", "velocity"):
            require(bool((props[name] >= 0).all()), f"set_actor_dof_properties: {name} must not be negative")
        actor.dof_props = props.astype(DOF_PROPERTIES)
        return self._changed(actor)

    @gymcall
    def get_actor_rigid_body_properties(self, env: Env, handle: int, /) -> list[RigidBodyProperties]:
        """Return a copy of the bodies' properties."""
        return copy.deepcopy(env.actor(handle).body_props)

    @gymcall
    def set_actor_rigid_body_properties(
        self,
        env: Env,
        actorHandle: int,
        props: list[RigidBodyProperties],
        recomputeInertia: bool = False,
    ) -> bool:
        """Set the bodies' properties; ``recomputeInertia`` scales a body's inertia with its mass."""
        actor = env.actor(actorHandle)
        old = actor.body_props
        require(len(props) == len(old), f"set_actor_rigid_body_properties: {len(props)} for {len(old)} bodies")
        new = []
        for before, given in zip(old, props):
            require(given.mass >= 0, f"set_actor_rigid_body_properties: mass {given.mass} is negative")
            inertia = matrix_of(given.inertia)
            if recomputeInertia and before.mass > 0:
                inertia = matrix_of(before.inertia) * (given.mass / before.mass)
            com = np.array([given.com.x, given.com.y, given.com.z])
            new.append(body_properties(given.mass, com, inertia, given.flags))
        actor.body_props = new
        return self._changed(actor)

    @gymcall
    def get_actor_rigid_shape_properties(self, env: Env, handle: int, /) -> list[RigidShapeProperties]:
        """Return a copy of the shapes' properties."""
        return copy.deepcopy(env.actor(handle).shape_props)

    @gymcall
    def set_actor_rigid_shape_properties(self, env: Env, handle: int, props: list[RigidShapeProperties], /) -> bool:
        """Set the shapes' properties."""
        actor = env.actor(handle)
        count = len(actor.shape_props)
        require(len(props) == count, f"set_actor_rigid_shape_properties: {len(props)} for {count} shapes")
        actor.shape_props = copy.deepcopy(props)
        return self._changed(actor)

    @gymcall
    def get_actor_scale(self, env: Env, handle: int, /) -> float:
        """Return an actor's scale."""
        return env.actor(handle).scale

    @gymcall
    def set_actor_scale(self, env: Env, handle: int, scale: float, /) -> bool:
        """Only a scale of 1 is in the stand-in."""
        if scale != 1.0:
            broken("set_actor_scale: scales other than 1 are not in the stand-in")
        return True

    @gymcall
    def get_actor_tendon_count(self, env: Env, handle: int, /) -> int:
        """Return 0: the stand-in has no tendons."""
        return 0

    @gymcall
    def get_actor_tendon_properties(self, env: Env, handle: int, /) -> list[TendonProperties]:
        """Return none."""
        return []

    @gymcall
    def set_actor_tendon_properties(self, env: Env, handle: int, props: list[TendonProperties], /) -> bool:
        """Take none."""
        require(not props, "set_actor_tendon_properties: the stand-in has no tendons")
        return True

    def _changed(self, actor: Actor) -> bool:
        if actor.env.sim.world is not None:
            actor.env.sim.world.update_actor(actor)
        return True
