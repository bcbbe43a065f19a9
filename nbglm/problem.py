"""The part of a fit that all genes share, as plain arrays that travel to workers."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import block_diag

from nbglm.basis import Basis, null_space, orthonormal_basis
from nbglm.blas import one_blas_thread
from nbglm.coarse import bins_of_rows
from nbglm.layout import Layout, make_layout
from nbglm.start import Search, make_search

__all__ = ["Problem", "idle_directions", "make_problem"]

FloatArray = NDArray[np.float64]

_ROUNDING = 1e-12  # effect of a column in a combination, relative to the largest, that is none
_NARROW = 0.1  # range of a column, relative to its size, below which it is centred


class Problem(NamedTuple):
    """Designs, offsets and weights, compressed and in orthonormal coordinates.

    Attributes
    ----------
    layout : Layout
        Distinct design rows; its columns are orthonormal under the cell weights.
    x_rows, z_rows : ndarray, shape (rows, p) and (groups, q)
        The same rows in the user's columns, each scaled to a largest absolute value of 1 (and
        centred first if it hardly varies); aliased columns are zeros and take no part.
    x_back, z_back : ndarray, shape (p, p) and (q, q)
        From coefficients of these columns to coefficients of the user's.
    x_transform, z_transform : ndarray, shape (p, rank) and (q, rank)
        From orthonormal coordinates to the user's coefficients.
    x_kept, z_kept : ndarray of bool
        False for aliased columns.
    projection : ndarray, shape (p + q, p + q) or (0, 0)
        Onto the row spaces of the designs if minimum-norm coefficients are wanted; else empty.
    prepared : Search or None
        The search in this layout, if it is worth preparing for many genes.
    """

    layout: Layout
    x_rows: FloatArray
    z_rows: FloatArray
    x_back: FloatArray
    z_back: FloatArray
    x_transform: FloatArray
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
    def transform(self) -> FloatArray:
        """Map from orthonormal coordinates to all coefficients, shape ``(p + q, ranks)``."""
        (p, x_rank), (q, z_rank) = self.x_transform.shape, self.z_transform.shape
        joined = np.zeros((p + q, x_rank + z_rank))  # scipy's block_diag takes a millisecond
        joined[:p, :x_rank] = self.x_transform
        joined[p:, x_rank:] = self.z_transform
        return self.projection @ joined if self.projection.size else joined


def _standardised(
    rows: FloatArray, basis: Basis, kept: NDArray[np.bool_]
) -> tuple[FloatArray, FloatArray]:
    """Columns of comparable size and variation, and the way back to the user's coefficients.

    A column that hardly varies, such as a year, is centred where the others can make up for it:
    otherwise what tells its rows apart would drown in rounding. So would what is left of a column
    that nearly depends on the others; only that is kept of it.
    """
    columns = rows.shape[1]
    middle = np.zeros(columns)
    back = np.eye(columns)
    if rows.shape[0]:
        largest, smallest = rows.max(axis=0), rows.min(axis=0)
        size = np.maximum(np.abs(largest), np.abs(smallest))
        spread = largest - smallest
        narrow = kept & ~basis.close & (spread > 0.0) & (spread < _NARROW * size)
        wide = ~basis.close & ~narrow
        constant = np.linalg.lstsq(rows[:, wide], np.ones(rows.shape[0]), rcond=None)[0]
        if narrow.any() and np.allclose(rows[:, wide] @ constant, 1.0, rtol=0.0, atol=1e-9):
            constant[np.abs(constant) < 1e-9] = 0.0
            middle = np.where(narrow, 0.5 * (largest + smallest), 0.0)
            back[wide] -= np.outer(constant, middle)
    centred = np.where(kept, rows - middle, 0.0)
    place = np.cumsum(basis.kept) - 1
    for j in np.flatnonzero(basis.close):
        centred[:, j], back[:, j] = basis.q[:, place[j]], basis.transform[:, place[j]]
    scale = np.abs(centred).max(axis=0, initial=0.0)
    scale[scale == 0.0] = 1.0
    return centred / scale, back / scale


def idle_directions(rows: FloatArray) -> FloatArray:
    """Directions of the coefficients that change no prediction on some rows.

    Parameters
    ----------
    rows : ndarray, shape (rows, columns)
        Design rows in the user's columns.

    Returns
    -------
    ndarray, shape (columns, d)

    Examples
    --------
    >>> import numpy as np
    >>> idle_directions(np.array([[1.0, 1.0], [1.0, 1.0]]))
    array([[-1.],
           [ 1.]])
    """
    basis = orthonormal_basis(rows)
    standard, back = _standardised(rows, basis, np.ones(rows.shape[1], dtype=bool))
    directions = back @ null_space(standard, basis.kept)
    effect = np.abs(directions) * np.abs(rows).max(axis=0, initial=0.0)[:, None]
    rounding = (effect > 0.0) & (effect < _ROUNDING * effect.max(axis=0, initial=0.0))
    return np.where(rounding, 0.0, directions)


def _row_space_projection(rows: FloatArray) -> FloatArray:
    """Projection onto the row space; the other directions change no prediction."""
    idle = idle_directions(rows)
    return np.asarray(np.eye(rows.shape[1]) - idle @ np.linalg.pinv(idle))


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
    layout = make_layout(x, z, offset, weights)
    groups = layout.size_offset.size
    x_basis = orthonormal_basis(layout.x, layout.weight)
    z_basis = orthonormal_basis(
        layout.z, np.bincount(layout.group_of_row, layout.weight, groups).astype(np.float64)
    )
    x_rows, x_back = _standardised(layout.x, x_basis, x_basis.kept)
    z_rows, z_back = _standardised(layout.z, z_basis, z_basis.kept)
    orthonormal = layout._replace(
        x_columns=np.ascontiguousarray(x_basis.q.T),
        z_columns=np.ascontiguousarray(z_basis.q.T),
    )
    orthonormal = orthonormal._replace(bin_of_row=bins_of_rows(orthonormal))
    return Problem(
        layout=orthonormal,
        x_rows=x_rows,
        z_rows=z_rows,
        x_back=x_back,
        z_back=z_back,
        x_transform=x_basis.transform,
        z_transform=z_basis.transform,
        x_kept=x_basis.kept,
        z_kept=z_basis.kept,
        projection=np.asarray(
            block_diag(_row_space_projection(layout.x), _row_space_projection(layout.z))
            if minimum_norm
            else np.zeros((0, 0))
        ),
        prepared=make_search(orthonormal),
    )
