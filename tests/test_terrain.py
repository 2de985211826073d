"""The height field: stated heights, growth with the level, layout and errors."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from ground_truth import height_at

from legged_gym.common.errors import UserError
from legged_gym.envs.base.legged_robot_config import LeggedRobotCfg
from legged_gym.envs.base.terrain import Terrain
from legged_gym.envs.base.terrain_tiles import KINDS, Tile, pyramid_stairs

SCALE = 0.1
PLATFORM = slice(10, 41)
"""Grid points of a 3 m platform in a tile of 5 m with 51 points."""


def make_cfg(**values: Any) -> Any:
    """Make the default section ``terrain`` as a height field with a small border."""
    cfg = LeggedRobotCfg().terrain
    for key, value in {"mesh_type": "heightfield", "border_size": 2.0, **values}.items():
        setattr(cfg, key, value)
    return cfg


@pytest.fixture(scope="module")
def terrain() -> Terrain:
    """Make the default field: 10 levels, 20 columns."""
    return Terrain(make_cfg(), seed=7)


def make_tile(kind: str, side: int = 51, **values: Any) -> np.ndarray:
    """Make a square tile of so many points, at the top level."""
    return KINDS[kind](Tile(make_cfg(**values), (side, side), SCALE, 1.0, rng(), False))


def tile_of(terrain: Terrain, row: int, col: int) -> np.ndarray:
    """Cut a tile out of the field, both edges included."""
    x, y = 20 + 50 * row, 20 + 50 * col
    return terrain.heights[x : x + 51, y : y + 51]


def rng() -> np.random.Generator:
    """Make a fresh generator."""
    return np.random.default_rng(11)


def test_shape_and_extent(terrain: Terrain) -> None:
    assert terrain.heights.shape == (2 * 20 + 10 * 50 + 1, 2 * 20 + 20 * 50 + 1)
    assert terrain.heights.dtype == np.float32
    assert terrain.origin == (-2.0, -2.0)
    assert terrain.env_origins.shape == (10, 20, 3)


def test_tiles_need_not_be_square() -> None:
    terrain = Terrain(make_cfg(terrain_length=4.0, terrain_width=6.0, num_rows=2, num_cols=5), seed=0)
    assert terrain.heights.shape == (2 * 20 + 2 * 40 + 1, 2 * 20 + 5 * 60 + 1)
    np.testing.assert_allclose(terrain.env_origins[1, 4, :2], (6.0, 27.0))


def test_seed_decides_the_field(terrain: Terrain) -> None:
    assert np.array_equal(terrain.heights, Terrain(make_cfg(), seed=7).heights)
    assert not np.array_equal(terrain.heights, Terrain(make_cfg(), seed=8).heights)


def test_a_tile_does_not_change_with_the_size_of_the_field() -> None:
    # One kind only, so that a column's kind does not depend on the number of columns.
    shares = [0.0, 0.0, 0.0, 0.0, 1.0]
    small = Terrain(make_cfg(terrain_proportions=shares, num_rows=1, num_cols=2), seed=7)
    large = Terrain(make_cfg(terrain_proportions=shares, num_rows=1, num_cols=6), seed=7)
    assert np.array_equal(tile_of(small, 0, 1), tile_of(large, 0, 1))
    rows = Terrain(make_cfg(terrain_proportions=shares, num_rows=3, num_cols=2), seed=7)
    assert not np.allclose(2.0 * tile_of(rows, 1, 1), tile_of(rows, 2, 1)), "a harder tile is another one"


def test_kinds_follow_the_proportions(terrain: Terrain) -> None:
    kinds = [terrain.tile_type(col) for col in range(20)]
    assert kinds == [kind for kind, n in zip(KINDS, (4, 4, 2, 2, 8), strict=False) for _ in range(n)]
    only_stairs = Terrain(make_cfg(terrain_proportions=[0.0, 0.0, 1.0, 0.0, 0.0], num_rows=1), seed=0)
    assert {only_stairs.tile_type(col) for col in range(20)} == {"stairs_up"}


def test_first_level_is_flat_and_later_ones_grow_evenly(terrain: Terrain) -> None:
    reach = np.array([[np.abs(tile_of(terrain, row, col)).max() for col in range(20)] for row in range(10)])
    assert not reach[0].any()
    # All but the rough slopes reach an exact share of their heights at each level.
    exact = [col for col in range(20) if terrain.tile_type(col) != "rough_slope"]
    np.testing.assert_allclose(reach[:, exact], np.outer(np.arange(10) / 9, reach[9, exact]), atol=1e-7)
    assert np.all(np.diff(reach, axis=0) > 0)


def test_top_level_has_the_stated_heights(terrain: Terrain) -> None:
    # Slope 0.1 over the metre between edge and platform; three stairs of 0.02 m; obstacles of ±0.02 m.
    expected = {"smooth_slope": 0.1, "stairs_up": 0.06, "stairs_down": 0.06, "discrete": 0.02}
    for col in range(20):
        if (kind := terrain.tile_type(col)) in expected:
            assert np.abs(tile_of(terrain, 9, col)).max() == pytest.approx(expected[kind], abs=1e-7)
    for col in range(4, 8):
        slope = tile_of(terrain, 9, col - 4)
        rough = np.abs(tile_of(terrain, 9, col) - slope).max()
        assert 0.0099 < rough < 0.01 + 1e-7


def test_slopes_alternate_between_hills_and_pits(terrain: Terrain) -> None:
    centres = [float(tile_of(terrain, 9, col)[25, 25]) for col in range(8)]
    assert [np.sign(height) for height in centres] == [1, -1, 1, -1, 1, -1, 1, -1]


def test_edges_and_border_are_at_zero(terrain: Terrain) -> None:
    heights = terrain.heights
    assert not heights[:21].any() and not heights[-21:].any()
    assert not heights[:, :21].any() and not heights[:, -21:].any()
    assert not heights[20:-20:50].any() and not heights[:, 20:-20:50].any()
    tile = tile_of(terrain, 9, 0)
    assert tile.max() > 0.0, "the lines above must run between tiles that are not flat"


def test_origins_are_tile_centres_on_the_ground(terrain: Terrain) -> None:
    for row, col in np.ndindex(10, 20):
        x, y, z = terrain.env_origins[row, col].tolist()
        assert (x, y) == pytest.approx((5.0 * row + 2.5, 5.0 * col + 2.5), abs=1e-5)
        offset = np.linspace(-0.5, 0.5, 11)
        ground = height_at(terrain, x + offset[:, None], y + offset)
        assert z == pytest.approx(ground.max(), abs=1e-6)


def test_without_curriculum_the_difficulty_is_random() -> None:
    terrain = Terrain(make_cfg(curriculum=False, terrain_proportions=[1.0, 0.0, 0.0, 0.0, 0.0]), seed=3)
    centres = np.array([[abs(tile_of(terrain, row, col)[25, 25]) for col in range(20)] for row in range(10)])
    np.testing.assert_allclose(centres, 0.1 * terrain.difficulty, atol=1e-7)
    assert terrain.difficulty.min() < 0.1 and terrain.difficulty.max() > 0.9
    assert len(np.unique(terrain.difficulty)) == 200


def test_single_row_has_the_stated_heights() -> None:
    terrain = Terrain(make_cfg(num_rows=1), seed=0)
    assert tile_of(terrain, 0, 0).max() == pytest.approx(0.1)


def test_tile_beyond_the_top_level(terrain: Terrain) -> None:
    for kind in ("smooth_slope", "stairs_up", "stairs_down", "discrete"):
        top, beyond = (terrain.tile(kind, difficulty, rng()) for difficulty in (1.0, 1.5))
        np.testing.assert_allclose(beyond, 1.5 * top, atol=1e-7)
    with pytest.raises(UserError, match="stairs_up"):
        terrain.tile("stairs_ups", 1.0, rng())


def test_slope_is_even_and_ends_at_the_platform() -> None:
    tile = make_tile("smooth_slope", slope_max=0.1)
    assert tile.shape == (51, 51) and tile.dtype == np.float32
    np.testing.assert_allclose(tile[:11, 25], 0.01 * np.arange(11), atol=1e-7)
    assert not np.ptp(tile[PLATFORM, PLATFORM])
    assert np.array_equal(tile, tile.T) and np.array_equal(tile, tile[::-1, ::-1])


def test_roughness_is_interpolated_and_bounded() -> None:
    tile = make_tile("rough_slope", slope_max=0.0)
    assert 0.0099 < np.abs(tile).max() <= np.float32(0.01)
    # Every second point is drawn; those between are means of their neighbours.
    np.testing.assert_allclose(tile[1::2], 0.5 * (tile[:-1:2] + tile[2::2]), atol=1e-8)
    assert tile[PLATFORM, PLATFORM].std() > 0.003
    slope = make_tile("rough_slope") - make_tile("smooth_slope")
    np.testing.assert_allclose(slope, tile, atol=1e-7)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_stairs_have_the_stated_tread_and_rise(sign: float) -> None:
    tile = pyramid_stairs((51, 51), SCALE, 0.31, sign * 0.02, 3.0)
    # One spare cell and three treads of 0.3 m (0.31 m on a grid of 0.1 m), then the platform.
    profile = sign * np.array([0, 0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3]) * 0.02
    np.testing.assert_allclose(tile[:12, 25], profile, atol=1e-7)
    np.testing.assert_allclose(tile[25, :-13:-1], profile, atol=1e-7)
    assert not np.ptp(tile[PLATFORM, PLATFORM])


def test_stairs_up_lead_up_from_the_platform(terrain: Terrain) -> None:
    assert terrain.tile("stairs_up", 1.0, rng())[25, 25] == pytest.approx(-0.06)
    assert terrain.tile("stairs_down", 1.0, rng())[25, 25] == pytest.approx(0.06)


def test_obstacles_leave_the_platform_clear() -> None:
    tile = make_tile("discrete")
    assert not tile[PLATFORM, PLATFORM].any()
    np.testing.assert_allclose(np.unique(tile), [-0.02, -0.01, 0.0, 0.01, 0.02], atol=1e-8)
    assert np.count_nonzero(tile) > 0.2 * tile.size


def test_obstacles_have_the_stated_sides() -> None:
    # On a wide field rectangles stand apart, so that a line across the field shows whole sides.
    tile = make_tile("discrete", 2001, platform_size=0.0)
    runs = []
    for line in tile[::5]:
        edges = np.flatnonzero(np.diff(line))
        runs += [end - start for start, end in pairwise(edges) if line[start + 1]]
    sides = SCALE * (np.array(runs) - 1)
    assert len(runs) > 20 and sides.min() >= 1.0 - 1e-9 and sides.max() <= 2.0 + 1e-9


@pytest.mark.parametrize(
    ("key", "value", "valid"),
    [
        ("terrain_proportions", 9 * [1.0 / 9.0], "shares of, in this order, smooth_slope"),
        ("terrain_proportions", {"pit": 1.0}, "'pit': did you mean 'pits'?"),
        ("terrain_proportions", {"pits": 0.5}, "sum 1"),
        ("terrain_proportions", [0.2, 0.2, 0.1, 0.1, 0.5], "sum 1"),
        ("terrain_length", 2.0, "platform_size"),
        ("terrain_width", 5.05, "multiple of horizontal_scale"),
        ("step_width", 0.01, "horizontal_scale or more"),
        ("obstacle_width", [1.0, 6.0], "up to a tile's 5 m"),
    ],
)
def test_errors_name_the_key_and_what_is_valid(key: str, value: object, valid: str) -> None:
    with pytest.raises(UserError, match=rf"^terrain\.{key} is .*") as error:
        Terrain(make_cfg(**{key: value}), seed=0)
    assert valid in str(error.value)


NEW_KINDS = {
    "stepping_stones": (-0.5, 0.0), "gaps": (-0.5, 0.0), "pits": (-0.1, 0.0), "waves": (-0.1, 0.1),
    "random_blocks": (-0.02, 0.02), "narrow_beam": (-0.5, 0.0),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_flat_at_first_and_ends_level(terrain: Terrain, kind: str) -> None:
    assert not terrain.tile(kind, 0.0, rng()).any()
    for pit in (False, True):
        top = terrain.tile(kind, 1.0, rng(), pit)
        assert top.shape == (51, 51) and top.dtype == np.float32 and top.any()
        assert not top[[0, -1]].any() and not top[:, [0, -1]].any()
        assert np.array_equal(top, terrain.tile(kind, 1.0, rng(), pit))


@pytest.mark.parametrize("kind", NEW_KINDS)
def test_further_kinds_have_their_stated_heights(terrain: Terrain, kind: str) -> None:
    top = terrain.tile(kind, 1.0, rng())
    assert (top.min(), top.max()) == pytest.approx(NEW_KINDS[kind], abs=2e-3)
    if kind == "waves":
        assert abs(top.sum(axis=0)).max() < 1e-4 > abs(top.sum(axis=1)).max(), (
            "as many hollows as hills, along both axes"
        )
    if kind not in ("pits", "waves"):
        assert not top[12:39, 12:39].any(), "the platform"


def test_gaps_stones_and_beams_are_as_wide_as_stated(terrain: Terrain) -> None:
    assert (terrain.tile("gaps", 1.0, rng())[:25, 25] < 0.0).sum() == 4
    assert (terrain.tile("gaps", 0.5, rng())[:25, 25] < 0.0).sum() == 2
    stones = terrain.tile("stepping_stones", 1.0, rng())[1:9, 1] < 0.0
    assert stones.tolist() == 3 * [False] + 2 * [True] + 3 * [False]
    beam = terrain.tile("narrow_beam", 1.0, rng())[5, 1:-1] == 0.0
    assert beam.sum() == 3 and beam[23:26].all(), "0.3 m around the middle, at points 0.1 m apart"
    assert (terrain.tile("narrow_beam", 0.5, rng())[5, 1:-1] == 0.0).sum() == 17


def test_shares_by_name_and_by_position() -> None:
    names = Terrain(make_cfg(terrain_proportions={"gaps": 0.5, "stairs_up": 0.5}, num_rows=1), seed=0)
    assert [names.tile_type(col) for col in range(20)] == 10 * ["gaps"] + 10 * ["stairs_up"]
    shares = [0.0, 0.0, 0.0, 0.0, 0.0, 0.25, 0.25, 0.5]
    listed = Terrain(make_cfg(terrain_proportions=shares, num_rows=1), seed=0)
    assert [listed.tile_type(col) for col in range(0, 20, 5)] == ["stepping_stones", "gaps", "pits", "pits"]
    cfg = LeggedRobotCfg()
    cfg.update({"terrain": {"terrain_proportions": [0.5, 0.5]}})
    cfg.set("terrain.terrain_proportions", "{waves: 1.0}")
    assert cfg.terrain.terrain_proportions == {"waves": 1.0}
    cfg.check()
