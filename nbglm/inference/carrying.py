"""A point of one problem in the coordinates of another one with the same rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nbglm.problem.layout import Layout
from nbglm.problem.problem import Problem

__all__ = ["carried", "largest_change"]

FloatArray = NDArray[np.float64]


def largest_change(layout: Layout, theta: FloatArray) -> float:
    """How much a direction changes the predictor that it changes most.

    Parameters
    ----------
    layout : Layout
        Design in orthonormal coordinates.
    theta : ndarray, shape (k,)
        The direction.

    Returns
    -------
    float
        Of log means and log sizes.
    """
    mean = layout.log_means(theta) - layout.offset
    changes = np.concatenate([mean, layout.z @ theta[layout.mean_rank :]])
    return float(np.abs(changes).max(initial=0.0))


def carried(theta: FloatArray, source: Problem, target: Problem) -> FloatArray:
    """The point of one problem that gives the predictors of a point of another one.

    Parameters
    ----------
    theta : ndarray, shape (k,)
        Coordinates in the source.
    source, target : Problem
        They differ in a coefficient that is held, so that its column is an offset.

    Returns
    -------
    ndarray
        Coordinates in the target; the closest point if none gives the same predictors.
    """
    here, there = source.layout, target.layout
    p = here.mean_rank
    weight = np.bincount(here.group_of_row, here.weight, len(here.z))
    finite = np.isfinite(there.size_offset)
    mean = here.log_means(theta) - there.offset
    size = (here.z @ theta[p:] + here.size_offset)[finite] - there.size_offset[finite]
    x_theta = there.mean_coordinates(mean)
    return np.concatenate([x_theta, there.z_columns[:, finite] @ (weight[finite] * size)])
