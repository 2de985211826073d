"""What real motors do that ideal ones would not, within ranges that the configuration gives."""

from __future__ import annotations

import math

import torch

from legged_gym.envs.base.base_config import ConfigError
from legged_gym.envs.base.legged_robot_config import LeggedRobotCfg
from legged_gym.envs.base.name_matching import joint_values

_SCALES = {
    "armature": 100.0, "dry_friction": 10.0, "viscous_friction": 10.0, "backlash": 100.0, "stall_torque": 0.05,
    "no_load_speed": 0.05,
}  # fmt: skip
"""Make values about 1 large for the critic. Strength and zero offset are told to it in any case."""


class JointRanges:
    """A setting of ``motors``: for each joint the lowest and highest value of the first part of its name that fits."""

    def __init__(self, name: str, parts: dict[str, list[float]], joint_names: list[str], device: str) -> None:
        """Spread [lowest, highest] over the joints by parts of their names; a part that fits none is refused."""
        self.given = bool(parts)
        # The first part that fits counts here, and there the last.
        ends = ({part: bounds[end] for part, bounds in reversed(parts.items())} for end in (0, 1))
        values = [joint_values(f"motors.{name}", end, joint_names, missing=math.nan) for end in ends]
        bounds = torch.tensor(values, dtype=torch.float32, device=device)
        self._named = ~bounds[0].isnan()
        self._low, self._high = bounds.nan_to_num()

    def draw(self, otherwise: torch.Tensor) -> torch.Tensor:
        """Return a value for each joint of each robot, (N, D): of joints that are not named, ``otherwise``'s."""
        if not self.given:
            return otherwise
        drawn = self._low + (self._high - self._low) * torch.rand_like(otherwise)
        return torch.where(self._named, drawn, otherwise)

    def middle(self, otherwise: torch.Tensor) -> torch.Tensor:
        """Return the middle of what is drawn for each joint, (D,): of joints that are not named, ``otherwise``'s."""
        return torch.where(self._named, 0.5 * (self._low + self._high), otherwise)


class Motors:
    """The settings of ``motors``, what was drawn from them, and how they bend the torque law.

    Drawn for each joint, (N, D): ``backlash``, rad, ``stall_torque``, N·m, and ``no_load_speed``, rad/s;
    :class:`~legged_gym.envs.base.sections_config.MotorSettings` says what they mean.
    """

    def __init__(self, cfg: LeggedRobotCfg, num_envs: int, joint_names: list[str], device: str) -> None:
        """Read the settings and draw what a robot keeps for good; ``ConfigError`` if they don't go together."""
        settings = cfg.to_dict()["motors"]
        self.ranges = {name: JointRanges(name, parts, joint_names, device) for name, parts in settings.items()}
        if self.ranges["stall_torque"].given != self.ranges["no_load_speed"].given:
            raise ConfigError("config keys 'motors.stall_torque' and 'motors.no_load_speed' go together: give both")
        self.has_backlash, self.has_speed_line = self.ranges["backlash"].given, self.ranges["stall_torque"].given
        self.ideal = not (self.has_backlash or self.has_speed_line)
        """Whether the torque law is the plain one."""
        nothing = torch.zeros(num_envs, len(joint_names), device=device)
        self.backlash = self.ranges["backlash"].draw(nothing)
        self.stall_torque = self.ranges["stall_torque"].draw(torch.full_like(nothing, math.inf))
        self.no_load_speed = self.ranges["no_load_speed"].draw(torch.full_like(nothing, math.inf))

    def play(self, targets: torch.Tensor, dof_pos: torch.Tensor) -> torch.Tensor:
        """Return how far the motors' sides of the gears are ahead of the joints, rad, (N, D).

        A motor without load goes where it should as far as the play lets it; only past that it turns the joint.
        """
        half = 0.5 * self.backlash
        return torch.clamp(targets - dof_pos, -half, half)

    def limit(self, torques: torch.Tensor, limits: torch.Tensor, dof_vel: torch.Tensor) -> torch.Tensor:
        """Return torques, (N, D), within the efforts, (D,), and below each motor's line of torque and speed."""
        if not self.has_speed_line:
            return torch.clamp(torques, -limits, limits)
        used = dof_vel / self.no_load_speed
        highest = torch.minimum(self.stall_torque * (1.0 - used).clamp(min=0.0), limits)
        lowest = torch.minimum(self.stall_torque * (1.0 + used).clamp(min=0.0), limits)
        return torch.maximum(torch.minimum(torques, highest), -lowest)

    def privileged(self, values: dict[str, torch.Tensor]) -> list[torch.Tensor]:
        """Return what the critic is told of the given settings, each (N, D); ``values`` are those kept elsewhere."""
        values = values | {name: getattr(self, name) for name in ("backlash", "stall_torque", "no_load_speed")}
        told = [scale * values[name] for name, scale in _SCALES.items() if self.ranges[name].given]
        return [torch.nan_to_num(part, posinf=0.0) for part in told]
