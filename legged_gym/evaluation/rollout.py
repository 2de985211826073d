"""What happens while a policy is played: time series of one robot, and figures over all."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch

from legged_gym.common.labels import label_errors

if TYPE_CHECKING:
    from legged_gym.envs.base.legged_robot import LeggedRobot


@dataclass
class Series:
    """Time series of one robot, one row per control step, T rows."""

    dt: float
    """Seconds between rows."""
    dof_names: list[str]
    foot_names: list[str]
    dof_pos: np.ndarray
    """rad, (T, D)."""
    dof_targets: np.ndarray
    """Where the policy wanted the joints to be, rad, (T, D)."""
    velocity: np.ndarray
    """Forward, lateral (m/s, base frame) and yaw rate (rad/s), (T, 3)."""
    commands: np.ndarray
    """What was asked of ``velocity``, (T, 3)."""
    foot_forces: np.ndarray
    """Size of each foot's net contact force, N, (T, F)."""
    label: np.ndarray | None
    """What the estimator should say, in its units, (T, L)."""
    estimate: np.ndarray | None
    """What it says, (T, L)."""
    label_titles: list[str]
    """What each column of both is called, with its unit."""


@dataclass
class Rollout:
    """Collects a played policy's steps. Call :meth:`add` after each ``env.step``."""

    env: LeggedRobot
    robot: int = 0
    """The robot of the time series."""
    longest: int = 3000
    """Steps that the time series reach back; the figures are over all."""
    _rows: dict[str, deque[np.ndarray]] = field(default_factory=dict)
    _steps: int = 0
    _squares: torch.Tensor | None = None
    """Sums of squared tracking errors over robots and steps, (3,)."""
    _samples: int = 0
    _estimate_errors: torch.Tensor | None = None
    """Sums of the estimate's errors, or of its right contacts, over robots and steps, (L,)."""
    _estimates: int = 0
    falls: int = 0
    """Episodes that ended before their time."""

    def add_estimate(self, estimate: torch.Tensor, label: torch.Tensor) -> None:
        """Take an estimate and its truth, both (N, L) in the label's scale, of one observation."""
        layout = self.env.label_layout
        self._append("label", layout.physical(label))
        self._append("estimate", layout.physical(estimate))
        total = label_errors(layout, estimate, label) * len(label)
        self._estimate_errors = total if self._estimate_errors is None else self._estimate_errors + total
        self._estimates += len(label)

    def add(self, commands: torch.Tensor, dones: torch.Tensor) -> None:
        """Take the environment's present state.

        Args:
            commands: What the step was asked to do; the environment may hold the next already, (N, 3).
            dones: Which episodes ended in this step, (N,). Those robots have just been put back to the start, so
                they do not count for tracking.
        """
        env = self.env
        velocity = torch.cat([env.base_lin_vel[:, :2], env.base_ang_vel[:, 2:]], dim=1)
        forces = env.contact_forces[:, env.feet_indices].norm(dim=-1)
        targets = env.default_dof_pos + env.cfg.control.action_scale * env.actions
        for name, value in (
            ("velocity", velocity), ("commands", commands[:, :3]), ("foot_forces", forces), ("dof_pos", env.dof_pos),
            ("dof_targets", targets),
        ):  # fmt: skip
            self._append(name, value)
        alive = ~dones.bool()
        squares = (commands[:, :3] - velocity)[alive].square().sum(dim=0)
        self._squares = squares if self._squares is None else self._squares + squares
        self._samples += int(alive.sum())
        self._steps += 1
        self.falls += int((dones.bool() & ~env.time_out_buf.bool()).sum())

    def figures(self) -> dict[str, float]:
        """Return root-mean-square tracking errors, the estimator's mean errors, and falls per robot and minute."""
        rms = (self._squares / max(self._samples, 1)).sqrt().tolist() if self._squares is not None else [0.0] * 3
        figures = dict(zip(("vx error, m/s", "vy error, m/s", "yaw rate error, rad/s"), rms, strict=True))
        if self._estimate_errors is not None:
            means = self._estimate_errors / self._estimates
            for figure in self.env.label_layout.figures():
                figures[f"estimated {figure.title}"] = float(means[figure.columns].mean())
        minutes = self.seconds / 60.0
        figures["falls per robot and minute"] = self.falls / (self.env.num_envs * minutes)
        return figures

    @property
    def seconds(self) -> float:
        """How long the robots were played."""
        return self._steps * self.env.dt

    def series(self) -> Series:
        """Return the time series of the chosen robot."""
        rows = {name: np.array(values) for name, values in self._rows.items()}
        feet = [self.env.body_names[i] for i in self.env.feet_indices.tolist()]
        return Series(
            dt=self.env.dt,
            dof_names=list(self.env.dof_names),
            foot_names=feet,
            label=rows.pop("label", None),
            estimate=rows.pop("estimate", None),
            label_titles=self.env.label_layout.column_titles(),
            **rows,
        )

    def _append(self, name: str, values: torch.Tensor) -> None:
        self._rows.setdefault(name, deque(maxlen=self.longest)).append(values[self.robot].cpu().numpy().copy())
