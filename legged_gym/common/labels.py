"""Describes the columns of an estimator's output, for losses, curves, plots and files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from legged_gym.common.errors import UserError
from legged_gym.common.tags import ESTIMATOR

Kind = Literal["velocity", "contact", "scalar"]
"""A velocity has components in the base frame, a contact is 0 or 1 for each foot, a scalar is any other value."""

CONTACT_THRESHOLD = 0.5
"""A foot is taken to touch when the estimate is above this."""

_MOST_COLUMNS = 65536
"""Most columns of one term."""
_SHORT = {"base_lin_vel": "vel", "foot_contact": "contact"}
"""Shorter names of labels, for curves."""
AXES = {"x": "forward", "y": "lateral", "z": "vertical"}
"""Components of a velocity in the base frame, in words."""


@dataclass(frozen=True)
class Label:
    """One term of an estimator's label."""

    name: str
    kind: Kind
    components: tuple[str, ...]
    """Name of each column: an axis, a foot, or nothing for a single value."""
    scale: float = 1.0
    """The label is the value in its unit, multiplied by this."""
    unit: str = ""


@dataclass(frozen=True)
class LabelFigure:
    """One metric of an estimate: a mean absolute error, or the share of correct contacts."""

    label: Label
    columns: slice
    """The columns of the estimate that it covers."""
    tag: str
    """Name of its curve in TensorBoard."""
    title: str
    """Title with its unit, for people."""

    @property
    def is_share(self) -> bool:
        """Whether it is the share, 0…1, of correct estimates."""
        return self.label.kind == "contact"


class LabelLayout:
    """The terms of a label, in order. Values may be NumPy arrays or PyTorch tensors, (..., L)."""

    def __init__(self, labels: Iterable[Label]) -> None:
        """Lay the terms out.

        Raises:
            ValueError: Two terms share a name.
        """
        self.labels = tuple(labels)
        names = [label.name for label in self.labels]
        if len(set(names)) != len(names):
            raise ValueError(f"label terms share a name: {names}")
        self.scales = tuple(label.scale for label in self.labels for _ in label.components)
        self._device_scales: dict[Any, Any] = {}
        ends = np.cumsum([0, *(len(label.components) for label in self.labels)]).tolist()
        self.slices = {label.name: slice(*ends[i : i + 2]) for i, label in enumerate(self.labels)}

    def __eq__(self, other: object) -> bool:
        """Whether two layouts are equal."""
        return isinstance(other, LabelLayout) and self.labels == other.labels

    def __hash__(self) -> int:
        """Return the hash of the terms."""
        return hash(self.labels)

    @classmethod
    def unnamed(cls, size: int) -> LabelLayout:
        """Return the layout of a label that has no description."""
        return cls([Label("label", "scalar", tuple(map(str, range(size))))])

    @classmethod
    def from_list(cls, entries: Sequence[Mapping[str, Any]]) -> LabelLayout:
        """Read what :meth:`to_list` wrote, or the metadata of older exports, which name velocity and feet only.

        Raises:
            UserError: The kind of an entry is unknown.
            LookupError, TypeError, ValueError: An entry is damaged.
        """
        labels = []
        for entry in entries:
            is_contact = "feet" in entry
            kind = entry.get("kind", "contact" if is_contact else "velocity")
            if kind not in get_args(Kind):
                raise UserError(f"label '{entry['name']}' is of kind '{kind}'; known: {', '.join(get_args(Kind))}")
            if int(entry.get("size", 1)) > _MOST_COLUMNS:
                raise ValueError(f"label '{entry['name']}' has {entry['size']} columns")
            components = entry.get("components") or entry.get("feet") or default_components(kind, int(entry["size"]))
            scale = float(entry.get("scale", 1.0))
            if not 0.0 < abs(scale) <= 1e6:
                raise ValueError(f"label '{entry['name']}' has the scale {scale}")
            labels.append(Label(str(entry["name"]), kind, tuple(components), scale, str(entry.get("unit", ""))))
        return cls(labels)

    def to_list(self) -> list[dict[str, Any]]:
        """Return the terms as plain values, for files."""
        return [
            {
                "name": label.name, "size": len(label.components), "scale": label.scale, "kind": label.kind,
                "unit": label.unit, "components": list(label.components),
            }
            for label in self.labels
        ]  # fmt: skip

    @property
    def size(self) -> int:
        """Number of columns, L."""
        return len(self.scales)

    def columns(self, kind: Kind) -> slice | None:
        """Return the columns of the first term of a kind, such as the base's velocity or the feet's contacts."""
        return next((self.slices[label.name] for label in self.labels if label.kind == kind), None)

    def physical(self, values: Any) -> Any:
        """Return values in the label's scale, (..., L), in their units."""
        if isinstance(values, np.ndarray):
            return values / np.array(self.scales, values.dtype)
        # Cached, because otherwise we would have to wait for the GPU.
        kept = self._device_scales.get((values.device, values.dtype))
        if kept is None:
            kept = self._device_scales[values.device, values.dtype] = values.new_tensor(self.scales)
        return values / kept

    def part(self, kind: Kind, values: Any) -> Any:
        """Return the columns of the first term of a kind of values, (..., L), or None if there is no such term."""
        columns = self.columns(kind)
        return None if columns is None else values[..., columns]

    def figures(self) -> list[LabelFigure]:
        """Return all metrics of an estimate."""
        return [figure for label in self.labels for figure in self._figures(label)]

    def _figures(self, label: Label) -> list[LabelFigure]:
        name, start = _SHORT.get(label.name, label.name), self.slices[label.name].start
        if not label.components:
            return []
        if label.kind == "contact":
            what = "contacts" if label.name in _SHORT else label.name.replace("_", " ")
            columns = self.slices[label.name]
            return [LabelFigure(label, columns, f"{ESTIMATOR}{name}_accuracy", f"{what} right, share")]
        figures = []
        for index, component in enumerate(label.components, start):
            tag = "_".join(filter(None, (f"{ESTIMATOR}{name}", component, "mae")))
            title = f"{self._title(label, component)} error{', ' if label.unit else ''}{label.unit}"
            figures.append(LabelFigure(label, slice(index, index + 1), tag, title))
        return figures

    @staticmethod
    def _title(label: Label, component: str) -> str:
        if label.name == "base_lin_vel":
            return f"{AXES[component]} velocity"
        return " ".join(filter(None, (label.name.replace("_", " "), component)))

    def column_titles(self) -> list[str]:
        """Return the name of each column, with its unit, for plots."""
        titles = []
        for label in self.labels:
            for component in label.components:
                title = f"{component} touches" if label.kind == "contact" else self._title(label, component)
                titles.append(f"{title}, {label.unit}" if label.unit else title)
        return titles


def label_errors(layout: LabelLayout, estimate: Any, truth: Any) -> Any:
    """Return each column's mean absolute error in its unit or, for contacts, the share of correct ones, (L,)."""
    off = layout.physical(abs(estimate - truth).mean(0))
    columns = [layout.slices[label.name] for label in layout.labels if label.kind == "contact"]
    right = 1.0 * ((estimate > CONTACT_THRESHOLD) == (truth > CONTACT_THRESHOLD))
    for where in columns:
        off[where] = right[:, where].mean(0)
    return off


def default_components(kind: Kind, size: int, feet: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the names of a term's columns: axes for a velocity, feet for contacts, otherwise numbers."""
    if kind == "contact" and len(feet) == size:
        return tuple(feet)
    if kind == "velocity" and size == len(AXES):
        return tuple(AXES)
    return ("",) if size == 1 else tuple(map(str, range(size)))
