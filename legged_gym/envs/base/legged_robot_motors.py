"""How a legged robot's actions become torques: wires, the PD law, and what real motors make of it."""

from __future__ import annotations

from pathlib import Path

import torch

from legged_gym.envs.base.actuator_network import ActuatorNetwork
from legged_gym.envs.base.base_config import ConfigError
from legged_gym.envs.base.base_task import BaseTask
from legged_gym.envs.base.name_matching import joint_values
from legged_gym.simulators import Drive


class LeggedRobotMotors(BaseTask):
    """The motors of :class:`~legged_gym.envs.base.legged_robot.LeggedRobot`."""

    _sent: tuple[torch.Tensor, torch.Tensor, torch.Tensor] | None = None
    _network: ActuatorNetwork | None = None

    def _prepare_motors(self) -> None:
        control, joints = self.cfg.control, self.dof_names
        if control.actuator_network:
            self._network = ActuatorNetwork(control.actuator_network, self.num_envs, self.num_dof, self.device)
        self.has_plain_law = self._network is None and control.control_type == "P"
        """Whether actions are angles that gains aim at."""
        # A robot's own task may have a torque law of its own, which only the task can apply.
        same_law = type(self)._compute_torques is LeggedRobotMotors._compute_torques and self.has_plain_law
        self._hands_over_drive = self.sim.follows_drives and same_law and self.rand.motors.ideal
        if self.rand.motors.has_backlash and not self.has_plain_law:
            raise ConfigError("config key 'motors.backlash' needs gains that aim at angles (control.control_type 'P')")
        needed = None if self._network is None and control.control_type != "T" else 0.0
        gains = {"control.stiffness": control.stiffness, "control.damping": control.damping}
        self.p_gains, self.d_gains = (
            torch.tensor(joint_values(key, values, joints, missing=needed), device=self.device)
            for key, values in gains.items()
        )

    def _send_actions(self) -> None:
        """Send the actions off; where latency plays no part they arrive by their constant delay."""
        if self.rand.latency.on_actions:
            self._sent = self.rand.latency.send(self.actions, self.rand.action_delay)

    def _arrived_actions(self, step: int) -> torch.Tensor:
        """Return the actions that the motors follow in a physics step of the control step, (N, D)."""
        if not self.rand.delays_actions:
            return self.actions
        before, then, delay = self._sent or (self.last_actions, self.actions, self.rand.action_delay)
        # A delay ends with the physics step that is nearest to it.
        late = delay > (step + 0.5) * self.cfg.sim.dt
        return torch.where(late.unsqueeze(1), before, then)

    def _compute_torques(self, actions: torch.Tensor) -> torch.Tensor:
        """Return a physics step's torques, N·m, (N, D), for actions as ``control.control_type`` means them."""
        control = self.cfg.control
        if self._network is not None:
            errors = self._target_angles(actions) - self.dof_pos
            torques = self._network.torques(errors, self.dof_vel) * self.rand.torque_multiplier
        elif control.control_type == "P":
            torques = self._position_torques(actions)
        elif control.control_type == "V":
            torques = self._p_gains * (control.action_scale * actions - self.dof_vel)
            torques -= self._d_gains * (self.dof_vel - self.last_dof_vel) / self.cfg.sim.dt
        else:
            torques = control.action_scale * actions * self.rand.torque_multiplier
        return self.rand.motors.limit(torques, self.torque_limits, self.dof_vel)

    def _position_torques(self, actions: torch.Tensor) -> torch.Tensor:
        """Return the torques of a PD law around the default angles, N·m, (N, D)."""
        torques = torch.addcmul(self._p_gains * self._target_angles(actions), self._p_gains, self.dof_pos, value=-1.0)
        torques.addcmul_(self._d_gains, self.dof_vel, value=-1.0)
        if self.rand.motors.has_backlash:
            self._aim = self._target_angles(actions)
            torques -= self._p_gains * self.rand.motors.play(self._aim, self.dof_pos)
        return torques

    def _target_angles(self, actions: torch.Tensor) -> torch.Tensor:
        """Return the joint angles that the PD law aims at, rad, (N, D)."""
        return self.default_dof_pos + self.cfg.control.action_scale * actions - self.rand.joint_offset

    def _drive(self) -> Drive:
        """Return the law of :meth:`_compute_torques` for all physics steps of a control step."""
        steps = range(self.cfg.control.decimation if self.rand.delays_actions else 1)
        targets = [self._target_angles(self._arrived_actions(step)) for step in steps]
        return Drive(
            targets=targets if len(targets) > 1 else targets * self.cfg.control.decimation,
            stiffness=self._p_gains,
            damping=self._d_gains,
            limits=self.torque_limits,
        )

    def _update_gains(self) -> None:
        self._p_gains = self.p_gains * self.rand.stiffness_multiplier * self.rand.torque_multiplier
        self._d_gains = self.d_gains * self.rand.damping_multiplier * self.rand.torque_multiplier
        self.sim.set_drive_damping(self._drive_damping())

    def _drive_damping(self) -> torch.Tensor:
        """Return how much of the torques is velocity feedback, N·m·s/rad, (N, D); see the simulator's method."""
        if self.has_plain_law:
            return self._d_gains
        if self._network is None and self.cfg.control.control_type == "V":
            return self._p_gains + self._d_gains / self.cfg.sim.dt
        return torch.zeros_like(self._d_gains)

    @property
    def torque_law(self) -> str:
        """What actions mean, in words, for those who run an exported policy."""
        if self._network is not None:
            return f"default angle + action_scale * action; torque of {Path(self.cfg.control.actuator_network).name}"
        return {
            "P": "default angle + action_scale * action; PD torque, clipped to the torque limit",
            "V": "joint velocity action_scale * action; kp * error - kd * acceleration, clipped to the torque limit",
            "T": "torque action_scale * action, clipped to the torque limit",
        }[self.cfg.control.control_type]
