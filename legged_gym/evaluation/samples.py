"""Chooses one trial of each scenario, for plots and film strips."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from legged_gym.evaluation import motion
from legged_gym.evaluation.rollout import Rollout, Stage
from legged_gym.evaluation.scenarios import Scenario

_BEFORE_FALL, _OF_WALK = 1.4, 1.0
"""Duration of a film strip: before a fall, or of walking (two strides), s."""

_WALK_FROM = 4.0
"""Start of a film strip of walking, s, if the command never changes. Otherwise it starts at the last change."""


@dataclass(frozen=True)
class Sample:
    """An example trial of a scenario: the first with a fall or, if there is none, a fast walk ahead."""

    scenario: Scenario
    trial: int
    rollout: Rollout
    """The rollout of this trial only."""
    stage: Stage
    fell: bool

    @property
    def strip(self) -> tuple[int, int]:
        """First and last row of the film strip."""
        last = int(motion.standing_rows(self.rollout)[0]) - 1
        if self.fell:
            return max(0, last - round(_BEFORE_FALL / self.rollout.dt)), last
        length = round(_OF_WALK / self.rollout.dt)
        changes = np.flatnonzero(np.diff(self.rollout.commands[:, 0], axis=0).any(axis=1))
        wanted = changes[-1] if changes.size else round(_WALK_FROM / self.rollout.dt)
        first = min(int(wanted), max(0, last - length))
        return first, min(last, first + length)


def choose_sample(scenario: Scenario, rollout: Rollout, stage: Stage) -> Sample:
    """Return a sample of a scenario's rollout."""
    falls = np.flatnonzero(motion.fell(rollout))
    trial = int(falls[0]) if falls.size else _quickest(scenario) % rollout.trials
    return Sample(scenario, trial, rollout.select([trial]), stage, bool(falls.size))


def _quickest(scenario: Scenario) -> int:
    """Return the plan that starts with the fastest walk straight ahead."""
    commands = [plan[0][1] for plan in scenario.plans]
    return max(range(len(commands)), key=lambda index: commands[index][0] - abs(commands[index][2]))
