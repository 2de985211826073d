"""Jacobians and mass matrices."""

from __future__ import annotations

from typing import Any

import mujoco
import numpy as np

from ._rules import broken
from ._scene import Actor


class Matrices:
    """Per name, the matrices of all actors called so; columns are the root's 6, if it is free, then the DOFs."""

    def __init__(self, world: Any) -> None:
        """Look at a world."""
        self.world = world

    def jacobian_shape(self, name: str) -> tuple[int, ...]:
        """Return (actors, links, 6, columns); a fixed root has no row."""
        actors = self._actors(name)
        asset = actors[0].asset
        return len(actors), len(asset.links) - asset.fixed, 6, self._columns(actors[0])

    def mass_shape(self, name: str) -> tuple[int, ...]:
        """Return (actors, columns, columns)."""
        actors = self._actors(name)
        return len(actors), self._columns(actors[0]), self._columns(actors[0])

    def jacobians(self, name: str) -> np.ndarray:
        """Return the Jacobians of all links' origins, world frame: linear, then angular rows."""
        out = np.zeros(self.jacobian_shape(name))
        self.world.refresh_kinematics()
        for number, actor in enumerate(self._actors(name)):
            group, row = self.world.group_of(actor)
            first = group.first_body[actor.handle]
            for i, body in enumerate(range(first + actor.asset.fixed, first + len(actor.asset.links))):
                linear, angular = group.batch.jac(int(body), group.xpos[row, body].copy(), [row])
                full = np.concatenate([linear[0], angular[0]])
                out[number, i] = self._in_world(group, row, actor, full.T).T
        return out

    def masses(self, name: str) -> np.ndarray:
        """Return the joint-space mass matrices."""
        out = np.zeros(self.mass_shape(name))
        for number, actor in enumerate(self._actors(name)):
            group, row = self.world.group_of(actor)
            model, data = group.batch.get_model(row), group.batch.get_data(row)
            mujoco.mj_forward(model, data)
            mujoco.mj_fullM(model, data, full := np.zeros((model.nv, model.nv)))
            half = self._in_world(group, row, actor, full)
            out[number] = self._in_world(group, row, actor, half.T)
        return out

    def _actors(self, name: str) -> list[Actor]:
        actors = [actor for actor in self.world.sim.actors if actor.name == name]
        if not actors:
            broken(f"no actor is called '{name}'")
        return actors

    def _columns(self, actor: Actor) -> int:
        return len(actor.asset.dofs) + (0 if actor.asset.fixed else 6)

    def _in_world(self, group: Any, row: int, actor: Actor, rows: np.ndarray) -> np.ndarray:
        """Pick an actor's rows of (nv, m), with the root's rotation about the world's axes instead of its own."""
        first = group.first_dof[actor.handle]
        dofs = rows[group.dof_adr[first : first + len(actor.asset.dofs)]]
        root = group.root_dof[actor.handle]
        if root < 0:
            return dofs
        mujoco.mju_quat2Mat(turn := np.zeros(9), group.xquat[row, group.first_body[actor.handle]])
        return np.concatenate([rows[root : root + 3], turn.reshape(3, 3) @ rows[root + 3 : root + 6], dofs])
