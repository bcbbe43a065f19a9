"""A fit with one coefficient held at a value, and the supremum of its likelihood.

Holding ``c' b = v`` replaces one column by an offset: with a pivot ``k``,
``b_k = (v - sum_{j != k} c_j b_j) / c_k``. What is left is an ordinary problem with one column
less, so that limits at infinity are found in it exactly as in any other fit.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import block_diag

from nbglm.basis import orthonormal_basis
from nbglm.boundary import resolve
from nbglm.climb import climb_block
from nbglm.problem import Problem

__all__ = ["Constraint", "Supremum", "supremum"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Constraint:
    """One of the user's coefficients, to be held at any value.

    Attributes
    ----------
    problem : Problem
        The fit without the constraint.
    position : int
        Which of the coefficients ``[beta, gamma]``; it must not be aliased.
    """

    problem: Problem
    position: int

    @property
    def _in_mean(self) -> bool:
        return self.position < self.problem.x_kept.size

    @cached_property
    def _functional(self) -> FloatArray:
        """The coefficient as a linear function of those of the standardised columns."""
        problem = self.problem
        back = block_diag(problem.x_back, problem.z_back)
        if problem.projection.size:
            back = problem.projection @ back
        c = np.where(problem.aliased, 0.0, back[self.position])
        p = problem.x_kept.size
        return np.asarray(c[:p] if self._in_mean else c[p:])

    @cached_property
    def _pivot(self) -> int:
        return int(np.argmax(np.abs(self._functional)))

    @cached_property
    def change(self) -> FloatArray:
        """Change of the predictor of each row for a unit of the coefficient."""
        rows = self.problem.x_rows if self._in_mean else self.problem.z_rows
        return np.asarray(rows[:, self._pivot] / self._functional[self._pivot])

    @cached_property
    def _reduced(self) -> Problem:
        """The problem without the pivot, at the value 0."""
        problem, c, layout = self.problem, self._functional, self.problem.layout
        without = np.arange(c.size) != self._pivot
        if self._in_mean:
            rows = np.where(without, problem.x_rows - np.outer(self.change, c), 0.0)
            basis = orthonormal_basis(rows, layout.weight)
            return problem._replace(
                layout=layout._replace(x=basis.q),
                x_rows=rows,
                x_kept=problem.x_kept & without,
                x_transform=basis.transform,
            )
        rows = np.where(without, problem.z_rows - np.outer(self.change, c), 0.0)
        weight = np.bincount(layout.group_of_row, layout.weight, rows.shape[0])
        basis = orthonormal_basis(rows, weight.astype(np.float64))
        return problem._replace(
            layout=layout._replace(z=basis.q),
            z_rows=rows,
            z_kept=problem.z_kept & without,
            z_transform=basis.transform,
        )

    def at(self, value: float) -> Problem:
        """The problem in which the coefficient has a given value.

        Parameters
        ----------
        value : float
            The coefficient, in the user's units.

        Returns
        -------
        Problem
        """
        reduced, offset = self._reduced, value * self.change
        layout = reduced.layout
        if self._in_mean:
            return reduced._replace(layout=layout._replace(offset=layout.offset + offset))
        return reduced._replace(layout=layout._replace(size_offset=layout.size_offset + offset))


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
    """

    value: float
    theta: FloatArray | None
    converged: bool


def supremum(
    problem: Problem, cells: IntArray, counts: FloatArray, max_evaluations: int
) -> Supremum:
    """Fit one gene for the sake of its log-likelihood.

    Parameters
    ----------
    problem : Problem
        Designs and offsets.
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
        indptr, cells, counts, problem.layout, max_evaluations=max_evaluations, screen=True
    )
    if not block.flags[0]:
        return Supremum(float(block.value[0]), block.theta[0], converged=True)
    fit = resolve(problem, cells, counts, max_evaluations, block.unless_separable(0))
    return Supremum(fit.value, None, fit.converged)
