"""The part of a fit that all genes share, as plain arrays that travel to workers."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from nbglm.parallel.blas import one_blas_thread
from nbglm.problem.basis import orthonormal_basis
from nbglm.problem.coarse import bins_of_rows
from nbglm.problem.indicators import Strata, find_strata
from nbglm.problem.layout import Layout, make_layout
from nbglm.problem.standard import (
    Matrix,
    Rows,
    block_matrix,
    idle_directions,
    mean_design,
    standardised,
)
from nbglm.problem.start import Search, make_search

__all__ = ["Problem", "distinct_design_rows", "make_problem"]

FloatArray = NDArray[np.float64]

_ROUNDING = 1e-9  # of a difference, relative to its terms


class Problem(NamedTuple):
    """Designs, offsets and weights, compressed and in orthonormal coordinates.

    Attributes
    ----------
    layout : Layout
        Distinct design rows; its columns are orthonormal under the cell weights.
    x_rows, z_rows : ndarray or StrataRows, shape (rows, p) and (groups, q)
        The same rows in the user's columns, each scaled to a largest absolute value of 1 (and
        centred first if it hardly varies); aliased columns are zeros and take no part. A mean
        design with strata has coordinates of its own in their place (:mod:`nbglm.problem.strata`).
    x_back, z_back : ndarray or sparse array, shape (p, p) and (q, q)
        From coefficients of these columns to coefficients of the user's.
    x_transform, z_transform : ndarray or sparse array, shape (p, rank) and (q, rank)
        From orthonormal coordinates to the user's coefficients.
    x_kept, z_kept : ndarray of bool
        False for aliased columns.
    projection : ndarray, shape (p + q, p + q) or (0, 0)
        Onto the row spaces of the designs if minimum-norm coefficients are wanted; else empty.
    prepared : Search or None
        The search in this layout, if it is worth preparing for many genes.
    """

    layout: Layout
    x_rows: Rows
    z_rows: FloatArray
    x_back: Matrix
    z_back: FloatArray
    x_transform: Matrix
    z_transform: FloatArray
    x_kept: NDArray[np.bool_]
    z_kept: NDArray[np.bool_]
    projection: FloatArray
    prepared: Search | None

    @property
    def search(self) -> Search:
        """Where the maxima are looked for."""
        return self.prepared or make_search(self.layout)

    def relaid(self, layout: Layout) -> Problem:
        """The same problem in another layout."""
        return self._replace(layout=layout, prepared=None)

    @property
    def aliased(self) -> NDArray[np.bool_]:
        """Which of the coefficients ``[beta, gamma]`` are aliased in the design."""
        return ~np.concatenate([self.x_kept, self.z_kept])

    @property
    def back(self) -> Matrix:
        """Map from the columns of the rows to all coefficients."""
        return block_matrix(self.x_back, self.z_back)

    @property
    def transform(self) -> Matrix:
        """Map from orthonormal coordinates to all coefficients, shape ``(p + q, ranks)``."""
        joined = block_matrix(self.x_transform, self.z_transform)
        return self.projection @ joined if self.projection.size else joined

    def directions(self, of_rows: FloatArray) -> FloatArray:
        """Directions in the columns of the rows as those of the user's coefficients.

        Parameters
        ----------
        of_rows : ndarray, shape (columns,) or (columns, directions)
            The directions.

        Returns
        -------
        ndarray, shape (p + q,) or (p + q, directions)
        """
        back = self.back
        made = np.asarray(back @ of_rows)
        if not sparse.issparse(back):
            return made
        # Coefficients of strata are differences: what is left of equal ones is rounding.
        terms = abs(back) @ np.abs(of_rows)
        return np.where(np.abs(made) < _ROUNDING * terms, 0.0, made)

    def reach(self, direction: FloatArray) -> tuple[float, float]:
        """How far the row moves along a direction, in their columns, that moves the most.

        Parameters
        ----------
        direction : ndarray, shape (columns,)
            The direction.

        Returns
        -------
        tuple of float
            Of the mean and of the size.
        """
        p = self.x_rows.shape[1]
        along = self.x_rows @ direction[:p], self.z_rows @ direction[p:]
        mean, size = (float(np.abs(part).max(initial=0.0)) for part in along)
        return mean, size

    def coordinates(self, coefficients: FloatArray) -> FloatArray:
        """Orthonormal coordinates of the user's coefficients.

        Parameters
        ----------
        coefficients : ndarray, shape (p + q, vectors)
            Coefficients, 0 for aliased columns.

        Returns
        -------
        ndarray, shape (ranks, vectors)
        """
        if not sparse.issparse(self.transform):
            return np.asarray(np.linalg.lstsq(self.transform, coefficients, rcond=None)[0])
        from scipy.sparse.linalg import splu

        # Kept columns are as many as coordinates.
        kept = ~self.aliased
        square = sparse.csc_array(self.transform[kept])
        return np.asarray(splu(square).solve(coefficients[kept]))


def _projection(idle: FloatArray) -> FloatArray:
    """Projection onto the row space; directions outside change no prediction."""
    return np.asarray(np.eye(idle.shape[0]) - idle @ np.linalg.pinv(idle))


def distinct_design_rows(
    x: FloatArray, z: FloatArray, offset: FloatArray, weights: FloatArray | None = None
) -> tuple[Strata | None, Layout]:
    """Merge the cells that share a design row.

    Parameters
    ----------
    x, z, offset, weights
        As for :func:`make_problem`.

    Returns
    -------
    strata : Strata or None
        Strata of the mean design, if that has any.
    layout : Layout
        Distinct rows in the user's columns. Of strata only their numbers are there, in the first
        column of the mean, and the other columns.
    """
    strata = find_strata(x)
    keys = x if strata is None else np.column_stack([strata.of_row, x[:, strata.others]])
    return strata, make_layout(keys, z, offset, weights)


@one_blas_thread
def make_problem(
    x: FloatArray,
    z: FloatArray,
    offset: FloatArray,
    weights: FloatArray | None = None,
    *,
    minimum_norm: bool = False,
) -> Problem:
    """Compress and orthonormalise the designs.

    Parameters
    ----------
    x, z : ndarray, shape (cells, p) and (cells, q)
        Designs of log mean and log size in the user's columns.
    offset : ndarray, shape (cells,)
        Offset of the log mean.
    weights : ndarray, shape (cells,), optional
        Frequency weights.
    minimum_norm : bool
        Share the coefficients of aliased columns out evenly (the smallest norm) instead of
        dropping the later columns.

    Returns
    -------
    Problem

    Examples
    --------
    >>> import numpy as np
    >>> x = np.column_stack([np.ones(6), np.arange(6) % 2])
    >>> problem = make_problem(x, np.ones((6, 1)), np.zeros(6))
    >>> problem.layout.weight
    array([3., 3.])
    """
    strata, layout = distinct_design_rows(x, z, offset, weights)
    groups = layout.size_offset.size
    z_basis = orthonormal_basis(
        layout.z, np.bincount(layout.group_of_row, layout.weight, groups).astype(np.float64)
    )
    z_rows, z_back = standardised(layout.z, z_basis, z_basis.kept)
    mean = mean_design(layout, strata, x.shape[1])
    projection = np.zeros((0, 0))
    if minimum_norm:
        idle = idle_directions(layout.x) if strata is None else mean.idle
        projection = block_matrix(_projection(idle), _projection(idle_directions(layout.z)))
    orthonormal = mean.columns.in_place_of(layout)
    orthonormal = orthonormal._replace(z_columns=np.ascontiguousarray(z_basis.q.T))
    orthonormal = orthonormal._replace(bin_of_row=bins_of_rows(orthonormal))
    return Problem(
        layout=orthonormal,
        x_rows=mean.rows,
        z_rows=z_rows,
        x_back=mean.back,
        z_back=z_back,
        x_transform=mean.columns.transform,
        z_transform=z_basis.transform,
        x_kept=mean.kept,
        z_kept=z_basis.kept,
        projection=projection,
        prepared=make_search(orthonormal),
    )
