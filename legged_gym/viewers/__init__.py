"""Ways to look at a simulation and to drive it: a page in the browser, a window, films.

A :class:`~legged_gym.viewers.session.Session` is what both show and act on. They only read the environment's
tensors, so each works with every simulator.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from legged_gym.common.lazy import lazy_attributes

if TYPE_CHECKING:
    from legged_gym.viewers import native, opening, replay, session, web_page


MOST_ROBOTS = 16
"""Robots that are shown at once: the chosen one and those that stood nearest when it was chosen."""


class Viewer(Protocol):
    """Shows a session. All methods are called from the simulation's thread."""

    @property
    def is_open(self) -> bool:
        """Whether somebody may still look; a session ends when a viewer is closed."""

    def update(self) -> None:
        """Show the present state. Called after every control step, and while the session is paused, too."""

    def close(self) -> None:
        """Take the viewer away; it may be called twice."""


__getattr__ = lazy_attributes(__name__)

__all__ = ["MOST_ROBOTS", "Viewer", "native", "opening", "replay", "session", "web_page"]
