"""The ground: legged_gym's field of tiles, one height field for every simulator.

Heights are metres, float32, indexed ``[ix, iy]``; neighbouring points are ``horizontal_scale`` metres apart. Functions
that make a tile return all its grid points, both edges included, and leave the edge at height 0: neighbours share
their edge points and meet without cliffs. The middle of a tile, where a robot starts, is a platform.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from legged_gym.common.errors import UserError, near_names
from legged_gym.envs.base.legged_robot_config import LeggedRobotCfg

Heights = NDArray[np.float32]

KINDS = ("smooth_slope", "rough_slope", "stairs_up", "stairs_down", "discrete")
"""Kinds of tiles, in the order of ``terrain_proportions``. Stairs lead up or down as seen from the platform."""

ROUGHNESS_SPACING = 0.2
"""Distance of the points between which roughness is interpolated, m: about as long as a foot, so it can be stood on."""

START_RADIUS = 0.5
"""A tile's origin is as high as the highest ground within this distance of its centre along x and y, m."""

NUM_OBSTACLES = 20
"""Rectangles laid on a tile of discrete obstacles, as in legged_gym."""


TerrainCfg = type[LeggedRobotCfg.terrain]
"""The section of the configuration that says what each value means. A section is written as a class."""


def _rings(shape: tuple[int, int]) -> NDArray[np.int64]:
    """Distance of each grid point from the nearest edge of the tile, in cells."""
    x, y = (np.minimum(np.arange(n), np.arange(n)[::-1]) for n in shape)
    return np.minimum(x[:, None], y[None, :])


def _run(shape: tuple[int, int], platform: int) -> int:
    """Cells from the tile's edge to the platform, along its shorter side, so that the platform is not too small."""
    return (min(shape) - 1 - platform) // 2


def pyramid_slope(shape: tuple[int, int], scale: float, slope: float, platform_size: float) -> Heights:
    """Make a truncated pyramid: an even slope on all four sides up to a flat platform.

    Args:
        shape: Grid points along x and y.
        scale: Distance of grid points, m.
        slope: Rise over run from the edge inwards; negative makes a pit.
        platform_size: Side of the flat middle, m.

    Returns:
        Heights, ``shape``, m.
    """
    run = _run(shape, round(platform_size / scale))
    return (slope * scale * np.minimum(_rings(shape), run)).astype(np.float32)


def rough_slope(
    shape: tuple[int, int],
    scale: float,
    slope: float,
    roughness: float,
    platform_size: float,
    rng: np.random.Generator,
) -> Heights:
    """Make a pyramid slope with uneven ground, the platform included.

    The platform is rough too (as in legged_gym), around an even height: a robot that starts there meets uneven ground
    at its first step.

    Args:
        shape: Grid points along x and y.
        scale: Distance of grid points, m.
        slope: Rise over run from the edge inwards; negative makes a pit.
        roughness: Largest deviation from the slope, ± m, drawn evenly at points :data:`ROUGHNESS_SPACING` apart and
            interpolated between them.
        platform_size: Side of the middle without slope, m.
        rng: Source of randomness.

    Returns:
        Heights, ``shape``, m.
    """
    coarse_x, coarse_y = (max(round((n - 1) * scale / ROUGHNESS_SPACING), 2) + 1 for n in shape)
    coarse = np.zeros((coarse_x, coarse_y))
    coarse[1:-1, 1:-1] = rng.uniform(-roughness, roughness, (coarse_x - 2, coarse_y - 2))
    fine_y = _interpolation(coarse_y, shape[1])
    rough = _interpolation(coarse_x, shape[0]) @ coarse @ fine_y.T
    return (pyramid_slope(shape, scale, slope, platform_size) + rough).astype(np.float32)


def _interpolation(coarse: int, fine: int) -> NDArray[np.float64]:
    """Matrix (fine, coarse) that interpolates linearly from coarse to fine points over the same length."""
    at = np.linspace(0.0, coarse - 1.0, fine)
    return np.maximum(0.0, 1.0 - np.abs(at[:, None] - np.arange(coarse)))


def pyramid_stairs(
    shape: tuple[int, int], scale: float, step_width: float, step_height: float, platform_size: float
) -> Heights:
    """Make stairs on all four sides, as many as fit between edge and platform.

    A riser is as steep as a height field can be: it takes the last cell of the step below it.

    Args:
        shape: Grid points along x and y.
        scale: Distance of grid points, m.
        step_width: Depth of a stair, m, rounded to the grid.
        step_height: Rise of a stair from the edge inwards, m; negative makes a pit.
        platform_size: Side of the flat middle, m.

    Returns:
        Heights, ``shape``, m.
    """
    width = max(round(step_width / scale), 1)
    run = _run(shape, round(platform_size / scale))
    steps = run // width
    # What does not make a whole stair stays level at the edge, so that the platform has its stated size.
    climbed = (_rings(shape) - (run - steps * width)) // width
    return (step_height * np.clip(climbed, 0, steps)).astype(np.float32)


def discrete_obstacles(
    shape: tuple[int, int],
    scale: float,
    height: float,
    width: tuple[float, float],
    platform_size: float,
    rng: np.random.Generator,
) -> Heights:
    """Lay random rectangles, raised or sunk by all or half of a height, around a flat platform at height 0.

    Later rectangles cover earlier ones; the platform and the tile's edge are then cleared.

    Args:
        shape: Grid points along x and y.
        scale: Distance of grid points, m.
        height: Largest height and depth, m.
        width: Smallest and largest side of a rectangle, m.
        platform_size: Side of the flat middle, m.
        rng: Source of randomness.

    Returns:
        Heights, ``shape``, m.
    """
    heights = np.zeros(shape, np.float32)
    smallest, largest = (max(round(side / scale), 1) for side in width)
    for _ in range(NUM_OBSTACLES):
        sides = np.minimum(rng.integers(smallest, largest + 1, 2), np.array(shape) - 1)
        x, y = rng.integers(0, np.array(shape) - sides)
        heights[x : x + sides[0] + 1, y : y + sides[1] + 1] = height * rng.choice((-1.0, -0.5, 0.5, 1.0))
    rings = _rings(shape)
    heights[(rings == 0) | (rings >= _run(shape, round(platform_size / scale)))] = 0.0
    return heights


class Terrain:
    """The height field of a whole scene: a flat border around ``num_rows`` levels by ``num_cols`` columns of tiles.

    World axes: rows follow each other along x, columns along y. Tile (0, 0) has its corner at the world's origin.
    Columns are shared out among the :data:`KINDS` by ``terrain_proportions``. With ``curriculum`` the difficulty grows
    linearly from 0 in the first row, which is flat, to 1 in the last, which has the stated heights (a single row has
    1); without it each tile draws its difficulty. Tiles depend only on configuration and seed.

    Attributes:
        heights: (X, Y) float32, m, border included.
        horizontal_scale: Distance of grid points, m.
        origin: World x and y of ``heights[0, 0]``, m.
        difficulty: (rows, cols), difficulty of each tile.
        env_origins: (rows, cols, 3) float32, m: centre of each tile, z on the highest ground around it.
    """

    def __init__(self, cfg: TerrainCfg, seed: int) -> None:
        """Generate the terrain.

        Args:
            cfg: The configuration's section ``terrain``.
            seed: What the random parts are drawn from, 0 or more.

        Raises:
            UserError: If a value of the section makes no sense; names the key and what is valid.
        """
        _check(cfg)
        self.cfg = cfg
        self.seed = seed
        self.horizontal_scale = cfg.horizontal_scale
        self._border = round(cfg.border_size / cfg.horizontal_scale)
        self.origin = (-self._border * cfg.horizontal_scale,) * 2
        self.difficulty = self._difficulties()
        self.heights, self.env_origins = self._lay_tiles()

    def tile_type(self, col: int) -> str:
        """Kind of the tiles of a column.

        Args:
            col: Column, 0 to num_cols - 1.

        Returns:
            One of :data:`KINDS`.
        """
        # The 0.001 is legged_gym's: it keeps rounding from giving a column on a boundary to the kind before it.
        share = col / self.cfg.num_cols + 0.001
        index = int(np.searchsorted(np.cumsum(self.cfg.terrain_proportions), share, side="right"))
        return KINDS[min(index, len(KINDS) - 1)]

    def tile(self, kind: str, difficulty: float, rng: np.random.Generator, pit: bool = False) -> Heights:
        """Make one tile.

        Args:
            kind: One of :data:`KINDS`.
            difficulty: Share of the configured greatest heights, from 0 (flat); above 1 the tile is harder than any
                of the training field.
            rng: Source of randomness, used by rough slopes and discrete obstacles.
            pit: For slopes: the platform lies below the edge instead of above it.

        Returns:
            Heights with both edges, (terrain_length / horizontal_scale + 1, terrain_width / horizontal_scale + 1), m.

        Raises:
            UserError: If there is no such kind.
        """
        cfg, scale = self.cfg, self.horizontal_scale
        shape = (round(cfg.terrain_length / scale) + 1, round(cfg.terrain_width / scale) + 1)
        slope = difficulty * cfg.slope_max * (-1.0 if pit else 1.0)
        step = difficulty * cfg.step_height_max
        if kind == "smooth_slope":
            return pyramid_slope(shape, scale, slope, cfg.platform_size)
        if kind == "rough_slope":
            return rough_slope(shape, scale, slope, difficulty * cfg.roughness_max, cfg.platform_size, rng)
        if kind == "stairs_up":
            return pyramid_stairs(shape, scale, cfg.step_width, -step, cfg.platform_size)
        if kind == "stairs_down":
            return pyramid_stairs(shape, scale, cfg.step_width, step, cfg.platform_size)
        if kind == "discrete":
            height = difficulty * cfg.obstacle_height_max
            narrow, wide = cfg.obstacle_width
            return discrete_obstacles(shape, scale, height, (narrow, wide), cfg.platform_size, rng)
        raise UserError(f"no terrain kind '{kind}': {near_names(kind, KINDS)}")

    def height_at(self, x: ArrayLike, y: ArrayLike) -> NDArray[np.float64]:
        """Ground height at points of the world, interpolated bilinearly.

        Args:
            x: World x, m.
            y: World y, m, broadcast against x.

        Returns:
            Heights, m, of their common shape. Outside the field: that of the nearest point of its edge.
        """
        lower, weights = [], []
        for value, start, n in zip((x, y), self.origin, self.heights.shape, strict=True):
            at = np.clip((np.asarray(value, np.float64) - start) / self.horizontal_scale, 0.0, n - 1.0)
            cell = np.minimum(at.astype(np.int64), n - 2)
            lower.append(cell)
            weights.append(at - cell)
        (i, j), (u, v) = lower, weights
        h = self.heights.astype(np.float64, copy=False)
        near = h[i, j] * (1.0 - v) + h[i, j + 1] * v
        far = h[i + 1, j] * (1.0 - v) + h[i + 1, j + 1] * v
        return near * (1.0 - u) + far * u

    def _difficulties(self) -> NDArray[np.float64]:
        """Difficulty of each tile, (rows, cols)."""
        rows, cols = self.cfg.num_rows, self.cfg.num_cols
        if not self.cfg.curriculum:
            return np.random.default_rng(self.seed).uniform(0.0, 1.0, (rows, cols))
        levels = np.linspace(0.0, 1.0, rows) if rows > 1 else np.ones(1)
        return np.repeat(levels[:, None], cols, axis=1)

    def _lay_tiles(self) -> tuple[Heights, Heights]:
        """Put all tiles into one field: heights (X, Y) and env_origins (rows, cols, 3)."""
        cfg, scale, border = self.cfg, self.horizontal_scale, self._border
        nx, ny = round(cfg.terrain_length / scale), round(cfg.terrain_width / scale)
        heights = np.zeros((cfg.num_rows * nx + 2 * border + 1, cfg.num_cols * ny + 2 * border + 1), np.float32)
        origins = np.zeros((cfg.num_rows, cfg.num_cols, 3), np.float32)
        reach = round(START_RADIUS / scale)
        middle = tuple(slice(max(n // 2 - reach, 0), n - n // 2 + reach + 1) for n in (nx, ny))
        for row, col in np.ndindex(cfg.num_rows, cfg.num_cols):
            # A generator per tile: one tile does not change with the size of the field or the kinds of the others.
            rng = np.random.default_rng((self.seed, row, col))
            # Slopes alternate by column, so that robots that leave the platform walk down in one and up in the next.
            tile = self.tile(self.tile_type(col), float(self.difficulty[row, col]), rng, pit=col % 2 == 1)
            x, y = border + row * nx, border + col * ny
            heights[x : x + nx + 1, y : y + ny + 1] = tile
            origins[row, col] = ((row + 0.5) * nx * scale, (col + 0.5) * ny * scale, tile[middle].max())
        return heights, origins


def _check(cfg: TerrainCfg) -> None:
    """Raise UserError for values that do not go together; each alone is checked by its annotation."""
    shares = cfg.terrain_proportions
    summed = len(shares) == len(KINDS) and abs(sum(shares) - 1.0) <= 1e-6
    _require(summed, cfg, "terrain_proportions", f"{len(KINDS)} shares with sum 1: {', '.join(KINDS)}")
    for key in ("terrain_length", "terrain_width"):
        side = getattr(cfg, key)
        cells = side / cfg.horizontal_scale
        on_grid = abs(cells - round(cells)) < 1e-6
        _require(on_grid, cfg, key, f"a multiple of horizontal_scale, {cfg.horizontal_scale} m")
        least = cfg.platform_size + 2 * cfg.step_width
        _require(side >= least - 1e-6, cfg, key, f"at least platform_size + 2 step_width = {least:g} m")
    _require(cfg.step_width >= cfg.horizontal_scale, cfg, "step_width", "horizontal_scale or more")
    sides = cfg.obstacle_width
    shortest = min(cfg.terrain_length, cfg.terrain_width)
    _require(sides[1] <= shortest, cfg, "obstacle_width", f"[smallest, largest] side, up to a tile's {shortest:g} m")


def _require(valid: bool, cfg: TerrainCfg, key: str, expected: str) -> None:
    """Raise UserError about a key of the section unless its value is valid."""
    if not valid:
        raise UserError(f"terrain.{key} is {getattr(cfg, key)!r}; it must be {expected}")
