"""Opens the viewer that the command line asks for."""

from __future__ import annotations

import argparse
import importlib.util
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

from legged_gym import viewers
from legged_gym.common import signals
from legged_gym.common.errors import UserError, file_errors

if TYPE_CHECKING:
    from rsl_rl.runners import OnPolicyRunner

    from legged_gym.envs.base.legged_robot import LeggedRobot
    from legged_gym.viewers import Viewer
    from legged_gym.viewers.session import Session, Step, TimedSession
    from legged_gym.viewers.web_page import WebPage

HOST, PORT = "127.0.0.1", 8080
"""Default address of the page."""
_TRAINING_FRAMES = 25.0
"""Frames per second of a training, because every frame slows it down."""


def check_host(host: str | None) -> None:
    """Check early whether a page can be served at an address.

    Raises:
        UserError: The page can't be served there.
    """
    with file_errors(f"--host {host}: can't serve a page at this address"):
        family, kind, protocol, _, address = socket.getaddrinfo(host or HOST, 0, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.bind(address)


def open_viewer(session: TimedSession, args: argparse.Namespace) -> Viewer | None:
    """Open the viewer for ``args`` (``viewer``, ``headless``, ``host``, ``port``), and print its name or address.

    Raises:
        UserError: The page that was asked for can't be served.
    """
    if args.headless or args.viewer == "none":
        return None
    if args.viewer == "native" or (args.viewer == "auto" and not _says_where(args)):
        window = _open_window(session, wanted=args.viewer == "native")
        if window is not None or args.viewer == "native":
            return window
    return _open_page(session, args, "Ctrl-C ends it")


def watch(
    session: TimedSession, args: argparse.Namespace, steps: int | None, unwatched: int, take: Callable[[Step], None]
) -> None:
    """Step a session until all steps are done, the viewer is closed or the user stops it. Print which it was.

    Args:
        session: The session to show.
        args: As in :func:`open_viewer`.
        steps: Number of control steps; None: until the viewer is closed.
        unwatched: Number of control steps without a viewer.
        take: Is called with every step.

    Raises:
        UserError: The page that was asked for can't be served.
    """
    viewer = open_viewer(session, args)
    limit = steps or (unwatched if viewer is None else None)
    ending, done = "all steps are done", 0
    try:
        with signals.deferred():
            for step in session.steps(limit, [] if viewer is None else [viewer]):
                done += 1
                take(step)
        if limit is None or done < limit:
            ending = "the window was closed"
    except KeyboardInterrupt:
        if not done:
            raise
        ending = "stopped"
    finally:
        session.message = f"ended after {done * session.env.dt:.0f} s: {ending}"
        if viewer is not None:
            viewer.close()
    print(f"\n{session.message}" if ending == "stopped" else session.message, flush=True)


def show_training(runner: OnPolicyRunner, env: LeggedRobot, args: argparse.Namespace) -> WebPage | None:
    """Serve a page that shows a training, if ``args`` asks for one; the caller has to close it.

    Raises:
        UserError: The page that was asked for can't be served.
    """
    if args.headless or args.viewer == "none":
        return None
    session = viewers.session.TrainingSession(env, runner)
    page = _open_page(session, args, "use --headless to train without it", _TRAINING_FRAMES)
    if page is not None:
        env.after_step.append(viewers.web_page.Onlooker(page))
    return page


def _says_where(args: argparse.Namespace) -> bool:
    """Return whether the page's address is given. Then the page is wanted, also instead of a window."""
    return args.host is not None or args.port is not None


def _open_window(session: TimedSession, wanted: bool) -> Viewer | None:
    if not viewers.native.screen_available():
        if wanted:
            print("no screen: continuing without a window (--viewer web shows the same in a browser)")
        return None
    try:
        return viewers.native.NativeViewer(session)
    except RuntimeError as error:
        # On macOS MuJoCo's viewer needs mjpython instead of python.
        print(f"no window: {error}")
        return None


def _open_page(
    session: Session, args: argparse.Namespace, ends: str, frames_per_second: float = 60.0
) -> WebPage | None:
    wanted = args.viewer == "web" or _says_where(args)
    if importlib.util.find_spec("viser") is None:
        if wanted:
            raise UserError("the page needs viser: pip install viser")
        print("no page: viser is missing (pip install viser)")
        return None
    try:
        page = viewers.web_page.WebPage(session, args.host or HOST, args.port or PORT, frames_per_second)
    except UserError as error:
        if wanted:
            raise
        print(f"no page: {error}")
        return None
    print(f"page       {page.url}  (open it in a browser; {ends})", flush=True)
    if not viewers.web_page.is_private(args.host or HOST):
        print(f"warning: everybody who can reach {args.host} can see this page and drive the robots", flush=True)
    return page
