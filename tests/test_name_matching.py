"""Settings by parts of names."""

from __future__ import annotations

import pytest

from legged_gym.envs.base.base_config import ConfigError
from legged_gym.envs.base.name_matching import joint_values

JOINTS = ["hip_l", "hip_r", "knee_l"]


def test_values_spread_over_the_joints_that_fit() -> None:
    assert joint_values("gains", {"hip": 1, "knee": 2.0, "hip_r": 3.0}, JOINTS) == [1, 3.0, 2.0]
    assert joint_values("noise", {"knee": 2.0}, JOINTS, missing=0.0) == [0.0, 0.0, 2.0]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"hip": 1.0}, "'gains' has no value for joint 'knee_l'"),
        ({"hip": 1.0, "knee": 1.0, "toe": 1.0}, "'gains': no joint is called 'toe'"),
        ({"hip": 1.0, "knee": "lots"}, "'gains.knee' takes a number, got 'lots'"),
        ({"hip": 1.0, "knee": None}, "'gains.knee' takes a number, got None"),
    ],
)
def test_what_does_not_fit_is_told(values: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        joint_values("gains", values, JOINTS)
