"""Runs a whole step of a task as one CUDA graph: hundreds of small kernels with a single launch."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from tensordict import TensorDict

from legged_gym.common.compiling import compiled, record, warn_not_compiled
from legged_gym.common.console import tell_if_slow

if TYPE_CHECKING:
    from legged_gym.envs.base.legged_robot import LeggedRobot
    from legged_gym.simulators import Simulator

_WARM_UP = 3
"""Number of steps before the recording, in which libraries load, kernels compile and attributes get their tensors."""
_CALLS = ("step", "set_state", "set_root_velocity", "set_drive_damping")
"""Methods of a simulator that a step may call."""
_OPTIONS: dict[str, Any] = {"combo_kernels": True, "reorder_for_locality": False}
"""Independent kernels are launched as one. Reads of a state are not moved: after the simulator's next call, they would
    need a copy of the state."""


class StepGraph:
    """Runs ``task._step``: at first kernel by kernel, then as a CUDA graph.

    A CUDA graph reads and writes fixed memory, while a step's code binds attributes to new tensors. So each tensor that
    a step replaces gets fixed memory, and every step ends by copying the new values there. Decisions in Python are only
    made once, during the recording.
    """

    def __init__(self, task: LeggedRobot) -> None:
        """Prepare to record the steps of ``task``."""
        self._task = task
        self._countdown = _WARM_UP
        self._graph: torch.cuda.CUDAGraph | None = None
        self._memory: dict[str, torch.Tensor] = {}
        self._actions = torch.zeros(task.num_envs, task.num_actions, device=task.device)
        self._observations: TensorDict
        self._fused_step: Callable[[], None] | None = None

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
        self._task._observations = self._copy_observations()

    def forget(self) -> None:
        """Record again, because a value that the graph holds as a constant has changed."""
        self._graph, self._countdown = None, max(self._countdown, 1)

    def _copy_observations(self) -> TensorDict:
        """Copy the observations, by one kernel if possible, because a runner keeps them until after the next step."""
        groups = dict(self._observations.items())
        if len({group.dtype for group in groups.values()}) != 1:
            return self._observations.clone()
        copies = torch.cat([group.flatten() for group in groups.values()]).split([g.numel() for g in groups.values()])
        shaped = {name: copy.view(groups[name].shape) for name, copy in zip(groups, copies, strict=True)}
        return TensorDict(shaped, batch_size=self._observations.batch_size)

    def _step_by_kernels(self) -> None:
        if self._fused_step is None:
            self._step()
            if self._task.cfg.sim.compile_step:
                self._compile()
            return
        try:
            self._fused_step()
        except Exception as error:
            # A task runs even if the compiler fails. Other errors come again in the uncompiled step.
            warn_not_compiled("the task's step", error)
            self._undo_compile()
            self._step()

    def _compile(self) -> None:
        """Fuse the hundreds of small kernels of the task's own code into few, but not the simulator's."""
        for name in _CALLS:
            setattr(self._task.sim, name, _opaque(self._task.sim, name))
        # All in one piece, including the copies, so that values are written directly to their memory.
        self._fused_step = compiled(self._step_into_memory, _OPTIONS)

    def _undo_compile(self) -> None:
        self._fused_step = None
        self._task.cfg.sim.compile_step = False
        for name in _CALLS:
            delattr(self._task.sim, name)
        for name, memory in self._memory.items():
            setattr(self._task, name, memory)

    def _take_over(self) -> None:
        """Collect tensors that other code, such as a reset, has bound to the task since the last step."""
        for name, memory in self._memory.items():
            value = getattr(self._task, name)
            if isinstance(value, torch.Tensor) and value is not memory:
                memory.copy_(value)
                setattr(self._task, name, memory)

    def _step(self) -> None:
        """Do a step and copy its new tensors to the memory from which the next step reads."""
        task = self._task
        before = self._tensors()
        task._step(self._actions)
        self._observations = task._observations
        after = self._tensors()
        replaced = {name: tensor for name, tensor in after.items() if before.get(name) is not tensor}
        # In a fixed order, unlike a set's, because a compiled step is cached by its code.
        for name, tensor in replaced.items():
            if name not in self._memory:
                self._memory[name] = tensor.clone()
        # An attribute may now have another one's old tensor, or a view of it, which is about to be overwritten.
        old = {memory.untyped_storage().data_ptr() for memory in self._memory.values()}
        values = [t.clone() if t.untyped_storage().data_ptr() in old else t for t in replaced.values()]
        torch._foreach_copy_([self._memory[name] for name in replaced], values)
        for name in replaced:
            setattr(task, name, self._memory[name])

    def _step_into_memory(self) -> None:
        """Do the same for the compiler, which tracks by itself what is overwritten when."""
        task = self._task
        task._step(self._actions)
        self._observations = task._observations
        for name, memory in self._memory.items():
            value = getattr(task, name)
            if value is not memory and value is not None:
                memory.copy_(value)
                setattr(task, name, memory)

    def _record(self) -> bool:
        """Record a step and replay it once. Warn and return False if this task's steps can't be recorded."""
        self._graph = record(self._fused_step or self._step, "each step runs")
        if self._graph is None:
            # Tensors that were bound during the recording were never computed.
            for name, memory in self._memory.items():
                setattr(self._task, name, memory)
            self._countdown = 1 << 62
        return self._graph is not None

    def _tensors(self) -> dict[str, torch.Tensor]:
        return {name: value for name, value in vars(self._task).items() if isinstance(value, torch.Tensor)}


_calls: list[tuple[weakref.ref[Simulator], str, bool]] = []
"""The simulators' methods that the operators below call, with or without ``refresh``."""


@torch.library.custom_op("legged_gym::call_simulator", mutates_args=("states",))
def _call_simulator(call: int, arguments: list[torch.Tensor], states: list[torch.Tensor]) -> None:
    """Call a simulator's method as an operator that the compiler does not trace.

    Args:
        call: Index in ``_calls``.
        arguments: Arguments of the method.
        states: The simulator's tensors, which it changes. If the compiler still needs an old value, it passes a copy
            that is changed instead of the simulator's own.
    """
    reference, name, refresh = _calls[call]
    simulator = reference()
    assert simulator is not None, "a task outlived its simulator"
    own = [getattr(simulator, state) for state in simulator.STATES]
    copies = [
        (copy, mine, mine.clone()) for copy, mine in zip(states, own, strict=True) if copy.data_ptr() != mine.data_ptr()
    ]
    for copy, mine, _ in copies:
        mine.copy_(copy)
    getattr(type(simulator), name)(simulator, *arguments, **({"refresh": True} if refresh else {}))
    for copy, mine, old in copies:
        copy.copy_(mine)
        mine.copy_(old)


@_call_simulator.register_fake
def _(call: int, arguments: list[torch.Tensor], states: list[torch.Tensor]) -> None:
    return None


def _opaque(simulator: Simulator, name: str) -> Callable[..., None]:
    states = [getattr(simulator, state) for state in simulator.STATES]
    first = len(_calls)
    _calls.extend((weakref.ref(simulator), name, refresh) for refresh in (False, True))

    def call(*arguments: torch.Tensor, refresh: bool = False) -> None:
        _call_simulator(first + int(refresh), list(arguments), states)

    return call
