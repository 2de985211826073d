"""Move 16 Qminis at random for two seconds and save a picture: ``python examples/random_actions.py``."""

from PIL import Image

import legged_gym

env = legged_gym.make_env("qmini", num_envs=16)
obs, _ = env.reset(seed=1)
for _ in range(100):
    obs, reward, terminated, truncated, info = env.step(0.3 * env.action_space.sample().clip(-1.0, 1.0))
Image.fromarray(env.render()).save("random_actions.png")
print(f"observations {obs.shape}, mean reward {reward.mean():.3f}, picture random_actions.png")
env.close()
