"""Exported folders: what is read, and what is said when they don't fit."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from deploy_policies import POSE, write_net, write_policy

from legged_gym import LEGGED_GYM_ROOT_DIR
from legged_gym.common.errors import UserError
from legged_gym.deploy.controller import Controller
from legged_gym.policies.contract import exported_contract
from legged_gym.policies.exported import BUILT_IN, load_policy


def test_published_keys_suffice_because_the_rest_is_built_into_the_controller(tmp_path: Path) -> None:
    config = load_policy(write_policy(tmp_path)).config
    assert config.default_angles.tolist() == POSE
    assert config.joint_names == BUILT_IN["joint_names"]
    assert (config.control_dt, config.action_scale, config.history_length) == (0.02, 0.25, 5)
    assert config.command_ranges.tolist() == [[-0.5, 0.6], [0.0, 0.0], [-0.6, 0.6]]


def test_section_policy_counts_more_than_what_is_built_in(tmp_path: Path) -> None:
    config = load_policy(write_policy(tmp_path, Policy__action_scale=0.5, Policy__velocity_scale=1.0)).config
    assert (config.action_scale, config.labels.scales[0], config.control_dt) == (0.5, 1.0, 0.02)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"FSMState_Walk__joint_kp": None}, r"controller.yaml: no key 'FSMState_Walk.joint_kp'"),
        (
            {"FSMState_Walk__joint_kd": [1.0] * 9},
            r"'FSMState_Walk.joint_kd' must be 10 numbers from 0 to 10000, got \[",
        ),
        (
            {"FSMState_Walk__joint_kd": "soft"},
            r"joint_kd' must be 10 numbers from 0 to 10000, got 'soft'",
        ),
        (
            {"FSMState_Walk__gait_period": 0.0},
            r"gait_period' must be a number above 0 and at most 100, got 0.0",
        ),
        ({"FSMState_Walk__joint_kp": [-1.0] * 10}, r"'FSMState_Walk.joint_kp' must be 10 numbers from 0 to 100000"),
        (
            {"FSMState_Walk__lin_vel_x_range": [0.5, -0.5]},
            r"must be 2 numbers from -100 to 100, \[lowest, highest",
        ),
        ({"FSMState_Walk__default_joint_angles": [1e3] * 10}, r"_angles' must be 10 numbers from -6.28319 to 6.28319"),
        ({"Policy__joint_names": ["hip"] * 10}, r"'Policy.joint_names' must be a list of one or more texts, all"),
        ({"FSMState_Walk__gait_period": float("nan")}, r"gait_period' must be a number above 0"),
        ({"Policy__joint_names": 5}, r"'Policy.joint_names' must be a list of one or more texts, all different, got 5"),
        ({"Policy__observation_scales": [1.0]}, r"'Policy.observation_scales' must be a list of 7 scales"),
        (
            {"Policy__observation_terms": ["base_lin_vel", *BUILT_IN["observation_terms"][1:]]},
            r"can't observe 'base_lin_vel': did you mean 'base_ang_vel'\?",
        ),
        ({"Policy__observation_scales": [[1.0, 2.0]] + [1.0] * 6}, r"observation_scales don't fit"),
        ({"Policy__control_dt": 5.0}, r"'Policy.control_dt' must be a number above 0 and at most 1, got 5.0"),
        ({"Policy__observation_scales": [1e30] * 7}, r"observation_scales' must be a list of numbers and a list of"),
        ({"Policy__action_scal": 0.5}, r"unknown key 'Policy.action_scal': did you mean 'action_scale'"),
        ({"Policy__body": {"colapse": True}}, r"unknown key 'Policy.body.colapse': "),
        ({"Policy__body": {"density": True}}, r"'Policy.body.density' must be a number from 0 to 25000, got True"),
        ({"Policy__body": [1]}, r"'Policy.body' must be a section, got \[1\]"),
        ({"Policy__observation_noise": {"dof_pos": -1.0}}, r"'Policy.observation_noise.dof_pos' must be a number from"),
        ({"Policy__observation_noise": {"dof_poss": 0.1}}, r"unknown key .*_noise.dof_poss': did you mean 'dof_pos'"),
        ({"Policy__start_noise": {"dof_pos": [0.1]}}, r"'Policy.start_noise.dof_pos' must be 10 numbers from 0 to"),
        ({"Policy__start_noise": {"velocity": "fast"}}, r"'Policy.start_noise.velocity' must be a number from 0 to 1"),
        ({"Policy__foot_contact_force": -5.0}, r"'Policy.foot_contact_force' must be a number from 0 to 1e6, got -5.0"),
        ({"Policy__history_length": 4}, r"the estimator takes 215 numbers and gives 5, .* means 172 and 5"),
        ({"Policy__foot_names": ["ankle_pitch_l"]}, r"the estimator takes 215 numbers and gives 5, .* means 215 and 4"),
    ],
)
def test_figures_that_do_not_fit_are_named(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    folder = write_policy(tmp_path, **changes)
    with pytest.raises(UserError, match=message):
        Controller(load_policy(folder))


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no folder '.*nowhere' with an exported policy"):
        load_policy(tmp_path / "nowhere")
    folder = write_policy(tmp_path)
    (folder / "qmini_actor.onnx").rename(folder / "other_actor.onnx")
    (folder / "second_actor.onnx").write_bytes(b"")
    with pytest.raises(UserError, match=r"one file \*_actor.onnx, there is: other_actor.onnx, second_actor.onnx"):
        load_policy(folder)
    (folder / "qmini_controller.yaml").unlink()
    with pytest.raises(UserError, match=r"one file \*_controller.yaml, there is: none"):
        load_policy(folder)


@pytest.mark.parametrize("content", ["{", "- 1\n- 2\n", "", "FSMState_Walk: 3\n"])
def test_damaged_controller_files_are_named(tmp_path: Path, content: str) -> None:
    write_policy(tmp_path)
    (tmp_path / "qmini_controller.yaml").write_text(content)
    with pytest.raises(UserError, match=r"qmini_controller.yaml'?: "):
        load_policy(tmp_path)


@pytest.mark.parametrize("content", ["{", "[]", '{"joints": 3}', "[" * 100_000])
def test_damaged_metadata_is_named(tmp_path: Path, content: str) -> None:
    folder = write_policy(tmp_path)
    (path,) = Path(folder).glob("*_controller.yaml")
    path.with_name(path.name.replace("_controller.yaml", "_metadata.json")).write_text(content)
    with pytest.raises(UserError, match=r"can't read the policy's metadata '.*_metadata.json'"):
        load_policy(folder)


@pytest.mark.parametrize(
    ("old", "new", "name"),
    [
        ("hip_yaw_l, hip_roll_l", "hip_roll_l, hip_yaw_l", "joint_names"),
        ("joint_kp: [20.0", "joint_kp: [25.0", "joint_kp"),
        ("default_joint_angles: [0.35", "default_joint_angles: [0.3", "default_joint_angles"),
        ("action_scale: 0.25", "action_scale: 0.5", "action_scale"),
        ("history_length: 5", "history_length: 4", "history_length"),
        ("low_vel_thresholds: [0.05", "low_vel_thresholds: [0.0", "low_vel_thresholds"),
        ("gait_offsets: [0.0, 0.5]", "gait_offsets: [0.5, 0.0]", "gait_offsets"),
        ("observation_scales: [0.25", "observation_scales: [0.5", "observation_scales"),
        ("[base_ang_vel, projected_gravity", "[projected_gravity, base_ang_vel", "observation_terms"),
    ],
)
def test_a_controllers_file_and_metadata_that_say_different_things_are_refused(
    tmp_path: Path, old: str, new: str, name: str
) -> None:
    """The robot goes by the one and the evaluation by the other."""
    folder = tmp_path / "qmini"
    shutil.copytree(Path(LEGGED_GYM_ROOT_DIR, "resources", "policies", "qmini"), folder)
    path = folder / "qmini_controller.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    for read in (load_policy, lambda folder: exported_contract(folder, "qmini")):
        with pytest.raises(UserError, match=rf"controller's file says {name} .* the two don't belong together"):
            read(folder)


def test_damaged_and_foreign_networks_are_named(tmp_path: Path) -> None:
    actor = write_policy(tmp_path) / "qmini_actor.onnx"
    actor.write_bytes(actor.read_bytes()[:200])
    with pytest.raises(UserError, match=r"qmini_actor.onnx: ONNX can't load it: "):
        load_policy(tmp_path)
    write_net(actor, np.zeros((220, 10)), ("obs", "output"))
    with pytest.raises(UserError, match=r"qmini_actor.onnx: must have one float input 'input' .*, has: obs tensor"):
        load_policy(tmp_path)
    write_net(actor, np.zeros((220, 8)))
    with pytest.raises(UserError, match=r"the actor takes 220 numbers and gives 8, .* means 220 and 10"):
        Controller(load_policy(tmp_path))
