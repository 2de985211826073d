"""Work on a GPU without waiting: CUDA graphs, streams, precision, Adam on the device, shared gradients."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import torch

from legged_gym.common.compiling import record

_WARM_UP = 3
"""Number of calls before the recording: libraries load, optimisers create their state, kernels are chosen."""


class Recorded:
    """A function without arguments and result that runs as a CUDA graph after some calls.

    It must read and write tensors at fixed addresses, and must not wait for values of the device: decisions in Python
    are only made once. On a CPU it is simply called.
    """

    def __init__(self, function: Callable[[], None], device: str | torch.device, enabled: bool = True) -> None:
        """Prepare to record, if at all, what ``function`` does on a device."""
        self._function = function
        self._recordable = enabled and torch.device(device).type == "cuda"
        self._countdown = _WARM_UP
        # One for all calls before and while recording: autograd ties parameters to the stream of their first use,
        # and a recording must not depend on the default one.
        self._stream = torch.cuda.Stream(device) if self._recordable else None
        self._graph: torch.cuda.CUDAGraph | None = None

    def __call__(self) -> None:
        """Do the work. A GPU may continue after the return."""
        if self._graph is not None:
            self._graph.replay()
        elif not self._recordable:
            self._function()
        elif self._countdown > 0:
            self._countdown -= 1
            with beside(self._stream) as aside, aside:
                self._function()
        else:
            self._graph = record(self._function, "learning runs", self._stream)
            if self._graph is None:
                self._recordable = False
                self._function()


class Fetched:
    """Copies of tensors in the host's memory, which a GPU makes while the host goes on."""

    def __init__(self, tensors: Sequence[torch.Tensor]) -> None:
        """Begin to copy."""
        self._copies = [
            torch.empty_like(tensor, device="cpu", pin_memory=tensor.is_cuda).copy_(tensor, non_blocking=True)
            for tensor in tensors
        ]
        devices = {tensor.device for tensor in tensors if tensor.is_cuda}
        self._done = [torch.cuda.current_stream(device).record_event() for device in devices]

    def get(self) -> list[torch.Tensor]:
        """Return the copies when they are complete."""
        for done in self._done:
            done.synchronize()
        return self._copies


@contextlib.contextmanager
def beside(side_stream: torch.cuda.Stream | None) -> Iterator[contextlib.AbstractContextManager[Any]]:
    """Yield a context whose work runs in parallel to work outside of it, and wait for it at the end.

    Args:
        side_stream: Stream of that work; None without a GPU: everything runs one after the other.
    """
    if side_stream is None:
        yield contextlib.nullcontext()
        return
    stream = torch.cuda.current_stream(side_stream.device)
    side_stream.wait_stream(stream)
    yield torch.cuda.stream(side_stream)
    stream.wait_stream(side_stream)


@contextlib.contextmanager
def matmul_precision(name: str) -> Iterator[None]:
    """Let PyTorch multiply float32 matrices with the precision ``highest``, ``high`` or ``medium``."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(name)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


_PLACEMENT = ("lr", "fused", "foreach", "capturable")
"""Settings of a parameter group that depend on the device, not on the learning."""


class DeviceAdam(torch.optim.Adam):
    """PyTorch's fused Adam, with one learning rate for all parameters, as a tensor.

    Its state also fits a plain ``torch.optim.Adam``, even on another device.
    """

    def __init__(self, parameters: Iterable[torch.nn.Parameter], lr: float) -> None:
        """Set up the optimiser of parameters on one device."""
        parameters = list(parameters)
        device = parameters[0].device
        rate = torch.tensor(lr, dtype=torch.float32, device=device)
        super().__init__(parameters, lr=rate, fused=True, capturable=device.type == "cuda")

    @property
    def rate(self) -> torch.Tensor:
        """The learning rate, 0-d. Change it in place."""
        return self.param_groups[0]["lr"]

    def state_dict(self) -> dict[str, Any]:
        """Return the state with the learning rate as a number, as in a plain Adam."""
        state = super().state_dict()
        groups = [{**group, "lr": float(self.rate)} for group in state["param_groups"]]
        return {**state, "param_groups": groups}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load the state of this or a plain Adam. CUDA graphs with the old one are no longer valid.

        Raises:
            ValueError: A tensor of the state has another size than its parameter: a fused kernel would not notice.
        """
        ours = {name: self.param_groups[0][name] for name in _PLACEMENT}
        rate, value = self.rate, float(state_dict["param_groups"][0]["lr"])
        groups = [{**group, **ours} for group in state_dict["param_groups"]]
        super().load_state_dict({**state_dict, "param_groups": groups})
        for group in self.param_groups:
            group["lr"] = rate.fill_(value)
        for parameter, entries in self.state.items():
            for name in ("exp_avg", "exp_avg_sq"):
                there = tuple(entries[name].shape)
                if there != tuple(parameter.shape):
                    raise ValueError(f"{name} is {there} where its parameter is {tuple(parameter.shape)}")


class GradientAverage:
    """Averages gradients, and one number beside them, in a single exchange per mini-batch."""

    def __init__(self, parameters: Iterable[torch.nn.Parameter], world_size: int) -> None:
        """Allocate the message of gradients, which all processes average."""
        self._parameters = list(parameters)
        self._world_size = world_size
        size = sum(parameter.numel() for parameter in self._parameters) + 1
        self._message = torch.zeros(size, device=self._parameters[0].device)

    def pack(self, number: torch.Tensor | None = None) -> None:
        """Write all gradients, and the number (0-d), into the message."""
        gradients = [self._gradient(parameter).reshape(-1) for parameter in self._parameters]
        last = self._message.new_zeros(1) if number is None else number.reshape(1)
        torch.cat([*gradients, last], out=self._message)

    def exchange(self) -> None:
        """Average the message over all processes; all of them have to call this."""
        torch.distributed.all_reduce(self._message)
        self._message /= self._world_size

    def unpack(self) -> torch.Tensor:
        """Replace this process's gradients by the averaged ones, and return the averaged number, 0-d."""
        parts = self._message[:-1].split([parameter.numel() for parameter in self._parameters])
        for parameter, part in zip(self._parameters, parts, strict=True):
            self._gradient(parameter).copy_(part.view_as(parameter))
        return self._message[-1]

    @staticmethod
    def _gradient(parameter: torch.nn.Parameter) -> torch.Tensor:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
        return parameter.grad


class MiniBatchStep:
    """Does the two halves of a step, recorded on a GPU: as one piece, or in two around what processes exchange."""

    def __init__(
        self,
        differentiate: Callable[[], None],
        apply: Callable[[], None],
        average: GradientAverage | None,
        device: str | torch.device,
        record: bool = True,
    ) -> None:
        """Prepare; ``differentiate`` packs gradients into ``average``, ``apply`` unpacks them and changes parameters.

        ``average`` exchanges them between processes; None: this is the only one. A GPU records both if ``record``.
        """

        def whole() -> None:
            differentiate()
            apply()

        self._average = average
        parts = [whole] if average is None else [differentiate, apply]
        self._parts = [Recorded(part, device, record) for part in parts]

    def __call__(self) -> None:
        """Do the step. A GPU may continue after the return."""
        self._parts[0]()
        if self._average is not None:
            self._average.exchange()
            self._parts[1]()
