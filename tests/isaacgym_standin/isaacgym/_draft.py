"""States during setup, before physics begins: what actors will start with."""

from __future__ import annotations

import numpy as np

from ._scene import Env, Sim
from ._world import World


class Draft:
    """Answers what a :class:`~isaacgym._world.World` would, while envs and actors can still be added."""

    def __init__(self, sim: Sim, env: Env) -> None:
        """Look at one env of a sim."""
        self.sim, self.env = sim, env

    def dofs(self) -> np.ndarray:
        """Return all DOF states, (dofs, 2)."""
        return np.concatenate([np.zeros((0, 2)), *(actor.start_dofs for actor in self.sim.actors)])

    def roots(self) -> np.ndarray:
        """Return all root states, (actors, 13)."""
        return np.stack([actor.start_root for actor in self.sim.actors])

    def set_dofs(self, states: np.ndarray, actors: list[int]) -> None:
        """Let actors' DOFs start in states, (dofs, 2)."""
        for index in actors:
            actor = self.sim.actors[index]
            actor.start_dofs[:] = states[actor.first_dof : actor.first_dof + len(actor.start_dofs)]

    def set_roots(self, states: np.ndarray, actors: list[int]) -> None:
        """Let actors' roots start in states, (actors, 13)."""
        for index in actors:
            self.sim.actors[index].start_root[:] = states[index]

    def set_control(self, kind: str, first: int, values: np.ndarray) -> None:
        """Let the controls of DOFs from ``first`` on start with values."""
        self.sim.start_controls.append((kind, first, values))

    def control(self, kind: str) -> np.ndarray:
        """Return one kind of control of all DOFs, (dofs,)."""
        out = np.zeros(self.sim.num_dofs)
        for name, first, values in self.sim.start_controls:
            if name == kind:
                out[first : first + len(values)] = values
        return out

    def bodies(self) -> np.ndarray:
        """Return all rigid body states, (bodies, 13); only those of the env are filled in."""
        return World(self.sim, [self.env]).bodies()

    def contacts(self) -> np.ndarray:
        """Return zeros, (bodies, 3): nothing has touched yet."""
        return np.zeros((self.sim.num_bodies, 3))

    def measured_dof_forces(self) -> np.ndarray:
        """Return zeros, (dofs,)."""
        return np.zeros(self.sim.num_dofs)
