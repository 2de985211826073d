"""Which simulator and devices are taken when nobody names them."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest
import torch
from conftest import small_cfg

from legged_gym.cli.arguments import get_args
from legged_gym.cli.job import resolve
from legged_gym.common.devices import learning_device
from legged_gym.common.errors import UserError
from legged_gym.envs import QminiCfg, task_registry
from legged_gym.runners.config import default_num_envs, default_num_epochs
from legged_gym.runners.runs import save_run_config
from legged_gym.simulators.backend import choose_backend


def machine(monkeypatch: pytest.MonkeyPatch, gpu: bool, extra: bool) -> None:
    """Let this look like a machine with or without a GPU and MuJoCo Warp."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    spec = importlib.util.find_spec("torch") if extra else None
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)


@pytest.mark.parametrize(
    ("gpu", "extra", "argv", "few", "chosen", "said"),
    [
        (True, True, [], False, ("warp", "cuda", "cuda"), "simulator: warp (on an NVIDIA GPU)\n"),
        (False, True, [], False, ("mujoco", "cpu", "cpu"), "no NVIDIA GPU was found; --sim=warp needs one"),
        (True, False, [], False, ("mujoco", "cpu", "cuda"), "to use the GPU: pip install -e '.[warp]'"),
        (True, True, [], True, ("mujoco", "cpu", "cpu"), "with few robots it starts sooner than --sim=warp"),
        (False, True, [], True, ("mujoco", "cpu", "cpu"), ""),
        (True, False, [], True, ("mujoco", "cpu", "cpu"), ""),
        (True, True, ["--sim=mujoco"], False, ("mujoco", "cpu", "cuda"), ""),
        (True, True, ["--sim=warp"], True, ("warp", "cuda", "cuda"), ""),
        (True, True, ["--sim=warp", "--sim_device=cuda:1"], False, ("warp", "cuda:1", "cuda:1"), ""),
        (True, True, ["--sim_device=cuda:1"], False, ("warp", "cuda:1", "cuda:1"), "--sim_device=cuda:1"),
        (True, True, ["--sim_device=cpu"], False, ("mujoco", "cpu", "cuda"), "--sim_device=cpu"),
        (False, True, ["--sim=warp", "--sim_device=cpu"], False, ("warp", "cpu", "cpu"), ""),
        (True, True, ["--rl_device=cpu"], False, ("warp", "cuda", "cpu"), "simulator: warp"),
    ],
)
def test_choice(
    gpu: bool, extra: bool, argv: list[str], few: bool, chosen: tuple[str, str, str], said: str,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    machine(monkeypatch, gpu, extra)
    args = get_args(argv)
    choose_backend(args, few_robots=few)
    assert (args.sim, args.sim_device, args.rl_device) == chosen
    output = getattr(args, "note", "")
    assert said in output
    assert output.count("\n") == bool(said)
    choose_backend(args)
    assert (args.sim, args.sim_device, args.rl_device) == chosen
    assert capsys.readouterr().out == ""


def test_warp_without_a_gpu_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, gpu=False, extra=True)
    with pytest.raises(UserError, match="--sim=warp needs an NVIDIA GPU, but no NVIDIA GPU was found; --sim=mujoco"):
        choose_backend(get_args(["--sim=warp"]))


def test_a_pytorch_without_cuda_is_told_from_a_machine_without_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, gpu=False, extra=True)
    monkeypatch.setattr(torch.version, "cuda", None)
    monkeypatch.setattr("os.path.exists", lambda path: True)
    with pytest.raises(UserError, match="PyTorch was built without CUDA"):
        choose_backend(get_args(["--sim=warp"]))


def test_choosing_does_not_import_the_simulator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for name in [name for name in sys.modules if name.split(".")[0] in {"mujoco_warp", "warp"}]:
        monkeypatch.delitem(sys.modules, name)
    choose_backend(get_args([]))
    assert not {"mujoco_warp", "warp"} & set(sys.modules)


def test_networks_run_beside_the_simulation_or_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, gpu=True, extra=True)
    assert [learning_device(device) for device in ("cuda:3", "cpu")] == ["cuda:3", "cuda"]
    machine(monkeypatch, gpu=False, extra=True)
    assert learning_device("cpu") == "cpu"


def test_a_gpu_gets_more_robots() -> None:
    cfg = QminiCfg()
    assert (default_num_envs(cfg, "cpu"), default_num_envs(cfg, "cuda:1")) == (256, 4096)


def test_an_environment_without_a_command_line_runs_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, gpu=True, extra=True)
    env, _ = task_registry.make_env("qmini", env_cfg=small_cfg(1))
    assert (type(env.sim).__name__, env.device) == ("MujocoSimulator", "cpu")
    env.close()


def test_a_new_training_takes_the_devices_number_of_robots() -> None:
    for device, robots in (("cpu", 256), ("cuda:0", 4096)):
        job = resolve(get_args(["--sim=warp", f"--sim_device={device}"]))
        assert job.env_cfg.env.num_envs == robots


def test_a_resumed_training_keeps_its_simulator_and_robots(tmp_path: Path) -> None:
    env_cfg, train_cfg = task_registry.get_cfgs("qmini")
    env_cfg.env.num_envs = 7
    folder = tmp_path / "qmini" / "2026-01-01_00-00-00"
    folder.mkdir(parents=True)
    save_run_config(str(folder), "qmini", env_cfg, train_cfg, "warp")
    (folder / "model_0.pt").touch()
    job = resolve(get_args(["--resume", "--sim_device=cuda:0", f"--log_root={tmp_path}"]))
    assert (job.sim, job.env_cfg.env.num_envs, job.train_cfg.runner.load_run) == ("warp", 7, str(folder))


def test_fewer_epochs_where_a_processor_learns() -> None:
    epochs = []
    for flags in ((), ("--set=algorithm.num_learning_epochs=4",), ("--task=qmini_published",)):
        job = resolve(get_args(["--sim=mujoco", "--rl_device=cpu", *flags]))
        epochs.append(job.train_cfg.algorithm.num_learning_epochs)
    assert epochs == [3, 4, 5]
    _, train_cfg = task_registry.get_cfgs("qmini")
    assert default_num_epochs(train_cfg, "cuda:0") == 5
