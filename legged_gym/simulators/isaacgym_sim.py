"""Isaac Gym in its own process, because its binaries need an older Python."""

from __future__ import annotations

import tempfile
import warnings
from typing import Any

import numpy as np
import torch

from legged_gym.common.errors import UserError
from legged_gym.simulators import PHYSX_ASSET
from legged_gym.simulators.isaacgym.kinematics import Kinematics
from legged_gym.simulators.isaacgym.link import Block, Link, SharedMemory
from legged_gym.simulators.isaacgym.python import find_interpreter
from legged_gym.simulators.mujoco_model import HeightField, SceneCfg, build_scene
from legged_gym.simulators.simulator import Drive, PhysicsParameters, Simulator

_ROOT, _JOINTS, _VELOCITY = 1, 2, 4
"""The parts of a robot's state to set; see :class:`~legged_gym.simulators.isaacgym.world.World`."""
_NOT_PHYSX = ("substeps", "contact_collection", "velocities_of", "implicit_damping", "time_out")
"""Settings of ``physx`` that stand for something else; PhysX itself knows all others by the same names."""
_ASSET = ("density", "replace_cylinder_with_capsule", *PHYSX_ASSET)
"""Settings that Isaac Gym has under the same names."""


class IsaacGymSimulator(Simulator):
    """Steps all robots in one Isaac Gym scene, on its CPU or its GPU pipeline.

    States and torques go through shared memory, with :meth:`follow` once for each control step. New states are passed
    on with the next step, so several resets and pushes before it cost nothing. After :meth:`set_state`, the states of
    links are computed here and their contact forces are zero, because Isaac Gym only has both after a step.
    """

    follows_drives = True

    def __init__(self, cfg: SceneCfg, terrain: HeightField | None, num_envs: int, device: str = "cpu") -> None:
        """Start Isaac Gym's process; it builds the scene when the first parameters or states are known.

        See :class:`Simulator`; ``cpu`` is Isaac Gym's CPU pipeline, ``cuda`` or ``cuda:N`` its GPU pipeline.
        """
        if torch.device(device).type not in ("cpu", "cuda"):
            raise UserError(f"the isaacgym simulator runs on 'cpu' or 'cuda' devices, not on '{device}' (--sim_device)")
        self.num_envs, self.device, self.dt = num_envs, device, cfg.sim.dt
        self._cfg, self._terrain = cfg, terrain
        self._python = find_interpreter()
        # Names, limits and masses are MuJoCo's. Isaac Gym's are brought into MuJoCo's order by name.
        self.describe(build_scene(cfg))
        self._kinematics = Kinematics(self.scene, device)
        start = [*cfg.init_state.pos, *cfg.init_state.rot, *6 * [0.0]]
        self._start_root = torch.tensor(start, device=device)
        if self.scene.robot.write is None or self.scene.model.neq:
            raise UserError(f"{self.scene.robot.path}: the isaacgym simulator only reads URDFs without <mimic>")
        self._memory = SharedMemory(self._blocks())
        self._shared = {name: torch.from_numpy(array) for name, array in self._memory.arrays.items()}
        self._allocate()
        self._parameters = self._nominal_parameters()
        self._built = False
        try:
            self._link = self._start()
        except BaseException:
            self._memory.close()
            raise
        there = "Python {python}, PyTorch {torch}, NumPy {numpy}".format(**self._link.versions)
        print(f"Isaac Gym: {self._python.path} ({there})")

    def step(self, torques: torch.Tensor, refresh: bool = False) -> None:
        """Advance all robots by one physics step; see :meth:`Simulator.step`."""
        self._build()
        self._shared["torques"].copy_(torques)
        self._link.run(b"T", refresh)
        if refresh:
            self._take_over()
        elif self._on_gpu:
            self._dof.copy_(self._shared["dof"])

    def follow(self, drive: Drive) -> torch.Tensor:
        """Advance all robots by a control step in one exchange; see :meth:`Simulator.follow`."""
        self._build()
        same = all(target is drive.targets[0] for target in drive.targets)
        targets = drive.targets[:1] if same else drive.targets
        for i, target in enumerate(targets):
            self._shared["targets"][i].copy_(target)
        for name in ("stiffness", "damping", "limits"):
            self._shared[name].copy_(getattr(drive, name))
        self._link.run(b"D", targets=len(targets))
        self._take_over()
        return self._shared["torques"].to(self.device, copy=True)

    def set_drive_damping(self, damping: torch.Tensor) -> None:
        """Integrate this much implicitly if ``physx.implicit_damping``; see :meth:`Simulator.set_drive_damping`."""
        if self._cfg.sim.physx.implicit_damping:
            known = self._shared["drive_damping"]
            damping = damping.cpu()
            self._shared["redamped"] |= (damping != known).any(dim=1)
            known.copy_(damping)

    def set_state(
        self, mask: torch.Tensor, root_states: torch.Tensor, dof_pos: torch.Tensor, dof_vel: torch.Tensor
    ) -> None:
        """Put the robots in ``mask`` into given states; see :meth:`Simulator.set_state`."""
        rows = mask.nonzero().flatten()
        if len(rows):
            self._place(rows, root_states[rows], dof_pos[rows], dof_vel[rows])
            self._build()

    def set_root_velocity(self, mask: torch.Tensor, velocity: torch.Tensor) -> None:
        """Replace the base's velocity of some robots; see :meth:`Simulator.set_root_velocity`."""
        rows = mask.nonzero().flatten()
        if len(rows) and self.scene.free_base:
            self.root_states[rows, 7:13] = velocity[rows]
            there = rows.cpu()
            if self._on_gpu:
                self._shared["root"][there, 7:13] = velocity[rows].cpu()
            self._shared["changed"][there] |= _VELOCITY

    def set_parameters(self, parameters: PhysicsParameters) -> None:
        """Set every robot's parameters. An existing scene is built again, because Isaac Gym can't change them all."""
        self._parameters = {name: value.cpu().numpy().copy() for name, value in vars(parameters).items()}
        if self._built:
            self._link.close()
            self._link, self._built = self._start(), False
            self._shared["root"].copy_(self.root_states)
            self._shared["dof"].copy_(self._dof)
            self._shared["changed"].fill_(_ROOT | _JOINTS)
            self._shared["redamped"].fill_(self._cfg.sim.physx.implicit_damping)

    def _look_after(self) -> None:
        """Pass on the first error that Isaac Gym printed."""
        complaint = self._link.complaint()
        if complaint:
            warnings.warn(f"Isaac Gym printed: {complaint}", stacklevel=4)

    def close(self) -> None:
        """End Isaac Gym's process."""
        self._link.close()
        self._memory.close()

    # --- states --------------------------------------------------------------------------------------------------

    def _take_over(self) -> None:
        """Update the state tensors from the last step's values in shared memory."""
        shared = self._shared
        for name, tensor in self._copied.items():
            tensor.copy_(shared[name])
        self.diverged.copy_(self.find_divergence(self._cfg.sim.divergence))
        rows = self.diverged.nonzero().flatten()
        if len(rows):
            self._place_at_start(rows)

    def _place_at_start(self, rows: torch.Tensor) -> None:
        joints = torch.zeros(len(rows), self.num_dof, device=self.device)
        self._place(rows, self._start_root.expand(len(rows), 13), joints, joints)

    def _place(self, rows: torch.Tensor, root: torch.Tensor, dof_pos: torch.Tensor, dof_vel: torch.Tensor) -> None:
        """Put robots, indices (n,), into states, (n, …): here at once, in Isaac Gym with the next step."""
        if not self.scene.free_base:
            root = self._start_root.expand(len(rows), 13)
        self.root_states[rows] = root
        self.dof_pos[rows], self.dof_vel[rows] = dof_pos, dof_vel
        self.rigid_body_states[rows] = self._kinematics.link_states(root, dof_pos, dof_vel)
        self.contact_forces[rows] = 0.0
        there = rows.cpu()
        if self._on_gpu:
            self._shared["root"][there] = root.cpu()
            self._shared["dof"][there] = torch.stack((dof_pos, dof_vel), dim=-1).cpu()
        self._shared["changed"][there] |= _ROOT | _JOINTS

    # --- preparation ---------------------------------------------------------------------------------------------

    def _blocks(self) -> dict[str, Block]:
        n, dofs, bodies = self.num_envs, self.num_dof, self.num_bodies
        return {
            "targets": Block((self._cfg.control.decimation, n, dofs)),
            **{name: Block((n, dofs)) for name in ("stiffness", "damping", "torques", "drive_damping")},
            "limits": Block((dofs,)),
            "root": Block((n, 13)),
            "dof": Block((n, dofs, 2)),
            "bodies": Block((n, bodies, 13)),
            "forces": Block((n, bodies, 3)),
            "changed": Block((n,), "uint8"),
            "redamped": Block((n,), "uint8"),
        }

    def _allocate(self) -> None:
        """Make the state tensors. On the CPU they are the shared memory itself."""
        self._on_gpu = torch.device(self.device).type == "cuda"
        names = ("root", "dof", "bodies", "forces")
        tensors = {name: self._shared[name].to(self.device) for name in names}
        self._copied = tensors if self._on_gpu else {}
        self.root_states, self._dof = tensors["root"], tensors["dof"]
        self.dof_pos, self.dof_vel = self._dof[..., 0], self._dof[..., 1]
        self.rigid_body_states, self.contact_forces = tensors["bodies"], tensors["forces"]
        everyone = torch.arange(self.num_envs, device=self.device)
        self._place_at_start(everyone)

    def _nominal_parameters(self) -> dict[str, np.ndarray]:
        n = self.num_envs
        values = {"added_mass": np.zeros(n, np.float32), "added_com": np.zeros((n, 3), np.float32)}
        for name in ("joint_friction", "joint_damping", "joint_armature"):
            values[name] = getattr(self, name).cpu().repeat(n, 1).numpy()
        return {**values, "friction": np.full(n, self._cfg.terrain.friction, dtype=np.float32)}

    def _start(self) -> Link:
        return Link(self._python, self.device, self._memory, self._cfg.sim.physx.time_out)

    def _build(self) -> None:
        """Build the scene if it does not exist yet, with the robots at their present states."""
        if self._built:
            return
        arrays = dict(self._parameters)
        # PhysX takes the mean of both surfaces' friction, and the ground has one value for all robots.
        ground = float(arrays["friction"].min())
        arrays["friction"] = 2.0 * arrays["friction"] - ground
        arrays["start"] = self._shared["root"][:, :7].numpy()
        if self._terrain is not None:
            arrays["heights"] = self._terrain.heights
        self._link.build({**self._settings(), "ground_friction": ground}, arrays)
        self._built = True

    def _write_robot(self) -> str:
        """Write the checked URDF for Isaac Gym into a temporary folder of this object, and return its path."""
        robot, names = self.scene.robot, set(self.body_names)
        assert robot.write is not None
        self._folder = tempfile.TemporaryDirectory(prefix="legged_gym_robot_")
        return robot.write(self._folder.name, names, robot.balanced)

    def _settings(self) -> dict[str, Any]:
        cfg, physx = self._cfg, self._cfg.sim.physx
        ground = self._terrain
        return {
            "gpu_pipeline": self._on_gpu,
            "gpu": torch.device(self.device).index or 0,
            "num_envs": self.num_envs,
            "dt": cfg.sim.dt,
            "decimation": cfg.control.decimation,
            "gravity": cfg.sim.gravity,
            "substeps": physx.substeps,
            "physx": {name: getattr(physx, name) for name in physx.names() if name not in _NOT_PHYSX},
            "contact_collection": physx.contact_collection,
            "velocities_of": physx.velocities_of,
            "file": self._write_robot(),
            "name": cfg.asset.name,
            "asset": {name: getattr(cfg.asset, name) for name in _ASSET},
            "fix_base_link": cfg.asset.fix_base_link,
            "self_collisions": cfg.asset.self_collisions,
            "body_names": self.body_names,
            "dof_names": self.dof_names,
            "horizontal_scale": ground.horizontal_scale if ground is not None else 0.0,
            "origin": ground.origin if ground is not None else (0.0, 0.0),
        }
