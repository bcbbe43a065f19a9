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
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import block_diag

from nbglm.climb import UNCONVERGED, BlockFit, climb_block
from nbglm.geometry import Geometry, Stage
from nbglm.layout import Layout
from nbglm.start import Search

__all__ = ["Resolved", "resolve"]

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

_DRIFTED = 1e-4  # largest effect on the log-likelihood of a size that may be infinite
# Log sizes beyond which a group may be on its way to a limit, upwards and downwards: the more
# cautious pairs first.
_REACHES = sorted(
    itertools.product((math.inf, 60.0, 20.0, 8.0, 3.0, 1.0), repeat=2), key=min, reverse=True
)
_MODERATE = 4.0  # log sizes that may be the only ones to stay
_PIVOTS = 6
_COUNTED_PIVOTS = 2  # of groups with a count, however far out
_LIMIT_STARTS = 4
_WORTH_MORE_STARTS = 1.0  # a limit that falls short by more is none
_SLACK = 1e-6  # how far, absolutely, a limit may fall short of the drifting fit it replaces


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
        if not _SLACK < short < _WORTH_MORE_STARTS:
            return few
        every = self.climb(search, max_evaluations)
        return every._replace(evaluations=every.evaluations + few.evaluations)


def _drifting_groups(
    layout: Layout, gene: _Gene, theta: FloatArray
) -> Iterator[tuple[BoolArray, BoolArray]]:
    """Groups whose size may be on its way to infinity, and to 0: guesses, cautious ones first.

    They are beyond some reach on the log scale, or so far out already that the limit would change
    nothing visible; the last guesses are that all sizes but one go. Only groups without a positive
    count can go to size 0. A group with hardly any mean may be in both.
    """
    p = layout.x.shape[1]
    zeta = layout.size_offset + layout.z @ theta[p:]
    mu = np.exp(np.minimum(layout.offset + layout.x @ theta[:p], 300.0))
    groups = layout.size_offset.size
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
    counted = zeta[finite & ~silent]
    pivots = np.concatenate(
        [
            pivots[np.argsort(np.abs(pivots))][:_PIVOTS],
            counted[np.argsort(np.abs(counted))][:_COUNTED_PIVOTS],
        ]
    )
    tried = set()
    for up, down in [*_REACHES, *zip(pivots, -pivots, strict=True)]:
        high, low = zeta > up, zeta < -down
        raised = finite & (((squares < _DRIFTED * r) & ~low) | high)
        lowered = finite & silent & (((loss < _DRIFTED) & ~high) | low)
        key = np.packbits([raised, lowered]).tobytes()
        if key not in tried:
            tried.add(key)
            yield raised, lowered


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
    guesses = _drifting_groups(layout, gene, best.theta[0])
    while layout.z.shape[1] and best.flags[0]:
        drifting = next(guesses, None)
        if drifting is None:
            break
        after = geometry.further(stage, *drifting, gene.positive)
        if after is None or after.layout is None:
            continue
        limit = gene.climb_limit(after.search, max_evaluations, best.value[0])
        evaluations += int(limit.evaluations[0])
        if limit.value[0] >= best.value[0] - _SLACK:
            stage, layout, best = after, after.layout, limit
            guesses = _drifting_groups(layout, gene, best.theta[0])
    return stage, best, evaluations


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
    positive = np.zeros(problem.x_rows.shape[0], dtype=bool)
    row = problem.layout.row_of_cell[cells]
    positive[row[row >= 0]] = True
    gene = _Gene(cells, counts, positive)
    stage = geometry.separated(positive) if first is None else geometry.whole()
    back = block_diag(problem.x_back, problem.z_back)
    k = problem.aliased.size
    if stage.layout is None:
        return Resolved(
            coef=np.zeros(k),
            direction=back @ stage.direction,
            undetermined=stage.undetermined,
            root=np.zeros((k, 0)),
            value=0.0,
            evaluations=0,
            converged=True,
            poisson=False,
            empty=not positive.any(),
        )
    stage, best, evaluations = _fit_remaining(
        geometry, gene, stage, stage.layout, max_evaluations, first
    )
    return Resolved(
        coef=stage.transform @ best.theta[0],
        direction=back @ stage.direction,
        undetermined=back @ stage.undetermined,
        root=stage.transform @ best.root[0],
        value=float(best.value[0]),
        evaluations=evaluations,
        converged=best.flags[0] != UNCONVERGED,
        poisson=bool(stage.poisson.any()),
        empty=not positive.any(),
    )
