"""Vec3, Quat, Transform and their kind."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ._record import Struct

_XYZ = [("x", "f4"), ("y", "f4"), ("z", "f4")]
_XYZW = [*_XYZ, ("w", "f4")]


class _Numbers(Struct):
    """A structure whose fields can be given in order."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()
        names = list(self.FIELDS)
        if len(args) > len(names) or set(kwargs) - set(names) or set(kwargs) & set(names[: len(args)]):
            raise TypeError(f"{type(self).__name__}({', '.join(names)}): incompatible constructor arguments")
        for name, value in [*zip(names, args), *kwargs.items()]:
            setattr(self, name, value)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self._values == other._values  # type: ignore[attr-defined]

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{v:f}' for v in self._values.values())})"

    def _array(self) -> np.ndarray:
        return np.array([self._values[name] for name in self.FIELDS], dtype=np.float64)


class Vec2(_Numbers):
    """Two floats."""

    FIELDS = {"x": ("float", 0.0), "y": ("float", 0.0)}
    dtype = np.dtype(_XYZ[:2])


class Int2(_Numbers):
    """Two ints."""

    FIELDS = {"x": ("int", 0), "y": ("int", 0)}
    dtype = np.dtype([("x", "i4"), ("y", "i4")])


class Int3(_Numbers):
    """Three ints."""

    FIELDS = {"x": ("int", 0), "y": ("int", 0), "z": ("int", 0)}
    dtype = np.dtype([("x", "i4"), ("y", "i4"), ("z", "i4")])


class Vec3(_Numbers):
    """Three floats."""

    FIELDS = {"x": ("float", 0.0), "y": ("float", 0.0), "z": ("float", 0.0)}
    dtype = np.dtype(_XYZ)

    @staticmethod
    def from_buffer(buffer: Any) -> Vec3:
        """Take three numbers from an array."""
        return Vec3(*np.frombuffer(np.ascontiguousarray(buffer), dtype=np.float32)[:3])

    def __add__(self, other: Vec3) -> Vec3:
        return Vec3(*(self._array() + _vector(other)))

    def __sub__(self, other: Vec3) -> Vec3:
        return Vec3(*(self._array() - _vector(other)))

    def __neg__(self) -> Vec3:
        return Vec3(*-self._array())

    def __mul__(self, factor: float) -> Vec3:
        return Vec3(*(self._array() * float(factor)))

    __rmul__ = __mul__

    def __truediv__(self, divisor: float) -> Vec3:
        return Vec3(*(self._array() / float(divisor)))

    def dot(self, other: Vec3) -> float:
        """Return the scalar product."""
        return float(self._array() @ _vector(other))

    def cross(self, other: Vec3) -> Vec3:
        """Return the vector product."""
        return Vec3(*np.cross(self._array(), _vector(other)))

    def length(self) -> float:
        """Return the Euclidean norm."""
        return float(np.linalg.norm(self._array()))

    def length_sq(self) -> float:
        """Return the squared norm."""
        return self.dot(self)

    def normalize(self) -> Vec3:
        """Return the vector of length 1."""
        return self / (self.length() or 1.0)


def _vector(value: Any) -> np.ndarray:
    if not isinstance(value, Vec3):
        raise TypeError(f"expected a Vec3, got {type(value).__name__}")
    return value._array()


class Quat(_Numbers):
    """A rotation, x y z w."""

    FIELDS = {"x": ("float", 0.0), "y": ("float", 0.0), "z": ("float", 0.0), "w": ("float", 1.0)}
    dtype = np.dtype(_XYZW)

    @staticmethod
    def from_axis_angle(axis: Vec3, angle: float) -> Quat:
        """Rotate by ``angle``, rad, about ``axis``."""
        x, y, z = _vector(axis.normalize()) * math.sin(float(angle) / 2.0)
        return Quat(x, y, z, math.cos(float(angle) / 2.0))

    @staticmethod
    def from_euler_zyx(x: float, y: float, z: float) -> Quat:
        """Rotate by roll ``x``, pitch ``y`` and yaw ``z``, rad."""
        turn = Quat.from_axis_angle
        return turn(Vec3(0, 0, 1), z) * turn(Vec3(0, 1, 0), y) * turn(Vec3(1, 0, 0), x)

    @staticmethod
    def from_buffer(buffer: Any) -> Quat:
        """Take four numbers, x y z w, from an array."""
        return Quat(*np.frombuffer(np.ascontiguousarray(buffer), dtype=np.float32)[:4])

    def to_euler_zyx(self) -> tuple[float, float, float]:
        """Return roll, pitch and yaw, rad."""
        x, y, z, w = self._array()
        roll = math.atan2(2 * (w * x + y * z), 1 - 2 * (x * x + y * y))
        pitch = math.asin(max(-1.0, min(1.0, 2 * (w * y - z * x))))
        return roll, pitch, math.atan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z))

    def __mul__(self, other: Quat) -> Quat:
        if not isinstance(other, Quat):
            raise TypeError(f"a Quat multiplies a Quat, not {type(other).__name__}; use rotate for a Vec3")
        a, b = self._array(), other._array()
        v = a[3] * b[:3] + b[3] * a[:3] + np.cross(a[:3], b[:3])
        return Quat(*v, a[3] * b[3] - a[:3] @ b[:3])

    def inverse(self) -> Quat:
        """Return the opposite rotation."""
        x, y, z, w = self._array()
        return Quat(-x, -y, -z, w)

    def normalize(self) -> Quat:
        """Return the quaternion of length 1."""
        return Quat(*(self._array() / np.linalg.norm(self._array())))

    def rotate(self, vector: Vec3) -> Vec3:
        """Turn a vector."""
        q, v = self._array(), _vector(vector)
        t = 2.0 * np.cross(q[:3], v)
        return Vec3(*(v + q[3] * t + np.cross(q[:3], t)))


class Transform(Struct):
    """A position ``p`` and a rotation ``r``."""

    FIELDS = {"p": ("Vec3", Vec3()), "r": ("Quat", Quat())}
    dtype = np.dtype([("p", Vec3.dtype), ("r", Quat.dtype)])

    def __init__(self, p: Vec3 | None = None, r: Quat | None = None) -> None:
        """Copy what is given; the rest is identity."""
        super().__init__()
        if p is not None:
            self.p = p
        if r is not None:
            self.r = r

    @staticmethod
    def from_buffer(buffer: Any) -> Transform:
        """Take seven numbers, position and x y z w, from an array."""
        numbers = np.frombuffer(np.ascontiguousarray(buffer), dtype=np.float32)
        return Transform(Vec3(*numbers[:3]), Quat(*numbers[3:7]))

    def __mul__(self, other: Transform) -> Transform:
        return Transform(self.transform_point(other.p), self.r * other.r)

    def inverse(self) -> Transform:
        """Return the opposite motion."""
        turn = self.r.inverse()
        return Transform(turn.rotate(-self.p), turn)

    def transform_point(self, point: Vec3) -> Vec3:
        """Turn and move a point."""
        return self.r.rotate(point) + self.p

    def transform_vector(self, vector: Vec3) -> Vec3:
        """Turn a vector."""
        return self.r.rotate(vector)

    def transform_points(self, points: np.ndarray) -> np.ndarray:
        """Turn and move points, an array of ``Vec3.dtype``."""
        return self._map(points, self.p._array())

    def transform_vectors(self, vectors: np.ndarray) -> np.ndarray:
        """Turn vectors, an array of ``Vec3.dtype``."""
        return self._map(vectors, np.zeros(3))

    def _map(self, vectors: np.ndarray, shift: np.ndarray) -> np.ndarray:
        if vectors.dtype != Vec3.dtype:
            raise TypeError("expected an array of Vec3.dtype")
        rows = np.ascontiguousarray(vectors).view(np.float32).reshape(-1, 3)
        q = self.r._array()
        t = 2.0 * np.cross(q[:3], rows)
        moved = rows + q[3] * t + np.cross(q[:3], t) + shift
        return moved.astype(np.float32).view(Vec3.dtype).reshape(vectors.shape)

    def __repr__(self) -> str:
        return f"Transform(p={self.p!r}, r={self.r!r})"


class Velocity(Struct):
    """Linear and angular velocity."""

    FIELDS = {"linear": ("Vec3", Vec3()), "angular": ("Vec3", Vec3())}
    dtype = np.dtype([("linear", Vec3.dtype), ("angular", Vec3.dtype)])


class SpatialForce(Struct):
    """Force and torque."""

    FIELDS = {"force": ("Vec3", Vec3()), "torque": ("Vec3", Vec3())}


class Mat33(Struct):
    """Rows of a 3 by 3 matrix."""

    FIELDS = {"x": ("Vec3", Vec3()), "y": ("Vec3", Vec3()), "z": ("Vec3", Vec3())}


class Mat44(Struct):
    """Rows of a 4 by 4 matrix."""

    FIELDS = {name: ("Quat", Quat(0, 0, 0, 0)) for name in "xyzw"}
