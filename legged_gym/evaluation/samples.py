"""One trial of each scenario, kept whole: to be plotted and to be looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from legged_gym.evaluation import motion
from legged_gym.evaluation.record import Record
from legged_gym.evaluation.scenarios import Scenario
from legged_gym.simulators.mujoco_model import HeightField, SceneCfg

_BEFORE_FALL, _OF_WALK = 1.4, 1.0
"""What a film strip shows: the seconds before a fall, or of walking (two strides)."""

_WALK_FROM = 4.0
"""Second from which walking is shown if the command never changes; else it is the last change."""


class StageCfg(SceneCfg, Protocol):
    """What a drawing reads of a task's configuration."""

    @property
    def viewer(self) -> Any:
        """``pos``, ``lookat``."""


@dataclass(frozen=True)
class Stage:
    """What is needed to draw a record."""

    cfg: StageCfg
    terrain: HeightField | None
    dof_names: Sequence[str]


@dataclass(frozen=True)
class Sample:
    """A trial that stands for its scenario: the first that ended in a fall or, if none did, a quick walk ahead."""

    scenario: Scenario
    trial: int
    record: Record
    """Of this trial alone."""
    stage: Stage
    fell: bool

    @property
    def strip(self) -> tuple[int, int]:
        """First and last row of what a film strip shows."""
        last = int(motion.standing_rows(self.record)[0]) - 1
        if self.fell:
            return max(0, last - round(_BEFORE_FALL / self.record.dt)), last
        length = round(_OF_WALK / self.record.dt)
        changes = np.flatnonzero(np.diff(self.record.commands[:, 0], axis=0).any(axis=1))
        wanted = changes[-1] if changes.size else round(_WALK_FROM / self.record.dt)
        first = min(int(wanted), max(0, last - length))
        return first, min(last, first + length)


def choose_sample(scenario: Scenario, record: Record, stage: Stage) -> Sample:
    """Return a sample of a scenario's record."""
    falls = np.flatnonzero(motion.fell(record))
    trial = int(falls[0]) if falls.size else _quickest(scenario) % record.trials
    return Sample(scenario, trial, record.select([trial]), stage, bool(falls.size))


def _quickest(scenario: Scenario) -> int:
    """Return the plan that begins with the quickest walk ahead without turning."""
    return max(range(len(scenario.plans)), key=lambda index: _speed_ahead(scenario.plans[index][0][1]))


def _speed_ahead(command: tuple[float, float, float]) -> float:
    return command[0] - abs(command[2])
