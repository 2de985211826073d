"""Physics of a whole sim: groups of envs, controls and the latest state."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import numpy as np

from . import _sensors, _states
from ._group import Group
from ._matrices import Matrices
from ._rules import fail_in_simulate, failure
from ._scene import Actor, Env, Sim


class World:
    """Everything that is made when setup ends."""

    def __init__(self, sim: Sim, envs: list[Env] | None = None) -> None:
        """Build one batch for all envs that are made of the same assets.

        Args:
            sim: What was set up.
            envs: Only these of its envs.
        """
        self.sim = sim
        kinds: dict[Any, list[Env]] = {}
        for env in sim.envs if envs is None else envs:
            same_group = tuple(a.group == env.actors[0].group for a in env.actors)
            key = (tuple((id(a.asset), a.filter) for a in env.actors), same_group)
            if env.actors:
                kinds.setdefault(key, []).append(env)
        threads = int(os.environ.get("ISAACGYM_STANDIN_THREADS", "0")) or len(os.sched_getaffinity(0))
        self.groups = [Group(sim, envs, threads) for envs in kinds.values()]
        self.rows = {env.index: (group, row) for group in self.groups for row, env in enumerate(group.envs)}
        self.efforts, self.positions, self.velocities = (np.zeros(sim.num_dofs) for _ in range(3))
        self.dof_forces = np.zeros(sim.num_dofs)
        self.body_forces = np.zeros((sim.num_bodies, 6))
        """Applied in the next step: force at the centre of mass and torque, world frame."""
        self.pending: list[Any] = []
        """What setters of the GPU pipeline left for the next simulate."""
        self.lost: set[int] = set()
        """Actors whose state is NaN: they were given NaN, physics blew up, or a test asked for that."""
        self.matrices = Matrices(self)
        numbers = {id(group): number for number, group in enumerate(self.groups)}
        self._places = np.zeros((len(sim.actors), 3), dtype=int)
        """Of each actor: number of its batch, row in it, slot in the row."""
        inside = [actor for actor in sim.actors if actor.env.index in self.rows]
        for actor in inside:
            group, row = self.group_of(actor)
            self._places[actor.index] = numbers[id(group)], row, actor.handle
        self._start([actor.index for actor in inside])

    def _start(self, actors: list[int]) -> None:
        """Put actors into the states and give them the controls that setup left."""
        if actors:
            self.set_roots(np.stack([actor.start_root for actor in self.sim.actors]), actors)
            self.set_dofs(np.concatenate([actor.start_dofs for actor in self.sim.actors]), actors)
        for kind, first, values in self.sim.start_controls:
            self.set_control(kind, first, values)
        self._kinematics_old = True

    def set_control(self, kind: str, first: int, values: np.ndarray) -> None:
        """Set ``efforts``, ``positions`` or ``velocities`` of DOFs from ``first`` on."""
        self.control(kind)[first : first + len(values)] = values

    def control(self, kind: str) -> np.ndarray:
        """Return ``efforts``, ``positions`` or ``velocities`` of all DOFs, (dofs,)."""
        return getattr(self, kind)

    def group_of(self, actor: Actor) -> tuple[Group, int]:
        """Return the batch that an actor is in, and its row there."""
        return self.rows[actor.env.index]

    def update_actor(self, actor: Actor) -> None:
        """Bring an actor's properties into the model."""
        group, row = self.group_of(actor)
        group.write_properties(row, actor)
        self._kinematics_old = True

    def step(self) -> None:
        """Advance by one ``dt``."""
        self.sim.num_steps += 1
        fail_in_simulate(self.sim.num_steps)
        for apply in self.pending:
            apply()
        self.pending.clear()
        for group in self.groups:
            self._step_group(group)
        self.body_forces[:] = 0.0
        self._kinematics_old = True
        if failure("nan") == self.sim.num_steps:
            self.lost.add(0)

    def _step_group(self, group: Group) -> None:
        index = group.dof_index
        group.xfrc[:, group.mj_bodies] = self.body_forces[group.body_index]
        for _ in range(max(self.sim.params.substeps, 1)):
            forces = group.total_forces(self.efforts[index], self.positions[index], self.velocities[index])
            group.step(forces)
        self.dof_forces[index] = forces
        for row in group.blown_up():
            self.lost.update(actor.index for actor in group.envs[row].actors)
        group.xfrc[:] = 0.0

    def refresh_kinematics(self) -> None:
        """Compute poses, velocities and contact forces of the present state, unless they are known."""
        if self._kinematics_old:
            for group in self.groups:
                group.batch.forward()
            self._kinematics_old = False

    def roots(self) -> np.ndarray:
        """Return all root states, (actors, 13)."""
        out = np.zeros((len(self.sim.actors), 13))
        for group in self.groups:
            out[group.actor_index] = _states.read_roots(group)
        out[list(self.lost)] = np.nan
        return out

    def dofs(self) -> np.ndarray:
        """Return all DOF states, (dofs, 2)."""
        out = np.zeros((self.sim.num_dofs, 2))
        for group in self.groups:
            out[group.dof_index] = _states.read_dofs(group)
        for index in self.lost:
            out[self._dofs(index)] = np.nan
        return out

    def bodies(self) -> np.ndarray:
        """Return all rigid body states, (bodies, 13)."""
        self.refresh_kinematics()
        out = np.zeros((self.sim.num_bodies, 13))
        for group in self.groups:
            out[group.body_index] = _states.read_bodies(group)
        return out

    def contacts(self) -> np.ndarray:
        """Return the net contact forces on all bodies, N, (bodies, 3)."""
        out = np.zeros((self.sim.num_bodies, 3))
        if self.sim.params.physx.contact_collection.name == "CC_NEVER":
            return out
        self.refresh_kinematics()
        for group in self.groups:
            out[group.body_index] = _states.read_contacts(group)
        return out

    def set_roots(self, states: np.ndarray, actors: list[int]) -> None:
        """Put actors' roots into states, (actors of the sim, 13)."""
        self._mark_lost(actors, [states[index] for index in actors])
        for group, rows, slot, chosen in self._by_slot(actors):
            values = np.nan_to_num(states[chosen].astype(np.float64))
            _states.write_roots(group, rows, slot, values)
        self._kinematics_old = True

    def set_dofs(self, states: np.ndarray, actors: list[int]) -> None:
        """Put actors' DOFs into states, (DOFs of the sim, 2)."""
        self._mark_lost(actors, [states[self._dofs(index)] for index in actors], clear=False)
        for group, rows, slot, chosen in self._by_slot(actors):
            count = len(self.sim.actors[chosen[0]].asset.dofs)
            if count:
                first = np.array([self.sim.actors[index].first_dof for index in chosen])
                values = states[first[:, None] + np.arange(count)].astype(np.float64)
                _states.write_dofs(group, rows, slot, np.nan_to_num(values))
        self._kinematics_old = True

    def _by_slot(self, actors: list[int]) -> Iterator[tuple[Group, np.ndarray, int, np.ndarray]]:
        """Yield actors that one array operation can reach: their batch, rows there, slot and indices."""
        chosen = np.array(actors, dtype=int)
        places = self._places[chosen]
        for number, slot in np.unique(places[:, [0, 2]], axis=0):
            same = (places[:, 0] == number) & (places[:, 2] == slot)
            yield self.groups[number], places[same, 1], int(slot), chosen[same]

    def _dofs(self, index: int) -> slice:
        actor = self.sim.actors[index]
        return slice(actor.first_dof, actor.first_dof + len(actor.asset.dofs))

    def _mark_lost(self, actors: list[int], values: list[np.ndarray], clear: bool = True) -> None:
        """Remember which actors were given values that are no numbers; from then on neither are their states."""
        for index, numbers in zip(actors, values):
            if not np.isfinite(numbers).all():
                self.lost.add(index)
            elif clear:
                self.lost.discard(index)

    def set_controls(self, target: np.ndarray, values: np.ndarray, actors: list[int]) -> None:
        """Copy actors' DOF values, (DOFs of the sim,), into one of the control arrays."""
        if not np.isfinite(values).all():
            self._mark_lost(actors, [values[self._dofs(index)] for index in actors], clear=False)
            values = np.nan_to_num(values, posinf=0.0, neginf=0.0)
        if len(actors) == len(self.sim.actors):
            target[:] = values
            return
        for index in actors:
            target[self._dofs(index)] = values[self._dofs(index)]

    def measured_dof_forces(self) -> np.ndarray:
        """Return the last step's forces on DOFs of actors that measure them, (dofs,)."""
        out = self.dof_forces.copy()
        for actor in self.sim.actors:
            if not actor.measures_dof_forces:
                out[actor.first_dof : actor.first_dof + len(actor.asset.dofs)] = 0.0
        return out

    def force_sensors(self) -> np.ndarray:
        """Return contact forces and torques at all force sensors, (sensors, 6)."""
        self.refresh_kinematics()
        rows = [_sensors.read(self, actor) for actor in self.sim.actors if actor.asset.force_sensors]
        return np.concatenate(rows) if rows else np.zeros((0, 6))

    def in_world(self, vectors: np.ndarray, space: str) -> np.ndarray:
        """Turn vectors given per body, (bodies, 3), from LOCAL_SPACE; others are in the world's axes already."""
        if space != "LOCAL_SPACE":
            return vectors
        quats = self.bodies()[:, [6, 3, 4, 5]]
        return _states.rotate(quats, vectors)

    def arms(self, points: np.ndarray, space: str) -> np.ndarray:
        """Return the way from each body's centre of mass to a point given in ``space``, world axes, (bodies, 3)."""
        states, centres = self.bodies(), np.zeros((self.sim.num_bodies, 3))
        for group in self.groups:
            centres[group.body_index] = group.xipos[:, group.mj_bodies]
        if space == "LOCAL_SPACE":
            points = _states.rotate(states[:, [6, 3, 4, 5]], points) + states[:, :3]
        elif space == "ENV_SPACE":
            counts = [len(actor.asset.links) for actor in self.sim.actors]
            points = points + np.repeat([actor.env.origin for actor in self.sim.actors], counts, axis=0)
        return points - centres

    def update_parameters(self) -> None:
        """Bring the sim's gravity and time step into the models."""
        params = self.sim.params
        for group in self.groups:
            group.batch.expand("opt.gravity")[:] = [params.gravity.x, params.gravity.y, params.gravity.z]
            group.set_timestep(params.dt / max(params.substeps, 1))
        self._kinematics_old = True
