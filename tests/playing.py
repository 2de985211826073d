"""A trained run at play, in a size for tests of what shows and drives it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from qmini_training import make_env, make_runner

from legged_gym.common.rotations import quat_apply_yaw
from legged_gym.envs import Qmini
from legged_gym.policies.trained import Trained


class CarriedQmini(Qmini):
    """Moves as it is commanded, whatever its legs do: nobody has to learn to walk for that."""

    def _push_robots(self) -> None:
        velocity = torch.zeros_like(self.root_states[:, 7:13])
        velocity[:, :2] = quat_apply_yaw(self.root_states[:, 3:7], self.commands)[:, :2]
        velocity[:, 5] = self.commands[:, 2]
        self.sim.set_root_velocity(torch.ones_like(self.reset_buf), velocity)


def make_trained(folder: Path, num_envs: int, task: type[Qmini] = Qmini, **changes: Any) -> Trained:
    """Return a run with two checkpoints of different nets, ``model_0.pt`` and ``model_5.pt``, the latter at play."""
    env = make_env(num_envs, task, terrain__curriculum=False, domain_rand__push_robots=False, **changes)
    runner = make_runner(env)
    runner.save(str(folder / "model_0.pt"))
    with torch.no_grad():
        for parameter in runner.alg.get_policy().parameters():
            parameter.add_(0.3)
    runner.save(str(folder / "model_5.pt"))
    return Trained(env, runner, str(folder / "model_5.pt"), str(folder))
