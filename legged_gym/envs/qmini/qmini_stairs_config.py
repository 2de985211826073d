"""A teacher who sees the ground, and its student who does not: Qmini on stairs that are too high to be felt in time."""

from __future__ import annotations

from legged_gym.envs.base.legged_robot_ppo_config import DistillationCfg, LeggedRobotCfgPPO
from legged_gym.envs.qmini.qmini_config import QminiCfg


class QminiStairsCfg(QminiCfg):
    """Qmini's task with more stairs, up to 7 cm high, which both of them walk on."""

    class terrain(QminiCfg.terrain):
        terrain_proportions = {
            "smooth_slope": 0.1, "rough_slope": 0.2, "stairs_up": 0.3, "stairs_down": 0.3, "discrete": 0.1,
        }  # fmt: skip
        step_height_max = 0.07

    class rewards(QminiCfg.rewards):
        swing_height = 0.08


class QminiTeacherCfgPPO(LeggedRobotCfgPPO):
    """The teacher: PPO whose actor reads what otherwise only the critic knows, the heights around the base included."""

    class algorithm(LeggedRobotCfgPPO.algorithm):
        entropy_coef = 0.005

    class obs_groups(LeggedRobotCfgPPO.obs_groups):
        actor = ["policy", "privileged"]

    class symmetry(LeggedRobotCfgPPO.symmetry):
        function = "legged_gym.envs.base.mirror:mirror"
        data_augmentation = True

    class runner(LeggedRobotCfgPPO.runner):
        experiment_name = "qmini_teacher"


class QminiStudentCfg(DistillationCfg):
    """The student: it reads what the robot measures, and remembers it."""

    class policy(DistillationCfg.policy):
        class_name = "ActorCriticRecurrent"
        rnn_type = "gru"
        init_noise_std = 0.1

    class distillation(DistillationCfg.distillation):
        teacher_experiment = "qmini_teacher"

    class runner(DistillationCfg.runner):
        experiment_name = "qmini_student"
