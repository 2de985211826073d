"""Which simulator and devices are taken when nobody names them."""

from __future__ import annotations

import importlib.util
import sys

import pytest
import torch
from conftest import small_cfg

from legged_gym.envs import QminiCfg, task_registry
from legged_gym.utils.backend import choose_backend, default_num_envs, learning_device
from legged_gym.utils.errors import UserError
from legged_gym.utils.helpers import get_args


def machine(monkeypatch: pytest.MonkeyPatch, gpu: bool, extra: bool) -> None:
    """Let this look like a machine with or without a GPU and MuJoCo Warp."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    spec = importlib.util.find_spec("torch") if extra else None
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)


@pytest.mark.parametrize(
    ("gpu", "extra", "argv", "few", "chosen", "said"),
    [
        (True, True, [], False, ("warp", "cuda:0", "cuda:0"), "simulator: warp (on cuda:0)\n"),
        (False, True, [], False, ("mujoco", "cpu", "cpu"), "no NVIDIA GPU was found; --sim=warp needs one"),
        (True, False, [], False, ("mujoco", "cpu", "cuda:0"), "to use the GPU: pip install -e '.[warp]'"),
        (True, True, [], True, ("mujoco", "cpu", "cpu"), "ready sooner with few robots than --sim=warp"),
        (False, True, [], True, ("mujoco", "cpu", "cpu"), ""),
        (True, False, [], True, ("mujoco", "cpu", "cpu"), ""),
        (True, True, ["--sim=mujoco"], False, ("mujoco", "cpu", "cuda:0"), ""),
        (True, True, ["--sim=warp"], True, ("warp", "cuda:0", "cuda:0"), ""),
        (True, True, ["--sim=warp", "--sim_device=cuda:1"], False, ("warp", "cuda:1", "cuda:1"), ""),
        (True, True, ["--sim_device=cuda:1"], False, ("warp", "cuda:1", "cuda:1"), "--sim_device=cuda:1"),
        (True, True, ["--sim_device=cpu"], False, ("mujoco", "cpu", "cuda:0"), "--sim_device=cpu"),
        (False, True, ["--sim=warp", "--sim_device=cpu"], False, ("warp", "cpu", "cpu"), ""),
        (True, True, ["--rl_device=cpu"], False, ("warp", "cuda:0", "cpu"), "simulator: warp"),
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
    output = capsys.readouterr().out
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
    assert [learning_device(device) for device in ("cuda:3", "cpu")] == ["cuda:3", "cuda:0"]
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
