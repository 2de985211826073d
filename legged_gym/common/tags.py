"""Names of a training's curves in TensorBoard, for all code that writes, sorts or plots them."""

from __future__ import annotations

# rsl_rl writes these.
MEAN_REWARD, EPISODE_LENGTH = "Train/mean_reward", "Train/mean_episode_length"
STEPS_PER_SECOND, COLLECTION_TIME, LEARNING_TIME = "Perf/total_fps", "Perf/collection_time", "Perf/learning_time"
ACTION_STD = "Policy/mean_std"

LOSS, EPISODE, REWARD, DIVERGED_BY, ESTIMATOR = "Loss/", "Episode/", "Reward/", "Diverged/", "Estimator/"
"""Prefixes of losses, curves without another group, reward terms, causes of divergence, and estimator metrics."""

# The task writes these.
VELOCITY_ERRORS = {
    "forward": "Tracking/lin_vel_x_rmse",
    "lateral": "Tracking/lin_vel_y_rmse",
    "yaw rate": "Tracking/ang_vel_rmse",
}
TERRAIN_LEVEL = "Terrain/level"
FALLS, TIME_OUTS, DIVERGED = (EPISODE + name for name in ("falls", "time_outs", "diverged"))
"""Shares of the episodes that ended."""
ESTIMATOR_RATE = f"{ESTIMATOR}learning_rate"
