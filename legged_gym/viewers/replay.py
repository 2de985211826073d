"""The last second of a robot whose simulation diverged, to be looked at again."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import torch

from legged_gym.common.errors import UserError
from legged_gym.envs.base.divergence import Replay
from legged_gym.policies.trained import load_trained
from legged_gym.viewers.session import PlaySession, Step

if TYPE_CHECKING:
    from legged_gym.policies.trained import Trained
    from legged_gym.runners.job import Job

_LINES = 10
"""Control steps that are told in numbers."""


class ReplaySession(PlaySession):
    """Shows what was recorded, again and again, in place of a simulation; nobody can drive the robot."""

    def __init__(self, trained: Trained, replay: Replay) -> None:
        """Begin with the first recorded state.

        Raises:
            UserError: It is another robot's.
        """
        super().__init__(trained)
        env = self.env
        if (replay.dof_pos.shape[1], replay.actions.shape[1]) != (env.num_dof, env.num_actions):
            raise UserError(f"the replay is of a robot with {replay.dof_pos.shape[1]} joints, not {env.num_dof}")
        self.replay, self._at = replay, 0
        self._frames = [
            torch.as_tensor(part, device=env.device) for part in (replay.root_states, replay.dof_pos, replay.dof_vel)
        ]

    @torch.inference_mode()
    def advance(self) -> Step:
        """Show the next recorded state."""
        env, replay, at = self.env, self.replay, self._at
        self._at = (at + 1) % len(replay.actions)
        env.sim.set_state(torch.ones_like(env.reset_buf), *(part[at].expand(env.num_envs, -1) for part in self._frames))
        env.commands[:, :3] = torch.as_tensor(replay.commands[at], device=env.device)
        env.actions[:] = torch.as_tensor(replay.actions[at], device=env.device)
        self.message = f"{(len(replay.actions) - at) * replay.dt:.2f} s before it diverged ({replay.cause})"
        return Step(env.commands[:, :3].clone(), torch.zeros_like(env.reset_buf), None, None)


def run_of_replay(path: str) -> str:
    """Return the folder of the run that a replay lies in, ``<run>/diverged/….npz``."""
    return os.path.dirname(os.path.dirname(os.path.abspath(path)))


def open_replay(path: str, job: Job) -> ReplaySession:
    """Load a file that a training wrote, with the policy of its run, on the same ground.

    Args:
        path: The file.
        job: The run's policy, on the ground of its training.

    Raises:
        UserError: The file can't be read, or is another robot's.
    """
    replay = Replay.read(path)
    trained = load_trained(job)
    try:
        return ReplaySession(trained, replay)
    except BaseException:
        trained.env.close()
        raise


def describe(replay: Replay, joints: list[str]) -> list[str]:
    """Return lines that tell the end of a replay in numbers."""
    lines = [
        f"robot {replay.robot} diverged by '{replay.cause}'; before its last control steps:",
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
