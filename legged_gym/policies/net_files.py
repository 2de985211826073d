"""Writes networks for other programs, as ONNX and TorchScript, one file each."""

from __future__ import annotations

import contextlib
import io
import logging
import math
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx
import torch
from rsl_rl.models import MLPModel
from torch import nn

from legged_gym.policies.networks import PORTS

OPSET = 18
"""ONNX operator set of the files. The robot's ONNX Runtime 1.22 reads up to 22."""

MAX_IR_VERSION = 10
"""Newest ONNX file version that the robot's ONNX Runtime 1.22 reads."""


def acting_nets(alg: Any, clip: float) -> dict[str, tuple[MLPModel, float]]:
    """Return each network and the limit of its outputs, ± ``clip`` for actions. An estimator comes first."""
    estimator = {"estimator": (alg.get_estimator(), math.inf)} if hasattr(alg, "get_estimator") else {}
    return {**estimator, "actor": (alg.get_policy(), clip)}


def clipped(module: Any, limit: float) -> nn.Module:
    """Make one of rsl_rl's exported modules clip its output to ± ``limit``, and return it."""
    if math.isfinite(limit):
        module.deterministic_output = nn.Sequential(module.deterministic_output, nn.Hardtanh(-limit, limit))
    return module


def empty_memory(module: Any, count: int) -> list[torch.Tensor]:
    """Return the initial hidden states of rsl_rl's ``as_onnx()`` module, each (layers, count, size)."""
    if not getattr(module, "is_recurrent", False):
        return []
    states = 2 if module.rnn_type == "lstm" else 1
    return [torch.zeros(int(module.num_layers), count, int(module.hidden_size)) for _ in range(states)]


def write_onnx(model: MLPModel, path: Path, limit: float = math.inf) -> None:
    """Write a network as one ONNX file, deterministic, with input ``input`` and output ``output``, each (batch, n).

    A recurrent network also has its hidden state as input ``h_in`` and output ``h_out``, and an LSTM its cell state as
    ``c_in`` and ``c_out``, each (layers, batch, size). They are zero at the start of an episode. Outputs are clipped to
    ± ``limit``. ``RuntimeError`` if the exporter chose a file version that is too new for the robot.
    """
    module = clipped(model.as_onnx(verbose=False), limit).to("cpu").eval()
    # Two rows, because one row would become a fixed batch size.
    memory, batch = empty_memory(module, 2), torch.export.Dim("batch")
    ports = PORTS[: 1 + len(memory)]
    with _quiet_exporter():
        program = torch.onnx.export(
            module, (torch.zeros(2, model.obs_dim), *memory), dynamo=True, opset_version=OPSET,
            input_names=[name for name, _ in ports], output_names=[name for _, name in ports],
            dynamic_shapes=({0: batch}, *({1: batch} for _ in memory)),
        )  # fmt: skip
    # Written from memory, because the exporter itself may put the weights into a second file.
    assert program is not None
    proto = program.model_proto
    if proto.ir_version > MAX_IR_VERSION:
        raise RuntimeError(f"ONNX file version {proto.ir_version} is too new for the robot (up to {MAX_IR_VERSION}).")
    _drop_metadata(proto)
    onnx.checker.check_model(proto, full_check=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(proto.SerializeToString())


def write_torchscript(model: MLPModel, path: Path, limit: float = math.inf) -> None:
    """Write a network as TorchScript, deterministic: ``forward(x)`` with ``x`` of shape (batch, n), float32.

    A recurrent network holds the hidden state of one robot: the batch is 1, and ``reset()`` starts an episode. Outputs
    are clipped to ± ``limit``.
    """
    module = clipped(model.as_jit(), limit).to("cpu").eval()
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # TorchScript is deprecated, but LibTorch controllers of legged_gym policies load it.
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.save(torch.jit.script(module), buffer)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_without_debug_records(buffer))


def _without_debug_records(archive: io.BytesIO) -> bytes:
    """Drop the records that contain source paths of the training's machine."""
    result = io.BytesIO()
    with zipfile.ZipFile(archive) as old, zipfile.ZipFile(result, "w", zipfile.ZIP_STORED) as new:
        for entry in old.infolist():
            if not entry.filename.endswith(".debug_pkl"):
                new.writestr(entry, old.read(entry))
    return result.getvalue()


def _drop_metadata(proto: Any) -> None:
    """Drop the exporter's notes, which contain stack traces with paths of the training's machine."""
    graph = proto.graph
    for part in (proto, graph, *graph.node, *graph.input, *graph.output, *graph.initializer, *graph.value_info):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")


@contextlib.contextmanager
def _quiet_exporter() -> Iterator[None]:
    """Suppress progress lines, and warnings that don't matter here."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
