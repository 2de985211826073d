"""The rules of the robot's own controller. The task, the evaluation and the simulated controller use them.

They take NumPy arrays and PyTorch tensors alike.
"""

from __future__ import annotations

import math
from typing import Any

Array = Any
"""A NumPy array or scalar, or a PyTorch tensor."""

AXES = {"lin_vel_x": "m/s", "lin_vel_y": "m/s", "ang_vel_yaw": "rad/s"}
"""The components of a command, as named in the settings, and their units."""

TILT_LIMIT = math.radians(20.0)
"""Roll or pitch past which the controller stops walking and damps all joints, rad."""

DAMPING_KD = 2.0
"""D gain of all joints in that state, N·m·s/rad; their P gain is zero."""

LOW_PASS = 0.02
"""In each control step, the command moves by this share of its distance to the stick's position."""

STAND_UP_SECONDS = 4.0
"""Duration of standing up, s."""

PERIOD_BEGINS = 0.05
"""The clock may stop if its last phase was below this."""


def apply_dead_band(command: Array, thresholds: Array) -> Array:
    """Return commands, (..., 3). Components whose size does not exceed their threshold, (3,), become zero."""
    return command * (abs(command) > thresholds)


def advance_clock(
    steps: Array, phase: Array, held: Array, standing: Array, stepping: Array, dt: float, period: float
) -> tuple[Array, Array, Array]:
    """Move gait clocks on by one control step.

    A clock runs while its robot walks. When the command becomes zero it runs on to the end of its period and is then
    held at phase 0, unless the robot is told to step on the spot. The first step of a walk has the phase dt / period.

    Args:
        steps: Control steps since each clock last started, float32.
        phase: The last phase, [0, 1), float32.
        held: Whether the clock has come to rest, bool.
        standing: Whether the whole command is zero, bool.
        stepping: Whether the robot is told to step on the spot, bool. ``held`` then stays unchanged.
        dt: Control step, s.
        period: Period of the clock, s.

    Returns:
        The new ``steps``, ``phase`` and ``held``.
    """
    held = (stepping & held) | (~stepping & standing & (held | (phase < PERIOD_BEGINS)))
    steps = (steps + 1.0) * (~held | stepping)
    # The controller counts steps in float32 and divides in this order. Adding up phases would drift away from it.
    return steps, steps * dt % period / period, held
