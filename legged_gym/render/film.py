"""Films and film strips of rollouts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from legged_gym.common.console import Progress
from legged_gym.common.errors import VideoUnavailableError
from legged_gym.common.paths import relative, written
from legged_gym.evaluation.rollout import Rollout, Stage
from legged_gym.evaluation.samples import Sample
from legged_gym.render.drawing import SceneDrawing, at_distance
from legged_gym.render.velocities import Velocities
from legged_gym.render.video import REACH, OffscreenCamera, video_file

_FURTHER = 1.7
"""With several robots, the camera is this many times as far away."""
_STRIP_FRAMES = 8


@dataclass(frozen=True)
class Format:
    """Settings for rendering pictures."""

    size: tuple[int, int]
    """Width and height, pixels, multiples of 16."""
    fps: float = 25.0
    reach: float = 6.0
    """Terrain further away than this is not drawn, m."""
    smoothing: float = 0.9
    """How much of the camera's lag remains from frame to frame, 0 to 1."""
    distance: float = 1.0
    """Distance of the camera, as a multiple of the configuration's."""
    plain: bool = False
    """Draw with less detail, which is faster and not visible in small pictures."""


PLAY = Format((960, 544), reach=REACH)
TRIALS = Format((640, 368), smoothing=0.8)
TRAINING = Format((480, 288), fps=12.5, plain=True)
_STRIP = Format((272, 304), smoothing=0.0, distance=0.72)


@dataclass(frozen=True)
class Scene:
    """A rollout for a film. The camera follows its first robot."""

    title: str
    rollout: Rollout
    stage: Stage
    rows: np.ndarray | None = None
    """Rows of the film, in order; None: all, in real time."""
    explained: bool = True
    """Whether the first robot's velocities are in the pictures."""

    def frames(self, fps: float) -> np.ndarray:
        """Return the rows that are drawn, one for each frame."""
        rows = np.arange(self.rollout.steps) if self.rows is None else self.rows
        return rows[:: self.stride(fps)]

    def stride(self, fps: float) -> int:
        """Return the number of rows for each frame."""
        return max(1, round(1.0 / (fps * self.rollout.dt)))


def velocities(rollout: Rollout, row: int, robot: int = 0) -> Velocities:
    """Return a robot's commanded, measured and estimated velocity."""
    said = rollout.estimated("velocity")
    return Velocities(
        rollout.commands[row, robot], rollout.velocity[row, robot], None if said is None else said[row, robot]
    )


class Playback(SceneDrawing):
    """A drawing of one row of a rollout."""

    def __init__(self, scene: Scene, row: int, form: Format) -> None:
        """Build the scene around the first robot in ``row``."""
        self._rollout, self._stage, self.row = scene.rollout, scene.stage, row
        several = _FURTHER if self._rollout.trials > 1 else 1.0
        view = at_distance(self._stage.cfg.viewer, several * form.distance)
        centre = self._rollout.base_pos[row, 0]
        super().__init__(
            self._stage.cfg, self._stage.terrain, self._stage.dof_names, view, centre, form.reach, form.smoothing
        )
        self._explained = scene.explained
        if form.plain:
            quality = self.model.vis.quality
            quality.numslices, quality.numstacks, quality.shadowsize, quality.offsamples = 12, 6, 1024, 0

    def update(self) -> None:
        """Show the robots in the row's poses."""
        rollout, row = self._rollout, self.row
        roots = np.concatenate((rollout.base_pos[row], rollout.base_quat[row]), axis=-1)
        self.show(roots[0], rollout.dof_pos[row, 0])
        self.show_others(roots[1:], rollout.dof_pos[row, 1:])
        self.arrows = velocities(rollout, row).arrows(roots[0]) if self._explained else ()

    @property
    def strayed(self) -> bool:
        """Whether the first robot is too close to the end of the drawn terrain."""
        return self.strays(self._rollout.base_pos[self.row, 0])


def pictures(scene: Scene, rows: np.ndarray, form: Format) -> Iterator[np.ndarray]:
    """Draw rows of a rollout.

    Yields:
        RGB, (height, width, 3), uint8.

    Raises:
        VideoUnavailableError: Nothing can be drawn here.
    """
    drawing: Playback
    row = int(rows[0])

    def draw() -> Playback:
        nonlocal drawing
        drawing = Playback(scene, row, form)
        return drawing

    with OffscreenCamera(draw, *form.size) as camera:
        for row in map(int, rows):
            drawing.row = row
            clock = f"{row * scene.rollout.dt:.1f} s"
            told = velocities(scene.rollout, row).caption(clock) if scene.explained else [clock]
            yield camera.picture([scene.title, *told] if scene.title else [])


def write_film(scenes: Sequence[Scene], path: str, form: Format, gif: str | None = None) -> None:
    """Write a film of scenes with the same time step, one after the other, as ``.mp4`` and perhaps as GIF.

    Raises:
        UserError: A file can't be written.
        VideoUnavailableError: This machine can't render or encode.
    """
    seconds = scenes[0].stride(form.fps) * scenes[0].rollout.dt
    frames = [scene.frames(form.fps) for scene in scenes]
    palette: list[Image.Image] = []
    with video_file(path, form.size, 1.0 / seconds) as add, Progress("film", sum(map(len, frames))) as bar:
        for scene, rows in zip(scenes, frames, strict=True):
            for picture in pictures(scene, rows, form):
                add(picture.tobytes())
                bar.advance()
                if gif is not None:
                    palette.append(Image.fromarray(picture).quantize(64))
    if gif is not None:
        with written(gif) as part:
            palette[0].save(part, save_all=True, append_images=palette[1:], duration=round(1000.0 * seconds), loop=0)


def film(scenes: Sequence[Scene], path: str, form: Format) -> None:
    """Write a film as :func:`write_film` does. Print its path or, if this machine can't render, the reason."""
    try:
        write_film(scenes, path, form)
        print(f"video      {relative(path)}")
    except VideoUnavailableError as error:
        print(f"no video: {error}")


def film_strip(sample: Sample) -> tuple[list[np.ndarray], list[str]]:
    """Render the most interesting moments of a sample: frames, uint8, (H, W, 3), and a label for each.

    Raises:
        VideoUnavailableError: Nothing can be drawn here.
    """
    rows = np.unique(np.linspace(*sample.strip, _STRIP_FRAMES).round().astype(int))
    frames = list(pictures(Scene("", sample.rollout, sample.stage, explained=False), rows, _STRIP))
    return frames, [f"{row * sample.rollout.dt:.2f} s" for row in rows]


def sample_scene(name: str, sample: Sample, seconds: float) -> Scene:
    """Return a sample as a scene of some seconds: the last ones before a fall, otherwise the first ones."""
    steps = sample.rollout.steps
    length = round(min(seconds / sample.rollout.dt, steps))
    end = sample.strip[1] + 1 if sample.fell else length
    title = f"{name}, {sample.scenario.title}"
    return Scene(title, sample.rollout, sample.stage, np.arange(max(0, end - length), end))
