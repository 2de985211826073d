"""The arguments that scripts share, and how errors are shown."""

from __future__ import annotations

import argparse
import contextlib
import errno
import os
import re
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from legged_gym import __version__, runners
from legged_gym.cli import types
from legged_gym.common import signals
from legged_gym.common.devices import DEFAULT_GPU
from legged_gym.common.errors import UserError, near_names
from legged_gym.common.paths import log_folder, relative, script_command
from legged_gym.common.processes import world
from legged_gym.envs.base.admissible import shown
from legged_gym.policies.finder import POLICY
from legged_gym.simulators.backend import DEFAULT_SIM, GPU_SIM, ISAACGYM_PYTHON, ISAACGYM_SIM
from legged_gym.viewers.opening import HOST, PORT

_PATHS = ("FILE", "LOG", "DIR", "POLICY", "PYTHON")
"""What arguments that are paths call their values."""


class _Store(argparse.Action):
    """Stores a value. Refuses an empty value, and a second, different one, also under the flag's other name."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        if str(self.metavar).startswith(_PATHS):
            # Of --log_root=~/logs, a shell leaves ~ as it is; it would be a folder of that name.
            many = isinstance(values, list)
            values = [*map(os.path.expanduser, values)] if many else os.path.expanduser(values)
        if option_string is not None and parser.given.setdefault(self.dest, values) != values:
            before = shown(parser.given[self.dest])
            raise UserError(f"{option_string} is given twice, with {before} and with {shown(values)}: give it once")
        if self.type is None and "" in (values if isinstance(values, list) else [values]):
            raise argparse.ArgumentError(self, "takes a value, got ''")
        setattr(namespace, self.dest, values)


class Parser(argparse.ArgumentParser):
    """A parser with one-line errors that suggest near names. It refuses flags that would have no effect."""

    def __init__(self, **options: Any) -> None:
        """Make a parser without arguments. ``options`` go to ``argparse.ArgumentParser``."""
        # Examples show the command as the user types it: qmini-play, or Python and the file.
        options["epilog"] = re.sub(
            r"(python|torchrun \S+) legged_gym/scripts/(\w+)\.py",
            lambda found: script_command(found[2], None if found[1] == "python" else found[1]),
            options.get("epilog") or "",
        )
        super().__init__(formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False, **options)
        self.given: dict[str, Any] = {}
        """Values of the current command line."""
        self._rules: list[tuple[str, Callable[[argparse.Namespace], object], str]] = []

    def add_argument(self, *names: Any, **options: Any) -> argparse.Action:
        """Add an argument. Its help ends with the values that its type takes."""
        kind = options.get("type")
        if kind not in (None, str) and "help" in options:
            options["help"] += f" [{kind.__doc__}]"
        return super().add_argument(*names, **{"action": _Store, **options})

    def refuse(self, flags: str, when: Callable[[argparse.Namespace], object], why: str) -> None:
        """Refuse flags when they would have no effect.

        Args:
            flags: Their names, separated by spaces.
            when: Returns from the command line whether they have no effect.
            why: The part of the error after the flag's name.
        """
        self._rules.append((flags, when, why))

    def error(self, message: str) -> NoReturn:
        """Report that the command line is invalid."""
        raise UserError(f"{message} (see --help)")

    def parse(self, argv: Sequence[str] | None = None) -> tuple[argparse.Namespace, list[str]]:
        """Return the arguments and the unknown ones. Refuse arguments that are given twice or have no effect."""
        self.given = {}
        args, unknown = self.parse_known_args(argv)
        switches = (name for name, value in vars(args).items() if value is True or (isinstance(value, list) and value))
        given = {*self.given, *switches}
        for flags, when, why in self._rules:
            for action in self._actions:
                names = action.option_strings or (action.metavar,)
                flag = next((name for name in names if name in flags.split()), None)
                if flag is not None and action.dest in given and when(args):
                    raise UserError(f"{flag} {why}")
        files: dict[str, str] = {}
        for action in self._actions:
            value = getattr(args, action.dest, None) if str(action.metavar).startswith(("FILE", "LOG")) else None
            for path in value if isinstance(value, list) else filter(None, [value]):
                flag = (action.option_strings or [str(action.metavar)])[0]
                other = files.setdefault(os.path.realpath(path), flag)
                if other != flag:
                    raise UserError(f"{other} and {flag} name the same file, '{path}'")
        return args, unknown

    def parse_strictly(self, argv: Sequence[str] | None) -> argparse.Namespace:
        """Parse, and refuse unknown arguments, too."""
        args, unknown = self.parse(argv)
        if unknown:
            flags = [option for action in self._actions for option in action.option_strings if len(option) > 2]
            name = unknown[0].split("=")[0]
            raise UserError(f"unknown argument {shown(unknown[0])}: {near_names(name[:80], flags)}")
        return args


def make_task_parser(description: str, examples: Sequence[str] = ()) -> Parser:
    """Return a parser that only knows ``--task``; arguments as in :func:`make_parser`."""
    parser = Parser(
        description=description,
        epilog="\n".join(["examples:", *(f"  {line}" for line in examples)]) if examples else None,
    )
    parser.add_argument("--version", action="version", version=f"Qmini RL GYM {__version__}")
    parser.add_argument("--task", default="qmini", help="the task: a robot and what it learns (default: %(default)s)")
    return parser


def make_parser(description: str, examples: Sequence[str] = ()) -> Parser:
    """Return a parser with the arguments of all scripts that simulate robots and their policy."""
    parser = make_task_parser(description, examples)
    add = parser.add_argument
    add(
        "--num_envs",
        type=types.setting("env.num_envs"),
        metavar="N",
        help="number of robots; under torchrun, in each process (default: to train, the task's; to play, 16)",
    )
    add("--seed", type=types.seed, metavar="N", help="seed of all random numbers")
    add("--headless", action="store_true", help="open no window and serve no page")
    add_sim_arguments(parser)
    add_log_arguments(parser)
    add_policy_argument(parser)
    add("--checkpoint", type=types.setting("runner.checkpoint"), metavar="N",
        help="number in model_N.pt of a run (default: the newest)")  # fmt: skip
    add_set_argument(parser)
    return parser


LOG = ".csv, .npz, .mcap or a ROS 2 bag (docs/robot_log.md)"
"""The formats of a robot's log, for ``--help``."""


def add_robot_argument(parser: Parser, what: str) -> None:
    """Add ``--robot``, which names the file of one robot; ``what`` says how it is used."""
    parser.add_argument("--robot", metavar="FILE", help=f"my_robot.yaml of identify.py: {what}")


def add_sim_arguments(parser: Parser) -> None:
    """Add the arguments for simulator and devices; :func:`choose_backend` fills in those that are not given."""
    add = parser.add_argument
    add(
        "--sim",
        metavar="NAME",
        help=f"simulator (default: to train, {GPU_SIM} if there are an NVIDIA GPU and MuJoCo Warp, otherwise "
        f"{DEFAULT_SIM}; on --resume the run's); {ISAACGYM_SIM} if you have it",
    )
    add(
        "--isaacgym_python",
        metavar="PYTHON",
        help=f"for --sim={ISAACGYM_SIM}: the Python 3.8 that has Isaac Gym, or its environment's folder (default: "
        f"the variable {ISAACGYM_PYTHON})",
    )
    add(
        "--sim_device",
        metavar="DEVICE",
        help=f"device of the simulator (default: {DEFAULT_GPU} for {GPU_SIM} and, if there is a GPU, {ISAACGYM_SIM}; "
        "else cpu)",
    )
    add(
        "--rl_device",
        metavar="DEVICE",
        help="where the networks run: cpu, cuda:1, or cuda, which under torchrun is each process's own GPU "
        "(default: where the simulator runs, or to train cuda if there is one)",
    )


def add_set_argument(parser: Parser) -> None:
    """Add ``--set``, which changes any value of the configurations."""
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        dest="overrides",
        help="change a value of the environment's or the training's configuration, e.g. rewards.scales.alive=0.5 or "
        "algorithm.gamma=0.98; may be given many times",
    )


def add_viewer_arguments(parser: Parser, viewers: Sequence[str], default: str) -> None:
    """Add the arguments that choose one of ``viewers``; ``default`` is the help text for ``auto``."""
    add = parser.add_argument
    add("--viewer", choices=viewers, default="auto", help=f"how to watch the robots (default: {default})")
    add(
        "--host",
        metavar="ADDRESS",
        help=f"where the page is served (default: {HOST}, for this computer only; 0.0.0.0 for all)",
    )
    port = f"port of the page; if it is taken, one of the next (default: {PORT})"
    add("--port", type=types.port, metavar="N", help=port)
    parser.refuse("--headless", lambda args: args.viewer in ("native", "web"), "and --viewer contradict each other")
    parser.refuse(
        "--host --port",
        lambda args: args.headless or args.viewer in ("native", "none"),
        "is for a page in the browser, which --headless, --viewer native and --viewer none leave out",
    )


def add_policy_argument(parser: Parser, flag: str = "--load_run", use: str = "") -> None:
    """Add the argument that names a policy, under both its names: ``flag`` comes first, ``use`` is its help."""
    flags = sorted(("--load_run", "--policy"), key=lambda name: name != flag)
    meaning = f"{use}: {POLICY}" if use else f"{POLICY} (default: the newest run)"
    parser.add_argument(*flags, dest="load_run", metavar="POLICY", help=meaning)


def add_log_arguments(parser: Parser, experiment: bool = True) -> None:
    """Add the arguments for the folder of the runs and, if wanted, for the experiment."""
    add = parser.add_argument
    if experiment:
        add("--experiment_name", type=types.setting("runner.experiment_name"), metavar="NAME",
            help="folder of the runs, inside --log_root")  # fmt: skip
    logs = relative(log_folder()).replace("%", "%%")
    add("--log_root", metavar="DIR", help=f"folder of the experiments (default: {logs})")


def add_train_arguments(parser: Parser) -> None:
    """Add the arguments that only training uses."""
    add = parser.add_argument
    add("--max_iterations", type=types.setting("runner.max_iterations"), metavar="N",
        help="train until the run has this many iterations in all")  # fmt: skip
    add("--run_name", type=types.name, metavar="NAME", help="added to the run's name, which is a time stamp")
    add(
        "--logger",
        type=types.setting("runner.logger"),
        metavar="NAME",
        help="where curves go: tensorboard, or wandb or neptune as well (default: tensorboard; on --resume the run's)",
    )
    add(
        "--video_interval",
        type=types.positive,
        metavar="N",
        help="film some robots for 5 s every N iterations: in TensorBoard under Images, and films/ in the run's folder",
    )
    add("--resume", action="store_true", default=None, help="continue a run, in its folder and with its configuration")


def get_args(argv: Sequence[str] | None = None, parser: Parser | None = None) -> argparse.Namespace:
    """Read the command line. By default it is the process's, read with the parser for training.

    Raises:
        UserError: An argument is unknown or invalid.
    """
    if parser is None:
        parser = make_parser("Train a policy.")
        add_train_arguments(parser)
    return parser.parse_strictly(argv)


_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EIO)
"""Errors of a full, broken or read-only disk, which can come from any write."""
_PATH_ERRORS = (errno.ENAMETOOLONG, errno.ELOOP, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EISDIR, errno.EEXIST)
"""Errors of a path that was not checked before."""

_LONGEST = 1000
"""Most characters of an error."""


def _say(message: str) -> int:
    """Show an error in one line, and return its exit code."""
    with contextlib.suppress(OSError):
        sys.stdout.flush()
    message = " ".join(message.split())
    message = message if len(message) <= _LONGEST else f"{message[:_LONGEST]}..."
    # Only several processes need this, which loads PyTorch.
    if os.environ.get("WORLD_SIZE", "1") == "1" or runners.distributed.is_first_to_say(message):
        print("error:", message, file=sys.stderr)
    return 2


def _explain(error: Exception) -> str:
    """Return a message that tells users what to do about an error; empty if we don't know."""
    if isinstance(error, MemoryError):
        return "there is not enough memory for this: fewer robots (--num_envs), smaller networks or files need less"
    if isinstance(error, OSError):
        where = f" {os.fsdecode(error.filename)!r}" if isinstance(error.filename, str | bytes) else ""
        if error.errno in _PATH_ERRORS and where:
            return f"can't use{where}: {error.strerror}"
        return f"can't write{where}: {error.strerror}" if error.errno in _DISK_ERRORS else ""
    return str(error)


def _end_of_thread(end: threading.ExceptHookArgs) -> None:
    """Ignore a full disk in TensorBoard's thread: the main thread gets the same error next and reports it once."""
    if not (isinstance(end.exc_value, OSError) and end.exc_value.errno in _DISK_ERRORS):
        threading.__excepthook__(end)


def run_main(main: Callable[[], None]) -> int:
    """Run a script's main function and show its errors in one line.

    Returns:
        The exit code: 0, 2 after a user's mistake, 130 after Ctrl-C, or 128 plus the number of another signal.
    """
    signals.take_signals()
    threading.excepthook = _end_of_thread
    try:
        try:
            main()
        except (UserError, MemoryError, OSError) as error:
            message = _explain(error)
            if not message:
                raise
            # A signal must not interrupt the message.
            with signals.deferred():
                return _say(message)
    except KeyboardInterrupt:
        if world().is_first:
            print(f"\nstopped by {signals.name()}", file=sys.stderr)
        return signals.exit_code()
    finally:
        signals.finish()
    return 0
