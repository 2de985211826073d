"""The robots and their ground in the page's 3-D view."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import torch
import viser

from legged_gym.evaluation.rollout import Rollout
from legged_gym.render.drawing import nearest_robots
from legged_gym.viewers import MOST_ROBOTS, meshes

if TYPE_CHECKING:
    from legged_gym.viewers.session import Session

COMMAND_COLOUR, VELOCITY_COLOUR, ESTIMATE_COLOUR = (34, 139, 230), (47, 158, 68), (240, 140, 0)
"""Colours of arrows and curves."""
_FORCE_COLOUR = (224, 49, 49)
_WORLD = "/world"
BASE = f"{_WORLD}/base"
"""The node that moves with the shown robot."""
_REACH = 8.0
"""Distance up to which the ground is shown with all its points, m. Further away some are left out."""
_PLANE_MARGIN = 100.0
_ARROW_HEIGHT = 0.4
"""Heights of the velocity arrows above the base, m: command, velocity and estimate are above each other."""
_ARROW_SPACING = 0.06
_ARC_RADIUS = 0.25
_ARC_SECONDS = 2.0
"""The arc of a yaw rate is the angle that the robot turns in this time, s."""
_ARC_POINTS = 12
_METRES_PER_NEWTON = 0.003
_SOME_LENGTH = np.array([0.0, 0.0, 1e-4])
"""Added to arrows, because an arrow of length zero has no direction and can't be drawn."""
_SNAP = 1.0
"""If a robot moves further than this between two frames, m, it was reset and the view jumps to it."""
_CLICK_REACH = 0.12
"""A click within this distance of a link's origin, m, chooses its robot."""
_SMOOTHING = 0.9
"""Share of the view's lag that remains from frame to frame."""


class WebScene:
    """Draws the shown robot and, if wanted, the robots around it.

    The world moves and the robot stays in the middle of the view, so that the user can still turn the view.
    """

    def __init__(self, server: viser.ViserServer, session: Session) -> None:
        """Build everything that does not change."""
        self._server, self._session = server, session
        self.follow = True
        """Whether the view moves with the robot."""
        self.company = session.env.num_envs <= MOST_ROBOTS
        """Whether other robots are shown, too."""
        self._rows = torch.zeros(0, dtype=torch.long)
        self._rows_around: int | None = None
        self._drawn = np.zeros(0, int), np.zeros((0, 0, 3))
        """Indices of the robots in the last update, and the positions of their links."""
        self._focus = np.zeros(3)
        self._last = np.full(3, np.inf)
        self._centre: np.ndarray | None = None
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="ground")
        self._ground: Future[None] | None = None
        self._light()
        self._world = server.scene.add_frame(_WORLD, show_axes=False)
        self._add_links()
        self._add_signs()
        server.scene.on_click()(self._pick)
        if session.env.terrain is None:
            half = float(session.env.env_origins.abs().max()) + _PLANE_MARGIN
            server.scene.add_glb(f"{_WORLD}/ground", meshes.plane(half), cast_shadow=False)

    def update(self, reading: Rollout) -> None:
        """Show the present states."""
        rows = self._shown_rows()
        states = self._session.env.rigid_body_states[rows][..., :7].cpu().numpy()
        self._drawn = rows.cpu().numpy(), states[..., :3]
        self._renew_ground(reading.base_pos[0, 0])
        with self._server.atomic():
            self._move_world(reading.base_pos[0, 0])
            for link, frame in self._links.items():
                frame.position, frame.wxyz = states[0, link, :3], states[0, link, [6, 3, 4, 5]]
            for link, handle in self._company.items():
                handle.visible = len(rows) > 1
                if handle.visible:
                    handle.batched_positions = states[1:, link, :3]
                    handle.batched_wxyzs = states[1:, link, [6, 3, 4, 5]]
            self._draw_velocities(reading)
            self._draw_feet(reading)

    def close(self) -> None:
        """Stop preparing the ground."""
        self._worker.shutdown(wait=False, cancel_futures=True)

    # --- what never changes --------------------------------------------------------------------------------------

    def _light(self) -> None:
        scene = self._server.scene
        scene.set_up_direction("+z")
        scene.configure_default_lights(enabled=False)
        scene.configure_environment_map(None)
        sky, earth, sunlight = (235, 243, 255), (170, 165, 160), (255, 250, 240)
        scene.add_light_hemisphere("/lights/sky", sky_color=sky, ground_color=earth, intensity=1.6)
        scene.add_light_directional(
            "/lights/sun", color=sunlight, intensity=2.0, cast_shadow=True, position=(-1.2, -1.5, 3.0)
        )
        scene.configure_fog(18.0, 60.0, color=(222, 232, 242))
        backdrop = np.linspace((158, 194, 230), (232, 240, 247), 128).astype(np.uint8)
        scene.set_background_image(np.broadcast_to(backdrop[:, None], (128, 4, 3)))
        camera, view = self._server.initial_camera, self._session.env.cfg.viewer
        focus = np.array(view.lookat)
        camera.look_at = (0.0, 0.0, float(focus[2]))
        camera.position = tuple(np.array(view.pos) - focus * [1.0, 1.0, 0.0])

    def _add_links(self) -> None:
        """Add the shown robot's links one by one, which move more smoothly, and the others' as instances."""
        scene, env = self._server.scene, self._session.env
        self._links: dict[int, viser.FrameHandle] = {}
        self._company: dict[int, viser.BatchedGlbHandle] = {}
        for link, glb in meshes.robot_parts(env).items():
            name = f"{_WORLD}/robot/{env.body_names[link]}"
            self._links[link] = scene.add_frame(name, show_axes=False)
            scene.add_glb(f"{name}/shape", glb)
            if env.num_envs > 1:
                name = f"{_WORLD}/company/{env.body_names[link]}"
                upright, buried = np.eye(1, 4), np.array([[0.0, 0.0, -10.0]])
                self._company[link] = scene.add_batched_glb(name, glb, upright, buried, lod="off")

    def _add_signs(self) -> None:
        """Add the arrows of velocities and forces, the arcs of yaw rates, and the marks of feet in contact."""
        scene, env = self._server.scene, self._session.env
        feet = len(env.feet_indices)
        estimates = self._session.estimator is not None and env.label_layout.columns("velocity") is not None
        colours = np.array([COMMAND_COLOUR, VELOCITY_COLOUR, ESTIMATE_COLOUR][: 2 + estimates], np.uint8)
        self._base = scene.add_frame(BASE, show_axes=False)
        self._velocities = self._add_arrows("base/velocities", colours)
        arc_colours = np.repeat(colours[:2], 2 * _ARC_POINTS, axis=0).reshape(-1, 2, 3)
        self._arcs = scene.add_line_segments(
            f"{_WORLD}/base/yaw_rates", np.zeros((2 * _ARC_POINTS, 2, 3)), arc_colours, thickness=0.03
        )
        self._feet = [scene.add_frame(f"{_WORLD}/feet/{foot}", show_axes=False) for foot in range(feet)]
        red = np.array([_FORCE_COLOUR], np.uint8)
        self._forces = [self._add_arrows(f"feet/{foot}/force", red) for foot in range(feet)]
        self._touching = [
            scene.add_icosphere(f"{_WORLD}/feet/{foot}/contact", radius=0.03, color=_FORCE_COLOUR, opacity=0.6)
            for foot in range(feet)
        ]

    def _add_arrows(self, name: str, colours: np.ndarray) -> viser.ArrowsHandle:
        return self._server.scene.add_arrows(
            f"{_WORLD}/{name}", np.zeros((len(colours), 2, 3)), colours, shaft_radius=0.009, head_radius=0.022,
            head_length=0.045,
        )  # fmt: skip

    def _pick(self, event: viser.SceneClickEvent) -> None:
        """Show the robot that the user clicked on."""
        # Click handlers on the meshes would make the browser build a search tree for each mesh and update.
        rows, places = self._drawn
        robot = robot_on_ray(places + self._world.position, np.array(event.ray_origin), np.array(event.ray_direction))
        if robot is not None:
            self._session.select_robot(int(rows[robot]))

    # --- what moves ----------------------------------------------------------------------------------------------

    def _shown_rows(self) -> torch.Tensor:
        """Return the indices of the drawn robots, (n,), the shown one first."""
        env, robot = self._session.env, self._session.robot
        if not self.company:
            self._rows, self._rows_around = torch.tensor([robot], device=env.device), None
        elif self._rows_around != robot:
            # Chosen again only with another robot, so that robots don't appear and disappear.
            self._rows_around = robot
            self._rows = torch.tensor(nearest_robots(env, robot, MOST_ROBOTS), device=env.device)
        return self._rows

    def _move_world(self, base: np.ndarray) -> None:
        if self.follow:
            jumped = np.linalg.norm(base - self._last) > _SNAP
            self._focus = base if jumped else _SMOOTHING * self._focus + (1.0 - _SMOOTHING) * base
            self._world.position = -self._focus
        self._last = base

    def _renew_ground(self, base: np.ndarray) -> None:
        """Show the fine ground around the robot, renewed near its end; another thread prepares it."""
        if self._session.env.terrain is None or (self._ground is not None and not self._ground.done()):
            return
        if self._centre is None or np.abs(base[:2] - self._centre).max() > 0.5 * _REACH:
            self._centre = base[:2].copy()
            self._ground = self._worker.submit(self._send_ground, self._centre)

    def _send_ground(self, centre: np.ndarray) -> None:
        terrain = self._session.env.terrain
        assert terrain is not None
        fine, coarse = meshes.ground_around(terrain, centre, _REACH), meshes.ground_beyond(terrain, centre, _REACH)
        with self._server.atomic():
            self._server.scene.add_glb(f"{_WORLD}/ground", fine, cast_shadow=False)
            self._server.scene.add_glb(f"{_WORLD}/far_ground", coarse, cast_shadow=False, receive_shadow=False)

    def _draw_velocities(self, reading: Rollout) -> None:
        self._base.position, self._base.wxyz = reading.base_pos[0, 0], _yaw_only(reading.base_quat[0, 0])
        said = reading.estimated("velocity")
        values = [reading.commands[0, 0], reading.velocity[0, 0], *([] if said is None else said[0])]
        starts = np.zeros((len(values), 3))
        starts[:, 2] = _ARROW_HEIGHT - _ARROW_SPACING * np.arange(len(values))
        ends = starts.copy()
        ends[:, :2] += [value[:2] for value in values]
        self._velocities.points = np.stack((starts, ends + _SOME_LENGTH), axis=1)
        arcs = []
        for start, rate in zip(starts[:2], (reading.commands[0, 0][2], reading.velocity[0, 0][2]), strict=True):
            angle = np.linspace(0.0, _ARC_SECONDS * rate, _ARC_POINTS + 1)
            arc = start + _ARC_RADIUS * np.stack((np.cos(angle), np.sin(angle), np.zeros_like(angle)), axis=1)
            arcs.append(np.stack((arc[:-1], arc[1:]), axis=1))
        self._arcs.points = np.concatenate(arcs)

    def _draw_feet(self, reading: Rollout) -> None:
        for foot, (frame, arrow, mark) in enumerate(zip(self._feet, self._forces, self._touching, strict=True)):
            frame.position = reading.foot_pos[0, 0, foot]
            force = _METRES_PER_NEWTON * reading.foot_forces[0, 0, foot] + _SOME_LENGTH
            arrow.points = np.stack((np.zeros(3), force))[None]
            mark.visible = bool(reading.foot_contact[0, 0, foot])


def robot_on_ray(places: np.ndarray, origin: np.ndarray, direction: np.ndarray) -> int | None:
    """Return the index of the first robot that a ray meets, or None; links' positions, m, (n, L, 3), unit direction."""
    relative = places - origin
    along = relative @ direction
    beside = np.linalg.norm(relative - along[..., None] * direction, axis=-1)
    first = np.where((beside < _CLICK_REACH) & (along > 0.0), along, np.inf).min(axis=1, initial=np.inf)
    return int(first.argmin()) if np.isfinite(first).any() else None


def _yaw_only(quaternion: np.ndarray) -> np.ndarray:
    """Return the rotation about the vertical of a quaternion, xyzw, (4,), as wxyz, (4,)."""
    part = np.array([quaternion[3], 0.0, 0.0, quaternion[2]])
    return part / max(float(np.linalg.norm(part)), 1e-9)
