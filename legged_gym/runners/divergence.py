"""Keeping an eye on diverging robots: curves by cause, the last second of some of them, and an end to too many."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from legged_gym.common import tags
from legged_gym.common.errors import TrainingStoppedError
from legged_gym.common.paths import relative

if TYPE_CHECKING:
    from legged_gym.envs.base.legged_robot import LeggedRobot

FOLDER = "diverged"
"""Where the files lie, in a run's folder."""
_MOST_FILES = 10
"""Files that a run gets of each cause."""
_EPISODES = 100
"""Least number of episodes from which a share is told."""


class DivergenceWatch:
    """Looks once an iteration at what a task counted since the last time."""

    def __init__(self, env: LeggedRobot, log_dir: str) -> None:
        """Start with what has been counted so far."""
        self._log, self._limit, self._folder = env.divergence, env.cfg.sim.divergence.max_share, log_dir
        self._present = self._judged = self._log.counts()

    def look(self, iteration: int) -> dict[str, float]:
        """Return how many robots diverged in this iteration, by their curves, and write one's last second."""
        (_, before), self._present = self._present, self._log.counts()
        new = {cause: float(count - before[cause]) for cause, count in self._present[1].items()}
        if any(new.values()):
            self._write_one(iteration)
        return {f"{tags.DIVERGED_BY}{cause}": count for cause, count in new.items()}

    def _write_one(self, iteration: int) -> None:
        replay = self._log.take()
        folder = os.path.join(self._folder, FOLDER)
        if replay is None:
            return
        written = os.listdir(folder) if os.path.isdir(folder) else []
        if sum(name.endswith(f"_{replay.cause}.npz") for name in written) < _MOST_FILES:
            replay.write(os.path.join(folder, f"iteration_{iteration}_{replay.cause}.npz"))

    def check(self, iteration: int) -> None:
        """Raise ``TrainingStoppedError`` if the simulation diverged in too many of the last episodes."""
        (judged, bad_before), (ended, counts) = self._judged, self._present
        episodes, bad = ended - judged, sum(counts.values()) - sum(bad_before.values())
        if episodes < _EPISODES:
            return
        self._judged = self._present
        if bad > self._limit * episodes:
            worst = max(counts, key=lambda cause: counts[cause])
            raise TrainingStoppedError(
                f"stopped after iteration {iteration + 1}: the simulation of {bad} of the last {episodes} episodes "
                f"diverged, mostly by '{worst}', and config key 'sim.divergence.max_share' allows {self._limit:g}. "
                "Lower 'sim.dt' or the gains and forces that act on the robot; "
                f"play.py --replay shows the files in {relative(os.path.join(self._folder, FOLDER))}"
            )
