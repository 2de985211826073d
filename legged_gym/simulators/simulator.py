"""The interface to a physics engine: what a task needs, and nothing else."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from legged_gym.simulators.mujoco_model import Scene, SceneCfg

CHECK_INTERVAL = 240
"""Number of control steps between checks that would cost time in every step."""


CAUSES = ("not_finite", "linear_velocity", "angular_velocity", "joint_velocity", "contact_force")
"""Why a simulation diverged: a value became infinite or not a number, or it passed the limit of this name."""


@dataclass
class PhysicsParameters:
    """Physical parameters of each robot. The simulator runs with them, and the critic observes them.

    All tensors have one row per robot.
    """

    friction: torch.Tensor
    """Coulomb friction of the ground, (N,)."""
    added_mass: torch.Tensor
    """Mass added to the base, kg, (N,). The base's inertia grows in proportion."""
    added_com: torch.Tensor
    """Shift of the base's centre of mass, m, base frame, (N, 3)."""
    joint_friction: torch.Tensor
    """Dry friction of each joint, N·m, (N, D)."""
    joint_damping: torch.Tensor
    """Viscous friction of each joint, N·m·s/rad, (N, D)."""
    joint_armature: torch.Tensor
    """Reflected rotor inertia of each joint, kg·m², (N, D)."""


@dataclass(frozen=True)
class Drive:
    """A torque law that a simulator can run by itself, because it only needs joint angles and velocities.

    In each physics step torques are ``stiffness * (target - dof_pos) - damping * dof_vel``, clipped to ± ``limits``.
    """

    targets: Sequence[torch.Tensor]
    """Target angles for each physics step of the control step, rad, (N, D); often the same tensor."""
    stiffness: torch.Tensor
    """N·m/rad, (N, D)."""
    damping: torch.Tensor
    """N·m·s/rad, (N, D)."""
    limits: torch.Tensor
    """N·m, (D,)."""


class Simulator(ABC):
    """N copies of one robot on one terrain.

    A back-end only knows physics, not the task: it gets torques and gives states. The state tensors are
    allocated once and updated in place, so a task may keep references to them. World frame: x forward, y left,
    z up; quaternions are xyzw; velocities of bodies are those of the link's origin, in the world frame.

    ================== ============== ==========================================================
    tensor             shape          meaning
    ================== ============== ==========================================================
    root_states        (N, 13)        base position, quaternion, linear and angular velocity
    dof_pos, dof_vel   (N, D)         rad, rad/s
    rigid_body_states  (N, B, 13)     like root_states, for each link
    contact_forces     (N, B, 3)      net force of all contacts on each link, N, world frame
    diverged           (N,)           int32: 0, or why the simulation of this robot diverged in this control step
    ================== ============== ==========================================================

    After :meth:`step` ``dof_pos`` and ``dof_vel`` are current, as a torque law needs them. With ``refresh`` all
    tensors are current. A robot whose state is not finite or passes a limit of ``sim.divergence`` is then
    put back to the start, at rest, so all tensors hold finite numbers; ``diverged`` names the cause, as one more than
    its index in :data:`CAUSES`, until the next refresh.

    A back-end is made of ``cfg``, the task's configuration, of which it reads ``asset``, ``control.decimation``,
    ``init_state``, ``sim`` and ``terrain``; the height field ``terrain``, or None for a plane; ``num_envs``, N; and
    PyTorch's ``device``. It raises ``UserError`` where it can't use the device or the robot's file.
    """

    STATES = ("root_states", "dof_pos", "dof_vel", "rigid_body_states", "contact_forces", "diverged")
    """Names of the tensors in this table. A simulator changes no others."""

    num_envs: int
    device: str
    dt: float
    """Physics step, s."""
    scene: Scene
    """The robot and its ground, as MuJoCo compiled them; see :meth:`describe`."""
    capturable = False
    """Whether a CUDA graph can record the methods that a step calls."""
    _unchecked = 0
    follows_drives = False
    """Whether it has :meth:`follow`. A simulator has it if each call is expensive."""
    body_names: list[str]
    """Links, the base first, parents before children. Links that are rigidly fixed to another are merged into it."""
    dof_names: list[str]
    """Hinges and slides, in the order of their links. Slides have units m instead of rad and N instead of N·m."""
    num_dof: int
    num_bodies: int
    """How many there are, D and B."""

    dof_pos_limits: torch.Tensor
    """Lower and upper limit, rad, (D, 2); infinite without a limit."""
    dof_vel_limits: torch.Tensor
    """rad/s, (D,)."""
    torque_limits: torch.Tensor
    """N·m, (D,)."""
    joint_friction: torch.Tensor
    """Dry friction in the robot's file, N·m, (D,)."""
    joint_damping: torch.Tensor
    """Viscous friction in the robot's file, N·m·s/rad, (D,)."""
    joint_armature: torch.Tensor
    """Reflected rotor inertia in the robot's file, kg·m², (D,)."""
    base_mass: float
    """Mass of the base and all links merged into it, kg, before randomisation."""

    def describe(self, scene: Scene) -> None:
        """Read joints and links from a compiled scene and make the state tensors, in one way for all back-ends."""
        model, joints = scene.model, scene.joint_ids
        dofs = model.jnt_dofadr[joints]
        limits = np.where(model.jnt_limited[joints, None], model.jnt_range[joints], [-np.inf, np.inf])
        self.scene, self.body_names, self.dof_names = scene, scene.body_names, scene.dof_names
        self.num_bodies, self.num_dof = len(self.body_names), len(self.dof_names)
        self.dof_pos_limits, self.dof_vel_limits, self.torque_limits = (
            torch.tensor(values, dtype=torch.float32, device=self.device)
            for values in (limits, scene.dof_vel_limits, scene.torque_limits)
        )
        self.joint_friction, self.joint_damping, self.joint_armature = (
            torch.tensor(values, dtype=torch.float32, device=self.device)
            for values in (model.dof_frictionloss[dofs], model.dof_damping[dofs], model.dof_armature[dofs])
        )
        self.base_mass = float(model.body_mass[scene.body_ids[0]])
        n, device, dof_state = self.num_envs, self.device, (self.num_envs, self.num_dof)
        self.dof_pos, self.dof_vel = torch.zeros(dof_state, device=device), torch.zeros(dof_state, device=device)
        self.root_states = torch.zeros(n, 13, device=device)
        self.rigid_body_states = torch.zeros(n, self.num_bodies, 13, device=device)
        self.contact_forces = torch.zeros(n, self.num_bodies, 3, device=device)
        self.diverged = torch.zeros(n, dtype=torch.int32, device=device)

    @property
    def lost(self) -> torch.Tensor:
        """Whether the simulation of each robot diverged, bool, (N,): ``diverged`` without the cause."""
        return self.diverged > 0

    def find_divergence(self, limits: SceneCfg) -> torch.Tensor:
        """Return why each robot's state is none that it can be in, int32, (N,): 0, or one more than an index of CAUSES.

        ``limits`` is the section ``sim.divergence``.
        """
        root, links, forces = self.root_states, self.rigid_body_states, self.contact_forces
        # What is not finite does not hide in a sum.
        parts = (root, self.dof_pos, self.dof_vel, links, forces)
        total = torch.stack([part.flatten(1).sum(1) for part in parts], dim=1).sum(1)
        excess = (
            ~total.isfinite(),
            (links[..., 7:10].square().sum(-1) > limits.max_linear_velocity**2).any(dim=1),
            root[:, 10:13].norm(dim=1) > limits.max_angular_velocity,
            (self.dof_vel.abs() > limits.max_joint_velocity).any(dim=1),
            (forces.square().sum(-1) > limits.max_contact_force**2).any(dim=1),
        )
        cause = torch.zeros(self.num_envs, dtype=torch.int32, device=root.device)
        for number, mask in reversed(list(enumerate(excess, 1))):
            cause = cause.masked_fill(mask, number)
        return cause

    @abstractmethod
    def step(self, torques: torch.Tensor, refresh: bool = False) -> None:
        """Advance all robots by one physics step.

        Args:
            torques: Joint torques, N·m, (N, D).
            refresh: Update all state tensors, not only ``dof_pos`` and ``dof_vel``. It costs about a quarter of a
                step, so use it only when the tensors are read: at the end of a control step.
        """

    def follow(self, drive: Drive) -> torch.Tensor:
        """Advance all robots by a control step in one call, with a torque law, and update all state tensors.

        Return the torques of the last physics step, N·m, (N, D). Only a back-end with :attr:`follows_drives` has this.
        """
        raise NotImplementedError(f"{type(self).__name__} has no follow(): call step()")

    @abstractmethod
    def set_drive_damping(self, damping: torch.Tensor) -> None:
        """Set how much of the torques of :meth:`step` is velocity feedback.

        A drive closes its loop at some kHz; a D gain held for a whole physics step makes a light foot with little
        armature oscillate. So this part is integrated implicitly: the applied torque is
        ``torques - damping * (dof_vel after the step - dof_vel before)``. It may exceed a limit to which the task
        clipped ``torques`` by that difference, for one physics step.

        Args:
            damping: Minus the derivative of each torque by its joint's velocity, N·m·s/rad, (N, D).
        """

    @abstractmethod
    def set_state(
        self, mask: torch.Tensor, root_states: torch.Tensor, dof_pos: torch.Tensor, dof_vel: torch.Tensor
    ) -> None:
        """Put the robots in ``mask`` into the given states. Their rows of all state tensors are current afterwards.

        With a mask instead of indices, the host need not wait for the number of robots.

        Args:
            mask: Which robots, bool, (N,).
            root_states: Base states, (N, 13); rows outside the mask are not read.
            dof_pos: rad, (N, D).
            dof_vel: rad/s, (N, D).
        """

    @abstractmethod
    def set_root_velocity(self, mask: torch.Tensor, velocity: torch.Tensor) -> None:
        """Replace the bases' velocity, world frame, (N, 6), in ``mask``; tensors change at the next refresh."""

    @abstractmethod
    def set_parameters(self, parameters: PhysicsParameters) -> None:
        """Set the physical parameters of all robots. They replace those of the URDF and all earlier ones."""

    def state(self) -> dict[str, torch.Tensor] | None:
        """Return copies of everything that the next step depends on except its arguments, or None if not available."""
        return None

    def load_state(self, state: dict[str, torch.Tensor]) -> None:
        """Continue exactly from what :meth:`state` of an equal simulator returned, if that is not None."""
        raise NotImplementedError(f"{type(self).__name__} has no state that can be loaded")

    def check(self) -> None:
        """Look now and then for errors that would go unnoticed. Called after every control step."""
        self._unchecked += 1
        if self._unchecked % CHECK_INTERVAL == 0:
            self._look_after()

    def _look_after(self) -> None:  # noqa: B027  (most back-ends have nothing to check)
        """Warn of such errors, without waiting for a device."""

    @abstractmethod
    def close(self) -> None:
        """Free threads and processes. The simulator can't be used afterwards."""
