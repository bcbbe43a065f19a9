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

import sys
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nbglm.kernels.definite import inverse_root
from nbglm.limits.drifting import Groups, drifting_groups, groups_of, is_tied, rises_to
from nbglm.limits.stages import Geometry, Stage
from nbglm.problem.layout import Layout
from nbglm.problem.start import Search
from nbglm.search.climb import FLAT, UNCONVERGED, BlockFit, climb_block, climb_from
from nbglm.search.newton import CONVERGED

__all__ = ["Highest", "Resolved", "highest", "resolve"]

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

_LIMIT_STARTS = 4
_WORTH_MORE_STARTS = 1.0  # a limit that falls short by more is none


@dataclass(frozen=True)
class Resolved:
    """One gene's fit in the user's coefficients, limits included.

    Attributes
    ----------
    coef : ndarray, shape (p + q,)
        Finite part of the coefficients: predictions along no direction use these.
    direction : ndarray, shape (p + q,)
        Direction in which the coefficients go to infinity; 0 where they do not.
    reach : tuple of float
        How far the row moves along it that moves the most, of mean and size.
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
    reach: tuple[float, float]
    undetermined: FloatArray
    root: FloatArray
    value: float
    evaluations: int
    converged: bool
    poisson: bool
    empty: bool


@dataclass(frozen=True)
class _Gene:
    """One gene as the cells that have counts, and the rows of the whole design that have any."""

    cells: NDArray[np.int64]
    counts: FloatArray
    positive: BoolArray

    def climb(self, search: Search, max_evaluations: int, most: int = sys.maxsize) -> BlockFit:
        """Fit in a reduced layout, from all starts or from the first few."""
        return climb_block(
            np.array([0, self.cells.size]),
            self.cells,
            self.counts,
            search,
            max_evaluations=max_evaluations,
            screen=False,
            most=most,
        )

    def climb_limit(self, search: Search, max_evaluations: int, rival: float) -> BlockFit:
        """Fit a limit of a fit that reached `rival`; it needs few starts unless it comes close."""
        few = self.climb(search, max_evaluations, _LIMIT_STARTS)
        short = rival - few.value[0]
        if not few.rounding[0] < short < _WORTH_MORE_STARTS * search.unit:
            return few
        every = self.climb(search, max_evaluations)
        return every._replace(evaluations=every.evaluations + few.evaluations)


def _polished(best: BlockFit, gene: _Gene, layout: Layout, max_evaluations: int) -> BlockFit:
    """The same maximum, where a size is hardly known, with the information at its very place.

    The last step of an ascent is a vanishing share of a standard error, but not of a size.
    """
    if best.flags[0] != FLAT or not np.isfinite(best.root).all():
        return best
    ascent = climb_from(best.theta[0], gene.cells, gene.counts, layout, max_evaluations)
    root = inverse_root(-ascent.hessian)
    if ascent.code != CONVERGED or not np.isfinite(root).all():
        return best
    return best._replace(
        theta=ascent.theta[None],
        information=-ascent.hessian[None],
        root=root[None],
        evaluations=best.evaluations + ascent.evaluations,
    )


def _converged(best: BlockFit) -> bool:
    # On a plateau that is no limit either, there is nothing to tell errors from.
    return best.flags[0] != UNCONVERGED and bool(np.isfinite(best.root).all())


def _fit_remaining(
    geometry: Geometry,
    gene: _Gene,
    stage: Stage,
    layout: Layout,
    max_evaluations: int,
    first: BlockFit | None,
) -> tuple[Stage, BlockFit, int]:
    """Fit what remains, moving groups to the Poisson limit for as long as that loses nothing."""
    best = gene.climb(stage.search, max_evaluations) if first is None else first
    evaluations = int(best.evaluations[0])
    groups = groups_of(layout, gene.cells, gene.counts, best.theta[0])
    guesses = drifting_groups(groups, layout)
    tied: tuple[Stage, Layout, BlockFit, Groups] | None = None
    while layout.z.shape[1] and best.flags[0]:
        drifting = next(guesses, None)
        if drifting is None:
            if tied is None or _converged(best):
                break
            # Lost on a plateau, and no higher than a limit that is known to be a maximum.
            (stage, layout, best, groups), tied = tied, None
            guesses = drifting_groups(groups, layout)
            continue
        after = geometry.further(stage, *drifting, gene.positive)
        if after is None or after.layout is None:
            continue
        limit = gene.climb_limit(after.search, max_evaluations, best.value[0])
        evaluations += int(limit.evaluations[0])
        at_limit = groups_of(after.layout, gene.cells, gene.counts, limit.theta[0])
        if rises_to(stage, groups, best, after, at_limit, limit):
            stage, layout, best, groups = after, after.layout, limit, at_limit
            guesses, tied = drifting_groups(groups, layout), None
        elif tied is None and _converged(limit) and is_tied(best, limit, after):
            tied = after, after.layout, limit, at_limit
    end = _polished(best, gene, layout, max_evaluations)
    return stage, end, evaluations + int(end.evaluations[0] - best.evaluations[0])


def _highest(
    geometry: Geometry,
    cells: NDArray[np.int64],
    counts: FloatArray,
    max_evaluations: int,
    first: BlockFit | None,
) -> tuple[Stage, BlockFit | None, int]:
    """The stage in which the maximum lies, the fit there (None if no row is left), evaluations."""
    problem = geometry.problem
    positive = np.zeros(problem.x_rows.shape[0], dtype=bool)
    row = problem.layout.row_of_cell[cells]
    positive[row[row >= 0]] = True
    stage = geometry.separated(positive) if first is None else geometry.whole()
    if stage.layout is None:
        return stage, None, 0
    gene = _Gene(cells, counts, positive)
    return _fit_remaining(geometry, gene, stage, stage.layout, max_evaluations, first)


class Highest(NamedTuple):
    """The supremum of one gene's log-likelihood.

    Attributes
    ----------
    value : float
        The supremum.
    converged : bool
        False if an ascent ended early.
    stage : Stage
        The limit in which it lies.
    theta : ndarray, shape (k,), or None
        Where in what remains beside the limit; None if no row is left.
    """

    value: float
    converged: bool
    stage: Stage
    theta: FloatArray | None


def highest(
    geometry: Geometry,
    cells: NDArray[np.int64],
    counts: FloatArray,
    max_evaluations: int,
    first: BlockFit | None = None,
) -> Highest:
    """Supremum of one gene's log-likelihood alone, wherever it lies.

    Parameters
    ----------
    geometry, cells, counts, max_evaluations, first
        As for :func:`resolve`.

    Returns
    -------
    Highest
    """
    stage, best, _ = _highest(geometry, cells, counts, max_evaluations, first)
    if best is None:
        return Highest(0.0, True, stage, None)
    return Highest(float(best.value[0]), _converged(best), stage, best.theta[0])


def resolve(
    geometry: Geometry,
    cells: NDArray[np.int64],
    counts: FloatArray,
    max_evaluations: int,
    first: BlockFit | None = None,
) -> Resolved:
    """Fit one gene wherever its maximum lies.

    Parameters
    ----------
    geometry : Geometry
        Of the problem; what it finds for one gene it remembers for the next.
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
    problem = geometry.problem
    row = problem.layout.row_of_cell[cells]
    empty = not (row >= 0).any()
    k = problem.aliased.size
    stage, best, evaluations = _highest(geometry, cells, counts, max_evaluations, first)
    if best is None:
        return Resolved(
            coef=np.zeros(k),
            direction=problem.directions(stage.direction),
            reach=problem.reach(stage.direction),
            undetermined=np.eye(k),
            root=np.zeros((k, 0)),
            value=0.0,
            evaluations=0,
            converged=True,
            poisson=False,
            empty=empty,
        )
    with np.errstate(invalid="ignore"):  # of an ascent that failed
        coef = stage.transform @ best.theta[0]
    return Resolved(
        coef=coef,
        direction=problem.directions(stage.direction),
        reach=problem.reach(stage.direction),
        undetermined=problem.directions(stage.undetermined),
        root=stage.transform @ best.root[0],
        value=float(best.value[0]),
        evaluations=evaluations,
        converged=_converged(best),
        poisson=bool(stage.poisson.any()),
        empty=empty,
    )
