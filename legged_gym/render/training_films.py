"""Short films of a running training, rendered by another process."""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import torch

from legged_gym import LEGGED_GYM_ENVS_DIR
from legged_gym.common.errors import UserError
from legged_gym.common.paths import written
from legged_gym.evaluation.recorder import Recorder
from legged_gym.evaluation.rollout import Stage
from legged_gym.render.drawing import HeightField, followed_robot, nearest_robots
from legged_gym.render.film import Scene

if TYPE_CHECKING:
    from legged_gym.envs.base.legged_robot import LeggedRobot
    from legged_gym.runners.logger import TrainingLogger

_SECONDS = 5.0
_SHORTEST = 1.0
"""Shortest film, s."""
_ROBOTS = 4
_TIMEOUT = 120.0
"""Time that the end of the training waits for its last film, s."""
FOLDER = "films"
"""Folder of the films, in the run's folder."""

_IMPORTED_FROM = os.path.dirname(os.path.dirname(LEGGED_GYM_ENVS_DIR))
"""Folder in which the other process finds this package."""


class TrainingFilms:
    """Records films of some robots during a training. Add it to the logger's ``observers``.

    During a film, each step of the training makes a small copy on its device. At the end the copies are fetched once
    and rendered by another process at low priority. The film then appears in TensorBoard, under the iteration in which
    it starts. If the process is still busy when the next film is due, that one starts later.
    """

    def __init__(
        self,
        env: LeggedRobot,
        logger: TrainingLogger,
        interval: int,
        estimate: Callable[[], torch.Tensor] | None = None,
    ) -> None:
        """Record every ``interval`` iterations, from the next one on. ``estimate`` returns a step's estimate."""
        self._env, self._logger, self._interval, self._estimate = env, logger, interval, estimate
        self._steps = round(_SECONDS / env.dt)
        self._recorder = Recorder(env)
        self._filming = False
        self._begun = logger.completed_iterations
        self._due = -(-self._begun // interval) * interval
        """First iteration in which the next film may start."""
        self._process: subprocess.Popen[str] | None = None
        self._workplace = ""
        self._drawn = 0
        self._impossible = False

    def after_step(self) -> None:
        """Copy the state of the recorded robots, if a film is due."""
        if not self._filming:
            early = self._logger.completed_iterations < self._due
            if early or self._impossible or self._process is not None:
                return
            self._begin()
        if len(self._recorder) < self._steps:
            estimate = None if self._estimate is None else self._recorder.choose(self._estimate())
            self._recorder.add(estimate=estimate)

    def after_iteration(self, iteration: int) -> None:
        """Start to render a complete recording, and show a finished film."""
        if self._process is not None and self._process.poll() is not None:
            self._show()
        if self._filming and len(self._recorder) == self._steps:
            self._draw()

    def close(self) -> None:
        """Finish the last film at the end of the training."""
        if self._process is None and len(self._recorder) * self._env.dt >= _SHORTEST:
            self._draw()
        if self._process is None:
            return
        if self._process.poll() is None:
            print("finishing the last film", flush=True)
        try:
            self._process.wait(_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._show()

    def _begin(self) -> None:
        self._begun = self._logger.completed_iterations
        self._due = (self._begun // self._interval + 1) * self._interval
        robots = nearest_robots(self._env, followed_robot(self._env), _ROBOTS)
        self._recorder.robots = torch.tensor(robots, device=self._env.device)
        self._filming = True

    def _scene(self) -> Scene:
        """Fetch the recording."""
        env = self._env
        terrain = env.terrain and HeightField(env.terrain.heights, env.terrain.horizontal_scale, env.terrain.origin)
        cfg = plain_settings({name: getattr(env.cfg, name) for name in ("asset", "sim", "terrain", "viewer")})
        cfg.init_state = plain_settings({"pos": env.cfg.init_state.pos, "rot": env.cfg.init_state.rot})
        stage = Stage(cfg, terrain, list(env.dof_names))
        return Scene(f"iteration {self._begun}", self._recorder.rollout(), stage)

    def _draw(self) -> None:
        """Give the recording to another process."""
        scene, self._filming, self._drawn = self._scene(), False, self._begun
        self._recorder.clear()
        try:
            # Not in the run's folder, where an unfinished film must not appear.
            self._workplace = tempfile.mkdtemp(prefix="film_")
            self._process = self._start_process(scene)
        except OSError as error:
            self._give_up(str(error))

    def _start_process(self, scene: Scene) -> subprocess.Popen[str]:
        paths = [os.path.join(self._workplace, name) for name in ("scene", "film.mp4", "film.gif")]
        with open(paths[0], "wb") as file:
            pickle.dump(scene, file)
        return subprocess.Popen(
            [sys.executable, "-m", "legged_gym.render.film_process", *paths],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=_IMPORTED_FROM,
            # Ctrl-C is for the training, which then waits for the film. In its own session, Linux would give it as much
            # CPU time as the training, whatever its priority.
            process_group=0,
        )  # fmt: skip

    def _show(self) -> None:
        """Show the film that the other process rendered."""
        assert self._process is not None and self._process.stderr is not None
        status, errors = self._process.returncode, self._process.stderr.read().strip()
        self._process.stderr.close()
        self._process = None
        if status != 0:
            self._give_up((errors or "rendering was stopped").splitlines()[-1])
            return
        try:
            self._keep()
        except (OSError, UserError) as error:
            self._give_up(str(error))
        else:
            shutil.rmtree(self._workplace, ignore_errors=True)

    def _keep(self) -> None:
        """Put a film into the run's folder and into TensorBoard's."""
        folder = os.path.join(str(self._logger.log_dir), FOLDER)
        os.makedirs(folder, exist_ok=True)
        film = os.path.join(folder, f"iteration_{self._drawn:06d}.mp4")
        with written(film) as part:
            shutil.copyfile(os.path.join(self._workplace, "film.mp4"), part)
        with open(os.path.join(self._workplace, "film.gif"), "rb") as file:
            self._logger.add_moving_picture("Film/robots", file.read(), self._drawn)

    def _give_up(self, reason: str) -> None:
        """Warn that there will be no more films, and why. The training continues."""
        self._impossible = True
        print(f"no films of the training: {reason}", flush=True)
        shutil.rmtree(self._workplace, ignore_errors=True)


def plain_settings(values: Any) -> Any:
    """Return a configuration's values by name, without its classes, which can't be pickled."""
    if hasattr(values, "to_dict"):
        values = values.to_dict()
    if isinstance(values, dict):
        return SimpleNamespace(**{str(name): plain_settings(value) for name, value in values.items()})
    return values
