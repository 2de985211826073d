"""Qmini's figures: robot, gait, rewards, randomisation and training."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge, Gt, Le, Lt

from legged_gym.envs.base.admissible import Length, Positive, Share, Speed
from legged_gym.envs.base.legged_robot_config import LeggedRobotCfg, LeggedRobotCfgPPO
from legged_gym.envs.base.legged_robot_ppo_config import EstimatorCfg


class QminiPublishedCfg(LeggedRobotCfg):
    """Qmini's task with the figures that were published; what :class:`QminiCfg` changes is said there."""

    class env(LeggedRobotCfg.env):
        history_length = 5
        # legged_gym's episodes end one step late.
        episode_length_s = 20.02

    class terrain(LeggedRobotCfg.terrain):
        mesh_type = "heightfield"
        measure_heights = True
        level_change_probability = 0.1

    class commands(LeggedRobotCfg.commands):
        dead_band = [0.05, 0.05, 0.1]
        first_ranges = {"lin_vel_x": [-0.15, 0.2], "lin_vel_y": [0.0, 0.0], "ang_vel_yaw": [-0.3, 0.3]}

        class ranges:
            lin_vel_x = [-0.5, 0.6]
            lin_vel_y = [0.0, 0.0]
            ang_vel_yaw = [-0.6, 0.6]

    class gait:
        period: Annotated[float, Gt(0), Le(100)] = 0.5
        """Seconds from one step of a leg to its next."""
        offset: Annotated[float, Ge(-1), Le(1)] = 0.5
        """The right leg's phase minus the left's, in periods."""
        stance_ratio: Annotated[float, Gt(0), Lt(1)] = 0.55
        """A leg should stand while its phase is below this."""
        stepping_share: Share = 0.0
        """Share of the episodes whose robot steps on the spot when its command is zero, as after the controller's
        button for that."""

    class init_state(LeggedRobotCfg.init_state):
        pos = [0.0, 0.0, 0.48]
        default_joint_angles = {
            "hip_yaw_l": 0.35,
            "hip_roll_l": 0.0,
            "hip_pitch_l": -1.45,
            "knee_pitch_l": 1.15,
            "ankle_pitch_l": -1.18,
            "hip_yaw_r": -0.35,
            "hip_roll_r": 0.0,
            "hip_pitch_r": 1.45,
            "knee_pitch_r": -1.15,
            "ankle_pitch_r": 1.18,
        }
        stand_up_joint_angles = {
            "hip_yaw_l": 0.35,
            "hip_roll_l": -0.05,
            "hip_pitch_l": -1.5,
            "knee_pitch_l": 1.2,
            "ankle_pitch_l": -1.0,
            "hip_yaw_r": -0.35,
            "hip_roll_r": 0.05,
            "hip_pitch_r": 1.5,
            "knee_pitch_r": -1.2,
            "ankle_pitch_r": 1.0,
        }
        position_noise = 0.0
        joint_noise = {"yaw": 0.1, "roll": 0.1, "pitch": 0.2}
        velocity_noise = 0.1
        orientation_noise = 0.1

    class control(LeggedRobotCfg.control):
        stiffness = {"hip_yaw": 20.0, "hip_roll": 60.0, "hip_pitch": 30.0, "knee_pitch": 30.0, "ankle_pitch": 20.0}
        damping = {"hip_yaw": 0.75, "hip_roll": 2.0, "hip_pitch": 1.0, "knee_pitch": 1.0, "ankle_pitch": 0.75}
        stand_up_stiffness = {"yaw": 40.0, "roll": 80.0, "pitch": 40.0}
        stand_up_damping = {"yaw": 2.0, "roll": 4.0, "pitch": 2.0}

    class asset(LeggedRobotCfg.asset):
        file = "{LEGGED_GYM_ROOT_DIR}/resources/robots/qmini/urdf/qmini.urdf"
        name = "qmini"
        foot_name = "ankle_pitch"
        replace_cylinder_with_capsule = True
        penalize_contacts_on = ["hip", "knee"]
        terminate_after_contacts_on = ["base", "hip", "knee"]
        mirrored_joints = {"hip": -1.0, "knee": -1.0, "ankle": -1.0}

    class domain_rand(LeggedRobotCfg.domain_rand):
        randomize_friction = True
        friction_range = [0.55, 1.125]
        randomize_base_mass = True
        added_mass_range = [-1.0, 3.0]
        randomize_base_com = True
        added_com_range_x = [-0.02, 0.03]
        added_com_range_y = [-0.01, 0.01]
        added_com_range_z = [-0.01, 0.01]
        randomize_joint_dynamics = True
        joint_friction_range = [1e-4, 1e-2]
        joint_damping_range = [1e-3, 1e-2]
        joint_armature_range = [1e-3, 1e-2]
        randomize_gains = True
        stiffness_multiplier_range = [0.8, 1.2]
        damping_multiplier_range = [0.8, 1.2]
        torque_multiplier_range = [0.8, 1.2]
        redraw_gains = False
        push_together = True
        joint_offset_range = [-0.026, 0.026]
        push_robots = True
        max_push_vel_x = 0.2
        max_push_vel_y = 0.1

    class rewards(LeggedRobotCfg.rewards):
        class scales:
            termination = -200.0
            tracking_lin_vel_x: float = 1.2
            tracking_lin_vel_y: float = 0.1
            tracking_ang_vel = 1.0
            alive: float = 0.3
            gait_match: float = 0.3
            gait_feet_air_time: float = 4.0
            gait_feet_swing_height: float = -50.0
            contact_no_vel: float = -2.0
            feet_orientation: float = -2.0
            feet_contact_forces: float = -0.005
            base_height = -40.0
            base_orientation: float = -1.5
            lin_vel_z = -0.5
            ang_vel_xy = -0.025
            hip_close_to_default: float = -1.0
            stand_still = -1.0
            action: float = -5e-4
            action_rate = -5e-3
            collision = -1.5

        heights_above_mean: bool = True
        """Judge the heights of base and feet above the mean of the measured heights, not above the ground below."""

        lin_vel_sigma: Positive = 0.04
        """Velocity tracking = exp(-error² / this), (m/s)²."""
        lin_vel_y_tolerance: Speed = 0.2
        """Lateral sway that costs nothing, m/s."""
        ang_vel_sigma: Positive = 0.16
        """Yaw rate tracking = exp(-error² / this), (rad/s)²."""
        lin_vel_sigma_fine: Positive = 0.005
        ang_vel_sigma_fine: Positive = 0.03
        """The same for the ``_fine`` terms, which still tell small errors apart."""
        base_height_target = 0.41
        base_pitch_target: Annotated[float, Ge(-1.5), Le(1.5)] = 0.05
        """Wanted lean of the base, rad."""
        foot_height: Length = 0.095
        """Height of the foot frame above the sole, m."""
        swing_height: Length = 0.05
        """Wanted height of the sole in swing, m."""
        air_time_cap: Annotated[float, Gt(0), Le(100)] = 1.2
        """Longest rewarded swing, in swing times of the clock."""
        max_contact_force = 140.0
        collision_force_threshold = 0.1

    class noise(LeggedRobotCfg.noise):
        class noise_scales:
            ang_vel = 0.2
            gravity = 0.05
            dof_pos = 0.01
            dof_vel = 1.5
            height_measurements = 0.1


class QminiCfg(QminiPublishedCfg):
    """Qmini's task, made for a robot that is pushed, slips, stumbles and hears of things late."""

    class env(QminiPublishedCfg.env):
        episode_length_s = 20.0
        noise_free_group = True

    class terrain(QminiPublishedCfg.terrain):
        terrain_proportions = {
            "smooth_slope": 0.15, "rough_slope": 0.35, "stairs_up": 0.15, "stairs_down": 0.1, "discrete": 0.25,
        }  # fmt: skip
        platform_size = 1.5
        slope_max = 0.15
        roughness_max = 0.03
        step_height_max = 0.06
        obstacle_height_max = 0.05
        level_change_probability = 0.5

    class commands(QminiPublishedCfg.commands):
        standing_share = 0.12
        lateral_share = 0.5

        class ranges(QminiPublishedCfg.commands.ranges):
            lin_vel_x = [-0.6, 0.7]
            lin_vel_y = [-0.25, 0.25]
            ang_vel_yaw = [-0.8, 0.8]

    class gait(QminiPublishedCfg.gait):
        stepping_share = 0.1

    class init_state(QminiPublishedCfg.init_state):
        position_noise = 1.0
        stand_up_share = 1.0

    class asset(QminiPublishedCfg.asset):
        terminate_past_tilt = 20.0

    class motors(QminiPublishedCfg.motors):
        # The rotors' inertia as it is felt behind the gears; the hip roll's has a further stage of 3:1.
        armature = {"yaw": [0.0035, 0.0055], "roll": [0.031, 0.05], "pitch": [0.0035, 0.0055]}

    class domain_rand(QminiPublishedCfg.domain_rand):
        friction_range = [0.1, 1.25]
        randomize_joint_offset = True
        redraw_gains = True
        push_together = False
        push_interval_s = 3.0
        max_push_vel_x = 0.8
        max_push_vel_y = 0.8
        action_delay_range = [0.0, 0.02]
        observation_delay_range = [0.0, 0.02]

    class rewards(QminiPublishedCfg.rewards):
        class scales(QminiPublishedCfg.rewards.scales):
            tracking_lin_vel_x_fine: float = 1.0
            tracking_lin_vel_y = 0.6
            tracking_ang_vel_fine: float = 2.0
            # With 1.5, a robot that is asked to step sideways on the spot just stands there.
            gait_match = 3.0
            gait_feet_swing_height = 0.0
            gait_feet_swing_profile: float = -600.0
            contact_no_vel = -1.0
            base_pitch: float = -10.0
            lin_vel_y_error: float = -1.0
            mean_velocity_error: float = -2.0
            hip_close_to_default = -0.3
            power: float = -1e-3
            stand_motion: float = -0.01
            action_rate = -0.1
            # A stage raises it, and it can only change a term that has a scale from the start.
            action_smoothness: float = -1e-3
            torques = -1e-4

        heights_above_mean = False
        lin_vel_y_tolerance = 0.08
        base_pitch_target = 0.0
        collision_force_threshold = 1.0


class QminiPublishedCfgPPO(LeggedRobotCfgPPO):
    """Qmini's training as published: PPO with the explicit estimator."""

    runner_class_name = "legged_gym.runners:OnPolicyRunnerEE"

    class algorithm(LeggedRobotCfgPPO.algorithm):
        class_name = "legged_gym.algorithms:EstimatorPPO"
        tf32: bool = True
        """Let a GPU multiply matrices in TF32, with ten bits of mantissa: updates take two fifths less time."""
        critic_bf16: bool = True
        """Let a GPU multiply the critic's matrices in an update in bfloat16, with seven bits of mantissa."""
        use_mixed_precision: bool = False
        """Let the policy's update multiply matrices in bfloat16; parameters, optimiser and losses stay in float32."""
        cuda_graph: bool = True
        """Record mini-batches on a GPU once and replay them."""
        fuse: bool = True
        """Let torch.compile fuse the small kernels of acting and learning on a GPU."""

    class obs_groups(LeggedRobotCfgPPO.obs_groups):
        actor = ["policy", "estimate"]
        critic = ["policy", "estimate", "privileged"]
        estimator_input: list[str] = ["policy"]
        """Observation groups that the estimator reads."""

    class estimator(EstimatorCfg):
        """Base velocity and contacts."""

    class runner(LeggedRobotCfgPPO.runner):
        experiment_name = "qmini_published"


class QminiCfgPPO(QminiPublishedCfgPPO):
    """Qmini's training: every sample is also learned from as seen in a mirror."""

    class algorithm(QminiPublishedCfgPPO.algorithm):
        entropy_coef = 0.005

    class symmetry(QminiPublishedCfgPPO.symmetry):
        function = "legged_gym.envs.qmini.qmini_mirror:mirror"
        data_augmentation = True

    class estimator(QminiPublishedCfgPPO.estimator):
        hidden_dims = [256, 128, 64]
        decay_iterations = 4600
        final_learning_rate = 2e-5

    class runner(QminiPublishedCfgPPO.runner):
        experiment_name = "qmini"
        num_learning_epochs_cpu = 3
        """Learning takes most of the time there, and five epochs of so few samples teach little more than three."""
        # Once it walks, precision can be asked for that would keep a beginner from walking at all.
        stages = {
            500: {
                "algorithm.entropy_coef": 0.002,
                "rewards.scales.action_rate": -0.4,
                "rewards.scales.tracking_ang_vel_fine": 4.0,
                "rewards.scales.tracking_lin_vel_x_fine": 2.0,
                "rewards.scales.tracking_lin_vel_y": 1.0,
                "rewards.scales.lin_vel_y_error": -1.0,
                "rewards.scales.mean_velocity_error": -12.0,
                "rewards.scales.power": -5e-3,
                "rewards.scales.base_pitch": -30.0,
                "rewards.scales.torques": -1e-3,
                "rewards.scales.stand_motion": -0.03,
            },
            3000: {
                "rewards.scales.action_smoothness": -1.0,
                "rewards.scales.tracking_ang_vel_fine": 6.0,
            },
        }
        max_iterations = 4600
        averaged_iterations = 1000
        estimator_iterations = 100
        denoising_iterations = 300
        # On mild ground the estimator becomes more exact.
        denoising_stage = {"terrain.max_level": 2}
