"""What some robots did for a while, as plain arrays: drawn later, by another process, without PyTorch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
from PIL import Image

from legged_gym.render.drawing import SceneDrawing, at_distance
from legged_gym.render.velocities import Velocities
from legged_gym.render.video import OffscreenCamera, VideoFile
from legged_gym.simulators.mujoco_model import HeightField

FURTHER = 1.7
"""How many times as far away the camera stands when several robots are to be seen."""
_REACH = 6.0
"""Terrain further away than this is not drawn, m."""
_FRAMES_PER_SECOND = 12.5
_SIZE = (480, 288)
"""Width and height, pixels."""


@dataclass
class Ground:
    """A height field, and nothing else of a terrain."""

    heights: np.ndarray
    horizontal_scale: float
    origin: tuple[float, ...]


@dataclass
class Recording:
    """Robots over T control steps; the first of the n robots is followed and has velocities."""

    title: str
    dt: float
    """Control step, s."""
    cfg: Any
    """What a scene and its camera are made of: ``asset``, ``sim``, ``terrain``, ``init_state`` and ``viewer``."""
    terrain: HeightField | None
    dof_names: list[str]
    roots: np.ndarray
    """Base positions, m, and quaternions xyzw, world frame, (T, n, 7)."""
    dof_pos: np.ndarray
    """rad, (T, n, D)."""
    commands: np.ndarray
    """(T, 3)."""
    measured: np.ndarray
    """(T, 3)."""
    estimated: np.ndarray | None
    """(T, 2)."""

    def velocities(self, step: int) -> Velocities:
        """Return the followed robot's velocities."""
        said = None if self.estimated is None else self.estimated[step]
        return Velocities(self.commands[step], self.measured[step], said)


def plain_settings(values: Any) -> Any:
    """Return a configuration's values by name, without its classes, which can't be sent to another process."""
    if hasattr(values, "to_dict"):
        values = values.to_dict()
    if isinstance(values, dict):
        return SimpleNamespace(**{str(name): plain_settings(value) for name, value in values.items()})
    return values


class _Playback(SceneDrawing):
    """A recording as a scene; ``step`` says which moment."""

    def __init__(self, recording: Recording, step: int) -> None:
        self._recording, self.step = recording, step
        view = at_distance(recording.cfg.viewer, FURTHER if recording.roots.shape[1] > 1 else 1.0)
        centre = recording.roots[step, 0]
        super().__init__(recording.cfg, recording.terrain, recording.dof_names, view, centre, _REACH)
        # Small pictures need no more; all of it is drawn by a processor that others want.
        quality = self.model.vis.quality
        quality.numslices, quality.numstacks, quality.shadowsize, quality.offsamples = 12, 6, 1024, 0

    def update(self) -> None:
        """Put the robots into the step's poses."""
        roots, dof_pos = self._recording.roots[self.step], self._recording.dof_pos[self.step]
        self.show(roots[0], dof_pos[0])
        self.show_others(roots[1:], dof_pos[1:])
        self.arrows = self._recording.velocities(self.step).arrows(roots[0])

    @property
    def strayed(self) -> bool:
        """Whether the first robot has come too close to the end of the drawn terrain."""
        return self.strays(self._recording.roots[self.step, 0])


def _pictures(recording: Recording, stride: int) -> Iterator[np.ndarray]:
    """Yield a picture, uint8, (H, W, 3), of every ``stride`` steps."""
    drawings: list[_Playback] = []
    step = 0

    def draw() -> _Playback:
        drawings[:] = [_Playback(recording, step)]
        return drawings[0]

    with OffscreenCamera(draw, *_SIZE) as camera:
        for step in range(0, len(recording.roots), stride):
            drawings[0].step = step
            caption = recording.velocities(step).caption(f"{step * recording.dt:.1f} s")
            yield camera.picture([recording.title, *caption])


def write_films(recording: Recording, mp4: str, gif: str) -> None:
    """Draw a recording as a film, and as a moving picture for where films can't be shown.

    Raises:
        UserError: A file can't be written there.
        VideoUnavailableError: Nothing can be drawn or encoded here.
    """
    stride = max(1, round(1.0 / (_FRAMES_PER_SECOND * recording.dt)))
    seconds = stride * recording.dt
    frames: list[Image.Image] = []
    with VideoFile(mp4, _SIZE, 1.0 / seconds) as file:
        for picture in _pictures(recording, stride):
            file.add(picture)
            frames.append(Image.fromarray(picture).quantize(64))
    frames[0].save(gif, save_all=True, append_images=frames[1:], duration=round(1000.0 * seconds), loop=0)
