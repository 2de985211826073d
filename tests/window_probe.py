"""Opens a window on robots that hold still, and reports a line for each update; a test drives it."""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace
from typing import Any, cast

import torch
from conftest import quiet, small_cfg
from tensordict import TensorDict

from legged_gym.envs import Qmini
from legged_gym.policies.trained import Trained
from legged_gym.viewers.native import NativeViewer
from legged_gym.viewers.replay import RecordedSession
from legged_gym.viewers.session import PlaySession, TimedSession


class Policy:
    """Stands, and estimates what is true."""

    def __call__(self, obs: TensorDict) -> torch.Tensor:
        return torch.zeros(len(obs), 10)

    def estimate(self, obs: TensorDict) -> torch.Tensor:
        return obs["label"]

    def reset(self, dones: torch.Tensor | None = None) -> None:
        """Remember nothing."""


def main(plane: bool, recorded: bool) -> None:
    """Report until the window is closed."""
    env = Qmini(quiet(small_cfg(3, plane)), seed=1)
    runner = SimpleNamespace(device="cpu", get_inference_policy=lambda device: Policy())
    session: TimedSession = PlaySession(Trained(env, cast(Any, runner), "model_0.pt", ""))
    if recorded:
        states = (env.root_states, env.dof_pos, env.dof_vel)
        motion = [state.numpy()[None].repeat(50, axis=0) for state in states]
        session = RecordedSession(env, motion, ["a", "b", "c"], ["told"] * 50, {})
    viewer = NativeViewer(session)
    step = 0

    class Reporter:
        is_open = True

        def update(self) -> None:
            row = {
                "step": step, "robot": session.robot, "command": env.commands[session.robot].tolist(),
                "speed": env.root_states[session.robot, 7:9].norm().item(), "paused": session.paused,
                "age": int(env.episode_length_buf[session.robot]),
                "flags": [flags.tolist() for flags in viewer._viewer_flags()],
            }  # fmt: skip
            print(json.dumps(row), flush=True)

        def close(self) -> None:
            pass

    for _ in session.steps(None, [viewer, Reporter()]):
        step += 1
    viewer.close()
    env.close()


if __name__ == "__main__":
    main(plane="terrain" not in sys.argv, recorded="recorded" in sys.argv)
