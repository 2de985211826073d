"""MuJoCo C on all cores: the back-end that runs on any machine."""

from __future__ import annotations

import sys

import mujoco
import numpy as np
import torch
from mujoco.batch import Batch

from legged_gym.common.errors import UserError
from legged_gym.common.rotations import quat_rotate_inverse
from legged_gym.common.threads import available_cores
from legged_gym.simulators.mujoco_model import HeightField, SceneCfg, build_scene
from legged_gym.simulators.simulator import PhysicsParameters, Simulator

_WXYZ = [3, 0, 1, 2]
_XYZW = [1, 2, 3, 0]
_RESETTING_WARNINGS = [getattr(mujoco.mjtWarning, f"mjWARN_BAD{name}").value for name in ("QPOS", "QVEL", "QACC")]
"""Warnings after which MuJoCo replaces a robot's state."""
_UNSTABLE = "The simulation is unstable"


def _pass_on(text: str) -> None:
    """Show MuJoCo's warnings, except those about a robot's state, which :attr:`Simulator.diverged` reports."""
    if _UNSTABLE not in text:
        print(f"MuJoCo: {text}", file=sys.stderr)


mujoco.set_mju_user_warning(_pass_on)


class MujocoSimulator(Simulator):
    """Steps all robots on a pool of threads through ``mujoco.batch``, each with its own model fields.

    Each thread has one ``MjData``, not one for each robot. It stays in the cache and steps 256 robots 1.5 times as
    fast, although :meth:`step` with ``refresh`` then needs a whole forward pass.
    """

    def __init__(self, cfg: SceneCfg, terrain: HeightField | None, num_envs: int, device: str = "cpu") -> None:
        """Build the scene and start the threads; see :class:`Simulator`. The device is ``cpu``."""
        if torch.device(device).type != "cpu":
            raise UserError(f"the mujoco simulator runs on 'cpu', not on '{device}' (--sim_device)")
        self.num_envs, self.device, self.dt = num_envs, "cpu", cfg.sim.dt
        self._limits = cfg.sim.divergence
        self.describe(build_scene(cfg, terrain))
        # One robot is one island. Searching for islands changes nothing and takes 5 % of a step.
        self.scene.model.opt.disableflags |= mujoco.mjtDisableBit.mjDSBL_ISLAND.value
        threads = cfg.sim.num_threads or available_cores()
        self.batch = Batch(self.scene.model, num_envs, nthread=threads)
        self._bind()
        self._allocate()
        self.batch.reset()
        self._read(slice(None))

    def step(self, torques: torch.Tensor, refresh: bool = False) -> None:
        """Advance all robots by one physics step; see :meth:`Simulator.step`."""
        np.multiply(self._drive_damping, self._joint_vel, out=self._joint_torque)
        self._joint_torque += torques.numpy()
        self.batch.step(stage=mujoco.mjtStage.mjSTAGE_ACC.value if refresh else mujoco.mjtStage.mjSTAGE_NONE.value)
        if refresh:
            self._read(slice(None))
            self._replace_diverged()
        else:
            self._read_joints(slice(None))

    def set_drive_damping(self, damping: torch.Tensor) -> None:
        """Integrate this much velocity feedback implicitly; see :meth:`Simulator.set_drive_damping`."""
        self._drive_damping[:] = damping.numpy()
        self.batch.expand("dof_damping")[:, self._dofs] = self._joint_damping + self._drive_damping

    def set_state(
        self, mask: torch.Tensor, root_states: torch.Tensor, dof_pos: torch.Tensor, dof_vel: torch.Tensor
    ) -> None:
        """Put the robots in ``mask`` into given states; see :meth:`Simulator.set_state`."""
        rows = np.flatnonzero(mask.numpy())
        if rows.size == 0:
            return
        root = root_states.numpy()[rows]
        if self.scene.free_base:
            self._qpos[rows, :3] = root[:, :3]
            self._qpos[rows, 3:7] = root[:, 3:7][:, _WXYZ]
            self._write_root_velocity(rows, root[:, 7:13])
        self._qpos[rows, self._joints] = dof_pos.numpy()[rows]
        self._qvel[rows, self._dofs] = dof_vel.numpy()[rows]
        self._joint_torque[rows] = 0.0
        self._warmstart[rows] = 0.0
        self.batch.forward(rows)
        self._read(rows)

    def set_root_velocity(self, mask: torch.Tensor, velocity: torch.Tensor) -> None:
        """Replace the base's velocity of some robots; see :meth:`Simulator.set_root_velocity`."""
        if self.scene.free_base:
            rows = np.flatnonzero(mask.numpy())
            self._write_root_velocity(rows, velocity.numpy()[rows])

    def set_parameters(self, parameters: PhysicsParameters) -> None:
        """Write each robot's parameters into its own model fields, and update derived fields."""
        model, base, batch = self.scene.model, self.scene.body_ids[0], self.batch
        batch.expand("geom_friction")[:, self.scene.ground_id, 0] = parameters.friction.numpy()
        mass = model.body_mass[base] + parameters.added_mass.numpy().astype(np.float64)
        batch.expand("body_mass")[:, base] = mass
        batch.expand("body_inertia")[:, base] = (
            model.body_inertia[base] * (mass / (model.body_mass[base] or 1.0))[:, None]
        )
        batch.expand("body_ipos")[:, base] = model.body_ipos[base] + parameters.added_com.numpy()
        batch.expand("dof_frictionloss")[:, self._dofs] = parameters.joint_friction.numpy()
        self._joint_damping = parameters.joint_damping.numpy()
        batch.expand("dof_damping")[:, self._dofs] = self._joint_damping + self._drive_damping
        batch.expand("dof_armature")[:, self._dofs] = parameters.joint_armature.numpy()
        batch.set_const()

    def state(self) -> dict[str, torch.Tensor]:
        """Return MuJoCo's own state and the state tensors; see :meth:`Simulator.state`."""
        own = {"integration": self.batch.state, "damping": self._drive_damping}
        tensors = {name: getattr(self, name).clone() for name in self.STATES}
        return tensors | {name: torch.from_numpy(array.copy()) for name, array in own.items()}

    def load_state(self, state: dict[str, torch.Tensor]) -> None:
        """Continue exactly; see :meth:`Simulator.load_state`."""
        self.batch.state[:] = state["integration"].numpy()
        self.set_drive_damping(state["damping"])
        for name in self.STATES:
            getattr(self, name).copy_(state[name])

    def close(self) -> None:
        """Delete the batch, which ends its threads."""
        del self.batch

    def _bind(self) -> None:
        """Get live views of the batch's states and of the results of each call."""
        batch, model = self.batch, self.scene.model
        self._joints = slice(model.nq - self.num_dof, model.nq)
        self._dofs = slice(model.nv - self.num_dof, model.nv)
        self._qpos, self._qvel = batch.bind("qpos"), batch.bind("qvel")
        self._joint_vel = self._qvel[:, self._dofs]
        self._joint_torque = batch.bind("qfrc_applied")[:, self._dofs]
        self._warmstart = batch.bind("qacc_warmstart")
        self._xpos, self._xquat = batch.bind("xpos"), batch.bind("xquat")
        self._cvel, self._subtree_com = batch.bind("cvel"), batch.bind("subtree_com")
        self._sensordata = batch.bind("sensordata")
        sensors = [model.sensor(i).name for i in range(model.nsensor)]
        self._sensed_bodies = [self.body_names.index(name) for name in sensors]

    def _allocate(self) -> None:
        self._drive_damping = np.zeros((self.num_envs, self.num_dof))
        self._joint_damping = np.zeros_like(self._drive_damping)
        # The tensors' memory, written through NumPy because MuJoCo's outputs are NumPy arrays.
        self._root, self._bodies = self.root_states.numpy(), self.rigid_body_states.numpy()
        self._forces = self.contact_forces.numpy()
        self._dof_pos, self._dof_vel = self.dof_pos.numpy(), self.dof_vel.numpy()

    def _read_joints(self, rows: np.ndarray | slice) -> None:
        self._dof_pos[rows] = self._qpos[rows, self._joints]
        self._dof_vel[rows] = self._qvel[rows, self._dofs]

    def _read(self, rows: np.ndarray | slice) -> None:
        self._read_joints(rows)
        position = self._xpos[rows, 1:]
        angular, linear = self._cvel[rows, 1:, :3], self._cvel[rows, 1:, 3:]
        # MuJoCo gives a link's velocity at the robot's centre of mass. Move it to the link's origin.
        arm = position - self._subtree_com[rows, 1:2]
        states = np.empty((*position.shape[:2], 13), dtype=np.float32)
        states[..., 0:3] = position
        states[..., 3:7] = self._xquat[rows, 1:][..., _XYZW]
        states[..., 7] = linear[..., 0] + angular[..., 1] * arm[..., 2] - angular[..., 2] * arm[..., 1]
        states[..., 8] = linear[..., 1] + angular[..., 2] * arm[..., 0] - angular[..., 0] * arm[..., 2]
        states[..., 9] = linear[..., 2] + angular[..., 0] * arm[..., 1] - angular[..., 1] * arm[..., 0]
        states[..., 10:13] = angular
        self._bodies[rows] = states
        self._root[rows] = states[:, 0]
        # The sensor reports the force of the link on its surroundings.
        forces = -self._sensordata[rows].reshape(len(states), -1, 3)
        if isinstance(rows, slice):
            self._forces[:, self._sensed_bodies] = forces
        else:
            self._forces[rows[:, None], self._sensed_bodies] = forces

    def _replace_diverged(self) -> None:
        """Find the robots that diverged, by MuJoCo's check and ours, and reset them to the start."""
        warnings = self.batch.warning[..., 1]
        replaced = torch.from_numpy((warnings[:, _RESETTING_WARNINGS] > 0).any(axis=1))
        self.diverged.copy_(self.find_divergence(self._limits).masked_fill(replaced, 1))
        rows = np.flatnonzero(self.diverged.numpy())
        if rows.size:
            # MuJoCo clears the counters before it counts, so an old count would hide or repeat a later one.
            warnings[rows] = 0
            self._qpos[rows], self._qvel[rows] = self.scene.model.qpos0, 0.0
            self._joint_torque[rows] = 0.0
            self._warmstart[rows] = 0.0
            self.batch.forward(rows)
            self._read(rows)

    def _write_root_velocity(self, rows: np.ndarray, velocity: np.ndarray) -> None:
        """Set a free base's velocity, (n, 6). MuJoCo takes the angular part in the base's own frame."""
        self._qvel[rows, :3] = velocity[:, :3]
        quat = torch.from_numpy(self._qpos[rows, 3:7][:, _XYZW])
        local = quat_rotate_inverse(quat, torch.from_numpy(velocity[:, 3:]).double())
        self._qvel[rows, 3:6] = local.numpy()
