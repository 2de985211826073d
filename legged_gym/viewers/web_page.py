"""A page in the browser that shows a simulation and can drive a policy."""

from __future__ import annotations

import contextlib
import io
import ipaddress
import time
import warnings

import viser

from legged_gym.viewers.guard import guarded
from legged_gym.viewers.opening import HOST, PORT, check_host
from legged_gym.viewers.readings import Instruments
from legged_gym.viewers.replay import RecordedSession
from legged_gym.viewers.session import PlaySession, Session, TimedSession
from legged_gym.viewers.web_controls import LookControls, PlayControls, TimeControls
from legged_gym.viewers.web_plots import Plots, RecordedPlots
from legged_gym.viewers.web_scene import WebScene

_FIGURES_INTERVAL = 0.1
"""Time between two updates of texts and curves, s."""
_CHECKPOINTS_INTERVAL = 2.0
_PLOTS_WIDTH, _CONTROLS_WIDTH = 330.0, 300.0
_GAP = 12.0
"""Distance between the status and the edges of the view, pixels."""
_FAREWELL = 0.3
"""Time for browsers to receive the last message, s."""


class WebPage:
    """The page; a :class:`~legged_gym.viewers.Viewer`.

    Without an open browser, an update only checks for one.
    """

    def __init__(self, session: Session, host: str = HOST, port: int = PORT, frames_per_second: float = 60.0) -> None:
        """Start serving.

        Args:
            session: The session to show. A :class:`PlaySession` can also be driven, and a :class:`TimedSession` paused.
            host: Address on which to listen. Other addresses than this computer's own give a warning, because everybody
                who can reach the page can drive the robots.
            port: Port. If it is taken, one of the next ones is used.
            frames_per_second: Largest number of frames per second of real time.

        Raises:
            UserError: The page can't be served at this address.
        """
        self._frame_interval = 1.0 / frames_per_second
        self._next_frame = self._next_figures = self._next_checkpoints = 0.0
        self._instruments = Instruments(session)
        self._server = _serve(host, port, session.env.cfg.asset.name)
        self.url = f"http://{'127.0.0.1' if host in ('0.0.0.0', '::') else host}:{self._server.get_port()}"
        self._is_open = True
        gui = self._server.gui
        gui.configure_theme(show_logo=False, show_share_button=False, brand_color=(34, 139, 230))
        self._scene = WebScene(self._server, session)
        # On a narrow screen the main panel covers the view and the others are folded, so it only has the status.
        self._look = LookControls(gui, session)
        gui.main_panel.float(x=-_GAP, y=_GAP, width=_CONTROLS_WIDTH)
        controls, plots = gui.add_panel(), gui.add_panel()
        with controls.add_tab("Controls"):
            self._look.add(gui, self._scene)
            self._play: TimeControls | None = None
            if isinstance(session, TimedSession):
                self._play = (
                    PlayControls(gui, session) if isinstance(session, PlaySession) else TimeControls(gui, session)
                )
        controls.dock_right()
        controls.set_width(_CONTROLS_WIDTH)
        with plots.add_tab("Plots"):
            self._plots = RecordedPlots(gui, session) if isinstance(session, RecordedSession) else Plots(gui, session)
        plots.dock_left()
        plots.set_width(_PLOTS_WIDTH)

    @property
    def is_open(self) -> bool:
        """Whether the page is being served."""
        return self._is_open

    @property
    def watchers(self) -> int:
        """Number of browsers that show the page."""
        return len(self._server.get_clients())

    def update(self) -> None:
        """Show the present state to all browsers, if a frame is due."""
        now = time.monotonic()
        if now < self._next_frame or not self._server.get_clients():
            return
        # After a late frame, the next one must not be skipped as too early.
        self._next_frame = max(self._next_frame, now - self._frame_interval) + self._frame_interval
        reading = self._instruments.read()
        self._scene.update(reading)
        # Otherwise the server waits 1/60 s for more messages, and the next update replaces every other one.
        self._server.flush()
        self._plots.add(reading)
        if now < self._next_figures:
            return
        self._next_figures = now + _FIGURES_INTERVAL
        self._plots.show()
        self._look.show(reading, self._play.pace if self._play else "")
        if self._play is not None:
            self._play.show(reading)
            if isinstance(self._play, PlayControls) and now >= self._next_checkpoints:
                self._next_checkpoints = now + _CHECKPOINTS_INTERVAL
                self._play.show_checkpoints()

    def close(self) -> None:
        """Stop serving. It may be called twice."""
        if self._is_open:
            self._is_open = False
            if self.watchers:
                self._look.end()
                self._server.flush()
                time.sleep(_FAREWELL)
            self._scene.close()
            with contextlib.redirect_stdout(io.StringIO()):
                self._server.stop()


class Onlooker:
    """Shows a training on a page. The training continues even if the page fails."""

    def __init__(self, page: WebPage) -> None:
        """Show it on ``page``."""
        self._page: WebPage | None = page

    def __call__(self) -> None:
        """Update the page. Call this after each control step."""
        if self._page is None:
            return
        try:
            self._page.update()
        except Exception as error:
            warnings.warn(f"the page stops showing the training: {type(error).__name__}: {error}", stacklevel=2)
            self._page = None


def is_private(host: str) -> bool:
    """Whether only this computer can reach an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _serve(host: str, port: int, name: str) -> viser.ViserServer:
    """Start the server, without its own announcement."""
    # The server itself would wait forever for an address of another computer.
    check_host(host)
    with contextlib.redirect_stdout(io.StringIO()), guarded(host):
        return viser.ViserServer(host=host, port=port, label=name, verbose=False)
