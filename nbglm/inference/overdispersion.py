"""Tests of overdispersion, that is, of whether the Poisson is enough for a gene.

The null hypothesis is the Poisson with the mean of the fit, the alternative one common size ``r``
for all cells. Both tests are one-sided.

Score test: at the Poisson fit the derivative by ``alpha = 1 / r`` is
``sum((y - mu)^2 - y) / 2`` with variance ``sum(mu^2) / 2``, whence the standard normal

    T = sum((y - mu)^2 - y) / sqrt(2 sum(mu^2))

(Dean, C. and Lawless, J. F. 1989, *Tests for detecting overdispersion in Poisson regression
models*, JASA 84, 467-472).

Likelihood ratio: since ``alpha`` lies at the end of its range, half of the mass of the reference
is at 0 and half of it chi-squared with one degree of freedom, for every gene, whether its fit ends
at the limit or not: here the smaller model is the Poisson itself (Lawless, J. F. 1987, *Negative
binomial and mixed Poisson regression*, Canadian Journal of Statistics 15, 209-225; Self, S. G. and
Liang, K.-Y. 1987, JASA 82, 605-610).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nbglm.counts.table import Counts
from nbglm.fit.genes import FitArrays, fit_blocks
from nbglm.fit.prediction import predict
from nbglm.inference.pvalues import chi2_mixture_tail, upper_tail
from nbglm.problem.problem import Problem, make_problem
from nbglm.status import GENE_STATUS

__all__ = ["overdispersion_tests"]

FloatArray = NDArray[np.float64]

_NO_COUNTS = GENE_STATUS.index("all_zero")
_FAILED = GENE_STATUS.index("not_converged")


def _poisson_problem(problem: Problem) -> Problem:
    """The same mean with an infinite size everywhere."""
    groups, p = problem.z_rows.shape[0], problem.x_kept.size
    nothing = np.zeros((groups, 0))
    layout = problem.layout._replace(
        z_columns=np.zeros((0, groups)), size_offset=np.full(groups, np.inf)
    )
    return problem.relaid(layout)._replace(
        z_rows=nothing,
        z_back=np.zeros((0, 0)),
        z_transform=np.zeros((0, 0)),
        z_kept=np.zeros(0, dtype=bool),
        projection=problem.projection[:p, :p],
    )


def _score_statistics(
    poisson: FitArrays, counts: Counts, x: FloatArray, offset: FloatArray, weights: FloatArray
) -> FloatArray:
    statistic = np.full(poisson.llf.size, np.nan)
    # Cells without weight took no part in the fit, which may send their means anywhere.
    used = weights > 0
    x, offset, weights = x[used], offset[used], weights[used]
    none = np.zeros((x.shape[0], 0))
    for g in np.flatnonzero(~np.isin(poisson.status, [_NO_COUNTS, _FAILED])):
        mean = predict(poisson, x, none, offset, slice(g, g + 1))[0][:, 0]
        y = counts.gene(int(g))[used]
        excess = weights @ ((y - mean) ** 2 - y)
        statistic[g] = excess / np.sqrt(2.0 * (weights @ mean**2))
    return statistic


def _likelihood_ratios(poisson: FitArrays, constant: FitArrays) -> FloatArray:
    statistic = np.maximum(2.0 * (constant.llf - poisson.llf), 0.0)
    # Both fits are the same there, but for rounding.
    statistic[np.isinf(constant.coef[:, -1])] = 0.0
    unknown = np.isin(constant.status, [_NO_COUNTS, _FAILED]) | (poisson.status == _FAILED)
    return np.where(unknown, np.nan, statistic)


def overdispersion_tests(
    counts: Counts,
    x: FloatArray,
    offset: FloatArray,
    weights: FloatArray | None,
    *,
    constant: FitArrays | None,
    n_jobs: int | None,
) -> dict[str, NDArray[np.generic]]:
    """Score and likelihood-ratio test of the Poisson for every gene.

    Parameters
    ----------
    counts : Counts
        The data.
    x : ndarray, shape (cells, p)
        Design of the mean.
    offset : ndarray, shape (cells,)
        Offset of the log mean.
    weights : ndarray, shape (cells,), optional
        Frequency weights.
    constant : FitArrays or None
        The fit with one common size, if there is one already.
    n_jobs : int or None
        As joblib understands it.

    Returns
    -------
    dict of ndarray, shape (genes,)
        ``score`` and ``lr``, each with ``<test>_pvalue`` and ``<test>_log_pvalue`` (natural
        logarithm), and ``status``: of the fit with one size, ``not_converged`` if either failed.
        NaN for genes without a count or whose fit failed.
    """
    problem = make_problem(x, np.ones((x.shape[0], 1)), offset, weights)
    if constant is None:
        constant = FitArrays.concatenate(fit_blocks(counts, problem, n_jobs))
    blocks = fit_blocks(counts, _poisson_problem(problem), n_jobs)
    poisson = FitArrays.concatenate(blocks)
    cell_weight = np.ones(x.shape[0]) if weights is None else weights
    score = _score_statistics(poisson, counts, x, offset, cell_weight)
    ratio = _likelihood_ratios(poisson, constant)
    of_score, of_ratio = upper_tail(score), chi2_mixture_tail(ratio, {0: 0.5, 1: 0.5})
    failed = poisson.status == _FAILED
    words = np.array(GENE_STATUS, dtype=object)[np.where(failed, _FAILED, constant.status)]
    return {
        "score": score,
        "score_pvalue": of_score.p,
        "score_log_pvalue": of_score.log_p,
        "lr": ratio,
        "lr_pvalue": of_ratio.p,
        "lr_log_pvalue": of_ratio.log_p,
        "status": words,
    }
