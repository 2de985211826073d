"""Kinds of disturbance whose margins are found: what each changes of a scenario, and up to which size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from legged_gym.evaluation.scenarios import fixed


@dataclass(frozen=True)
class Axis:
    """A kind of disturbance; 0 is none."""

    name: str
    title: str
    unit: str
    most: float
    """Largest disturbance that is tried."""
    make: Callable[[float], dict[str, Any]]
    """Returns what it changes of a scenario."""
    show: Callable[[float], float] = lambda size: size
    """Returns what people call a disturbance of this size."""


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
"""Axes that need a field of their own for each size."""
