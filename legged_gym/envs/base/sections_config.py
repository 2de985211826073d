"""Sections of a task's settings that stand by themselves: the ground, motors and delays, and Isaac Gym."""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le, Lt, MinLen

from legged_gym.envs.base.admissible import (
    Angle,
    Damping,
    Delay,
    Friction,
    Inertia,
    Length,
    Multiplier,
    Points,
    Range,
    Seconds,
    Share,
    Speed,
    Torque,
)


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
    observe_heights: bool | None = False
    """Let the policy see these heights as well, with noise, after its other terms; null: if ``measure_heights``."""
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
    max_level: Annotated[int, Ge(0), Le(1000)] = 1000
    """Highest level of the curriculum, at most the last row's, ``num_rows - 1``; a training's stage may change it."""
    level_change_probability: Share = 1.0
    """Chance that a deserved promotion or demotion happens."""


class MotorSettings:
    """What the motors are like: [lowest, highest] by a part of the joint's name, of which the first that fits counts.

    Each joint gets a value of its own. Joints that are not named are ideal, or as ``domain_rand`` says.
    """

    armature: dict[str, Range[Inertia]] = {}
    """Reflected rotor inertia, kg·m², in place of ``domain_rand.joint_armature_range``. Like friction, backlash and
    the line of torque and speed drawn once for each robot."""
    dry_friction: dict[str, Range[Torque]] = {}
    """N·m, in place of ``domain_rand.joint_friction_range``."""
    viscous_friction: dict[str, Range[Damping]] = {}
    """N·m·s/rad, in place of ``domain_rand.joint_damping_range``."""
    strength: dict[str, Range[Multiplier]] = {}
    """Torque over the torque that the gains ask for, in place of ``domain_rand.torque_multiplier_range``; redrawn at
    every reset, like the zero offset."""
    zero_offset: dict[str, Range[Angle]] = {}
    """Error of the joint's zero, rad, in place of ``domain_rand.joint_offset_range``."""
    backlash: dict[str, Range[Share]] = {}
    """Play of the gear from end to end, rad. Inside it the motor turns alone; its encoder sees that."""
    stall_torque: dict[str, Range[Torque]] = {}
    """Torque at rest, N·m; needs ``no_load_speed``."""
    no_load_speed: dict[str, Range[Annotated[float, Gt(0), Le(1e4)]]] = {}
    """Speed at which no torque is left, rad/s. From rest to there the torque falls linearly; the URDF's effort limit
    holds as well."""


class LatencySettings:
    """Delays beyond the constant ones of ``domain_rand``. Ranges from which each robot gets its value, once."""

    action_jitter_range: Range[Delay] = [0.0, 0.0]
    """Largest further delay of an action, s; how much of it comes true is drawn in every control step."""
    action_loss_range: Range[Share] = [0.0, 0.0]
    """Share of actions that never reach the motors, which go on following the one before."""
    observation_jitter_range: Range[Delay] = [0.0, 0.0]
    """Largest further age of what the sensors tell, s; how much of it comes true is drawn in every step."""
    observation_loss_range: Range[Share] = [0.0, 0.0]
    """Share of control steps in which what the sensors tell is a whole step older."""
    imu_rate_range: Range[Annotated[float, Ge(0), Le(1e5)]] = [0.0, 0.0]
    """Samples of the IMU in a second, whose last one is held; 0: a fresh one for every control step."""
    imu_age_range: Range[Delay] = [0.0, 0.0]
    """Age of a sample of the IMU when it comes, s."""


class PhysxSettings:
    """Isaac Gym's own settings, under legged_gym's names; see docs/isaacgym.md."""

    num_threads: Annotated[int, Ge(0), Le(1024)] = 10
    """Threads of its CPU pipeline."""
    substeps: Annotated[int, Ge(1), Le(1000)] = 1
    """Steps that a physics step is divided into; torques stay the same in all of them."""
    solver_type: Literal[0, 1] = 1
    """0: PGS; 1: TGS."""
    num_position_iterations: Annotated[int, Ge(1), Le(255)] = 4
    """Of the solver, in each step."""
    num_velocity_iterations: Annotated[int, Ge(0), Le(255)] = 0
    """Of the solver, in each step."""
    contact_offset: Annotated[float, Ge(0), Le(1)] = 0.01
    """Shapes nearer than this to each other get contacts, m."""
    rest_offset: Annotated[float, Ge(-1), Le(1)] = 0.0
    """Distance at which shapes come to rest, m."""
    bounce_threshold_velocity: Speed = 0.5
    """Slower impacts do not bounce, m/s."""
    max_depenetration_velocity: Annotated[float, Gt(0), Le(1e4)] = 1.0
    """Shapes that are inside each other are parted this fast at most, m/s."""
    max_gpu_contact_pairs: Annotated[int, Ge(1), Lt(2**31)] = 2**23
    """Room for contacts on the GPU, all robots together: 2**24 for 8000 robots and more."""
    default_buffer_size_multiplier: Annotated[float, Gt(0), Le(1000)] = 5.0
    """Makes PhysX's other buffers larger."""
    contact_collection: Literal[0, 1, 2] = 2
    """Contact forces are those of 0: no, 1: the last, 2: all of the substeps."""
    velocities_of: Literal["com", "link"] = "com"
    """Point of a link whose velocity Isaac Gym tells and is told: ``com``, as PhysX does, or ``link``, its
    origin. Its documentation does not say."""
    implicit_damping: bool = False
    """Let its joint drives integrate the D gain implicitly, as both MuJoCo back-ends do. legged_gym holds it
    for a whole physics step, and no more than that is known to work with Isaac Gym."""
    time_out: Seconds = 60.0
    """Seconds that Isaac Gym's process may take for a control step; its start may take ten times as long."""
