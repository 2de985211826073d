"""The process that runs Isaac Gym, seen from here: how it is started, told what to do, and ended."""

from __future__ import annotations

import contextlib
import fcntl
import io
import json
import math
import mmap
import os
import select
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from legged_gym.common.console import tell_if_slow
from legged_gym.common.errors import SimulatorLostError, UserError, file_errors
from legged_gym.simulators.isaacgym.python import Interpreter, explain, first_error, last_words
from legged_gym.simulators.isaacgym.worker import COMMAND

_WORKER = Path(__file__).with_name("worker.py")
_ALIGNMENT = 64
_START_FACTOR = 10
"""How many times as long as a control step the start may take: it may compile and copies the ground to the GPU."""
_LONGEST_OUTPUT = 1 << 20
"""Bytes of Isaac Gym's output that are kept; it may repeat an error in every step."""
_FAREWELL = 2.0
"""Seconds that the process gets to end by itself."""


@dataclass(frozen=True)
class Block:
    """An array in shared memory."""

    shape: tuple[int, ...]
    kind: str = "float32"
    """NumPy's name of the type."""


class SharedMemory:
    """Arrays that two processes see.

    The memory has no name anywhere, so it is gone as soon as both processes are, however they end.

    Attributes:
        arrays: The arrays, zero at first, by name.
        layout: Type, number of items, offset in bytes and shape of each of them.
        size: Bytes in all.
        fd: File descriptor to map in the other process.
    """

    def __init__(self, blocks: dict[str, Block]) -> None:
        """Get the memory that is wanted, by name.

        Raises:
            UserError: This is not Linux.
        """
        if not hasattr(os, "memfd_create"):
            raise UserError("--sim=isaacgym runs on Linux only, as Isaac Gym does")
        self.layout, self.size = _lay_out(blocks)
        self.fd = os.memfd_create("isaacgym_states")
        os.ftruncate(self.fd, self.size)
        memory = mmap.mmap(self.fd, self.size)
        self.arrays: dict[str, np.ndarray] = {
            name: np.frombuffer(memory, kind, count, offset).reshape(shape)
            for name, (kind, count, offset, shape) in self.layout.items()
        }

    def close(self) -> None:
        """Let go of the memory; it is freed with the last array that somebody still holds."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


class Link:
    """A process with Isaac Gym and the pipes to command it; the kernel ends it when this process ends.

    Attributes:
        versions: Of ``python``, ``torch`` and ``numpy`` over there.
    """

    def __init__(self, python: Interpreter, device: str, memory: SharedMemory, time_out: float) -> None:
        """Start the process and wait until it has imported Isaac Gym.

        Args:
            python: What runs it.
            device: Where Isaac Gym's tensors are to live: ``cpu`` or ``cuda:N``.
            memory: What is shared with it.
            time_out: Longest wait for a control step, s.

        Raises:
            UserError: The process can't be started; as ``SimulatorLostError``, it can't import what it needs.
        """
        self._python, self._memory, self._time_out = python, memory, time_out
        self._pending, self._complained = True, False
        with contextlib.ExitStack() as opened:
            self._scene = _owned(os.memfd_create("isaacgym_scene"), opened)
            self._output = opened.enter_context(tempfile.TemporaryFile())
            # Both processes write where the file ends at that time, so it can be emptied.
            fcntl.fcntl(self._output, fcntl.F_SETFL, os.O_RDWR | os.O_APPEND)
            self._replies, self._commands, self._lifeline, theirs = self._pipes(opened)
            self._process: subprocess.Popen | None = self._start((*theirs, memory.fd, self._scene), device)
            opened.pop_all()
        for fd in theirs:
            os.close(fd)
        self._poll = select.poll()
        self._poll.register(self._replies, select.POLLIN)
        try:
            with tell_if_slow("starting Isaac Gym, which compiles a part of it at its first start"):
                self.versions = self._receive("start", _START_FACTOR * time_out)
        except BaseException:
            self.close()
            raise

    def build(self, settings: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
        """Let the world be built of plain values, and of arrays for what is too large for them.

        Raises:
            SimulatorLostError: Isaac Gym could not do it.
        """
        self._check_running()
        content = {**settings, "layout": self._memory.layout, "size": self._memory.size}
        packed = io.BytesIO()
        packing: dict[str, Any] = {**arrays, "settings": np.array(json.dumps(content))}
        np.savez(packed, **packing)
        with os.fdopen(self._scene, "wb") as file:
            file.write(packed.getvalue())
        self._scene = -1
        with tell_if_slow("building the world in Isaac Gym"):
            self._send(b"B")
            self._receive("build", _START_FACTOR * self._time_out)

    def run(self, command: bytes, refresh: bool = False, targets: int = 0) -> None:
        """Let physics go on by what is in the shared memory; its states are new afterwards.

        Args:
            command: ``T``: one physics step with torques; ``D``: a control step with a drive.
            refresh: After ``T``, publish all states, not only those of the joints.
            targets: How many targets the drive has.

        Raises:
            SimulatorLostError: The process died, or takes too long.
        """
        arrays = self._memory.arrays
        self._send(command, refresh, targets, arrays["changed"].any(), arrays["redamped"].any())
        self._receive("step", self._time_out)

    def complaint(self) -> str:
        """Return the first error that Isaac Gym printed, once; empty if there is none, or after that."""
        output = self._output.fileno()
        size = os.fstat(output).st_size
        found = "" if self._complained or not size else first_error(output)
        self._complained = self._complained or bool(found)
        if size > _LONGEST_OUTPUT:
            os.ftruncate(output, 0)
        return found

    def close(self) -> None:
        """End the process; may be called again."""
        if self._process is None:
            return
        process, self._process = self._process, None
        os.close(self._commands)
        with contextlib.suppress(subprocess.TimeoutExpired):
            if not self._pending:
                process.wait(_FAREWELL)
        # It leads a group of its own, to which compilers that it may have started belong.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for fd in (self._replies, self._lifeline, *([self._scene] if self._scene >= 0 else [])):
            os.close(fd)
        self._output.close()

    def _start(self, fds: tuple[int, ...], device: str) -> subprocess.Popen:
        replies, commands, lifeline, memory, scene = fds
        numbers = [str(fd) for fd in (replies, commands, lifeline, memory, scene)]
        command = [self._python.path, "-u", str(_WORKER), *numbers, json.dumps(device)]
        with file_errors(f"'{self._python.path}' can't be started"):
            return subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=self._output, stderr=self._output, pass_fds=fds,
                env=self._python.environment(), start_new_session=True,
            )  # fmt: skip

    @staticmethod
    def _pipes(opened: contextlib.ExitStack) -> tuple[int, int, int, tuple[int, int, int]]:
        """Return our ends of the pipes for replies and commands and of the lifeline, and the other ends."""
        ends = [_owned(end, opened) for _ in range(3) for end in os.pipe()]
        reply_read, reply_write, command_read, command_write, life_read, life_write = ends
        return reply_read, command_write, life_write, (reply_write, command_read, life_read)

    def _send(self, command: bytes, refresh: bool = False, targets: int = 0, states: Any = 0, drives: Any = 0) -> None:
        self._check_running()
        if self._pending:
            # Ctrl-C came before the last reply.
            self._receive("step", self._time_out)
        self._pending = True
        try:
            os.write(self._commands, COMMAND.pack(command, bool(refresh), targets, bool(states), bool(drives)))
        except BrokenPipeError:
            self._receive("step", 1.0)

    def _check_running(self) -> None:
        if self._process is None:
            raise SimulatorLostError("Isaac Gym's process has been ended")

    def _receive(self, stage: str, seconds: float) -> dict[str, Any]:
        """Wait for the reply to a command and return what it says."""
        reply = b""
        while not reply.endswith(b"\n"):
            if not self._poll.poll(1000.0 * seconds):
                raise SimulatorLostError(self._silent(seconds))
            part = os.read(self._replies, 65536)
            if not part:
                raise SimulatorLostError(self._died(stage))
            reply += part
        self._pending = False
        values: dict[str, Any] = json.loads(reply) if reply.strip() else {}
        if "error" in values:
            # It has ended by itself.
            self.close()
            raise SimulatorLostError(explain(self._python, stage, values))
        return values

    def _silent(self, seconds: float) -> str:
        text = f"Isaac Gym has not answered for {seconds:g} s (config key 'sim.physx.time_out')"
        words = last_words(self._output.fileno())
        self.close()
        return f"{text}: {words}" if words else text

    def _died(self, stage: str) -> str:
        assert self._process is not None
        try:
            code = self._process.wait(_FAREWELL)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        words = last_words(self._output.fileno())
        self.close()
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        when = {"start": "at its start", "build": "while building the world", "step": "in a step"}[stage]
        return f"Isaac Gym's process {how} {when}" + (f": {words}" if words else "")


def _lay_out(blocks: dict[str, Block]) -> tuple[dict[str, tuple[str, int, int, tuple[int, ...]]], int]:
    """Return type, number of items, offset and shape of each array, and the size of them all, bytes."""
    layout, end = {}, 0
    for name, block in blocks.items():
        count = math.prod(block.shape)
        layout[name] = (block.kind, count, end, block.shape)
        end += -(-count * np.dtype(block.kind).itemsize // _ALIGNMENT) * _ALIGNMENT
    return layout, end


def _owned(fd: int, opened: contextlib.ExitStack) -> int:
    """Close a file descriptor if what follows fails."""
    opened.callback(os.close, fd)
    return fd
