"""Sessions that show recorded motions, and the last second of a robot that diverged."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from legged_gym.common.errors import UserError
from legged_gym.common.rotations import quat_rotate_inverse
from legged_gym.envs.base.divergence import Replay
from legged_gym.policies.trained import load_trained
from legged_gym.viewers.session import Step, TimedSession

if TYPE_CHECKING:
    from legged_gym.envs.base.legged_robot import LeggedRobot
    from legged_gym.policies.trained import Trained
    from legged_gym.runners.build import Job

_TOUCHING = 1.0
"""A foot is in contact if its force is above this, N."""
_LINES = 10
"""Number of control steps that are printed."""


Curves = Mapping[str, Mapping[str, np.ndarray]]
"""Curves by chart title and label, (T,) each."""


class RecordedSession(TimedSession):
    """Shows recorded motions in a loop, instead of a simulation. The robots can't be driven."""

    def __init__(
        self, env: LeggedRobot, motion: Sequence[np.ndarray], names: Sequence[str], told: Sequence[str], curves: Curves
    ) -> None:
        """Begin with the first recorded state.

        Args:
            env: The robots that show the recorded states.
            motion: ``root_states``, ``dof_pos`` and ``dof_vel`` of each control step, (T, N, ...).
            names: Name of each robot.
            told: A message for each control step.
            curves: The page's curves.
        """
        super().__init__(env)
        self.curves, self._names, self._told = curves, names, told
        self.at = 0
        """Next control step to show."""
        self._motion = [torch.as_tensor(part, dtype=torch.float, device=env.device) for part in motion]

    @property
    def length(self) -> int:
        """Number of control steps in the recording."""
        return len(self._told)

    @property
    def title(self) -> str:
        """What is shown, in a few words."""
        return self._names[self.robot]

    @torch.inference_mode()
    def advance(self) -> Step:
        """Show the next recorded state."""
        env, at = self.env, self.at
        self.at = (at + 1) % self.length
        env.sim.set_state(torch.ones_like(env.reset_buf), *(part[at] for part in self._motion))
        quaternion, linear, angular = env.root_states[:, 3:].split((4, 3, 3), dim=1)
        env.base_lin_vel = quat_rotate_inverse(quaternion, linear)
        env.base_ang_vel = quat_rotate_inverse(quaternion, angular)
        env.feet_contact = env.contact_forces[:, env.feet_indices, 2] > _TOUCHING
        env.episode_length_buf[:] = at
        self.message = self._told[at]
        return Step(env.commands[:, :3].clone(), torch.zeros_like(env.reset_buf), None, None)

    def _begin_anew(self) -> None:
        self.at = 0


class ReplaySession(RecordedSession):
    """Shows the last second of a robot that diverged."""

    def __init__(self, trained: Trained, replay: Replay) -> None:
        """Begin with the first recorded state.

        Raises:
            UserError: The recording is of another robot.
        """
        env, steps = trained.env, len(replay.actions)
        if (replay.dof_pos.shape[1], replay.actions.shape[1]) != (env.num_dof, env.num_actions):
            raise UserError(f"the replay is of a robot with {replay.dof_pos.shape[1]} joints, not {env.num_dof}")
        self.trained, self.replay = trained, replay
        angles = {f"{name}, rad": {"angle": c} for name, c in zip(env.dof_names, replay.dof_pos.T, strict=True)}
        told = [f"{(steps - at) * replay.dt:.2f} s before it diverged ({replay.cause})" for at in range(steps)]
        parts = (replay.root_states, replay.dof_pos, replay.dof_vel)
        motion = [np.repeat(part[:, None], env.num_envs, axis=1) for part in parts]
        super().__init__(env, motion, [os.path.basename(trained.checkpoint)] * env.num_envs, told, angles)

    @torch.inference_mode()
    def advance(self) -> Step:
        """Show the next recorded state, with its command and actions."""
        env, replay, at = self.env, self.replay, self.at
        env.commands[:, :3] = torch.as_tensor(replay.commands[at], device=env.device)
        env.actions[:] = torch.as_tensor(replay.actions[at], device=env.device)
        return super().advance()


def run_of_replay(path: str) -> str:
    """Return the run's folder for a replay, ``<run>/diverged/….npz``."""
    return os.path.dirname(os.path.dirname(os.path.abspath(path)))


def open_replay(path: str, job: Job) -> ReplaySession:
    """Load a file that a training wrote, with the policy of its run, on the same ground.

    Raises:
        UserError: The file can't be read, or is of another robot.
    """
    replay = Replay.read(path)
    trained = load_trained(job)
    try:
        return ReplaySession(trained, replay)
    except BaseException:
        trained.env.close()
        raise


def describe(replay: Replay, joints: list[str]) -> list[str]:
    """Return a table of the last control steps of a replay."""
    lines = [
        f"robot {replay.robot} diverged ('{replay.cause}'); its last control steps:",
        "  s before  base m/s  base rad/s  fastest joint, rad/s     largest action",
    ]
    for at in range(max(0, len(replay.actions) - _LINES), len(replay.actions)):
        linear, angular = (abs(replay.root_states[at, part]).max() for part in (slice(7, 10), slice(10, 13)))
        joint = int(abs(replay.dof_vel[at]).argmax())
        lines.append(
            f"  {(len(replay.actions) - at) * replay.dt:8.2f}  {linear:8.2f}  {angular:10.2f}  "
            f"{joints[joint]:<14}{replay.dof_vel[at, joint]:8.1f}  {abs(replay.actions[at]).max():13.2f}"
        )
    return lines
