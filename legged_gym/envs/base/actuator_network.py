"""A motor learned from measurements: a TorchScript network in place of the PD law."""

from __future__ import annotations

import re

import torch

from legged_gym.envs.base.base_config import ConfigError
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
        """Load the network from ``control.actuator_network``; ``UserError`` if there is none."""
        self._file, self._shape = file, (num_envs, num_dof)
        path = asset_path(file, _KEY, "file")
        try:
            self._network = torch.jit.load(path, map_location=device).eval()
        except RuntimeError as error:
            raise ConfigError(f"config key '{_KEY}': '{path}' is no TorchScript file") from error
        sizes = {name: tuple(value.shape) for name, value in self._network.named_parameters()}
        states = [shape for name, shape in sizes.items() if re.search(r"weight_hh_l\d+$", name)]
        first = next(iter(sizes.values()), ())
        if not states and (len(first) != 2 or first[1] % 2):
            raise ConfigError(f"config key '{_KEY}': '{path}' is no LSTM and no MLP with an even number of inputs")
        self._past = torch.zeros(num_envs, num_dof, 2, 1 if states else first[1] // 2, device=device)
        width = states[0][1] if states else 0
        self._states = [torch.zeros(len(states), num_envs, num_dof, width, device=device) for _ in range(2)]

    def reset(self, mask: torch.Tensor) -> None:
        """Forget what the robots in ``mask``, bool, (N,), did."""
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
