"""Common factors of many genes: the directions in which scores vary more than noise would.

With as many genes as cells the largest eigenvalues of a sample correlation matrix are too large,
and their vectors off. An eigenvalue ``l`` of the population becomes ``l (1 + g / (l - 1))``, with
``g`` genes for a cell, if it is above ``1 + sqrt(g)``, and its vector keeps the share
``c^2 = (1 - g / (l - 1)^2) / (1 + g / (l - 1))`` of its length (Baik and Silverstein, 2006; Paul,
2007); below there is nothing to be seen. What is kept of a factor is ``(l - 1) c^2``, which comes
nearest to the correlations in the sum of squares (Donoho, Gavish and Johnstone, 2018).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.linalg import svds

__all__ = ["leading", "noise_free"]

FloatArray = NDArray[np.float64]
Narrow = NDArray[np.float32]


def leading(scores: Narrow, most: int) -> tuple[FloatArray, FloatArray]:
    """Largest eigenvalues of the sample correlations, and their vectors.

    Parameters
    ----------
    scores : ndarray, shape (genes, cells)
        Of which ``scores @ scores.T`` is the sample correlation matrix.
    most : int
        How many, at most.

    Returns
    -------
    values : ndarray, shape (factors,)
        In descending order.
    vectors : ndarray, shape (genes, factors)
    """
    fewer = min(scores.shape)
    number = min(most, fewer - 1)
    if number < 1 or not scores.any():
        return np.zeros(0), np.zeros((len(scores), 0))
    start = np.ones(fewer, dtype=scores.dtype)
    vectors, values, _ = svds(scores, k=number, v0=start, solver="arpack")
    order = np.argsort(-values)
    return np.asarray(values[order] ** 2, np.float64), np.asarray(vectors[:, order], np.float64)


def noise_free(values: FloatArray, genes: int, cells: float) -> FloatArray:
    """What is worth keeping of the eigenvalues of a sample, above those of noise.

    Parameters
    ----------
    values : ndarray, shape (factors,)
        The largest ones, in descending order.
    genes : int
        Number of genes that say anything.
    cells : float
        Number of cells.

    Returns
    -------
    ndarray, shape (at most factors,)
        Sums of squares of the loadings of each factor that is not noise.

    Examples
    --------
    >>> noise_free(np.array([50.0, 1.5]), 100, 100.0).round(1)
    array([47.])
    """
    ratio = genes / cells
    above = values[values > (1.0 + np.sqrt(ratio)) ** 2]
    half = 0.5 * (above + 1.0 - ratio)
    excess = half + np.sqrt(np.maximum(half**2 - above, 0.0)) - 1.0
    return np.asarray(excess * (1.0 - ratio / excess**2) / (1.0 + ratio / excess))
