"""How a legged robot's actions become torques: wires, the PD law, and what real motors make of it."""

from __future__ import annotations

import torch

from legged_gym.envs.base.legged_robot_state import LeggedRobotState
from legged_gym.simulators import Drive


class LeggedRobotMotors(LeggedRobotState):
    """The motors of :class:`~legged_gym.envs.base.legged_robot.LeggedRobot`."""

    _aim: torch.Tensor
    """Joint angles that the motors were told last, rad, (N, D); kept where their gears have play."""
    _p_gains: torch.Tensor
    _d_gains: torch.Tensor
    _driven_actions: torch.Tensor | None = None
    _sent: tuple[torch.Tensor, torch.Tensor, torch.Tensor] | None = None
    _target_torques: torch.Tensor

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
        """Return the torques of a PD law around the default angles, N·m, (N, D), clipped to the effort limits."""
        if actions is not self._driven_actions:
            # Constant over the physics steps of a control step.
            self._driven_actions, self._target_torques = actions, self._p_gains * self._target_angles(actions)
        torques = torch.addcmul(self._target_torques, self._p_gains, self.dof_pos, value=-1.0)
        torques.addcmul_(self._d_gains, self.dof_vel, value=-1.0)
        motors = self.rand.motors
        if motors.has_backlash:
            self._aim = self._target_angles(actions)
            torques -= self._p_gains * motors.play(self._aim, self.dof_pos)
        return motors.limit(torques, self.torque_limits, self.dof_vel)

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
        """Apply the present motors to the nominal gains."""
        self._p_gains = self.p_gains * self.rand.stiffness_multiplier * self.rand.torque_multiplier
        self._d_gains = self.d_gains * self.rand.damping_multiplier * self.rand.torque_multiplier
        self._driven_actions = None
        self.sim.set_drive_damping(self._d_gains)
