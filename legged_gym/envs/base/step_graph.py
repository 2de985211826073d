"""A whole step of a task as one CUDA graph: hundreds of small kernels, launched by the device itself."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import torch
from tensordict import TensorDict

from legged_gym.utils.patience import tell_if_slow

if TYPE_CHECKING:
    from legged_gym.envs.base.legged_robot import LeggedRobot

_WARM_UP = 3
"""Steps before the recording: libraries load, kernels compile and every attribute gets its tensor."""
_TASK_METHODS = ("_push_robots", "_compute_torques", "_post_physics_step")
"""What is compiled: together all of a task's own code in a step."""
_SIMULATOR_METHODS = ("step", "set_state", "set_root_velocity", "set_drive_damping")
"""What the compiler must not look into."""


class StepGraph:
    """Runs ``task._step``: kernel by kernel at first, then from a recording of it.

    A recording reads and writes fixed memory, while a step's code binds attributes to new tensors. So the task's
    tensors that a step replaces get memory of their own, into which every step ends by copying the new values.
    What a step decides in Python is decided once, when it is recorded.
    """

    def __init__(self, task: LeggedRobot) -> None:
        """Prepare to record the steps of ``task``."""
        self._task = task
        self._countdown = _WARM_UP
        self._graph: torch.cuda.CUDAGraph | None = None
        self._memory: dict[str, torch.Tensor] = {}
        self._actions = torch.zeros(task.num_envs, task.num_actions, device=task.device)
        self._observations: TensorDict
        self._compiled = False
        if task.cfg.sim.compile_step:
            self._compile()

    @torch.inference_mode(False)
    @torch.no_grad()
    def __call__(self, actions: torch.Tensor) -> None:
        """Do one step with ``actions``, (N, D)."""
        self._actions.copy_(actions)
        self._take_over()
        if self._graph is not None:
            self._graph.replay()
        elif self._countdown > 0 or not self._record():
            self._countdown -= 1
            with tell_if_slow("compiling the task's step, which takes half a minute at the first start"):
                self._step_by_kernels()
        # A runner keeps observations until after the next step.
        self._task._observations = self._observations.clone()

    def _step_by_kernels(self) -> None:
        before = self._tensors()
        try:
            self._step()
        except Exception as error:
            if not self._compiled:
                raise
            # What the compiler can't do must not keep a task from running; what is wrong with it shows again.
            reason = str(error).strip().split("\n")[0]
            warnings.warn(f"steps run slower, as torch.compile failed on this task or here: {reason}", stacklevel=4)
            self._undo_compile()
            for name, tensor in before.items():
                setattr(self._task, name, tensor)
            self._step()

    def _compile(self) -> None:
        """Fuse the many small kernels of the task's own code into few; the simulator's stay as they are."""
        task, self._compiled = self._task, True
        warnings.filterwarnings("ignore", message="TensorFloat32 tensor cores", module="torch._inductor")
        for name in _SIMULATOR_METHODS:
            setattr(task.sim, name, torch.compiler.disable(getattr(task.sim, name)))
        for name in _TASK_METHODS:
            setattr(task, name, torch.compile(getattr(task, name), dynamic=False))

    def _undo_compile(self) -> None:
        self._compiled = False
        for owner, names in ((self._task, _TASK_METHODS), (self._task.sim, _SIMULATOR_METHODS)):
            for name in names:
                delattr(owner, name)

    def _take_over(self) -> None:
        """Collect what somebody else, a reset for instance, has bound to the task since the last step."""
        for name, memory in self._memory.items():
            value = getattr(self._task, name)
            if isinstance(value, torch.Tensor) and value is not memory:
                memory.copy_(value)
                setattr(self._task, name, memory)

    def _step(self) -> None:
        """Do a step and copy what it left in new tensors to where the next one will look for it."""
        task = self._task
        before = self._tensors()
        task._step(self._actions)
        self._observations = task._observations
        after = self._tensors()
        replaced = {name: tensor for name, tensor in after.items() if before.get(name) is not tensor}
        for name in replaced.keys() - self._memory.keys():
            self._memory[name] = replaced[name].clone()
        # An attribute may have got another one's old tensor, or a view of it, which is about to be overwritten.
        old = {memory.untyped_storage().data_ptr() for memory in self._memory.values()}
        values = [t.clone() if t.untyped_storage().data_ptr() in old else t for t in replaced.values()]
        torch._foreach_copy_([self._memory[name] for name in replaced], values)
        for name in replaced:
            setattr(task, name, self._memory[name])

    def _record(self) -> bool:
        """Record a step and replay it once; return False, having warned, if this task's steps can't be recorded."""
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph, capture_error_mode="thread_local"):
                self._step()
        except RuntimeError as error:
            reason = str(error).split("\n")[0]
            warnings.warn(f"steps run slower, as they can't be recorded as a CUDA graph: {reason}", stacklevel=4)
            # What was bound while recording was never computed.
            for name, memory in self._memory.items():
                setattr(self._task, name, memory)
            self._countdown = 1 << 62
            return False
        self._graph = graph
        graph.replay()
        return True

    def _tensors(self) -> dict[str, torch.Tensor]:
        return {name: value for name, value in vars(self._task).items() if isinstance(value, torch.Tensor)}
