"""Converts legged_gym's training configuration to rsl_rl's, and finds the classes and functions that it names.

These must be of the right kind and from known packages: a run's configuration may come from a stranger, and importing a
module runs it.
"""

from __future__ import annotations

import sys
from collections.abc import Container
from typing import Any, TypeAlias

from rsl_rl.algorithms import PPO, Distillation
from rsl_rl.runners import OnPolicyRunner
from rsl_rl.utils import resolve_callable

from legged_gym.common.errors import UserError, near_names
from legged_gym.envs.base.legged_robot_config import LeggedRobotCfg, LeggedRobotCfgPPO
from legged_gym.envs.registry import task_registry

TrainCfg: TypeAlias = LeggedRobotCfgPPO | dict[str, Any]
LOG_WRITERS = {"wandb": "WandbLogWriter", "neptune": "NeptuneLogWriter"}
"""rsl_rl's classes for logging services; it writes TensorBoard's files beside."""

_MODELS = {"ActorCritic": "rsl_rl.models:MLPModel", "ActorCriticRecurrent": "rsl_rl.models:RNNModel"}
"""rsl_rl's models by legged_gym's names."""

_SCRIPT_SETTINGS = (
    "max_iterations",
    "num_learning_epochs_cpu",
    "policy_class_name",
    "resume",
    "load_run",
    "checkpoint",
)
"""Settings of the section ``runner`` for the scripts, which rsl_rl does not use."""


def rsl_rl_config(train_cfg: TrainCfg) -> dict[str, Any]:
    """Return the nested dict for rsl_rl's runners, or refuse settings. A dict is returned as it is.

    A section ``estimator`` becomes the algorithm's ``estimator_cfg``; with a section ``distillation``, the actor is the
    student. Everything else also fits rsl_rl's own ``OnPolicyRunner`` and ``PPO``.
    """
    if isinstance(train_cfg, dict):
        return train_cfg
    train_cfg.check()
    cfg = train_cfg.to_dict()
    policy, logger = cfg["policy"], cfg["runner"]["logger"].lower()
    policy["class_name"] = cfg["runner"]["policy_class_name"] or policy["class_name"]
    recurrent = policy["class_name"] == "ActorCriticRecurrent"
    curiosity = cfg["rnd"] if cfg["rnd"]["weight"] > 0.0 else None
    algorithm = {"rnd_cfg": curiosity, "symmetry_cfg": _symmetry(cfg["symmetry"]), **cfg["algorithm"]}
    if recurrent and algorithm["symmetry_cfg"] is not None:
        raise UserError(
            "config key 'policy.class_name' is 'ActorCriticRecurrent': rsl_rl can't mirror hidden states of "
            "recurrent policies, so set 'symmetry.data_augmentation' to False and 'symmetry.mirror_loss_coeff' to 0"
        )
    if "estimator" in cfg:
        algorithm["estimator_cfg"] = cfg["estimator"]
    settings = {
        "seed": cfg["seed"],
        **{name: value for name, value in cfg["runner"].items() if name not in _SCRIPT_SETTINGS},
        # A service's project has the experiment's name.
        "logger": {"class_name": LOG_WRITERS[logger], "project_name": cfg["runner"]["experiment_name"]}
        if logger in LOG_WRITERS
        else logger,
        "obs_groups": cfg["obs_groups"],
        "algorithm": algorithm,
    }
    noise = {"class_name": "legged_gym.algorithms.gaussian:Gaussian", "init_std": policy["init_noise_std"]}
    actor = {**_model(policy, "actor_hidden_dims"), "distribution_cfg": noise}
    if "distillation" in cfg:
        return {**settings, "obs_groups": {"student": cfg["obs_groups"]["actor"]}, "student": actor}
    return {**settings, "actor": actor, "critic": _model(policy, "critic_hidden_dims")}


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


def _model(policy: dict[str, Any], layers: str) -> dict[str, Any]:
    name = policy["class_name"]
    if name not in _MODELS and ":" not in name:
        raise UserError(f"config key 'policy.class_name' is '{name}': {near_names(name, [*_MODELS, 'module:Class'])}")
    settings = {
        "class_name": _MODELS.get(name, name),
        "hidden_dims": policy[layers],
        "activation": policy["activation"],
        "obs_normalization": policy["empirical_normalization"],
    }
    if name == "ActorCriticRecurrent":
        settings |= {
            "rnn_type": policy["rnn_type"].lower(),
            "rnn_hidden_dim": policy["rnn_hidden_size"],
            "rnn_num_layers": policy["rnn_num_layers"],
        }
    return settings


def default_num_envs(env_cfg: LeggedRobotCfg, sim_device: str) -> int:
    """Return a training's default number of robots, which is larger on a GPU."""
    return env_cfg.env.num_envs_gpu if sim_device.startswith("cuda") else env_cfg.env.num_envs


def default_num_epochs(train_cfg: LeggedRobotCfgPPO, rl_device: str) -> int:
    """Return how often an update uses each sample by default."""
    on_cpu = train_cfg.runner.num_learning_epochs_cpu
    return on_cpu if on_cpu and rl_device.startswith("cpu") else train_cfg.algorithm.num_learning_epochs


_BASES: dict[str, tuple[type, ...]] = {
    "runner_class_name": (OnPolicyRunner,),
    "algorithm.class_name": (PPO, Distillation),
}
"""The required base class for each setting's class."""
_OURS = ("legged_gym", "rsl_rl")


def find_class(key: str, name: str) -> Any:
    """Return the class that the setting ``key`` names, of the right kind, or raise ``UserError``.

    It must be in the package of a registered task, or in a module that is already imported.
    """
    found = _find(key, name, sys.modules)
    if not (isinstance(found, type) and issubclass(found, _BASES[key])):
        kinds = " or ".join(base.__name__ for base in _BASES[key])
        raise UserError(f"config key '{key}' is '{name}', which is no {kinds} of rsl_rl")
    return found


def check_function(key: str, name: str) -> None:
    """Check that a setting names a function of a known package, or raise ``UserError``."""
    found = _find(key, name)
    package = (getattr(found, "__module__", None) or "").partition(".")[0]
    # Our modules contain other modules, with all kinds of functions.
    if isinstance(found, type) or not callable(found) or package not in _packages():
        raise UserError(f"config key '{key}' is '{name}', which is not a function of a known package")


def _find(key: str, name: str, also: Container[str] = ()) -> Any:
    """Import what a setting names, from a known package or one of the modules ``also``."""
    module = name.partition(":")[0] if ":" in name else name.rpartition(".")[0]
    if module and module.partition(".")[0] not in _packages() and module not in also:
        raise UserError(
            f"config key '{key}' is '{name}': it has to lie in one of {', '.join(_packages())}"
            f"{', or be imported before' if also else ''}"
        )
    try:
        return resolve_callable(name)
    except (ImportError, AttributeError, ValueError, TypeError) as error:
        raise UserError(f"config key '{key}' is '{name}': {error}") from error


def _packages() -> list[str]:
    return sorted({*_OURS, *task_registry.packages()})
