"""Pictures and films of a scene."""

from __future__ import annotations

from typing import TYPE_CHECKING

from legged_gym.common.lazy import lazy_attributes

if TYPE_CHECKING:
    from legged_gym.render import drawing, film, results, training_films, video

__getattr__ = lazy_attributes(__name__)

__all__ = ["drawing", "film", "results", "training_films", "video"]
