"""Points with coordinates that no axis has: triangles at the edge, and notes of what is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import PathCollection

__all__ = ["draw_points", "missing_note", "plural"]

FloatArray = NDArray[np.float64]

_MARKERS = {(1, 0): ">", (-1, 0): "<", (0, 1): "^", (0, -1): "v"}


def plural(count: int, what: str = "gene") -> str:
    """A number of things.

    Parameters
    ----------
    count : int
        How many.
    what : str
        Of what, in the singular.

    Returns
    -------
    str

    Examples
    --------
    >>> plural(1), plural(20_000)
    ('1 gene', '20,000 genes')
    """
    return f"{count:,} {what}{'s' * (count != 1)}"


def missing_note(status: pd.Series, drawn: pd.Series, what: str = "gene") -> str:
    """Say how much of a picture's data it does not show, and why.

    Parameters
    ----------
    status : Series of str
        What happened to each gene, or whatever is drawn.
    drawn : Series of bool
        Which of them are shown.
    what : str
        What is drawn, in the singular.

    Returns
    -------
    str
        Empty if nothing is missing.

    Examples
    --------
    >>> print(missing_note(pd.Series(["ok", "all_zero"]), pd.Series([True, False])))
    1 gene not drawn:
    1 all_zero
    """
    reasons = status[~drawn.to_numpy()].value_counts()
    if not len(reasons):
        return ""
    listed = "\n".join(f"{count:,} {reason}" for reason, count in reasons.items())
    return f"{plural(int(reasons.sum()), what)} not drawn:\n{listed}"


def _directions(values: FloatArray) -> NDArray[np.int64]:
    """-1, 0 or 1 for coordinates at minus infinity, within reach, and at infinity."""
    return np.where(np.isinf(values), np.sign(values), 0.0).astype(np.int64)


def draw_points(
    ax: Axes, x: FloatArray, y: FloatArray, **options: Any
) -> tuple[PathCollection | None, dict[str, PathCollection]]:
    """Scatter points, with triangles at the edge of the axes for infinite coordinates.

    Parameters
    ----------
    ax : Axes
        Where.
    x, y : ndarray, shape (points,)
        Coordinates; points with a NaN are left out.
    **options
        For ``Axes.scatter``.

    Returns
    -------
    points : PathCollection or None
        Those within the axes; None if there is none.
    triangles : dict of str to PathCollection
        The others, by keys that begin with their markers.
    """
    known = ~(np.isnan(x) | np.isnan(y))
    side, level = _directions(x), _directions(y)
    inside = known & (side == 0) & (level == 0)
    points = ax.scatter(x[inside], y[inside], **options) if inside.any() else None
    triangles = {**options, "marker": None, "clip_on": False, "zorder": 4, "rasterized": False}
    triangles["s"] = 2.0 * np.max(options.get("s", 16.0))
    triangles["alpha"] = 1.0
    found: dict[str, PathCollection] = {}
    for right in (-1, 0, 1):
        for up in (-1, 0, 1):
            chosen = known & (side == right) & (level == up)
            if not (right or up) or not chosen.any():
                continue
            # Along an infinite coordinate in fractions of the axes, which stay at their edge.
            transform = ax.get_yaxis_transform() if right else ax.get_xaxis_transform()
            if right and up:
                transform = ax.transAxes
            at_x = np.full(chosen.sum(), 0.5 + 0.5 * right) if right else x[chosen]
            at_y = np.full(chosen.sum(), 0.5 + 0.5 * up) if up else y[chosen]
            triangles["marker"] = _MARKERS[(right, 0) if right else (0, up)]
            key = f"{triangles['marker']}{right}{up}"
            found[key] = ax.scatter(at_x, at_y, transform=transform, **triangles)
            # Fractions of the axes say nothing to the limits; the other coordinates do.
            ends = np.column_stack([at_x, at_y])
            ax.update_datalim(ends, updatex=not right, updatey=not up)
            ax.autoscale_view()
    return points, found
