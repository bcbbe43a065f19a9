"""Mean and size for any design rows, limits included."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nbglm.fit import FitArrays
from nbglm.status import GENE_STATUS

__all__ = ["predict_mean", "predict_size"]

FloatArray = NDArray[np.float64]

_STILL = 1e-7  # relative movement along a direction that counts as none

_ALL_ZERO = GENE_STATUS.index("all_zero")


def _predictor(design: FloatArray, finite: FloatArray, direction: FloatArray) -> FloatArray:
    """``design @ coefficients`` with the limit ``t -> inf`` along each gene's direction."""
    # One product for each gene: a product for all would round by the number of genes beside it.
    value = np.column_stack([design @ coefficients for coefficients in finite])
    for g in np.flatnonzero(direction.any(axis=1)):
        along = design @ direction[g]
        size = np.abs(design * direction[g]).sum(axis=1)
        moved = np.abs(along) > _STILL * size
        value[moved, g] = np.copysign(np.inf, along[moved])
    return value


def predict_mean(fit: FitArrays, x: FloatArray, offset: FloatArray, genes: slice) -> FloatArray:
    """Means on the count scale.

    Parameters
    ----------
    fit : FitArrays
        Estimates.
    x : ndarray, shape (cells, p)
        Mean design.
    offset : ndarray, shape (cells,)
        Offset of the log mean.
    genes : slice
        Which genes.

    Returns
    -------
    ndarray, shape (cells, genes)
        0 where the counts are separated and for genes without a count; infinite only on rows
        that raise a separated direction, which no row of the data did.
    """
    p = x.shape[1]
    eta = _predictor(x, fit.finite[genes, :p], fit.direction[genes, :p])
    mean = np.exp(eta + offset[:, None])
    mean[:, fit.status[genes] == _ALL_ZERO] = 0.0
    return np.asarray(mean)


def predict_size(fit: FitArrays, z: FloatArray, genes: slice) -> FloatArray:
    """Sizes ``r`` (``Var = mu + mu**2 / r``).

    Parameters
    ----------
    fit : FitArrays
        Estimates.
    z : ndarray, shape (cells, q)
        Dispersion design.
    genes : slice
        Which genes.

    Returns
    -------
    ndarray, shape (cells, genes)
        Infinite at a Poisson limit. Where nothing is known of a size (cells that are separated in
        the mean, genes without a count) it is some finite number, and no prediction depends on it.
    """
    p = fit.finite.shape[1] - z.shape[1]
    return np.exp(_predictor(z, fit.finite[genes, p:], fit.direction[genes, p:]))
