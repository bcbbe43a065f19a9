"""Likelihood-ratio inference for the coefficients of many genes, in parallel over genes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nbglm.branches import Estimate
from nbglm.constraint import Constraint, suprema
from nbglm.counts import Counts
from nbglm.fit import FitArrays
from nbglm.parallel import over_genes
from nbglm.problem import Problem
from nbglm.profile import profile_limits
from nbglm.status import COEF_STATUS

__all__ = ["ProfileIntervals", "limit_ratios", "profile_intervals"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_AT_LIMIT = [COEF_STATUS.index(word) for word in ("separated", "poisson_limit")]
_OPEN = COEF_STATUS.index("not_identified")
_UNKNOWN = [COEF_STATUS.index(word) for word in ("aliased", "not_converged")]


class _Coefficients:
    """The fit of some genes, a coefficient at a time; what genes share is prepared once."""

    def __init__(self, fit: FitArrays, problem: Problem, counts: Counts) -> None:
        self._fit, self._counts = fit, counts
        width = fit.coef.shape[1]
        self._constraints = [Constraint.of_coefficient(problem, k) for k in range(width)]

    def estimate(self, gene: int, coefficient: int) -> Estimate:
        _, cells, counts = self._counts.block(gene, gene + 1)
        finite = self._fit.known[gene, coefficient]
        return Estimate(
            constraint=self._constraints[coefficient],
            cells=cells,
            counts=counts,
            llf=float(self._fit.llf[gene]),
            coef=float(self._fit.coef[gene, coefficient]),
            std_err=float(np.linalg.norm(self._fit.root[gene, coefficient])) if finite else np.nan,
            finite=self._fit.finite[gene],
            direction=self._fit.direction[gene],
        )


class ProfileIntervals(NamedTuple):
    """Profile-likelihood intervals of many coefficients.

    Attributes
    ----------
    limits : ndarray, shape (genes, p + q, 2)
        Lower and upper limits. NaN where not wanted, and for coefficients that are aliased or did
        not converge; the whole line for coefficients of which the counts say nothing.
    unsure : ndarray of bool, shape (genes, p + q)
        Where a limit is NaN since no search could establish it.
    beaten : ndarray, shape (genes,)
        By how much a maximum that was found on the way is higher than the fit's.
    """

    limits: FloatArray
    unsure: NDArray[np.bool_]
    beaten: FloatArray


def profile_intervals(
    fit: FitArrays,
    problem: Problem,
    counts: Counts,
    alpha: float,
    wanted: NDArray[np.bool_],
    *,
    n_jobs: int | None = None,
    progress: bool | None = None,
) -> ProfileIntervals:
    """Profile-likelihood intervals.

    Parameters
    ----------
    fit, problem, counts
        The fit, its designs and its data.
    alpha : float
        Significance level.
    wanted : ndarray of bool, shape (genes, p + q)
        Which coefficients.
    n_jobs : int, optional
        As joblib understands it.
    progress : bool, optional
        Whether to show a progress bar; by default after a second, on a terminal.

    Returns
    -------
    ProfileIntervals
    """
    coefficients = _Coefficients(fit, problem, counts)
    limits = np.full((*fit.coef.shape, 2), np.nan)
    unsure = np.zeros(fit.coef.shape, dtype=bool)
    beaten = np.zeros(fit.llf.size)

    def one_gene(gene: int) -> None:
        for k in np.flatnonzero(wanted[gene]):
            code = fit.coef_status[gene, k]
            if code == _OPEN:
                limits[gene, k] = -np.inf, np.inf
            elif code not in _UNKNOWN:
                found = profile_limits(coefficients.estimate(gene, int(k)), alpha)
                limits[gene, k] = found.lower, found.upper
                unsure[gene, k] = np.isnan(limits[gene, k]).any()
                beaten[gene] = max(beaten[gene], found.beaten)

    over_genes(one_gene, np.flatnonzero(wanted.any(axis=1)), n_jobs, progress)
    return ProfileIntervals(limits, unsure, beaten)


def limit_ratios(fit: FitArrays, problem: Problem, counts: Counts, genes: IntArray) -> FloatArray:
    """Likelihood-ratio statistics of the coefficients whose estimates are infinite.

    Parameters
    ----------
    fit, problem, counts
        The fit, its designs and its data.
    genes : ndarray of int
        Which genes.

    Returns
    -------
    ndarray, shape (len(genes), p + q)
        NaN for all other coefficients, and where a fit failed.
    """
    statistic = np.full((genes.size, fit.coef.shape[1]), np.nan)
    at_limit = np.isin(fit.coef_status[genes], _AT_LIMIT)
    for k in map(int, np.flatnonzero(at_limit.any(axis=0))):
        rows = np.flatnonzero(at_limit[:, k])
        null = suprema(Constraint.of_coefficient(problem, k).at(0.0), counts, genes[rows])
        statistic[rows, k] = 2.0 * np.maximum(0.0, fit.llf[genes[rows]] - null)
    return statistic
