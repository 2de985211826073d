"""Pictures of recorded trials: film strips for the report, and a film of all of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from legged_gym.common.console import progress_bar
from legged_gym.evaluation.samples import Sample
from legged_gym.render.drawing import SceneDrawing, View, at_distance
from legged_gym.render.velocities import Velocities
from legged_gym.render.video import FRAMES_PER_SECOND, OffscreenCamera, VideoFile

_FRAMES = 8
_STRIP_SIZE = (272, 304)
"""Width and height of a film strip's frames, pixels."""

_FILM_SIZE = (640, 368)
_REACH = 6.0
"""Terrain further away than this is not drawn, m."""


class _Playback(SceneDrawing):
    """A recorded trial as a scene; ``row`` says which moment."""

    def __init__(self, sample: Sample, row: int, view: View, smoothing: float) -> None:
        record, stage = sample.record, sample.stage
        self._record, self.row = record, row
        super().__init__(
            stage.cfg, stage.terrain, stage.dof_names, view, record.base_pos[row, 0], _REACH, smoothing=smoothing
        )

    def update(self) -> None:
        """Put the robot into the row's pose."""
        self.show(self.root, self._record.dof_pos[self.row, 0])

    @property
    def root(self) -> np.ndarray:
        """Position, m, and quaternion xyzw of the robot's base, (7,)."""
        return np.concatenate((self._record.base_pos[self.row, 0], self._record.base_quat[self.row, 0]))

    @property
    def strayed(self) -> bool:
        """Whether the robot has come too close to the end of the drawn terrain."""
        return self.strays(self._record.base_pos[self.row, 0])


class _Projector:
    """Takes pictures of a sample's rows; a context manager."""

    def __init__(self, sample: Sample, size: tuple[int, int], row: int, closer: float, smoothing: float) -> None:
        self._view = at_distance(sample.stage.cfg.viewer, closer)
        self._sample, self._row, self._smoothing = sample, row, smoothing
        self._camera = OffscreenCamera(self._load, *size)

    def _load(self) -> _Playback:
        self._playback = _Playback(self._sample, self._row, self._view, self._smoothing)
        return self._playback

    def picture(self, row: int) -> np.ndarray:
        self._row = self._playback.row = row
        return self._camera.picture()

    def explained_picture(self, row: int, title: str) -> np.ndarray:
        """Take a picture with the velocities in it."""
        self._row = self._playback.row = row
        record = self._sample.record
        said = record.estimated("velocity")
        velocities = Velocities(
            record.commands[row, 0],
            np.array([*record.lin_vel[row, 0, :2], record.yaw_rate[row, 0]]),
            None if said is None else said[row, 0],
        )
        self._playback.arrows = velocities.arrows(self._playback.root)
        return self._camera.picture([title, *velocities.caption(f"{row * record.dt:.1f} s")])

    def __enter__(self) -> _Projector:
        return self

    def __exit__(self, *error: object) -> None:
        self._camera.__exit__(*error)


def film_strip(sample: Sample) -> tuple[list[np.ndarray], list[str]]:
    """Draw the moments of a sample that tell most.

    Returns:
        Frames, uint8, (H, W, 3), and a label for each.

    Raises:
        VideoUnavailableError: Nothing can be drawn here.
    """
    first, last = sample.strip
    rows = np.unique(np.linspace(first, last, _FRAMES).round().astype(int))
    with _Projector(sample, _STRIP_SIZE, int(rows[0]), closer=0.72, smoothing=0.0) as projector:
        frames = [projector.picture(int(row)) for row in rows]
    return frames, [f"{row * sample.record.dt:.2f} s" for row in rows]


def make_film(named_samples: Sequence[tuple[str, Sample]], path: str, seconds: float = 3.0) -> None:
    """Film samples one after the other, with command and velocity in the picture.

    Args:
        named_samples: Samples with the names of their policies.
        path: The video, ``.mp4``.
        seconds: How much of each trial is shown at most.

    Raises:
        UserError: The video can't be written there.
        VideoUnavailableError: Nothing can be drawn or encoded here.
    """
    scenes = [(name, sample, _film_rows(sample, seconds)) for name, sample in named_samples]
    total = sum(len(rows) for _, _, rows in scenes)
    with VideoFile(path, _FILM_SIZE, FRAMES_PER_SECOND) as file, progress_bar(total, "film {percentage:3.0f}%") as bar:
        for name, sample, rows in scenes:
            with _Projector(sample, _FILM_SIZE, int(rows[0]), closer=1.0, smoothing=0.8) as projector:
                for row in rows:
                    file.add(projector.explained_picture(int(row), f"{name}, {sample.scenario.title}"))
                    bar.update()


def _film_rows(sample: Sample, seconds: float) -> np.ndarray:
    """Return the rows to show: of a trial that ended in a fall the last ones, else those after the start."""
    per_frame = max(1, round(1.0 / (FRAMES_PER_SECOND * sample.record.dt)))
    steps, (_, last) = sample.record.steps, sample.strip
    length = round(min(seconds / sample.record.dt, steps))
    end = last + 1 if sample.fell else length
    return np.arange(max(0, end - length), end, per_frame)
