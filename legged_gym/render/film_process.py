"""Renders a scene in its own process: ``python -m legged_gym.render.film_process SCENE MP4 GIF``."""

from __future__ import annotations

import os
import pickle
import sys

from legged_gym import render
from legged_gym.common.errors import UserError, VideoUnavailableError
from legged_gym.render.video import prepare_offscreen

_NICENESS = 19
"""The training has priority."""


def main(scene: str, mp4: str, gif: str) -> int:
    """Write the films of a pickled :class:`~legged_gym.render.film.Scene`. Return the exit code."""
    if hasattr(os, "nice"):
        os.nice(_NICENESS)
    # Mesa would use all cores.
    os.environ.setdefault("LP_NUM_THREADS", "1")
    prepare_offscreen()
    with open(scene, "rb") as file:
        recorded = pickle.load(file)
    try:
        render.film.write_film([recorded], mp4, render.film.TRAINING, gif)
    except (UserError, VideoUnavailableError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
