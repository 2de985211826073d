"""Let the shipped policy walk forward and turn, and print how well it follows: ``python examples/drive_policy.py``."""

import torch

import legged_gym

COMMAND = torch.tensor([0.4, 0.0, 0.3])  # forward and lateral velocity, m/s, and yaw rate, rad/s

env = legged_gym.make_env("qmini", num_envs=8, settings={"terrain.mesh_type": "plane"})
policy = legged_gym.load_policy("shipped")
env.task.hold_command(torch.arange(env.num_envs), COMMAND)
obs, _ = env.reset(seed=1)
velocity, turning, falls = [], [], 0
for step in range(300):
    obs, reward, terminated, truncated, info = env.step(policy(obs))
    falls += int(terminated.sum())
    if step >= 100:  # it has started to walk by then
        velocity.append(env.task.base_lin_vel[:, 0].mean())
        turning.append(env.task.base_ang_vel[:, 2].mean())
print(f"commanded {COMMAND[0]:.2f} m/s and {COMMAND[2]:.2f} rad/s")
print(f"walked    {torch.stack(velocity).mean():.2f} m/s and {torch.stack(turning).mean():.2f} rad/s, {falls} falls")
env.close()
