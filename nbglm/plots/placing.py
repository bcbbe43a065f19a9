"""Labels of points that overlap neither one another nor, where there is room, other points.

They are placed when the picture is drawn, so that they are right for the size, the limits and the
resolution that it then has.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from matplotlib.text import Annotation, Text
from numpy.typing import NDArray

from nbglm.plots.figure import INK

__all__ = ["SpacedLabels"]

FloatArray = NDArray[np.float64]

_ANGLES = np.deg2rad([20, 160, 340, 200, 90, 270, 45, 135, 315, 225, 0, 180])
_RADII = np.array([5.0, 9.0, 14.0, 20.0, 28.0, 38.0, 50.0, 65.0, 85.0, 110.0, 140.0])  # points
_GAP = 1.0  # points around each label


def _candidates() -> FloatArray:
    """Where the nearest corner or side of a label may be, in points from its own point."""
    around = np.column_stack([np.cos(_ANGLES), np.sin(_ANGLES)])
    return (_RADII[:, None, None] * around).reshape(-1, 2)


class SpacedLabels(Artist):
    """Names beside points.

    Parameters
    ----------
    ax : Axes
        Where the points are.
    points : ndarray, shape (labels, 2)
        What is labelled, in data coordinates, in order of importance.
    names : sequence of str
        Their labels.
    others : ndarray, shape (points, 2)
        Points that are better not covered, in data coordinates.
    """

    def __init__(
        self, ax: Axes, points: FloatArray, names: Sequence[str], others: FloatArray
    ) -> None:
        super().__init__()
        self.points, self.others = points, others
        self.set_zorder(-1.0)  # before the labels that it moves
        self.set_in_layout(False)
        line = {"arrowstyle": "-", "color": INK, "linewidth": 0.5, "shrinkA": 0.0, "shrinkB": 1.0}
        self.labels = [
            Annotation(
                name,
                tuple(point),
                xytext=(0.0, 0.0),
                textcoords="offset points",
                fontsize="small",
                color=INK,
                arrowprops=dict(line),
                annotation_clip=True,
                parse_math=False,
                path_effects=[withStroke(linewidth=2.0, foreground="white", alpha=0.8)],
            )
            for name, point in zip(names, points, strict=True)
        ]
        ax.add_artist(self)
        for label in self.labels:
            label.set_in_layout(False)
            ax.add_artist(label)

    def draw(self, renderer: Any) -> None:
        """Place the labels; they are drawn afterwards by themselves."""
        ax = self.axes
        if ax is None or not self.labels:
            return
        scale = renderer.points_to_pixels(1.0)
        frame = ax.get_window_extent(renderer)
        centres = ax.transData.transform(self.points)
        dots = ax.transData.transform(self.others) if len(self.others) else np.empty((0, 2))
        dots = dots[np.isfinite(dots).all(axis=1)]
        legend = ax.get_legend()
        taken = np.empty((0, 4)) if legend is None else legend.get_window_extent(renderer).extents
        taken = np.reshape(taken, (-1, 4))
        for label, centre in zip(self.labels, centres, strict=True):
            label.set_visible(bool(frame.contains(*centre)))
            if not label.get_visible():
                continue
            size = Text.get_window_extent(label, renderer)
            boxes, offsets = _boxes(centre, size.width, size.height, scale)
            cost = np.repeat(_RADII, _ANGLES.size) * 0.2 + _covered(boxes, dots)
            cost += 5.0 * _crossed(centre, boxes, taken)
            inside = (boxes[:, :2] >= [frame.x0, frame.y0]).all(axis=1)
            inside &= (boxes[:, 2:] <= [frame.x1, frame.y1]).all(axis=1)
            free = inside & ~_overlap(boxes, taken).any(axis=1)
            label.set_visible(bool(free.any()))  # rather no label than one that cannot be read
            if not free.any():
                continue
            best = int(np.argmin(np.where(free, cost, np.inf)))
            self._move(label, offsets[best], far=bool(best >= 3 * _ANGLES.size))
            taken = np.vstack([taken, boxes[best]])

    def _move(self, label: Annotation, offset: FloatArray, *, far: bool) -> None:
        label.set_position((float(offset[0]), float(offset[1])))
        label.set_horizontalalignment("left")
        label.set_verticalalignment("bottom")
        if label.arrow_patch is not None:
            label.arrow_patch.set_visible(far)


def _boxes(
    centre: FloatArray, width: float, height: float, scale: float
) -> tuple[FloatArray, FloatArray]:
    """Boxes of a label (left, bottom, right, top; pixels), and their corners in points."""
    near = _candidates()
    direction = near / np.linalg.norm(near, axis=1, keepdims=True)
    # The label stands to the side that it is moved to.
    share = 0.5 - 0.5 * np.clip(1.5 * direction, -1.0, 1.0)
    corner = near * scale - share * [width, height]
    low = centre + corner
    boxes = np.hstack([low - _GAP * scale, low + [width, height] + _GAP * scale])
    return boxes, corner / scale


def _covered(boxes: FloatArray, dots: FloatArray) -> FloatArray:
    """How many points each box would cover."""
    count = np.zeros(len(boxes))
    if len(dots):
        low, high = boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)
        near = dots[((dots >= low) & (dots <= high)).all(axis=1)]
        for k, box in enumerate(boxes):
            count[k] = np.count_nonzero(((near >= box[:2]) & (near <= box[2:])).all(axis=1))
    return np.minimum(count, 10.0)


def _crossed(centre: FloatArray, boxes: FloatArray, taken: FloatArray) -> FloatArray:
    """How many placed labels the line from the point to each box would cross."""
    if not len(taken):
        return np.zeros(len(boxes))
    middle = 0.5 * (boxes[:, :2] + boxes[:, 2:])
    along = np.linspace(0.1, 0.9, 9)[:, None, None]
    steps = centre + along * (middle - centre)  # shape (steps, boxes, 2)
    inside = (steps[:, :, None] > taken[:, :2]) & (steps[:, :, None] < taken[:, 2:])
    return np.asarray(inside.all(axis=3).any(axis=0).sum(axis=1), dtype=np.float64)


def _overlap(boxes: FloatArray, taken: FloatArray) -> NDArray[np.bool_]:
    """Which boxes overlap which others, shape (boxes, taken)."""
    apart = boxes[:, None, 2:] <= taken[None, :, :2]
    apart |= boxes[:, None, :2] >= taken[None, :, 2:]
    return np.asarray(~apart.any(axis=2))
