"""Starting values: two passes over the distinct design rows, no special functions.

The mean starts at a least-squares fit of shrunken log counts, the size at the moment estimate
around it. That estimate counts what the mean does not explain yet as overdispersion, so it starts
from below, where the log-likelihood is concave in the log size.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from nbglm.objective import GeneCounts, Layout

__all__ = ["starting_values"]

FloatArray = NDArray[np.float64]

_LARGEST_ALPHA = 1e3
_SMALLEST_ALPHA = 1e-3
_LARGEST_ETA = 50.0


@njit(cache=True, nogil=True, error_model="numpy")
def _log_rate(layout: Layout, gene: GeneCounts) -> float:
    """Log of the mean count per unit of exposure, as if no covariate mattered."""
    count = 0.0
    exposure = 0.0
    for i in range(layout.weight.size):
        count += gene.total[i]
        exposure += layout.weight[i] * math.exp(layout.offset[i])
    return math.log(max(count, 0.5) / exposure)


@njit(cache=True, nogil=True, error_model="numpy")
def _fill_size(theta: FloatArray, layout: Layout, gene: GeneCounts) -> None:
    """Set the dispersion coefficients to the moment estimate of one common size."""
    p = layout.x.shape[1]
    excess = 0.0
    square = 0.0
    for i in range(layout.weight.size):
        eta = layout.offset[i]
        for j in range(p):
            eta += layout.x[i, j] * theta[j]
        mu = math.exp(min(eta, _LARGEST_ETA))
        excess += mu * (layout.weight[i] * mu - 2.0 * gene.total[i]) - gene.total[i]
        square += layout.weight[i] * mu * mu
    for e in range(gene.values.size):
        excess += gene.multiplicity[e] * gene.values[e] * gene.values[e]
    zeta = -math.log(min(max(excess / square, _SMALLEST_ALPHA), _LARGEST_ALPHA))
    for k in range(layout.z.shape[0]):
        weight = 0.0
        for i in range(layout.bounds[k], layout.bounds[k + 1]):
            weight += layout.weight[i]
        if layout.size_offset[k] == 0.0:
            for j in range(layout.z.shape[1]):
                theta[p + j] += weight * layout.z[k, j] * zeta


@njit(cache=True, nogil=True, error_model="numpy")
def starting_values(layout: Layout, gene: GeneCounts, regress: bool) -> FloatArray:
    """Where an ascent begins.

    Parameters
    ----------
    layout : Layout
        Design in orthonormal coordinates.
    gene : GeneCounts
        Counts of which at least one is positive.
    regress : bool
        Fit the mean by least squares to log counts, each shrunken towards the overall rate;
        otherwise start from the constant mean.

    Returns
    -------
    ndarray, shape (p + q,)
    """
    p = layout.x.shape[1]
    theta = np.zeros(p + layout.z.shape[1])
    rate = _log_rate(layout, gene)
    for i in range(layout.weight.size):
        target = rate
        if regress:
            expected = math.exp(layout.offset[i] + rate)
            prior = 0.5 * expected + 0.1
            target += math.log((gene.total[i] + prior) / (layout.weight[i] * expected + prior))
        for j in range(p):
            theta[j] += layout.weight[i] * layout.x[i, j] * target
    _fill_size(theta, layout, gene)
    return theta
