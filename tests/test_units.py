"""Robots in wrong units: what no robot can be is refused, what is unlikely is told once."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import pytest

from legged_gym import LEGGED_GYM_ROOT_DIR
from legged_gym.common.errors import UserError
from legged_gym.envs import QminiCfg
from legged_gym.simulators.mujoco_model import Scene, build_scene

QMINI = Path(LEGGED_GYM_ROOT_DIR, "resources/robots/qmini/urdf/qmini.urdf")
_LENGTHS = (r'(?:xyz|radius|length|size)="', 1000.0)
_MOMENTS = r'i[xyz][xyz]="'


def scene(tmp_path: Path, *changes: tuple[str, float]) -> Scene:
    """Build the scene of a robot in whose file all numbers behind some patterns are multiplied."""
    text = QMINI.read_text()
    for pattern, factor in changes:
        parts = re.split(f'({pattern}[^"]*)', text)
        for i, part in enumerate(parts[1::2]):
            key, _, numbers = part.partition('"')
            parts[2 * i + 1] = f'{key}"' + " ".join(str(float(number) * factor) for number in numbers.split())
        text = "".join(parts)
    path = tmp_path / "robot.urdf"
    path.write_text(text)
    cfg = QminiCfg()
    cfg.asset.file = str(path)
    return build_scene(cfg)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ([_LENGTHS], r"the robot is \d+ m large, because of link '.*': are its lengths in mm or cm\?"),
        ([('mass value="', 1e3)], r"0\.5\d m large and weighs 1.11e\+04 kg, .* 'base_link': are its masses in g\?"),
        ([(_MOMENTS, 1e9)], r"link 'base_link' has .* kg and a moment of inertia of .* is it in g·mm² or kg·mm²\?"),
        ([(_MOMENTS, 1e6)], r"link 'base_link' has .* kg and a moment of inertia of .* is it in g·mm² or kg·mm²\?"),
    ],
)
def test_what_no_robot_can_be_is_refused(tmp_path: Path, changes: list[tuple[str, float]], message: str) -> None:
    with pytest.raises(UserError, match=message) as refused:
        scene(tmp_path, *changes)
    assert str(refused.value).startswith(str(tmp_path)) and "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ([('(?:lower|upper)="', 57.3)], r"joint 'hip_yaw_l' has the limits .* rad: are they in degrees\?"),
        ([('(?:lower|upper)="', 1 / 57.3)], r"joint 'hip_yaw_l' moves from .* read as degrees"),
        ([('velocity="', 57.3)], r"joint 'hip_yaw_l' has the velocity limit 1719 rad/s: is it in degrees/s or rpm\?"),
        ([('mass value="', 50.0)], r"weighs 557 kg, .*: are its masses in g\?"),
    ],
)
def test_what_is_unlikely_is_told_once(tmp_path: Path, changes: list[tuple[str, float]], message: str) -> None:
    with pytest.warns(UserWarning, match=message):
        scene(tmp_path, *changes)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scene(tmp_path, *changes)


def test_a_toy_and_a_large_robot_are_robots(tmp_path: Path) -> None:
    """A fifth of the size has 1/125 of the mass; 2.5 times the size has 16 times the mass."""
    for size in (0.2, 1.0, 2.5):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            changes = ((_LENGTHS[0], size), ('mass value="', size**3), (_MOMENTS, size**5))
            assert scene(tmp_path, *changes).model.nbody > 10
