"""Exported policies without a training: networks of one layer with known weights, and the controller's file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import yaml
from onnx import TensorProto, helper, numpy_helper

POSE = [0.35, 0.0, -1.45, 1.15, -1.18, -0.35, 0.0, 1.45, -1.15, 1.18]
KP, KD = [20.0, 60.0, 30.0, 30.0, 20.0] * 2, [0.75, 2.0, 1.0, 1.0, 0.75] * 2
PUBLISHED: dict[str, Any] = {
    "FSMState_StandUp": {"joint_standup_q": POSE, "joint_kp": KP, "joint_kd": KD},
    "FSMState_Walk": {
        "default_joint_angles": POSE,
        "joint_kp": KP,
        "joint_kd": KD,
        "gait_period": 0.5,
        "gait_offsets": [0.0, 0.5],
        "low_vel_thresholds": [0.05, 0.05, 0.1],
        "lin_vel_x_range": [-0.5, 0.6],
        "lin_vel_y_range": [0.0, 0.0],
        "ang_vel_yaw_range": [-0.6, 0.6],
    },
}
"""The keys of the published controller's file."""


def write_policy(folder: Path, actor: float = 0.0, estimator: float = 0.0, **changes: Any) -> Path:
    """Write a policy whose weights are drawn from ± ``actor`` and ± ``estimator``; zeros answer with zeros.

    Changes are ``section__key=value`` of the controller's file; a value of None takes the key out.
    """
    rng = np.random.default_rng(3)
    config = {name: dict(values) for name, values in PUBLISHED.items()}
    for name, value in changes.items():
        section, _, key = name.partition("__")
        config.setdefault(section, {})[key] = value
        if value is None:
            del config[section][key]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "qmini_controller.yaml").write_text(yaml.safe_dump(config))
    write_net(folder / "qmini_estimator.onnx", rng.uniform(-estimator, estimator, (215, 5)))
    write_net(folder / "qmini_actor.onnx", rng.uniform(-actor, actor, (220, 10)))
    return folder


def write_net(path: Path, weights: np.ndarray, names: tuple[str, str] = ("input", "output")) -> None:
    """Write ``output = input @ weights``."""
    inputs, outputs = weights.shape
    graph = helper.make_graph(
        [helper.make_node("MatMul", [names[0], "weights"], [names[1]])],
        "net",
        [helper.make_tensor_value_info(names[0], TensorProto.FLOAT, ["batch", inputs])],
        [helper.make_tensor_value_info(names[1], TensorProto.FLOAT, ["batch", outputs])],
        [numpy_helper.from_array(weights.astype(np.float32), "weights")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.save(model, str(path))
