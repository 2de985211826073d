"""The same worlds, stepped by MuJoCo Warp alone: what our own kinematics, contacts and solver have to beat."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

import mujoco
import mujoco_warp as mjw
import warp as wp


class Upstream:
    """Steps copies of worlds by ``mujoco_warp.step``, on a GPU from a CUDA graph."""

    def __init__(
        self,
        scene: mujoco.MjModel,
        model: mjw.Model,
        data: mjw.Data,
        per_world: Sequence[str],
        kept: Sequence[str],
        room: tuple[int, int],
        on_stream: Callable[[], AbstractContextManager[None]],
    ) -> None:
        """Make worlds of the same scene.

        Args:
            scene: What ``model`` was made of.
            model: Its fields ``per_world`` are what differs between worlds.
            data: Its arrays ``kept`` are what a step depends on.
            per_world: Names of model fields with a row for each world.
            kept: Names of arrays of the data.
            room: Most contacts and most constraints of a world.
            on_stream: Where work is queued.
        """
        self._on_stream, device = on_stream, data.qpos.device
        with wp.ScopedDevice(device):
            self._model = mjw.put_model(scene, batch_sizes=dict.fromkeys(per_world, data.nworld))
            self.data = mjw.make_data(scene, nworld=data.nworld, nconmax=room[0], njmax=room[1])
            """Of the copies; read it where nothing is queued any more."""
            self._model.opt.warn_overflow = 0
            self._pairs = [(getattr(self._model, name), getattr(model, name)) for name in per_world]
            self._pairs += [(getattr(self.data, name), getattr(data, name)) for name in kept]
            # Compiles its kernels, which a recording can't.
            mjw.step(self._model, self.data)
            self._graph: wp.Graph | None = None
            if device.is_cuda:
                with wp.ScopedCapture() as capture:
                    mjw.step(self._model, self.data)
                self._graph = capture.graph
            wp.synchronize_device(device)

    def follow(self) -> None:
        """Put the copies to where the worlds are now, with the forces that act on these."""
        with self._on_stream():
            for copy, original in self._pairs:
                wp.copy(copy, original)

    def step(self) -> None:
        """Advance the copies by one physics step, under the same forces."""
        with self._on_stream():
            if self._graph is not None:
                wp.capture_launch(self._graph)
            else:
                mjw.step(self._model, self.data)
