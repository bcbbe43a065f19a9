"""Genes whose rows take part in a fit in the same way, and coordinates for them.

On cells whose mean is zero in the limit (a group without a count) the likelihood knows neither mean
nor size, so that they take no part; on cells at the Poisson limit there is no size to look for.
Genes for which these are the same cells share their designs, and are fitted together.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nbglm.problem.basis import Basis, null_space, orthonormal_basis

__all__ = ["Cohort", "Designs", "cohorts"]

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Designs:
    """Both designs of a fit, in the user's columns without those that are aliased.

    Attributes
    ----------
    x, z : ndarray, shape (rows, p) and (rows, q)
        Of log mean and log size.
    offset, weight : ndarray, shape (rows,)
        Offset of the log mean, and frequency weights.
    """

    x: FloatArray
    z: FloatArray
    offset: FloatArray
    weight: FloatArray


@dataclass(frozen=True)
class Cohort:
    """Genes that share the rows that take part.

    Attributes
    ----------
    designs : Designs
        Of all rows.
    genes : ndarray of int
        Their positions.
    active : ndarray of bool, shape (rows,)
        Rows with a positive mean.
    poisson : ndarray of bool, shape (rows,)
        Active rows whose size is infinite.
    """

    designs: Designs
    genes: IntArray
    active: BoolArray
    poisson: BoolArray

    @property
    def mean_basis(self) -> Basis:
        """Coordinates of the log mean, on the active rows."""
        return orthonormal_basis(self.designs.x[self.active])

    @property
    def size_basis(self) -> Basis:
        """Coordinates of the log size, on the active rows that have one."""
        return orthonormal_basis(self.designs.z[self.active & ~self.poisson])

    def size_rows(self, basis: Basis) -> FloatArray:
        """The dispersion design in these coordinates, on the active rows; 0 for the Poisson's."""
        rows = np.zeros((int(self.active.sum()), basis.q.shape[1]))
        rows[~self.poisson[self.active]] = basis.q
        return rows

    def constant(self, basis: Basis) -> FloatArray | None:
        """Coefficients of a log size of 1 on all rows that have one; None if there are none."""
        c = basis.q.sum(axis=0)
        return c if np.allclose(basis.q @ c, 1.0, rtol=0.0, atol=1e-8) else None

    def limit_direction(self) -> FloatArray | None:
        """A direction of the dispersion coefficients that moves the sizes of the Poisson's rows.

        Returns
        -------
        ndarray, shape (q,), or None
            0 for the rows that have a size, positive for the others; None if there is none.
        """
        z = self.designs.z
        if not self.poisson.any():
            return np.zeros(z.shape[1])
        still = null_space(z[self.active & ~self.poisson])
        moved = z[self.poisson] @ still
        direction = still @ np.linalg.lstsq(moved, np.ones(len(moved)), rcond=None)[0]
        size = np.abs(direction).max(initial=0.0)
        direction = np.where(np.abs(direction) < 1e-9 * size, 0.0, direction)
        if size == 0.0 or (z[self.poisson] @ direction).min() < 1e-6:
            return None
        return direction

    def with_poisson(self, rows: BoolArray) -> Cohort:
        """The same genes with more rows, of the active ones, at the Poisson limit."""
        poisson = self.poisson.copy()
        poisson[np.flatnonzero(self.active)[rows]] = True
        return replace(self, poisson=poisson)


def cohorts(designs: Designs, active: BoolArray, poisson: BoolArray) -> Iterator[Cohort]:
    """Genes in groups of the same pattern.

    Parameters
    ----------
    designs : Designs
        Of the fit.
    active, poisson : ndarray of bool, shape (genes, rows)
        Which rows have a positive mean, and an infinite size.

    Yields
    ------
    Cohort
    """
    patterns, number = np.unique(np.hstack([active, poisson]), axis=0, return_inverse=True)
    rows = active.shape[1]
    for k, pattern in enumerate(patterns):
        genes = np.flatnonzero(number.ravel() == k)
        yield Cohort(designs, genes, pattern[:rows], pattern[rows:])
