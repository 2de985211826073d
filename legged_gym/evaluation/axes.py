"""The kinds of disturbance whose margins are found, and the largest size of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from legged_gym.evaluation.scenarios import fixed


@dataclass(frozen=True)
class Axis:
    """A kind of disturbance. Size 0 is no disturbance."""

    name: str
    title: str
    unit: str
    most: float
    """Largest disturbance that is tried."""
    make: Callable[[float], dict[str, Any]]
    """Returns the changes of a scenario for a size."""
    show: Callable[[float], float] = lambda size: size
    """Returns the size as people write it."""


AXES = (
    Axis("push", "push every 2 s", "m/s", 3.0, lambda x: {"push": x}),
    Axis("friction", "ground friction", "1", 0.98, lambda x: {"friction": fixed(1.0 - x)}, lambda x: 1.0 - x),
    Axis("payload", "payload", "kg", 12.0, lambda x: {"payload": fixed(x)}),
    Axis("delay", "delay of actions and sensors, half each", "s", 0.04,
         lambda x: {"action_delay": fixed(0.5 * x), "observation_delay": fixed(0.5 * x)}),
    Axis("slope", "slope, up and down", "rad", 0.5, lambda x: {"terrains": ("slope_up", "slope_down")}),
    Axis("step", "steps, up and down", "m", 0.12, lambda x: {"terrains": ("stairs_up", "stairs_down")}),
    Axis("strength", "strength of the motors", "1", 0.9, lambda x: {"p_gain": fixed(1.0 - x), "d_gain": fixed(1.0 - x)},
         lambda x: 1.0 - x),
    Axis("zero_offset", "zeros of the joints, ±", "rad", 0.3, lambda x: {"zero_offset": x}),
    Axis("imu_tilt", "tilt of the IMU, any way", "rad", 0.4, lambda x: {"imu_tilt": x}),
)  # fmt: skip
TERRAIN_AXES = ("slope", "step")
"""Axes that need their own terrain for each size."""
