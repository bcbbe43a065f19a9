"""Tests of what a model does not say: zeros, dispersion, and the shape of the distribution.

Each compares a sum over the cells with what the fit expects of it. Since the coefficients were
estimated from the same counts, such a sum varies less than it would at the truth: of its covariance
``V`` under the model ``C' I^-1 C`` is taken off, where ``C`` is its covariance with the scores and
``I`` the expected information. For the number of zeros, and for Pearson's statistic, both are known
exactly; for the numbers of randomised integral transforms in ten bins, ``V`` is the multinomial's
and ``C`` is the sum over the cells itself.

References
----------
Tauchen, G. (1985). Diagnostic testing and evaluation of maximum likelihood models. *Journal of
Econometrics* 30, 415-443.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from nbglm.diagnostics.cells import GeneCells
from nbglm.diagnostics.influence import predictors
from nbglm.diagnostics.residuals import quantile_residuals
from nbglm.fit.prediction import excess_variance
from nbglm.kernels.expected import expected_mean_information, expected_size_information
from nbglm.kernels.likelihood import score
from nbglm.simulate.probabilities import log_pmf

__all__ = ["BINS", "Information", "Moment", "dispersion", "uniformity", "zeros"]

FloatArray = NDArray[np.float64]

BINS = 10
"""Bins of the integral transforms."""

# Share of its variance that the fit must leave of a combination of bins. Of combinations that the
# coefficients nearly absorb, too little is known in a few hundred cells: with 0.05 in place of this
# true models of 200 cells were rejected four times too often at a level of 0.1 %.
_SMALLEST = 0.25
_NOTHING_LEFT = 1e-9  # share of a variance below which the fit leaves nothing to test


@dataclass(frozen=True)
class Moment:
    """A sum over the cells, and its test.

    Attributes
    ----------
    observed, expected : float
        Of what the test is; NaN if it is of several sums.
    statistic : float
        Chi-squared; NaN if the fit leaves nothing to test.
    df : int
        Its degrees of freedom; 0 with NaN.
    """

    observed: float
    expected: float
    statistic: float
    df: int


class Information:
    """Designs of a gene in coordinates of its fit, with the expected information there.

    Parameters
    ----------
    cells : GeneCells
        Means and sizes.
    x, z : ndarray, shape (cells, p) and (cells, q)
        Designs.
    root : ndarray, shape (p + q, k)
        Factor of the covariance from the observed information.
    """

    def __init__(self, cells: GeneCells, x: FloatArray, z: FloatArray, root: FloatArray) -> None:
        used = root[:, root.any(axis=0)]
        self.eta, self.zeta = predictors(cells)
        self.x, self.z = x @ used[: x.shape[1]], z @ used[x.shape[1] :]
        of_mean = cells.weight * expected_mean_information(cells.mean, self.zeta)
        of_size = cells.weight * expected_size_information(self.eta, self.zeta)
        matrix = self.x.T @ (of_mean[:, None] * self.x) + self.z.T @ (of_size[:, None] * self.z)
        self.inverse = np.linalg.pinv(matrix, hermitian=True)

    def taken_off(self, by_eta: FloatArray, by_zeta: FloatArray) -> FloatArray:
        """``C' I^-1 C`` of sums whose covariances with the scores of each cell are given.

        Parameters
        ----------
        by_eta, by_zeta : ndarray, shape (cells, sums)
            By log mean and log size, times the weights.

        Returns
        -------
        ndarray, shape (sums, sums)
        """
        both = self.x.T @ by_eta + self.z.T @ by_zeta
        return np.asarray(both.T @ self.inverse @ both)


def _one(observed: float, expected: float, variance: float, taken_off: float) -> Moment:
    """The test of one sum."""
    left = variance - taken_off
    if not left > _NOTHING_LEFT * variance:
        return Moment(observed, expected, np.nan, 0)
    return Moment(observed, expected, (observed - expected) ** 2 / left, 1)


def zeros(cells: GeneCells, information: Information) -> Moment:
    """Number of zeros.

    Parameters
    ----------
    cells : GeneCells
        Counts, means and sizes.
    information : Information
        Of the same gene.

    Returns
    -------
    Moment
    """
    none = np.zeros(cells.y.size)
    p = np.exp(log_pmf(none, cells.mean, cells.size))
    rest = -np.expm1(log_pmf(none, cells.mean, cells.size))
    slopes = score(none, information.eta, information.zeta)[:, :2]
    slopes = np.where(np.isfinite(slopes), slopes, 0.0) * (cells.weight * p)[:, None]
    return _one(
        float(cells.weight @ (cells.y == 0.0)),
        float(cells.weight @ p),
        float(cells.weight @ (p * rest)),
        float(information.taken_off(slopes[:, :1], slopes[:, 1:])[0, 0]),
    )


def dispersion(cells: GeneCells, information: Information) -> Moment:
    """Pearson's statistic, the sum of squared Pearson residuals.

    Parameters
    ----------
    cells : GeneCells
        Counts, means and sizes.
    information : Information
        Of the same gene.

    Returns
    -------
    Moment
        Expected is the number of cells whose mean is not 0.
    """
    told = (cells.mean > 0.0) & (cells.size > 0.0)
    mean, size = cells.mean[told], cells.size[told]
    weight = cells.weight[told]
    x = mean / size
    variance = mean + excess_variance(mean, size)
    squares = (cells.y[told] - mean) ** 2 / variance
    by_eta, by_zeta = np.zeros((2, cells.y.size, 1))
    by_eta[told, 0] = weight * (1.0 + 2.0 * x) / (1.0 + x)
    by_zeta[told, 0] = -weight * x / (1.0 + x)
    return _one(
        float(weight @ squares),
        float(weight.sum()),
        float(weight @ (2.0 + 6.0 / size + 1.0 / variance)),
        float(information.taken_off(by_eta, by_zeta)[0, 0]),
    )


def uniformity(cells: GeneCells, information: Information, share: FloatArray) -> Moment:
    """Numbers of randomised integral transforms in bins of equal width.

    Parameters
    ----------
    cells : GeneCells
        Counts, means and sizes.
    information : Information
        Of the same gene.
    share : ndarray, shape (cells,)
        From :func:`nbglm.diagnostics.residuals.uniform_shares`.

    Returns
    -------
    Moment
    """
    u = ndtr(quantile_residuals(cells, share))
    bins = np.minimum((u * BINS).astype(np.int64), BINS - 1)
    inside = np.zeros((cells.y.size, BINS))
    inside[np.arange(cells.y.size), bins] = 1.0
    n = float(cells.weight.sum())
    slopes = score(cells.y, information.eta, information.zeta)[:, :2]
    slopes = np.where(np.isfinite(slopes), slopes, 0.0) * cells.weight[:, None]
    centred = inside - 1.0 / BINS
    taken_off = information.taken_off(slopes[:, :1] * centred, slopes[:, 1:] * centred)
    covariance = n * (np.eye(BINS) / BINS - 1.0 / BINS**2) - taken_off
    values, vectors = np.linalg.eigh(covariance)
    kept = values > _SMALLEST * n / BINS
    along = (cells.weight @ centred) @ vectors[:, kept]
    return Moment(np.nan, np.nan, float((along**2 / values[kept]).sum()), int(kept.sum()))
