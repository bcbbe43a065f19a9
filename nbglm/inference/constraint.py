"""A fit with linear combinations of coefficients held at values, and its supremum.

Holding ``C b = v`` replaces as many columns as ``C`` has rows by an offset: with pivot columns
``k``, ``b_k = C_k^-1 (v - C_r b_r)``. What is left is an ordinary problem with fewer columns, so
that limits at infinity are found in it exactly as in any other fit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import qr

from nbglm.counts.table import Counts
from nbglm.fit.genes import MAX_EVALUATIONS
from nbglm.inference.cones import SizeTest
from nbglm.limits.resolve import highest
from nbglm.limits.stages import Geometry, Stage
from nbglm.parallel.threads import in_threads
from nbglm.problem.problem import Problem
from nbglm.problem.standard import Rows, orthonormal_columns
from nbglm.problem.strata import StrataRows
from nbglm.search.climb import climb_block, climb_from
from nbglm.search.newton import CONVERGED

__all__ = ["Constraint", "Limit", "Supremum", "suprema", "supremum", "supremum_beside"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_GENES = 32  # in a task


class _Elimination(NamedTuple):
    """What holding some combinations does to one of the two designs.

    Attributes
    ----------
    change : ndarray, shape (rows, constraints)
        Change of the predictor of each row for a unit of each value.
    rows : ndarray or StrataRows, shape (rows, columns)
        The design without the pivot columns.
    free : ndarray of bool, shape (columns,)
        False for the pivots.
    """

    change: FloatArray
    rows: Rows
    free: NDArray[np.bool_]


def _eliminate(rows: Rows, matrix: FloatArray) -> _Elimination:
    """Solve for as many columns as there are constraints, the best conditioned ones."""
    if isinstance(rows, StrataRows):
        return _eliminate_from_strata(rows, matrix)
    count = matrix.shape[0]
    free = np.ones(matrix.shape[1], dtype=bool)
    if count == 0:
        return _Elimination(np.zeros((rows.shape[0], 0)), rows, free)
    pivots = qr(matrix, mode="r", pivoting=True)[1][:count]
    free[pivots] = False
    change = np.asarray(np.linalg.solve(matrix[:, pivots].T, rows[:, pivots].T).T)
    return _Elimination(change, np.where(free, rows - change @ matrix, 0.0), free)


def _eliminate_from_strata(rows: StrataRows, matrix: FloatArray) -> _Elimination:
    """The same where strata that are held become ordinary columns."""
    held = np.flatnonzero(matrix[:, : rows.strata].any(axis=0))
    if not matrix.shape[0]:
        nothing = np.zeros((rows.shape[0], 0))
        return _Elimination(nothing, rows, np.ones(rows.shape[1], dtype=bool))
    some = rows.with_others(held)
    order = np.append(held, np.arange(rows.strata, rows.shape[1]))
    part = _eliminate(some.others, matrix[:, order])
    free = np.append(np.ones(some.strata, dtype=bool), part.free)
    left = StrataRows(some.stratum, some.strata, cast("FloatArray", part.rows))
    return _Elimination(part.change, left, free)


@dataclass(frozen=True)
class Constraint:
    """Linear combinations of the user's coefficients, to be held at any values.

    Attributes
    ----------
    problem : Problem
        The fit without the constraint.
    matrix : ndarray, shape (constraints, p + q)
        Linearly independent combinations; each of coefficients of one component, and one that
        the design can estimate.
    """

    problem: Problem
    matrix: FloatArray

    @classmethod
    def of_coefficient(cls, problem: Problem, position: int) -> Constraint:
        """One coefficient of ``[beta, gamma]``, by its position; it must not be aliased."""
        return cls(problem, np.eye(problem.aliased.size)[[position]])

    @cached_property
    def _of_mean(self) -> NDArray[np.bool_]:
        return np.asarray(self.matrix[:, : self.problem.x_kept.size].any(axis=1))

    @cached_property
    def _parts(self) -> tuple[_Elimination, _Elimination]:
        """Both designs, in the problem's standardised columns."""
        problem = self.problem
        back = problem.back
        if problem.projection.size:
            back = problem.projection @ back
        functional = self.matrix @ back
        first = problem.x_rows.shape[1]
        of_mean, of_size = functional[self._of_mean, :first], functional[~self._of_mean, first:]
        if not isinstance(problem.x_rows, StrataRows):
            of_mean = np.where(problem.x_kept, of_mean, 0.0)
        return (
            _eliminate(problem.x_rows, of_mean),
            _eliminate(problem.z_rows, np.where(problem.z_kept, of_size, 0.0)),
        )

    @cached_property
    def change(self) -> FloatArray:
        """Changes of the predictors that a unit of the (first) value makes."""
        mean, size = self._parts
        return (mean if self._of_mean[0] else size).change[:, 0]

    @cached_property
    def _reduced(self) -> Problem:
        """The problem without the pivots, at the values 0."""
        problem, layout = self.problem, self.problem.layout
        mean, size = self._parts
        group_weight = np.bincount(layout.group_of_row, layout.weight, problem.z_rows.shape[0])
        if not mean.free.all():
            columns = orthonormal_columns(mean.rows, layout.weight)
            of_strata = isinstance(mean.rows, StrataRows)
            problem = problem.relaid(columns.in_place_of(problem.layout))._replace(
                x_rows=mean.rows,
                x_kept=problem.x_kept if of_strata else problem.x_kept & mean.free,
                x_transform=columns.transform,
            )
        if not size.free.all():
            columns = orthonormal_columns(size.rows, group_weight.astype(np.float64))
            layout = problem.layout._replace(z_columns=columns.x_columns)
            problem = problem.relaid(layout)._replace(
                z_rows=cast("FloatArray", size.rows),
                z_kept=problem.z_kept & size.free,
                z_transform=columns.transform,
            )
        return problem

    def at(self, values: ArrayLike) -> Problem:
        """The problem in which the combinations have given values.

        Parameters
        ----------
        values : array_like, shape (constraints,)
            The values; one number for all is allowed.

        Returns
        -------
        Problem
        """
        held = np.broadcast_to(np.asarray(values, dtype=np.float64), self._of_mean.shape)
        mean, size = self._parts
        layout = self._reduced.layout
        return self._reduced.relaid(
            layout._replace(
                offset=layout.offset + mean.change @ held[self._of_mean],
                size_offset=layout.size_offset + size.change @ held[~self._of_mean],
            )
        )

    def size_test(self, values: ArrayLike) -> SizeTest:
        """What holding the combinations says of the sizes of the rows.

        Parameters
        ----------
        values : array_like, shape (constraints,)
            The values.

        Returns
        -------
        SizeTest
            In the rows of the problem's layout.
        """
        group = self.problem.layout.group_of_row
        held = self.at(values)
        offset = held.layout.size_offset - self.problem.layout.size_offset
        return SizeTest(self.problem.z_rows[group], held.z_rows[group], offset[group])


class Limit(NamedTuple):
    """A maximum at infinity, which neighbouring problems may have as well.

    Attributes
    ----------
    stage : Stage
        The limit.
    theta : ndarray, shape (k,)
        The maximum of what remains beside it.
    """

    stage: Stage
    theta: FloatArray


class Supremum(NamedTuple):
    """Highest log-likelihood of one gene.

    Attributes
    ----------
    value : float
        The supremum, whether it is reached or only approached.
    theta : ndarray, shape (k,), or None
        Where it is reached, in the coordinates of the layout; None at a limit.
    converged : bool
        False if an ascent ended early.
    limit : Limit or None
        Where it is approached.
    """

    value: float
    theta: FloatArray | None
    converged: bool
    limit: Limit | None = None


def supremum_beside(
    geometry: Geometry, limit: Limit, cells: IntArray, counts: FloatArray, max_evaluations: int
) -> Supremum:
    """The highest that is approached in a limit of another problem with the same designs.

    The limit is one of this problem too, since directions know nothing of offsets.

    Parameters
    ----------
    geometry : Geometry
        Of the problem.
    limit : Limit
        Of one that differs in its offsets alone, such as a coefficient that is held.
    cells, counts, max_evaluations
        As for :func:`supremum`.

    Returns
    -------
    Supremum
        No more than the supremum of the problem.
    """
    layout = geometry.beside(limit.stage)
    if layout is None:
        return Supremum(0.0, None, converged=True, limit=limit)
    ascent = climb_from(limit.theta, cells, counts, layout, max_evaluations)
    converged = ascent.code == CONVERGED
    value = float(ascent.value) if math.isfinite(ascent.value) else -math.inf
    return Supremum(value, None, converged, limit._replace(theta=ascent.theta))


def supremum(
    geometry: Geometry, cells: IntArray, counts: FloatArray, max_evaluations: int
) -> Supremum:
    """Fit one gene for the sake of its log-likelihood.

    Parameters
    ----------
    geometry : Geometry
        Of the problem; what it finds for one gene it remembers for the next.
    cells, counts : ndarray, shape (nonzeros,)
        Cells with a positive count, and the counts.
    max_evaluations : int
        Limit for each ascent.

    Returns
    -------
    Supremum
    """
    indptr = np.array([0, cells.size])
    block = climb_block(
        indptr, cells, counts, geometry.search, max_evaluations=max_evaluations, screen=True
    )
    if not block.flags[0]:
        return Supremum(float(block.value[0]), block.theta[0], converged=True)
    first = block.unless_separable(0)
    found = highest(geometry, cells, counts, max_evaluations, first)
    limit = None if found.theta is None else Limit(found.stage, found.theta)
    return Supremum(found.value, None, found.converged, limit)


def suprema(
    problem: Problem, counts: Counts, genes: IntArray, n_jobs: int | None = None
) -> FloatArray:
    """Fit some genes for the sake of their log-likelihoods.

    Parameters
    ----------
    problem : Problem
        Designs, offsets, weights.
    counts : Counts
        The data.
    genes : ndarray of int
        Which genes.
    n_jobs : int or None
        See :func:`~nbglm.parallel.threads.in_threads`.

    Returns
    -------
    ndarray, shape (len(genes),)
        Suprema of the log-likelihoods; NaN where an ascent ended early.
    """
    geometry = Geometry(problem)

    def part(some: IntArray) -> FloatArray:
        indptr, cells, values = counts.chosen(some)
        block = climb_block(
            indptr,
            cells,
            values,
            geometry.search,
            max_evaluations=MAX_EVALUATIONS,
            screen=True,
        )
        found = block.value.copy()
        for g in np.flatnonzero(block.flags):
            own = slice(indptr[g], indptr[g + 1])
            first = block.unless_separable(int(g))
            one = highest(geometry, cells[own], values[own], MAX_EVALUATIONS, first)
            found[g] = one.value if one.converged else np.nan
        return found

    parts = [genes[start : start + _GENES] for start in range(0, genes.size, _GENES)]
    return np.concatenate([np.zeros(0), *in_threads(part, parts, n_jobs)])
