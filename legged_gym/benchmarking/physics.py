"""The floor under a step: the same robots' physics and nothing else."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable

import mujoco
import numpy as np
import torch
from mujoco import rollout

from legged_gym.benchmarking.stopwatch import Stopwatch
from legged_gym.envs.base.legged_robot import LeggedRobot
from legged_gym.simulators.mujoco_sim import MujocoSimulator

PHYSICS = "physics only"
"""Name of the spans: the physics steps of one control step."""


class Physics(ABC):
    """Measures physics in the states that an environment goes through, and leaves it as it was."""

    description: str
    """What is measured, for people."""

    @abstractmethod
    def before_step(self) -> None:
        """Look at the present state; called before each step of the environment."""

    @abstractmethod
    def after_steps(self) -> None:
        """Measure what was put off until after a series of steps."""


def make_physics(env: LeggedRobot, watch: Stopwatch) -> Physics:
    """Return what measures the physics of ``env``; spans called :data:`PHYSICS` go to ``watch``."""
    return RolloutPhysics(env, watch) if isinstance(env.sim, MujocoSimulator) else SteppedPhysics(env, watch)


class RolloutPhysics(Physics):
    """``mujoco.rollout`` of the robots of MuJoCo C, in turns with the environment.

    Both meet the same robots and the same moments of a busy machine.
    """

    description = "mujoco.rollout, in turns with env.step"

    def __init__(self, env: LeggedRobot, watch: Stopwatch) -> None:
        """Make threads and memory for the robots of ``env``, which must run on MuJoCo C."""
        assert isinstance(env.sim, MujocoSimulator)
        self._watch, self._decimation = watch, env.cfg.control.decimation
        self._batch = batch = env.sim.batch
        self._models = [batch.get_model(i) for i in range(env.num_envs)]
        self._datas = [mujoco.MjData(self._models[0]) for _ in range(batch.nthread)]
        self._pool = rollout.Rollout(nthread=batch.nthread)
        size = mujoco.mj_stateSize(self._models[0], mujoco.mjtState.mjSTATE_FULLPHYSICS.value)
        self._state = np.zeros((env.num_envs, size))
        self._out = np.zeros((env.num_envs, self._decimation, size))
        self._sensors = np.zeros((env.num_envs, self._decimation, self._models[0].nsensordata))

    def before_step(self) -> None:
        """Measure the present state's next physics steps."""
        with self._watch.measure(PHYSICS):
            self._roll_out()

    def after_steps(self) -> None:
        """Do nothing: all is measured."""

    def _roll_out(self) -> None:
        batch, model = self._batch, self._models[0]
        self._state[:, 1 : 1 + model.nq] = batch.qpos
        self._state[:, 1 + model.nq :] = batch.qvel
        self._pool.rollout(
            self._models,
            self._datas,
            self._state,
            np.repeat(batch.qfrc_applied[:, None], self._decimation, axis=1),
            control_spec=mujoco.mjtState.mjSTATE_QFRC_APPLIED.value,
            state=self._out,
            sensordata=self._sensors,
            initial_warmstart=np.ascontiguousarray(batch.qacc_warmstart),
        )


class SteppedPhysics(Physics):
    """The simulator's own physics steps, one after the other from one CUDA graph where that is possible.

    The states are noted and gone through afterwards, so that measuring does not touch what the steps compute. Torques
    are those of the physics step before, held. State tensors are not brought up to date.
    """

    description = "the simulator's physics steps"

    def __init__(self, env: LeggedRobot, watch: Stopwatch) -> None:
        """Prepare to step the robots of ``env``, which are put back to where they are."""
        self._env, self._sim, self._watch = env, env.sim, watch
        self._torques = env.torques.clone()
        self._everyone = torch.ones(env.num_envs, dtype=torch.bool, device=env.device)
        self._noted: list[tuple[torch.Tensor, ...]] = []
        self._steps: Callable[[], None] = self._step
        if self._sim.capturable:
            self._steps = self._record()

    def before_step(self) -> None:
        """Note the present state."""
        self._noted.append(self._present())

    def after_steps(self) -> None:
        """Measure the physics of every noted state."""
        end = self._present()
        for state in self._noted:
            self._place(state)
            with self._watch.measure(PHYSICS):
                self._steps()
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
