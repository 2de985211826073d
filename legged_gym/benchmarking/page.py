"""Measures what the page in the browser gets and what that costs: ``python -m legged_gym.benchmarking.page``.

A bare client receives what a browser would, in a process of its own, and draws nothing: what a browser makes of it
depends on the computer it runs on.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import sys
import time
from typing import TYPE_CHECKING, Any

from legged_gym.cli.arguments import get_args, make_parser, positive, run_main
from legged_gym.common.errors import UserError

if TYPE_CHECKING:
    import argparse
    from multiprocessing.connection import Connection

    import numpy as np

_EXAMPLES = ("python -m legged_gym.benchmarking.page --num_envs 1 --seconds 20",)
_PORT = 8180
_PATIENCE = 30.0
"""Seconds without anything to receive."""
_SETTLING = 2.0
"""Seconds until a new client has got the ground."""


def receive(url: str, moves: str, results: Connection) -> None:
    """Take in what the page at ``url`` sends until the server closes it or something comes through ``results``.

    Sends back a row for each window of messages that moves the node ``moves``: arrival, s, messages and bytes.
    """
    import msgspec
    import viser
    import zstandard
    from viser import _messages
    from websockets.sync.client import connect

    rows = []
    protocol: Any = f"viser-v{viser.__version__}"
    address = url.replace("http:", "ws:")
    with connect(address, subprotocols=[protocol], max_size=None, compression=None, proxy=None) as socket:
        # Only who says where it looks from is taken for a browser.
        camera = _messages.ViewerCameraMessage(
            (1.0, 0.0, 0.0, 0.0), (2.0, 2.0, 1.0), 1.0, 0.01, 100.0, 600, 800, (0.0, 0.0, 0.0), (0.0, 0.0, 1.0)
        )
        socket.send(msgspec.msgpack.encode(camera.as_serializable_dict()))
        results.send("connected")
        while not results.poll():
            window = socket.recv(_PATIENCE, decode=False)
            arrival = time.perf_counter()
            length = int.from_bytes(window[8:16], "little")
            content = msgspec.msgpack.decode(zstandard.decompress(window[16 : 16 + length]))
            names = [message.get("name") for message in content["messages"]]
            if moves in names:
                rows.append((arrival, len(names), len(window)))
    results.send(rows)


def measure(args: argparse.Namespace) -> None:
    """Play with and without a client, and print what each update was and cost.

    Raises:
        UserError: No such run, or the client ended before it was to.
    """
    from legged_gym.cli.job import resolve_policy
    from legged_gym.policies.trained import load_trained
    from legged_gym.viewers.session import PlaySession
    from legged_gym.viewers.web_page import WebPage
    from legged_gym.viewers.web_scene import BASE

    trained = load_trained(resolve_policy(args))
    with contextlib.closing(trained.env):
        session = PlaySession(trained)
        with contextlib.closing(WebPage(session, port=_PORT)) as page:
            alone = _cpu_per_step(session, page, args.seconds)
            try:
                rows, watched = _watch(session, page, BASE, args.seconds)
            except (EOFError, OSError) as error:
                raise UserError("the client ended before it was to: see what it printed above") from error
    _print(trained.env.num_envs, rows, alone, watched)


def _watch(session: Any, page: Any, moves: str, seconds: float) -> tuple[np.ndarray, float]:
    """Play with a client; return what it got, as :func:`receive` does, and CPU time for a control step, s."""
    import numpy as np

    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    client = context.Process(target=receive, args=(page.url, moves, there), daemon=True)
    client.start()
    # Else nobody would notice here that the client's end is gone with it.
    there.close()
    here.recv()
    _cpu_per_step(session, page, _SETTLING)
    start = time.perf_counter()
    watched = _cpu_per_step(session, page, seconds)
    here.send("enough")
    _cpu_per_step(session, page, 0.2)
    rows = np.array([row for row in here.recv() if row[0] >= start])
    client.join()
    return rows, watched


def _cpu_per_step(session: Any, page: Any, seconds: float) -> float:
    """Play at the speed of real time and return this process's CPU time for a control step, s."""
    steps = round(seconds / session.env.dt)
    start = time.process_time()
    for _ in session.steps(steps, [page]):
        pass
    return (time.process_time() - start) / steps


def _print(num_envs: int, rows: np.ndarray, alone: float, watched: float) -> None:
    import numpy as np

    intervals = 1e3 * np.diff(rows[:, 0])
    low, middle, high = np.percentile(intervals, (5, 50, 95))
    print(f"{num_envs} robots, one client")
    for what, value in (
        ("updates that arrive", f"{1e3 / intervals.mean():.1f} /s"),
        ("between two of them", f"{middle:.1f} ms, 90 % from {low:.1f} to {high:.1f} ms"),
        ("an update", f"{rows[:, 1].mean():.0f} messages, {rows[:, 2].mean() / 1e3:.1f} kB"),
        ("CPU time of a control step", f"{1e3 * watched:.1f} ms, {1e3 * alone:.1f} ms while nobody looks"),
    ):
        print(f"  {what:<28}{value}", flush=True)


def main() -> None:
    """Read the command line and measure."""
    parser = make_parser("Measure what the page in the browser gets, and what that costs.", _EXAMPLES)
    parser.add_argument("--seconds", type=positive, default=10, metavar="S", help="how long (default: %(default)s)")
    import legged_gym.envs  # noqa: F401 (registers the tasks)

    measure(get_args(parser=parser))


if __name__ == "__main__":
    sys.exit(run_main(main))
