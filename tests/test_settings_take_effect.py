"""Every setting of robot and simulation is read by a back-end, or refused for it on the command line."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import small_cfg
from isaacgym_process import python_with

from legged_gym.common.errors import UserError
from legged_gym.envs import LeggedRobot, Qmini, QminiCfg, QminiCfgPPO
from legged_gym.envs.base.base_config import BaseConfig
from legged_gym.envs.base.overrides import update_cfg_from_args
from legged_gym.simulators import SIMULATORS, UNREAD
from legged_gym.simulators.backend import ISAACGYM_PYTHON

READ_BY_OTHERS = {
    "asset.name",  # viewers and exported files
    "asset.mirrored_joints",  # symmetry
    "asset.flip_visual_attachments",  # takes one value only
    "sim.divergence.max_share",  # the runner
}
ON_A_GPU_ALONE = {"sim.cuda_graph", "sim.compile_step"}


def keys_of(cfg: BaseConfig) -> list[str]:
    keys = [section.key(name) for section, name, _ in cfg.walk()]
    return [key for key in keys if key.startswith(("asset.", "sim."))]


def ignored(sim: str, key: str) -> bool:
    return key.startswith(UNREAD.get(sim, ()))


@pytest.mark.parametrize("sim", SIMULATORS)
def test_what_is_not_refused_is_read(sim: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if sim == "warp":
        pytest.importorskip("mujoco_warp")
    monkeypatch.setenv(ISAACGYM_PYTHON, str(python_with(tmp_path)))
    read: set[str] = set()
    cfg = small_cfg(2)
    cfg.sim.physx.num_threads = 1

    def note(self: BaseConfig, name: str) -> Any:
        if not name.startswith("_") and name in self.__dict__:
            read.add(self.key(name))
        return object.__getattribute__(self, name)

    monkeypatch.setattr(BaseConfig, "__getattribute__", note, raising=False)
    env: LeggedRobot = Qmini(cfg, sim_name=sim)
    env.step(torch.zeros(2, env.num_actions))
    env.close()
    monkeypatch.undo()
    known = READ_BY_OTHERS | (ON_A_GPU_ALONE if sim == "warp" else set())
    assert [key for key in keys_of(cfg) if key not in read | known and not ignored(sim, key)] == []
    # The scene that Isaac Gym's names come from is MuJoCo's.
    of_scene = {"sim.solver_iterations", "sim.line_search_iterations"} if sim == "isaacgym" else set()
    assert [key for key in keys_of(cfg) if key in read - of_scene and ignored(sim, key)] == []


@pytest.mark.parametrize("sim", SIMULATORS)
def test_what_a_back_end_does_not_read_is_refused(sim: str) -> None:
    cfg = QminiCfg()
    for key in filter(lambda key: ignored(sim, key), keys_of(cfg)):
        value = next(value for section, name, value in cfg.walk() if section.key(name) == key)
        args = argparse.Namespace(overrides=[f"{key}={value}"], sim=sim)
        with pytest.raises(UserError, match=re.escape(f"config key '{key}' has no effect with --sim={sim}, only with")):
            update_cfg_from_args(QminiCfg(), QminiCfgPPO(), args)


def test_a_setting_is_taken_where_it_has_an_effect_or_nothing_is_chosen() -> None:
    for sim in ("isaacgym", None):
        cfg, args = QminiCfg(), argparse.Namespace(overrides=["sim.physx.solver_type=0"], sim=sim)
        update_cfg_from_args(cfg, QminiCfgPPO(), args)
        assert cfg.sim.physx.solver_type == 0
