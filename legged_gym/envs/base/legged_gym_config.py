"""The configurations with legged_gym's defaults, for robots that rely on them.

``from legged_gym.envs.base.legged_gym_config import LeggedRobotCfg, LeggedRobotCfgPPO`` instead of
``legged_gym.envs.base.legged_robot_config``.
"""

from __future__ import annotations

from legged_gym.envs.base import legged_robot_config, legged_robot_ppo_config


class LeggedRobotCfg(legged_robot_config.LeggedRobotCfg):
    """Settings of the task and of the simulation, with legged_gym's defaults."""

    class terrain(legged_robot_config.LeggedRobotCfg.terrain):
        mesh_type = "trimesh"
        measure_heights = True
        observe_heights = None
        max_init_terrain_level = 5
        terrain_length = 8.0
        terrain_width = 8.0
        terrain_proportions = [0.1, 0.1, 0.35, 0.25, 0.2]
        # The values in the last row of legged_gym's terrain generator.
        slope_max = 0.36
        roughness_max = 0.05
        step_height_max = 0.21
        obstacle_height_max = 0.23
        gap_width_max = 0.9
        pit_depth_max = 0.9

    class commands(legged_robot_config.LeggedRobotCfg.commands):
        num_commands = 4
        heading_command = True
        resampling_time = 10.0

    class init_state(legged_robot_config.LeggedRobotCfg.init_state):
        velocity_noise = 0.5

    class control(legged_robot_config.LeggedRobotCfg.control):
        action_scale = 0.5

    class asset(legged_robot_config.LeggedRobotCfg.asset):
        self_collisions = 0
        replace_cylinder_with_capsule = True

    class domain_rand(legged_robot_config.LeggedRobotCfg.domain_rand):
        randomize_friction = True
        push_robots = True
        push_together = True
        push_interval_s = 15.0
        max_push_vel_xy = 1.0

    class rewards(legged_robot_config.LeggedRobotCfg.rewards):
        only_positive_rewards = True
        foot_contact_force = 1.0
        collision_force_threshold = 0.1


class LeggedRobotCfgPPO(legged_robot_ppo_config.LeggedRobotCfgPPO):
    """Settings of the training, with legged_gym's defaults."""

    seed = 1

    class runner(legged_robot_ppo_config.LeggedRobotCfgPPO.runner):
        max_iterations = 1500
        save_interval = 50
