"""Helpers of Isaac Gym's examples: command line, configurations, wire frames."""

from __future__ import annotations

import argparse
import math
from typing import Any

import numpy as np

from . import gymapi
from ._randomize import apply_random_samples as apply_random_samples
from ._randomize import check_buckets as check_buckets
from ._randomize import generate_random_samples as generate_random_samples
from ._randomize import get_bucketed_val as get_bucketed_val


def parse_device_str(device_str: str) -> tuple[str, int]:
    """Split a device like ``cuda:1`` into its type, cpu or cuda, and number; ``gpu`` is cuda.

    Raises:
        Exception: Any other string.
    """
    kind, colon, number = device_str.lower().partition(":")
    if kind == "gpu":
        kind = "cuda"
    if kind not in ("cpu", "cuda") or (colon and not number.isdigit()):
        raise Exception(f'Invalid device string "{device_str}"')
    return kind, int(number) if colon else 0


def parse_bool(text: str) -> bool:
    """Understand yes, true, on, 1 and their opposites.

    Raises:
        ValueError: Anything else.
    """
    words = {"yes": True, "true": True, "on": True, "1": True, "no": False, "false": False, "off": False, "0": False}
    if str(text).lower() not in words:
        raise ValueError(f"not a bool: {text}")
    return words[str(text).lower()]


def parse_arguments(
    description: str = "Isaac Gym Example",
    headless: bool = False,
    no_graphics: bool = False,
    custom_parameters: list[dict[str, Any]] = [],
) -> argparse.Namespace:
    """Parse the command line.

    Args:
        description: For ``--help``.
        headless: Offer ``--headless``.
        no_graphics: Offer ``--nographics``.
        custom_parameters: More arguments: ``name`` and any of ``type``, ``default``, ``help``, ``choices``,
            ``action``.

    Returns:
        The arguments with ``physics_engine``, ``use_gpu``, ``use_gpu_pipeline``, ``sim_device_type``,
        ``compute_device_id`` and ``graphics_device_id`` worked out.
    """
    parser = argparse.ArgumentParser(description=description)
    if headless:
        parser.add_argument("--headless", action="store_true", help="Run headless without creating a viewer window")
    if no_graphics:
        parser.add_argument("--nographics", action="store_true", help="Disable graphics context creation")
    parser.add_argument("--sim_device", type=str, default="cuda:0", help="Physics device in PyTorch-like syntax")
    parser.add_argument("--pipeline", type=str, default="gpu", help="Tensor API pipeline (cpu/gpu)")
    parser.add_argument("--graphics_device_id", type=int, default=0, help="Graphics device number")
    engine = parser.add_mutually_exclusive_group()
    engine.add_argument("--flex", action="store_true", help="Use FleX for physics")
    engine.add_argument("--physx", action="store_true", help="Use PhysX for physics")
    parser.add_argument("--num_threads", type=int, default=0, help="Number of cores used by PhysX")
    parser.add_argument("--subscenes", type=int, default=0, help="Number of PhysX subscenes to simulate in parallel")
    parser.add_argument("--slices", type=int, help="Number of client threads that process env slices")
    for parameter in custom_parameters:
        _add_parameter(parser, parameter)
    return _finish(parser.parse_args(), no_graphics)


def _add_parameter(parser: argparse.ArgumentParser, parameter: dict[str, Any]) -> None:
    if "name" not in parameter or not ("type" in parameter or "action" in parameter):
        print("\nERROR: command line argument name and type/action must be defined, ignored")
        return
    names = ("default", "help", "choices", "nargs", "action")
    given = {key: parameter[key] for key in names if key in parameter}
    if "action" not in parameter:
        given["type"] = parameter["type"]
    parser.add_argument(parameter["name"], **given)


def _finish(args: argparse.Namespace, no_graphics: bool) -> argparse.Namespace:
    args.sim_device_type, args.compute_device_id = parse_device_str(args.sim_device)
    pipeline = args.pipeline.lower()
    if pipeline not in ("cpu", "gpu", "cuda"):
        raise AssertionError(f"Invalid pipeline '{args.pipeline}'. Should be either cpu or gpu.")
    args.use_gpu_pipeline = pipeline in ("gpu", "cuda")
    if args.sim_device_type != "cuda" and args.flex:
        print("Can't use Flex with CPU. Changing sim device to 'cuda:0'")
        args.sim_device = "cuda:0"
        args.sim_device_type, args.compute_device_id = parse_device_str(args.sim_device)
    if args.sim_device_type != "cuda" and pipeline == "gpu":
        print("Can't use GPU pipeline with CPU Physics. Changing pipeline to 'CPU'.")
        args.pipeline, args.use_gpu_pipeline = "CPU", False
    args.physics_engine = gymapi.SIM_FLEX if args.flex else gymapi.SIM_PHYSX
    args.use_gpu = args.sim_device_type == "cuda"
    if no_graphics and args.nographics:
        args.headless = True
    if args.slices is None:
        args.slices = args.subscenes
    return args


def parse_sim_config(sim_cfg: dict[str, Any], sim_params: gymapi.SimParams) -> None:
    """Copy a configuration's entries into SimParams, ``physx`` and ``flex`` from dicts or classes in it.

    Entries that SimParams does not have are left alone: published configurations keep settings of their own there.
    """
    for name, value in sim_cfg.items():
        if name in ("physx", "flex"):
            inner = value if isinstance(value, dict) else vars(value)
            _copy_entries(inner, getattr(sim_params, name))
        elif name == "up_axis":
            sim_params.up_axis = gymapi.UpAxis(value)
        elif name == "gravity":
            sim_params.gravity = gymapi.Vec3(*value)
        else:
            _copy_entries({name: value}, sim_params)


def _copy_entries(entries: Any, params: Any) -> None:
    for name, value in entries.items():
        if name == "contact_collection":
            params.contact_collection = gymapi.ContactCollection(value)
        elif name in params.FIELDS:
            setattr(params, name, value)


def get_property_setter_map(gym: Any) -> dict[str, Any]:
    """Return the setters of actors' properties by name."""
    return {
        "dof_properties": gym.set_actor_dof_properties,
        "tendon_properties": gym.set_actor_tendon_properties,
        "rigid_body_properties": gym.set_actor_rigid_body_properties,
        "rigid_shape_properties": gym.set_actor_rigid_shape_properties,
        "color": gym.set_rigid_body_color,
        "scale": gym.set_actor_scale,
    }


def get_property_getter_map(gym: Any) -> dict[str, Any]:
    """Return the getters of actors' properties by name."""
    return {
        "dof_properties": gym.get_actor_dof_properties,
        "tendon_properties": gym.get_actor_tendon_properties,
        "rigid_body_properties": gym.get_actor_rigid_body_properties,
        "rigid_shape_properties": gym.get_actor_rigid_shape_properties,
        "scale": gym.get_actor_scale,
    }


def get_default_setter_args(gym: Any) -> dict[str, list[Any]]:
    """Return what setters need beside env, actor and properties."""
    return {"dof_properties": [], "tendon_properties": [], "rigid_body_properties": [True],
            "rigid_shape_properties": [], "scale": []}  # fmt: skip


class LineGeometry:
    """Lines to draw: ``vertices()`` has two points of each, ``colors()`` a colour."""

    def vertices(self) -> np.ndarray:
        """Return the points, (2 lines,) of ``Vec3.dtype``."""
        raise NotImplementedError

    def colors(self) -> np.ndarray:
        """Return the colours, (lines,) of ``Vec3.dtype``."""
        raise NotImplementedError

    def num_lines(self) -> int:
        """Return the number of lines."""
        return len(self.colors())

    def instance_verts(self, pose: Any = None) -> np.ndarray:
        """Return the points at a pose."""
        return self.vertices() if pose is None else pose.transform_points(self.vertices())


class _Lines(LineGeometry):
    def __init__(self, segments: Any, colors: Any, pose: Any = None) -> None:
        points = np.asarray(segments, dtype=np.float32).reshape(-1, 3)
        self._vertices = np.ascontiguousarray(points).view(gymapi.Vec3.dtype).reshape(-1)
        if pose is not None:
            self._vertices = pose.transform_points(self._vertices)
        self._colors = np.ascontiguousarray(colors, dtype=np.float32).view(gymapi.Vec3.dtype).reshape(-1)

    def vertices(self) -> np.ndarray:
        return self._vertices

    def colors(self) -> np.ndarray:
        return self._colors


class AxesGeometry(_Lines):
    """Three coloured axes."""

    def __init__(self, scale: float = 1.0, pose: Any = None) -> None:
        """Make them ``scale`` long."""
        super().__init__([[np.zeros(3), axis] for axis in scale * np.eye(3)], np.eye(3), pose)


def _edges(low: Any, high: Any) -> list[np.ndarray]:
    """Return both ends, (2, 3), of each edge of the box between two corners."""
    corners = np.array([[x, y, z] for x in (low[0], high[0]) for y in (low[1], high[1]) for z in (low[2], high[2])])
    return [corners[[i, i | bit]] for i in range(8) for bit in (1, 2, 4) if not i & bit]


class WireframeBoxGeometry(_Lines):
    """The edges of a box."""

    def __init__(self, xdim: float = 1, ydim: float = 1, zdim: float = 1, pose: Any = None, color: Any = None) -> None:
        """Make it of these edges' lengths."""
        half = 0.5 * np.array([xdim, ydim, zdim])
        edges = _edges(-half, half)
        super().__init__(edges, [color or (1, 0, 0)] * len(edges), pose)


class WireframeBBoxGeometry(_Lines):
    """The edges of a box between two corners."""

    def __init__(self, bbox: Any, pose: Any = None, color: Any = None) -> None:
        """Take both corners, (2, 3)."""
        edges = _edges(*bbox)
        super().__init__(edges, [color or (1, 0, 0)] * len(edges), pose)


class WireframeSphereGeometry(_Lines):
    """Circles of latitude and longitude."""

    def __init__(
        self, radius: float = 1.0, num_lats: int = 8, num_lons: int = 8, pose: Any = None, color: Any = None,
        color2: Any = None,
    ) -> None:  # fmt: skip
        """Draw so many of each."""
        turn = [2 * math.pi * i / num_lons for i in range(num_lons + 1)]
        tilt = [math.pi * i / num_lats for i in range(num_lats + 1)]

        def at(a: float, b: float) -> list[float]:
            return [radius * math.sin(b) * math.cos(a), radius * math.sin(b) * math.sin(a), radius * math.cos(b)]

        segments = [[at(a, b), at(a, c)] for a in turn[:-1] for b, c in zip(tilt, tilt[1:])]
        segments += [[at(a, b), at(c, b)] for b in tilt[1:-1] for a, c in zip(turn, turn[1:])]
        down = num_lons * num_lats
        first = color or (1, 0, 0)
        super().__init__(segments, [first] * down + [color2 or first] * (len(segments) - down), pose)


def draw_lines(geom: LineGeometry, gym: Any, viewer: Any, env: Any, pose: Any) -> None:
    """Draw a geometry at a pose."""
    gym.add_lines(viewer, env, geom.num_lines(), geom.instance_verts(pose), geom.colors())


def draw_line(p1: Any, p2: Any, color: Any, gym: Any, viewer: Any, env: Any) -> None:
    """Draw a line between two Vec3 of a Vec3 colour."""
    lines = _Lines([[p1.x, p1.y, p1.z], [p2.x, p2.y, p2.z]], [[color.x, color.y, color.z]])
    gym.add_lines(viewer, env, 1, lines.vertices(), lines.colors())
