"""Gym: sims, ground, envs and actors."""

from __future__ import annotations

import os
import sys
from typing import Any

import numpy as np

from ._asset import Asset
from ._calls import Float32Array, Int16Array, UInt32Array, gymcall
from ._enums import MEMBERS, SimType
from ._ground import Ground, place, rasterise
from ._mjcf import load_mjcf
from ._params import AssetOptions, HeightFieldParams, PlaneParams, SimParams, TriangleMeshParams
from ._rules import broken, failure, require
from ._scene import Env, Sim
from ._tensor import emulated_gpu
from ._tree import Link, Shape
from ._urdf import load_urdf
from ._vectors import Transform, Vec3
from ._world import World


def error(message: str) -> None:
    """Print an error as Isaac Gym does."""
    print(f"[Error] [carb.gym.plugin] {message}", file=sys.stderr)


def cuda_there() -> bool:
    """Whether there is a GPU to use, or a test wants none to be needed."""
    if failure("no_gpu"):
        return False
    if emulated_gpu():
        return True
    torch = sys.modules.get("torch")
    if torch is None:
        return os.path.exists("/dev/nvidiactl")
    return torch.cuda.is_available()


_OPTIONS, _PARAMS = AssetOptions(), SimParams()
"""Where a call leaves them out."""


class SetupCalls:
    """Calls that make a scene."""

    @gymcall
    def create_sim(
        self,
        compute_device: int = 0,
        graphics_device: int = 0,
        type: SimType = MEMBERS["SIM_PHYSX"],
        params: SimParams = _PARAMS,
    ) -> Sim | None:
        """Make a simulation, or return None after printing why there is none."""
        if type == MEMBERS["SIM_FLEX"]:
            broken("Flex is not in the stand-in; use SIM_PHYSX")
        if failure("create_sim"):
            error("Failed to create sim")
            return None
        gpu = params.physx.use_gpu or params.use_gpu_pipeline
        if gpu and not cuda_there():
            error("Gym cuda error: no CUDA-capable device is detected")
            return None
        if params.dt <= 0 or params.substeps < 1:
            broken(f"create_sim: dt {params.dt} and substeps {params.substeps} must be positive")
        place = f"cuda:{compute_device}" if gpu else "cpu"
        pipeline = "enabled" if params.use_gpu_pipeline else "disabled"
        print(f"Physics Engine: PhysX (stand-in)\nPhysics Device: {place}\nGPU Pipeline: {pipeline}", flush=True)
        return Sim(params, compute_device, graphics_device)

    @gymcall
    def destroy_sim(self, sim: Sim, /) -> None:
        """End a simulation; its handles must not be used any more."""
        alive(sim, "destroy_sim")
        sim.destroyed, sim.world = True, None

    @gymcall
    def add_ground(self, sim: Sim, params: PlaneParams) -> None:
        """Add a plane."""
        in_setup(sim, "add_ground")
        normal = np.array([params.normal.x, params.normal.y, params.normal.z])
        require(bool(np.linalg.norm(normal) > 0), "add_ground: the plane's normal has no length")
        sim.grounds.append(Ground(params.dynamic_friction, normal / np.linalg.norm(normal), params.distance))

    @gymcall
    def add_heightfield(self, sim: Sim, samples: Int16Array, params: HeightFieldParams, /) -> None:
        """Add a height field; ``samples`` holds ``nbRows`` heights for each of ``nbColumns`` steps along x."""
        in_setup(sim, "add_heightfield")
        p = params
        require(
            samples.size == p.nbRows * p.nbColumns,
            f"add_heightfield: {samples.size} samples for nbRows {p.nbRows} and nbColumns {p.nbColumns}",
        )
        heights = samples.reshape(p.nbColumns, p.nbRows) * p.vertical_scale + p.transform.p.z
        corner = (p.transform.p.x, p.transform.p.y)
        spacing = (p.column_scale, p.row_scale)
        sim.grounds.append(Ground(p.dynamic_friction, heights=heights, spacing=spacing, corner=corner))

    @gymcall
    def add_triangle_mesh(
        self,
        sim: Sim,
        vertices: Float32Array,
        triangles: UInt32Array,
        params: TriangleMeshParams,
        /,
    ) -> None:
        """Add a triangle mesh, whose upper side the stand-in makes a height field of."""
        in_setup(sim, "add_triangle_mesh")
        for what, array, count in (
            ("vertices", vertices, params.nb_vertices),
            ("triangles", triangles, params.nb_triangles),
        ):
            require(array.size == 3 * count, f"add_triangle_mesh: nb_{what} is {count}, but {array.size} numbers came")
        indices = triangles.reshape(-1, 3).astype(np.int64)
        require(indices.max(initial=0) < params.nb_vertices, "add_triangle_mesh: a triangle names no vertex")
        points = place(vertices.reshape(-1, 3).astype(np.float64), params.transform)
        sim.grounds.append(rasterise(points, indices, params.dynamic_friction))

    @gymcall
    def load_asset(self, sim: Sim, rootpath: str, filename: str, options: AssetOptions = _OPTIONS) -> Asset | None:
        """Load a URDF or an MJCF; return None after printing why it could not be."""
        path = os.path.join(rootpath, filename)
        if failure("load_asset") or not os.path.isfile(path):
            error(f"Failed to load asset: file '{path}' not found")
            return None
        try:
            if filename.lower().endswith((".xml", ".mjcf")):
                return load_mjcf(path, options)
            root = load_urdf(path, options.collapse_fixed_joints, options.replace_cylinder_with_capsule)
            return Asset(root, options)
        except (ValueError, KeyError, SyntaxError) as problem:
            error(f"Failed to load asset '{path}': {problem}")
            return None

    @gymcall
    def load_urdf(self, sim: Sim, rootpath: str, filename: str, options: AssetOptions = _OPTIONS) -> Asset | None:
        """Load a URDF."""
        return self.load_asset(sim, rootpath, filename, options)

    @gymcall
    def load_mjcf(self, sim: Sim, rootpath: str, filename: str, options: AssetOptions = _OPTIONS) -> Asset | None:
        """Load an MJCF."""
        return self.load_asset(sim, rootpath, filename, options)

    @gymcall
    def create_box(
        self, sim: Sim, width: float, height: float, depth: float, options: AssetOptions = _OPTIONS
    ) -> Asset:
        """Make a box of these edges, m."""
        return _primitive("box", (width, height, depth), options)

    @gymcall
    def create_sphere(self, sim: Sim, radius: float, options: AssetOptions = _OPTIONS) -> Asset:
        """Make a sphere."""
        return _primitive("sphere", (radius,), options)

    @gymcall
    def create_capsule(self, sim: Sim, radius: float, width: float, options: AssetOptions = _OPTIONS) -> Asset:
        """Make a capsule along x."""
        return _primitive("capsule", (radius, width), options)

    @gymcall
    def create_env(self, sim: Sim, lower: Vec3, upper: Vec3, per_row: int, /) -> Env:
        """Make the next env of the grid."""
        in_setup(sim, "create_env")
        require(per_row > 0, f"create_env: {per_row} envs per row")
        number = len(sim.envs)
        size = np.array([upper.x - lower.x, upper.y - lower.y, upper.z - lower.z])
        plane = (0, 1) if sim.params.up_axis == MEMBERS["UP_AXIS_Z"] else (0, 2)
        origin = np.zeros(3)
        origin[plane[0]], origin[plane[1]] = (number % per_row) * size[plane[0]], (number // per_row) * size[plane[1]]
        sim.envs.append(Env(sim, number, origin))
        return sim.envs[-1]

    @gymcall
    def create_actor(
        self,
        env: Env,
        asset: Asset,
        pose: Transform,
        name: str = "",
        group: int = -1,
        filter: int = -1,
        segmentationId: int = 0,
    ) -> int:
        """Place an asset in an env; ``pose`` is relative to the env's origin."""
        in_setup(env.sim, "create_actor")
        require(env is env.sim.envs[-1], "create_actor: add all actors of an env before the next create_env")
        actor = env.sim.add_actor(env, asset, pose, name, group, max(filter, 0))
        actor.segmentation = segmentationId
        if env.aggregate is not None:
            _check_aggregate(env)
        return actor.handle

    @gymcall
    def begin_aggregate(self, env: Env, bodies: int, shapes: int, self_collisions: bool, /) -> bool:
        """Open an aggregate of at most so many bodies and shapes."""
        in_setup(env.sim, "begin_aggregate")
        require(env.aggregate is None, "begin_aggregate: the env's last aggregate was not ended")
        env.aggregate = (len(env.actors), bodies, shapes)
        return True

    @gymcall
    def end_aggregate(self, env: Env, /) -> bool:
        """Close the aggregate."""
        require(env.aggregate is not None, "end_aggregate: without begin_aggregate")
        env.aggregate = None
        return True

    @gymcall
    def prepare_sim(self, sim: Sim, /) -> bool:
        """End setup; only then are there tensors."""
        alive(sim, "prepare_sim")
        require(not sim.prepared, "prepare_sim: called twice")
        for env in sim.envs:
            require(env.aggregate is None, f"prepare_sim: the aggregate of env {env.index} was not ended")
        if failure("prepare_sim"):
            error("Failed to prepare sim")
            return False
        if sim.world is None:
            sim.world = World(sim)
        sim.prepared = True
        return True


def _primitive(kind: str, size: tuple[float, ...], options: AssetOptions) -> Asset:
    # Isaac Gym's capsules lie along x.
    turn = np.array([[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]]) if kind == "capsule" else np.eye(3)
    return Asset(Link(kind, shapes=[Shape(kind, size, np.zeros(3), turn)]), options)


def _check_aggregate(env: Env) -> None:
    first, bodies, shapes = env.aggregate  # type: ignore[misc]
    actors = env.actors[first:]
    has_bodies = sum(len(actor.asset.links) for actor in actors)
    has_shapes = sum(sum(actor.asset.shape_counts) for actor in actors)
    require(
        has_bodies <= bodies and has_shapes <= shapes,
        f"create_actor: the aggregate was opened for {bodies} bodies and {shapes} shapes, but now has {has_bodies} and"
        f" {has_shapes}",
    )


def alive(sim: Any, call: str) -> None:
    """Require that a sim was not destroyed."""
    require(not sim.destroyed, f"{call}: the sim was destroyed")


def in_setup(sim: Sim, call: str) -> None:
    """Require that physics has not begun."""
    alive(sim, call)
    require(
        sim.world is None,
        f"{call}: must come before prepare_sim and the first simulate, which fix the scene",
    )
