"""Viewers of a simulation: a window and a page in the browser, in which you can also drive the robots.

Both show a :class:`~legged_gym.viewers.session.Session` and send it the user's requests. They only read the
environment's tensors, so they work with every simulator.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from legged_gym.common.lazy import lazy_attributes

if TYPE_CHECKING:
    from legged_gym.viewers import native, opening, replay, session, web_page


MOST_ROBOTS = 16
"""Number of robots that are shown: the chosen one and those that were nearest when it was chosen."""


class Viewer(Protocol):
    """Shows a session. All methods are called from the simulation's thread."""

    @property
    def is_open(self) -> bool:
        """Whether the viewer is open. A session ends when a viewer is closed."""

    def update(self) -> None:
        """Show the present state. It is called after every control step, and also while the session is paused."""

    def close(self) -> None:
        """Close the viewer. It may be called twice."""


__getattr__ = lazy_attributes(__name__)

__all__ = ["MOST_ROBOTS", "Viewer", "native", "opening", "replay", "session", "web_page"]
