"""A Python that has the stand-in of Isaac Gym, and small tasks on it."""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import torch
from conftest import quiet, small_cfg

from legged_gym.envs import QminiCfg
from legged_gym.envs.base.terrain import Terrain
from legged_gym.simulators.isaacgym_sim import IsaacGymSimulator

STANDIN = Path(__file__).with_name("isaacgym_standin")


def python_with(folder: Path, *packages: Path, **environment: str) -> Path:
    """Write a script that is this Python with other packages on its path, and return it.

    Args:
        folder: Where to write it.
        packages: Folders of packages; the stand-in's if none is named.
        environment: Variables to set.
    """
    path = os.pathsep.join(map(str, packages or (STANDIN,)))
    values = " ".join(f"{name}={shlex.quote(value)}" for name, value in {"PYTHONPATH": path, **environment}.items())
    script = folder / "python3.8"
    script.write_text(f'#!/bin/sh\n{values} exec {shlex.quote(sys.executable)} "$@"\n')
    script.chmod(0o755)
    return script


def isaacgym_cfg(num_envs: int = 4, plane: bool = True) -> QminiCfg:
    """Return Qmini's configuration without anything random; wrong calls of Isaac Gym's are soon found to hang."""
    cfg = quiet(small_cfg(num_envs, plane))
    cfg.sim.physx.num_threads = 1
    cfg.sim.physx.time_out = 30.0
    return cfg


@contextlib.contextmanager
def simulator(cfg: QminiCfg, num_envs: int = 4) -> Iterator[IsaacGymSimulator]:
    """Make the back-end and close it in the end."""
    terrain = None if cfg.terrain.mesh_type == "plane" else Terrain(cfg.terrain, seed=0)
    sim = IsaacGymSimulator(cfg, terrain, num_envs)
    try:
        yield sim
    finally:
        sim.close()


def everyone(num_envs: int = 4) -> torch.Tensor:
    return torch.ones(num_envs, dtype=torch.bool)


def process_of(sim: IsaacGymSimulator) -> int:
    """Return the id of the process that runs Isaac Gym."""
    assert sim._link._process is not None
    return sim._link._process.pid


def is_running(pid: int) -> bool:
    """Whether a process is there and is not only waiting to be reaped."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    return False
