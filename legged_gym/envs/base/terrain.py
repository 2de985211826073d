"""The ground: legged_gym's field of tiles, as one height field for all simulators."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from legged_gym.common.errors import UserError, near_names
from legged_gym.envs.base.terrain_tiles import KINDS, Heights, TerrainCfg, Tile
from legged_gym.simulators.mujoco_model import HeightField

_BY_POSITION = list(KINDS)[:8]
"""Kinds whose shares legged_gym gives by position."""

START_RADIUS = 0.5
"""A tile's origin has the height of the highest ground within this distance of its centre along x and y, m."""


class Terrain(HeightField):
    """The height field of a whole scene: a flat border around ``num_rows`` levels by ``num_cols`` columns of tiles.

    World axes: rows follow each other along x, columns along y. Tile (0, 0) has its corner at the world's origin.
    Columns are divided among the :data:`KINDS` by ``terrain_proportions``. With ``curriculum`` the difficulty grows
    linearly from 0 in the first row, which is flat, to 1 in the last, which has the stated heights (a single row has
    1); without it each tile draws its difficulty. Tiles depend only on configuration and seed.

    Attributes:
        heights: (X, Y) float32, m, including the border.
        env_length, env_width: Sides of a tile along x and y, m.
        difficulty: (rows, cols), difficulty of each tile.
        env_origins: (rows, cols, 3) float32, m: centre of each tile, z on the highest ground around it.
    """

    def __init__(self, cfg: TerrainCfg, seed: int) -> None:
        """Generate the terrain. ``seed``, 0 or more, determines its random parts. Invalid values are refused."""
        _check(cfg)
        self.cfg = cfg
        self.seed = seed
        self.horizontal_scale = cfg.horizontal_scale
        self.env_length, self.env_width = cfg.terrain_length, cfg.terrain_width
        self._border = round(cfg.border_size / cfg.horizontal_scale)
        self.origin = (-self._border * cfg.horizontal_scale,) * 2
        self.difficulty = self._difficulties()
        self.heights, self.env_origins = self._lay_tiles()

    def tile_type(self, col: int) -> str:
        """Kind of the tiles of a column, one of :data:`KINDS`."""
        # legged_gym's 0.001: without it, rounding could give a column on a boundary to the kind before it.
        share = col / self.cfg.num_cols + 0.001
        shares = kind_shares(self.cfg)
        index = int(np.searchsorted(np.cumsum(list(shares.values())), share, side="right"))
        return list(shares)[min(index, len(shares) - 1)]

    def tile(self, kind: str, difficulty: float, rng: np.random.Generator, pit: bool = False) -> Heights:
        """Make a tile of one of :data:`KINDS`. Return its heights, m, at all grid points, including both edges.

        ``difficulty`` is a factor on the configured largest heights, from 0 (flat). Above 1 the tile is harder than any
        of the training field. ``rng`` draws rough ground and obstacles. ``pit``: slopes lead down to the platform.
        """
        if kind not in KINDS:
            raise UserError(f"no terrain kind '{kind}': {near_names(kind, KINDS)}")
        cfg, scale = self.cfg, self.horizontal_scale
        shape = (round(cfg.terrain_length / scale) + 1, round(cfg.terrain_width / scale) + 1)
        return KINDS[kind](Tile(cfg, shape, scale, difficulty, rng, pit))

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
            # A generator for each tile, so that a tile does not depend on the field's size or on other tiles.
            rng = np.random.default_rng((self.seed, row, col))
            # Slopes alternate by column, so that robots walk down from the platform in one and up in the next.
            tile = self.tile(self.tile_type(col), float(self.difficulty[row, col]), rng, pit=col % 2 == 1)
            x, y = border + row * nx, border + col * ny
            heights[x : x + nx + 1, y : y + ny + 1] = tile
            origins[row, col] = ((row + 0.5) * nx * scale, (col + 0.5) * ny * scale, tile[middle].max())
        return heights, origins


def kind_shares(cfg: TerrainCfg) -> dict[str, float]:
    """Return the share of each kind by name, also from a list in legged_gym's order, or refuse them."""
    given, key, order = cfg.terrain_proportions, "terrain_proportions", ", ".join(_BY_POSITION)
    if isinstance(given, dict):
        shares: dict[str, float] = given
        for name in shares:
            _require(name in KINDS, cfg, key, f"shares of kinds; '{name}': {near_names(name, KINDS)}")
    else:
        _require(len(given) <= len(_BY_POSITION), cfg, key, f"shares of, in this order, {order}")
        shares = dict(zip(_BY_POSITION, given, strict=False))
    _require(abs(sum(shares.values()) - 1.0) <= 1e-6, cfg, key, f"shares with sum 1 (kinds: {', '.join(KINDS)})")
    return shares


def _check(cfg: TerrainCfg) -> None:
    """Raise UserError for values that don't fit together. Each single value is checked by its annotation."""
    kind_shares(cfg)
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
