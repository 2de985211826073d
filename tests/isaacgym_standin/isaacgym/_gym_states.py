"""Gym: states and controls of single actors, without tensors."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._calls import Float32Array, gymcall
from ._draft import Draft
from ._enums import MEMBERS, STATE_POS, STATE_VEL, CoordinateSpace
from ._params import DOF_STATE, RIGID_BODY_STATE
from ._rules import broken, require
from ._scene import Actor, Env, Sim
from ._vectors import Transform, Vec3
from ._world import World

_HERE = Vec3()


def classic(sim: Sim, call: str, env: Env | None = None) -> Any:
    """Return the world, or during setup what will become of it; with an env, of that env only.

    Raises:
        RuleBroken: With the GPU pipeline these calls are over when simulation begins.
    """
    if sim.gpu_pipeline and sim.num_steps:
        name = "Gym" + "".join(part.capitalize() for part in call.split("_"))
        broken(f"Function {name} cannot be used with the GPU pipeline after simulation starts. Use the tensor API")
    if sim.world is None and env is not None:
        return Draft(sim, env)
    if sim.world is None:
        sim.world = World(sim)
    return sim.world


def _dofs(actor: Actor) -> slice:
    return slice(actor.first_dof, actor.first_dof + len(actor.asset.dofs))


def _as_states(rows: np.ndarray, flags: int) -> np.ndarray:
    rows = rows.astype(np.float32)
    if not flags & STATE_POS:
        rows[:, :7] = 0.0
    if not flags & STATE_VEL:
        rows[:, 7:] = 0.0
    return np.ascontiguousarray(rows).view(RIGID_BODY_STATE).reshape(-1)


class StateCalls:
    """States and controls by actor."""

    @gymcall
    def get_actor_dof_states(self, env: Env, handle: int, flags: int, /) -> np.ndarray:
        """Return an actor's DOF states."""
        actor = env.actor(handle)
        rows = classic(env.sim, "get_actor_dof_states", env).dofs()[_dofs(actor)]
        out = np.zeros(len(rows), dtype=DOF_STATE)
        out["pos"] = rows[:, 0] if flags & STATE_POS else 0.0
        out["vel"] = rows[:, 1] if flags & STATE_VEL else 0.0
        return out

    @gymcall
    def set_actor_dof_states(self, env: Env, handle: int, states: Any, flags: int, /) -> bool:
        """Set an actor's DOF states."""
        actor = env.actor(handle)
        if getattr(states, "dtype", None) != DOF_STATE:
            raise TypeError("set_actor_dof_states(): incompatible function arguments: needs an array of DofState.dtype")
        count = len(actor.asset.dofs)
        require(states.size == count, f"set_actor_dof_states: {states.size} states for {count} DOFs")
        world = classic(env.sim, "set_actor_dof_states", env)
        values = world.dofs()
        if flags & STATE_POS:
            values[_dofs(actor), 0] = states["pos"].ravel()
        if flags & STATE_VEL:
            values[_dofs(actor), 1] = states["vel"].ravel()
        world.set_dofs(values, [actor.index])
        return True

    @gymcall
    def get_actor_rigid_body_states(self, env: Env, handle: int, flags: int, /) -> np.ndarray:
        """Return the states of an actor's bodies."""
        actor = env.actor(handle)
        rows = classic(env.sim, "get_actor_rigid_body_states", env).bodies()
        return _as_states(rows[actor.first_body : actor.first_body + len(actor.asset.links)], flags)

    @gymcall
    def get_env_rigid_body_states(self, env: Env, flags: int, /) -> np.ndarray:
        """Return the states of all bodies in an env."""
        rows = classic(env.sim, "get_env_rigid_body_states", env).bodies()
        first = env.actors[0].first_body if env.actors else 0
        return _as_states(rows[first : first + env.num_bodies], flags)

    @gymcall
    def get_sim_rigid_body_states(self, sim: Sim, flags: int, /) -> np.ndarray:
        """Return the states of all bodies."""
        return _as_states(classic(sim, "get_sim_rigid_body_states").bodies(), flags)

    @gymcall
    def set_actor_rigid_body_states(self, env: Env, handle: int, states: Any, flags: int, /) -> bool:
        """Set an actor's root from the first of its bodies' states."""
        actor = env.actor(handle)
        self._check_states(states, len(actor.asset.links), "set_actor_rigid_body_states")
        return self._set_roots(env.sim, "set_actor_rigid_body_states", states, flags, [(actor, 0)])

    @gymcall
    def set_env_rigid_body_states(self, env: Env, states: Any, flags: int, /) -> bool:
        """Set the roots of all actors in an env."""
        self._check_states(states, env.num_bodies, "set_env_rigid_body_states")
        first = env.actors[0].first_body if env.actors else 0
        roots = [(actor, actor.first_body - first) for actor in env.actors]
        return self._set_roots(env.sim, "set_env_rigid_body_states", states, flags, roots)

    @gymcall
    def set_sim_rigid_body_states(self, sim: Sim, states: Any, flags: int, /) -> bool:
        """Set the roots of all actors."""
        self._check_states(states, sim.num_bodies, "set_sim_rigid_body_states")
        roots = [(actor, actor.first_body) for actor in sim.actors]
        return self._set_roots(sim, "set_sim_rigid_body_states", states, flags, roots)

    def _check_states(self, states: Any, count: int, call: str) -> None:
        if getattr(states, "dtype", None) != RIGID_BODY_STATE:
            raise TypeError(f"{call}(): incompatible function arguments: needs an array of RigidBodyState.dtype")
        require(states.size == count, f"{call}: {states.size} states for {count} bodies")

    def _set_roots(self, sim: Sim, call: str, states: Any, flags: int, actors: list[tuple[Actor, int]]) -> bool:
        world = classic(sim, call, actors[0][0].env if actors else None)
        values = world.roots()
        rows = np.ascontiguousarray(states).view(np.float32).reshape(-1, 13)
        for actor, row in actors:
            if flags & STATE_POS:
                values[actor.index, :7] = rows[row, :7]
            if flags & STATE_VEL:
                values[actor.index, 7:] = rows[row, 7:]
        world.set_roots(values, [actor.index for actor, _ in actors])
        return True

    @gymcall
    def get_rigid_transform(self, env: Env, body: int, /) -> Transform:
        """Return the pose of a body, by its handle in the env."""
        return Transform.from_buffer(self._body(env, body, "get_rigid_transform")[:7])

    @gymcall
    def get_rigid_linear_velocity(self, env: Env, body: int, /) -> Vec3:
        """Return the linear velocity of a body."""
        return Vec3(*self._body(env, body, "get_rigid_linear_velocity")[7:10])

    @gymcall
    def get_rigid_angular_velocity(self, env: Env, body: int, /) -> Vec3:
        """Return the angular velocity of a body."""
        return Vec3(*self._body(env, body, "get_rigid_angular_velocity")[10:13])

    def _body(self, env: Env, body: int, call: str) -> np.ndarray:
        require(0 <= body < env.num_bodies, f"{call}: body {body} of {env.num_bodies}")
        return classic(env.sim, call, env).bodies()[env.actors[0].first_body + body].astype(np.float32)

    @gymcall
    def get_actor_dof_forces(self, env: Env, handle: int, /) -> np.ndarray:
        """Return the last step's forces on an actor's DOFs; zero unless their sensors were enabled."""
        world = classic(env.sim, "get_actor_dof_forces", env)
        return world.measured_dof_forces()[_dofs(env.actor(handle))].astype(np.float32)

    @gymcall
    def enable_actor_dof_force_sensors(self, env: Env, handle: int, /) -> bool:
        """Measure the forces on an actor's DOFs."""
        env.actor(handle).measures_dof_forces = True
        return True

    @gymcall
    def apply_actor_dof_efforts(self, env: Env, handle: int, efforts: Float32Array, /) -> bool:
        """Set the efforts of an actor's DOFs in DOF_MODE_EFFORT."""
        return self._control(env, handle, efforts, "apply_actor_dof_efforts", "efforts")

    @gymcall
    def set_actor_dof_position_targets(self, env: Env, handle: int, targets: Float32Array, /) -> bool:
        """Set the position targets of an actor's DOFs in DOF_MODE_POS."""
        return self._control(env, handle, targets, "set_actor_dof_position_targets", "positions")

    @gymcall
    def set_actor_dof_velocity_targets(self, env: Env, handle: int, targets: Float32Array, /) -> bool:
        """Set the velocity targets of an actor's DOFs in DOF_MODE_VEL."""
        return self._control(env, handle, targets, "set_actor_dof_velocity_targets", "velocities")

    @gymcall
    def get_actor_dof_position_targets(self, env: Env, handle: int, /) -> np.ndarray:
        """Return the position targets."""
        world = classic(env.sim, "get_actor_dof_position_targets", env)
        return world.control("positions")[_dofs(env.actor(handle))].astype(np.float32)

    @gymcall
    def get_actor_dof_velocity_targets(self, env: Env, handle: int, /) -> np.ndarray:
        """Return the velocity targets."""
        world = classic(env.sim, "get_actor_dof_velocity_targets", env)
        return world.control("velocities")[_dofs(env.actor(handle))].astype(np.float32)

    def _control(self, env: Env, handle: int, values: np.ndarray, call: str, target: str) -> bool:
        actor = env.actor(handle)
        count = len(actor.asset.dofs)
        require(values.size == count, f"{call}: {values.size} values for {count} DOFs")
        classic(env.sim, call, env).set_control(target, actor.first_dof, values.ravel())
        return True

    @gymcall
    def apply_dof_effort(self, env: Env, dof: int, effort: float, /) -> None:
        """Set the effort of a DOF, by its handle in the env."""
        self._control_one(env, dof, effort, "apply_dof_effort", "efforts")

    @gymcall
    def set_dof_target_position(self, env: Env, dof: int, target: float, /) -> None:
        """Set the position target of a DOF."""
        self._control_one(env, dof, target, "set_dof_target_position", "positions")

    @gymcall
    def set_dof_target_velocity(self, env: Env, dof: int, target: float, /) -> None:
        """Set the velocity target of a DOF."""
        self._control_one(env, dof, target, "set_dof_target_velocity", "velocities")

    def _control_one(self, env: Env, dof: int, value: float, call: str, target: str) -> None:
        require(0 <= dof < env.num_dofs, f"{call}: DOF {dof} of {env.num_dofs}")
        classic(env.sim, call, env).set_control(target, env.actors[0].first_dof + dof, np.array([value]))

    @gymcall
    def get_dof_position(self, env: Env, dof: int, /) -> float:
        """Return the position of a DOF."""
        return float(classic(env.sim, "get_dof_position", env).dofs()[env.actors[0].first_dof + dof, 0])

    @gymcall
    def get_dof_velocity(self, env: Env, dof: int, /) -> float:
        """Return the velocity of a DOF."""
        return float(classic(env.sim, "get_dof_velocity", env).dofs()[env.actors[0].first_dof + dof, 1])

    @gymcall
    def get_env_rigid_contact_forces(self, env: Env, /) -> np.ndarray:
        """Return the net contact forces on an env's bodies."""
        forces = classic(env.sim, "get_env_rigid_contact_forces", env).contacts()
        first = env.actors[0].first_body if env.actors else 0
        return self._vectors(forces[first : first + env.num_bodies])

    @gymcall
    def get_rigid_contact_forces(self, sim: Sim, /) -> np.ndarray:
        """Return the net contact forces on all bodies."""
        return self._vectors(classic(sim, "get_rigid_contact_forces").contacts())

    def _vectors(self, rows: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(rows, dtype=np.float32).view(Vec3.dtype).reshape(-1)

    @gymcall
    def apply_body_forces(
        self,
        env: Env,
        rigidHandle: int,
        force: Vec3 | None = None,
        torque: Vec3 | None = None,
        space: CoordinateSpace = MEMBERS["ENV_SPACE"],
    ) -> None:
        """Apply a force and a torque to a body during the next step."""
        world = classic(env.sim, "apply_body_forces")
        rows = np.zeros((2, env.sim.num_bodies, 3))
        index = env.actors[0].first_body + rigidHandle
        for row, vector in zip(rows, (force, torque)):
            if vector is not None:
                row[index] = [vector.x, vector.y, vector.z]
        world.body_forces += np.concatenate([world.in_world(row, space.name) for row in rows], axis=1)

    @gymcall
    def apply_body_force_at_pos(
        self,
        env: Env,
        rigidHandle: int,
        force: Vec3,
        pos: Vec3 = _HERE,
        space: CoordinateSpace = MEMBERS["ENV_SPACE"],
    ) -> None:
        """Apply a force at a point of a body during the next step."""
        world = classic(env.sim, "apply_body_force_at_pos")
        rows = np.zeros((2, env.sim.num_bodies, 3))
        index = env.actors[0].first_body + rigidHandle
        rows[0, index], rows[1, index] = [force.x, force.y, force.z], [pos.x, pos.y, pos.z]
        turned = world.in_world(rows[0], space.name)
        world.body_forces[index, :3] += turned[index]
        world.body_forces[index, 3:] += np.cross(world.arms(rows[1], space.name)[index], turned[index])

    @gymcall
    def get_sim_time(self, sim: Sim, /) -> float:
        """Return the simulated time, s."""
        return sim.num_steps * sim.params.dt

    @gymcall
    def get_elapsed_time(self, sim: Sim, /) -> float:
        """Return the simulated time too: the stand-in does not look at the clock."""
        return sim.num_steps * sim.params.dt

    @gymcall
    def get_frame_count(self, sim: Sim, /) -> int:
        """Return the number of steps."""
        return sim.num_steps
