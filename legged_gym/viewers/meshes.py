"""Makes meshes of robot and ground, as binary glTF, from the scene that both MuJoCo back-ends share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, cast

import mujoco
import numpy as np
import trimesh
from PIL import Image
from trimesh.visual.material import PBRMaterial

from legged_gym.simulators.mujoco_model import build_scene

if TYPE_CHECKING:
    from legged_gym.envs.base.legged_robot import LeggedRobot
    from legged_gym.envs.base.terrain import Terrain

_COLLISION_GROUP = 3
"""MuJoCo's group of shapes that only collide."""
_CORNERS = 24
"""Number of edges of a polygon that replaces a circle."""
_SHARP = np.radians(30.0)
"""Faces that meet at more than this angle have a sharp edge between them, degrees."""
_MANY_FACES = 2000
"""A shape with more faces than this is shaded smoothly."""
_TILES = ((150, 163, 175), (166, 178, 189))
"""Colours of the ground's checkered tiles, which are 0.5 m long."""


def robot_parts(env: LeggedRobot) -> dict[int, bytes]:
    """Return the mesh of each link, by its index in ``env.body_names``. Links without shapes are left out."""
    cfg = env.cfg.copy()
    cfg.terrain.mesh_type = "plane"
    scene = build_scene(cfg, visuals=True)
    parts = {}
    for link, body in enumerate(scene.body_ids):
        geoms = np.flatnonzero(scene.model.geom_bodyid == body)
        visuals = [geom for geom in geoms if scene.model.geom_group[geom] < _COLLISION_GROUP]
        if len(geoms):
            parts[link] = _link(scene.model, [int(geom) for geom in visuals or geoms])
    return parts


def _link(model: mujoco.MjModel, geoms: Iterable[int]) -> bytes:
    """Return the shapes of one link, with one mesh for each colour."""
    by_colour: dict[tuple[float, ...], list[trimesh.Trimesh]] = {}
    for geom in geoms:
        mesh = _shape(model, geom)
        if mesh is None:
            continue
        mesh = _shaded(mesh)
        pose = trimesh.transformations.quaternion_matrix(model.geom_quat[geom])
        pose[:3, 3] = model.geom_pos[geom]
        mesh.apply_transform(pose)
        material = model.geom_matid[geom]
        colour = model.geom_rgba[geom] if material < 0 else model.mat_rgba[material]
        by_colour.setdefault(tuple(map(float, colour)), []).append(mesh)
    scene = trimesh.Scene()
    for colour, meshes in by_colour.items():
        whole = cast(trimesh.Trimesh, trimesh.util.concatenate(meshes))
        paint = PBRMaterial(baseColorFactor=[*colour[:3], 1.0], metallicFactor=0.0, roughnessFactor=0.55)
        whole.visual = trimesh.visual.TextureVisuals(material=paint)
        scene.add_geometry(whole)
    return cast(bytes, scene.export(file_type="glb"))


def _shape(model: mujoco.MjModel, geom: int) -> trimesh.Trimesh | None:
    """Return a shape in its own frame; None for unsupported kinds."""
    size, kind = model.geom_size[geom], mujoco.mjtGeom(int(model.geom_type[geom]))
    if kind == mujoco.mjtGeom.mjGEOM_BOX:
        return trimesh.creation.box(extents=2.0 * size)
    if kind == mujoco.mjtGeom.mjGEOM_CYLINDER:
        return trimesh.creation.cylinder(radius=size[0], height=2.0 * size[1], sections=_CORNERS)
    if kind == mujoco.mjtGeom.mjGEOM_CAPSULE:
        return trimesh.creation.capsule(radius=size[0], height=2.0 * size[1], count=(_CORNERS // 2, _CORNERS))
    if kind in (mujoco.mjtGeom.mjGEOM_SPHERE, mujoco.mjtGeom.mjGEOM_ELLIPSOID):
        mesh = trimesh.creation.icosphere(subdivisions=2)
        mesh.apply_scale(size[[0, 0, 0]] if kind == mujoco.mjtGeom.mjGEOM_SPHERE else size)
        return mesh
    if kind == mujoco.mjtGeom.mjGEOM_MESH:
        data = model.geom_dataid[geom]
        first, count = model.mesh_vertadr[data], model.mesh_vertnum[data]
        vertices = model.mesh_vert[first : first + count]
        first, count = model.mesh_faceadr[data], model.mesh_facenum[data]
        return trimesh.Trimesh(vertices, model.mesh_face[first : first + count], process=False)
    return None


def _shaded(mesh: trimesh.Trimesh) -> trimesh.Trimesh:
    """Return a shape with normals: round surfaces smooth, edges sharp."""
    weighted = mesh.face_normals * mesh.area_faces[:, None]
    if len(mesh.faces) > _MANY_FACES:
        normals = np.zeros(mesh.vertices.shape)
        np.add.at(normals, mesh.faces, weighted[:, None])
        return trimesh.Trimesh(mesh.vertices, mesh.faces, vertex_normals=_unit(normals), process=False)
    # Every face gets its own corners. A corner's normal is the mean of the nearly parallel faces there.
    corners, owners = mesh.faces.ravel(), np.repeat(np.arange(len(mesh.faces)), 3)
    smooth = mesh.face_normals @ mesh.face_normals.T > np.cos(_SHARP)
    together = (corners[:, None] == corners) & smooth[owners[:, None], owners]
    normals = _unit(together @ weighted[owners])
    faces = np.arange(len(corners)).reshape(-1, 3)
    return trimesh.Trimesh(mesh.vertices[corners], faces, vertex_normals=normals, process=False)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)


def plane(half: float) -> bytes:
    """Return a checkered square around the origin, ``half`` m to each side."""
    corners = np.array([[-half, -half, 0.0], [half, -half, 0.0], [half, half, 0.0], [-half, half, 0.0]])
    return _ground(corners, np.tile([0.0, 0.0, 1.0], (4, 1)), np.array([[0, 1, 2], [0, 2, 3]]))


def ground_around(terrain: Terrain, centre: np.ndarray, reach: float) -> bytes:
    """Return the terrain within ``reach`` m (to each side) of a place, (2,), with all its points."""
    rows, cols = _window(terrain, centre, reach)
    return _height_field(terrain, np.arange(rows[0], rows[1] + 1), np.arange(cols[0], cols[1] + 1))


def ground_beyond(terrain: Terrain, centre: np.ndarray, reach: float, spacing: int = 5) -> bytes:
    """Return the rest of the terrain, outside of :func:`ground_around`, with every ``spacing``-th point."""
    window = _window(terrain, centre, reach)
    lines, hidden = [], []
    for size, (first, last) in zip(terrain.heights.shape, window, strict=True):
        # Both contain the window's edges, so that there is no gap.
        lines.append(np.unique([*range(0, size, spacing), size - 1, first, last]))
        hidden.append((lines[-1][:-1] >= first) & (lines[-1][:-1] < last))
    return _height_field(terrain, lines[0], lines[1], np.logical_and.outer(hidden[0], hidden[1]))


def _window(terrain: Terrain, centre: np.ndarray, reach: float) -> list[tuple[int, int]]:
    """Return the first and last grid line within reach, along x and y."""
    window = []
    for axis in range(2):
        size = terrain.heights.shape[axis]
        place = (centre[axis] - terrain.origin[axis]) / terrain.horizontal_scale
        lines = [round(place - reach / terrain.horizontal_scale), round(place + reach / terrain.horizontal_scale)]
        first, last = np.clip(lines, 0, size - 1).tolist()
        window.append((first, last))
    return window


def _height_field(terrain: Terrain, rows: np.ndarray, cols: np.ndarray, hidden: np.ndarray | None = None) -> bytes:
    """Return a part of the terrain as triangles, without the hidden cells, bool, (R - 1, C - 1)."""
    scale, origin = terrain.horizontal_scale, terrain.origin
    x, y = np.meshgrid(origin[0] + scale * rows, origin[1] + scale * cols, indexing="ij")
    heights = terrain.heights[np.ix_(rows, cols)].astype(float)
    vertices = np.stack((x, y, heights), axis=-1).reshape(-1, 3)
    slopes = np.gradient(heights, scale * rows, scale * cols)
    normals = _unit(np.stack((-slopes[0], -slopes[1], np.ones_like(heights)), axis=-1)).reshape(-1, 3)
    index = np.arange(len(vertices)).reshape(len(rows), len(cols))
    a, b, c, d = index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]
    # MuJoCo splits a cell the same way.
    faces = np.stack((np.stack((a, b, c), axis=-1), np.stack((a, c, d), axis=-1)), axis=2)
    shown = faces if hidden is None else faces[~hidden]
    return _ground(vertices, normals, shown.reshape(-1, 3))


def _ground(vertices: np.ndarray, normals: np.ndarray, faces: np.ndarray) -> bytes:
    """Return ground with checkered tiles. Their places in the world don't depend on the part that is shown."""
    tiles = Image.fromarray(np.array([[_TILES[0], _TILES[1]], [_TILES[1], _TILES[0]]], np.uint8))
    material = PBRMaterial(
        baseColorTexture=tiles.resize((256, 256), Image.Resampling.NEAREST), metallicFactor=0.0, roughnessFactor=0.95
    )
    visual = trimesh.visual.TextureVisuals(uv=vertices[:, :2], material=material)
    mesh = trimesh.Trimesh(vertices, faces, vertex_normals=normals, visual=visual, process=False)
    return cast(bytes, mesh.export(file_type="glb"))
