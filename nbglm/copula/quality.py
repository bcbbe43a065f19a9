"""How good a copula is: its log-likelihood, and its errors on cells that were held out.

The log-likelihood is that of randomised quantile residuals, in nats above that of independence. The
randomisation makes them less correlated than the scores behind the counts are, and they are judged
by the correlations that it leaves. It is no likelihood of the counts, of which nobody has that of
thousands of genes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cholesky, solve_triangular

from nbglm.copula.attenuation import seen
from nbglm.copula.estimate import Plan, Structure, estimate, standardised
from nbglm.copula.scores import Scores

__all__ = ["Quality", "held_out", "loglik_gain"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_GENES = 1000  # of which all pairs are compared
_HALVES = 0x68616C766573  # the letters of "halves": which cells are in which half


class Quality(NamedTuple):
    """Errors on halves of the cells, of a copula of the other half.

    Attributes
    ----------
    loglik : float
        Log-likelihood above that of independence, in nats, for each cell.
    error : float
        Root mean square error of the correlations of pairs of genes.
    independent : float
        The same of the copula that has none.
    noise : float
        What the sampling of the cells that were held out has in either, on average.
    """

    loglik: float = np.nan
    error: float = np.nan
    independent: float = np.nan
    noise: float = np.nan


def loglik_gain(structure: Structure, plan: Plan, scores: Scores) -> float:
    """Log-likelihood of randomised quantile residuals above that of independence.

    Parameters
    ----------
    structure : Structure
        The copula.
    plan : Plan
        With its blocks.
    scores : Scores
        Of the cells.

    Returns
    -------
    float
        In nats, summed over the cells.
    """
    cells = float(scores.weight.sum())
    z = standardised(scores.drawn, scores.weight)  # whose squares add up to 1 for each gene
    fade = np.minimum(scores.series[:, 0], 1.0)
    factors = structure.loadings.shape[1]
    inner, of_cells = np.eye(factors), np.zeros((factors, z.shape[1]))
    log_det, squares = 0.0, 0.0
    for block, root in zip(plan.blocks, structure.roots, strict=True):
        part = z[block].astype(np.float64)
        a = fade[block]
        own = (a[:, None] * root) @ (a[:, None] * root).T
        own[np.diag_indices_from(own)] += 1.0 - a**2
        lower = cholesky(own, lower=True)
        white = solve_triangular(lower, part, lower=True)
        loadings = solve_triangular(lower, a[:, None] * structure.loadings[block], lower=True)
        log_det += 2.0 * float(np.log(np.diagonal(lower)).sum())
        squares += float((white**2).sum() - (part**2).sum())
        inner += loadings.T @ loadings
        of_cells += loadings.T @ white
    if factors:
        lower = cholesky(inner, lower=True)
        log_det += 2.0 * float(np.log(np.diagonal(lower)).sum())
        squares -= float((solve_triangular(lower, of_cells, lower=True) ** 2).sum())
    return -0.5 * cells * (log_det + squares)


def held_out(scores: Scores, plan: Plan, entropy: tuple[int, ...]) -> Quality:
    """Fit the copula to either half of the cells, and see how it does on the other one.

    Parameters
    ----------
    scores : Scores
        Of all cells.
    plan : Plan
        With its blocks.
    entropy : tuple of int
        From :func:`nbglm.simulate.draws.seed_entropy`; of the halves.

    Returns
    -------
    Quality
    """
    rng = np.random.default_rng([*entropy, _HALVES])
    order = rng.permutation(scores.weight.size)
    told = np.flatnonzero(scores.information > 0.0)
    pairs = np.sort(rng.permutation(told)[:_GENES])
    middle = order.size // 2
    halves = [scores.of_cells(np.sort(part)) for part in (order[:middle], order[middle:])]
    found = [_on_other(halves[k], halves[1 - k], plan, pairs) for k in (0, 1)]
    error, independent, noise = np.sqrt(np.mean([part[1:] for part in found], axis=0))
    gain = sum(part[0] for part in found) / float(scores.weight.sum())
    return Quality(gain, float(error), float(independent), float(noise))


def _on_other(
    known: Scores, other: Scores, plan: Plan, genes: IntArray
) -> tuple[float, float, float, float]:
    """Log-likelihood and mean squares of errors on cells that were held out."""
    structure = estimate(known, plan)
    gain = loglik_gain(structure, plan, other)
    if genes.size < 2:
        return gain, np.nan, np.nan, np.nan
    unit = standardised(other.means[genes], other.weight)
    there = np.asarray(unit @ unit.T, dtype=np.float64)
    wanted = seen(structure.covariances(genes, plan.blocks), known, genes)
    upper = np.triu_indices(genes.size, 1)
    error = np.mean((there[upper] - wanted[upper]) ** 2)
    noise = np.mean((1.0 - wanted[upper] ** 2) ** 2) / float(other.weight.sum())
    return gain, float(error), float(np.mean(there[upper] ** 2)), float(noise)
