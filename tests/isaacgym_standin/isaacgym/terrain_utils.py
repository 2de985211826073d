"""Generators of height-field terrains: they add to ``SubTerrain.height_field_raw``, in vertical units."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.random import choice


class SubTerrain:
    """A tile of terrain; ``width`` points along x, ``length`` along y."""

    def __init__(
        self,
        terrain_name: str = "terrain",
        width: int = 256,
        length: int = 256,
        vertical_scale: float = 1.0,
        horizontal_scale: float = 1.0,
    ) -> None:
        """Make a flat tile."""
        self.terrain_name = terrain_name
        self.vertical_scale, self.horizontal_scale = vertical_scale, horizontal_scale
        self.width, self.length = width, length
        self.height_field_raw = np.zeros((width, length), dtype=np.int16)


def _steps(terrain: SubTerrain, low: float, high: float, step: float) -> np.ndarray:
    scale = terrain.vertical_scale
    return np.arange(int(low / scale), int(high / scale) + max(int(step / scale), 1), max(int(step / scale), 1))


def _resample(coarse: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Stretch a grid over ``shape`` points, linearly."""
    for axis in (0, 1):
        old, new = np.linspace(0, 1, coarse.shape[axis]), np.linspace(0, 1, shape[axis])
        coarse = np.apply_along_axis(lambda line, new=new, old=old: np.interp(new, old, line), axis, coarse)
    return coarse


def random_uniform_terrain(
    terrain: SubTerrain, min_height: float, max_height: float, step: float = 1, downsampled_scale: Any = None
) -> SubTerrain:
    """Add random heights, m, drawn every ``downsampled_scale`` m and joined linearly."""
    coarse_step = terrain.horizontal_scale if downsampled_scale is None else downsampled_scale
    heights = _steps(terrain, min_height, max_height, step)
    points = [int(n * terrain.horizontal_scale / coarse_step) for n in (terrain.width, terrain.length)]
    coarse = choice(heights, [max(n, 2) for n in points])
    terrain.height_field_raw += np.rint(_resample(coarse, (terrain.width, terrain.length))).astype(np.int16)
    return terrain


def sloped_terrain(terrain: SubTerrain, slope: float = 1) -> SubTerrain:
    """Add a slope along x."""
    top = int(slope * terrain.horizontal_scale / terrain.vertical_scale * terrain.width)
    ramp = top * np.arange(terrain.width) / terrain.width
    terrain.height_field_raw += ramp.astype(np.int16)[:, None]
    return terrain


def pyramid_sloped_terrain(terrain: SubTerrain, slope: float = 1, platform_size: float = 1.0) -> SubTerrain:
    """Add a pyramid, downwards for a negative slope, with a flat middle of ``platform_size`` m."""
    half = [terrain.width // 2, terrain.length // 2]
    ways = [(n - np.abs(n - np.arange(size))) / n for n, size in zip(half, (terrain.width, terrain.length))]
    top = int(slope * (terrain.horizontal_scale / terrain.vertical_scale) * (terrain.width / 2))
    terrain.height_field_raw += (top * ways[0][:, None] * ways[1][None, :]).astype(np.int16)
    reach = int(platform_size / terrain.horizontal_scale / 2)
    edge = terrain.height_field_raw[half[0] - reach, half[1] - reach]
    terrain.height_field_raw = np.clip(terrain.height_field_raw, min(edge, 0), max(edge, 0))
    return terrain


def discrete_obstacles_terrain(
    terrain: SubTerrain, max_height: float, min_size: float, max_size: float, num_rects: int, platform_size: float = 1.0
) -> SubTerrain:
    """Put boxes and pits of ±max_height or half of it, m, and clear a flat middle."""
    top = int(max_height / terrain.vertical_scale)
    sizes = range(int(min_size / terrain.horizontal_scale), int(max_size / terrain.horizontal_scale), 4)
    rows, cols = terrain.height_field_raw.shape
    for _ in range(num_rects):
        width, length = choice(sizes), choice(sizes)
        x, y = choice(range(0, rows - width, 4)), choice(range(0, cols - length, 4))
        height = choice([-top, -top // 2, top // 2, top])
        terrain.height_field_raw[x : x + width, y : y + length] = height
    _middle(terrain, platform_size)[...] = 0
    return terrain


def _middle(terrain: SubTerrain, size: float) -> np.ndarray:
    points = int(size / terrain.horizontal_scale)
    x, y = (terrain.width - points) // 2, (terrain.length - points) // 2
    return terrain.height_field_raw[x : x + points, y : y + points]


def wave_terrain(terrain: SubTerrain, num_waves: int = 1, amplitude: float = 1.0) -> SubTerrain:
    """Add sine waves along both axes, m."""
    size = int(0.5 * amplitude / terrain.vertical_scale)
    if num_waves > 0:
        length = terrain.length / (num_waves * 2 * np.pi)
        x, y = np.arange(terrain.width)[:, None], np.arange(terrain.length)[None, :]
        terrain.height_field_raw += (size * np.cos(y / length) + size * np.sin(x / length)).astype(np.int16)
    return terrain


def stairs_terrain(terrain: SubTerrain, step_width: float, step_height: float) -> SubTerrain:
    """Add stairs along x, m."""
    width, height = int(step_width / terrain.horizontal_scale), int(step_height / terrain.vertical_scale)
    for number in range(terrain.width // width):
        terrain.height_field_raw[number * width : (number + 1) * width, :] += height * (number + 1)
    return terrain


def pyramid_stairs_terrain(
    terrain: SubTerrain, step_width: float, step_height: float, platform_size: float = 1.0
) -> SubTerrain:
    """Make a pyramid of stairs up to a flat middle, m."""
    width, height = int(step_width / terrain.horizontal_scale), int(step_height / terrain.vertical_scale)
    platform = int(platform_size / terrain.horizontal_scale)
    low, high, level = np.zeros(2, dtype=int), np.array([terrain.width, terrain.length]), 0
    while (high - low > platform).all():
        low, high, level = low + width, high - width, level + height
        terrain.height_field_raw[low[0] : high[0], low[1] : high[1]] = level
    return terrain


def stepping_stones_terrain(
    terrain: SubTerrain,
    stone_size: float,
    stone_distance: float,
    max_height: float,
    platform_size: float = 1.0,
    depth: float = -10,
) -> SubTerrain:
    """Make stones over a pit of ``depth`` m, with a flat middle."""
    size, gap = int(stone_size / terrain.horizontal_scale), int(stone_distance / terrain.horizontal_scale)
    top = int(max_height / terrain.vertical_scale)
    heights = np.arange(-top - 1, max(top, -top), step=1)
    terrain.height_field_raw[:, :] = int(depth / terrain.vertical_scale)
    pitch = max(size + gap, 1)
    for y in range(0, terrain.length, pitch):
        shift = np.random.randint(0, max(size, 1))
        for x in range(-shift, terrain.width, pitch):
            stone = terrain.height_field_raw[max(x, 0) : max(x + size, 0), y : y + size]
            stone[...] = choice(heights)
    _middle(terrain, platform_size)[...] = 0
    return terrain


def convert_heightfield_to_trimesh(
    height_field_raw: np.ndarray, horizontal_scale: float, vertical_scale: float, slope_threshold: Any = None
) -> tuple[np.ndarray, np.ndarray]:
    """Make a triangle mesh, with walls where it is steeper than ``slope_threshold``.

    Returns:
        Vertices, m, (points, 3) of float32, and triangles, (m, 3) of uint32.
    """
    field = height_field_raw
    rows, cols = field.shape
    x, y = np.meshgrid(np.arange(rows), np.arange(cols), indexing="ij")
    if slope_threshold is not None:
        x, y = _walls(field, slope_threshold * horizontal_scale / vertical_scale)
    vertices = np.stack([x * horizontal_scale, y * horizontal_scale, field * vertical_scale], axis=-1)
    corner = (np.arange(rows - 1)[:, None] * cols + np.arange(cols - 1)[None, :]).ravel()
    lower = np.stack([corner, corner + cols + 1, corner + 1], axis=-1)
    upper = np.stack([corner, corner + cols, corner + cols + 1], axis=-1)
    triangles = np.stack([lower, upper], axis=1).reshape(-1, 3)
    return vertices.reshape(-1, 3).astype(np.float32), triangles.astype(np.uint32)


def _walls(field: np.ndarray, steep: float) -> tuple[np.ndarray, np.ndarray]:
    """Move the lower point of steep edges under the higher one."""
    field = field.astype(np.int64)
    rows, cols = field.shape
    x, y = np.meshgrid(np.arange(rows), np.arange(cols), indexing="ij")
    along_x, along_y, corners = np.zeros((3, rows, cols), dtype=int)
    up = np.diff(field, axis=0) > steep
    down = np.diff(field, axis=0) < -steep
    along_x[:-1] += up
    along_x[1:] -= down
    up, down = np.diff(field, axis=1) > steep, np.diff(field, axis=1) < -steep
    along_y[:, :-1] += up
    along_y[:, 1:] -= down
    diagonal = field[1:, 1:] - field[:-1, :-1]
    corners[:-1, :-1] += diagonal > steep
    corners[1:, 1:] -= diagonal < -steep
    return x + along_x + corners * (along_x == 0), y + along_y + corners * (along_y == 0)
