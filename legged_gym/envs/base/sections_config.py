"""Separate sections of a task's settings: the ground, motors, delays, and Isaac Gym."""

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
    """Settings of the ground. Names with ``_max`` are values at the highest level of difficulty."""

    mesh_type: Literal["plane", "heightfield", "trimesh"] = "plane"
    """``trimesh`` is legged_gym's name and gives the height field, too."""
    horizontal_scale: Annotated[float, Ge(0.005), Le(10)] = 0.1
    """Grid spacing of the height field, m."""
    border_size: Annotated[float, Ge(0), Le(1000)] = 25.0
    """Flat border around the tiles, m."""
    curriculum: bool = True
    """Difficulty grows with the row, and robots are promoted; otherwise each tile's difficulty is random."""
    friction: Friction = 1.0
    """Ground friction, unless it is randomised."""
    measure_heights: bool = False
    """Let the critic observe heights around the base."""
    observe_heights: bool | None = False
    """Let the policy observe these heights as well, with noise, after its other terms; null: as ``measure_heights``."""
    measured_points_x: Points = [round(0.1 * i - 0.8, 1) for i in range(17)]
    measured_points_y: Points = [round(0.1 * i - 0.5, 1) for i in range(11)]
    """Points at which heights are sampled, m, in the base's yaw frame."""
    height_offset: Annotated[float, Ge(-100), Le(100)] = 0.5
    """Observed heights are ``clip(base z - height_offset - height, ±1)``, m."""
    terrain_length: Annotated[float, Gt(0), Le(1000)] = 5.0
    terrain_width: Annotated[float, Gt(0), Le(1000)] = 5.0
    """Size of a tile, m."""
    num_rows: Annotated[int, Ge(1), Le(1000)] = 10
    """Number of rows, the levels of difficulty."""
    num_cols: Annotated[int, Ge(1), Le(1000)] = 20
    """Number of columns, divided among the kinds of terrain."""
    terrain_proportions: Annotated[dict[str, Share], MinLen(1)] | Annotated[list[Share], MinLen(1)] = {
        "smooth_slope": 0.2,
        "rough_slope": 0.2,
        "stairs_up": 0.1,
        "stairs_down": 0.1,
        "discrete": 0.4,
    }
    """Shares of the kinds of tiles, by their names in ``terrain_tiles.py``. A list gives them in legged_gym's order:
        these five, then stepping_stones, gaps, pits."""
    platform_size: Length = 3.0
    """Flat square in the middle of a tile, m."""
    slope_max: Annotated[float, Ge(0), Le(10)] = 0.1
    """Slope at the highest level, rise over run."""
    roughness_max: Annotated[float, Ge(0), Le(10)] = 0.01
    """Largest deviation of rough ground at the highest level, ± m."""
    step_height_max: Annotated[float, Ge(0), Le(10)] = 0.02
    """Height of a stair at the highest level, m."""
    step_width: Annotated[float, Gt(0), Le(100)] = 0.31
    """Depth of a stair, m."""
    obstacle_height_max: Annotated[float, Ge(0), Le(10)] = 0.02
    """Height of discrete obstacles at the highest level, m."""
    obstacle_width: Range[Annotated[float, Gt(0), Le(100)]] = [1.0, 2.0]
    """Smallest and largest side of an obstacle, m."""
    hole_depth: Annotated[float, Ge(0), Le(10)] = 0.5
    """Depth of gaps, between stepping stones and beside beams, m."""
    stone_size: Annotated[float, Gt(0), Le(100)] = 0.4
    """Side of a stepping stone, m."""
    stone_distance_max: Length = 0.2
    """Gap between stepping stones at the highest level, m."""
    gap_width_max: Length = 0.4
    """Width of a gap at the highest level, m."""
    pit_depth_max: Annotated[float, Ge(0), Le(10)] = 0.1
    """Depth of a pit at the highest level, m."""
    wave_height_max: Annotated[float, Ge(0), Le(10)] = 0.1
    """Height and depth of waves at the highest level, m."""
    block_size: Annotated[float, Gt(0), Le(100)] = 0.4
    """Side of a random block, m. Blocks have the heights of obstacles."""
    beam_width_min: Annotated[float, Gt(0), Le(100)] = 0.3
    """Width of a beam at the highest level, m. At level 0 it is as wide as the platform."""
    max_init_terrain_level: Annotated[int, Ge(0), Le(1000)] = 0
    """Robots start at a random level up to this one."""
    max_level: Annotated[int, Ge(0), Le(1000)] = 1000
    """Highest level of the curriculum, at most ``num_rows - 1``. A training's stage may change it."""
    level_change_probability: Share = 1.0
    """Probability that a due promotion or demotion happens."""


class MotorSettings:
    """Properties of motors: [lowest, highest] by a part of the joint's name; the first match counts.

    Each joint gets its own value. Joints that are not named are ideal, or as in ``domain_rand``.
    """

    armature: dict[str, Range[Inertia]] = {}
    """Reflected rotor inertia, kg·m², instead of ``domain_rand.joint_armature_range``. Like friction, backlash and the
        torque-speed line, it is drawn once for each robot."""
    dry_friction: dict[str, Range[Torque]] = {}
    """Dry friction, N·m, instead of ``domain_rand.joint_friction_range``."""
    viscous_friction: dict[str, Range[Damping]] = {}
    """Viscous friction, N·m·s/rad, instead of ``domain_rand.joint_damping_range``."""
    strength: dict[str, Range[Multiplier]] = {}
    """Torque relative to the gains' torque, instead of ``domain_rand.torque_multiplier_range``; drawn at every reset,
        like the zero offset."""
    zero_offset: dict[str, Range[Angle]] = {}
    """Error of the joint's zero, rad, instead of ``domain_rand.joint_offset_range``."""
    backlash: dict[str, Range[Share]] = {}
    """Backlash of the gear from end to end, rad. Inside it only the motor and its encoder turn."""
    stall_torque: dict[str, Range[Torque]] = {}
    """Torque at rest, N·m; needs ``no_load_speed``."""
    no_load_speed: dict[str, Range[Annotated[float, Gt(0), Le(1e4)]]] = {}
    """Speed at which the available torque is zero, rad/s. It falls linearly from rest to this speed; the URDF's effort
        limit also applies."""


class LatencySettings:
    """Delays on top of the constant ones of ``domain_rand``. Each robot draws its values once from these ranges."""

    action_jitter_range: Range[Delay] = [0.0, 0.0]
    """Largest additional delay of an action, s. The real one is drawn in every control step, between 0 and this."""
    action_loss_range: Range[Share] = [0.0, 0.0]
    """Share of actions that are lost. The motors then keep the one before."""
    observation_jitter_range: Range[Delay] = [0.0, 0.0]
    """Largest additional age of the sensors' values, s. The real one is drawn in every step, between 0 and this."""
    observation_loss_range: Range[Share] = [0.0, 0.0]
    """Share of control steps in which the sensors' values are a whole step older."""
    imu_rate_range: Range[Annotated[float, Ge(0), Le(1e5)]] = [0.0, 0.0]
    """Rate of the IMU's samples, Hz; the last one is held. 0: a new sample for every control step."""
    imu_age_range: Range[Delay] = [0.0, 0.0]
    """Age of an IMU sample when it arrives, s."""


class PhysxSettings:
    """Isaac Gym's own settings, under legged_gym's names; see docs/isaacgym.md."""

    num_threads: Annotated[int, Ge(0), Le(1024)] = 10
    """Number of threads of the CPU pipeline."""
    substeps: Annotated[int, Ge(1), Le(1000)] = 1
    """Number of substeps of a physics step. The torques stay the same in all of them."""
    solver_type: Literal[0, 1] = 1
    """Solver. 0: PGS; 1: TGS."""
    num_position_iterations: Annotated[int, Ge(1), Le(255)] = 4
    """Of the solver, in each step."""
    num_velocity_iterations: Annotated[int, Ge(0), Le(255)] = 0
    """Of the solver, in each step."""
    contact_offset: Annotated[float, Ge(0), Le(1)] = 0.01
    """Shapes closer than this get contacts, m."""
    rest_offset: Annotated[float, Ge(-1), Le(1)] = 0.0
    """Distance at which shapes come to rest, m."""
    bounce_threshold_velocity: Speed = 0.5
    """Impacts slower than this don't bounce, m/s."""
    max_depenetration_velocity: Annotated[float, Gt(0), Le(1e4)] = 1.0
    """Largest speed at which overlapping shapes are separated, m/s."""
    max_gpu_contact_pairs: Annotated[int, Ge(1), Lt(2**31)] = 2**23
    """Buffer for contacts of all robots on the GPU: 2**24 for 8000 robots and more."""
    default_buffer_size_multiplier: Annotated[float, Gt(0), Le(1000)] = 5.0
    """Factor on the size of PhysX's other buffers."""
    contact_collection: Literal[0, 1, 2] = 2
    """Substeps whose contact forces are reported. 0: none; 1: the last; 2: all."""
    velocities_of: Literal["com", "link"] = "com"
    """Point of a link to which Isaac Gym's velocities belong: ``com``, as in PhysX, or ``link``, its origin. Isaac
        Gym's documentation does not say."""
    implicit_damping: bool = False
    """Let joint drives integrate the D gain implicitly, as on both MuJoCo back-ends. legged_gym holds the torque for a
        whole physics step, and only that is known to work with Isaac Gym."""
    time_out: Seconds = 60.0
    """Longest time of Isaac Gym's process for a control step, s. Its start may take ten times as long."""
