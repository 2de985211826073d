"""Describes the machine of a measurement."""

from __future__ import annotations

import contextlib
import importlib.metadata
import platform
import re
import subprocess
from pathlib import Path

import torch

from legged_gym.common.paths import git_revision
from legged_gym.common.threads import available_cores

_PACKAGES = ("torch", "mujoco", "warp-lang", "mujoco-warp", "rsl-rl-lib")


def describe_machine(sim: str, device: str) -> dict[str, str]:
    """Return what results depend on besides the code, by name."""
    parts = {"simulator": f"{sim} on {device}", "processor": f"{_processor()}, {available_cores()} cores"}
    if device.startswith("cuda"):
        parts |= {"GPU": torch.cuda.get_device_name(device), "driver": _driver(), "CUDA": str(torch.version.cuda)}
    for name in _PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            parts[name] = importlib.metadata.version(name)
    return {**parts, "Python": platform.python_version(), "commit": git_revision()}


def _processor() -> str:
    with contextlib.suppress(OSError):
        match = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.M)
        if match:
            return match.group(1)
    return platform.processor() or platform.machine()


def _driver() -> str:
    """Return the version of NVIDIA's driver."""
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout.split()[0]
    return "unknown"
