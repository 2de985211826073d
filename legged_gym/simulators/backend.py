"""Which simulator runs, and where, when the command line does not say."""

from __future__ import annotations

import argparse
import importlib.util
import os

from legged_gym.common.devices import DEFAULT_GPU, learning_device, missing_gpu
from legged_gym.common.errors import UserError

DEFAULT_SIM = "mujoco"
"""The simulator that runs anywhere."""
GPU_SIM = "warp"
"""The simulator for NVIDIA GPUs."""
ISAACGYM_SIM = "isaacgym"
"""NVIDIA's former simulator, which runs in a Python of its own, on a GPU only where there is one."""
ISAACGYM_PYTHON = "ISAACGYM_PYTHON"
"""Environment variable that names this Python; ``--isaacgym_python`` sets it."""


def choose_backend(args: argparse.Namespace, few_robots: bool = False) -> None:
    """Fill in ``args.sim``, ``args.sim_device`` and ``args.rl_device`` where the command line left them open.

    ``args.note`` becomes the line that says which simulator was chosen and why, unless it was named; it is for the
    user once nothing can be refused any more. A second call changes nothing. With ``few_robots``, as for playing,
    MuJoCo C on the processor is ready sooner and fast enough.

    Raises:
        UserError: The GPU's simulator was asked for where there is no GPU, or Isaac Gym's Python without Isaac Gym.
    """
    if getattr(args, "sim", None) is None:
        args.sim, reason = _simulator(getattr(args, "sim_device", None), few_robots)
        args.note = f"simulator: {args.sim} ({reason})\n" if reason else ""
    hand_on_isaacgym_python(args, args.sim)
    if getattr(args, "sim_device", None) is None:
        args.sim_device = _simulation_device(args.sim)
    if getattr(args, "rl_device", None) is None:
        args.rl_device = args.sim_device if few_robots else learning_device(args.sim_device)


def _simulator(device: str | None, few_robots: bool) -> tuple[str, str]:
    """Choose a simulator for ``--sim_device``, which may be open, and say why; an empty reason is not worth a line."""
    if device is not None:
        return (GPU_SIM if device.startswith("cuda") else DEFAULT_SIM), f"--sim_device={device}"
    missing = missing_gpu()
    if missing and not few_robots:
        return DEFAULT_SIM, f"{missing}; --sim={GPU_SIM} needs one"
    installed = importlib.util.find_spec("mujoco_warp") is not None
    if few_robots:
        return DEFAULT_SIM, "" if missing or not installed else f"ready sooner with few robots than --sim={GPU_SIM}"
    if not installed:
        return DEFAULT_SIM, f"to use the GPU: pip install -e '.[{GPU_SIM}]'"
    return GPU_SIM, "on an NVIDIA GPU"


def hand_on_isaacgym_python(args: argparse.Namespace, sim: str) -> None:
    """Leave ``--isaacgym_python`` where the simulator, and any process started from here, looks for it."""
    python = getattr(args, "isaacgym_python", None)
    if python is None:
        return
    if sim != ISAACGYM_SIM:
        raise UserError(f"--isaacgym_python needs --sim={ISAACGYM_SIM}, not with --sim={sim}")
    os.environ[ISAACGYM_PYTHON] = python


def _simulation_device(sim: str) -> str:
    if sim not in (GPU_SIM, ISAACGYM_SIM):
        return "cpu"
    missing = missing_gpu()
    if missing and sim == GPU_SIM:
        raise UserError(f"--sim={sim} needs an NVIDIA GPU, but {missing}; --sim={DEFAULT_SIM} needs none")
    return "cpu" if missing else DEFAULT_GPU
