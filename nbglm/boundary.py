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

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import block_diag

from nbglm.basis import null_space, orthonormal_basis
from nbglm.climb import UNCONVERGED, BlockFit, climb_block, gamma_starts, inverse_root
from nbglm.objective import GeneCounts, Layout, collect_counts
from nbglm.problem import Problem
from nbglm.recession import recession_direction

__all__ = ["Resolved", "resolve"]

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

_STILL = 1e-9  # relative change of a predictor along a direction below which it stands still
_DRIFTED = 1e-4  # largest effect on the log-likelihood of a size that may be infinite
# Log sizes beyond which a group may be on its way to a limit, upwards and downwards: the more
# cautious pairs first.
_REACHES = sorted(
    itertools.product((math.inf, 60.0, 20.0, 8.0, 3.0, 1.0), repeat=2), key=min, reverse=True
)
_MODERATE = 4.0  # log sizes that may be the only ones to stay
_PIVOTS = 6
_LIMIT_STARTS = 4
_WORTH_MORE_STARTS = 1.0  # a limit that falls short by more is none
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
    root : ndarray, shape (p + q, rank)
        Factor of the inverse observed information on the other directions, ``root @ root.T``.
    value : float
        Supremum of the log-likelihood.
    evaluations : int
        Evaluations spent.
    converged : bool
        False if an ascent ended early.
    poisson : bool
        Whether the size of some cells is infinite.
    empty : bool
        Whether there is no count at all.
    """

    coef: FloatArray
    direction: FloatArray
    undetermined: FloatArray
    root: FloatArray
    value: float
    evaluations: int
    converged: bool
    poisson: bool
    empty: bool


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
    # Groups that are Poisson already went first: no later direction reaches them.
    silent = has_rows & ~has_counts & ~state.poisson
    standing = has_counts & ~state.poisson
    direction = recession_direction(problem.z_rows[standing], problem.z_rows[silent])
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
    groups: NDArray[np.int64]  # the original number of each remaining group
    transform: FloatArray


@dataclass(frozen=True)
class _Gene:
    """One gene as the cells that have counts, and merged in the layout of all cells."""

    cells: NDArray[np.int64]
    counts: FloatArray
    merged: GeneCounts

    def climb(self, layout: Layout, max_evaluations: int, most: int | None = None) -> BlockFit:
        """Fit in a reduced layout, from all starts or from the first few."""
        return climb_block(
            np.array([0, self.cells.size]),
            self.cells,
            self.counts,
            layout,
            max_evaluations=max_evaluations,
            screen=False,
            starts=gamma_starts(layout)[:most],
        )

    def climb_limit(self, layout: Layout, max_evaluations: int, rival: float) -> BlockFit:
        """Fit a limit of a fit that reached `rival`; it needs few starts unless it comes close."""
        few = self.climb(layout, max_evaluations, _LIMIT_STARTS)
        short = rival - few.value[0]
        if not _SLACK < short < _WORTH_MORE_STARTS:
            return few
        every = self.climb(layout, max_evaluations)
        return every._replace(evaluations=every.evaluations + few.evaluations)


def _reduce(problem: Problem, state: _State) -> _Reduced:
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
    new_row = np.full(state.active.size + 1, -1)  # the last entry is for cells of weight 0
    new_row[rows] = np.arange(rows.size)
    layout = full._replace(
        x=np.ascontiguousarray(x_basis.q),
        z=np.where(poisson[:, None], 0.0, z_all @ z_basis.transform),
        offset=full.offset[rows],
        size_offset=np.where(poisson, math.inf, full.size_offset[groups]),
        bounds=np.searchsorted(group_of_row, np.arange(groups.size + 1)).astype(np.int64),
        weight=weight,
        row_of_cell=new_row[full.row_of_cell],
        group_of_row=group_of_row.astype(np.int64),
    )
    back = block_diag(problem.x_back, problem.z_back)
    return _Reduced(layout, groups, back @ block_diag(x_basis.transform, z_basis.transform))


def _whole(problem: Problem) -> _Reduced:
    """The problem as it stands, in the coordinates that it has."""
    transform = block_diag(problem.x_transform, problem.z_transform)
    return _Reduced(problem.layout, np.arange(problem.z_rows.shape[0]), transform)


def _drifting_groups(
    reduced: _Reduced, gene: _Gene, theta: FloatArray
) -> Iterator[tuple[BoolArray, BoolArray]]:
    """Groups whose size may be on its way to infinity, and to 0: guesses, cautious ones first.

    They are beyond some reach on the log scale, or so far out already that the limit would change
    nothing visible; the last guesses are that all sizes but one go. Only groups without a positive
    count can go to size 0. A group with hardly any mean may be in both.
    """
    layout = reduced.layout
    p = layout.x.shape[1]
    zeta = layout.size_offset + layout.z @ theta[p:]
    mu = np.exp(np.minimum(layout.offset + layout.x @ theta[:p], 300.0))
    groups = layout.bounds.size - 1
    squares = np.bincount(layout.group_of_row, layout.weight * mu * mu, minlength=groups)
    row = layout.row_of_cell[gene.cells]
    used = row >= 0
    positive_group = layout.group_of_row[row[used]]
    squares += np.bincount(
        positive_group,
        layout.cell_weight[gene.cells[used]] * gene.counts[used] ** 2,
        minlength=groups,
    )
    r = np.exp(np.clip(zeta, -300.0, 300.0))
    finite = layout.size_offset < math.inf
    silent = np.bincount(positive_group, minlength=groups) == 0
    row_r = r[layout.group_of_row]
    loss = np.bincount(
        layout.group_of_row, layout.weight * row_r * np.log1p(mu / row_r), minlength=groups
    )
    # To first order in 1/r, log-likelihood minus its Poisson limit is below squares / r.
    pivots = zeta[finite & (np.abs(zeta) < _MODERATE)]
    pivots = pivots[np.argsort(np.abs(pivots))][:_PIVOTS]
    tried = set()
    for up, down in [*_REACHES, *zip(pivots, -pivots, strict=True)]:
        high, low = zeta > up, zeta < -down
        raised = finite & (((squares < _DRIFTED * r) & ~low) | high)
        lowered = finite & silent & (((loss < _DRIFTED) & ~high) | low)
        key = np.packbits([raised, lowered]).tobytes()
        if key not in tried:
            tried.add(key)
            yield raised, lowered


def _further(
    problem: Problem,
    gene: _Gene,
    state: _State,
    reduced: _Reduced,
    drifting: tuple[BoolArray, BoolArray],
) -> _State | None:
    """The state in which the drifting groups have arrived, if a direction takes them there."""
    raised, lowered = drifting
    standing = ~state.poisson[reduced.groups] & ~raised & ~lowered
    z_rows = problem.z_rows[reduced.groups]
    bound = np.vstack([-z_rows[raised & ~lowered], z_rows[lowered & ~raised]])
    direction = recession_direction(z_rows[standing], bound)
    if direction is None:
        return None
    gone = np.isin(np.arange(state.poisson.size), reduced.groups[lowered])
    gone &= _moved(problem.z_rows, direction)
    after = _State(
        state.active & ~gone[problem.layout.group_of_row],
        state.poisson | (_moved(-problem.z_rows, direction) & ~gone),
        state.beta_direction,
        _append(state.gamma_direction, direction, problem.z_rows),
    )
    while _remove_separated(problem, gene.merged, after):
        pass
    return after


def _fit_reduced(
    problem: Problem, gene: _Gene, state: _State, max_evaluations: int, first: BlockFit | None
) -> tuple[_State, _Reduced, BlockFit, int]:
    """Fit what remains, moving groups to the Poisson limit for as long as that loses nothing."""
    reduced = _reduce(problem, state) if first is None else _whole(problem)
    best = gene.climb(reduced.layout, max_evaluations) if first is None else first
    evaluations = int(best.evaluations[0])
    guesses = _drifting_groups(reduced, gene, best.theta[0])
    while reduced.layout.z.shape[1] and best.flags[0]:
        drifting = next(guesses, None)
        if drifting is None:
            break
        after = _further(problem, gene, state, reduced, drifting)
        if after is None or not after.active.any():
            continue
        smaller = _reduce(problem, after)
        limit = gene.climb_limit(smaller.layout, max_evaluations, best.value[0])
        evaluations += int(limit.evaluations[0])
        if limit.value[0] >= best.value[0] - _SLACK:
            state, reduced, best = after, smaller, limit
            guesses = _drifting_groups(reduced, gene, best.theta[0])
    return state, reduced, best, evaluations


def resolve(
    problem: Problem,
    cells: NDArray[np.int64],
    counts: FloatArray,
    max_evaluations: int,
    first: BlockFit | None = None,
) -> Resolved:
    """Fit one gene wherever its maximum lies.

    Parameters
    ----------
    problem : Problem
        Designs of the fit.
    cells, counts : ndarray, shape (nonzeros,)
        Cells with a positive count, and the counts.
    max_evaluations : int
        Limit for each ascent.
    first : BlockFit, optional
        Fit of this gene in the problem's layout, if it is known not to be separated.

    Returns
    -------
    Resolved
    """
    p, q = problem.x_rows.shape[1], problem.z_rows.shape[1]
    gene = _Gene(cells, counts, collect_counts(cells, counts, problem.layout))
    state = _State(
        active=np.ones(problem.x_rows.shape[0], dtype=bool),
        poisson=np.isinf(problem.layout.size_offset),
        beta_direction=np.zeros(p),
        gamma_direction=np.zeros(q),
    )
    while first is None and _remove_separated(problem, gene.merged, state):
        pass
    back = block_diag(problem.x_back, problem.z_back)
    empty = not gene.merged.total.any()
    if not state.active.any():
        direction = back @ np.concatenate([state.beta_direction, state.gamma_direction])
        return Resolved(
            coef=np.zeros(p + q),
            direction=direction,
            undetermined=np.eye(p + q),
            root=np.zeros((p + q, 0)),
            value=0.0,
            evaluations=0,
            converged=True,
            poisson=False,
            empty=empty,
        )

    state, reduced, best, evaluations = _fit_reduced(problem, gene, state, max_evaluations, first)
    direction = back @ np.concatenate([state.beta_direction, state.gamma_direction])
    finite_groups = reduced.groups[~state.poisson[reduced.groups]]
    open_directions = block_diag(
        null_space(problem.x_rows[state.active]), null_space(problem.z_rows[finite_groups])
    )
    return Resolved(
        coef=reduced.transform @ best.theta[0],
        direction=direction,
        undetermined=back @ open_directions,
        root=reduced.transform @ inverse_root(best.information[0]),
        value=float(best.value[0]),
        evaluations=evaluations,
        converged=best.flags[0] != UNCONVERGED,
        poisson=bool(state.poisson.any()),
        empty=empty,
    )
