"""Settings of the ground: a plane, or tiles of many kinds."""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le, MinLen

from legged_gym.envs.base.admissible import Friction, Length, Points, Range, Share


class TerrainSettings:
    """Heights are metres; those called ``_max`` are the ones at the top level of difficulty."""

    mesh_type: Literal["plane", "heightfield", "trimesh"] = "plane"
    """``trimesh`` is legged_gym's, and the height field here."""
    horizontal_scale: Annotated[float, Ge(0.005), Le(10)] = 0.1
    """Grid spacing of the height field, m."""
    border_size: Annotated[float, Ge(0), Le(1000)] = 25.0
    """Flat border around the tiles, m."""
    curriculum: bool = True
    """Difficulty grows with the row and robots are promoted; otherwise each tile's difficulty is random."""
    friction: Friction = 1.0
    """Ground friction where it is not randomised."""
    measure_heights: bool = False
    """Sample the terrain around the base for the critic."""
    observe_heights: bool = False
    """Let the policy see these heights as well, with noise, after its other terms."""
    measured_points_x: Points = [round(0.1 * i - 0.8, 1) for i in range(17)]
    measured_points_y: Points = [round(0.1 * i - 0.5, 1) for i in range(11)]
    """Where heights are sampled, m, in the base's yaw frame."""
    height_offset: Annotated[float, Ge(-100), Le(100)] = 0.5
    """Sampled heights are seen as ``clip(base z - height_offset - height, ±1)``, m."""
    terrain_length: Annotated[float, Gt(0), Le(1000)] = 5.0
    terrain_width: Annotated[float, Gt(0), Le(1000)] = 5.0
    """Size of a tile, m."""
    num_rows: Annotated[int, Ge(1), Le(1000)] = 10
    """Levels of difficulty."""
    num_cols: Annotated[int, Ge(1), Le(1000)] = 20
    """Columns, shared out among the kinds of terrain."""
    terrain_proportions: Annotated[dict[str, Share], MinLen(1)] | Annotated[list[Share], MinLen(1)] = {
        "smooth_slope": 0.2,
        "rough_slope": 0.2,
        "stairs_up": 0.1,
        "stairs_down": 0.1,
        "discrete": 0.4,
    }
    """Shares of kinds of tiles, by their names in ``terrain_tiles.py``; a list gives them in legged_gym's order: these
    five, then stepping_stones, gaps, pits."""
    platform_size: Length = 3.0
    """Flat square in the middle of a tile, m."""
    slope_max: Annotated[float, Ge(0), Le(10)] = 0.1
    """Rise over run at the top level."""
    roughness_max: Annotated[float, Ge(0), Le(10)] = 0.01
    """Largest deviation of rough ground at the top level, ± m."""
    step_height_max: Annotated[float, Ge(0), Le(10)] = 0.02
    """Height of a stair at the top level, m."""
    step_width: Annotated[float, Gt(0), Le(100)] = 0.31
    """Depth of a stair, m."""
    obstacle_height_max: Annotated[float, Ge(0), Le(10)] = 0.02
    """Height of discrete obstacles at the top level, m."""
    obstacle_width: Range[Annotated[float, Gt(0), Le(100)]] = [1.0, 2.0]
    """Smallest and largest side of an obstacle, m."""
    hole_depth: Annotated[float, Ge(0), Le(10)] = 0.5
    """Depth of gaps, between stepping stones and beside beams, m."""
    stone_size: Annotated[float, Gt(0), Le(100)] = 0.4
    """Side of a stepping stone, m."""
    stone_distance_max: Length = 0.2
    """Width between stepping stones at the top level, m."""
    gap_width_max: Length = 0.4
    """Width of a gap at the top level, m."""
    pit_depth_max: Annotated[float, Ge(0), Le(10)] = 0.1
    """Depth of a pit at the top level, m."""
    wave_height_max: Annotated[float, Ge(0), Le(10)] = 0.1
    """Height and depth of waves at the top level, m."""
    block_size: Annotated[float, Gt(0), Le(100)] = 0.4
    """Side of a random block, m; blocks are as high and deep as obstacles."""
    beam_width_min: Annotated[float, Gt(0), Le(100)] = 0.3
    """Width of a beam at the top level, m; it begins as wide as the platform."""
    max_init_terrain_level: Annotated[int, Ge(0), Le(1000)] = 0
    """Robots start at a random level up to this one."""
    level_change_probability: Share = 1.0
    """Chance that a deserved promotion or demotion happens."""
