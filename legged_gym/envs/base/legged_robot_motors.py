"""From a legged robot's actions to torques: delays, the PD law or a network, and real motors' limits."""

from __future__ import annotations

import re
from pathlib import Path

import torch

from legged_gym.envs.base.base_config import ConfigError
from legged_gym.envs.base.base_task import BaseTask
from legged_gym.envs.base.name_matching import joint_values
from legged_gym.simulators import Drive
from legged_gym.simulators.mujoco_model import asset_path

_KEY = "control.actuator_network"


class ActuatorNetwork:
    """Turns errors of joint angles, rad, and joint velocities, rad/s, into torques, N·m: one network for all joints.

    ======== ================================================================ ==================================
    kind     called with                                                      returns
    ======== ================================================================ ==================================
    MLP      (N·D, 2 K): the last K errors, newest first, then K velocities   torques, (N·D, 1)
    LSTM     (N·D, 1, 2) and its state: two tensors, (layers, N·D, width)     torques, (N·D, 1), and the new state
    ======== ================================================================ ==================================

    K is the number of physics steps that the first layer has room for. The state and the last steps are cleared at
    every reset.
    """

    def __init__(self, file: str, num_envs: int, num_dof: int, device: str) -> None:
        """Load the network from ``control.actuator_network``. Raise ``ConfigError`` if that fails."""
        self._file, self._shape = file, (num_envs, num_dof)
        path = asset_path(file, _KEY, "file")
        try:
            self._network = torch.jit.load(path, map_location=device).eval()
        except RuntimeError as error:
            raise ConfigError(f"config key '{_KEY}': '{path}' is not a TorchScript file") from error
        sizes = {name: tuple(value.shape) for name, value in self._network.named_parameters()}
        states = [shape for name, shape in sizes.items() if re.search(r"weight_hh_l\d+$", name)]
        first = next(iter(sizes.values()), ())
        if not states and (len(first) != 2 or first[1] % 2):
            raise ConfigError(f"config key '{_KEY}': '{path}' is not an LSTM, nor an MLP with an even number of inputs")
        self._past = torch.zeros(num_envs, num_dof, 2, 1 if states else first[1] // 2, device=device)
        width = states[0][1] if states else 0
        self._states = [torch.zeros(len(states), num_envs, num_dof, width, device=device) for _ in range(2)]

    def reset(self, mask: torch.Tensor) -> None:
        """Clear the history of the robots in ``mask``, bool, (N,)."""
        self._past.masked_fill_(mask.view(-1, 1, 1, 1), 0.0)
        for state in self._states:
            state.masked_fill_(mask.view(1, -1, 1, 1), 0.0)

    @torch.no_grad()
    def torques(self, errors: torch.Tensor, velocities: torch.Tensor) -> torch.Tensor:
        """Return a physics step's torques, N·m, for angle errors, rad, and joint velocities, rad/s, all (N, D)."""
        present = torch.stack((errors, velocities), dim=2).unsqueeze(3)
        self._past.copy_(torch.cat((present, self._past[..., :-1]), dim=3))
        inputs = self._past.flatten(2).flatten(0, 1)
        try:
            if not self._states[0].numel():
                return self._network(inputs).view(self._shape)
            torques, states = self._network(inputs.unsqueeze(1), tuple(state.flatten(1, 2) for state in self._states))
            for state, new in zip(self._states, states, strict=True):
                state.copy_(new.view_as(state))
            return torques.view(self._shape)
        except (RuntimeError, TypeError, ValueError) as error:
            reason = str(error).strip().splitlines()[-1]
            raise ConfigError(f"config key '{_KEY}': '{self._file}' can't be called: {reason}") from error


class LeggedRobotMotors(BaseTask):
    """The motors of :class:`~legged_gym.envs.base.legged_robot.LeggedRobot`."""

    _sent: tuple[torch.Tensor, torch.Tensor, torch.Tensor] | None = None
    _network: ActuatorNetwork | None = None

    def _prepare_motors(self) -> None:
        control, joints = self.cfg.control, self.dof_names
        if control.actuator_network:
            self._network = ActuatorNetwork(control.actuator_network, self.num_envs, self.num_dof, self.device)
        self.has_plain_law = self._network is None and control.control_type == "P"
        """Whether actions are target angles for PD gains."""
        # A robot's task may have its own torque law, which only the task can apply.
        same_law = type(self)._compute_torques is LeggedRobotMotors._compute_torques and self.has_plain_law
        self._hands_over_drive = self.sim.follows_drives and same_law and self.rand.motors.ideal
        if self.rand.motors.has_backlash and not self.has_plain_law:
            raise ConfigError("config key 'motors.backlash' needs target angles with gains (control.control_type 'P')")
        needed = None if self._network is None and control.control_type != "T" else 0.0
        gains = {"control.stiffness": control.stiffness, "control.damping": control.damping}
        self.p_gains, self.d_gains = (
            torch.tensor(joint_values(key, values, joints, missing=needed), device=self.device)
            for key, values in gains.items()
        )

    def _send_actions(self) -> None:
        """Send the actions. Without ``latency`` they arrive after their constant delay."""
        if self.rand.latency.on_actions:
            self._sent = self.rand.latency.send(self.actions, self.rand.action_delay)

    def _arrived_actions(self, step: int) -> torch.Tensor:
        """Return the actions that the motors follow in a physics step of the control step, (N, D)."""
        if not self.rand.delays_actions:
            return self.actions
        before, then, delay = self._sent or (self.last_actions, self.actions, self.rand.action_delay)
        # A delay is rounded to physics steps.
        late = delay > (step + 0.5) * self.cfg.sim.dt
        return torch.where(late.unsqueeze(1), before, then)

    def _compute_torques(self, actions: torch.Tensor) -> torch.Tensor:
        """Return a physics step's torques, N·m, (N, D), for actions with the meaning of ``control.control_type``."""
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
        """Return the target angles of the PD law, rad, (N, D)."""
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
        """Return the velocity feedback in the torques, N·m·s/rad, (N, D); see the simulator's method."""
        if self.has_plain_law:
            return self._d_gains
        if self._network is None and self.cfg.control.control_type == "V":
            return self._p_gains + self._d_gains / self.cfg.sim.dt
        return torch.zeros_like(self._d_gains)

    @property
    def torque_law(self) -> str:
        """The meaning of actions in words, for users of an exported policy."""
        if self._network is not None:
            return f"default angle + action_scale * action; torque of {Path(self.cfg.control.actuator_network).name}"
        return {
            "P": "default angle + action_scale * action; PD torque, clipped to the torque limit",
            "V": "joint velocity action_scale * action; kp * error - kd * acceleration, clipped to the torque limit",
            "T": "torque action_scale * action, clipped to the torque limit",
        }[self.cfg.control.control_type]
