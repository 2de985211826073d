"""Run the exported networks as a robot does, without PyTorch: ``python examples/run_without_pytorch.py [FOLDER]``.

``export.py`` writes such a folder for any run; without FOLDER it runs the shipped policy.
"""

import sys
from pathlib import Path

import numpy as np
import onnxruntime

from legged_gym import LEGGED_GYM_ROOT_DIR

folder = Path(sys.argv[1] if len(sys.argv) > 1 else f"{LEGGED_GYM_ROOT_DIR}/resources/policies/qmini")
estimator = onnxruntime.InferenceSession(folder / "qmini_estimator.onnx")
actor = onnxruntime.InferenceSession(folder / "qmini_actor.onnx")

# The observation of a robot that hangs still and level in its default pose: five equal steps, newest first.
step = np.zeros(43, dtype=np.float32)
step[5] = -1.0  # gravity points down, in the base's frame
step[41:] = 1.0, -1.0  # the clock stands: the legs are half a period apart
history = np.tile(step, 5)[None]
estimate = estimator.run(None, {"input": history})[0]
actions = actor.run(None, {"input": np.concatenate([history, estimate], axis=1)})[0]
print(f"velocity {np.round(estimate[0, :3] / 2.0, 3)} m/s, contacts {np.round(estimate[0, 3:], 1) + 0.0}")
print(f"targets  {np.round(0.25 * actions[0], 2)} rad from the default pose")
assert "torch" not in sys.modules
