"""Compare policies on the same trials: ``python examples/compare_policies.py [POLICY ...]``.

A policy is a run, a checkpoint, a folder of exported networks or ``shipped``. The robots differ and are pushed as in
training, so errors are larger than with ``evaluate.py``, which has 29 scenarios, more metrics and a report.
"""

import sys

import torch

import legged_gym

SECONDS, COMMAND = 8.0, torch.tensor([0.4, 0.0, 0.0])

for name in sys.argv[1:] or ["shipped"]:
    env = legged_gym.make_env("qmini", num_envs=32, seed=7, settings={"terrain.mesh_type": "plane"})
    policy = legged_gym.load_policy(name)
    env.task.hold_command(torch.arange(env.num_envs), COMMAND)
    obs, _ = env.reset(seed=7)
    errors, falls = [], 0
    for step in range(int(SECONDS / env.task.dt)):
        obs, _, terminated, _, _ = env.step(policy(obs))
        falls += int(terminated.sum())
        if step * env.task.dt > 2.0:
            errors.append(env.task.base_lin_vel[:, 0] - COMMAND[0])
    print(f"{name}: {falls} falls, forward velocity error {torch.stack(errors).square().mean().sqrt():.3f} m/s (rms)")
    env.close()
