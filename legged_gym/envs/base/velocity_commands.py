"""Velocity commands of the robots."""

from __future__ import annotations

import torch

from legged_gym.common.controller_rules import AXES, apply_dead_band
from legged_gym.common.rotations import quat_apply, wrap_to_pi
from legged_gym.envs.base.legged_robot_config import LeggedRobotCfg

_WIDER = 0.5
"""Growth of a range at each step of the curriculum, m/s, as in legged_gym."""


class VelocityCommands:
    """Draws velocity commands: forward and lateral velocity, m/s, and yaw rate, rad/s, in the base frame.

    With ``commands.heading_command`` it draws a heading instead of a yaw rate, and :meth:`turn` steers there.
    """

    def __init__(self, cfg: LeggedRobotCfg, num_envs: int, dt: float, device: str) -> None:
        """Start with zero commands; ``dt`` is the control step, s."""
        self.cfg = cfg.commands
        columns = max(self.cfg.num_commands, 4 if self.cfg.heading_command else 3)
        self.values = torch.zeros(num_envs, columns, device=device)
        """Present commands, (N, 3 or more), changed in place."""
        self._axes = (*AXES, *(["heading"] if self.cfg.heading_command else []))
        self._given: list[list[float]] = []
        self._bounds = torch.zeros(len(self._axes), 2, device=device)
        self.take_ranges({axis: getattr(cfg.commands.ranges, axis) for axis in self._axes})
        self._low, self._high = self._bounds.unbind(1)
        self._dead_band = torch.tensor(cfg.commands.dead_band, device=device)
        self._interval = max(1, round(cfg.commands.resampling_time / dt))
        self._held = torch.zeros(num_envs, dtype=torch.bool, device=device)
        self._stands = torch.zeros_like(self._held)
        self._forward = torch.tensor([1.0, 0.0, 0.0], device=device).expand(num_envs, 3)

    def due(self, episode_length: torch.Tensor) -> torch.Tensor:
        """Return which robots get a new command after this many steps, (N,) → bool, (N,)."""
        return (episode_length % self._interval == 0) & (episode_length > 0)

    def resample(self, mask: torch.Tensor) -> None:
        """Draw new commands of the robots in ``mask`` that are not held. Components in the dead band become zero."""
        drawn = self._low + (self._high - self._low) * torch.rand(len(mask), len(self._axes), device=mask.device)
        standing = torch.rand_like(drawn[:, 0]) < self.cfg.standing_share
        velocities = apply_dead_band(self._keep_axes(drawn[:, :3]), self._dead_band)
        velocities.masked_fill_(standing.unsqueeze(1), 0.0)
        # Decided on the device, because a CUDA graph must read at each replay which robots are held.
        free = mask & ~self._held
        present = self.values[:, :3]
        present.copy_(torch.where(free.unsqueeze(1), velocities, present))
        if self.cfg.heading_command:
            self.values[:, 3] = torch.where(free, drawn[:, 3], self.values[:, 3])
            self._stands.copy_(torch.where(free, standing, self._stands))

    def _keep_axes(self, velocities: torch.Tensor) -> torch.Tensor:
        """Set components to zero by the shares of the commands, (N, 3) → (N, 3)."""
        kept = velocities.clone()
        if self.cfg.lateral_share < 1.0:
            kept[:, 1].mul_(torch.rand_like(kept[:, 1]) < self.cfg.lateral_share)
        if self.cfg.single_axis_share > 0.0:
            # The largest of independent draws is on each axis equally often. An axis without a range is never chosen.
            draws = torch.rand_like(velocities) * (self._high[:3] > self._low[:3])
            single = velocities * (draws == draws.amax(1, keepdim=True))
            kept = torch.where(torch.rand_like(draws[:, :1]) < self.cfg.single_axis_share, single, kept)
        return kept

    def turn(self, quat: torch.Tensor) -> None:
        """Steer robots that are not held and don't stand from orientations, xyzw, (N, 4), to their headings."""
        if not self.cfg.heading_command:
            return
        forward = quat_apply(quat, self._forward)
        missing = wrap_to_pi(self.values[:, 3] - torch.atan2(forward[:, 1], forward[:, 0]))
        # legged_gym's gain of 0.5/s on the heading error.
        rate = (0.5 * missing).clamp(self._low[2], self._high[2])
        self.values[:, 2] = torch.where(self._held | self._stands, self.values[:, 2], rate)

    def take_ranges(self, ranges: dict[str, list[float]]) -> None:
        """Apply the ranges, by name, that differ from those applied last."""
        given = [[float(bound) for bound in ranges[axis]] for axis in self._axes]
        if given != self._given:
            self._given = given
            self._bounds.copy_(torch.tensor(given))

    def widen(self, grows: torch.Tensor) -> None:
        """Widen the range of forward velocities up to ± ``commands.max_curriculum`` if ``grows``, bool, ()."""
        (low, high), limit = self._bounds[0], self.cfg.max_curriculum
        lower, higher = (low - _WIDER).clamp(min=-limit), (high + _WIDER).clamp(max=limit)
        wider = torch.stack((low.minimum(lower), high.maximum(higher)))
        self._bounds[0].copy_(torch.where(grows, wider, self._bounds[0]))

    def ranges(self) -> dict[str, list[float]]:
        """Fetch the present ranges from the device, by name."""
        self._given = self._bounds.tolist()
        return {axis: list(bounds) for axis, bounds in zip(self._axes, self._given, strict=True)}

    def hold(self, robots: torch.Tensor, command: torch.Tensor) -> None:
        """Give robots, indices (n,), one command, m/s, m/s, rad/s, (3,), until :meth:`release`; 0 in the dead band."""
        self.values[robots, :3] = apply_dead_band(command.to(self.values), self._dead_band)
        self._held[robots] = True

    def release(self, robots: torch.Tensor) -> None:
        """Draw commands of robots, (n,), again, the next time that one is due."""
        self._held[robots] = False
