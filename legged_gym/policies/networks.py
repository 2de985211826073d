"""Exported networks: finds, opens, checks and runs them with ONNX Runtime."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from google.protobuf.message import DecodeError

from legged_gym.common.errors import UserError, file_errors
from legged_gym.common.paths import plain_file

PORTS = (("input", "output"), ("h_in", "h_out"), ("c_in", "c_out"))
"""A network's input and output, then the hidden state of a recurrent one and the cell state of an LSTM."""
Memory = list[np.ndarray]
"""Hidden states of a recurrent network for N robots, each (layers, N, size); empty for a feed-forward one."""


class OnnxNet:
    """A network with an input ``input``, (N, n), and an output ``output``, (N, m), float32.

    A recurrent one has further ports for its hidden states; see :func:`legged_gym.policies.net_files.write_onnx`.

    Attributes:
        path: The file.
        inputs: Number of inputs, n.
        outputs: Number of outputs, m.
        memory: Layers and size of each hidden state.
    """

    def __init__(self, path: Path) -> None:
        """Open the file.

        Raises:
            UserError: The file can't be read, or it has other inputs or outputs.
        """
        options = onnxruntime.SessionOptions()
        # Networks this small gain nothing from more threads, which would spin while they wait.
        options.intra_op_num_threads = 1
        self.path = path
        _check_numbers(path)
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:
            # ONNX Runtime's errors have no common base class.
            raise UserError(f"{path}: ONNX Runtime can't load it: {' '.join(str(error).split())}") from error
        ins, outs = self._session.get_inputs(), self._session.get_outputs()
        names = PORTS[: len(ins)]
        try:
            self.inputs = self._check(ins, [name for name, _ in names], "input")
            self.outputs = self._check(outs, [name for _, name in names], "output")
        except UnicodeDecodeError as error:
            raise UserError(f"{path}: the names of its inputs or outputs are no text") from error
        self.memory = [(int(port.shape[0]), int(port.shape[2])) for port in ins[1:]]
        self._names = [port.name for port in ins]

    def start(self, count: int) -> Memory:
        """Return the hidden states of ``count`` robots at the start of an episode."""
        return [np.zeros((layers, count, size), np.float32) for layers, size in self.memory]

    def __call__(self, inputs: np.ndarray, memory: Memory | None = None) -> tuple[np.ndarray, Memory]:
        """Return the outputs, (N, m), and the new hidden states. Without ``memory`` an episode starts."""
        memory = self.start(len(inputs)) if memory is None else memory
        outputs, *remembered = self._session.run(None, dict(zip(self._names, [inputs, *memory], strict=True)))
        return outputs, remembered

    def _check(self, ports: Sequence[Any], names: Sequence[str], what: str) -> int:
        """Check the ports and return the width of the first."""
        found = [(port.name, port.type, len(port.shape)) for port in ports]
        expected = [(name, "tensor(float)", 3 if index else 2) for index, name in enumerate(names)]
        if found != expected or not isinstance(ports[0].shape[1], int):
            shown = ", ".join(f"{port.name} {port.type} {port.shape}" for port in ports)
            raise UserError(
                f"{self.path}: must have one float {what} '{names[0]}' [batch, n], and hidden states, has: {shown}"
            )
        return int(ports[0].shape[1])


def _check_numbers(path: Path) -> None:
    """Check that a file contains its own numbers, not in other files, and that they are finite."""
    try:
        graph = onnx.load_model(plain_file(path), load_external_data=False).graph
        stored = [*graph.initializer, *(a.t for node in graph.node for a in node.attribute if a.HasField("t"))]
        broken = [t.name for t in stored if t.data_location == onnx.TensorProto.EXTERNAL or not _finite(t)]
    except (OSError, ValueError, TypeError, AttributeError, DecodeError) as error:
        raise UserError(f"{path}: ONNX can't load it: {' '.join(str(error).split())}") from error
    if broken:
        raise UserError(f"{path}: '{broken[0]}' holds numbers that are in another file, infinite or not a number")


def _finite(stored: onnx.TensorProto) -> bool:
    values = onnx.numpy_helper.to_array(stored)
    return values.dtype.kind != "f" or bool(np.isfinite(values).all())


def only_file(folder: Path, ending: str) -> Path:
    """Return the one file in a folder whose name ends so.

    Raises:
        UserError: There is no such file, or there are several.
    """
    found = sorted(folder.glob(f"*{ending}"))
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "none"
        raise UserError(f"'{folder}' must hold one file *{ending}, there is: {names}")
    return found[0]


def digest(files: Sequence[str | Path]) -> str:
    """Return the first digits of the files' common SHA-256.

    Raises:
        UserError: A file can't be read.
    """
    content = hashlib.sha256()
    for path in files:
        with file_errors(f"can't read '{path}'"):
            content.update(Path(path).read_bytes())
    return content.hexdigest()[:12]
