"""Renders and encodes videos, also without a screen."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from ctypes.util import find_library
from fractions import Fraction
from typing import TYPE_CHECKING

import imageio_ffmpeg
import numpy as np

from legged_gym.common.errors import UserError, VideoUnavailableError
from legged_gym.common.paths import check_writable, written
from legged_gym.render.captions import add_caption

if TYPE_CHECKING:
    from legged_gym.render.drawing import SceneDrawing


def prepare_offscreen() -> None:
    """Choose EGL for rendering without a screen. Call it before ``mujoco`` is first imported."""
    if not sys.platform.startswith("linux") or os.environ.get("DISPLAY") or os.environ.get("MUJOCO_GL"):
        return
    # If the chosen library is missing, MuJoCo can't even be imported.
    if has_egl():
        os.environ["MUJOCO_GL"] = "egl"


def has_egl() -> bool:
    """Return whether the libraries for rendering without a screen are installed."""
    return bool(find_library("EGL") and (find_library("OpenGL") or find_library("GL")))


REACH = 12.0
"""Terrain further away than this is not drawn, m; all of it takes a CPU a second per frame."""


class OffscreenCamera:
    """Takes pictures of a drawing. A context manager."""

    def __init__(self, make_drawing: Callable[[], SceneDrawing], width: int = 960, height: int = 544) -> None:
        """Prepare to render pictures of this size, pixels. A robot that leaves the drawn terrain gets a new drawing.

        Raises:
            VideoUnavailableError: There is no OpenGL here.
        """
        self._make_drawing, self.size = make_drawing, (width, height)
        self._open()

    def picture(self, caption: Sequence[str] = ()) -> np.ndarray:
        """Render the present state, with lines of text in the upper left corner.

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
        """Free the renderer."""
        self._renderer.close()

    def _open(self) -> None:
        self._drawing = self._make_drawing()
        self._renderer = self._drawing.renderer(*self.size)


@contextlib.contextmanager
def video_file(path: str, size: tuple[int, int], fps: float) -> Iterator[Callable[[bytes], int]]:
    """Write an MP4. Yield a function that takes each picture's bytes, RGB, (height, width, 3), uint8.

    The file appears when the block ends without an error.

    Args:
        path: The video, ``.mp4``.
        size: Width and height, pixels, multiples of 16.
        fps: Pictures per second.

    Raises:
        UserError: The video can't be written.
        VideoUnavailableError: There is no encoder on this machine.
    """
    check_video_path(path)
    try:
        encoder = imageio_ffmpeg.get_ffmpeg_exe()
    except RuntimeError as error:
        raise VideoUnavailableError(f"ffmpeg is missing: {error}") from error
    rate, pixels = str(Fraction(fps).limit_denominator()), "{}x{}".format(*size)
    command = [encoder, "-y", "-v", "error", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", pixels, "-r", rate, "-i", "-",
               "-an", "-c:v", "h264", "-crf", "15", "-pix_fmt", "yuv420p"]  # fmt: skip
    with written(path) as part:
        # It ignores Ctrl-C, and reports a file size limit instead of being killed by it.
        process = subprocess.Popen(
            [*command, part], stdin=subprocess.PIPE, stderr=subprocess.PIPE, process_group=0, restore_signals=False
        )
        assert process.stdin is not None
        try:
            with contextlib.suppress(BrokenPipeError):
                yield process.stdin.write
        except BaseException:
            process.kill()
            raise
        finally:
            said = process.communicate()[1].decode(errors="replace").strip().splitlines()
        if process.returncode != 0:
            raise UserError(f"can't write '{path}': {said[-1] if said else 'the encoder ended early'}")


def check_video_path(path: str) -> None:
    """Check early whether a video can be written.

    Raises:
        UserError: The name does not end with ``.mp4``, or the file can't be written.
    """
    if not path.endswith(".mp4"):
        raise UserError(f"videos are written as .mp4, got '{path}'")
    check_writable(path)
