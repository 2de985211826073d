"""Short films of a running training, drawn beside it by another process."""

from __future__ import annotations

import contextlib
import os
import pickle
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch

from legged_gym import LEGGED_GYM_ENVS_DIR
from legged_gym.render.drawing import followed_robot
from legged_gym.render.film import nearest_robots
from legged_gym.viewers.recording import Ground, Recording, plain_settings

if TYPE_CHECKING:
    from legged_gym.envs.base.legged_robot import LeggedRobot
    from legged_gym.runners.logger import TrainingLogger

_SECONDS = 5.0
_SHORTEST = 1.0
"""A film shorter than this, s, is not worth it."""
_ROBOTS = 4
_PATIENCE = 120.0
"""Seconds that the end of the training waits for its last film."""
FOLDER = "films"
"""Where the films lie in the run's folder."""

_IMPORTED_FROM = os.path.dirname(os.path.dirname(LEGGED_GYM_ENVS_DIR))
"""Where the other process finds this package."""


class TrainingFilms:
    """Films some robots of a training every now and then; give it to the logger's ``observers``.

    While it films, a step of the training costs a small copy on its device. What was copied is fetched once, drawn by
    another process at low priority, and shown in TensorBoard as soon as that is done, under the iteration in which
    the film begins. If the process is not done when the next film is due, that one begins later.
    """

    def __init__(
        self,
        env: LeggedRobot,
        logger: TrainingLogger,
        interval: int,
        estimate: Callable[[], torch.Tensor] | None = None,
    ) -> None:
        """Film from the next iteration on.

        Args:
            env: The training's environment.
            logger: Its logger, with a folder.
            interval: Iterations from the start of one film to the start of the next.
            estimate: Returns what the estimator said before the last step, in the label's scale, (N, L).
        """
        self._env, self._logger, self._interval = env, logger, interval
        self._estimate = estimate if env.label_layout.columns("velocity") is not None else None
        self._steps = round(_SECONDS / env.dt)
        self._rows: list[torch.Tensor] = []
        self._robots: torch.Tensor | None = None
        self._begun = logger.completed_iterations
        self._due = -(-self._begun // interval) * interval
        """First iteration in which the next film may begin."""
        self._process: subprocess.Popen[str] | None = None
        self._workplace = ""
        self._drawn = 0
        self._impossible = False

    def after_step(self) -> None:
        """Copy the state of the filmed robots, if it is time."""
        if self._robots is None:
            early = self._logger.completed_iterations < self._due
            if early or self._impossible or self._process is not None:
                return
            self._begin()
        if len(self._rows) < self._steps:
            self._rows.append(self._row())

    def after_iteration(self, iteration: int) -> None:
        """Have a complete film drawn, and show one that was."""
        if self._process is not None and self._process.poll() is not None:
            self._show()
        if self._robots is not None and len(self._rows) == self._steps:
            self._draw()

    def close(self) -> None:
        """Finish what was begun; the training is over."""
        if self._process is None and len(self._rows) * self._env.dt >= _SHORTEST:
            self._draw()
        if self._process is None:
            return
        if self._process.poll() is None:
            print("finishing the last film", flush=True)
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._show()

    def _begin(self) -> None:
        self._begun = self._logger.completed_iterations
        self._due = (self._begun // self._interval + 1) * self._interval
        robots = nearest_robots(self._env, followed_robot(self._env), _ROBOTS)
        self._robots = torch.tensor(robots, device=self._env.device)

    def _row(self) -> torch.Tensor:
        """Return all that is drawn of the present state, as one vector."""
        env, robots = self._env, self._robots
        assert robots is not None
        first = robots[:1]
        parts = [
            env.root_states[robots, :7], env.dof_pos[robots], env.commands[first, :3], env.base_lin_vel[first, :2],
            env.base_ang_vel[first, 2:],
        ]  # fmt: skip
        if self._estimate is not None:
            said = env.label_layout.physical(self._estimate()[first.to(self._logger.device)])
            parts.append(env.label_layout.part("velocity", said)[:, :2].to(env.device))
        return torch.cat([part.flatten() for part in parts])

    def _recording(self) -> Recording:
        """Fetch what was copied."""
        env = self._env
        assert self._robots is not None
        count, joints = len(self._robots), env.num_dof
        rows = torch.stack(self._rows).cpu().numpy()
        roots, dof_pos, commands, measured, said = np.split(
            rows, np.cumsum([7 * count, joints * count, 3, 3]), axis=1
        )  # fmt: skip
        terrain = env.terrain
        cfg = plain_settings({name: getattr(env.cfg, name) for name in ("asset", "sim", "terrain", "viewer")})
        cfg.init_state = plain_settings({"pos": env.cfg.init_state.pos, "rot": env.cfg.init_state.rot})
        return Recording(
            title=f"iteration {self._begun}",
            dt=env.dt,
            cfg=cfg,
            terrain=terrain and Ground(terrain.heights, terrain.horizontal_scale, terrain.origin),
            dof_names=list(env.dof_names),
            roots=roots.reshape(-1, count, 7),
            dof_pos=dof_pos.reshape(-1, count, joints),
            commands=commands,
            measured=measured,
            estimated=said if said.size else None,
        )

    def _draw(self) -> None:
        """Give what was recorded to another process."""
        recording, self._rows, self._robots = self._recording(), [], None
        self._drawn = self._begun
        try:
            # Not in the run's folder: a film that is half done must not be found there.
            self._workplace = tempfile.mkdtemp(prefix="film_")
            self._process = self._start_process(recording)
        except OSError as error:
            self._give_up(str(error))

    def _start_process(self, recording: Recording) -> subprocess.Popen[str]:
        paths = [os.path.join(self._workplace, name) for name in ("recording", "film.mp4", "film.gif")]
        with open(paths[0], "wb") as file:
            pickle.dump(recording, file)
        return subprocess.Popen(
            [sys.executable, "-m", "legged_gym.render.film_process", *paths],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=_IMPORTED_FROM,
            # Ctrl-C is for the training, which then waits for the film. A session of its own would make Linux share
            # the processor between it and the training evenly, however nice it is.
            process_group=0,
        )  # fmt: skip

    def _show(self) -> None:
        """Take over what the other process drew."""
        assert self._process is not None and self._process.stderr is not None
        status, errors = self._process.returncode, self._process.stderr.read().strip()
        self._process.stderr.close()
        self._process = None
        if status != 0:
            self._give_up((errors or "drawing was stopped").splitlines()[-1])
            return
        try:
            self._keep()
        except OSError as error:
            self._give_up(str(error))
        else:
            shutil.rmtree(self._workplace, ignore_errors=True)

    def _keep(self) -> None:
        """Put a film into the run's folder and into TensorBoard's."""
        folder = os.path.join(str(self._logger.log_dir), FOLDER)
        os.makedirs(folder, exist_ok=True)
        film = os.path.join(folder, f"iteration_{self._drawn:06d}.mp4")
        try:
            shutil.move(os.path.join(self._workplace, "film.mp4"), film)
        except OSError:
            # Half of it, from where the disk was full.
            with contextlib.suppress(OSError):
                os.remove(film)
            raise
        with open(os.path.join(self._workplace, "film.gif"), "rb") as file:
            self._logger.add_moving_picture("Film/robots", file.read(), self._drawn)

    def _give_up(self, reason: str) -> None:
        """Say why there will be no more films; the training goes on."""
        self._impossible = True
        print(f"no films of the training: {reason}", flush=True)
        shutil.rmtree(self._workplace, ignore_errors=True)
