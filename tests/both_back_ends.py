"""How near MuJoCo Warp on its CPU device is to MuJoCo C: ``python tests/both_back_ends.py [NAME or FILE ...]``.

Without arguments, every robot that ``test_robot_files.py`` writes, and the shipped ones. A file is a URDF or an MJCF
of your own. ``--steps`` control steps with random actions; the table shows the largest difference of a joint's angle
(or slide) and of the base's position after a tenth of them and after all, and of the mass matrix, relative to its
largest entry, in the last pose. A robot that falls over multiplies differences; feet of many contacts do so sooner.
"""

from __future__ import annotations

import argparse
import contextlib
import tempfile
import warnings
from pathlib import Path

import mujoco
import numpy as np
import torch
from quadruped import QuadrupedCfg
from test_robot_files import ROBOTS, config

from legged_gym.common.errors import UserError
from legged_gym.envs import Go2, LeggedRobot, Qmini, task_registry
from legged_gym.envs.base.legged_robot_config import LeggedRobotCfg
from legged_gym.simulators.mujoco_model import build_scene
from legged_gym.simulators.mujoco_sim import MujocoSimulator
from legged_gym.simulators.warp_sim import WarpSimulator

_WIDTHS = (14, 10, 14, 10, 14)
_SHIPPED: dict[str, type[LeggedRobot]] = {"qmini": Qmini, "go2": Go2}


def of_file(path: str, height: float, stiffness: float) -> LeggedRobotCfg:
    """Return a task of any robot, which stands at zero or in the middle of its joints' ranges."""
    cfg = QuadrupedCfg()
    cfg.asset.file, cfg.asset.terminate_after_contacts_on, cfg.asset.penalize_contacts_on = path, [], []
    cfg.asset.balance_inertia, cfg.noise.add_noise, cfg.init_state.pos = True, False, [0.0, 0.0, height]
    scene = build_scene(cfg)
    ranges = scene.model.jnt_range[scene.joint_ids]
    angles = np.where((ranges[:, 0] <= 0.0) & (ranges[:, 1] >= 0.0), 0.0, ranges.mean(axis=1))
    cfg.init_state.default_joint_angles = dict(zip(scene.dof_names, angles, strict=True))
    cfg.control.stiffness = dict.fromkeys(scene.dof_names, stiffness)
    cfg.control.damping = dict.fromkeys(scene.dof_names, stiffness / 30.0)
    cfg.asset.foot_name = [name for name, can in zip(scene.body_names, scene.touching, strict=True) if can][-1]
    return cfg


def shipped(name: str) -> LeggedRobotCfg:
    """Return a shipped robot's task on a plane, without anything random, as the two draw for themselves."""
    cfg, _ = task_registry.get_cfgs(name)
    cfg.env.num_envs, cfg.terrain.mesh_type, cfg.motors.armature = 2, "plane", {}
    for setting in vars(cfg.domain_rand):
        if setting.startswith(("randomize_", "push_robots")):
            setattr(cfg.domain_rand, setting, False)
    return cfg


def compare(cfg: LeggedRobotCfg, steps: int, task: type[LeggedRobot] = LeggedRobot) -> list[float]:
    """Return differences of angles and places after a tenth of the steps and after all, and of the mass matrix."""
    with contextlib.ExitStack() as stack:
        ours, theirs = (stack.enter_context(contextlib.closing(task(cfg, sim))) for sim in ("mujoco", "warp"))
        assert isinstance(ours.sim, MujocoSimulator) and isinstance(theirs.sim, WarpSimulator)
        torch.manual_seed(0)
        rows: list[list[float]] = []
        for _ in range(steps):
            actions = 0.3 * torch.randn(ours.num_envs, ours.num_dof)
            for env in (ours, theirs):
                env.step(actions)
            pairs = ((ours.dof_pos, theirs.dof_pos), (ours.root_states[:, :3], theirs.root_states[:, :3]))
            rows.append([float((one - other).abs().max()) for one, other in pairs])
        everyone = torch.ones_like(theirs.reset_buf)
        theirs.sim.set_state(everyone, ours.root_states.clone(), ours.dof_pos.clone(), ours.dof_vel.clone())
        model = theirs.sim.scene.model
        data = mujoco.MjData(model)
        data.qpos[:] = theirs.sim._data.qpos.numpy()[0]
        mujoco.mj_forward(model, data)
        matrix = theirs.sim._data.M.numpy()[0].ravel()[: len(data.M)]
        return [*rows[steps // 10], *rows[-1], float(np.abs(matrix - data.M).max() / np.abs(data.M).max())]


def main() -> None:
    """Compare, and print a row for each robot."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("robots", nargs="*", metavar="NAME or FILE", help="default: all that the tests know")
    parser.add_argument("--steps", type=int, default=50, help="control steps (default: %(default)s)")
    parser.add_argument("--height", type=float, default=0.5, help="start height of a file's base, m")
    parser.add_argument("--stiffness", type=float, default=30.0, help="P gain of a file's joints, N·m/rad")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    late, end = f"after {args.steps // 10 + 1}", f"after {args.steps}"
    print(f"{'':24}{late + ': rad':>14}{'m':>10}{end + ': rad':>14}{'m':>10}{'mass matrix':>14}")
    for name in args.robots or [*ROBOTS, *_SHIPPED]:
        with tempfile.TemporaryDirectory() as folder:
            try:
                if name in ROBOTS:
                    cfg: LeggedRobotCfg = config(Path(folder), *ROBOTS[name])
                else:
                    cfg = shipped(name) if name in _SHIPPED else of_file(name, args.height, args.stiffness)
                found = compare(cfg, args.steps, _SHIPPED.get(name, LeggedRobot))
            except UserError as error:
                print(f"{name}: {error}", flush=True)
                continue
        print(f"{Path(name).name:24}" + "".join(f"{value:>{w}.1e}" for value, w in zip(found, _WIDTHS, strict=True)))


if __name__ == "__main__":
    main()
