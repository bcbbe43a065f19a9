"""Likelihood-ratio inference for the coefficients of many genes, in parallel over genes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nbglm.counts.table import Counts
from nbglm.fit.genes import FitArrays
from nbglm.inference.branches import Estimate
from nbglm.inference.constraint import Constraint, suprema
from nbglm.inference.evidence import Evidence, size_tails
from nbglm.inference.profile import profile_limits
from nbglm.inference.pvalues import Tail, chi2_tail
from nbglm.parallel.threads import over_genes
from nbglm.problem.problem import Problem
from nbglm.status import COEF_STATUS

__all__ = ["LimitTests", "ProfileIntervals", "limit_tests", "profile_intervals"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_AT_LIMIT = [COEF_STATUS.index(word) for word in ("separated", "poisson_limit")]
_OPEN = COEF_STATUS.index("not_identified")
_UNKNOWN = [COEF_STATUS.index(word) for word in ("aliased", "not_converged", "planted")]


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


class LimitTests(NamedTuple):
    """Likelihood-ratio tests of coefficients whose estimates are infinite.

    Attributes
    ----------
    statistic, p, log_p : ndarray, shape (genes, p + q)
        NaN for all other coefficients, and where a fit failed.
    """

    statistic: FloatArray
    p: FloatArray
    log_p: FloatArray

    @property
    def tail(self) -> Tail:
        """The p-values and their logarithms."""
        return Tail(self.p, self.log_p)

    def of_genes(self, positions: IntArray) -> LimitTests:
        """The same of some genes, by their positions."""
        return LimitTests(*(part[positions] for part in self))


def limit_tests(evidence: Evidence, problem: Problem, genes: IntArray) -> LimitTests:
    """Test the coefficients whose estimates are infinite by likelihood ratios.

    Parameters
    ----------
    evidence : Evidence
        The fit and its data.
    problem : Problem
        Its designs.
    genes : ndarray of int
        Which genes.

    Returns
    -------
    LimitTests
        Of these genes.
    """
    fit = evidence.fit
    found = LimitTests(*np.full((3, genes.size, fit.coef.shape[1]), np.nan))
    at_limit = np.isin(fit.coef_status[genes], _AT_LIMIT)
    for k in map(int, np.flatnonzero(at_limit.any(axis=0))):
        rows = np.flatnonzero(at_limit[:, k])
        constraint = Constraint.of_coefficient(problem, k)
        null = suprema(constraint.at(0.0), evidence.counts, genes[rows])
        statistic = 2.0 * np.maximum(0.0, fit.llf[genes[rows]] - null)
        one, none = np.ones(rows.size, dtype=np.int64), np.zeros(rows.size, dtype=np.int64)
        if k < problem.x_kept.size:
            tail = chi2_tail(statistic, one)
        else:
            test = constraint.size_test(0.0)
            tail = size_tails(test, evidence, genes[rows], statistic, one, none)
        found.statistic[rows, k], found.p[rows, k], found.log_p[rows, k] = statistic, *tail
    return found
