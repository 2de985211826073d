"""Tiles of the ground. Each kind is defined here and nowhere else.

Heights are in metres, float32, indexed ``[ix, iy]``; neighbouring points are ``scale`` metres apart. A tile includes
both edges, and its edges are at height 0, so that neighbouring tiles share edge points without steps. The middle of a
tile, where a robot starts, is a platform.

To add a kind, write a function here with :func:`_kind`. Its name is then valid in ``terrain.terrain_proportions``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from legged_gym.envs.base.sections_config import TerrainSettings

Heights = NDArray[np.float32]

TerrainCfg = type[TerrainSettings]
"""The section of the configuration that describes each value. A section is written as a class."""

ROUGHNESS_SPACING = 0.2
"""Distance of the points between which roughness is interpolated, m: about the length of a foot."""

_NUM_OBSTACLES = 20
"""Number of rectangles on a tile of discrete obstacles, as in legged_gym."""

_WAVES = 4
"""Number of half waves along each side of a tile."""


@dataclass(frozen=True)
class Tile:
    """Properties of a tile that a kind needs."""

    cfg: TerrainCfg
    shape: tuple[int, int]
    """Grid points along x and y."""
    scale: float
    """Distance of grid points, m."""
    difficulty: float
    """Factor on the largest heights and widths; 0 is flat."""
    rng: np.random.Generator
    pit: bool
    """For slopes: the platform is below the edge."""

    @property
    def platform(self) -> int:
        """Side of the platform, cells."""
        return round(self.cfg.platform_size / self.scale)

    def cells(self, size: float) -> int:
        """Return a length, m, in cells, at least one."""
        return max(round(size / self.scale), 1)

    def clear(self, heights: Heights) -> Heights:
        """Set the edge and the platform to height 0, in place, and return the tile."""
        rings = _rings(self.shape)
        heights[(rings == 0) | (rings >= _run(self.shape, self.platform))] = 0.0
        return heights


KINDS: dict[str, Callable[[Tile], Heights]] = {}
"""Makers of tiles by name. The first eight are in legged_gym's order, for shares that are given by position."""


_Maker = TypeVar("_Maker", bound=Callable[..., Heights])


def _kind(make: _Maker) -> _Maker:
    KINDS[make.__name__.strip("_")] = make
    return make


@_kind
def _smooth_slope(tile: Tile) -> Heights:
    """Make a truncated pyramid: a smooth slope on four sides, up or down to the platform."""
    slope = tile.difficulty * tile.cfg.slope_max * (-1.0 if tile.pit else 1.0)
    return (slope * tile.scale * np.minimum(_rings(tile.shape), _run(tile.shape, tile.platform))).astype(np.float32)


@_kind
def _rough_slope(tile: Tile) -> Heights:
    """Make such a slope with uneven ground, also on the platform, so that robots feel it from the first step on.

    Deviations are drawn uniformly at points :data:`ROUGHNESS_SPACING` apart and interpolated between them.
    """
    roughness = tile.difficulty * tile.cfg.roughness_max
    coarse_x, coarse_y = (max(round((n - 1) * tile.scale / ROUGHNESS_SPACING), 2) + 1 for n in tile.shape)
    coarse = np.zeros((coarse_x, coarse_y))
    coarse[1:-1, 1:-1] = tile.rng.uniform(-roughness, roughness, (coarse_x - 2, coarse_y - 2))
    fine_y = _interpolation(coarse_y, tile.shape[1])
    rough = _interpolation(coarse_x, tile.shape[0]) @ coarse @ fine_y.T
    return (_smooth_slope(tile) + rough).astype(np.float32)


@_kind
def _stairs_up(tile: Tile, sign: float = -1.0) -> Heights:
    """Make stairs that lead up from the platform."""
    height = sign * tile.difficulty * tile.cfg.step_height_max
    return pyramid_stairs(tile.shape, tile.scale, tile.cfg.step_width, height, tile.cfg.platform_size)


@_kind
def _stairs_down(tile: Tile) -> Heights:
    """Make stairs that lead down from the platform."""
    return _stairs_up(tile, 1.0)


@_kind
def _discrete(tile: Tile) -> Heights:
    """Place random rectangles, raised or sunk by a full or half height. Later ones cover earlier ones."""
    height = tile.difficulty * tile.cfg.obstacle_height_max
    heights = np.zeros(tile.shape, np.float32)
    smallest, largest = map(tile.cells, tile.cfg.obstacle_width)
    for _ in range(_NUM_OBSTACLES):
        sides = np.minimum(tile.rng.integers(smallest, largest + 1, 2), np.array(tile.shape) - 1)
        x, y = tile.rng.integers(0, np.array(tile.shape) - sides)
        heights[x : x + sides[0] + 1, y : y + sides[1] + 1] = height * tile.rng.choice((-1.0, -0.5, 0.5, 1.0))
    return tile.clear(heights)


@_kind
def _stepping_stones(tile: Tile) -> Heights:
    """Place square stones in rows. The gaps are ``hole_depth`` deep and wider at higher levels."""
    size, gap = tile.cells(tile.cfg.stone_size), round(tile.difficulty * tile.cfg.stone_distance_max / tile.scale)
    x, y = (np.arange(n) % (size + gap) >= size for n in tile.shape)
    heights = np.zeros(tile.shape, np.float32)
    heights[x[:, None] | y[None, :]] = -tile.cfg.hole_depth
    return tile.clear(heights)


@_kind
def _gaps(tile: Tile) -> Heights:
    """Dig a trench around the platform, wider at higher levels."""
    rings, inner = _rings(tile.shape), _run(tile.shape, tile.platform)
    heights = np.zeros(tile.shape, np.float32)
    heights[
        (rings < inner) & (rings >= inner - round(tile.difficulty * tile.cfg.gap_width_max / tile.scale))
    ] = -tile.cfg.hole_depth
    return tile.clear(heights)


@_kind
def _pits(tile: Tile) -> Heights:
    """Sink the platform, deeper at higher levels: the robot has to climb out."""
    sunk = _rings(tile.shape) >= _run(tile.shape, tile.platform)
    return np.where(sunk, -tile.difficulty * tile.cfg.pit_depth_max, 0.0).astype(np.float32)


@_kind
def _waves(tile: Tile) -> Heights:
    """Make waves of hills and hollows, also on the platform."""
    x, y = (np.sin(np.linspace(0.0, _WAVES * np.pi, n)) for n in tile.shape)
    heights = tile.difficulty * tile.cfg.wave_height_max * x[:, None] * y[None, :]
    heights[_rings(tile.shape) == 0] = 0.0
    return heights.astype(np.float32)


@_kind
def _random_blocks(tile: Tile) -> Heights:
    """Cover the tile with blocks of ``block_size``, each with its own height, up or down."""
    size = tile.cells(tile.cfg.block_size)
    most = tile.difficulty * tile.cfg.obstacle_height_max
    blocks = tile.rng.uniform(-most, most, tuple(n // size + 1 for n in tile.shape))
    heights = blocks.repeat(size, axis=0).repeat(size, axis=1)[: tile.shape[0], : tile.shape[1]]
    return tile.clear(heights.astype(np.float32))


@_kind
def _narrow_beam(tile: Tile) -> Heights:
    """Make four beams from the platform to the edge, narrower at higher levels, with ``hole_depth`` beside them."""
    if tile.difficulty == 0.0:
        return np.zeros(tile.shape, np.float32)
    widest = tile.cfg.platform_size
    width = max(widest + tile.difficulty * (tile.cfg.beam_width_min - widest), tile.scale)
    off = [np.abs(np.arange(n) - (n - 1) / 2) * tile.scale > width / 2 for n in tile.shape]
    heights = np.where(off[0][:, None] & off[1][None, :], -tile.cfg.hole_depth, 0.0).astype(np.float32)
    return tile.clear(heights)


def _rings(shape: tuple[int, int]) -> NDArray[np.int64]:
    """Distance of each grid point from the nearest edge of the tile, in cells."""
    x, y = (np.minimum(np.arange(n), np.arange(n)[::-1]) for n in shape)
    return np.minimum(x[:, None], y[None, :])


def _run(shape: tuple[int, int], platform: int) -> int:
    """Cells from the tile's edge to the platform, along its shorter side, so that the platform is not too small."""
    return (min(shape) - 1 - platform) // 2


def _interpolation(coarse: int, fine: int) -> NDArray[np.float64]:
    """Matrix (fine, coarse) that interpolates linearly from coarse to fine points over the same length."""
    at = np.linspace(0.0, coarse - 1.0, fine)
    return np.maximum(0.0, 1.0 - np.abs(at[:, None] - np.arange(coarse)))


def pyramid_stairs(
    shape: tuple[int, int], scale: float, step_width: float, step_height: float, platform_size: float
) -> Heights:
    """Make as many stairs as fit on four sides, up to a flat middle of ``platform_size``, m, or down if negative.

    A riser is as steep as a height field allows: it takes the last cell of the step below it.
    """
    width = max(round(step_width / scale), 1)
    run = _run(shape, round(platform_size / scale))
    steps = run // width
    # The rest that is not a whole stair stays level at the edge, so that the platform has its given size.
    climbed = (_rings(shape) - (run - steps * width)) // width
    return (step_height * np.clip(climbed, 0, steps)).astype(np.float32)
