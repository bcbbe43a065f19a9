"""What a count says of the normal score behind it.

A copula says that a count is the quantile of its distribution at ``Phi(z)``, so that a count is an
interval of scores ``z``: a short one if counts are large, half of the line or more for a zero. A
randomised quantile residual is one score of this interval, drawn at random. Here the *mean* over
the interval takes its place wherever correlations are estimated: it has the same covariances with
those of other genes, and none of the noise of the draw.

Either is less correlated than the scores are. With ``a_k = E[m H_k(z)] / sqrt(k!)`` for the means
``m`` and the Hermite polynomials ``H_k``::

    Cov(m_i, m_j) = rho a_1i a_1j + rho^2 a_2i a_2j + rho^3 a_3i a_3j + ...

``a_1`` is the variance of the means: 1 for large counts, 0.85 for Poisson counts of mean 1, 0.07
for those of mean 0.01. All are summed from the distribution itself, for some cells of each gene.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from nbglm.diagnostics.residuals import uniform_shares
from nbglm.fit.prediction import excess_variance, predict
from nbglm.inference.fitted import FittedGenes
from nbglm.parallel.threads import in_threads
from nbglm.simulate.probabilities import tail
from nbglm.status import GENE_STATUS

__all__ = ["Scores", "expected_series", "interval_scores", "scores_of"]

FloatArray = NDArray[np.float64]
Narrow = NDArray[np.float32]
IntArray = NDArray[np.int64]

_FARTHEST = 5.0  # a count beyond it tells of a fit that is wrong there, not of dependence
_GENES = 64
_CELLS = 16  # for which a gene's information is summed
_RATIO, _FINE = 0.15, 0.25  # steps of counts, in proportion to them and to their deviation
_WIDE, _REST = 6.0, 1e-7  # where to begin and to end


@dataclass(frozen=True)
class Scores:
    """Normal scores of some cells.

    Attributes
    ----------
    means : ndarray of float32, shape (genes, cells)
        Mean of the interval that each count is.
    drawn : ndarray of float32, shape (genes, cells)
        A random score of it: a randomised quantile residual.
    information : ndarray, shape (genes,)
        Mean over cells of the variance of `means` that the fit expects: 1 where counts say all
        of their scores, 0 where they say nothing.
    series : ndarray, shape (genes, 3)
        Root mean squares over cells of ``a_1``, ``a_2`` and ``a_3``: a product of two genes is
        what the products of their cells are on average, if both vary over cells alike, and
        larger otherwise, so that nothing is made up for that is not there.
    weight : ndarray, shape (cells,)
        Frequency weights.
    """

    means: Narrow
    drawn: Narrow
    information: FloatArray
    series: FloatArray
    weight: FloatArray

    def of_cells(self, cells: IntArray) -> Scores:
        """The scores of some cells, by their numbers."""
        return Scores(
            self.means[:, cells],
            self.drawn[:, cells],
            self.information,
            self.series,
            self.weight[cells],
        )


def interval_scores(
    y: FloatArray, mean: FloatArray, size: FloatArray, share: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Mean, and a point, of the interval of normal scores that gives each count.

    Parameters
    ----------
    y : ndarray
        Counts.
    mean, size : ndarray
        Means and sizes of their distributions.
    share : ndarray
        Where in the interval the point is, from 0 to 1, as a share of its probability.

    Returns
    -------
    means, points : ndarray
        Within 5 deviations.

    Examples
    --------
    >>> y, mean, size = np.array([0.0, 1.0]), np.full(2, np.log(2)), np.full(2, np.inf)
    >>> interval_scores(y, mean, size, np.full(2, 0.5))[0].round(4)
    array([-0.7979,  0.4682])
    """
    some = y > 0.0
    # Of a count above the mean the upper tail is the one that has all its digits.
    high = y > mean
    inner, outer = np.zeros(y.shape), np.empty(y.shape)
    for side in (False, True):
        part = (high == side) & some
        if part.any():
            values = mean[part], size[part]
            here = tail(y[part], *values, upper=side)
            before = tail(y[part] - 1.0, *values, upper=side)
            inner[part], outer[part] = (here, before) if side else (before, here)
    outer[~some] = tail(np.zeros(1), mean[~some], size[~some], upper=False)
    lower, upper = ndtri(inner), ndtri(outer)
    probability = outer - inner
    with np.errstate(invalid="ignore", divide="ignore"):
        means = (_density(lower) - _density(upper)) / probability
    points = ndtri(inner + probability * np.where(high & some, 1.0 - share, share))
    # Far out the difference has no digits left, and the interval no width.
    means = np.where(probability > 1e-12 * outer, means, upper)
    sign = np.where(high & some, -1.0, 1.0)
    return tuple(np.clip(sign * part, -_FARTHEST, _FARTHEST) for part in (means, points))  # type: ignore[return-value]


def _density(z: FloatArray) -> FloatArray:
    return np.asarray(np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi))


def expected_series(mean: FloatArray, size: FloatArray) -> FloatArray:
    """What covariances of the means of :func:`interval_scores` are made of: their series.

    Parameters
    ----------
    mean, size : ndarray
        Means and sizes.

    Returns
    -------
    ndarray, shape (3, ...)
        ``a_1``, ``a_2`` and ``a_3``. The first is the variance, from 0, where all counts are the
        same, to 1. Large counts are taken several at a time, which leaves out about a hundredth.

    Examples
    --------
    >>> expected_series(np.array([0.0, 0.1, 1.0, 100.0]), np.full(4, np.inf))[0].round(2)
    array([0.  , 0.34, 0.85, 1.  ])
    """
    deviation = np.sqrt(mean + excess_variance(mean, size))
    total, before = np.zeros((3, *mean.shape)), np.ones(mean.shape)
    ends = np.zeros((3, *mean.shape))  # H(z) phi(z) of the first three, at the end of the last step
    k = np.maximum(np.floor(mean - _WIDE * deviation), 0.0)
    widest = np.maximum(np.floor(_FINE * deviation), 1.0)
    while (before > _REST).any():
        rest = tail(k, mean, size, upper=True)
        z = -ndtri(rest)
        z = np.where(np.isfinite(z), z, 0.0)
        here = _density(z) * np.where((rest > 0.0) & (rest < 1.0), 1.0, 0.0)
        here = np.stack([here, z * here, (z * z - 1.0) * here])
        step = ends - here
        with np.errstate(invalid="ignore", divide="ignore"):
            part = step[0] * step / (before - rest)
        total += np.where(before > rest, part, 0.0)
        before, ends = rest, here
        k = k + np.clip(np.floor(_RATIO * k), 1.0, widest)
    return total / np.sqrt([1.0, 2.0, 6.0]).reshape(-1, *[1] * mean.ndim)


def scores_of(
    results: FittedGenes,
    cells: IntArray,
    entropy: tuple[int, ...],
    n_jobs: int | None = None,
) -> Scores:
    """Normal scores of some cells of a fit.

    Parameters
    ----------
    results : FittedGenes
        The fit, with its data.
    cells : ndarray of int
        Which cells.
    entropy : tuple of int
        From :func:`nbglm.simulate.draws.seed_entropy`; of the random scores.
    n_jobs : int, optional
        As joblib understands it.

    Returns
    -------
    Scores
        Of genes without a count, and of those that did not converge, with no information.
    """
    design, genes = results.design, results.gene_names
    x, z = design.mean.matrix[cells], design.dispersion.matrix[cells]
    offset = design.offset[cells]
    weight = np.ones(cells.size) if results.weights is None else results.weights[cells]
    told = results.arrays.converged & (results.arrays.status != GENE_STATUS.index("all_zero"))
    means = np.zeros((len(genes), cells.size), dtype=np.float32)
    drawn = np.zeros_like(means)
    information, series = np.zeros(len(genes)), np.zeros((len(genes), 3))
    n_cells = results.counts.n_cells

    def fill(first: int) -> None:
        chosen = np.arange(first, min(first + _GENES, len(genes)))
        mean, size = predict(results.arrays.of_genes(chosen), x, z, offset, slice(0, chosen.size))
        for k, gene in enumerate(chosen):
            share = uniform_shares(entropy, str(genes[gene]), n_cells)[cells]
            if not told[gene]:
                drawn[gene] = ndtri(share)
                continue
            y = results.counts.gene(int(gene))[cells]
            means[gene], drawn[gene] = interval_scores(y, mean[:, k], size[:, k], share)
            order = np.argsort(mean[:, k], kind="stable")
            some = order[((np.arange(_CELLS) + 0.5) / _CELLS * cells.size).astype(np.int64)]
            found = expected_series(mean[some, k], size[some, k])
            information[gene] = min(found[0].mean(), 1.0)
            series[gene] = np.sign(found.mean(axis=1)) * np.sqrt((found**2).mean(axis=1))

    for _ in in_threads(fill, range(0, len(genes), _GENES), n_jobs):
        pass
    return Scores(means, drawn, information, series, weight)
