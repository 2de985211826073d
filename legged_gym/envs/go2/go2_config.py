"""Go2's settings: robot, rewards, randomisation and training."""

from __future__ import annotations

from legged_gym.envs.base.admissible import Delay, Length
from legged_gym.envs.base.legged_robot_config import LeggedRobotCfg, LeggedRobotCfgPPO


class Go2Cfg(LeggedRobotCfg):
    """Go2's task."""

    class env(LeggedRobotCfg.env):
        history_length = 5

    class terrain(LeggedRobotCfg.terrain):
        mesh_type = "heightfield"
        measure_heights = True
        terrain_proportions = [0.15, 0.4, 0.1, 0.1, 0.25]
        platform_size = 1.5
        slope_max = 0.2
        roughness_max = 0.04
        step_height_max = 0.06
        obstacle_height_max = 0.06
        level_change_probability = 0.5

    class commands(LeggedRobotCfg.commands):
        dead_band = [0.1, 0.1, 0.1]
        standing_share = 0.1

        class ranges(LeggedRobotCfg.commands.ranges):
            lin_vel_x = [-1.0, 1.2]
            lin_vel_y = [-0.5, 0.5]
            ang_vel_yaw = [-1.0, 1.0]

    class init_state(LeggedRobotCfg.init_state):
        pos = [0.0, 0.0, 0.36]
        default_joint_angles = {
            f"{leg}_{joint}_joint": angle
            for leg, hip, thigh in (("FL", 0.1, 0.8), ("FR", -0.1, 0.8), ("RL", 0.1, 1.0), ("RR", -0.1, 1.0))
            for joint, angle in (("hip", hip), ("thigh", thigh), ("calf", -1.5))
        }
        joint_noise = {"joint": 0.1}
        velocity_noise = 0.1
        orientation_noise = 0.1

    class control(LeggedRobotCfg.control):
        stiffness = {"joint": 30.0}
        damping = {"joint": 0.8}

    class asset(LeggedRobotCfg.asset):
        file = "{LEGGED_GYM_ROOT_DIR}/resources/robots/go2/urdf/go2.urdf"
        name = "go2"
        foot_name = "foot"
        replace_cylinder_with_capsule = True
        penalize_contacts_on = ["hip", "thigh", "calf"]
        mirrored_joints = {"hip": -1.0, "thigh": 1.0, "calf": 1.0}
        terminate_after_contacts_on = ["base"]

    class domain_rand(LeggedRobotCfg.domain_rand):
        randomize_friction = True
        friction_range = [0.3, 1.25]
        randomize_base_mass = True
        added_mass_range = [-1.0, 3.0]
        randomize_base_com = True
        added_com_range_x = [-0.03, 0.03]
        added_com_range_y = [-0.02, 0.02]
        added_com_range_z = [-0.02, 0.02]
        randomize_joint_dynamics = True
        joint_friction_range = [0.0, 0.2]
        joint_damping_range = [0.0, 0.05]
        joint_armature_range = [0.005, 0.015]
        randomize_gains = True
        stiffness_multiplier_range = [0.9, 1.1]
        damping_multiplier_range = [0.9, 1.1]
        torque_multiplier_range = [0.9, 1.1]
        push_robots = True
        max_push_vel_x = 0.5
        max_push_vel_y = 0.5
        action_delay_range = [0.0, 0.02]

    class rewards(LeggedRobotCfg.rewards):
        """With half the scale of ``stand_still``, 256 robots on a plane walked after 200 iterations.

        After 1100 they trotted within 0.07 m/s and 0.11 rad/s of their commands, without falls.
        """

        class scales:
            termination = -200.0
            tracking_lin_vel = 1.5
            tracking_ang_vel = 0.75
            lin_vel_z = -1.0
            ang_vel_xy = -0.05
            orientation = -1.0
            base_height = -20.0
            torques = -1e-4
            dof_acc = -2.5e-7
            dof_pos_limits: float = -5.0
            action_rate = -0.01
            collision = -1.0
            # With half this scale, a robot that trotted at all speeds kept trotting on the spot at a zero command.
            stand_still = -1.0
            trot: float = 0.5
            swing: float = 2.0
            feet_clearance: float = -20.0
            hip_deviation: float = -1.0

        soft_dof_pos_limit = 0.9
        tracking_sigma = 0.2
        base_height_target = 0.3
        shortest_swing: Delay = 0.15
        """Shorter swings cost, s."""
        swing_cap: Delay = 0.15
        """Largest rewarded part of a swing beyond ``shortest_swing``, s."""
        foot_clearance: Length = 0.08
        """Target height of a moving foot's centre above the ground, m; it rests at 0.022."""


class Go2CfgPPO(LeggedRobotCfgPPO):
    """Go2's training: rsl_rl's PPO, which also learns from every sample mirrored."""

    class algorithm(LeggedRobotCfgPPO.algorithm):
        entropy_coef = 0.005

    class symmetry(LeggedRobotCfgPPO.symmetry):
        function = "legged_gym.envs.base.mirror:mirror"
        data_augmentation = True

    class runner(LeggedRobotCfgPPO.runner):
        experiment_name = "go2"
        max_iterations = 1500
