"""Planes, height fields and triangle meshes as MuJoCo geoms."""

from __future__ import annotations

from dataclasses import dataclass, field

import mujoco
import numpy as np

from ._vectors import Transform, Vec3

GROUND_BIT = 1
_MAX_POINTS = 4_000_000
_AT_ONCE = 20_000
"""Triangles: so few stay in the processor's cache."""
_FINEST = 0.02
_COARSEST = 0.1


@dataclass
class Ground:
    """Something that does not move and collides with everything."""

    friction: float
    normal: np.ndarray = field(default_factory=lambda: np.array([0.0, 0.0, 1.0]))
    distance: float = 0.0
    heights: np.ndarray | None = None
    """Of a height field, m, [ix, iy]; a plane without."""
    spacing: tuple[float, float] = (1.0, 1.0)
    corner: tuple[float, float] = (0.0, 0.0)
    """World x and y of heights[0, 0], m."""


def add_ground(spec: mujoco.MjSpec, ground: Ground, name: str) -> None:
    """Add it to a scene."""
    geom = spec.worldbody.add_geom(
        name=name, contype=GROUND_BIT, conaffinity=0, condim=3, friction=[ground.friction, 0.005, 0.0001]
    )
    if ground.heights is None:
        geom.type, geom.size = mujoco.mjtGeom.mjGEOM_PLANE, [0.0, 0.0, 0.05]
        geom.pos = -ground.distance * ground.normal
        mujoco.mju_quatZ2Vec(quat := np.zeros(4), ground.normal)
        geom.quat = quat
        return
    low, high = float(ground.heights.min()), float(ground.heights.max())
    span = max(high - low, 1e-3)
    cols, rows = ground.heights.shape
    half = [0.5 * (count - 1) * step for count, step in zip((cols, rows), ground.spacing)]
    spec.add_hfield(
        name=name, nrow=rows, ncol=cols, size=[*half, span, 0.1], userdata=((ground.heights.T - low) / span).ravel()
    )
    geom.type, geom.hfieldname = mujoco.mjtGeom.mjGEOM_HFIELD, name
    geom.pos = [ground.corner[0] + half[0], ground.corner[1] + half[1], low]


def place(vertices: np.ndarray, transform: Transform) -> np.ndarray:
    """Turn and move points, (n, 3)."""
    r = transform.r
    columns = [r.rotate(Vec3(*axis)) for axis in np.eye(3)]
    rotation = np.array([[v.x, v.y, v.z] for v in columns]).T
    return vertices @ rotation.T + np.array([transform.p.x, transform.p.y, transform.p.z])


def rasterise(vertices: np.ndarray, triangles: np.ndarray, friction: float) -> Ground:
    """Make a height field of a triangle mesh by casting rays down on it.

    Args:
        vertices: m, (n, 3).
        triangles: Indices of vertices, (m, 3).
        friction: Of its surface.
    """
    step = _grid_step(vertices)
    low, high = vertices[:, :2].min(axis=0), vertices[:, :2].max(axis=0)
    shape = np.round((high - low) / step).astype(int) + 1
    heights = np.full(shape, -np.inf)
    for start in range(0, len(triangles), _AT_ONCE):
        corners = vertices[triangles[start : start + _AT_ONCE]].astype(np.float64)
        corners[:, :, :2] = (corners[:, :, :2] - low) / step
        _cast(heights, corners)
    missing = ~np.isfinite(heights)
    heights[missing] = vertices[:, 2].min()
    return Ground(friction, heights=heights, spacing=(step, step), corner=(float(low[0]), float(low[1])))


def _cast(heights: np.ndarray, corners: np.ndarray) -> None:
    """Raise ``heights`` to triangles, (m, 3, 3), whose x and y are in grid steps."""
    first = np.ceil(corners[:, :, :2].min(axis=1) - 1e-4).astype(int)
    reach = np.floor(corners[:, :, :2].max(axis=1) + 1e-4).astype(int) - first
    small = (reach <= 4).all(axis=1)
    _cast_small(heights, corners[small], first[small], reach[small])
    for corner, start, size in zip(corners[~small], first[~small], reach[~small]):
        _cast_large(heights, corner, start, size)


def _grid_step(vertices: np.ndarray) -> float:
    steps = []
    for axis in (0, 1):
        gaps = np.diff(np.unique(np.round(vertices[:, axis], 3)))
        if gaps.size:
            steps.append(float(np.median(gaps)))
    step = min(max(min(steps, default=_COARSEST), _FINEST), _COARSEST)
    extent = np.ptp(vertices[:, :2], axis=0) / step
    while (extent[0] + 1) * (extent[1] + 1) > _MAX_POINTS:
        step, extent = 2.0 * step, extent / 2.0
    return step


def _cast_small(heights: np.ndarray, corners: np.ndarray, first: np.ndarray, reach: np.ndarray) -> None:
    """Cast at the few grid points under each small triangle, all triangles at once."""
    for du in range(int(reach[:, 0].max(initial=-1)) + 1):
        for dv in range(int(reach[:, 1].max(initial=-1)) + 1):
            inside = (reach[:, 0] >= du) & (reach[:, 1] >= dv)
            points = first[inside] + [du, dv]
            _hit(heights, corners[inside], points)


def _cast_large(heights: np.ndarray, corner: np.ndarray, start: np.ndarray, size: np.ndarray) -> None:
    grid = np.indices(size + 1).reshape(2, -1).T + start
    _hit(heights, np.broadcast_to(corner, (len(grid), 3, 3)), grid)


def _hit(heights: np.ndarray, corners: np.ndarray, points: np.ndarray) -> None:
    """Raise ``heights`` at ``points``, (n, 2), to where the triangles ``corners``, (n, 3, 3), are above them."""
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    ab, ac, ap = b[:, :2] - a[:, :2], c[:, :2] - a[:, :2], points - a[:, :2]
    area = ab[:, 0] * ac[:, 1] - ab[:, 1] * ac[:, 0]
    flat = np.abs(area) > 1e-9
    area = np.where(flat, area, 1.0)
    v = (ap[:, 0] * ac[:, 1] - ap[:, 1] * ac[:, 0]) / area
    w = (ab[:, 0] * ap[:, 1] - ab[:, 1] * ap[:, 0]) / area
    hit = flat & (v > -1e-3) & (w > -1e-3) & (v + w < 1 + 1e-3)
    hit &= ((points >= 0) & (points < heights.shape)).all(axis=1)
    z = a[:, 2] + v * (b[:, 2] - a[:, 2]) + w * (c[:, 2] - a[:, 2])
    np.maximum.at(heights, (points[hit, 0], points[hit, 1]), z[hit])
