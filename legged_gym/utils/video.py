"""Videos without a screen, of anything that can be drawn."""

from __future__ import annotations

import ctypes
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

from legged_gym.utils.errors import UserError

if TYPE_CHECKING:
    from legged_gym.utils.drawing import Drawing


class VideoUnavailableError(Exception):
    """Drawing or encoding is impossible on this machine."""


def prepare_offscreen() -> None:
    """Choose EGL for drawing where there is no screen. Takes effect only before the first ``import mujoco``."""
    if not sys.platform.startswith("linux") or os.environ.get("DISPLAY") or os.environ.get("MUJOCO_GL"):
        return
    try:
        ctypes.CDLL("libEGL.so.1")
    except OSError:
        return  # MuJoCo told to use a library that is missing can't even be imported.
    os.environ["MUJOCO_GL"] = "egl"


_FRAMES_PER_SECOND = 25.0
REACH = 20.0
"""Terrain further away than this is not drawn, m; all of it takes a CPU a second per frame."""


class VideoRecorder:
    """Writes an MP4 at the speed of real time; a context manager.

    The file appears when the block ends without an error.
    """

    def __init__(
        self, make_drawing: Callable[[], Drawing], dt: float, path: str, width: int = 960, height: int = 544
    ) -> None:
        """Get ready to draw.

        Args:
            make_drawing: Makes a drawing of the simulation as it is now; called again when the robot strays from it.
            dt: Time between two calls of :meth:`add_step`, s.
            path: The video, ``.mp4``.
            width: Pixels, a multiple of 16.
            height: Pixels, a multiple of 16.

        Raises:
            UserError: The video can't be written there.
            VideoUnavailableError: There is no OpenGL or no encoder here.
        """
        check_video_path(path)
        self._path, self._part = path, f"{path}.part.mp4"
        self._make_drawing, self._dt = make_drawing, dt
        self._steps_per_frame = max(1, round(1.0 / (_FRAMES_PER_SECOND * dt)))
        self._steps = 0
        self._size = (width, height)
        self._open_renderer()
        self._writer = self._open_writer()

    def add_step(self, caption: Sequence[str] = ()) -> None:
        """Draw the present state if it is time for a frame; call this after each control step.

        Args:
            caption: Lines of text in the picture's upper left corner.
        """
        self._steps += 1
        if self._steps % self._steps_per_frame:
            return
        if self._drawing.strayed:
            self._renderer.close()
            self._open_renderer()
        self._drawing.update()
        self._renderer.update_scene(self._drawing.data, self._drawing.camera)
        frame = self._renderer.render()
        if caption:
            from legged_gym.utils.captions import add_caption

            frame = add_caption(frame, caption)
        self._writer.send(frame)

    def __enter__(self) -> VideoRecorder:
        """Return the recorder."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finish the file, or take it away after an error."""
        self._writer.close()
        self._renderer.close()
        if kind is None:
            os.replace(self._part, self._path)
        elif os.path.exists(self._part):
            os.remove(self._part)

    def _open_renderer(self) -> None:
        import mujoco

        self._drawing = self._make_drawing()
        buffer = self._drawing.model.vis.global_
        buffer.offwidth, buffer.offheight = self._size
        try:
            with warnings.catch_warnings():
                # GLFW warns of what then becomes an error anyway.
                warnings.simplefilter("ignore")
                self._renderer = mujoco.Renderer(self._drawing.model, self._size[1], self._size[0])
        except (mujoco.FatalError, ImportError, RuntimeError, AttributeError) as error:
            reason = " ".join(str(error).split()).split(",")[0]
            raise VideoUnavailableError(f"can't draw, is libEGL missing (apt install libegl1)? {reason}") from error

    def _open_writer(self) -> Any:
        import imageio_ffmpeg

        try:
            fps = 1.0 / (self._steps_per_frame * self._dt)
            writer = imageio_ffmpeg.write_frames(self._part, self._size, fps=fps, quality=7)
            writer.send(None)
        except RuntimeError as error:
            self._renderer.close()
            raise VideoUnavailableError(f"no ffmpeg here: {error}") from error
        return writer


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
