"""The robot's side: runs the exported files with NumPy and ONNX Runtime. Nothing here imports PyTorch or a task."""

from __future__ import annotations

from typing import TYPE_CHECKING

from legged_gym.common.lazy import lazy_attributes

if TYPE_CHECKING:
    from legged_gym.deploy import drive, session, web

__getattr__ = lazy_attributes(__name__)

__all__ = ["drive", "session", "web"]
