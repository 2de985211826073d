"""The last second of a robot whose simulation diverged, to be looked at again."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

import torch

from legged_gym.common.errors import UserError
from legged_gym.envs.base.divergence import Replay
from legged_gym.envs.registry import task_registry
from legged_gym.policies.trained import load_trained
from legged_gym.runners.runs import load_run_config
from legged_gym.viewers.session import PlaySession, Step

if TYPE_CHECKING:
    from legged_gym.envs.base.legged_robot_config import LeggedRobotCfg
    from legged_gym.policies.trained import Trained

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


def open_replay(path: str, args: argparse.Namespace) -> ReplaySession:
    """Load a file that a training wrote, with the run that it lies in, on the same ground.

    Args:
        path: The file, ``<run>/diverged/….npz``.
        args: The command line; ``load_run`` names the run of a file that was moved.

    Raises:
        UserError: The file can't be read, or its run can't be found.
    """
    replay = Replay.read(path)
    args.load_run = args.load_run or os.path.dirname(os.path.dirname(os.path.abspath(path)))

    def on_its_ground(cfg: LeggedRobotCfg) -> None:
        trained_on = cfg.copy()
        load_run_config(args.load_run, args.task, trained_on, task_registry.get_cfgs(args.task)[1])
        cfg.terrain.curriculum = trained_on.terrain.curriculum
        cfg.env.num_envs = 1

    trained = load_trained(args, on_its_ground)
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
