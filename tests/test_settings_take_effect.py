"""What is set is read, or refused on the command line: by the simulator, and with the other settings as they are."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import small_cfg
from isaacgym_process import python_with

from legged_gym.api import RobotVectorEnv
from legged_gym.cli.arguments import get_args
from legged_gym.cli.job import resolve
from legged_gym.common.errors import UserError
from legged_gym.envs import TASKS, LeggedRobot, Qmini, QminiCfg, QminiCfgPPO
from legged_gym.envs.base.base_config import BaseConfig
from legged_gym.envs.base.effects import NEEDED, require_effect, warn_without_effect, without_effect
from legged_gym.envs.base.hooks import rewards_that_read
from legged_gym.envs.base.legged_robot_config import LeggedRobotCfg, LeggedRobotCfgPPO
from legged_gym.envs.base.overrides import update_cfg_from_args
from legged_gym.envs.qmini.qmini_stairs_config import QminiStudentCfg, QminiTeacherCfgPPO
from legged_gym.envs.registry import task_registry
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


OTHERWISE = {
    "policy.class_name": "ActorCritic", "runner.policy_class_name": "ActorCritic", "algorithm.schedule": "fixed",
    "control.actuator_network": "motor.pt", "terrain.mesh_type=plane": "heightfield", "terrain.mesh_type": "plane",
}  # fmt: skip
"""Values of switches that are no bool and no number, or of one condition on such a switch."""


def switches(needed: str) -> list[tuple[str, str, str]]:
    """Return what a condition asks for: setting, a value that will do, and one that won't."""
    parts = [condition.partition(">") if ">" in condition else condition.partition("=")
             for condition in needed.split(" or ")]  # fmt: skip
    other = {"true": "false", "false": "true", "0": "0"}
    return [
        (key, "1" if sign == ">" else wanted,
         other.get(wanted) or OTHERWISE.get(f"{key}{sign}{wanted}") or OTHERWISE[key])
        for key, sign, wanted in parts
    ]  # fmt: skip


@pytest.mark.parametrize("needed", NEEDED)
def test_what_others_leave_without_effect_is_refused(needed: str) -> None:
    env_cfg, train_cfg = LeggedRobotCfg(), LeggedRobotCfgPPO()
    values = {section.key(name): value for cfg in (env_cfg, train_cfg) for section, name, value in cfg.walk()}
    owner = {section.key(name): cfg for cfg in (env_cfg, train_cfg) for section, name, _ in cfg.walk()}
    keys = [key for key in values if key.startswith(NEEDED[needed])]
    assert all(any(key.startswith(beginning) for key in keys) for beginning in NEEDED[needed])
    for key, _, off in switches(needed):
        owner[key].set(key, off)
    keys = [key for key in keys if key not in {switch for switch, _, _ in switches(needed)}]
    for key in keys:
        args = argparse.Namespace(overrides=[f"{key}={values[key]}"], sim="mujoco")
        with pytest.raises(UserError, match=re.escape(f"config key '{key}' has no effect while ")) as refused:
            update_cfg_from_args(env_cfg.copy(), train_cfg.copy(), args)
        assert str(refused.value).endswith(f": set {needed}")
    switch, on, _ = switches(needed)[0]
    owner[switch].set(switch, on.strip("'"))
    for cfg in (env_cfg, train_cfg):
        require_effect(cfg, keys)


def test_switch_and_setting_may_be_given_together() -> None:
    given = ["commands.max_curriculum=2", "commands.curriculum=true", "rnd.num_outputs=2", "rnd.weight=0.1"]
    cfg, train_cfg = update_cfg_from_args(QminiCfg(), QminiCfgPPO(), argparse.Namespace(overrides=given))
    assert (cfg.commands.max_curriculum, train_cfg.rnd.num_outputs) == (2, 2)
    update_cfg_from_args(QminiCfg(), QminiCfgPPO(), argparse.Namespace(overrides=["rnd.weight=0", "seed=3"]))


@pytest.mark.parametrize(
    ("key", "train_cfg", "reason"),
    [
        ("env.num_envs_gpu", QminiCfgPPO, "on the command line: set env.num_envs"),
        ("runner.num_learning_epochs_cpu", QminiCfgPPO, "on the command line: set algorithm.num_learning_epochs"),
        ("runner.estimator_iterations", QminiTeacherCfgPPO, "has no section 'estimator'"),
        ("policy.critic_hidden_dims", QminiStudentCfg, "a student has no critic"),
        ("obs_groups.critic", QminiStudentCfg, "a student has no critic"),
    ],
)
def test_what_nobody_would_read_is_refused(key: str, train_cfg: type[LeggedRobotCfgPPO], reason: str) -> None:
    value = next(
        value for cfg in (QminiCfg(), train_cfg()) for section, name, value in cfg.walk() if section.key(name) == key
    )
    args = argparse.Namespace(overrides=[f"{key}={value}"], sim="mujoco")
    with pytest.raises(UserError, match=f"'{re.escape(key)}' has no effect.*{reason}"):
        update_cfg_from_args(QminiCfg(), train_cfg(), args)


def test_python_settings_are_refused_alike() -> None:
    with pytest.raises(UserError, match=r"'commands.max_curriculum' has no effect while commands.curriculum is false"):
        RobotVectorEnv(settings={"commands.max_curriculum": 2.0})


def test_what_only_rewards_without_a_scale_read_is_refused() -> None:
    given = ["--task=go2", "--sim=mujoco", "--rl_device=cpu", "--set=rewards.max_contact_force=200"]
    with pytest.raises(UserError, match=r"max_contact_force' has no effect.* have rewards.scales.feet_contact_forces$"):
        resolve(get_args(given))
    given = ["--sim=mujoco", "--rl_device=cpu", "--set=rewards.swing_height=0.05"]
    scales = [f"--set=rewards.scales.gait_feet_swing_{name}=0" for name in ("height", "profile")]
    with pytest.raises(UserError, match=r"set rewards.scales.gait_feet_swing_height or .*_profile$"):
        resolve(get_args([*given, *scales]))
    assert resolve(get_args([*given, scales[0]])).env_cfg.rewards.swing_height == 0.05


def test_a_setting_that_a_step_reads_belongs_to_no_reward() -> None:
    assert rewards_that_read(Qmini, "rewards.tracking_sigma") == ["tracking_ang_vel", "tracking_lin_vel"]
    assert rewards_that_read(Qmini, "rewards.swing_height") == ["gait_feet_swing_height", "gait_feet_swing_profile"]
    assert (
        rewards_that_read(Qmini, "rewards.foot_contact_force")
        == rewards_that_read(Qmini, "rewards.only_positive_rewards")
        == []
    )


class InVainCfg(QminiCfg):
    class commands(QminiCfg.commands):
        max_curriculum = 2.0

    class terrain(QminiCfg.terrain):
        mesh_type = "plane"
        slope_max = 0.3
        num_rows = 3
        platform_size = QminiCfg.terrain.platform_size

    class rewards(QminiCfg.rewards):
        soft_torque_limit = 0.5


class InVainCfgPPO(QminiCfgPPO):
    class rnd(QminiCfgPPO.rnd):
        num_outputs = 2


class NoMoreCfg(InVainCfg):
    """Its parent's body is the parent's concern."""

    class commands(InVainCfg.commands):
        curriculum = True


def test_what_a_class_of_ones_own_writes_in_vain_is_named_once(capsys: pytest.CaptureFixture[str]) -> None:
    cfg = InVainCfg()
    # What others set afterwards does not count, as play.py turns much off.
    cfg.terrain.mesh_type = "heightfield"
    for _ in range(2):
        warn_without_effect(cfg, LeggedRobot)
        warn_without_effect(InVainCfgPPO())
    flat = "set terrain.mesh_type=heightfield or terrain.mesh_type=trimesh"
    assert sorted(capsys.readouterr().err.splitlines()) == [
        "warning: InVainCfg sets commands.max_curriculum without effect while commands.curriculum is false: "
        "set commands.curriculum=true",
        "warning: InVainCfg sets rewards.soft_torque_limit without effect while its reward has no scale: "
        "let the task's configuration class have rewards.scales.torque_limits",
        f"warning: InVainCfg sets terrain.num_rows, terrain.slope_max without effect while terrain.mesh_type is plane: "
        f"{flat}",
        "warning: InVainCfgPPO sets rnd.num_outputs without effect while rnd.weight is 0.0: set rnd.weight>0",
    ]  # fmt: skip
    warn_without_effect(NoMoreCfg(), LeggedRobot)
    assert capsys.readouterr().err == ""


def test_a_task_warns_when_it_is_made(capsys: pytest.CaptureFixture[str]) -> None:
    class LateCfg(QminiCfg):
        class env(QminiCfg.env):
            num_envs = 2

        class noise(QminiCfg.noise):
            add_noise = False
            noise_level = 2.0

    Qmini(LateCfg()).close()
    assert "LateCfg sets noise.noise_level without effect while noise.add_noise is false" in capsys.readouterr().err


# The published settings hold what their subclasses switch on.
@pytest.mark.parametrize("name", sorted(TASKS.keys() - {"qmini_published"}))
def test_our_own_classes_write_nothing_in_vain(name: str) -> None:
    for cfg in task_registry.get_cfgs(name):
        written = [
            section.key(setting)
            for section, setting, value in cfg.walk()
            if any(setting in vars(cls) for cls in section.classes if cls.__module__ == type(cfg).__module__)
        ]
        assert not list(without_effect(cfg, written, task_registry.get_task_class(name)))
