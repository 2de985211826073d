"""Gym: stepping and the tensor API."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ._calls import gymcall
from ._enums import MEMBERS, CoordinateSpace
from ._gym_setup import alive
from ._rules import broken, require, stands_still
from ._scene import Sim
from ._tensor import Tensor, checked, fill, new_buffer
from ._world import World


class TensorCalls:
    """``simulate``, ``acquire_``, ``refresh_`` and the ``_tensor`` setters."""

    _still = stands_still()

    @gymcall
    def simulate(self, sim: Sim, /) -> None:
        """Advance by ``dt``."""
        alive(sim, "simulate")
        if sim.world is None:
            require(not sim.gpu_pipeline, "simulate: the GPU pipeline needs prepare_sim first")
            sim.world = World(sim)
        sim.setters.clear()
        sim.fetched = False
        if not self._still:
            sim.world.step()

    @gymcall
    def fetch_results(self, sim: Sim, wait: bool, /) -> None:
        """Wait for the results of simulate."""
        alive(sim, "fetch_results")
        sim.fetched = True

    @gymcall
    def acquire_actor_root_state_tensor(self, sim: Sim, /) -> Tensor:
        """Return the buffer of root states, (actors, 13)."""
        return self._acquire(sim, "actor_root_state", (len(sim.actors), 13))

    @gymcall
    def acquire_dof_state_tensor(self, sim: Sim, /) -> Tensor:
        """Return the buffer of DOF states, (DOFs, 2)."""
        return self._acquire(sim, "dof_state", (sim.num_dofs, 2))

    @gymcall
    def acquire_rigid_body_state_tensor(self, sim: Sim, /) -> Tensor:
        """Return the buffer of rigid body states, (bodies, 13)."""
        return self._acquire(sim, "rigid_body_state", (sim.num_bodies, 13))

    @gymcall
    def acquire_net_contact_force_tensor(self, sim: Sim, /) -> Tensor:
        """Return the buffer of net contact forces, (bodies, 3)."""
        return self._acquire(sim, "net_contact_force", (sim.num_bodies, 3))

    @gymcall
    def acquire_dof_force_tensor(self, sim: Sim, /) -> Tensor:
        """Return the buffer of DOF forces, (DOFs,)."""
        return self._acquire(sim, "dof_force", (sim.num_dofs,))

    @gymcall
    def acquire_force_sensor_tensor(self, sim: Sim, /) -> Tensor:
        """Return the buffer of force sensors, (sensors, 6)."""
        return self._acquire(sim, "force_sensor", (sum(len(a.asset.force_sensors) for a in sim.actors), 6))

    @gymcall
    def acquire_jacobian_tensor(self, sim: Sim, name: str, /) -> Tensor:
        """Return the buffer of the Jacobians of all actors of this name."""
        shape = self._world(sim, "acquire_jacobian_tensor").matrices.jacobian_shape(name)
        return self._acquire(sim, f"jacobian:{name}", shape)

    @gymcall
    def acquire_mass_matrix_tensor(self, sim: Sim, name: str, /) -> Tensor:
        """Return the buffer of the mass matrices of all actors of this name."""
        shape = self._world(sim, "acquire_mass_matrix_tensor").matrices.mass_shape(name)
        return self._acquire(sim, f"mass_matrix:{name}", shape)

    @gymcall
    def refresh_actor_root_state_tensor(self, sim: Sim, /) -> bool:
        """Bring the buffer of root states up to date."""
        return self._refresh(sim, "actor_root_state", World.roots)

    @gymcall
    def refresh_dof_state_tensor(self, sim: Sim, /) -> bool:
        """Bring the buffer of DOF states up to date."""
        return self._refresh(sim, "dof_state", World.dofs)

    @gymcall
    def refresh_rigid_body_state_tensor(self, sim: Sim, /) -> bool:
        """Bring the buffer of rigid body states up to date."""
        return self._refresh(sim, "rigid_body_state", World.bodies)

    @gymcall
    def refresh_net_contact_force_tensor(self, sim: Sim, /) -> bool:
        """Bring the buffer of net contact forces up to date."""
        return self._refresh(sim, "net_contact_force", World.contacts)

    @gymcall
    def refresh_dof_force_tensor(self, sim: Sim, /) -> bool:
        """Bring the buffer of DOF forces up to date."""
        return self._refresh(sim, "dof_force", World.measured_dof_forces)

    @gymcall
    def refresh_force_sensor_tensor(self, sim: Sim, /) -> bool:
        """Bring the buffer of force sensors up to date."""
        return self._refresh(sim, "force_sensor", World.force_sensors)

    @gymcall
    def refresh_jacobian_tensors(self, sim: Sim, /) -> bool:
        """Bring all buffers of Jacobians up to date."""
        return self._refresh_named(sim, "jacobian:", lambda world, name: world.matrices.jacobians(name))

    @gymcall
    def refresh_mass_matrix_tensors(self, sim: Sim, /) -> bool:
        """Bring all buffers of mass matrices up to date."""
        return self._refresh_named(sim, "mass_matrix:", lambda world, name: world.matrices.masses(name))

    @gymcall
    def set_actor_root_state_tensor(self, sim: Sim, states: Tensor, /) -> bool:
        """Put all roots into states, (actors, 13)."""
        return self._set(sim, "set_actor_root_state_tensor", states, None, len(sim.actors))

    @gymcall
    def set_actor_root_state_tensor_indexed(self, sim: Sim, states: Tensor, indices: Tensor, count: int, /) -> bool:
        """Put the roots of some actors into states, (actors, 13) too."""
        return self._set(sim, "set_actor_root_state_tensor_indexed", states, indices, count)

    @gymcall
    def set_dof_state_tensor(self, sim: Sim, states: Tensor, /) -> bool:
        """Put all DOFs into states, (DOFs, 2)."""
        return self._set(sim, "set_dof_state_tensor", states, None, len(sim.actors))

    @gymcall
    def set_dof_state_tensor_indexed(self, sim: Sim, states: Tensor, indices: Tensor, count: int, /) -> bool:
        """Put the DOFs of some actors into states, (DOFs, 2) too."""
        return self._set(sim, "set_dof_state_tensor_indexed", states, indices, count)

    @gymcall
    def set_dof_actuation_force_tensor(self, sim: Sim, forces: Tensor, /) -> bool:
        """Set the efforts of all DOFs in DOF_MODE_EFFORT, (DOFs,)."""
        return self._set(sim, "set_dof_actuation_force_tensor", forces, None, len(sim.actors))

    @gymcall
    def set_dof_actuation_force_tensor_indexed(self, sim: Sim, forces: Tensor, indices: Tensor, count: int, /) -> bool:
        """Set the efforts of some actors' DOFs."""
        return self._set(sim, "set_dof_actuation_force_tensor_indexed", forces, indices, count)

    @gymcall
    def set_dof_position_target_tensor(self, sim: Sim, targets: Tensor, /) -> bool:
        """Set the position targets of all DOFs in DOF_MODE_POS, (DOFs,)."""
        return self._set(sim, "set_dof_position_target_tensor", targets, None, len(sim.actors))

    @gymcall
    def set_dof_position_target_tensor_indexed(self, sim: Sim, targets: Tensor, indices: Tensor, count: int, /) -> bool:
        """Set the position targets of some actors' DOFs."""
        return self._set(sim, "set_dof_position_target_tensor_indexed", targets, indices, count)

    @gymcall
    def set_dof_velocity_target_tensor(self, sim: Sim, targets: Tensor, /) -> bool:
        """Set the velocity targets of all DOFs in DOF_MODE_VEL, (DOFs,)."""
        return self._set(sim, "set_dof_velocity_target_tensor", targets, None, len(sim.actors))

    @gymcall
    def set_dof_velocity_target_tensor_indexed(self, sim: Sim, targets: Tensor, indices: Tensor, count: int, /) -> bool:
        """Set the velocity targets of some actors' DOFs."""
        return self._set(sim, "set_dof_velocity_target_tensor_indexed", targets, indices, count)

    @gymcall
    def set_rigid_body_state_tensor(self, sim: Sim, states: Tensor, /) -> bool:
        """Put single-body actors into states, (bodies, 13); articulations are left alone, as in the CPU pipeline."""
        call = "set_rigid_body_state_tensor"
        world = self._world(sim, call)
        require(not sim.gpu_pipeline, f"{call}: not available with the GPU pipeline")
        values = checked(states, call, "state", "DTYPE_FLOAT32", 13 * sim.num_bodies, self._device(sim)).reshape(-1, 13)
        single = [actor for actor in sim.actors if len(actor.asset.links) == 1]
        roots = np.zeros((len(sim.actors), 13))
        for actor in single:
            roots[actor.index] = values[actor.first_body]
        world.set_roots(roots, [actor.index for actor in single])
        return True

    @gymcall
    def apply_rigid_body_force_tensors(
        self,
        sim: Sim,
        forceTensor: Tensor | None = None,
        torqueTensor: Tensor | None = None,
        space: CoordinateSpace = MEMBERS["ENV_SPACE"],
    ) -> bool:
        """Apply forces and torques at all bodies' centres of mass during the next step, (bodies, 3) each."""
        call = "apply_rigid_body_force_tensors"
        world = self._world(sim, call)
        for columns, tensor, what in ((slice(0, 3), forceTensor, "force"), (slice(3, 6), torqueTensor, "torque")):
            if tensor is not None:
                flat = checked(tensor, call, what, "DTYPE_FLOAT32", 3 * sim.num_bodies, self._device(sim))
                world.body_forces[:, columns] += world.in_world(flat.reshape(-1, 3).astype(float), space.name)
        return True

    @gymcall
    def apply_rigid_body_force_at_pos_tensors(
        self,
        sim: Sim,
        forceTensor: Tensor,
        posTensor: Tensor | None = None,
        space: CoordinateSpace = MEMBERS["ENV_SPACE"],
    ) -> bool:
        """Apply forces at points of all bodies during the next step, (bodies, 3) each."""
        call = "apply_rigid_body_force_at_pos_tensors"
        world = self._world(sim, call)
        tensors = [(forceTensor, "force"), (posTensor, "position")]
        values = [
            checked(t, call, what, "DTYPE_FLOAT32", 3 * sim.num_bodies, self._device(sim)).reshape(-1, 3).astype(float)
            for t, what in tensors
            if t is not None
        ]
        force = world.in_world(values[0], space.name)
        world.body_forces[:, :3] += force
        if posTensor is not None:
            world.body_forces[:, 3:] += np.cross(world.arms(values[1], space.name), force)
        return True

    def _device(self, sim: Sim) -> int:
        return sim.compute_device if sim.gpu_pipeline else -1

    def _world(self, sim: Sim, call: str) -> World:
        alive(sim, call)
        if not sim.prepared:
            broken(f"{call}: tensors exist only after prepare_sim")
        return sim.world

    def _acquire(self, sim: Sim, what: str, shape: tuple[int, ...]) -> Tensor:
        self._world(sim, f"acquire_{what}_tensor")
        if what not in sim.buffers:
            sim.buffers[what] = new_buffer(shape, self._device(sim))
        return sim.buffers[what]

    def _refresh(self, sim: Sim, what: str, read: Callable[[World], np.ndarray]) -> bool:
        world = self._world(sim, f"refresh_{what}_tensor")
        # Without anything acquired there is nothing to refresh; legged_gym's drawing of heights does that.
        if what in sim.buffers and not self._still:
            fill(sim.buffers[what], read(world))
        return what in sim.buffers

    def _refresh_named(self, sim: Sim, prefix: str, read: Callable[[World, str], np.ndarray]) -> bool:
        world = self._world(sim, f"refresh_{prefix[:-1]}_tensors")
        for what, buffer in sim.buffers.items():
            if what.startswith(prefix):
                fill(buffer, read(world, what[len(prefix) :]))
        return True

    def _set(self, sim: Sim, call: str, tensor: Tensor, indices: Tensor | None, count: int) -> bool:
        world = self._world(sim, call)
        kind = call.replace("_indexed", "")
        width = {"set_actor_root_state_tensor": 13 * len(sim.actors), "set_dof_state_tensor": 2 * sim.num_dofs}
        device = self._device(sim)
        values = checked(tensor, call, "value", "DTYPE_FLOAT32", width.get(kind, sim.num_dofs), device)
        if self._still:
            return True
        actors = self._actors(sim, call, indices, count, device)
        self._check_once(sim, call, set(actors))
        # What is set counts as of now, whatever becomes of the tensor.
        values = values.copy()
        action = _setter(world, kind, values, actors)
        if sim.gpu_pipeline and "state" in kind:
            world.pending.append(action)
        else:
            action()
        return True

    def _check_once(self, sim: Sim, call: str, actors: set[int]) -> None:
        """Require that a second call before simulate, which replaces the first, loses nothing of it."""
        lost = sim.setters.get(call, set()) - actors
        if sim.gpu_pipeline and lost:
            broken(
                f"{call}: with the GPU pipeline a setter counts only once between calls of simulate, so that what an"
                f" earlier call set for actors {sorted(lost)[:20]} is lost"
            )
        sim.setters[call] = actors

    def _actors(self, sim: Sim, call: str, indices: Tensor | None, count: int, device: int) -> list[int]:
        if indices is None:
            return list(range(len(sim.actors)))
        numbers = checked(indices, call, "index", "DTYPE_UINT32", None, device).view(np.int32)
        require(0 <= count <= numbers.size, f"{call}: count {count}, but the index tensor has {numbers.size} elements")
        numbers = numbers[:count]
        inside = bool(((numbers >= 0) & (numbers < len(sim.actors))).all())
        require(inside, f"{call}: an actor index is outside 0-{len(sim.actors) - 1}: {numbers.tolist()[:20]}")
        return np.unique(numbers).tolist()


def _setter(world: World, kind: str, values: np.ndarray, actors: list[int]) -> Callable[[], Any]:
    if kind == "set_actor_root_state_tensor":
        return lambda: world.set_roots(values.reshape(-1, 13), actors)
    if kind == "set_dof_state_tensor":
        return lambda: world.set_dofs(values.reshape(-1, 2), actors)
    names = {"actuation_force": world.efforts, "position_target": world.positions, "velocity_target": world.velocities}
    target = names[kind[len("set_dof_") : -len("_tensor")]]
    return lambda: world.set_controls(target, values, actors)
