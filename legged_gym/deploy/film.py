"""Pictures of a trial: its robot from a camera that follows, with what it is told and what it does."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from legged_gym.deploy.trial import Trial
from legged_gym.utils.drawing import SceneDrawing
from legged_gym.utils.video import FRAMES_PER_SECOND, REACH, OffscreenCamera, VideoFile


@dataclass(frozen=True)
class _View:
    """Where the robot is seen from: half from the front, a little above."""

    pos: tuple[float, float, float] = (0.9, -1.2, 0.35)
    lookat: tuple[float, float, float] = (0.0, 0.0, -0.1)


class TrialDrawing(SceneDrawing):
    """Follows a trial's robot."""

    def __init__(self, trial: Trial) -> None:
        """Build the scene."""
        self._trial = trial
        world = trial.world
        names = trial.controller.config.joint_names
        super().__init__(world.cfg, world.terrain, names, _View(), trial.truth.position, REACH)

    def update(self) -> None:
        """Take over the robot's pose at the last control step, and move the camera with it."""
        truth = self._trial.truth
        self.show(np.concatenate((truth.position, truth.quat[[1, 2, 3, 0]])), truth.dof_pos)

    @property
    def strayed(self) -> bool:
        """Whether the robot came so close to the end of the drawn terrain that it needs another drawing."""
        return self.strays(self._trial.truth.position)


class Film:
    """Films a trial; a context manager whose :meth:`watch` is called after each control step."""

    def __init__(self, path: str | None, strip: int = 0) -> None:
        """Say what is wanted.

        Args:
            path: Where a video goes, ``.mp4``; None: no video.
            strip: Number of pictures to keep, spread over the trial.
        """
        self._path, self._strip = path, strip
        self._stack = contextlib.ExitStack()
        self._camera: OffscreenCamera | None = None
        self._file: VideoFile | None = None
        self.pictures: list[np.ndarray] = []
        """The kept ones, RGB, (height, width, 3), uint8."""
        self.times: list[float] = []
        """When each of them was taken, s."""

    def watch(self, trial: Trial) -> None:
        """Take a picture if it is time.

        Raises:
            UserError: The video can't be written there.
            VideoUnavailableError: There is no OpenGL or no encoder here.
        """
        dt = trial.controller.config.control_dt
        step, per_frame = round(trial.time / dt), max(1, round(1.0 / (FRAMES_PER_SECOND * dt)))
        if self._camera is None:
            self._open(trial, 1.0 / (per_frame * dt))
        keep = self._strip > 0 and step % max(1, trial.plan.steps // self._strip) == 0 and len(self.times) < self._strip
        frame = self._file is not None and step % per_frame == 0
        if not (keep or frame) or self._camera is None:
            return
        picture = self._camera.picture(caption(trial))
        if self._file is not None and frame:
            self._file.add(picture)
        if keep:
            self.pictures.append(picture.copy())
            self.times.append(trial.time)

    def __enter__(self) -> Film:
        """Return the film."""
        return self

    def __exit__(self, *error: object) -> None:
        """Finish the video."""
        self._stack.__exit__(*error)  # type: ignore[arg-type]

    def _open(self, trial: Trial, fps: float) -> None:
        self._camera = self._stack.enter_context(OffscreenCamera(lambda: TrialDrawing(trial)))
        if self._path is not None:
            self._file = self._stack.enter_context(VideoFile(self._path, self._camera.size, fps))


def caption(trial: Trial) -> list[str]:
    """Return what is written into a picture: time, command, and velocity as it is and as it is estimated."""
    truth, controller = trial.truth, trial.controller
    rows: dict[str, Iterable[float]] = {
        "command": controller.command,
        "measured": (*truth.lin_vel[:2], truth.ang_vel[2]),
        "estimated": controller.velocity[:2],
    }
    head = f"{trial.time:.1f} s" + (", limp" if controller.limp else "")
    return [
        "\t".join((head, "forward m/s", "left m/s", "turn rad/s")),
        *("\t".join((name, *(f"{value:+.2f}" for value in values))) for name, values in rows.items()),
    ]
