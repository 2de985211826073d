"""Writes down what an evaluated task does, on the device, and hands it out as plain arrays."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from legged_gym.evaluation.record import Record
from legged_gym.evaluation.task import EvaluationTask
from legged_gym.evaluation.trials import Trials


class Recorder:
    """Keeps T rows of N robots in one buffer, so that a row costs a single copy."""

    def __init__(self, env: EvaluationTask, steps: int, robot_mass: float) -> None:
        """Allocate.

        Args:
            env: The task.
            steps: Number of rows, T.
            robot_mass: Of a robot without payload, kg.
        """
        self._env, self._steps, self._mass = env, steps, robot_mass
        self._buffer: torch.Tensor | None = None
        self._slices: dict[str, tuple[slice, tuple[int, ...]]] = {}
        self._ended = torch.zeros(steps, env.num_envs, dtype=torch.bool, device=env.device)

    def add(self, step: int, estimate: torch.Tensor | None, actions: torch.Tensor) -> None:
        """Write the row of a step, before the step is done.

        Args:
            step: Counted from 0.
            estimate: What the policy's estimator says, in the label's scale, (N, L).
            actions: What it does, (N, D).
        """
        values = self._values(estimate, actions)
        if self._buffer is None:
            self._lay_out(values)
        assert self._buffer is not None
        torch.cat([value.flatten(1) for value in values.values()], dim=1, out=self._buffer[step])

    def end(self, step: int, dones: torch.Tensor) -> None:
        """Note whose trial ended in a step, bool, (N,)."""
        self._ended[step] = dones

    def records(self, blocks: Sequence[Trials]) -> list[Record]:
        """Return a record of each block of trials."""
        assert self._buffer is not None
        data, ended = self._buffer.cpu().numpy(), self._ended.cpu().numpy()
        rows = np.where(ended.any(axis=0), ended.argmax(axis=0) + 1, self._steps)
        records, first = [], 0
        for block in blocks:
            robots = slice(first, first + block.count)
            records.append(self._record(data[: block.steps, robots], np.minimum(rows[robots], block.steps), block))
            first += block.count
        return records

    def _record(self, data: np.ndarray, rows: np.ndarray, block: Trials) -> Record:
        values = {
            name: np.ascontiguousarray(data[..., columns]).reshape(*data.shape[:2], *shape)
            for name, (columns, shape) in self._slices.items()
        }
        return Record(
            dt=self._env.dt,
            yaw_rate=values.pop("yaw_rate")[..., 0],
            foot_contact=values.pop("foot_contact") > 0.5,
            rows=rows,
            mass=self._mass + block.payload,
            dof_vel_limits=self._env.dof_vel_limits.cpu().numpy(),
            labels=self._env.label_layout,
            **values,
        )

    def _values(self, estimate: torch.Tensor | None, actions: torch.Tensor) -> dict[str, torch.Tensor]:
        env = self._env
        feet = env.rigid_body_states[:, env.feet_indices]
        height = feet[..., 2] - env.ground.height_at(feet)
        # The point that lies below the foot's origin on the ground turns with the foot.
        sole_x, sole_y = feet[..., 7] - feet[..., 11] * height, feet[..., 8] + feet[..., 10] * height
        values = {
            "commands": env.commands[:, :3],
            "lin_vel": env.base_lin_vel,
            "yaw_rate": env.base_ang_vel[:, 2:],
            "base_pos": env.root_states[:, :3],
            "base_quat": env.root_states[:, 3:7],
            "dof_pos": env.dof_pos,
            "dof_vel": env.dof_vel,
            "torques": env.torques,
            "actions": actions,
            "foot_contact": env.feet_contact.float(),
            "foot_pos": feet[..., :3],
            "sole_vel": torch.stack((sole_x, sole_y), dim=-1),
        }
        if estimate is not None:
            values["estimate"] = env.label_layout.physical(estimate)
        return values

    def _lay_out(self, values: dict[str, torch.Tensor]) -> None:
        first = 0
        for name, value in values.items():
            size = value[0].numel()
            self._slices[name] = (slice(first, first + size), tuple(value.shape[1:]))
            first += size
        self._buffer = torch.zeros(self._steps, self._env.num_envs, first, device=self._env.device)
