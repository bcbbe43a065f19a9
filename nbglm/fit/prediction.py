"""Mean and size for any design rows, limits included."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nbglm.fit.genes import FitArrays
from nbglm.fit.movement import movement
from nbglm.status import GENE_STATUS

__all__ = ["excess_variance", "predict"]

FloatArray = NDArray[np.float64]

_ALL_ZERO = GENE_STATUS.index("all_zero")


def _predictor(
    design: FloatArray, finite: FloatArray, direction: FloatArray, reach: FloatArray
) -> FloatArray:
    """``design @ coefficients`` with the limit ``t -> inf`` along each gene's direction."""
    # One product for each gene: a product for all would round by the number of genes beside it.
    value = np.column_stack([design @ coefficients for coefficients in finite])
    for g in np.flatnonzero(direction.any(axis=1)):
        along = movement(design, direction[g], reach[g])
        moved = along != 0.0
        value[moved, g] = np.copysign(np.inf, along[moved])
    return value


def predict(
    fit: FitArrays, x: FloatArray, z: FloatArray, offset: FloatArray, genes: slice
) -> tuple[FloatArray, FloatArray]:
    """Means on the count scale and sizes ``r`` (``Var = mu + mu**2 / r``).

    Parameters
    ----------
    fit : FitArrays
        Estimates.
    x, z : ndarray, shape (cells, p) and (cells, q)
        Designs of log mean and log size.
    offset : ndarray, shape (cells,)
        Offset of the log mean.
    genes : slice
        Which genes.

    Returns
    -------
    mean : ndarray, shape (cells, genes)
        0 where the counts are separated, for genes without a count, and where a size of 0 leaves
        the mean without a bound (every draw is 0 there). Infinite only on rows that raise a
        separated direction, which no row of the data with a positive weight did.
    size : ndarray, shape (cells, genes)
        Infinite at a Poisson limit. Where nothing is known of a size (cells that are separated in
        the mean, genes without a count) it is some finite number, and no prediction depends on it.
    """
    p = x.shape[1]
    with np.errstate(over="ignore"):
        finite, direction, reach = fit.finite[genes], fit.direction[genes], fit.reach[genes]
        eta = _predictor(x, finite[:, :p], direction[:, :p], reach[:, 0])
        mean = np.exp(eta + offset[:, None])
        size = np.exp(_predictor(z, finite[:, p:], direction[:, p:], reach[:, 1]))
    mean[:, fit.status[genes] == _ALL_ZERO] = 0.0
    mean[np.isinf(mean) & (size == 0.0)] = 0.0
    return mean, size


def excess_variance(mean: FloatArray, size: FloatArray) -> FloatArray:
    """What a negative binomial varies beyond the Poisson, ``mu**2 / r``.

    Parameters
    ----------
    mean, size : ndarray
        Means on the count scale and sizes, of one shape.

    Returns
    -------
    ndarray
        0 where the mean is 0, and infinite at a size of 0 even where the square of a mean is
        too small for a float.

    Examples
    --------
    >>> excess_variance(np.array([2.0, 1e-200, 0.0]), np.array([4.0, 0.0, 0.0]))
    array([ 1., inf,  0.])
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        square = np.where(size == 0.0, np.inf, mean**2 / size)
    return np.where(mean > 0.0, square, 0.0)
