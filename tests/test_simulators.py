"""Choosing a back-end."""

from __future__ import annotations

import sys

import pytest

from legged_gym.common.errors import UserError
from legged_gym.simulators import SIMULATORS, make_simulator


def test_what_a_back_end_misses_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SIMULATORS, "far", "package_that_is_not_there.far_sim:FarSimulator")
    with pytest.raises(
        UserError, match="simulator 'far' can't be used on this machine: No module named 'package_that_is_not"
    ):
        make_simulator("far")


def test_warps_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mujoco_warp", None)
    monkeypatch.delitem(sys.modules, "legged_gym.simulators.warp_sim", raising=False)
    with pytest.raises(UserError, match=r"mujoco_warp.*pip install -e '\.\[warp\]'"):
        make_simulator("warp")
