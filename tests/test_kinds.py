"""Settings name classes and functions of known kinds only, so that a stranger's run calls nothing else."""

from __future__ import annotations

import sys

import pytest
from rsl_rl.algorithms import PPO

from legged_gym.algorithms import EstimatorPPO
from legged_gym.common.errors import UserError
from legged_gym.runners import OnPolicyRunnerEE
from legged_gym.runners.config import check_function, find_class


class OwnPPO(PPO):
    """A user's algorithm."""


def own_mirror() -> None:
    """Be a user's function."""


def test_classes_of_the_wanted_kind_are_found() -> None:
    assert find_class("runner_class_name", "legged_gym.runners:OnPolicyRunnerEE") is OnPolicyRunnerEE
    assert find_class("algorithm.class_name", "legged_gym.algorithms:EstimatorPPO") is EstimatorPPO
    assert find_class("algorithm.class_name", "PPO") is PPO
    assert find_class("algorithm.class_name", f"{__name__}:OwnPPO") is OwnPPO
    check_function("symmetry.function", "legged_gym.envs.qmini.qmini_mirror:mirror")


@pytest.mark.parametrize(
    ("key", "name", "message"),
    [
        ("runner_class_name", "os:system", "no OnPolicyRunner of rsl_rl"),
        ("runner_class_name", "legged_gym.runners:rsl_rl_config", "no OnPolicyRunner of rsl_rl"),
        ("runner_class_name", "legged_gym.runners.runs:os.system", "no OnPolicyRunner of rsl_rl"),
        ("algorithm.class_name", "legged_gym.runners:OnPolicyRunnerEE", "no PPO or Distillation of rsl_rl"),
        ("algorithm.class_name", "antigravity:PPO", "has to lie in one of legged_gym, rsl_rl"),
        ("algorithm.class_name", "antigravity.PPO", "has to lie in one of legged_gym, rsl_rl"),
        ("algorithm.class_name", "legged_gym.algorithms:NoPPO", "NoPPO"),
    ],
)
def test_other_classes_are_refused(key: str, name: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        find_class(key, name)
    assert "antigravity" not in sys.modules, "it would have opened a browser"


@pytest.mark.parametrize(
    "name",
    [
        "os:system",
        "legged_gym.runners.runs:os.system",
        "legged_gym.envs:Qmini",
        "antigravity:f",
        f"{__name__}:own_mirror",
    ],
)
def test_other_functions_are_refused(name: str) -> None:
    with pytest.raises(UserError, match=r"config key 'symmetry.function' is"):
        check_function("symmetry.function", name)
    assert "antigravity" not in sys.modules
