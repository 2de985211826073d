"""Metrics of a session of ``play.py``, over all robots."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from legged_gym.common.labels import label_errors

if TYPE_CHECKING:
    from legged_gym.envs.base.legged_robot import LeggedRobot


@dataclass
class Tally:
    """Sums errors over robots and steps. Call :meth:`add` after each ``env.step``."""

    env: LeggedRobot
    falls: int = 0
    """Number of episodes that ended early."""
    _steps: int = 0
    _samples: int = 0
    _squares: torch.Tensor | float = 0.0
    """Sums of the tracking errors, (3,)."""
    _estimates: int = 0
    _estimate_errors: torch.Tensor | None = None
    """Sums of the estimate's errors, or of its correct contacts, (L,)."""

    @property
    def seconds(self) -> float:
        """Simulated time, s."""
        return self._steps * self.env.dt

    def add_estimate(self, estimate: torch.Tensor, label: torch.Tensor) -> None:
        """Add an estimate and the true values of an observation, both (N, L) in the label's scale."""
        total = label_errors(self.env.label_layout, estimate, label) * len(label)
        self._estimate_errors = total if self._estimate_errors is None else self._estimate_errors + total
        self._estimates += len(estimate)

    def add(self, commands: torch.Tensor, dones: torch.Tensor) -> None:
        """Add the environment's present state.

        Args:
            commands: Commands of this step, (N, 3). The environment may already have the next ones.
            dones: Episodes that ended in this step, (N,). Those robots were just reset, so they don't count for
                tracking.
        """
        velocity = torch.cat([self.env.base_lin_vel[:, :2], self.env.base_ang_vel[:, 2:]], dim=1)
        alive = ~dones.bool()
        self._squares = self._squares + (commands[:, :3] - velocity)[alive].square().sum(dim=0)
        self._samples += int(alive.sum())
        self._steps += 1
        self.falls += int((dones.bool() & ~self.env.time_out_buf.bool()).sum())

    def metrics(self) -> dict[str, float]:
        """Return root-mean-square tracking errors, the estimator's mean errors, and falls per robot and minute."""
        rms = (torch.as_tensor(self._squares) / max(self._samples, 1)).sqrt().expand(3).tolist()
        metrics = dict(zip(("vx error, m/s", "vy error, m/s", "yaw rate error, rad/s"), rms, strict=True))
        if self._estimate_errors is not None:
            means = self._estimate_errors / self._estimates
            figures = self.env.label_layout.figures()
            metrics |= {f"estimated {figure.title}": float(means[figure.columns].mean()) for figure in figures}
        tilt = self.env.cfg.asset.terminate_past_tilt
        fallen = f"falls and tilts past {tilt:g}°" if tilt else "falls"
        metrics[f"{fallen} per robot and minute"] = self.falls / (self.env.num_envs * self.seconds / 60.0)
        return metrics
