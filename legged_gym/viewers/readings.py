"""Reads one robot's state for the viewers: a rollout of one row, fetched from the device in one copy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from legged_gym.evaluation.recorder import Recorder

if TYPE_CHECKING:
    from legged_gym.evaluation.rollout import Rollout
    from legged_gym.viewers.session import Session

_FIELDS = ("foot_pos", "foot_forces", "foot_contact", "rewards", "seconds", "terrain_level")


class Instruments:
    """Reads the robot that a session shows."""

    def __init__(self, session: Session) -> None:
        """Prepare to read from ``session``. Nothing is copied yet."""
        self._session, self._recorder = session, Recorder(session.env, _FIELDS, longest=1)

    @torch.no_grad()
    def read(self) -> Rollout:
        """Return the present state of the shown robot, T = N = 1."""
        session, recorder = self._session, self._recorder
        recorder.robots = slice(session.robot, session.robot + 1)
        label = estimate = None
        if session.estimator is not None:
            obs = session.env.get_observations()[recorder.robots].to(session.estimator_device)
            label, estimate = obs["label"], session.estimator(obs)
        recorder.add(label=label, estimate=estimate)
        return recorder.rollout()
