"""Isaac Gym's main module."""

from __future__ import annotations

import sys
from typing import Any

from . import _enums, _rules
from ._asset import Asset
from ._enums import *  # noqa: F403
from ._gym_actors import ActorCalls
from ._gym_assets import AssetCalls
from ._gym_more import ForceSensor, MoreCalls
from ._gym_setup import SetupCalls
from ._gym_states import StateCalls
from ._gym_tensors import TensorCalls
from ._gym_view import ViewCalls
from ._params import (
    ActionEvent,
    ActuatorProperties,
    AssetOptions,
    AttractorProperties,
    CameraProperties,
    DofFrame,
    DofState,
    FlexParams,
    ForceSensorProperties,
    HeightFieldParams,
    IndexRange,
    PerformanceTimers,
    PhysXParams,
    PlaneParams,
    RigidBodyProperties,
    RigidBodyState,
    RigidContact,
    RigidShapeProperties,
    SimParams,
    TendonProperties,
    TriangleMeshParams,
    Version,
    VhacdParams,
)
from ._scene import Env, Sim, Viewer
from ._tensor import Tensor
from ._vectors import Int2, Int3, Mat33, Mat44, Quat, SpatialForce, Transform, Vec2, Vec3, Velocity

globals().update(_enums.MEMBERS)


class Gym(SetupCalls, AssetCalls, ActorCalls, StateCalls, TensorCalls, ViewCalls, MoreCalls):
    """All of Isaac Gym's functions; get it from :func:`acquire_gym`."""


_GYM = Gym()


def acquire_gym(*args: Any) -> Gym:
    """Return the one Gym there is."""
    return _GYM


if _rules.failure("no_gpu"):
    print("*** Warning: failed to preload CUDA lib", flush=True)
# The real one talks on standard output too.
print(f"Importing module 'gym_{sys.version_info[0]}{sys.version_info[1]}' (stand-in on MuJoCo)", flush=True)
