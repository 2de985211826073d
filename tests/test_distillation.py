"""A teacher who sees the ground and a student who does not, from training to export, by users' commands."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from qmini_training import make_env, make_runner

from legged_gym import LEGGED_GYM_ROOT_DIR
from legged_gym.common.errors import UserError
from legged_gym.envs import task_registry
from legged_gym.policies.exported import load_policy as load_files
from legged_gym.policies.finder import load_policy
from legged_gym.runners import DistillationRunner, rsl_rl_config
from legged_gym.runners.checkpoint import read_checkpoint

SMALL = ("--num_envs=4", "--headless", "--max_iterations=3", "--set=runner.num_steps_per_env=12",
         "--set=terrain.num_rows=2", "--set=terrain.num_cols=2", "--set=terrain.border_size=2.0",
         "--set=policy.actor_hidden_dims=[16]")  # fmt: skip


def run(script: str, *arguments: str) -> str:
    path = Path(LEGGED_GYM_ROOT_DIR, "legged_gym", "scripts", f"{script}.py")
    done = subprocess.run([sys.executable, str(path), *arguments], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def only_run(folder: Path) -> Path:
    (found,) = folder.iterdir()
    return found


def test_a_student_learns_from_a_teacher(tmp_path: Path) -> None:
    logs = f"--log_root={tmp_path}"
    run("train", "--task=qmini_teacher", *SMALL, "--set=policy.critic_hidden_dims=[16]", logs)
    run("train", "--task=qmini_student", *SMALL, "--set=policy.rnn_hidden_size=8", logs)
    teacher, student = only_run(tmp_path / "qmini_teacher"), only_run(tmp_path / "qmini_student")
    saved, taught = read_checkpoint(student / "model_2.pt"), read_checkpoint(teacher / "model_2.pt")
    for name, value in taught["actor_state_dict"].items():
        assert torch.equal(saved["teacher_state_dict"][name], value)
    # It goes on without the teacher's run, is played, and acts alike as a checkpoint and as files.
    teacher.rename(tmp_path / "gone")
    run("train", "--task=qmini_student", "--resume", "--max_iterations=4", "--headless", logs)
    assert (student / "model_3.pt").exists()
    run("play", "--task=qmini_student", "--headless", "--steps=4", logs)
    policies = [load_policy(str(student / "model_3.pt")), load_policy(str(student / "exported"))]
    observation = torch.randn(3, policies[0].num_observations)
    (_, one), (_, other) = (policy.act(observation) for policy in policies)
    torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
    assert load_files(student / "exported").actor.memory == [(1, 8)]
    assert list(load_policy(str(tmp_path / "gone" / "model_2.pt")).groups) == ["policy", "privileged"]


def test_a_student_comes_nearer_to_its_teacher(tmp_path: Path) -> None:
    env = make_env(8)
    teacher = make_runner(env, obs_groups__actor=["policy"])
    teacher.save(str(tmp_path / "teacher.pt"))
    cfg = task_registry.get_cfgs("qmini_student")[1]
    cfg.policy.actor_hidden_dims, cfg.policy.class_name = [64], "ActorCritic"
    cfg.algorithm.learning_rate = 1e-2
    student = DistillationRunner(env, rsl_rl_config(cfg))
    student.load_teacher(str(tmp_path / "teacher.pt"))
    obs = env.get_observations()

    def distance() -> float:
        with torch.no_grad():
            return float((student.alg.student(obs) - student.alg.teacher(obs)).square().mean())

    before = distance()
    student.learn(15)
    assert distance() < 0.5 * before


def test_teachers_that_do_not_fit_are_named(tmp_path: Path) -> None:
    env = make_env(2)
    make_runner(env).save(str(tmp_path / "estimates.pt"))
    cfg = task_registry.get_cfgs("qmini_student")[1]
    student = DistillationRunner(env, rsl_rl_config(cfg))
    with pytest.raises(UserError, match="its actor needs an estimator"):
        student.load_teacher(str(tmp_path / "estimates.pt"))
    cfg.distillation.teacher_run = "nobody"
    with pytest.raises(UserError, match=r"a student needs a teacher \('distillation.teacher_run'\): no run 'nobody'"):
        task_registry.make_alg_runner(env, "qmini_student", train_cfg=cfg, log_root=str(tmp_path / "logs"))
