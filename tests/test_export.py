"""The exported policy: files that the robot can load, with the numbers of the nets they came from."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
import yaml
from qmini_training import QMINI_LABELS, make_env, make_runner

from legged_gym import LEGGED_GYM_ROOT_DIR
from legged_gym.common.controller_rules import AXES
from legged_gym.common.errors import UserError
from legged_gym.deploy.controller import Controller, Sensors
from legged_gym.envs.qmini.qmini import Qmini
from legged_gym.envs.qmini.qmini_config import QminiCfg
from legged_gym.policies.contract import exported_contract
from legged_gym.policies.controller_file import controller_yaml
from legged_gym.policies.export import ExportError, export_policy
from legged_gym.policies.exported import load_policy
from legged_gym.runners import OnPolicyRunnerEE

NAMES = {
    "qmini_estimator.onnx",
    "qmini_actor.onnx",
    "qmini_estimator.pt",
    "qmini_actor.pt",
    "qmini_metadata.json",
    "qmini_controller.yaml",
}
JOINTS = ("hip_yaw", "hip_roll", "hip_pitch", "knee_pitch", "ankle_pitch")


@pytest.fixture(scope="module")
def env() -> Qmini:
    return make_env()


@pytest.fixture(scope="module")
def runner(env: Qmini) -> OnPolicyRunnerEE:
    """Return nets of the real sizes after one iteration."""
    torch.manual_seed(1)
    runner = make_runner(env, small=False, algorithm__num_learning_epochs=1)
    runner.learn(1)
    return runner


@pytest.fixture(scope="module")
def files(runner: OnPolicyRunnerEE, env: Qmini, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return export_policy(runner, env, tmp_path_factory.mktemp("run") / "exported")


def session(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options)


def test_all_files_and_no_others(files: dict[str, Path]) -> None:
    folder = files["actor"].parent
    assert {path.name for path in files.values()} == {path.name for path in folder.iterdir()} == NAMES


@pytest.mark.parametrize(("net", "inputs", "outputs"), [("estimator", 215, 5), ("actor", 220, 10)])
def test_onnx_files_keep_the_robots_contract(files: dict[str, Path], net: str, inputs: int, outputs: int) -> None:
    model = onnx.load(str(files[net]), load_external_data=False)
    # What ONNX Runtime 1.22 can read.
    assert model.ir_version <= 10
    assert [(opset.domain, opset.version <= 22) for opset in model.opset_import] == [("", True)]
    assert all(tensor.data_location == onnx.TensorProto.DEFAULT for tensor in model.graph.initializer)
    assert {node.op_type for node in model.graph.node} <= {"Gemm", "Relu", "Elu", "Clip"}
    for ports, name, width in ((model.graph.input, "input", inputs), (model.graph.output, "output", outputs)):
        (port,) = ports
        batch, features = port.type.tensor_type.shape.dim
        assert (port.name, port.type.tensor_type.elem_type) == (name, onnx.TensorProto.FLOAT)
        assert batch.HasField("dim_param") and features.dim_value == width
    runtime = session(files[net])
    for batch_size in (1, 7):
        output = runtime.run(None, {"input": np.zeros((batch_size, inputs), np.float32)})[0]
        assert output.shape == (batch_size, outputs) and output.dtype == np.float32


@pytest.mark.filterwarnings("ignore:`torch.jit.load` is deprecated:DeprecationWarning")
def test_files_act_like_the_policy_on_real_observations(
    files: dict[str, Path], runner: OnPolicyRunnerEE, env: Qmini
) -> None:
    estimator, actor = (session(files[net]) for net in ("estimator", "actor"))
    scripts = [torch.jit.load(files[f"{net}_jit"]) for net in ("estimator", "actor")]
    policy = runner.get_inference_policy()
    observations = []
    with torch.inference_mode():
        obs = env.reset()
        for _ in range(30):
            actions = policy(obs)
            observations.append(obs["policy"].clone())
            # One robot at a time, as the controller does it.
            for row in range(env.num_envs):
                observation = obs["policy"][row : row + 1].numpy()
                estimate = estimator.run(None, {"input": observation})[0]
                action = actor.run(None, {"input": np.hstack((observation, estimate))})[0]
                np.testing.assert_allclose(action, actions[row : row + 1].numpy(), atol=1e-5, rtol=0)
                np.testing.assert_allclose(estimate, policy.estimate(obs)[row : row + 1].numpy(), atol=1e-5, rtol=0)
            estimate = scripts[0](obs["policy"])
            torch.testing.assert_close(scripts[1](torch.cat((obs["policy"], estimate), 1)), actions, atol=1e-5, rtol=0)
            obs = env.step(actions)[0]
    assert torch.stack(observations).std(dim=0).max() > 0.1, "the robots moved"


def test_nets_that_differ_are_not_exported(
    runner: OnPolicyRunnerEE, env: Qmini, files: dict[str, Path], tmp_path: Path
) -> None:
    (tmp_path / "qmini_actor.onnx").write_text("the last good one")
    with pytest.raises(ExportError, match=r"differ from PyTorch by \S+e-0\d, more than 1e-12"):
        export_policy(runner, env, tmp_path, tolerance=1e-12, steps=5)
    assert [path.name for path in tmp_path.iterdir()] == ["qmini_actor.onnx"]
    assert (tmp_path / "qmini_actor.onnx").read_text() == "the last good one"


def test_nets_that_answer_nan_are_not_exported(env: Qmini, tmp_path: Path) -> None:
    broken = make_runner(env)
    broken.alg.estimator.mlp[-1].bias.data[0] = torch.nan
    with pytest.raises(UserError, match=r"qmini_estimator.onnx: '.*bias' holds numbers .* infinite or not a number"):
        export_policy(broken, env, tmp_path / "new", steps=1)
    assert not (tmp_path / "new").exists()


def test_metadata_describe_the_task(files: dict[str, Path], env: Qmini) -> None:
    metadata: dict[str, Any] = json.loads(files["metadata"].read_text())
    assert metadata["joints"]["names"] == [f"{joint}_{side}" for side in "lr" for joint in JOINTS]
    assert metadata["joints"]["default_angle"] == [0.35, 0.0, -1.45, 1.15, -1.18, -0.35, 0.0, 1.45, -1.15, 1.18]
    assert metadata["joints"]["kp"] == [20.0, 60.0, 30.0, 30.0, 20.0] * 2
    assert metadata["joints"]["kd"] == [0.75, 2.0, 1.0, 1.0, 0.75] * 2
    assert metadata["joints"]["torque_limit"] == [20.0, 60.0, 20.0, 20.0, 20.0] * 2
    assert metadata["joints"]["limits"][0] == [-0.1, 0.7]
    assert metadata["control"]["dt"] == 0.02
    assert metadata["control"]["action_scale"] == 0.25
    observation = metadata["observation"]
    assert (observation["size"], observation["step_size"], observation["history_length"]) == (215, 43, 5)
    assert [(term["name"], term["start"], term["size"]) for term in observation["terms"]] == [
        ("base_ang_vel", 0, 3), ("projected_gravity", 3, 3), ("commands", 6, 3), ("dof_pos", 9, 10),
        ("dof_vel", 19, 10), ("actions", 29, 10), ("gait_clock", 39, 4),
    ]  # fmt: skip
    assert [term["scale"] for term in observation["terms"]] == [0.25, 1.0, [2.0, 2.0, 0.25], 1.0, 0.05, 1.0, 1.0]
    assert metadata["estimator"]["output"] == [
        {
            "name": "base_lin_vel",
            "size": 3,
            "scale": 2.0,
            "kind": "velocity",
            "unit": "m/s",
            "components": ["x", "y", "z"],
        },
        {
            "name": "foot_contact",
            "size": 2,
            "scale": 1.0,
            "kind": "contact",
            "unit": "",
            "components": ["ankle_pitch_l", "ankle_pitch_r"],
        },
    ]
    assert metadata["gait"] == {
        "period": 0.5,
        "offsets": [0.0, 0.5],
        "stance_ratio": 0.55,
        "standing": "when the command becomes zero the clock runs on to the end of its period and is then held at 0: "
        "leg phases 0 and 0.5",
    }
    assert metadata["commands"]["ang_vel_yaw"] == [-0.8, 0.8]
    assert metadata["iterations"] == 1
    assert len(metadata["git_revision"]) >= 7
    assert 0.0 < metadata["largest_difference"] <= 1e-5


def test_joints_without_limits_have_null_in_the_metadata(tmp_path: Path) -> None:
    env = make_env(2, asset__name="free")
    env.sim.dof_pos_limits = torch.full_like(env.sim.dof_pos_limits, torch.inf) * torch.tensor([-1.0, 1.0])
    env.torque_limits = torch.full_like(env.torque_limits, torch.inf)
    files = export_policy(make_runner(env), env, tmp_path, steps=1)
    assert {path.name for path in files.values()} == {name.replace("qmini", "free") for name in NAMES}
    joints = json.loads(files["metadata"].read_text(), parse_constant=pytest.fail)["joints"]
    assert joints["limits"] == [[None, None]] * 10
    assert joints["torque_limit"] == [None] * 10
    assert joints["kp"] == [20.0, 60.0, 30.0, 30.0, 20.0] * 2


def test_shipped_and_exported_metadata_name_no_file_that_is_not_there(files: dict[str, Path]) -> None:
    for path in (files["metadata"], Path(LEGGED_GYM_ROOT_DIR, "resources", "policies", "qmini", "qmini_metadata.json")):
        named = json.loads(path.read_text())["files"].values()
        assert {"qmini_actor.onnx", "qmini_estimator.onnx"} <= set(named)
        assert all((path.parent / name).is_file() for name in named), path


def test_actions_are_clipped_as_in_training(tmp_path: Path) -> None:
    env = make_env(2, normalization__clip_actions=0.01)
    files = export_policy(make_runner(env), env, tmp_path, steps=5)
    for observation in (np.zeros((1, 220), np.float32), np.full((1, 220), 5.0, np.float32)):
        action = session(files["actor"]).run(None, {"input": observation})[0]
        assert np.abs(action).max() <= np.float32(0.01)
    assert np.abs(action).max() == np.float32(0.01)
    assert json.loads(files["metadata"].read_text())["actor"]["clip"] == 0.01
    assert exported_contract(tmp_path, "qmini")["normalization"]["clip_actions"] == 0.01


KP = [20.0, 60.0, 30.0, 30.0, 20.0, 20.0, 60.0, 30.0, 30.0, 20.0]
LINE_KP = f"joint_kp: {KP}"
ROBOTS_FILE = """\
# my robot
motor:
  ports: [/dev/ttyUSB0, /dev/ttyUSB1]  # two adapters
imu: {port: /dev/ttyUSB4}
FSMState_StandUp:
  joint_standup_q: [0.3, 0.0, -1.4, 1.2, -1.0, -0.3, 0.0, 1.4, -1.2, 1.0]
  joint_kp: [40, 80, 40, 40, 40, 40, 80, 40, 40, 40]
  joint_kd: [2, 4, 2, 2, 2, 2, 4, 2, 2, 2]
FSMState_Walk:
  gait_period: 0.6
  joint_kp: [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]
  lin_vel_x_range: [-0.1, 0.1]  # indoors
  mine: 7
"""


def test_controllers_own_file_is_merged_and_all_else_in_it_kept(env: Qmini, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(ROBOTS_FILE)
    merged = controller_yaml(env, path)
    old, new, alone = (yaml.safe_load(text) for text in (ROBOTS_FILE, merged, controller_yaml(env)))
    kept = {"lin_vel_x_range": [-0.1, 0.1], "mine": 7}
    assert new == {**old, "FSMState_Walk": {**alone["FSMState_Walk"], **kept}, "Policy": alone["Policy"]}
    for line in ("# my robot", "  ports: [/dev/ttyUSB0, /dev/ttyUSB1]  # two adapters"):
        assert line in merged.splitlines()
    assert re.search(r"lin_vel_x_range: \[-0.1, 0.1\] +# indoors; trained: \S+ to 0.7 m/s", merged)
    path.write_text(merged)
    again = controller_yaml(env, path)
    assert yaml.safe_load(again) == new and again.count("trained:") == 3


def test_how_the_robot_stands_up_is_merged_by_the_names_of_joints(env: Qmini, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(ROBOTS_FILE) | {"Policy": {"joint_names": env.dof_names[::-1]}}))
    old, new = (yaml.safe_load(text)["FSMState_StandUp"] for text in (ROBOTS_FILE, controller_yaml(env, path)))
    assert new == {key: values[::-1] for key, values in old.items()}
    path.write_text("FSMState_StandUp:\n  joint_kp: [9, 9, 9, 9, 9, 9, 9, 9, 9, 9]\nmotor: {}\n")
    new, alone = (
        yaml.safe_load(text)["FSMState_StandUp"] for text in (controller_yaml(env, path), controller_yaml(env))
    )
    assert new == {**alone, "joint_kp": [9] * 10}


def test_comments_of_the_controllers_own_file_stay_where_they_are(env: Qmini, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(
        "# policy\nPolicy:\n  action_scale: 0.2 # scale\n  # end of policy\n\n# motors\nmotor: {a: 1}\n\n# walk\n"
        "FSMState_Walk: # walking\n  # gains\n  joint_kp:\n  - 1\n  - 2\n  # limits\n  lin_vel_x_range:\n"
        "  - -0.1 # low\n  - 0.1 # high\n  lin_vel_y_range: [0, 0] # no\n  # below\n\n# imu\nimu: 1 # i\n# end\n"
    )
    for _ in range(2):
        merged = controller_yaml(env, path)
        lines = [line.strip() for line in merged.splitlines() if line.strip()]
        before = {line: lines[at - 1] for at, line in enumerate(lines)}
        assert before["motor: {a: 1}"] == "# motors" and before["# motors"] == "# end of policy"
        assert lines[lines.index("FSMState_Walk: # walking") + 1] == "# gains" == lines[lines.index(LINE_KP) - 1]
        assert before["# limits"] == LINE_KP and before["imu: 1 # i"] == "# imu" and before["# imu"] == "# below"
        assert re.search(r"lin_vel_y_range: \[0, 0\] # no; trained: .* m/s\n", merged) and "# low" in merged
        path.write_text(merged)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("[-0.1, 0.1]", "[-0.1, 0.9]"), r"lin_vel_x_range' must be within \[.*\], which .* got \[-0.1, 0.9\]"),
        (("[-0.1, 0.1]", "[false, false]"), r"lin_vel_x_range' must be within .* got \[False, False\]"),
        ((ROBOTS_FILE, "FSMState_Walk: &w {a: 1}\nFSMState_Run: *w"), r"'FSMState_Run' shares values with a section"),
        (
            (ROBOTS_FILE, f"FSMState_Walk: &w {{joint_kp: {[9] * 10}}}\nFSMState_StandUp: {{<<: *w}}"),
            "'FSMState_StandUp' shares",
        ),
        (("[-0.1, 0.1]", "fast"), r"lin_vel_x_range' must be within .* got 'fast'"),
        (("FSMState_Walk:", "FSMState_Walk: [1]\nother:"), r"'FSMState_Walk' must be a section"),
        (("[0.3", "[.nan"), r"'FSMState_StandUp.joint_standup_q' must be .*, got \[nan"),
        (("joint_kp: [4", "joint_kp: [-4"), r"'FSMState_StandUp.joint_kp' must be .*, got \[-4"),
        (("joint_kp: [40, 80, ", "joint_kp: ["), r"'FSMState_StandUp.joint_kp' must be 10 numbers"),
        (
            ("motor:", "Policy: {joint_names: [a, b]}\nmotor:"),
            r"'Policy.joint_names' must be this policy's, .* got \['a'",
        ),
        (("imu: {", "imu: [{"), r"can't read '.*config.yaml': it is not a YAML file"),
        ((ROBOTS_FILE, "- 1"), r"config.yaml: must hold the sections"),
    ],
)
def test_files_that_can_not_be_merged_are_one_clear_error(
    env: Qmini, tmp_path: Path, change: tuple[str, str], message: str
) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(ROBOTS_FILE.replace(*change))
    with pytest.raises(UserError, match=message):
        controller_yaml(env, path)


def test_former_module_names_hand_on_the_same(files: dict[str, Path], runner: OnPolicyRunnerEE, env: Qmini) -> None:
    from legged_gym.utils import export, policy_contract

    assert export.controller_yaml(runner, env) == files["controller"].read_text()
    contract = policy_contract.exported_contract(files["metadata"].parent, "qmini")
    assert contract["control"]["action_scale"] == export.policy_metadata(runner, env)["control"]["action_scale"]


def test_controller_file_holds_this_policys_pose_and_gains(files: dict[str, Path]) -> None:
    text = files["controller"].read_text()
    assert "&" not in text, "the controller's parser should not need YAML aliases"
    config = yaml.safe_load(text)
    pose = [0.35, 0.0, -1.45, 1.15, -1.18, -0.35, 0.0, 1.45, -1.15, 1.18]
    gains = {"joint_kp": [20.0, 60.0, 30.0, 30.0, 20.0] * 2, "joint_kd": [0.75, 2.0, 1.0, 1.0, 0.75] * 2}
    assert config == {
        "FSMState_StandUp": {
            "joint_standup_q": [0.35, -0.05, -1.5, 1.2, -1.0, -0.35, 0.05, 1.5, -1.2, 1.0],
            "joint_kp": [40.0, 80.0, 40.0, 40.0, 40.0] * 2,
            "joint_kd": [2.0, 4.0, 2.0, 2.0, 2.0] * 2,
        },
        "FSMState_Walk": {
            "default_joint_angles": pose,
            **gains,
            "gait_period": 0.5,
            "gait_offsets": [0.0, 0.5],
            "low_vel_thresholds": [0.05, 0.05, 0.1],
            "lin_vel_x_range": [-0.15, 0.2],
            "lin_vel_y_range": [0.0, 0.0],
            "ang_vel_yaw_range": [-0.3, 0.3],
        },
        "Policy": {
            "joint_names": [f"{joint}_{side}" for side in "lr" for joint in JOINTS],
            "foot_names": ["ankle_pitch_l", "ankle_pitch_r"],
            "control_dt": 0.02,
            "action_scale": 0.25,
            "history_length": 5,
            "observation_terms": [
                "base_ang_vel",
                "projected_gravity",
                "commands",
                "dof_pos",
                "dof_vel",
                "actions",
                "gait_clock",
            ],
            "observation_scales": [0.25, 1.0, [2.0, 2.0, 0.25], 1.0, 0.05, 1.0, 1.0],
            "observation_noise": {"base_ang_vel": 0.2, "projected_gravity": 0.05, "dof_pos": 0.01, "dof_vel": 1.5},
            "start_noise": {"dof_pos": [0.1, 0.1, 0.2, 0.2, 0.2] * 2, "velocity": 0.1, "orientation": 0.1},
            "body": {
                "collapse_fixed_joints": True,
                "replace_cylinder_with_capsule": True,
                "balance_inertia": False,
                "density": 0.001,
                "armature": 0.0,
            },
            "joint_dynamics": {
                "joint_armature": [0.0045, 0.0405, 0.0045, 0.0045, 0.0045] * 2,
                "joint_damping": [0.0055] * 10,
                "joint_friction": [0.00505] * 10,
            },
            "foot_contact_force": 2.0,
            "contact_force_threshold": 1.0,
            "fall_protection_tilt": 0.349066,
            "actor_input": ["observation", "estimator output"],
            "labels": QMINI_LABELS.to_list(),
            **{f"{axis}_range": getattr(QminiCfg.commands.ranges, axis) for axis in AXES},
        },
    }


def test_controller_runs_by_the_exported_files_alone(
    files: dict[str, Path], runner: OnPolicyRunnerEE, env: Qmini
) -> None:
    loaded = load_policy(files["controller"].parent)
    assert loaded.config.joint_names == env.dof_names
    assert {name: getattr(loaded.config, name) for name in ("control_dt", "action_scale", "history_length")} == {
        "control_dt": 0.02, "action_scale": 0.25, "history_length": 5
    }  # fmt: skip
    controller, quat = Controller(loaded), np.array([1.0, 0.0, 0.0, 0.0])
    pose = np.array(loaded.config.default_angles)
    controller.update(Sensors(quat, np.array([0.1, 0.2, 0.3]), pose + 0.1, np.zeros(10)), (0.4, 0.0, 0.3))
    step = torch.zeros(43)
    step[0:3] = torch.tensor([0.025, 0.05, 0.075])
    step[5], step[6], step[8], step[9:19] = -1.0, 0.8, 0.075, 0.1
    first = 2.0 * math.pi * 0.04
    step[39], step[40], step[41], step[42] = math.sin(first), -math.sin(first), math.cos(first), -math.cos(first)
    with torch.inference_mode():
        obs = env.get_observations()[:1].clone()
        obs["policy"] = step.repeat(1, 5)
        np.testing.assert_allclose(controller.action, runner.get_inference_policy()(obs)[0], atol=1e-5)


def test_files_hold_no_path_of_this_machine(files: dict[str, Path]) -> None:
    for path in files.values():
        content = path.read_bytes()
        for folder in (LEGGED_GYM_ROOT_DIR, str(Path(torch.__file__).parent)):
            assert folder.encode() not in content, path.name


def test_policy_that_sees_more_than_a_robot_is_exported_but_not_for_the_controller(tmp_path: Path) -> None:
    env = make_env(2)
    runner = make_runner(env, obs_groups__actor=["policy", "estimate", "privileged"])
    files = export_policy(runner, env, tmp_path, steps=2)
    read = json.loads(files["metadata"].read_text())["actor"]["input"]
    assert read == ["observation", "estimator output", "privileged"]
    with pytest.raises(UserError, match=r"the actor reads 'privileged', which a robot can't measure"):
        load_policy(tmp_path)


def test_policy_of_torques_says_so_and_is_not_for_the_controller(tmp_path: Path) -> None:
    env = make_env(2, control__control_type="T")
    files = export_policy(make_runner(env), env, tmp_path)
    control = json.loads(files["metadata"].read_text())["control"]
    assert control["target"] == "torque action_scale * action, clipped to the torque limit"
    with pytest.raises(UserError, match=r"'Policy\.torque_law': the robot's controller only takes joint angles"):
        load_policy(tmp_path)
    env.close()


def test_unwritable_folder_is_one_clear_error(runner: OnPolicyRunnerEE, env: Qmini, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match=r"cannot write to folder .*exported: Not a directory"):
        export_policy(runner, env, tmp_path / "file" / "exported")
