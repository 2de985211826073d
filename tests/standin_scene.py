"""Small scenes in the stand-in of Isaac Gym, for scripts that tests run in processes of their own."""

from __future__ import annotations

import os
import tempfile
from typing import Any

from isaacgym import gymapi, gymtorch

import numpy as np  # isort: skip
import torch  # isort: skip - after isaacgym, as there

GYM = gymapi.acquire_gym()
BOX = """<robot name="box"><link name="box">
  <inertial><mass value="2"/><inertia ixx="0.02" ixy="0" ixz="0" iyy="0.02" iyz="0" izz="0.02"/></inertial>
  <collision><geometry><box size="0.2 0.2 0.2"/></geometry></collision></link></robot>"""
ARM = """<robot name="arm"><link name="base">
  <inertial><mass value="1"/><inertia ixx="0.01" ixy="0" ixz="0" iyy="0.01" iyz="0" izz="0.01"/></inertial></link>
  <link name="upper"><inertial><origin xyz="0 0 -0.2"/><mass value="0.5"/>
    <inertia ixx="0.004" ixy="0" ixz="0" iyy="0.004" iyz="0" izz="0.001"/></inertial></link>
  <link name="lower"><inertial><origin xyz="0 0 -0.1"/><mass value="0.3"/>
    <inertia ixx="0.002" ixy="0" ixz="0" iyy="0.002" iyz="0" izz="0.001"/></inertial>
    <collision><origin xyz="0 0 -0.1"/><geometry><sphere radius="0.03"/></geometry></collision></link>
  <joint name="shoulder" type="revolute"><parent link="base"/><child link="upper"/><axis xyz="0 1 0"/>
    <limit lower="-3" upper="3" effort="50" velocity="100"/></joint>
  <joint name="elbow" type="revolute"><parent link="upper"/><child link="lower"/><origin xyz="0 0 -0.4"/>
    <axis xyz="0 1 0"/><limit lower="-3" upper="3" effort="50" velocity="100"/></joint></robot>"""


def options(**values: Any) -> gymapi.AssetOptions:
    out = gymapi.AssetOptions()
    out.angular_damping, out.default_dof_drive_mode = 0.0, 3
    for name, value in values.items():
        setattr(out, name, value)
    return out


def new_sim(gpu: bool = False, **values: Any) -> gymapi.Sim:
    params = gymapi.SimParams()
    params.dt, params.substeps, params.up_axis = 0.005, 1, gymapi.UP_AXIS_Z
    params.gravity, params.use_gpu_pipeline = gymapi.Vec3(0.0, 0.0, -9.81), gpu
    for name, value in values.items():
        setattr(params, name, value)
    return GYM.create_sim(0, -1, gymapi.SIM_PHYSX, params)


def add_plane(sim: gymapi.Sim, friction: float = 1.0) -> None:
    plane = gymapi.PlaneParams()
    plane.normal, plane.static_friction, plane.dynamic_friction = gymapi.Vec3(0, 0, 1), friction, friction
    GYM.add_ground(sim, plane)


def load(sim: gymapi.Sim, urdf: str, **values: Any) -> gymapi.Asset:
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "robot.urdf"), "w") as file:
            file.write(urdf)
        return GYM.load_asset(sim, folder, "robot.urdf", options(**values))


def place(sim: gymapi.Sim, asset: gymapi.Asset, height: float = 1.0, **values: Any) -> tuple[gymapi.Env, int]:
    env = GYM.create_env(sim, gymapi.Vec3(-1, -1, 0), gymapi.Vec3(1, 1, 1), 4)
    pose = gymapi.Transform(gymapi.Vec3(0, 0, height))
    return env, GYM.create_actor(env, asset, pose, "robot", values.get("group", 0), values.get("filter", 0), 0)


def scene(urdf: str = BOX, envs: int = 1, gpu: bool = False, height: float = 1.0, **values: Any) -> gymapi.Sim:
    """Make a sim with one actor per env, ready for prepare_sim."""
    sim = new_sim(gpu)
    add_plane(sim)
    asset = load(sim, urdf, **values)
    for _ in range(envs):
        place(sim, asset, height)
    return sim


def prepared(*args: Any, **values: Any) -> gymapi.Sim:
    sim = scene(*args, **values)
    GYM.prepare_sim(sim)
    return sim


def tensor(sim: gymapi.Sim, what: str) -> torch.Tensor:
    """Acquire, wrap and refresh one of the state tensors."""
    out = gymtorch.wrap_tensor(getattr(GYM, f"acquire_{what}_tensor")(sim))
    refresh(sim, what)
    return out


def refresh(sim: gymapi.Sim, *names: str) -> None:
    for what in names:
        getattr(GYM, f"refresh_{what}_tensor")(sim)


def step(sim: gymapi.Sim, count: int = 1, efforts: Any = None) -> None:
    for _ in range(count):
        if efforts is not None:
            forces = torch.as_tensor(efforts, dtype=torch.float32).reshape(-1)
            GYM.set_dof_actuation_force_tensor(sim, gymtorch.unwrap_tensor(forces))
        GYM.simulate(sim)
        GYM.fetch_results(sim, True)


def indices(*numbers: int) -> torch.Tensor:
    return torch.tensor(numbers, dtype=torch.int32)


__all__ = ["ARM", "BOX", "GYM", "gymapi", "gymtorch", "np", "torch"]
