"""On a GPU, too, the same training gives the same nets to the last bit, in one go or resumed."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
import torch
from qmini_training import env_config, train_config
from test_checkpoint import assert_same, stop_after

from legged_gym.envs import Qmini
from legged_gym.runners import OnPolicyRunnerEE, rsl_rl_config
from legged_gym.runners.checkpoint import read_checkpoint

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")

_ROBOTS, _ITERATIONS = 1024, 20
# It learns, is averaged, and is stopped and resumed while it learns to see through noise.
_END = {
    "runner__stages": {},
    "runner__averaged_iterations": 4,
    "runner__estimator_iterations": 2,
    "runner__denoising_iterations": 12,
}
_NETS = ("actor_state_dict", "critic_state_dict", "estimator_state_dict", "optimizer_state_dict")


def train(folder: Path, stop: bool = False, resumed: bool = False) -> None:
    """Train as users do: TF32, compiled and recorded, on rough ground, with all that is random."""
    cfg = env_config(_ROBOTS, terrain__mesh_type="heightfield", terrain__num_rows=4, terrain__num_cols=8)
    env = Qmini(cfg, "warp", "cuda:0", seed=3)
    runner = OnPolicyRunnerEE(env, rsl_rl_config(train_config(small=False, **_END)), str(folder), "cuda:0")
    if resumed:
        runner.load(str(folder / f"model_{_ITERATIONS // 2 - 1}.pt"))
        assert runner.new_episodes is None
    if stop:
        stop_after(runner, _ITERATIONS // 2)
    with pytest.raises(KeyboardInterrupt) if stop else contextlib.nullcontext():
        runner.learn(_ITERATIONS - runner.completed_iterations, init_at_random_ep_len=True)
    env.close()


def assert_equal_nets(one: Path, other: Path) -> None:
    checkpoints = [read_checkpoint(folder / f"model_{_ITERATIONS - 1}.pt", "cpu") for folder in (one, other)]
    for net in _NETS:
        assert_same(checkpoints[0][net], checkpoints[1][net], net)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a training in one go."""
    folder = tmp_path_factory.mktemp("first")
    train(folder)
    return folder


def test_two_trainings_are_equal(first: Path, tmp_path: Path) -> None:
    train(tmp_path)
    assert_equal_nets(first, tmp_path)


def test_a_resumed_training_equals_one_in_one_go(first: Path, tmp_path: Path) -> None:
    train(tmp_path, stop=True)
    train(tmp_path, resumed=True)
    assert_equal_nets(first, tmp_path)
