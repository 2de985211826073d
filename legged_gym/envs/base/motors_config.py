"""Settings of what real motors, wires and sensors do that ideal ones would not."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge, Gt, Le

from legged_gym.envs.base.admissible import (
    Angle,
    Damping,
    Delay,
    Inertia,
    Multiplier,
    Range,
    Share,
    Torque,
)


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
    """Torque at rest, N·m, with ``no_load_speed``."""
    no_load_speed: dict[str, Range[Annotated[float, Gt(0), Le(1e4)]]] = {}
    """Torque at rest, N·m, and the speed at which none is left, rad/s; in between it falls in a line. The URDF's
    effort limit holds beside it."""


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
