"""Records of robots that diverged: how often, why, and one's last second. Stops a training with too many."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from legged_gym.common import devices, tags
from legged_gym.common.errors import TrainingStoppedError, UserError, file_errors
from legged_gym.common.paths import plain_file, relative, written
from legged_gym.simulators.simulator import CAUSES

if TYPE_CHECKING:
    from legged_gym.envs.base.legged_robot import LeggedRobot

_SECONDS = 1.0
"""Length of a replay, s."""
FOLDER = "diverged"
"""Folder of the replays, in a run's folder."""
_MOST_FILES = 10
"""Largest number of replays for each cause."""
_EPISODES = 100
"""Smallest number of episodes for a share."""


@dataclass
class Replay:
    """The last second of a robot: its state before each control step, and the step's commands and actions."""

    cause: str
    """A name of :data:`~legged_gym.simulators.simulator.CAUSES`."""
    robot: int
    dt: float
    """Control step, s."""
    root_states: np.ndarray
    """(T, 13)."""
    dof_pos: np.ndarray
    """rad, (T, D)."""
    dof_vel: np.ndarray
    """rad/s, (T, D)."""
    actions: np.ndarray
    """(T, A)."""
    commands: np.ndarray
    """(T, 3)."""

    def write(self, path: str) -> None:
        """Write it as a file for :meth:`read`, or raise ``UserError``."""
        with file_errors(f"can't write '{path}'"):
            os.makedirs(os.path.dirname(path), exist_ok=True)
        with written(path) as part:
            np.savez_compressed(part, **vars(self))

    @classmethod
    def read(cls, path: str) -> Replay:
        """Read a file of :meth:`write`, without running code in it. ``UserError`` if it is something else."""
        try:
            with np.load(plain_file(path), allow_pickle=False) as file:
                values = {name: file[name] for name in cls.__dataclass_fields__}
            arrays = {name: np.atleast_2d(values[name]).astype(np.float32) for name in list(values)[3:]}
            replay = cls(str(values["cause"]), int(values["robot"]), float(values["dt"]), **arrays)
        except OSError as error:
            raise UserError(f"can't read '{path}' (--replay): {error.strerror or error}") from error
        except (ValueError, KeyError, TypeError, EOFError, MemoryError) as error:
            raise UserError(f"'{path}' (--replay) is not a replay of a diverged robot: {error}") from error
        lengths = {len(array) for array in arrays.values()}
        if len(lengths) != 1 or replay.root_states.shape[1] != 13 or not replay.dt > 0.0:
            raise UserError(f"'{path}' (--replay) is not a replay of a diverged robot: its arrays don't fit together")
        return replay


class DivergenceLog:
    """Counts ended episodes and diverged robots on the device, and keeps every robot's last second.

    Only :meth:`counts` and :meth:`take` wait for the device.
    """

    def __init__(self, num_envs: int, num_dof: int, num_actions: int, dt: float, device: str) -> None:
        """Start empty; ``dt`` is the control step, s."""
        self._dt, self._sizes = dt, [13, num_dof, num_dof, num_actions, 3]
        steps = max(1, round(_SECONDS / dt))
        self._frames = torch.zeros(steps, num_envs, sum(self._sizes), device=device)
        self._newest = torch.zeros(1, dtype=torch.long, device=device)
        self._ages = torch.zeros(num_envs, dtype=torch.long, device=device)
        self._counts = torch.zeros(num_envs, 1 + len(CAUSES), device=device)
        self._numbers = torch.arange(1, 1 + len(CAUSES), dtype=torch.int32, device=device)
        self._kept = torch.zeros(steps, self._frames.shape[2], device=device)
        self._about = torch.zeros(4, dtype=torch.long, device=device)
        """Cause, robot, age and index of the newest frame of the kept replay; cause 0: none is kept."""

    def record(self, parts: list[torch.Tensor]) -> None:
        """Store the states before a control step, and its actions and commands, each (N, …)."""
        self._newest.add_(1).remainder_(len(self._frames))
        self._frames.index_copy_(0, self._newest, torch.cat(parts, dim=1).unsqueeze(0))
        self._ages += 1

    def note(self, ended: torch.Tensor, causes: torch.Tensor) -> None:
        """Count ended episodes, bool, (N,), and causes of divergence, int32, (N,), 0 for none."""
        self._counts[:, 0] += ended
        self._counts[:, 1:] += causes.unsqueeze(1) == self._numbers
        if devices.pays(causes):
            self._keep(causes)
        self._ages.masked_fill_(ended, 0)

    def _keep(self, causes: torch.Tensor) -> None:
        """Keep the last second of the first robot that diverged, unless one is already kept."""
        robot = (causes > 0).int().argmax().view(1)
        about = torch.cat((causes[robot].long(), robot, self._ages[robot], self._newest))
        new = (about[0] > 0) & (self._about[0] == 0)
        self._kept.copy_(torch.where(new, self._frames.index_select(1, robot).squeeze(1), self._kept))
        self._about.copy_(torch.where(new, about, self._about))

    def counts(self) -> tuple[int, dict[str, int]]:
        """Return the number of episodes that ended since the start, and of robots that diverged, by cause."""
        ended, *diverged = self._counts.double().sum(0).long().tolist()
        return ended, dict(zip(CAUSES, diverged, strict=True))

    def take(self) -> Replay | None:
        """Return the last second of a robot that diverged since the last call, or None."""
        cause, robot, age, newest = self._about.tolist()
        if cause == 0:
            return None
        frames = self._kept.roll(-1 - newest, 0)[-max(1, min(age, len(self._kept))) :].cpu()
        self._about.zero_()
        parts = [part.numpy() for part in frames.split(self._sizes, dim=1)]
        return Replay(CAUSES[cause - 1], robot, self._dt, *parts)


class DivergenceWatch:
    """Checks a task's divergences once in each iteration."""

    def __init__(self, env: LeggedRobot, log_dir: str) -> None:
        """Start with the present counts."""
        self._log, self._limit, self._folder = env.divergence, env.cfg.sim.divergence.max_share, log_dir
        self._present = self._judged = self._log.counts()

    def look(self, iteration: int) -> dict[str, float]:
        """Return the number of robots that diverged in this iteration, by curve, and write one replay."""
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
