"""Train a robot of your own from its URDF: ``python examples/own_robot.py [ITERATIONS]``.

Here it is Go2's URDF, which comes with the project: put your own file's path into ``asset.file``. To use the task with
``train.py`` and ``play.py``, put the classes into a file of the package, with a line in ``TASKS`` of
``legged_gym/envs/__init__.py``.
"""

import sys

from legged_gym.envs import LeggedRobot
from legged_gym.envs.base.legged_robot_config import LeggedRobotCfg, LeggedRobotCfgPPO
from legged_gym.utils import task_registry


class MyRobotCfg(LeggedRobotCfg):
    """The settings that a robot needs: its file, its feet, its pose and its gains."""

    class env(LeggedRobotCfg.env):
        num_envs = 64

    class asset(LeggedRobotCfg.asset):
        file = "{LEGGED_GYM_ROOT_DIR}/resources/robots/go2/urdf/go2.urdf"
        name = "my_robot"
        foot_name = "foot"
        terminate_after_contacts_on = ["base"]

    class init_state(LeggedRobotCfg.init_state):
        pos = [0.0, 0.0, 0.42]
        default_joint_angles = {
            f"{leg}_{joint}_joint": angle
            for leg in ("FL", "FR", "RL", "RR")
            for joint, angle in (("hip", 0.0), ("thigh", 0.8), ("calf", -1.5))
        }

    class control(LeggedRobotCfg.control):
        stiffness = {"joint": 20.0}
        damping = {"joint": 0.5}

    class rewards(LeggedRobotCfg.rewards):
        base_height_target = 0.3


class MyRobotCfgPPO(LeggedRobotCfgPPO):
    """Plain PPO, without an estimator."""

    class runner(LeggedRobotCfgPPO.runner):
        experiment_name = "my_robot"


task_registry.register("my_robot", LeggedRobot, MyRobotCfg, MyRobotCfgPPO)
env, _ = task_registry.make_env("my_robot")
runner, _ = task_registry.make_alg_runner(env, "my_robot")
runner.learn(int(sys.argv[1]) if len(sys.argv) > 1 else 150)
print(f"{env.num_dof} joints: {', '.join(env.dof_names)}")
print("run and curves:", runner.logger.log_dir)
env.close()
