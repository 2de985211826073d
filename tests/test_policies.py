"""Policies are found where users say, and act the same from a checkpoint and from the exported files."""

from __future__ import annotations

import importlib
import json
import shutil
from pathlib import Path

import onnx
import pytest
import torch
import yaml
from evaluation_policies import RUN, make_policy

from legged_gym.common.errors import UserError
from legged_gym.envs import QminiCfg, task_registry
from legged_gym.policies.contract import apply_contract
from legged_gym.policies.finder import POLICY, Policy, find_checkpoint, find_exported, find_policy, load_policy
from legged_gym.runners import runs
from legged_gym.runners.checkpoint import read_checkpoint, write_checkpoint


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_policy(tmp_path_factory.mktemp("logs"))


@pytest.fixture
def copy(run: Path, tmp_path: Path) -> Path:
    """Return a copy of the run that a test may damage."""
    return Path(shutil.copytree(run, tmp_path / "qmini" / RUN))


@pytest.fixture
def checkout(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Return a folder that stands for the checkout."""
    monkeypatch.setattr(runs, "LEGGED_GYM_ROOT_DIR", str(tmp_path))
    return tmp_path


def load(spec: Path | str, root: Path | str = "nowhere") -> Policy:
    return load_policy(find_policy(str(spec), "qmini", str(root)))


def test_checkpoint_and_exported_files_agree(run: Path) -> None:
    checkpoint, exported = load(run), load(run / "exported")
    observation = torch.randn(50, 215, generator=torch.Generator().manual_seed(1))
    (estimate, actions), (onnx_estimate, onnx_actions) = checkpoint.act(observation), exported.act(observation)
    assert estimate is not None and onnx_estimate is not None
    assert estimate.shape == (50, 5) and actions.shape == (50, 10)
    assert actions.abs().max() > 0.01
    torch.testing.assert_close(onnx_estimate, estimate, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(onnx_actions, actions, rtol=1e-5, atol=1e-5)
    again = load(run).act(observation)
    assert torch.equal(again[1], actions) and not actions.requires_grad


def test_the_runner_acts_alike(run: Path) -> None:
    from qmini_training import make_env, make_runner

    env = make_env(num_envs=3)
    runner = make_runner(env)
    runner.load(str(run / "model_0.pt"), {"actor": True})
    obs = env.get_observations()
    torch.testing.assert_close(load(run).act(obs["policy"])[1], runner.get_inference_policy()(obs))
    env.close()


@pytest.mark.parametrize("spec", ["{run}", RUN, "{run}/model_0.pt"])
def test_a_run_is_found_by_folder_name_and_checkpoint(run: Path, spec: str) -> None:
    source = find_policy(spec.format(run=run), "qmini", str(run.parent))
    assert Path(source.path) == run / "model_0.pt"
    assert source.name == f"{RUN}/model_0"


@pytest.mark.parametrize("spec", ["{run}", RUN, "{run}/model_0.pt", "{run}/exported", "", None, -1])
def test_every_word_names_a_checkpoint_and_its_exported_networks(run: Path, spec: str | int | None) -> None:
    word = spec.format(run=run) if isinstance(spec, str) else spec
    assert Path(find_checkpoint(word, "qmini", str(run.parent)).path) == run / "model_0.pt"
    assert Path(find_exported(word, "qmini", str(run.parent)).path) == run / "exported"


def test_networks_of_another_checkpoint_are_not_taken(copy: Path) -> None:
    shutil.copy(copy / "model_0.pt", copy / "model_7.pt")
    assert Path(find_exported(str(copy), "qmini", "").path) == copy / "model_7.pt"
    assert Path(find_exported(f"{copy}/model_0.pt", "qmini", "").path) == copy / "exported"
    assert Path(find_checkpoint(f"{copy}/exported", "qmini", "").path) == copy / "model_0.pt"
    with pytest.raises(UserError, match=r"--checkpoint=7 needs a run, and '.*/model_0.pt' is a single policy"):
        find_policy(f"{copy}/model_0.pt", "qmini", "", 7)


@pytest.mark.parametrize("script", ["train", "play", "export", "evaluate", "sim2sim", "check_log"])
def test_every_help_says_the_same_of_a_policy(
    script: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", [f"{script}.py", "--help"])
    with pytest.raises(SystemExit):
        importlib.import_module(f"legged_gym.scripts.{script}").main()
    text = " ".join(capsys.readouterr().out.split())
    assert POLICY in text and "--load_run POLICY" in text and "--policy POLICY" in text


def test_the_newest_run_is_the_default(run: Path) -> None:
    assert Path(find_policy(None, "qmini", str(run.parent)).path) == run / "model_0.pt"


def test_a_policy_can_be_given_a_name(run: Path) -> None:
    assert load(f"best={run}").name == "best"
    assert load(run / "exported").name == f"{RUN} (ONNX)"


def test_the_digest_is_that_of_the_files(run: Path, copy: Path) -> None:
    assert load(run).digest == load(copy).digest != load(run / "exported").digest
    checkpoint = read_checkpoint(copy / "model_0.pt")
    checkpoint["iter"] += 1
    write_checkpoint(copy / "model_0.pt", checkpoint)
    assert load(run).digest != load(copy).digest


def contracted(policy: Policy) -> QminiCfg:
    cfg, _ = task_registry.get_cfgs("qmini")
    apply_contract(policy.path, policy.contract, cfg)
    assert isinstance(cfg, QminiCfg)
    return cfg


@pytest.mark.parametrize("kept", ["checkpoint", "qmini_metadata.json", "qmini_controller.yaml"])
def test_what_a_policy_is_tied_to_comes_with_it(copy: Path, kept: str) -> None:
    if kept == "checkpoint":
        policy = load(copy)
    else:
        other = {"qmini_metadata.json", "qmini_controller.yaml"} - {kept}
        (copy / "exported" / other.pop()).unlink()
        policy = load(copy / "exported")
    cfg = contracted(policy)
    assert cfg.gait.period == pytest.approx(0.6)
    assert cfg.init_state.default_joint_angles["knee_pitch_r"] == pytest.approx(-1.15)
    if kept != "qmini_controller.yaml":  # Which knows no action scale.
        assert cfg.control.action_scale == pytest.approx(0.2)


def test_the_controllers_pose_and_gains_count(copy: Path) -> None:
    path = copy / "exported" / "qmini_controller.yaml"
    (copy / "exported" / "qmini_metadata.json").unlink()
    controller = yaml.safe_load(path.read_text())
    controller["FSMState_Walk"]["default_joint_angles"][3] = 1.2
    controller["FSMState_Walk"]["joint_kp"][9] = 33.0
    path.write_text(yaml.safe_dump(controller))
    cfg = contracted(load(copy / "exported"))
    assert cfg.init_state.default_joint_angles["knee_pitch_l"] == 1.2
    assert (cfg.control.stiffness["ankle_pitch_r"], cfg.control.stiffness["ankle_pitch_l"]) == (33.0, 20.0)


def test_networks_alone_are_tied_to_nothing(copy: Path) -> None:
    for name in ("qmini_metadata.json", "qmini_controller.yaml"):
        (copy / "exported" / name).unlink()
    assert load(copy / "exported").contract == {}


def test_a_shipped_policy_is_found_without_a_run(run: Path, checkout: Path) -> None:
    with pytest.raises(UserError, match="comes with the project, only of"):
        find_policy("shipped", "qmini", "nowhere")
    folder = checkout / "resources" / "policies" / "qmini"
    shutil.copytree(run / "exported", folder)
    source = find_policy(None, "qmini", str(checkout / "logs" / "qmini"))
    assert (source.path, source.name) == (str(folder), "shipped")
    assert "no run of your own" in source.note
    assert load_policy(source).num_observations == 215
    assert find_policy("shipped", "qmini", str(run.parent)).note == ""
    assert Path(find_policy(None, "qmini", str(run.parent)).path) == run / "model_0.pt"


def test_errors_say_what_is_wrong(copy: Path, tmp_path: Path) -> None:
    exported = copy / "exported"
    with pytest.raises(UserError, match=f"no run '2026' in .*{RUN}"):
        load("2026", copy.parent)
    with pytest.raises(UserError, match=r"no checkpoint 'gone\.pt'"):
        load("gone.pt")
    (tmp_path / "half").mkdir()
    shutil.copy(exported / "qmini_actor.onnx", tmp_path / "half")
    with pytest.raises(UserError, match=r"must hold one file \*_estimator\.onnx"):
        load(tmp_path / "half")
    (tmp_path / "half" / "qmini_estimator.onnx").write_bytes(b"no network")
    with pytest.raises(UserError, match=r"qmini_estimator\.onnx: ONNX can't load it"):
        load(tmp_path / "half")
    shutil.copy(exported / "qmini_actor.onnx", tmp_path / "half" / "qmini_estimator.onnx")
    with pytest.raises(UserError, match="don't belong together"):
        load(tmp_path / "half")
    (exported / "qmini_metadata.json").write_text(json.dumps({"control": {}}))
    with pytest.raises(UserError, match=r"can't read the policy's metadata .*metadata\.json"):
        load(exported)


def test_networks_of_other_shapes_are_refused(copy: Path) -> None:
    path = str(copy / "exported" / "qmini_actor.onnx")
    model = onnx.load(path)
    model.graph.output.append(onnx.helper.make_tensor_value_info("more", onnx.TensorProto.FLOAT, ["batch", 2]))
    model.graph.node.append(onnx.helper.make_node("Identity", ["output"], ["more"]))
    onnx.save(model, path)
    with pytest.raises(UserError, match=r"must have one float output 'output'"):
        load(copy / "exported")


def change_config(path: Path, section: str, name: str, value: object) -> None:
    checkpoint = read_checkpoint(path)
    checkpoint["config"]["train"][section][name] = value
    write_checkpoint(path, checkpoint)


@pytest.mark.parametrize(
    ("section", "name", "value", "message"),
    [
        ("actor", "class_name", "os:system", "only rsl_rl's networks"),
        ("actor", "hidden_dims", [8, 8], "does not fit"),
        ("actor", "hidden_dims", None, "is damaged"),
    ],
)
def test_checkpoints_of_other_kinds_are_refused(
    copy: Path, section: str, name: str, value: object, message: str
) -> None:
    change_config(copy / "model_0.pt", section, name, value)
    with pytest.raises(UserError, match=message):
        load(copy)


def test_a_policy_of_another_version_is_refused(run: Path) -> None:
    policy = load(run)
    policy.contract["control"]["torque_scale"] = 2.0
    with pytest.raises(UserError, match=r"does not fit this version of the task: .*torque_scale"):
        contracted(policy)
