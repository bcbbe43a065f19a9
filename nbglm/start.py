"""Starting values: two passes over the distinct design rows, no special functions.

The mean starts at a least-squares fit of shrunken log counts, the size at the moment estimate
around it. That estimate counts what the mean does not explain yet as overdispersion, so it starts
from below, where the log-likelihood is concave in the log size.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from nbglm.compiled import kernel
from nbglm.objective import GeneCounts, Layout

__all__ = ["starting_values"]

FloatArray = NDArray[np.float64]

_LARGEST_ALPHA = 1e3
_SMALLEST_ALPHA = 1e-3
_LARGEST_ETA = 50.0


@kernel
def _log_rate(layout: Layout, gene: GeneCounts) -> float:
    """Log of the mean count per unit of exposure, as if no covariate mattered."""
    offset = layout.offset
    weight = layout.weight
    total = gene.total
    count = 0.0
    exposure = 0.0
    for i in range(weight.size):
        count += total[i]
        exposure += weight[i] * math.exp(offset[i])
    return math.log(max(count, 0.5) / exposure)


@kernel
def _fill_size(theta: FloatArray, layout: Layout, gene: GeneCounts, highest: float) -> None:
    """Set the dispersion coefficients to the moment estimate of one common size."""
    x = layout.x
    z = layout.z
    offset = layout.offset
    weight = layout.weight
    bounds = layout.bounds
    size_offset = layout.size_offset
    total = gene.total
    values = gene.values
    multiplicity = gene.multiplicity
    p = x.shape[1]
    excess = 0.0
    square = 0.0
    for i in range(weight.size):
        eta = offset[i]
        for j in range(p):
            eta += x[i, j] * theta[j]
        mu = math.exp(min(eta, _LARGEST_ETA))
        excess += mu * (weight[i] * mu - 2.0 * total[i]) - total[i]
        square += weight[i] * mu * mu
    for e in range(values.size):
        excess += multiplicity[e] * values[e] * values[e]
    zeta = -math.log(min(max(excess / square, _SMALLEST_ALPHA), _LARGEST_ALPHA))
    zeta = min(zeta, highest)
    for k in range(z.shape[0]):
        cells = 0.0
        for i in range(bounds[k], bounds[k + 1]):
            cells += weight[i]
        if size_offset[k] < math.inf:
            for j in range(z.shape[1]):
                theta[p + j] += cells * z[k, j] * (zeta - size_offset[k])


@kernel
def starting_values(layout: Layout, gene: GeneCounts, regress: bool, highest: float) -> FloatArray:
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
    highest : float
        Upper bound of the log size at the start.

    Returns
    -------
    ndarray, shape (p + q,)
    """
    x = layout.x
    offset = layout.offset
    weight = layout.weight
    total = gene.total
    p = x.shape[1]
    theta = np.zeros(p + layout.z.shape[1])
    rate = _log_rate(layout, gene)
    for i in range(weight.size):
        target = rate
        if regress:
            expected = math.exp(offset[i] + rate)
            prior = 0.5 * expected + 0.1
            target += math.log((total[i] + prior) / (weight[i] * expected + prior))
        for j in range(p):
            theta[j] += weight[i] * x[i, j] * target
    _fill_size(theta, layout, gene, highest)
    return theta
