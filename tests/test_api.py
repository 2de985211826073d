from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env

import legged_gym
from legged_gym import LEGGED_GYM_ROOT_DIR
from legged_gym.api import RobotEnv, RobotVectorEnv
from legged_gym.common.errors import UserError
from legged_gym.render.video import has_egl

PLANE = {"terrain.mesh_type": "plane"}


@pytest.fixture(scope="module")
def robots() -> Iterator[RobotVectorEnv]:
    env = legged_gym.make_env("qmini", num_envs=3, settings=PLANE)
    yield env
    env.close()


def test_ten_lines_drive_the_shipped_policy(robots: RobotVectorEnv) -> None:
    policy = legged_gym.load_policy("shipped")
    obs, _ = robots.reset(seed=1)
    assert robots.observation_space.contains(obs)
    falls = 0
    for _ in range(100):
        actions = policy(obs)
        assert actions.shape == (3, 10)
        obs, rewards, terminated, truncated, info = robots.step(actions)
        falls += int(terminated.sum())
    assert falls == 0
    assert rewards.shape == (3,) and np.isfinite(rewards).all()
    assert (info["time_outs"] == truncated).all()
    np.testing.assert_allclose(policy(obs[0]), policy(obs)[0], atol=1e-5)


def test_a_fall_is_a_termination_and_a_time_out_a_truncation() -> None:
    env = legged_gym.make_env("qmini", num_envs=2, settings={**PLANE, "env.episode_length_s": 0.1})
    env.reset(seed=1)
    ends = [env.step(np.zeros((2, 10)))[2:4] for _ in range(5)]
    env.close()
    assert not any(terminated.any() for terminated, _ in ends)
    assert ends[-1][1].all()


def test_render_returns_a_picture(robots: RobotVectorEnv) -> None:
    robots.reset(seed=1)
    picture = robots.render()
    assert picture is not None and picture.shape == (544, 960, 3) and picture.dtype == np.uint8
    assert picture.std() > 10.0


def test_gymnasium_s_own_checker_finds_nothing() -> None:
    env = RobotEnv("qmini", settings=PLANE)
    check_env(env, skip_render_check=True)
    env.close()


def test_gymnasium_makes_one_and_many() -> None:
    many = gymnasium.make_vec("legged_gym.api:Qmini-v0", num_envs=2, settings=PLANE)
    assert many.reset(seed=3)[0].shape == many.observation_space.shape == (2, 215)
    many.close()
    one = gymnasium.make("legged_gym.api:Qmini-v0", settings=PLANE)
    assert one.reset(seed=3)[0].shape == (215,)
    one.close()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: legged_gym.make_env("qmimi"), "unknown task 'qmimi'"),
        (lambda: legged_gym.make_env("qmini", settings={"terrain.mesh": "plane"}), "terrain.mesh"),
        (lambda: legged_gym.make_env("qmini", render_mode="human"), "render_mode"),
        (lambda: legged_gym.make_env("qmini", settings="terrain.mesh_type=plane"), "settings must be a dict"),
        (lambda: legged_gym.make_env("qmini", seed=1.5), "the seed must be an integer .* got 1.5"),
        (lambda: legged_gym.load_policy("nowhere"), "no run 'nowhere'"),
        (lambda: legged_gym.load_policy("shipped", device="gpu"), "no device 'gpu' here"),
        (lambda: legged_gym.load_policy("shipped")({"policy": 1.0}), "observations must be an array of numbers"),
        (lambda: legged_gym.load_policy("shipped")(np.zeros((1, 2, 215))), r"215 numbers a robot, got .*\(1, 2, 215\)"),
    ],
)
def test_mistakes_are_named(call: object, message: str) -> None:
    with pytest.raises(UserError, match=message):
        call()  # type: ignore[operator]


def test_actions_that_do_not_fit_are_refused(robots: RobotVectorEnv) -> None:
    with pytest.raises(UserError, match=r"shape \(3, 10\), got \(3, 9\)"):
        robots.step(np.zeros((3, 9)))
    with pytest.raises(UserError, match="finite"):
        robots.step(np.full((3, 10), np.nan))
    for wrong in ("go", [[1.0, 2.0], [3.0]], np.zeros((3, 10), complex), None):
        with pytest.raises(UserError, match="actions must be"):
            robots.step(wrong)


def test_actions_may_be_tensors_of_a_network_that_learns(robots: RobotVectorEnv) -> None:
    actions = torch.full((3, 10), 0.25)
    for given in (actions.requires_grad_(), actions.bfloat16(), actions.double(), actions.tolist()):
        robots.step(given)
        assert robots.task.actions.tolist() == actions.tolist() and not robots.task.actions.requires_grad


def test_a_closed_environment_says_so() -> None:
    env = legged_gym.make_env("qmini", settings=PLANE)
    env.close()
    env.close()
    for use in (env.reset, env.render, lambda: env.step(np.zeros((1, 10)))):
        with pytest.raises(UserError, match="closed"):
            use()


@pytest.mark.skipif(not has_egl(), reason="EGL is missing (Debian, Ubuntu: apt install libegl1 libopengl0)")
@pytest.mark.parametrize("readme", ["README.md", "README_zh.md"])
def test_the_readme_s_lines_run_without_a_screen_and_write_nothing(readme: str, tmp_path: Path) -> None:
    text = Path(LEGGED_GYM_ROOT_DIR, readme).read_text(encoding="utf-8")
    code = text.split("```python\n")[1].split("```")[0].replace("range(500)", "range(5)")
    code += "assert picture.shape == (544, 960, 3) and picture.std() > 10.0"
    env = {name: value for name, value in os.environ.items() if name not in ("MUJOCO_GL", "DISPLAY")}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=env, check=True, timeout=120)
    assert list(tmp_path.iterdir()) == []
