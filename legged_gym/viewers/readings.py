"""What instruments on one robot read: fetched from the simulation's device in one copy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from legged_gym.viewers.session import Session


@dataclass
class Reading:
    """One robot at one moment."""

    seconds: float
    """Since its reset."""
    level: int
    """Row of its terrain tile."""
    position: np.ndarray
    """Of the base, m, world frame, (3,)."""
    quaternion: np.ndarray
    """Of the base, xyzw, (4,)."""
    command: np.ndarray
    """Forward and lateral velocity, m/s, and yaw rate, rad/s, (3,)."""
    velocity: np.ndarray
    """The same, measured in the base frame, (3,)."""
    feet: np.ndarray
    """Positions of the feet, m, world frame, (F, 3)."""
    forces: np.ndarray
    """Net contact forces on the feet, N, world frame, (F, 3)."""
    contacts: np.ndarray
    """Which feet touch, 0 or 1, (F,)."""
    rewards: np.ndarray
    """Scaled reward terms per second, (R,)."""
    label: np.ndarray | None
    """What the estimator should say, in the units of the task's ``label_layout``, (L,); None without an estimator."""
    estimate: np.ndarray | None
    """What it says, (L,)."""
    estimated_velocity: np.ndarray | None
    """The velocity in ``estimate``, m/s, base frame, (3,), if the estimator says one."""


class Instruments:
    """Reads the robot that a session shows."""

    def __init__(self, session: Session) -> None:
        """Read from ``session``; nothing is copied yet."""
        self._session = session

    @torch.no_grad()
    def read(self) -> Reading:
        """Return the present state of the shown robot."""
        env, row = self._session.env, slice(self._session.robot, self._session.robot + 1)
        parts = {
            "position": env.root_states[row, :3],
            "quaternion": env.root_states[row, 3:7],
            "command": env.commands[row, :3],
            "velocity": torch.cat((env.base_lin_vel[row, :2], env.base_ang_vel[row, 2:]), dim=1),
            "feet": env.rigid_body_states[row][:, env.feet_indices, :3],
            "forces": env.contact_forces[row][:, env.feet_indices],
            "contacts": env.feet_contact[row],
            "rewards": env.reward_rates[row],
            "counters": torch.stack((env.episode_length_buf[row], env.terrain_levels[row]), dim=1),
        }
        parts |= self._estimate(row)
        flat = torch.cat([part.float().flatten().to(env.device) for part in parts.values()]).cpu().numpy()
        ends = np.cumsum([part.numel() for part in parts.values()])[:-1]
        values = dict(zip(parts, np.split(flat, ends), strict=True))
        steps, level = values.pop("counters")
        for name in ("feet", "forces"):
            values[name] = values[name].reshape(-1, 3)
        label, estimate = values.pop("label", None), values.pop("estimate", None)
        said = None if estimate is None else env.label_layout.part("velocity", estimate)
        return Reading(steps * env.dt, int(level), **values, label=label, estimate=estimate, estimated_velocity=said)

    def _estimate(self, row: slice) -> dict[str, torch.Tensor]:
        """Return label and estimate of a robot, each (1, L), if it has an estimator."""
        session = self._session
        if session.estimator is None:
            return {}
        obs = session.env.get_observations()[row].to(session.estimator_device)
        physical = session.env.label_layout.physical
        return {"label": physical(obs["label"]), "estimate": physical(session.estimator(obs))}
