"""How much of the variance of a gene its donors share.

A donor multiplies the means of its cells by a factor of mean 1. Two cells of one donor then have
the covariance ``v mu_1 mu_2`` with ``v`` the variance of that factor, which the products of their
residuals estimate. The variance of a cell is that of the fit as before: its size is made as much
larger.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nbglm.problem.standard import idle_of_repeated

__all__ = ["donor_factors", "donor_variance", "size_within"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def donor_variance(y: FloatArray, mean: FloatArray, donors: IntArray, x: FloatArray) -> float:
    """Variance of the factor by which donors change the mean of one gene.

    Parameters
    ----------
    y, mean : ndarray, shape (cells,)
        Counts and fitted means.
    donors : ndarray of int, shape (cells,)
        Number of each cell's donor.
    x : ndarray, shape (cells, p)
        Design of the mean, whose columns take up some of what donors differ by.

    Returns
    -------
    float
        0 or more; 0 where the formula leaves no difference between donors.

    Examples
    --------
    >>> donors = np.repeat(np.arange(200), 50)
    >>> factor = np.random.default_rng(1).gamma(4.0, 0.25, 200)[donors]
    >>> y = np.random.default_rng(2).poisson(5.0 * factor)
    >>> round(donor_variance(y, np.full(10_000, y.mean()), donors, np.ones((10_000, 1))), 1)
    0.2
    """
    number = int(donors.max()) + 1
    cells = np.bincount(donors, minlength=number)
    averages = np.column_stack([np.bincount(donors, column, number) for column in x.T])
    there = cells > 0
    rows: FloatArray = averages[there] / cells[there, None]
    left = rows.shape[0] - (rows.shape[1] - idle_of_repeated(rows).shape[1])
    residual = y - mean
    products = np.bincount(donors, residual) ** 2 - np.bincount(donors, residual**2)
    expected = np.bincount(donors, mean) ** 2 - np.bincount(donors, mean**2)
    if left <= 0 or expected.sum() <= 0.0:
        return 0.0
    return float(max(0.0, products.sum() / expected.sum() * rows.shape[0] / left))


def size_within(size: FloatArray, variance: float) -> tuple[FloatArray, float]:
    """Size of the cells of a donor, which leaves the variance of all cells what it is.

    Parameters
    ----------
    size : ndarray, shape (cells,)
        Sizes of the fit, in whose overdispersion that between donors has its part.
    variance : float
        Of the donors' factor.

    Returns
    -------
    size : ndarray, shape (cells,)
    variance : float
        At most what the fit leaves for it.

    Examples
    --------
    >>> size, variance = size_within(np.array([1.0]), 0.25)
    >>> float((1.0 + 1.0 / size[0]) * (1.0 + variance))
    2.0
    """
    share = float(min(variance, (1.0 / size).min(initial=np.inf)))
    with np.errstate(divide="ignore"):
        within = 1.0 / np.maximum((1.0 + 1.0 / size) / (1.0 + share) - 1.0, 0.0)
    return within, share


def donor_factors(rng: np.random.Generator, variance: float, number: int) -> FloatArray:
    """Factors of some donors: log-normal, of mean 1.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of randomness.
    variance : float
        Their variance.
    number : int
        How many.

    Returns
    -------
    ndarray, shape (number,)

    Examples
    --------
    >>> donor_factors(np.random.default_rng(1), 0.0, 2)
    array([1., 1.])
    """
    log_variance = np.log1p(variance)
    return np.asarray(np.exp(rng.normal(-0.5 * log_variance, np.sqrt(log_variance), number)))
