"""Random valid configurations, one after the other: none may crash, or give a number that is none, unnoticed.

``python tests/soak.py [--runs N] [--robots N] [--seconds S] [--seed N]``; ``make soak`` does a few small ones. The exit
code is 1 if one fails; its seed is told, with which ``--runs 1`` does it again.
"""

from __future__ import annotations

import argparse
import gc
import os
import random
import resource
import sys
import time
import traceback

import torch

from legged_gym.envs import task_registry
from legged_gym.envs.base.base_config import BaseConfig
from legged_gym.envs.base.legged_robot import LeggedRobot
from legged_gym.runners import OnPolicyRunnerEE, rsl_rl_config

_TASKS = ("qmini", "qmini_published")
_ROBOT_STEPS = 20_000
"""Steps of all robots of a configuration, at most."""


def draw(dice: random.Random, cfg: BaseConfig, robots: int) -> dict[str, object]:
    """Change a configuration at random, extremes included, and return what was changed."""

    def span(low: float, high: float) -> list[float]:
        return sorted(round(dice.uniform(low, high), 4) for _ in range(2))

    values: dict[str, object] = {
        "env.num_envs": dice.choice([1, 2, 3, dice.randint(4, robots)]),
        "env.episode_length_s": round(dice.uniform(0.04, 5.0), 3),
        "env.history_length": dice.choice([1, 2, 5, 12]),
        "env.log_interval": dice.choice([1, 7, 24]),
        "terrain.mesh_type": dice.choice(["plane", "heightfield"]),
        "terrain.num_rows": dice.randint(1, 4),
        "terrain.num_cols": dice.randint(1, 6),
        "terrain.border_size": round(dice.uniform(0.0, 5.0), 2),
        "terrain.curriculum": dice.random() < 0.5,
        "terrain.slope_max": round(dice.uniform(0.0, 0.6), 3),
        "terrain.step_height_max": round(dice.uniform(0.0, 0.2), 3),
        "terrain.roughness_max": round(dice.uniform(0.0, 0.1), 3),
        "terrain.level_change_probability": dice.choice([0.0, 0.5, 1.0]),
        "commands.resampling_time": round(dice.uniform(0.02, 5.0), 3),
        "commands.standing_share": dice.choice([0.0, 0.3, 1.0]),
        "commands.ranges.lin_vel_x": span(-2.0, 2.0),
        "commands.ranges.lin_vel_y": span(-1.0, 1.0),
        "commands.ranges.ang_vel_yaw": span(-3.0, 3.0),
        "control.action_scale": round(dice.uniform(0.05, 1.0), 3),
        "control.decimation": dice.choice([1, 2, 4, 8]),
        "sim.dt": dice.choice([0.001, 0.0025, 0.005, 0.01]),
        "asset.terminate_past_tilt": dice.choice([0.0, 20.0, 90.0]),
        "init_state.velocity_noise": round(dice.uniform(0.0, 2.0), 2),
        "init_state.orientation_noise": round(dice.uniform(0.0, 0.5), 2),
        "noise.noise_level": dice.choice([0.0, 1.0, 5.0]),
        "domain_rand.friction_range": span(0.0, 3.0),
        "domain_rand.added_mass_range": span(-3.0, 10.0),
        "domain_rand.added_com_range_x": span(-0.1, 0.1),
        "domain_rand.joint_friction_range": span(0.0, 1.0),
        "domain_rand.joint_damping_range": span(0.0, 2.0),
        "domain_rand.joint_armature_range": span(0.0, 0.1),
        "domain_rand.stiffness_multiplier_range": span(0.1, 3.0),
        "domain_rand.damping_multiplier_range": span(0.0, 3.0),
        "domain_rand.torque_multiplier_range": span(0.1, 2.0),
        "domain_rand.push_interval_s": round(dice.uniform(0.02, 3.0), 3),
        "domain_rand.max_push_vel_x": round(dice.uniform(0.0, 5.0), 2),
        "sim.divergence.max_share": 1.0,
    }
    dt = float(values["sim.dt"]) * int(values["control.decimation"])  # type: ignore[arg-type, call-overload]
    for name in ("action_delay_range", "observation_delay_range"):
        values[f"domain_rand.{name}"] = [0.0, dice.choice([0.0, dt])]
    for key, value in values.items():
        cfg.set(key, value)
    return values


def run(seed: int, robots: int) -> str:
    """Build, step and train one configuration; return what to tell of it.

    Raises:
        AssertionError: Something is not finite, or not within its limit.
    """
    dice = random.Random(seed)
    task = dice.choice(_TASKS)
    env_cfg, train_cfg = task_registry.get_cfgs(task)
    draw(dice, env_cfg, robots)
    train_cfg.policy.actor_hidden_dims = train_cfg.policy.critic_hidden_dims = [16]
    train_cfg.runner.num_steps_per_env = dice.choice([8, 24])
    train_cfg.seed = seed % 2**31
    env, _ = task_registry.make_env(task, env_cfg=env_cfg, train_cfg=train_cfg)
    try:
        steps = max(20, min(300, _ROBOT_STEPS // env.num_envs))
        _step(env, steps, dice.choice([0.1, 1.0, 10.0]))
        OnPolicyRunnerEE(env, rsl_rl_config(train_cfg), None, "cpu").learn(1)
        ended, causes = env.divergence.counts()
    finally:
        env.close()
    diverged = ", ".join(f"{count} {cause}" for cause, count in causes.items() if count) or "none diverged"
    return f"{task}, {env.num_envs} robots, {steps} steps, {ended} episodes, {diverged}"


def _step(env: LeggedRobot, steps: int, scale: float) -> None:
    limits = env.cfg.sim.divergence
    fastest = max(limits.max_linear_velocity, limits.max_joint_velocity)
    for _ in range(steps):
        obs, rewards, dones, extras = env.step(scale * torch.randn(env.num_envs, env.num_actions))
        for name, group in obs.items():
            assert group.isfinite().all(), f"{name} is not finite"
        assert rewards.isfinite().all(), "a reward is not finite"
        for tensor in (env.root_states[:, 7:10], env.dof_vel):
            assert tensor.isfinite().all() and tensor.abs().max() <= fastest, "a state is no physics"
        assert not (extras["diverged"] & ~dones).any(), "a robot that diverged goes on"


def main() -> int:
    """Read the command line, run and tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=6, metavar="N", help="configurations (default: %(default)s)")
    parser.add_argument("--robots", type=int, default=64, metavar="N", help="most robots (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of the first one (default: %(default)s)")
    args = parser.parse_args()
    torch.set_num_threads(1)
    failed, start = 0, time.monotonic()
    for seed in range(args.seed, args.seed + args.runs):
        try:
            text = run(seed, args.robots)
        except Exception:
            failed += 1
            text = f"FAILED\n{traceback.format_exc()}"
        gc.collect()
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print(f"seed {seed}: {text}; {memory} MiB at most, {len(os.listdir('/proc/self/fd'))} files open", flush=True)
    print(f"{args.runs - failed} of {args.runs} configurations ran, {time.monotonic() - start:.0f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
