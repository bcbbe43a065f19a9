"""Genes whose maximum lies at infinity: found by exact geometry, then fitted in the limit.

Three things send a coefficient to infinity, and each is a direction of one of the two designs:

* separation in the mean: the mean of some cells, all of whose counts are zero, falls to 0;
* separation in the dispersion: the size of some cells, all of whose counts are zero, falls to 0;
* a Poisson limit: the size of some cells grows without bound.

In the first two the cells concerned reach the largest log-likelihood there is, 0, and drop out. In
the third they stay, with an infinite size. What remains is an ordinary fit with a smaller design,
whose coefficients and standard errors are correct as they stand.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import block_diag

from nbglm.basis import null_space, orthonormal_basis
from nbglm.climb import climb, has_flat_size
from nbglm.newton import CONVERGED, Ascent
from nbglm.objective import GeneCounts, Layout
from nbglm.problem import Problem
from nbglm.recession import recession_direction

__all__ = ["Resolved", "resolve"]

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

_STILL = 1e-7  # relative change of a predictor along a direction below which it stands still
_DRIFTED = 1e-4  # largest effect on the log-likelihood of a size that may be infinite
_SLACK = 1e-6  # how far, absolutely, a limit may fall short of the drifting fit it replaces


@dataclass
class _State:
    """What has been decided so far about one gene."""

    active: BoolArray  # rows whose counts take part
    poisson: BoolArray  # groups of infinite size
    beta_direction: FloatArray
    gamma_direction: FloatArray


@dataclass(frozen=True)
class Resolved:
    """One gene's fit in the user's coefficients, limits included.

    Attributes
    ----------
    coef : ndarray, shape (p + q,)
        Finite part of the coefficients: predictions along no direction use these.
    direction : ndarray, shape (p + q,)
        Direction in which the coefficients go to infinity; 0 where they do not.
    undetermined : ndarray, shape (p + q, d)
        Basis of the directions that change nothing for this gene's informative cells.
    covariance : ndarray, shape (p + q, p + q)
        Inverse observed information on the other directions.
    value : float
        Supremum of the log-likelihood.
    evaluations : int
        Evaluations spent.
    converged : bool
        False if an ascent ended early.
    """

    coef: FloatArray
    direction: FloatArray
    undetermined: FloatArray
    covariance: FloatArray
    value: float
    evaluations: int
    converged: bool


def _append(direction: FloatArray, later: FloatArray, rows: FloatArray) -> FloatArray:
    """Combine directions so that the earlier one decides every row it moves."""
    if not direction.any():
        return later
    earlier = np.abs(rows @ direction)
    moved = earlier[earlier > _STILL * earlier.max(initial=0.0)]
    factor = (1.0 + np.abs(rows @ later).max()) / moved.min() * 2.0
    return direction * factor + later


def _moved(rows: FloatArray, direction: FloatArray) -> BoolArray:
    """Rows whose predictor a direction lowers."""
    product = rows @ direction
    return product < -_STILL * np.abs(rows * direction).max(initial=1e-300)


def _remove_separated(problem: Problem, gene: GeneCounts, state: _State) -> bool:
    """Take out the cells that one direction of either design sends to zero; False if none."""
    group = problem.layout.group_of_row
    positive = state.active & (gene.total > 0)
    zero = state.active & (gene.total == 0)
    direction = recession_direction(problem.x_rows[positive], problem.x_rows[zero])
    if direction is not None:
        gone = zero & _moved(problem.x_rows, direction)
        if gone.any():
            state.active &= ~gone
            state.beta_direction = _append(state.beta_direction, direction, problem.x_rows)
            return True
    groups = problem.z_rows.shape[0]
    has_rows = np.bincount(group[state.active], minlength=groups) > 0
    has_counts = np.bincount(group[positive], minlength=groups) > 0
    silent = has_rows & ~has_counts
    direction = recession_direction(problem.z_rows[has_counts], problem.z_rows[silent])
    if direction is not None:
        gone_groups = silent & _moved(problem.z_rows, direction)
        if gone_groups.any():
            state.active &= ~gone_groups[group]
            state.gamma_direction = _append(state.gamma_direction, direction, problem.z_rows)
            return True
    return False


@dataclass(frozen=True)
class _Reduced:
    """The ordinary fit that remains, and its maps back to the user's coefficients."""

    layout: Layout
    gene: GeneCounts
    groups: NDArray[np.int64]  # the original number of each remaining group
    x_transform: FloatArray
    z_transform: FloatArray


def _reduce(problem: Problem, gene: GeneCounts, state: _State) -> _Reduced:
    """Restrict the layout to active rows and orthonormalise again."""
    full = problem.layout
    rows = np.flatnonzero(state.active)
    groups, group_of_row = np.unique(full.group_of_row[rows], return_inverse=True)
    poisson = state.poisson[groups]
    weight = full.weight[rows]
    x_basis = orthonormal_basis(problem.x_rows[rows], weight)
    finite_rows = ~poisson[group_of_row]
    z_all = problem.z_rows[groups]
    z_basis = orthonormal_basis(z_all[group_of_row][finite_rows], weight[finite_rows])
    z = np.where(poisson[:, None], 0.0, z_all @ z_basis.transform)
    layout = full._replace(
        x=np.ascontiguousarray(x_basis.q),
        z=np.ascontiguousarray(z),
        offset=full.offset[rows],
        size_offset=np.where(poisson, math.inf, 0.0),
        bounds=np.searchsorted(group_of_row, np.arange(groups.size + 1)).astype(np.int64),
        weight=weight,
        group_of_row=group_of_row.astype(np.int64),
        row_of_cell=np.zeros(0, dtype=np.int64),
        cell_of_row=np.zeros(0, dtype=np.int64),
        cell_weight=np.zeros(0),
    )
    starts = np.append(gene.starts[groups], gene.starts[-1]).astype(np.int64)
    # Groups that are gone have no positive counts, so the entries of the others stay contiguous.
    reduced_gene = gene._replace(total=gene.total[rows], starts=starts)
    return _Reduced(layout, reduced_gene, groups, x_basis.transform, z_basis.transform)


def _drifted_groups(reduced: _Reduced, theta: FloatArray) -> BoolArray:
    """Finite groups whose size is so large that infinity would change nothing visible."""
    layout, gene = reduced.layout, reduced.gene
    p = layout.x.shape[1]
    zeta = layout.z @ theta[p:]
    mu = np.exp(np.minimum(layout.offset + layout.x @ theta[:p], 300.0))
    groups = layout.bounds.size - 1
    squares = np.bincount(layout.group_of_row, layout.weight * mu * mu, minlength=groups)
    entry_group = np.repeat(np.arange(groups), np.diff(gene.starts))
    squares += np.bincount(entry_group, gene.multiplicity * gene.values**2, minlength=groups)
    # To first order in 1/r, log-likelihood minus its Poisson limit is below this.
    effect = squares * np.exp(-np.clip(zeta, -300.0, 300.0))
    return np.isfinite(zeta) & (layout.size_offset == 0.0) & (effect < _DRIFTED)


def _poisson_step(
    problem: Problem, state: _State, reduced: _Reduced, theta: FloatArray
) -> FloatArray | None:
    """Direction along which the drifting sizes go to infinity and the others stay, if any."""
    drifted = _drifted_groups(reduced, theta)
    finite = ~state.poisson[reduced.groups]
    z_rows = problem.z_rows[reduced.groups]
    return recession_direction(-z_rows[finite & ~drifted], -z_rows[finite & drifted])


def _fit_reduced(
    problem: Problem, gene: GeneCounts, state: _State, max_evaluations: int
) -> tuple[_Reduced, Ascent, int]:
    """Fit what remains, moving groups to the Poisson limit for as long as that loses nothing."""
    reduced = _reduce(problem, gene, state)
    best = climb(reduced.layout, reduced.gene, max_evaluations)
    evaluations = best.evaluations
    while reduced.layout.z.shape[1]:
        p = reduced.layout.x.shape[1]
        if best.code == CONVERGED and not has_flat_size(reduced.layout, _inverse(best.hessian)):
            break
        direction = _poisson_step(problem, state, reduced, best.theta)
        if direction is None:
            break
        raised = _moved(-problem.z_rows, direction)
        candidate = _State(
            state.active,
            state.poisson | raised,
            state.beta_direction,
            _append(state.gamma_direction, direction, problem.z_rows),
        )
        smaller = _reduce(problem, gene, candidate)
        limit = climb(smaller.layout, smaller.gene, max_evaluations)
        evaluations += limit.evaluations
        if not limit.value >= best.value - _SLACK:
            break
        state.poisson, state.gamma_direction = candidate.poisson, candidate.gamma_direction
        reduced, best = smaller, limit
        if reduced.layout.x.shape[1] != p:
            break
    return reduced, best, evaluations


def _inverse(hessian: FloatArray) -> FloatArray:
    """Inverse of the negative Hessian; NaN where it has none."""
    try:
        return np.asarray(np.linalg.inv(-hessian))
    except np.linalg.LinAlgError:
        return np.full(hessian.shape, np.nan)


def resolve(problem: Problem, gene: GeneCounts, max_evaluations: int) -> Resolved:
    """Fit one gene wherever its maximum lies.

    Parameters
    ----------
    problem : Problem
        Designs of the fit.
    gene : GeneCounts
        The gene's counts in that layout.
    max_evaluations : int
        Limit for each ascent.

    Returns
    -------
    Resolved
    """
    p, q = problem.x_rows.shape[1], problem.z_rows.shape[1]
    state = _State(
        active=np.ones(problem.x_rows.shape[0], dtype=bool),
        poisson=np.zeros(problem.z_rows.shape[0], dtype=bool),
        beta_direction=np.zeros(p),
        gamma_direction=np.zeros(q),
    )
    while _remove_separated(problem, gene, state):
        pass
    scale = np.concatenate([problem.x_scale, problem.z_scale])
    direction = np.concatenate([state.beta_direction, state.gamma_direction]) / scale
    coef = np.zeros(p + q)
    covariance = np.zeros((p + q, p + q))
    if not state.active.any():
        return Resolved(coef, direction, np.eye(p + q), covariance, 0.0, 0, True)

    reduced, best, evaluations = _fit_reduced(problem, gene, state, max_evaluations)
    direction = np.concatenate([state.beta_direction, state.gamma_direction]) / scale
    rank = reduced.layout.x.shape[1]
    transform = np.zeros((p + q, best.theta.size))
    transform[:p, :rank] = reduced.x_transform
    transform[p:, rank:] = reduced.z_transform
    transform /= scale[:, None]
    finite_groups = reduced.groups[~state.poisson[reduced.groups]]
    converged = best.code == CONVERGED
    return Resolved(
        coef=transform @ best.theta,
        direction=direction,
        undetermined=block_diag(
            null_space(problem.x_rows[state.active]), null_space(problem.z_rows[finite_groups])
        )
        / scale[:, None],
        covariance=transform @ _inverse(best.hessian) @ transform.T if converged else covariance,
        value=best.value,
        evaluations=evaluations,
        converged=converged,
    )
