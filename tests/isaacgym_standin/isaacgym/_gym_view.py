"""Gym: viewer, cameras, colours; all without a window."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from ._calls import UInt8Array, gymcall
from ._enums import INVALID_HANDLE, CameraFollowMode, ImageType, KeyboardInput, MeshType, MouseInput
from ._gym_setup import alive, error
from ._params import ActionEvent, CameraProperties, PerformanceTimers, SimParams, Version
from ._png import write_png
from ._rules import broken, require
from ._scene import Env, Sim, Viewer
from ._tensor import Tensor, new_buffer
from ._vectors import Int2, Transform, Vec2, Vec3

_CHANNELS = {
    "IMAGE_COLOR": (np.uint8, 4),
    "IMAGE_DEPTH": (np.float32, 1),
    "IMAGE_SEGMENTATION": (np.uint32, 1),
    "IMAGE_OPTICAL_FLOW": (np.int16, 2),
}


class ViewCalls:
    """Calls for people's eyes; pictures are blank."""

    @gymcall
    def create_viewer(self, sim: Sim, properties: CameraProperties, /) -> Viewer | None:
        """Return a viewer without a window; None, as without graphics, for a sim without a graphics device."""
        alive(sim, "create_viewer")
        if sim.graphics_device < 0:
            error("Failed to create viewer: the sim has no graphics device")
            return None
        return Viewer(sim, copy.deepcopy(properties))

    @gymcall
    def destroy_viewer(self, viewer: Viewer, /) -> None:
        """Close it."""
        viewer.destroyed = True

    @gymcall
    def query_viewer_has_closed(self, viewer: Viewer, /) -> bool:
        """Return whether it was destroyed."""
        return viewer.destroyed

    @gymcall
    def subscribe_viewer_keyboard_event(self, viewer: Viewer, key: KeyboardInput, action: str, /) -> None:
        """Note a key."""
        viewer.subscriptions.append((key, action))

    @gymcall
    def subscribe_viewer_mouse_event(self, viewer: Viewer, button: MouseInput, action: str, /) -> None:
        """Note a button."""
        viewer.subscriptions.append((button, action))

    @gymcall
    def query_viewer_action_events(self, viewer: Viewer, /) -> list[ActionEvent]:
        """Return no events."""
        return []

    @gymcall
    def poll_viewer_events(self, viewer: Viewer, /) -> None:
        """Do nothing."""

    @gymcall
    def viewer_camera_look_at(self, viewer: Viewer, env: Env | None, position: Vec3, target: Vec3, /) -> None:
        """Move the viewer's camera."""
        viewer.camera = Transform(position)

    @gymcall
    def get_viewer_camera_transform(self, viewer: Viewer, env: Env | None, /) -> Transform:
        """Return where the viewer's camera is."""
        return copy.deepcopy(viewer.camera)

    @gymcall
    def get_viewer_camera_handle(self, viewer: Viewer, /) -> int:
        """Return 0."""
        return 0

    @gymcall
    def get_viewer_size(self, viewer: Viewer, /) -> Int2:
        """Return its width and height."""
        return Int2(viewer.properties.width, viewer.properties.height)

    @gymcall
    def get_viewer_mouse_position(self, viewer: Viewer, /) -> Vec2:
        """Return its corner."""
        return Vec2()

    @gymcall
    def step_graphics(self, sim: Sim, /) -> None:
        """Do nothing; results must have been fetched."""
        alive(sim, "step_graphics")

    @gymcall
    def draw_viewer(self, viewer: Viewer, sim: Sim, render_collision: bool = False) -> None:
        """Count a frame."""
        viewer.num_frames += 1

    @gymcall
    def sync_frame_time(self, sim: Sim, /) -> None:
        """Do not wait."""

    @gymcall
    def add_lines(self, viewer: Viewer, env: Env | None, count: int, vertices: Any, colors: Any, /) -> None:
        """Count lines: ``vertices`` has two points of each; programs give one colour for all, too."""
        for what, array, points in (("vertices", vertices, 2 * count), ("colors", colors, min(count, 1))):
            structured = isinstance(array, np.ndarray) and array.dtype == Vec3.dtype
            numbers = np.asarray(array).size * (3 if structured else 1)
            require(numbers >= 3 * points, f"add_lines: {count} lines, but {what} has only {numbers} numbers")
        viewer.num_lines += count

    @gymcall
    def clear_lines(self, viewer: Viewer, /) -> None:
        """Forget the lines."""
        viewer.num_lines = 0

    @gymcall
    def write_viewer_image_to_file(self, viewer: Viewer, path: str, /) -> None:
        """Write a blank picture as PNG."""
        _write_blank(viewer.properties, path)

    @gymcall
    def create_camera_sensor(self, env: Env, properties: CameraProperties, /) -> int:
        """Return the handle of a new camera, or -1 for a sim without a graphics device."""
        sim = env.sim
        if sim.graphics_device < 0:
            error("Cannot create a camera sensor: the sim has no graphics device")
            return INVALID_HANDLE
        handle = env.num_cameras
        env.num_cameras += 1
        sim.cameras[(env.index, handle)] = [env, copy.deepcopy(properties), Transform()]
        return handle

    @gymcall
    def destroy_camera_sensor(self, sim: Sim, env: Env, handle: int, /) -> None:
        """Remove a camera."""
        self._camera(env, handle, "destroy_camera_sensor")
        del sim.cameras[(env.index, handle)]

    @gymcall
    def set_camera_location(self, handle: int, env: Env, position: Vec3, target: Vec3, /) -> None:
        """Move a camera."""
        self._move_camera(env, handle, "set_camera_location", Transform(position))

    @gymcall
    def set_camera_transform(self, handle: int, env: Env, transform: Transform, /) -> None:
        """Move a camera."""
        self._move_camera(env, handle, "set_camera_transform", transform)

    @gymcall
    def get_camera_transform(self, sim: Sim, env: Env, handle: int, /) -> Transform:
        """Return where a camera is."""
        return copy.deepcopy(self._camera(env, handle, "get_camera_transform")[2])

    @gymcall
    def attach_camera_to_body(
        self, handle: int, env: Env, body: int, offset: Transform, mode: CameraFollowMode, /
    ) -> None:
        """Let a camera follow a body."""
        require(0 <= body < env.num_bodies, f"attach_camera_to_body: body {body} of {env.num_bodies}")
        self._move_camera(env, handle, "attach_camera_to_body", offset)

    @gymcall
    def get_camera_view_matrix(self, sim: Sim, env: Env, handle: int, /) -> np.ndarray:
        """Return the identity, (4, 4)."""
        self._camera(env, handle, "get_camera_view_matrix")
        return np.eye(4, dtype=np.float32)

    @gymcall
    def get_camera_proj_matrix(self, sim: Sim, env: Env, handle: int, /) -> np.ndarray:
        """Return the perspective of a camera, (4, 4)."""
        properties = self._camera(env, handle, "get_camera_proj_matrix")[1]
        wide = 1.0 / np.tan(np.radians(properties.horizontal_fov) / 2.0)
        out = np.diag([wide, wide * properties.width / properties.height, 0.0, 0.0])
        out[2, 3], out[3, 2] = -1.0, properties.near_plane
        return out.astype(np.float32)

    @gymcall
    def render_all_camera_sensors(self, sim: Sim, /) -> None:
        """Do nothing."""
        alive(sim, "render_all_camera_sensors")

    @gymcall
    def get_camera_image(self, sim: Sim, env: Env, handle: int, kind: ImageType, /) -> np.ndarray:
        """Return a blank picture, (height, width · channels)."""
        properties = self._camera(env, handle, "get_camera_image")[1]
        dtype, channels = _CHANNELS[kind.name]
        return np.zeros((properties.height, properties.width * channels), dtype=dtype)

    @gymcall
    def get_camera_image_gpu_tensor(self, sim: Sim, env: Env, handle: int, kind: ImageType, /) -> Tensor:
        """Return a blank picture as a tensor, (height, width) or (height, width, channels)."""
        properties = self._camera(env, handle, "get_camera_image_gpu_tensor")[1]
        require(properties.enable_tensors, "get_camera_image_gpu_tensor: create the camera with enable_tensors")
        dtype, channels = _CHANNELS[kind.name]
        shape = (properties.height, properties.width) + ((channels,) if channels > 1 else ())
        device = sim.compute_device if sim.gpu_pipeline else -1
        return new_buffer(shape, device, dtype)

    @gymcall
    def write_camera_image_to_file(self, sim: Sim, env: Env, handle: int, kind: ImageType, path: str, /) -> None:
        """Write a blank picture as PNG."""
        _write_blank(self._camera(env, handle, "write_camera_image_to_file")[1], path)

    @gymcall
    def start_access_image_tensors(self, sim: Sim, /) -> None:
        """Do nothing."""

    @gymcall
    def end_access_image_tensors(self, sim: Sim, /) -> None:
        """Do nothing."""

    def _move_camera(self, env: Env, handle: int, call: str, pose: Transform) -> None:
        if handle == INVALID_HANDLE and env.sim.graphics_device < 0:
            # Headless programs go on with the camera that they did not get.
            error(f"{call}: there is no camera, as the sim has no graphics device")
            return
        self._camera(env, handle, call)[2] = copy.deepcopy(pose)

    def _camera(self, env: Env, handle: int, call: str) -> list[Any]:
        if (env.index, handle) not in env.sim.cameras:
            broken(f"{call}: env {env.index} has no camera {handle}")
        return env.sim.cameras[(env.index, handle)]

    @gymcall
    def set_light_parameters(self, sim: Sim, index: int, intensity: Vec3, ambient: Vec3, direction: Vec3, /) -> None:
        """Do nothing."""

    @gymcall
    def set_rigid_body_color(self, env: Env, actor: int, body: int, kind: MeshType, color: Vec3, /) -> None:
        """Note a body's colour."""
        env.actor(actor).colors[body] = copy.deepcopy(color)

    @gymcall
    def get_rigid_body_color(self, env: Env, actor: int, body: int, kind: MeshType, /) -> Vec3:
        """Return a body's colour."""
        return copy.deepcopy(env.actor(actor).colors.get(body, Vec3(1, 1, 1)))

    @gymcall
    def reset_actor_materials(self, env: Env, actor: int, kind: MeshType, /) -> None:
        """Forget an actor's colours."""
        env.actor(actor).colors.clear()

    @gymcall
    def set_rigid_body_segmentation_id(self, env: Env, actor: int, body: int, number: int, /) -> None:
        """Do nothing."""

    @gymcall
    def set_rigid_body_texture(self, env: Env, actor: int, body: int, kind: MeshType, texture: int, /) -> None:
        """Do nothing."""

    @gymcall
    def create_texture_from_file(self, sim: Sim, path: str, /) -> int:
        """Return a handle."""
        return 0

    @gymcall
    def create_texture_from_buffer(self, sim: Sim, width: int, height: int, pixels: UInt8Array, /) -> int:
        """Return a handle."""
        return 0

    @gymcall
    def get_sim_params(self, sim: Sim, /) -> SimParams:
        """Return a copy of the sim's parameters."""
        return copy.deepcopy(sim.params)

    @gymcall
    def set_sim_params(self, sim: Sim, params: SimParams, /) -> None:
        """Replace the sim's parameters; gravity and dt count from the next step on."""
        sim.params = copy.deepcopy(params)
        if sim.world is not None:
            sim.world.update_parameters()

    @gymcall
    def get_version(self) -> Version:
        """Return the version that is stood in for."""
        return Version()

    @gymcall
    def create_performance_timers(self, sim: Sim, /) -> int:
        """Return a handle."""
        return 0

    @gymcall
    def get_performance_timers(self, sim: Sim, handle: int, /) -> PerformanceTimers:
        """Return zeros."""
        return PerformanceTimers()


def _write_blank(properties: Any, path: str) -> None:
    if not write_png(path, np.zeros((properties.height, properties.width, 3), dtype=np.uint8)):
        error(f"Failed to write image '{path}'")
