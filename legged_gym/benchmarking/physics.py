"""Measures physics alone, with the same robots."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import torch

from legged_gym.benchmarking.stopwatch import Stopwatch
from legged_gym.common.errors import UserError
from legged_gym.envs.base.legged_robot import LeggedRobot

PHYSICS = "physics only"
"""Name of the spans: the physics steps of one control step."""
UPSTREAM = "plain MuJoCo Warp"
"""The same by MuJoCo Warp without our own solver."""


class Physics:
    """Measures the simulator's own physics steps, from one CUDA graph where that is possible.

    The environment's states are stored and repeated afterwards, so that measuring does not change the steps. Torques
    are held from the physics step before. State tensors are not updated.
    """

    def __init__(self, env: LeggedRobot, watch: Stopwatch, upstream: bool = False) -> None:
        """Prepare to step the robots of ``env``, which are put back to where they are; spans go to ``watch``.

        ``upstream`` also measures MuJoCo Warp alone, from the same states. ``UserError`` if the simulator is another.
        """
        copies = getattr(env.sim, "upstream", None) if upstream else None
        if upstream and copies is None:
            raise UserError("--upstream compares with MuJoCo Warp alone: it needs --sim=warp")
        self._env, self._sim, self._watch = env, env.sim, watch
        self._torques = env.torques.clone()
        self._everyone = torch.ones(env.num_envs, dtype=torch.bool, device=env.device)
        self._noted: list[tuple[torch.Tensor, ...]] = []
        self._steps = self._record() if self._sim.capturable else self._step
        self._upstream = copies() if copies is not None else None

    def before_step(self) -> None:
        """Store the present state. Called before each step of the environment."""
        self._noted.append(self._present())

    def after_steps(self) -> None:
        """Measure the physics of every stored state."""
        end = self._present()
        for state in self._noted:
            self._place(state)
            if self._upstream is not None:
                self._upstream.follow()
            with self._watch.measure(PHYSICS):
                self._steps()
            if self._upstream is not None:
                with self._watch.measure(UPSTREAM):
                    for _ in range(self._env.cfg.control.decimation):
                        self._upstream.step()
        self._noted.clear()
        self._sim.set_state(self._everyone, *end[:3])

    def _present(self) -> tuple[torch.Tensor, ...]:
        sim = self._sim
        return tuple(x.clone() for x in (sim.root_states, sim.dof_pos, sim.dof_vel, self._env.torques))

    def _place(self, state: tuple[torch.Tensor, ...]) -> None:
        """Put the robots into a state, and one physics step on: then the solver starts as it does on the way."""
        self._sim.set_state(self._everyone, *state[:3])
        self._torques.copy_(state[3])
        self._sim.step(self._torques)

    def _step(self) -> None:
        for _ in range(self._env.cfg.control.decimation):
            self._sim.step(self._torques)

    def _record(self) -> Callable[[], None]:
        """Return a function that replays the physics steps, or does them if they can't be recorded."""
        start = self._present()
        self._place(start)
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.device(self._env.device), torch.cuda.graph(graph, capture_error_mode="thread_local"):
                self._step()
        except RuntimeError as error:
            reason = str(error).split("\n")[0]
            warnings.warn(f"physics is measured step by step, as it can't be recorded: {reason}", stacklevel=3)
            return self._step
        finally:
            self._sim.set_state(self._everyone, *start[:3])
        return graph.replay
