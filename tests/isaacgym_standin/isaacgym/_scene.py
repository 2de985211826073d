"""Sims, envs and actors: what the setup calls collect before physics starts."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ._asset import Asset
from ._ground import Ground
from ._params import SimParams
from ._rules import broken
from ._vectors import Transform, Vec3


@dataclass
class Actor:
    """An asset placed in an env."""

    env: Env
    handle: int
    asset: Asset
    name: str
    pose: Transform
    """In the sim's frame."""
    group: int
    filter: int
    index: int
    """In the sim, as are the next two."""
    first_body: int
    first_dof: int
    dof_props: np.ndarray
    body_props: list[Any]
    shape_props: list[Any]
    start_root: np.ndarray
    """State it starts with, (13,)."""
    start_dofs: np.ndarray
    """(D, 2)."""
    measures_dof_forces: bool = False
    colors: dict[int, Vec3] = field(default_factory=dict)
    segmentation: int = 0
    scale: float = 1.0


class Env:
    """A place in the grid of envs, and the actors in it."""

    def __init__(self, sim: Sim, index: int, origin: np.ndarray) -> None:
        """Place an env."""
        self.sim, self.index, self.origin = sim, index, origin
        self.actors: list[Actor] = []
        self.num_cameras = 0
        """Ever made, also those that were destroyed."""
        self.aggregate: tuple[int, int, int] | None = None
        """While one is open: its first actor, most bodies, most shapes."""

    def actor(self, handle: int) -> Actor:
        """Return an actor by its handle.

        Raises:
            RuleBroken: There is none.
        """
        if not 0 <= handle < len(self.actors):
            broken(f"actor handle {handle} is not one of env {self.index}, which has {len(self.actors)} actors")
        return self.actors[handle]

    @property
    def num_bodies(self) -> int:
        """Rigid bodies of all actors."""
        return sum(len(actor.asset.links) for actor in self.actors)

    @property
    def num_dofs(self) -> int:
        """DOFs of all actors."""
        return sum(len(actor.asset.dofs) for actor in self.actors)


class Sim:
    """One simulation."""

    def __init__(self, params: SimParams, compute_device: int, graphics_device: int) -> None:
        """Take a copy of the parameters."""
        self.params = copy.deepcopy(params)
        self.compute_device, self.graphics_device = compute_device, graphics_device
        self.envs: list[Env] = []
        self.actors: list[Actor] = []
        self.num_bodies = self.num_dofs = 0
        """Rigid bodies and DOFs of all actors: counted, as thousands of actors are asked for at every step."""
        self.grounds: list[Ground] = []
        self.world: Any = None
        self.prepared = self.destroyed = self.fetched = False
        self.num_steps = 0
        self.buffers: dict[str, Any] = {}
        """Tensors that were acquired, by what they hold."""
        self.setters: dict[str, set[int]] = {}
        """Setter functions called since the last simulate, with the actors that they set."""
        self.start_controls: list[tuple[str, int, np.ndarray]] = []
        """Efforts and targets given during setup: kind, first DOF, values."""
        self.cameras: dict[tuple[int, int], Any] = {}

    @property
    def gpu_pipeline(self) -> bool:
        """Whether tensors live on a GPU, or follow the same rules."""
        return self.params.use_gpu_pipeline

    def add_actor(self, env: Env, asset: Asset, pose: Transform, name: str, group: int, collisions: int) -> Actor:
        """Place an asset; its pose is relative to the env."""
        placed = copy.deepcopy(pose)
        placed.p = Vec3(*(np.array([pose.p.x, pose.p.y, pose.p.z]) + env.origin))
        last = self.actors[-1] if self.actors else None
        actor = Actor(
            env, len(env.actors), asset, name, placed, group, collisions, len(self.actors),
            first_body=last.first_body + len(last.asset.links) if last else 0,
            first_dof=last.first_dof + len(last.asset.dofs) if last else 0,
            dof_props=asset.dof_properties(),
            body_props=copy.deepcopy(asset.body_props),
            shape_props=copy.deepcopy(asset.shape_props),
            start_root=_root_state(placed),
            start_dofs=np.zeros((len(asset.dofs), 2)),
        )  # fmt: skip
        env.actors.append(actor)
        self.actors.append(actor)
        self.num_bodies += len(asset.links)
        self.num_dofs += len(asset.dofs)
        asset.in_use = True
        return actor


def _root_state(pose: Transform) -> np.ndarray:
    quat = np.array([pose.r.x, pose.r.y, pose.r.z, pose.r.w])
    quat = quat / (np.linalg.norm(quat) or 1.0)
    return np.concatenate([[pose.p.x, pose.p.y, pose.p.z], quat, np.zeros(6)])


@dataclass
class Viewer:
    """A window that is not there."""

    sim: Sim
    properties: Any
    camera: Transform = field(default_factory=Transform)
    subscriptions: list[tuple[Any, str]] = field(default_factory=list)
    num_lines: int = 0
    num_frames: int = 0
    destroyed: bool = False
