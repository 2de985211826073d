"""Parameters and properties with the defaults of Isaac Gym's documentation."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._enums import MEMBERS
from ._record import Struct
from ._vectors import Mat33, Transform, Vec3

DOF_PROPERTIES = np.dtype(
    [
        ("hasLimits", "?"), ("lower", "<f4"), ("upper", "<f4"), ("driveMode", "<i4"), ("velocity", "<f4"),
        ("effort", "<f4"), ("stiffness", "<f4"), ("damping", "<f4"), ("friction", "<f4"), ("armature", "<f4"),
    ],
    align=True,
)  # fmt: skip
DOF_STATE = np.dtype([("pos", "<f4"), ("vel", "<f4")])
VELOCITY = np.dtype([("linear", Vec3.dtype), ("angular", Vec3.dtype)])
RIGID_BODY_STATE = np.dtype([("pose", Transform.dtype), ("vel", VELOCITY)])
RIGID_CONTACT = np.dtype(
    [
        ("env0", "<i4"), ("env1", "<i4"), ("body0", "<i4"), ("body1", "<i4"), ("localPos0", Vec3.dtype),
        ("localPos1", Vec3.dtype), ("minDist", "<f4"), ("initialOverlap", "<f4"), ("normal", Vec3.dtype),
        ("offset0", Vec3.dtype), ("offset1", Vec3.dtype), ("lambda", "<f4"), ("lambdaFriction", Vec3.dtype),
        ("friction", "<f4"), ("torsionFriction", "<f4"), ("rollingFriction", "<f4"),
    ]
)  # fmt: skip
DOF_FRAME = np.dtype([("origin", Vec3.dtype), ("axis", Vec3.dtype)])


class PhysXParams(Struct):
    """``SimParams.physx``."""

    FIELDS = {
        "use_gpu": ("bool", False), "solver_type": ("int", 1), "num_threads": ("int", 4), "num_subscenes": ("int", 0),
        "num_position_iterations": ("int", 4), "num_velocity_iterations": ("int", 1),
        "contact_offset": ("float", 0.02), "rest_offset": ("float", 0.001),
        "bounce_threshold_velocity": ("float", 0.2), "max_depenetration_velocity": ("float", 100.0),
        "friction_offset_threshold": ("float", 0.04), "friction_correlation_distance": ("float", 0.025),
        "default_buffer_size_multiplier": ("float", 2.0), "max_gpu_contact_pairs": ("int", 1024 * 1024),
        "always_use_articulations": ("bool", False),
        "contact_collection": ("ContactCollection", MEMBERS["CC_ALL_SUBSTEPS"]),
    }  # fmt: skip


class FlexParams(Struct):
    """``SimParams.flex``; Flex itself is not in the stand-in."""

    FIELDS = {
        "solver_type": ("int", 5), "num_outer_iterations": ("int", 4), "num_inner_iterations": ("int", 10),
        "relaxation": ("float", 0.75), "warm_start": ("float", 0.4), "shape_collision_distance": ("float", 0.0),
        "shape_collision_margin": ("float", 0.0), "contact_regularization": ("float", 0.0),
        "deterministic_mode": ("bool", False), "dynamic_friction": ("float", 0.0), "static_friction": ("float", 0.0),
        "particle_friction": ("float", 0.0), "friction_mode": ("int", 2), "geometric_stiffness": ("float", 0.0),
        "max_rigid_contacts": ("int", 524288), "max_soft_contacts": ("int", 524288),
        "return_contacts": ("bool", False),
    }  # fmt: skip


class SimParams(Struct):
    """Parameters of :meth:`Gym.create_sim`."""

    FIELDS = {
        "dt": ("float", float(np.float32(1.0 / 60.0))), "substeps": ("int", 2),
        "up_axis": ("UpAxis", MEMBERS["UP_AXIS_Y"]), "gravity": ("Vec3", Vec3(0.0, -9.8, 0.0)),
        "num_client_threads": ("int", 0), "use_gpu_pipeline": ("bool", False),
        "enable_actor_creation_warning": ("bool", True), "stress_visualization": ("bool", False),
        "stress_visualization_min": ("float", 0.0), "stress_visualization_max": ("float", 1.0e5),
        "physx": ("PhysXParams", PhysXParams()), "flex": ("FlexParams", FlexParams()),
    }  # fmt: skip


class PlaneParams(Struct):
    """Parameters of :meth:`Gym.add_ground`."""

    FIELDS = {
        "normal": ("Vec3", Vec3(0.0, 1.0, 0.0)), "distance": ("float", 0.0), "static_friction": ("float", 1.0),
        "dynamic_friction": ("float", 1.0), "restitution": ("float", 0.0), "segmentation_id": ("int", 0),
    }  # fmt: skip


class HeightFieldParams(Struct):
    """Parameters of :meth:`Gym.add_heightfield`."""

    FIELDS = {
        "nbRows": ("int", 0), "nbColumns": ("int", 0), "row_scale": ("float", 1.0), "column_scale": ("float", 1.0),
        "vertical_scale": ("float", 1.0), "transform": ("Transform", Transform()), "static_friction": ("float", 1.0),
        "dynamic_friction": ("float", 1.0), "restitution": ("float", 0.0), "segmentation_id": ("int", 0),
    }  # fmt: skip


class TriangleMeshParams(Struct):
    """Parameters of :meth:`Gym.add_triangle_mesh`."""

    FIELDS = {
        "nb_vertices": ("int", 0), "nb_triangles": ("int", 0), "transform": ("Transform", Transform()),
        "static_friction": ("float", 1.0), "dynamic_friction": ("float", 1.0), "restitution": ("float", 0.0),
        "segmentation_id": ("int", 0),
    }  # fmt: skip


class VhacdParams(Struct):
    """``AssetOptions.vhacd_params``; convex decomposition is not in the stand-in."""

    FIELDS = {
        "resolution": ("int", 100000), "concavity": ("float", 0.0025), "alpha": ("float", 0.05),
        "beta": ("float", 0.05), "plane_downsampling": ("int", 4), "convex_hull_downsampling": ("int", 4),
        "max_num_vertices_per_ch": ("int", 64), "min_volume_per_ch": ("float", 0.0001), "pca": ("int", 0),
        "mode": ("int", 0), "max_convex_hulls": ("int", 1024), "convex_hull_approximation": ("bool", True),
        "ocl_acceleration": ("bool", True), "project_hull_vertices": ("bool", True),
    }  # fmt: skip


class AssetOptions(Struct):
    """Options of :meth:`Gym.load_asset`."""

    FIELDS = {
        "fix_base_link": ("bool", False), "collapse_fixed_joints": ("bool", False), "disable_gravity": ("bool", False),
        "replace_cylinder_with_capsule": ("bool", False), "flip_visual_attachments": ("bool", False),
        "default_dof_drive_mode": ("int", 0), "density": ("float", 1000.0), "armature": ("float", 0.0),
        "thickness": ("float", 0.02), "linear_damping": ("float", 0.0), "angular_damping": ("float", 0.5),
        "max_linear_velocity": ("float", 1000.0), "max_angular_velocity": ("float", 64.0),
        "slices_per_cylinder": ("int", 20), "use_mesh_materials": ("bool", False), "override_com": ("bool", False),
        "override_inertia": ("bool", False), "enable_gyroscopic_forces": ("bool", True),
        "use_physx_armature": ("bool", True), "tendon_limit_stiffness": ("float", 1.0),
        "min_particle_mass": ("float", 1e-12), "convex_decomposition_from_submeshes": ("bool", False),
        "vhacd_enabled": ("bool", False), "vhacd_params": ("VhacdParams", VhacdParams()),
        "mesh_normal_mode": ("MeshNormalMode", MEMBERS["FROM_ASSET"]),
    }  # fmt: skip


class RigidShapeProperties(Struct):
    """Properties of one collision shape."""

    FIELDS = {
        "friction": ("float", 1.0), "rolling_friction": ("float", 0.0), "torsion_friction": ("float", 0.0),
        "restitution": ("float", 0.0), "compliance": ("float", 0.0), "thickness": ("float", 0.0),
        "contact_offset": ("float", 0.02), "rest_offset": ("float", 0.001), "filter": ("int", 0),
    }  # fmt: skip


class RigidBodyProperties(Struct):
    """Mass properties of one body; the inertia is about the centre of mass."""

    FIELDS = {
        "mass": ("float", 0.0), "com": ("Vec3", Vec3()), "inertia": ("Mat33", Mat33()), "invMass": ("float", 0.0),
        "invInertia": ("Mat33", Mat33()), "flags": ("int", 0),
    }  # fmt: skip


class CameraProperties(Struct):
    """Properties of cameras and of the viewer."""

    FIELDS = {
        "width": ("int", 1600), "height": ("int", 900), "horizontal_fov": ("float", 90.0),
        "near_plane": ("float", 0.0010000000474974513), "far_plane": ("float", 2000000.0),
        "supersampling_horizontal": ("int", 1), "supersampling_vertical": ("int", 1),
        "enable_tensors": ("bool", False), "use_collision_geometry": ("bool", False),
    }  # fmt: skip


class ForceSensorProperties(Struct):
    """What a force sensor measures."""

    FIELDS = {
        "enable_forward_dynamics_forces": ("bool", True), "enable_constraint_solver_forces": ("bool", True),
        "use_world_frame": ("bool", False),
    }  # fmt: skip


class AttractorProperties(Struct):
    """A spring to a target pose; not simulated by the stand-in."""

    FIELDS = {
        "axes": ("int", 0), "stiffness": ("float", 0.0), "damping": ("float", 0.0), "rigid_handle": ("int", 0),
        "target": ("Transform", Transform()), "offset": ("Transform", Transform()),
    }  # fmt: skip


class ActuatorProperties(Struct):
    """An actuator of an MJCF asset."""

    FIELDS = {
        "control_limited": ("bool", False), "lower_control_limit": ("float", 0.0),
        "upper_control_limit": ("float", 0.0), "force_limited": ("bool", False), "lower_force_limit": ("float", 0.0),
        "upper_force_limit": ("float", 0.0), "kp": ("float", 0.0), "kv": ("float", 0.0),
        "motor_effort": ("float", 0.0), "type": ("int", 0),
    }  # fmt: skip
    READ_ONLY = ("type",)


class TendonProperties(Struct):
    """A tendon of an MJCF asset; not simulated by the stand-in."""

    FIELDS = {
        "damping": ("float", 0.0), "stiffness": ("float", 0.0), "limit_stiffness": ("float", 1.0),
        "fixed_lower_limit": ("float", 0.0), "fixed_upper_limit": ("float", 0.0),
        "fixed_spring_rest_length": ("float", 0.0), "is_fixed_limited": ("bool", False),
    }  # fmt: skip


class IndexRange(Struct):
    """``count`` indices from ``start``."""

    FIELDS = {"start": ("int", 0), "count": ("int", 0)}


class PerformanceTimers(Struct):
    """Times of one frame, s; all zero in the stand-in."""

    FIELDS = {
        name: ("float", 0.0)
        for name in (
            "frame_idling", "graphics_image_retrieval", "graphics_sensor_rendering", "graphics_viewer_rendering",
            "physics_data_movement", "physics_sim", "total_time",
        )
    }  # fmt: skip


class Version(Struct):
    """Version of Gym."""

    FIELDS = {"major": ("int", 1), "minor": ("int", 0), "patch": ("int", 4)}


class DofState:
    """Element of DOF state arrays."""

    dtype = DOF_STATE


class RigidBodyState:
    """Element of rigid body state arrays."""

    dtype = RIGID_BODY_STATE


class RigidContact:
    """Element of contact lists."""

    dtype = RIGID_CONTACT


class DofFrame(Struct):
    """Origin and axis of a DOF."""

    FIELDS = {"origin": ("Vec3", Vec3()), "axis": ("Vec3", Vec3())}
    dtype = DOF_FRAME


class ActionEvent(Struct):
    """A key or button that the user pressed."""

    FIELDS = {"action": ("str", ""), "value": ("float", 0.0)}
    READ_ONLY = ("action", "value")


def matrix_of(mat: Mat33) -> np.ndarray:
    """Return a Mat33 as (3, 3)."""
    return np.array([[row.x, row.y, row.z] for row in (mat.x, mat.y, mat.z)])


def mat33_of(matrix: np.ndarray) -> Mat33:
    """Return (3, 3) as a Mat33."""
    mat = Mat33()
    mat.x, mat.y, mat.z = (Vec3(*row) for row in matrix)
    return mat


def body_properties(mass: float, com: np.ndarray, inertia: np.ndarray, flags: int = 0) -> RigidBodyProperties:
    """Fill RigidBodyProperties.

    Args:
        mass: kg.
        com: Centre of mass in the link's frame, m, (3,).
        inertia: About the centre of mass in the link's axes, kg·m², (3, 3).
        flags: RIGID_BODY flags.
    """
    props: Any = RigidBodyProperties()
    props.mass, props.com, props.inertia, props.flags = mass, Vec3(*com), mat33_of(inertia), flags
    props.invMass = 1.0 / mass if mass > 0 else 0.0
    invertible = mass > 0 and np.linalg.det(inertia) > 0
    props.invInertia = mat33_of(np.linalg.inv(inertia) if invertible else np.zeros((3, 3)))
    return props
