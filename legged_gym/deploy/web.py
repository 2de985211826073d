"""Writes a page that simulates in a browser: an exported policy, its robot and several grounds in one HTML file.

``web/`` holds the page's sources; ``make web`` builds them into the template that is filled here.
"""

from __future__ import annotations

import base64
import gzip
import json
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
import onnx
from onnx import numpy_helper

from legged_gym.common.controller_rules import DAMPING_KD, PERIOD_BEGINS
from legged_gym.common.errors import UserError
from legged_gym.common.paths import check_writable, write_text
from legged_gym.deploy.mjcf import geom_kind, write_mjcf
from legged_gym.deploy.world import World, WorldSettings
from legged_gym.policies.exported import PolicyFiles, load_policy
from legged_gym.simulators.mujoco_model import build_scene

_TEMPLATE = Path(__file__).with_name("web_template.html")
_PLACE = "@@PAGE_DATA@@"
"""Placeholder of the data in the template."""

GROUNDS = {
    "flat": "plane",
    "rough 2 cm": "rough_2cm",
    "rough 4 cm": "rough_4cm",
    "stairs up": "stairs_up",
    "stairs down": "stairs_down",
    "slope up": "slope_up",
}
"""The page's grounds, by their names in :mod:`legged_gym.evaluation.terrain`."""

_REACH = 6.0
"""Size of uneven ground, m."""
_ACTIVATIONS = {"Relu": "relu", "Elu": "elu", "Tanh": "tanh"}
_SHAPES = ("sphere", "capsule", "cylinder", "ellipsoid", "box", "mesh")


def write_page(folder: str, urdf: str, path: str, title: str) -> None:
    """Write an exported policy as one HTML file without other files.

    Raises:
        UserError: The policy or the robot can't be read, a network is not a chain of dense layers, or the file can't be
            written.
    """
    data = page_data(load_policy(folder), urdf, title)
    packed = base64.b64encode(gzip.compress(json.dumps(data, separators=(",", ":")).encode(), 9, mtime=0)).decode()
    write_text(path, _TEMPLATE.read_text(encoding="utf-8").replace(_PLACE, packed))


def page_data(policy: PolicyFiles, urdf: str, title: str) -> dict[str, Any]:
    """Return the page's data of a policy and its robot, as plain values. Arguments are as for :func:`write_page`."""
    config = policy.config
    worlds = {
        name: World(
            WorldSettings(urdf, config.body, ground=ground, reach=_REACH, **config.joint_dynamics),  # type: ignore[arg-type]
            config.joint_names,
            config.foot_names,
        )
        for name, ground in GROUNDS.items()
    }
    first = next(iter(worlds.values()))
    return {
        "title": title,
        "policy": {
            "config": _config(policy),
            "rules": {
                "tilt_limit": config.fall_protection_tilt,
                "damping_kd": DAMPING_KD,
                "period_begins": PERIOD_BEGINS,
            },
            "estimator": [] if policy.estimator is None else _layers(policy, "estimator"),
            "actor": _layers(policy, "actor"),
        },
        "grounds": {name: _ground(world) for name, world in worlds.items()},
        "ground_geom": first.scene.ground_id,
        **first.addresses(),
        "visuals": _visuals(first),
    }


def _config(policy: PolicyFiles) -> dict[str, Any]:
    """Return the controller's settings, with lists instead of arrays."""
    config = policy.config
    # The estimator's output must be divided by this.
    scales = [] if config.labels is None else (1.0 / config.labels.physical(np.ones(config.labels.size))).tolist()
    values = {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in vars(config).items()}
    del values["labels"]
    return {
        **values,
        "observation_scales": [np.atleast_1d(scale).tolist() for scale in config.observation_scales],
        "num_estimates": len(scales),
        "estimate_scales": scales,
    }


def _layers(policy: PolicyFiles, net: str) -> list[dict[str, Any]]:
    """Read a network as a chain of dense layers.

    Raises:
        UserError: It is not one.
    """
    path = next(Path(policy.folder).glob(f"*_{net}.onnx"))
    graph = onnx.load(path).graph
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    layers: list[dict[str, Any]] = []
    for node in graph.node:
        attributes = {attribute.name: attribute for attribute in node.attribute}
        if node.op_type == "Gemm" and len(node.input) == 3:
            weight, bias = constants[node.input[1]], constants[node.input[2]]
            weight = weight if attributes.get("transB") and attributes["transB"].i else weight.T
            layers.append({
                "inputs": weight.shape[1], "outputs": weight.shape[0], "weight": _encode(weight), "bias": _encode(bias),
                "activation": "none",
            })  # fmt: skip
        elif node.op_type in _ACTIVATIONS and layers:
            layers[-1]["activation"] = _ACTIVATIONS[node.op_type]
        elif node.op_type == "Clip" and layers:
            low, high = (float(constants[name]) for name in node.input[1:])
            layers[-1]["clip"] = [low, high]
        elif node.op_type != "Identity":
            raise UserError(f"'{path}': the page only supports chains of dense layers, not '{node.op_type}'")
    return layers


def _ground(world: World) -> dict[str, Any]:
    """Return a scene's model, and the heights of its field."""
    ground: dict[str, Any] = {"xml": write_mjcf(world.model)}
    if world.terrain is not None:
        heights = world.terrain.heights
        low = float(heights.min())
        ground |= {
            "heights": _encode(heights), "low": low, "span": float(world.model.hfield_size[0, 2]),
            "columns": heights.shape[0], "rows": heights.shape[1], "scale": world.terrain.horizontal_scale,
            "origin": list(world.terrain.origin),
        }  # fmt: skip
    return ground


def _visuals(world: World) -> list[dict[str, Any]]:
    """Return the shapes to draw, each in its link's frame."""
    model = build_scene(world.cfg, None, visuals=True).model
    shapes = []
    for geom in range(model.ngeom):
        name = model.body(model.geom_bodyid[geom]).name
        kind = geom_kind(model, geom)
        if kind not in _SHAPES or model.geom_group[geom] > 2 or model.geom_rgba[geom, 3] == 0.0 or name == "world":
            continue
        shape = {
            "body": world.model.body(name).id, "type": kind, "size": model.geom_size[geom].tolist(),
            "pos": model.geom_pos[geom].tolist(), "quat": model.geom_quat[geom].tolist(),
            "rgba": _colour(model, geom),
        }  # fmt: skip
        shapes.append(shape | (_mesh(model, model.geom_dataid[geom]) if kind == "mesh" else {}))
    return shapes


def _colour(model: mujoco.MjModel, geom: int) -> list[float]:
    material = model.geom_matid[geom]
    return (model.mat_rgba[material] if material >= 0 else model.geom_rgba[geom]).tolist()


def _mesh(model: mujoco.MjModel, mesh: int) -> dict[str, str]:
    vertices = slice(model.mesh_vertadr[mesh], model.mesh_vertadr[mesh] + model.mesh_vertnum[mesh])
    faces = slice(model.mesh_faceadr[mesh], model.mesh_faceadr[mesh] + model.mesh_facenum[mesh])
    return {"vertices": _encode(model.mesh_vert[vertices]), "faces": _encode(model.mesh_face[faces])}


def _encode(values: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(values, "<f4").tobytes()).decode()


def check_page_path(path: str) -> None:
    """Raise a :class:`UserError` if the path is not an HTML file or can't be written."""
    if not path.endswith((".html", ".htm")):
        raise UserError(f"--web takes the name of an .html file, got '{path}'")
    check_writable(path)
