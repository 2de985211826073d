"""The process in which Isaac Gym runs, started by :mod:`legged_gym.simulators.isaacgym_link` with the user's Python.

It needs isaacgym, PyTorch and NumPy, and nothing of ``legged_gym`` but the file ``world.py`` beside it. It is
told by single commands on a pipe what to do and finds the values for it in shared memory. Of each command it says on
another pipe that it is done, by a line that is empty or tells in JSON what went wrong.
"""

import fcntl
import json
import mmap
import os
import select
import signal
import struct
import sys
import traceback
from typing import Any, Dict, Tuple

COMMAND = struct.Struct("=cBBBB4x")
"""What to do, whether to refresh all states, how many targets there are, whether states and whether drives changed."""

_CHECK_PARENT = 2000
"""Milliseconds between looks whether anybody is still there, beside the kernel's own notice."""


def main() -> None:
    """Import Isaac Gym, build a world when told to, and step it until the other side is gone."""
    replies, commands, lifeline, memory, scene = (int(number) for number in sys.argv[1:6])
    parent = os.getppid()
    _die_with_parent(lifeline)
    # Ctrl-C is for the other side, which then ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    connection = Connection(replies, commands, parent)
    world = None
    try:
        connection.reply(_import_isaacgym(json.loads(sys.argv[6])))
        from world import World

        while True:
            command, refresh, targets, states, drives = connection.next_command()
            if command == b"B":
                world = World(*_read_scene(scene, memory))
            elif world is None:
                raise RuntimeError("the first command has to be to build the world")
            else:
                if drives:
                    world.apply_drive_damping()
                if states:
                    world.apply_states()
                if command == b"D":
                    world.follow(targets)
                else:
                    world.step(bool(refresh))
            connection.reply({})
    except (EOFError, BrokenPipeError):
        pass
    except BaseException as error:
        traceback.print_exc()
        connection.reply({"error": type(error).__name__, "text": str(error), "name": getattr(error, "name", None)})
    # Isaac Gym's own clean-up may crash, and there is nothing to keep.
    sys.stderr.flush()
    os._exit(0)


class Connection:
    """The two pipes to the process that started this one."""

    def __init__(self, replies: int, commands: int, parent: int) -> None:
        """Take over the ends of the pipes; ``parent`` is the other side's process."""
        self._replies, self._commands, self._parent = replies, commands, parent
        self._poll = select.poll()
        self._poll.register(commands, select.POLLIN)

    def next_command(self) -> Tuple[Any, ...]:
        """Wait for a command and return its parts.

        Raises:
            EOFError: The other side is gone.
        """
        while not self._poll.poll(_CHECK_PARENT):
            if os.getppid() != self._parent:
                raise EOFError
        command = os.read(self._commands, COMMAND.size)
        if len(command) < COMMAND.size:
            raise EOFError
        return COMMAND.unpack(command)

    def reply(self, values: Dict[str, Any]) -> None:
        """Say that a command is done: with nothing to add, what there is to know, or an ``error``."""
        line = (json.dumps(values) if values else "") + "\n"
        os.write(self._replies, line.encode())


def _die_with_parent(lifeline: int) -> None:
    """Let the kernel end this process as soon as the pipe's other end is gone, however deep in PhysX it is then."""
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
    # F_SETSIG is missing in some versions of the module.
    fcntl.fcntl(lifeline, getattr(fcntl, "F_SETSIG", 10), signal.SIGKILL)
    fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)
    poll = select.poll()
    poll.register(lifeline, 0)
    if poll.poll(0):
        # It went before the kernel was asked to tell.
        os._exit(0)


def _import_isaacgym(device: str) -> Dict[str, Any]:
    """Import Isaac Gym, then PyTorch, in the only order that works, and return their versions."""
    import numpy

    # Isaac Gym uses names that newer versions of NumPy no longer have.
    for name, kind in (("float", float), ("int", int), ("bool", bool), ("object", object), ("complex", complex)):
        if name not in vars(numpy):
            setattr(numpy, name, kind)
    from isaacgym import gymapi, gymtorch  # noqa: F401, I001

    import torch

    if device.startswith("cuda") and not torch.cuda.is_available():
        raise RuntimeError(f"no GPU: PyTorch {torch.__version__} of this Python finds none")
    torch.set_num_threads(1)
    versions = {"numpy": numpy.__version__, "torch": torch.__version__}
    return {"python": sys.version.split()[0], **versions}


def _read_scene(scene: int, memory: int) -> Tuple[Dict[str, Any], Dict[str, Any], Dict[str, Any]]:
    """Return settings, arrays of what to build, and the arrays in shared memory, by name."""
    import numpy

    with os.fdopen(scene, "rb") as file:
        file.seek(0)
        stored = dict(numpy.load(file))
    settings = json.loads(str(stored.pop("settings")))
    shared = mmap.mmap(memory, settings["size"])
    os.close(memory)
    arrays = {
        name: numpy.frombuffer(shared, kind, count, offset).reshape(shape)
        for name, (kind, count, offset, shape) in settings["layout"].items()
    }
    return settings, stored, arrays


if __name__ == "__main__":
    main()
