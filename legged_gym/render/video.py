"""Videos without a screen, of anything that can be drawn."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from ctypes.util import find_library
from types import TracebackType
from typing import TYPE_CHECKING

import imageio_ffmpeg
import numpy as np

from legged_gym.common.errors import UserError, VideoUnavailableError
from legged_gym.render.captions import add_caption

if TYPE_CHECKING:
    from legged_gym.render.drawing import SceneDrawing


def prepare_offscreen() -> None:
    """Choose EGL for drawing where there is no screen. Takes effect only before the first ``import mujoco``."""
    if not sys.platform.startswith("linux") or os.environ.get("DISPLAY") or os.environ.get("MUJOCO_GL"):
        return
    # MuJoCo told to use a library that is missing can't even be imported.
    if has_egl():
        os.environ["MUJOCO_GL"] = "egl"


def has_egl() -> bool:
    """Return whether the libraries are there that draw without a screen."""
    return bool(find_library("EGL") and (find_library("OpenGL") or find_library("GL")))


REACH = 12.0
"""Terrain further away than this is not drawn, m; all of it takes a CPU a second per frame."""


class OffscreenCamera:
    """Takes pictures of a drawing; a context manager."""

    def __init__(self, make_drawing: Callable[[], SceneDrawing], width: int = 960, height: int = 544) -> None:
        """Get ready to draw pictures of this size, pixels; a robot that strays gets a new drawing.

        Raises:
            VideoUnavailableError: There is no OpenGL here.
        """
        self._make_drawing, self.size = make_drawing, (width, height)
        self._open()

    def picture(self, caption: Sequence[str] = ()) -> np.ndarray:
        """Draw the present state, with lines of text in the upper left corner.

        Returns:
            RGB, (height, width, 3), uint8.
        """
        if self._drawing.strayed:
            self._renderer.close()
            self._open()
        self._drawing.update()
        self._renderer.update_scene(self._drawing.data, self._drawing.camera)
        self._drawing.add_to(self._renderer.scene)
        picture = self._renderer.render()
        return add_caption(picture, caption) if caption else picture

    def __enter__(self) -> OffscreenCamera:
        """Return the camera."""
        return self

    def __exit__(self, *_: object) -> None:
        """Free what drawing holds."""
        self._renderer.close()

    def _open(self) -> None:
        self._drawing = self._make_drawing()
        self._renderer = self._drawing.renderer(*self.size)


class VideoFile:
    """An MP4 made of pictures; a context manager. The file appears when the block ends without an error."""

    def __init__(self, path: str, size: tuple[int, int], fps: float) -> None:
        """Start the encoder of an ``.mp4``; width and height are pixels, multiples of 16.

        Raises:
            UserError: The video can't be written there.
            VideoUnavailableError: There is no encoder here.
        """
        check_video_path(path)
        self._path, self._part = path, f"{path}.part.mp4"
        try:
            self._writer = imageio_ffmpeg.write_frames(self._part, size, fps=fps, quality=7)
            self._writer.send(None)
        except RuntimeError as error:
            raise VideoUnavailableError(f"no ffmpeg here: {error}") from error

    def add(self, picture: np.ndarray) -> None:
        """Append a picture, RGB, (height, width, 3), uint8."""
        self._writer.send(np.ascontiguousarray(picture))

    def __enter__(self) -> VideoFile:
        """Return the file."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finish the file, or take it away after an error."""
        self._writer.close()
        if kind is None:
            os.replace(self._part, self._path)
        elif os.path.exists(self._part):
            os.remove(self._part)


def check_video_path(path: str) -> None:
    """Find out early whether a video can be written.

    Raises:
        UserError: Not an ``.mp4``, or its folder is missing or not writable.
    """
    folder = os.path.dirname(os.path.abspath(path))
    if not path.endswith(".mp4"):
        raise UserError(f"videos are written as .mp4, got '{path}'")
    if not os.path.isdir(folder) or not os.access(folder, os.W_OK):
        raise UserError(f"can't write the video '{path}': no writable folder '{folder}'")
