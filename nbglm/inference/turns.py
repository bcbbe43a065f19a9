"""Where to look for further maxima: sizes that turn about a row with a count."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nbglm.problem.layout import Layout

__all__ = ["turned_sizes"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_LEVELS = (-3.0, 0.0, 3.0, 8.0)  # log sizes that the row in the middle of a turn is given
_STILL = 1e-9  # slope, relative to the largest, that is none


def turned_sizes(layout: Layout, theta: FloatArray, loud: IntArray, most: int) -> FloatArray:
    """Starts that differ from a point by their sizes.

    Along each dispersion coordinate the sizes are shifted until that of some row with a count
    reaches a given level. Where the log size is steep all rows on one side of the level are Poisson
    and those on the other side have no size left, which costs much for every count among them: what
    matters is which of the few rows with a count at an end of the order come to lie near the level.

    Parameters
    ----------
    layout : Layout
        Design in orthonormal coordinates.
    theta : ndarray, shape (k,)
        The point.
    loud : ndarray of int
        The dispersion rows with a count.
    most : int
        How many starts, about.

    Returns
    -------
    ndarray, shape (starts, k)
        None without a dispersion coordinate.
    """
    z, p = layout.z[loud], layout.mean_rank
    if not z.size:
        return np.zeros((0, theta.size))
    zeta = layout.size_offset[loud] + z @ theta[p:]
    directions = np.eye(z.shape[1])
    if z.shape[1] > 1:  # all sizes together, as far as the coordinates can
        weight = np.bincount(layout.group_of_row, layout.weight, layout.size_offset.size)
        directions = np.vstack([layout.z.T @ weight, directions])
    each = max(1, most // (len(directions) * len(_LEVELS)))
    starts = [
        shift * direction
        for direction in directions
        for level in _LEVELS
        for shift in _turns(zeta, z @ direction, level, each)
    ]
    found = np.tile(theta, (len(starts), 1))
    found[:, p:] += np.array(starts).reshape(-1, z.shape[1])
    return found


def _turns(zeta: FloatArray, slope: FloatArray, level: float, most: int) -> FloatArray:
    """Shifts along `slope` that leave none, one, two, four, ... of `zeta` below a level."""
    size = np.abs(slope)
    rising, falling = (sign * slope > _STILL * size.max() for sign in (1.0, -1.0))
    lowest = np.sort((level - zeta[rising]) / slope[rising])[::-1]
    highest = np.sort((level - zeta[falling]) / slope[falling])
    ends = [end for end in (lowest, highest) if end.size]  # none where the slope is 0 everywhere
    each = max(1, most // max(1, len(ends)))
    some = [
        end[np.unique(np.geomspace(1, end.size, min(each, end.size)).astype(np.int64)) - 1]
        for end in ends
    ]
    return np.concatenate([np.zeros(0), *some])
