"""Translation of legged_gym's training configuration into rsl_rl's."""

from __future__ import annotations

from typing import Any

from legged_gym.envs.base.legged_robot_config import LeggedRobotCfg, LeggedRobotCfgPPO

_LOG_WRITERS = {"wandb": "WandbLogWriter", "neptune": "NeptuneLogWriter"}
"""rsl_rl's classes for logging services; it writes TensorBoard's files beside."""

_SCRIPT_SETTINGS = ("max_iterations", "num_learning_epochs_cpu", "resume", "load_run", "checkpoint")
"""Settings of the ``runner`` section that the scripts act on; rsl_rl has no use for them."""


def rsl_rl_config(train_cfg: LeggedRobotCfgPPO) -> dict[str, Any]:
    """Return the nested dict that rsl_rl's runners take.

    Args:
        train_cfg: Training configuration. A section ``estimator``, if there is one, becomes the algorithm's
            ``estimator_cfg``; everything else also fits rsl_rl's own ``OnPolicyRunner`` and ``PPO``.
    """
    cfg = train_cfg.to_dict()
    policy = cfg["policy"]
    algorithm = {"rnd_cfg": None, "symmetry_cfg": _symmetry(cfg["symmetry"]), **cfg["algorithm"]}
    if "estimator" in cfg:
        algorithm["estimator_cfg"] = cfg["estimator"]
    return {
        "seed": cfg["seed"],
        **{name: value for name, value in cfg["runner"].items() if name not in _SCRIPT_SETTINGS},
        "logger": _log_writer(cfg["runner"]),
        "obs_groups": cfg["obs_groups"],
        "actor": {
            **_mlp(policy["actor_hidden_dims"], policy["activation"]),
            "distribution_cfg": {
                "class_name": "legged_gym.algorithms.gaussian:Gaussian",
                "init_std": policy["init_noise_std"],
            },
        },
        "critic": _mlp(policy["critic_hidden_dims"], policy["activation"]),
        "algorithm": algorithm,
    }


def _log_writer(runner: dict[str, Any]) -> str | dict[str, str]:
    """Return what rsl_rl makes its log writer of; a service's project is called as the experiment."""
    name = str(runner["logger"]).lower()
    if name not in _LOG_WRITERS:
        return name
    return {"class_name": _LOG_WRITERS[name], "project_name": runner["experiment_name"]}


def _symmetry(settings: dict[str, Any]) -> dict[str, Any] | None:
    coefficient = settings["mirror_loss_coeff"]
    if not (settings["data_augmentation"] or coefficient):
        return None
    return {
        "data_augmentation_func": settings["function"],
        "use_data_augmentation": settings["data_augmentation"],
        "use_mirror_loss": coefficient != 0.0,
        "mirror_loss_coeff": coefficient,
    }


def _mlp(hidden_dims: list[int], activation: str) -> dict[str, Any]:
    return {"class_name": "rsl_rl.models:MLPModel", "hidden_dims": hidden_dims, "activation": activation}


def default_num_envs(env_cfg: LeggedRobotCfg, sim_device: str) -> int:
    """Return how many robots a training has if nobody says: a GPU wants more of them than a processor."""
    return env_cfg.env.num_envs_gpu if sim_device.startswith("cuda") else env_cfg.env.num_envs


def default_num_epochs(train_cfg: LeggedRobotCfgPPO, rl_device: str) -> int:
    """Return how often an update of a training goes through its samples if nobody says."""
    on_cpu = train_cfg.runner.num_learning_epochs_cpu
    return on_cpu if on_cpu and rl_device.startswith("cpu") else train_cfg.algorithm.num_learning_epochs
