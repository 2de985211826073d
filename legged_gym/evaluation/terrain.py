"""The terrain of evaluations: one field with a large tile for each kind, independent of the chosen scenarios."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import numpy as np

from legged_gym.envs.base.terrain import Terrain
from legged_gym.envs.base.terrain_tiles import Heights, TerrainCfg, pyramid_stairs

TILE_SIZE = 16.0
"""Side of a tile, m. In a trial no robot walks from the middle to the edge."""

SCALE = 0.1
"""Distance of the field's points, m."""

_STEP_DEPTH, _PLATFORM = 0.3, 0.8


def _rough(height: float) -> Callable[[np.random.Generator, tuple[int, int]], Heights]:
    """Return a maker of tiles whose points have independent, uniform heights from 0 to ``height``, m."""
    return lambda rng, shape: rng.uniform(0.0, height, shape).astype(np.float32)


def _stairs(height: float) -> Callable[[np.random.Generator, tuple[int, int]], Heights]:
    """Return a maker of stairs on four sides of the middle, with steps of ``height``, m. They lead downward, outward.

    With a negative height they lead upward.
    """
    return lambda rng, shape: pyramid_stairs(shape, SCALE, _STEP_DEPTH, height, _PLATFORM)


def _slope(angle: float) -> Callable[[np.random.Generator, tuple[int, int]], Heights]:
    """Return a maker of a plane that rises along x by an angle, rad, or falls if it is negative."""

    def make(rng: np.random.Generator, shape: tuple[int, int]) -> Heights:
        x = SCALE * (np.arange(shape[0]) - shape[0] // 2)
        return np.repeat((np.tan(angle) * x)[:, None], shape[1], axis=1).astype(np.float32)

    return make


TERRAINS: dict[str, Callable[[np.random.Generator, tuple[int, int]], Heights]] = {
    "rough_2cm": _rough(0.02),
    "rough_4cm": _rough(0.04),
    "stairs_up": _stairs(-0.02),
    "stairs_down": _stairs(0.02),
    "slope_up": _slope(0.1),
    "slope_down": _slope(-0.1),
    "stairs_up_4cm": _stairs(-0.04),
    "stairs_down_4cm": _stairs(0.04),
    "stairs_up_6cm": _stairs(-0.06),
    "stairs_down_6cm": _stairs(0.06),
}
"""Tiles by name, in the order of the field: a robot starts near the middle of its tile, facing along x on slopes. New
ones come last, because a tile's place decides what is drawn for it."""

START_SPREAD = {"rough_2cm": 1.5, "rough_4cm": 1.5}
"""On these tiles, robots start within ± this of the middle along x and y, m; on others within ± 0.2 m."""

FREE_HEADING = tuple(name for name in TERRAINS if not name.startswith("slope"))
"""Tiles on which robots start in any direction."""


@contextlib.contextmanager
def steepness(slope: float | None = None, step: float | None = None) -> Iterator[None]:
    """Use other angles, rad, for ``slope_*`` and other heights, m, for ``stairs_*`` inside the block."""
    before = dict(TERRAINS)
    if slope is not None:
        TERRAINS.update(slope_up=_slope(slope), slope_down=_slope(-slope))
    if step is not None:
        TERRAINS.update(stairs_up=_stairs(-step), stairs_down=_stairs(step))
    try:
        yield
    finally:
        TERRAINS.update(before)


def prepare_terrain(cfg: TerrainCfg) -> None:
    """Set a configuration's section ``terrain`` to the evaluation's field, in place."""
    cfg.mesh_type, cfg.curriculum, cfg.horizontal_scale = "heightfield", False, SCALE
    cfg.border_size, cfg.num_rows, cfg.num_cols = 1.0, 1, len(TERRAINS)
    cfg.terrain_length = cfg.terrain_width = TILE_SIZE


class EvaluationTerrain(Terrain):
    """The field: a row of tiles along y."""

    def _lay_tiles(self) -> tuple[Heights, Heights]:
        points = round(TILE_SIZE / SCALE)
        border = self._border
        heights = np.zeros((points + 2 * border + 1, len(TERRAINS) * points + 2 * border + 1), np.float32)
        origins = np.zeros((1, len(TERRAINS), 3), np.float32)
        for index, make in enumerate(TERRAINS.values()):
            # Always the same ground, so that policies can be compared at different times.
            tile = make(np.random.default_rng(index), (points + 1, points + 1))
            heights[border : border + points + 1, border + index * points : border + (index + 1) * points + 1] = tile
            centre = points // 2
            origins[0, index] = (centre * SCALE, (index + 0.5) * TILE_SIZE, tile[centre, centre])
        return heights, origins
