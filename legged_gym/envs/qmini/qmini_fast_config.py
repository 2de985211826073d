"""What a training needs to walk soon: within minutes on two cores, within a minute on a GPU."""

from __future__ import annotations

from legged_gym.envs.qmini.qmini_config import QminiCfg, QminiCfgPPO


class QminiFastCfg(QminiCfg):
    """Qmini's task made cheap and easy to begin with: a plane, nothing late, and pushes once it walks.

    What the policy observes and does is the same as in Qmini's task.
    """

    class env(QminiCfg.env):
        # Nothing of this training reads it.
        noise_free_group = False

    class terrain(QminiCfg.terrain):
        mesh_type = "plane"  # type: ignore[assignment]
        measure_heights = False

    class sim(QminiCfg.sim):
        dt = 0.01

    class control(QminiCfg.control):
        decimation = 2

    class commands(QminiCfg.commands):
        standing_share = 0.05
        lateral_share = 0.0

    class init_state(QminiCfg.init_state):
        stand_up_share = 0.0

    class domain_rand(QminiCfg.domain_rand):
        friction_range = [0.5, 1.25]
        randomize_joint_offset = False
        action_delay_range = [0.0, 0.0]
        observation_delay_range = [0.0, 0.0]
        push_interval_s = 2.0
        # Stages of the training raise these.
        max_push_vel_x = 0.0
        max_push_vel_y = 0.0

    class rewards(QminiCfg.rewards):
        class scales(QminiCfg.rewards.scales):
            # A fall costs little and a step earns much: otherwise standing is learned first, and nothing after it.
            termination = -50.0
            gait_match = 3.0
            gait_feet_swing_profile = -800.0
            gait_feet_air_time = 10.0
            action_rate = -0.03
            action_smoothness = 0.0
            hip_close_to_default = -1.0
            mean_velocity_error = -0.5

        # Wide enough that the first half step in the right direction pays.
        lin_vel_y_tolerance = 0.05
        lin_vel_sigma = 0.1
        lin_vel_sigma_fine = 0.01
        ang_vel_sigma = 0.2
        ang_vel_sigma_fine = 0.05


class QminiFastGpuCfg(QminiFastCfg):
    """The same for a GPU, whose many robots learn to turn from the start."""

    class rewards(QminiFastCfg.rewards):
        ang_vel_sigma = 0.5
        ang_vel_sigma_fine = 0.1


class QminiFastCfgPPO(QminiCfgPPO):
    """Small nets and small rollouts: most of an iteration is physics, and each sample teaches more."""

    class policy(QminiCfgPPO.policy):
        init_noise_std = 0.6
        actor_hidden_dims = [128, 64, 32]
        critic_hidden_dims = [128, 64, 32]

    class algorithm(QminiCfgPPO.algorithm):
        desired_kl = 0.015

    class estimator(QminiCfgPPO.estimator):
        hidden_dims = [128, 64, 32]
        decay_iterations = 4000
        final_learning_rate = 5e-5

    class runner(QminiCfgPPO.runner):
        experiment_name = "qmini_fast"
        max_iterations = 2000
        averaged_iterations = 0
        estimator_iterations = 0
        denoising_iterations = 0
        # First it learns to walk forwards, then to turn, then to be pushed, then to be exact.
        stages = {
            480: {
                "algorithm.entropy_coef": 0.002,
                "rewards.ang_vel_sigma": 0.5, "rewards.ang_vel_sigma_fine": 0.1,
                "rewards.scales.tracking_ang_vel": 2.0,
                "domain_rand.max_push_vel_x": 0.5, "domain_rand.max_push_vel_y": 0.5,
            },
            800: {
                "algorithm.entropy_coef": 0.001,
                "rewards.scales.tracking_lin_vel_x_fine": 2.0,
                "rewards.scales.termination": -150.0,
                "domain_rand.max_push_vel_x": 0.8, "domain_rand.max_push_vel_y": 0.8,
            },
            1050: {
                "algorithm.entropy_coef": 0.0,
                "rewards.scales.tracking_lin_vel_x_fine": 3.0,
                "rewards.scales.tracking_ang_vel_fine": 4.0,
            },
        }  # fmt: skip


class QminiFastGpuCfgPPO(QminiFastCfgPPO):
    """Larger rollouts: fewer of them teach the same."""

    class runner(QminiFastCfgPPO.runner):
        experiment_name = "qmini_fast_gpu"
        max_iterations = 500
        stages = {
            100: {
                "algorithm.entropy_coef": 0.002,
                "rewards.scales.tracking_ang_vel": 2.0,
                "domain_rand.max_push_vel_x": 0.5, "domain_rand.max_push_vel_y": 0.5,
            },
            160: QminiFastCfgPPO.runner.stages[800],
            220: QminiFastCfgPPO.runner.stages[1050],
        }  # fmt: skip
