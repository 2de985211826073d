"""Drives from files, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from legged_gym.common.errors import UserError
from legged_gym.deploy.drive import DEFAULT_DRIVE, drive_seconds, out_of_range, read_drive

PLAN = ((0.0, (0.0, 0.0, 0.0)), (1.5, (0.4, 0.0, -0.2)), (4.0, (-0.3, 0.0, 0.0)))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.yaml", "- [0, 0, 0, 0]\n- [1.5, 0.4, 0, -0.2]\n- [4, -0.3, 0, 0]\n"),
        ("a.yml", "- {time: 0, vx: 0, vy: 0, yaw: 0}\n- {time: 1.5, vx: .4, yaw: -.2, vy: 0}\n- [4, -0.3, 0, 0]\n"),
        ("a.csv", "time,vx,vy,yaw\n0,0,0,0\n\n# faster\n1.5, 0.4, 0, -0.2\n4,-0.3,0,0\n"),
        ("a.csv", "0,0,0,0\n1.5,0.4,0,-0.2\n4,-0.3,0,0"),
    ],
)
def test_drives_are_read(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    assert read_drive(tmp_path / name) == PLAN


def test_last_command_lasts_as_long_as_the_one_before() -> None:
    assert drive_seconds(PLAN) == 6.5
    assert drive_seconds(PLAN[:1]) == 10.0
    assert drive_seconds(DEFAULT_DRIVE) == 18.0


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.txt", "", "a drive must be a .yaml, .yml or .csv file"),
        ("a.yaml", "", "must be a list of rows of time, vx, vy, yaw"),
        ("a.yaml", "time: 0", "must be a list of rows"),
        ("a.yaml", "- [0, 0, 0", "can't be read"),
        ("a.yaml", "- [0, 0, 0]", r"row 1: must be four numbers, time, vx, vy, yaw, got \[0, 0, 0\]"),
        ("a.yaml", "- fast", "row 1: must be four numbers"),
        ("a.yaml", "- [0, 0, 0, 0]\n- {time: 1, vx: 1, vy: 0, jaw: 2}", "row 2: must have the keys time, vx, vy, yaw"),
        ("a.csv", "0,0,0,0\n1,fast,0,0", "row 2: must be four numbers"),
        ("a.csv", "0,0,0,0\n1,nan,0,0", "row 2: every time and velocity must be finite"),
        ("a.csv", "1,0,0,0", "row 1: times must begin at 0, got 1"),
        ("a.csv", "0,0,0,0\n2,0,0,0\n2,1,0,0", "row 3: times must increase, got 2 after 2"),
    ],
)
def test_wrong_drives_are_one_clear_error(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match=message):
        read_drive(tmp_path / name)


def test_missing_file_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere.csv: can't be read"):
        read_drive(tmp_path / "nowhere.csv")


def test_commands_beyond_the_trained_ones_are_told() -> None:
    ranges = np.array([[-0.5, 0.6], [0.0, 0.0], [-0.6, 0.6]])
    assert out_of_range(DEFAULT_DRIVE, ranges) == []
    assert out_of_range(((0.0, (0.7, 0.1, 0.6)),), ranges) == [
        "vx exceeds the -0.5 to 0.6 m/s that the policy was trained with",
        "vy exceeds the 0 to 0 m/s that the policy was trained with",
    ]
