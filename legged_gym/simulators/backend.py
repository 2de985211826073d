"""Chooses simulator and devices that the command line does not give."""

from __future__ import annotations

import argparse
import importlib.util
import os

from legged_gym.common.devices import DEFAULT_GPU, learning_device, missing_gpu
from legged_gym.common.errors import UserError

DEFAULT_SIM = "mujoco"
"""The simulator that runs on any machine."""
GPU_SIM = "warp"
"""The simulator for NVIDIA GPUs."""
ISAACGYM_SIM = "isaacgym"
"""NVIDIA's former simulator, which runs in its own Python, with or without a GPU."""
ISAACGYM_PYTHON = "ISAACGYM_PYTHON"
"""Environment variable with this Python's path. ``--isaacgym_python`` sets it."""


def choose_backend(args: argparse.Namespace, few_robots: bool = False) -> None:
    """Fill in ``args.sim``, ``args.sim_device`` and ``args.rl_device`` if the command line does not give them.

    ``args.note`` becomes a line for the user with the chosen simulator and the reason, to be shown after all checks. A
    second call changes nothing. With ``few_robots``, as for playing, MuJoCo C on the CPU starts sooner and is fast
    enough.

    Raises:
        UserError: The GPU's simulator was chosen without a GPU, or Isaac Gym's Python without Isaac Gym.
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
    """Choose a simulator for ``--sim_device``, which may be None. Return it and the reason, perhaps empty."""
    if device is not None:
        return (GPU_SIM if device.startswith("cuda") else DEFAULT_SIM), f"--sim_device={device}"
    missing = missing_gpu()
    if missing and not few_robots:
        return DEFAULT_SIM, f"{missing}; --sim={GPU_SIM} needs one"
    installed = importlib.util.find_spec("mujoco_warp") is not None
    if few_robots:
        return DEFAULT_SIM, "" if missing or not installed else f"with few robots it starts sooner than --sim={GPU_SIM}"
    if not installed:
        return DEFAULT_SIM, f"to use the GPU: pip install -e '.[{GPU_SIM}]'"
    return GPU_SIM, "on an NVIDIA GPU"


def hand_on_isaacgym_python(args: argparse.Namespace, sim: str) -> None:
    """Store ``--isaacgym_python`` in the environment, where the simulator and child processes look for it."""
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
