"""A whole step of a task as one CUDA graph: hundreds of small kernels, launched by the device itself."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from legged_gym.envs.base.legged_robot import LeggedRobot

_WARM_UP = 3
"""Steps that run as they are, so that libraries are loaded and every attribute has its tensor."""


class StepGraph:
    """Runs ``task._step``: kernel by kernel at first, then from a recording of it.

    A recording reads and writes fixed memory, while a step's code binds attributes to new tensors. So the task's
    tensors that a step replaces get memory of their own, into which the recording ends by copying the new values.
    What a step decides in Python is decided once, when it is recorded.
    """

    def __init__(self, task: LeggedRobot) -> None:
        """Prepare to record a task on a CUDA device."""
        self._task = task
        self._steps = 0
        self._graph: torch.cuda.CUDAGraph | None = None
        self._replaced: list[str] = []
        self._memory: dict[str, torch.Tensor] = {}

    def __call__(self, actions: torch.Tensor) -> None:
        """Do one step with ``actions``, (N, D)."""
        self._steps += 1
        if self._steps <= _WARM_UP:
            before = self._tensors()
            self._task._step(actions)
            self._replaced = [name for name, tensor in self._tensors().items() if before.get(name) is not tensor]
            return
        if self._steps == _WARM_UP + 1:
            self._record(actions)
        if self._graph is None:
            self._task._step(actions)
            return
        # Somebody may have bound an attribute anew since, a reset for instance.
        for name, memory in self._memory.items():
            if getattr(self._task, name) is not memory:
                memory.copy_(getattr(self._task, name))
                setattr(self._task, name, memory)
        self._actions.copy_(actions)
        self._graph.replay()
        # A runner keeps observations, rewards and dones until after the next step.
        self._task._observations = self._observations.clone()

    @torch.inference_mode(False)
    @torch.no_grad()
    def _record(self, actions: torch.Tensor) -> None:
        task = self._task
        self._memory = {name: getattr(task, name).clone() for name in self._replaced}
        self._actions = actions.to(task.device).clone()
        for name, memory in self._memory.items():
            setattr(task, name, memory)
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph, capture_error_mode="thread_local"):
                task._step(self._actions)
                self._observations = task._observations
                self._write_back()
        except RuntimeError as error:
            reason = str(error).split("\n")[0]
            warnings.warn(f"steps run slower, as this task's can't be recorded as a CUDA graph: {reason}", stacklevel=4)
            self._memory.clear()
        else:
            self._graph = graph
        for name, memory in self._memory.items():
            setattr(task, name, memory)

    def _write_back(self) -> None:
        """Copy what the step left in new tensors to where its next one will look for it."""
        new = [getattr(self._task, name) for name in self._memory]
        # An attribute may have got another one's old tensor, which is about to be overwritten.
        old = {id(memory) for memory in self._memory.values()}
        values = [tensor.clone() if id(tensor) in old else tensor for tensor in new]
        torch._foreach_copy_(list(self._memory.values()), values)

    def _tensors(self) -> dict[str, torch.Tensor]:
        return {name: value for name, value in vars(self._task).items() if isinstance(value, torch.Tensor)}
