"""Residuals of single counts: quantile, Pearson, deviance, response.

A randomised quantile residual is the normal quantile of ``u = P(Y < y) + V P(Y = y)`` with ``V``
uniform, so that residuals of the true model are standard normal, whatever the counts. Here ``u``
never exists as a number near 1: the logarithms of ``u`` and of ``1 - u`` are each summed from
positive parts, and the quantile is taken of the smaller one, so that a count that is hopelessly far
out has a large residual and not an infinite one.

References
----------
Dunn, P. K. and Smyth, G. K. (1996). Randomized quantile residuals. *Journal of Computational and
Graphical Statistics* 5, 236-244.
"""

from __future__ import annotations

from types import MappingProxyType

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtri_exp

from nbglm.diagnostics.cells import GeneCells, cells_of_one
from nbglm.exceptions import check_choice
from nbglm.fit.prediction import excess_variance
from nbglm.inference.fitted import FittedGenes
from nbglm.parallel.threads import in_threads
from nbglm.simulate.draws import Seed, gene_stream, seed_entropy
from nbglm.simulate.probabilities import log_pmf, log_tail

__all__ = [
    "RESIDUALS",
    "deviance_residuals",
    "pearson_residuals",
    "quantile_residuals",
    "residual_table",
    "uniform_shares",
]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

RESIDUALS = ("quantile", "pearson", "deviance", "response")
"""Kinds of residuals."""

_OTHER_WORDS = MappingProxyType(
    {
        **dict.fromkeys(("rqr", "randomized", "randomised", "dunn-smyth", "normal"), "quantile"),
        **dict.fromkeys(("raw", "working"), "response"),
    }
)

# Keeps these streams apart from those of samples: the residuals of counts that were drawn with
# the same seed would otherwise share their random bits with the counts.
_STREAM = 0x7265736964

_NEAR_ONE = -1e-3  # logarithm of a probability whose complement is worth a tail of its own


def uniform_shares(entropy: tuple[int, ...], name: str, cells: int) -> FloatArray:
    """Where in its step of the distribution function each count of a gene is placed.

    Parameters
    ----------
    entropy : tuple of int
        From :func:`nbglm.simulate.draws.seed_entropy`.
    name : str
        Gene name, which keys the stream.
    cells : int
        How many.

    Returns
    -------
    ndarray, shape (cells,)
        Uniform, and neither 0 nor 1: odd multiples of ``2**-53``.

    Examples
    --------
    >>> shares = uniform_shares((0,), "Pyy", 1000)
    >>> bool(0 < shares.min() < 0.01), bool(0.99 < shares.max() < 1)
    (True, True)
    """
    draws = gene_stream((*entropy, _STREAM), name).integers(2**52, size=cells)
    return np.asarray((draws + 0.5) * 2.0**-52, dtype=np.float64)


def quantile_residuals(cells: GeneCells, share: FloatArray) -> FloatArray:
    """Randomised quantile residuals of one gene.

    Parameters
    ----------
    cells : GeneCells
        Counts, means and sizes.
    share : ndarray, shape (cells,)
        From :func:`uniform_shares`.

    Returns
    -------
    ndarray, shape (cells,)
        Finite, unless the fit says that a count is impossible, as it may of cells of weight 0.
        Where the fitted mean is 0 they are the quantiles of `share`: such a cell says nothing.

    Examples
    --------
    >>> y = np.array([0.0, 9000.0])
    >>> cells = GeneCells("Pyy", y, np.full(2, 3.0), np.full(2, np.inf), np.ones(2))
    >>> quantile_residuals(cells, np.full(2, 0.5)).round(3)
    array([ -1.962, 355.133])
    """
    y, mean, size = cells.y, cells.mean, cells.size
    log_f = log_pmf(y, mean, size)
    inside = log_f + np.log(share), log_f + np.log1p(-share)  # parts of the step below and above
    # Of P(Y < y) and P(Y > y) one is enough, unless u is near the end at which the other one is.
    below, above = np.full(y.shape, -np.inf), np.full(y.shape, -np.inf)
    with np.errstate(divide="ignore"):
        above[y == 0.0] = np.log(-np.expm1(log_f[y == 0.0]))
    high, low = (y > 0.0) & (y > mean), (y > 0.0) & (y <= mean)
    below[low] = log_tail(y[low] - 1.0, mean[low], size[low], upper=False)
    above[high] = log_tail(y[high], mean[high], size[high], upper=True)
    log_u, log_rest = np.logaddexp(below, inside[0]), np.logaddexp(above, inside[1])
    far = low & (log_u > _NEAR_ONE), high & (log_rest > _NEAR_ONE)
    above[far[0]] = log_tail(y[far[0]], mean[far[0]], size[far[0]], upper=True)
    below[far[1]] = log_tail(y[far[1]] - 1.0, mean[far[1]], size[far[1]], upper=False)
    log_rest = np.where(low & ~far[0], _log_complement(log_u), np.logaddexp(above, inside[1]))
    log_u = np.where(high & ~far[1], _log_complement(log_rest), np.logaddexp(below, inside[0]))
    lower = log_u < log_rest
    quantile = np.asarray(ndtri_exp(np.minimum(np.where(lower, log_u, log_rest), 0.0)))
    return np.where(lower, quantile, -quantile)


def _log_complement(logarithm: FloatArray) -> FloatArray:
    """``log(1 - exp(.))`` of numbers that are not near 0."""
    return np.log1p(-np.exp(np.minimum(logarithm, _NEAR_ONE)))


def pearson_residuals(cells: GeneCells) -> FloatArray:
    """``(y - mu) / sqrt(mu + mu**2 / r)``.

    Parameters
    ----------
    cells : GeneCells
        Counts, means and sizes.

    Returns
    -------
    ndarray, shape (cells,)
        0 where the mean and the count are 0; the limit ``-sqrt(r)`` where the mean is infinite.

    Examples
    --------
    >>> two = np.full(2, 2.0)
    >>> pearson_residuals(GeneCells("Pyy", np.array([0.0, 4.0]), two, two, two))
    array([-1.,  1.])
    """
    y, mean, size = cells.y, cells.mean, cells.size
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = np.sqrt(mean + excess_variance(mean, size))
        residual = np.where((mean == 0) & (y == 0), 0.0, (y - mean) / scale)
        return np.where(np.isinf(mean), -np.sqrt(size), residual)


def deviance_residuals(cells: GeneCells) -> FloatArray:
    """Signed roots of the parts of the deviance, at the fitted sizes.

    Half of a part is ``y log(y / mu) - (y + r) log((y + r) / (mu + r))``, summed here from two
    positive terms (see :mod:`nbglm.kernels.deviance`).

    Parameters
    ----------
    cells : GeneCells
        Counts, means and sizes.

    Returns
    -------
    ndarray, shape (cells,)

    Examples
    --------
    >>> one = np.ones(2)
    >>> deviance_residuals(GeneCells("Pyy", np.array([0.0, 4.0]), one, one, one)).round(6)
    array([-1.17741 ,  1.388325])
    """
    y, mean, size = cells.y, cells.mean, cells.size
    with np.errstate(all="ignore"):
        inverse = 1.0 / size
        x = mean * inverse
        none = np.where(x < 1e-8, mean * (1.0 - 0.5 * x), size * np.log1p(x))
        above = (y - mean) / (1.0 + x)
        t = (y - mean) * inverse / (1.0 + x)
        u = (y / mean - 1.0) / (1.0 + y * inverse)
        half = np.where(y == 0.0, none, above * (_rise(u) + _excess(t)))
        # A size of 0 expects no count whatever its mean, as a mean of 0 does.
        half = np.where((y == 0.0) & ((mean == 0.0) | (size == 0.0)), 0.0, half)
        half = np.where(((y > 0.0) & (mean == 0.0)) | np.isinf(mean), np.inf, half)
        return np.where(y < mean, -1.0, 1.0) * np.sqrt(2.0 * np.maximum(half, 0.0))


def _rise(u: FloatArray) -> FloatArray:
    """``((1 + u) log1p(u) - u) / u``."""
    near = np.abs(u) < 1e-4
    series = u * (0.5 - u * (1.0 / 6.0 - u / 12.0))
    return np.where(near, series, ((1.0 + u) * np.log1p(u) - u) / np.where(near, 1.0, u))


def _excess(t: FloatArray) -> FloatArray:
    """``(t - log1p(t)) / t``."""
    near = np.abs(t) < 1e-4
    series = t * (0.5 - t * (1.0 / 3.0 - t / 4.0))
    return np.where(near, series, (t - np.log1p(t)) / np.where(near, 1.0, t))


def _residuals(cells: GeneCells, kind: str, entropy: tuple[int, ...]) -> FloatArray:
    """Residuals of one gene."""
    if kind == "quantile":
        return quantile_residuals(cells, uniform_shares(entropy, cells.name, cells.y.size))
    if kind == "response":
        return cells.y - cells.mean
    return pearson_residuals(cells) if kind == "pearson" else deviance_residuals(cells)


def residual_table(
    results: FittedGenes,
    positions: IntArray,
    kind: str,
    seed: Seed,
    n_jobs: int | None = None,
) -> pd.DataFrame:
    """Residuals of some genes: see :meth:`nbglm.diagnostics.methods.FitDiagnostics.residuals`.

    Parameters
    ----------
    results : FittedGenes
        The fit.
    positions : ndarray of int
        Which genes.
    kind : str
        One of :data:`RESIDUALS`.
    seed : int, SeedSequence, Generator or None
        For quantile residuals.
    n_jobs : int, optional
        As joblib understands it.

    Returns
    -------
    DataFrame, shape (cells, genes)

    Raises
    ------
    OptionError
        If the kind is unknown.
    """
    check_choice("kind", kind, RESIDUALS, _OTHER_WORDS)
    results.require_data(f"residuals({kind!r})")
    entropy = seed_entropy(seed) if kind == "quantile" else ()
    values = np.empty((results.counts.n_cells, positions.size), order="F")

    def fill(column: int) -> None:
        cells = cells_of_one(results, int(positions[column]))
        values[:, column] = _residuals(cells, kind, entropy)

    for _ in in_threads(fill, range(positions.size), n_jobs):
        pass
    return pd.DataFrame(values, results.counts.cells, results.gene_names[positions])
