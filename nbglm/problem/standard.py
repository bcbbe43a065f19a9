"""Design rows in columns of comparable size, and the way back to the user's coefficients.

Limits are directions of the user's coefficients, in which a coefficient that does not move must be
exactly 0. They are looked for in columns that are the user's own but for their units, or in the
coordinates of strata.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from nbglm.problem.basis import Basis, null_space, orthonormal_basis
from nbglm.problem.indicators import WIDE, Strata, find_strata, strata_design
from nbglm.problem.layout import Layout
from nbglm.problem.strata import Columns, StrataRows, columns_of_strata

__all__ = [
    "Matrix",
    "MeanDesign",
    "Rows",
    "block_matrix",
    "idle_directions",
    "idle_of_repeated",
    "mean_design",
    "orthonormal_columns",
    "standardised",
]

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
Rows = FloatArray | StrataRows
Matrix = Any  # of numpy or of scipy.sparse: both have the operators that are needed

_ROUNDING = 1e-12  # effect of a column in a combination, relative to the largest, that is none
_NARROW = 0.1  # range of a column, relative to its size, below which it is centred


def block_matrix(first: Matrix, second: Matrix) -> Matrix:
    """Two matrices as the blocks of one.

    Parameters
    ----------
    first, second : ndarray or sparse array
        The blocks.

    Returns
    -------
    ndarray or sparse array
        Sparse if one of them is.
    """
    if sparse.issparse(first) or sparse.issparse(second):
        return sparse.block_diag([sparse.csr_array(first), sparse.csr_array(second)]).tocsr()
    (p, x_rank), (q, z_rank) = first.shape, second.shape
    joined = np.zeros((p + q, x_rank + z_rank))  # scipy's block_diag takes a millisecond
    joined[:p, :x_rank] = first
    joined[p:, x_rank:] = second
    return joined


def standardised(
    rows: FloatArray, basis: Basis, kept: NDArray[np.bool_]
) -> tuple[FloatArray, FloatArray]:
    """Columns of comparable size and variation, and the way back to the user's coefficients.

    A column that hardly varies, such as a year, is centred where the others can make up for it:
    otherwise what tells its rows apart would drown in rounding. So would what is left of a column
    that nearly depends on the others; only that is kept of it.

    Parameters
    ----------
    rows : ndarray, shape (rows, columns)
        Design rows in the user's columns.
    basis : Basis
        Of these rows.
    kept : ndarray of bool, shape (columns,)
        Columns that take part; the others become 0.

    Returns
    -------
    rows : ndarray, shape (rows, columns)
    back : ndarray, shape (columns, columns)
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
    strata = find_strata(rows)
    if strata is not None:
        others, weight = rows[:, strata.others], np.ones(rows.shape[0])
        return strata_design(strata, strata.of_row, others, weight, rows.shape[1]).idle
    basis = orthonormal_basis(rows)
    standard, back = standardised(rows, basis, np.ones(rows.shape[1], dtype=bool))
    directions = back @ null_space(standard, basis.kept)
    effect = np.abs(directions) * np.abs(rows).max(axis=0, initial=0.0)[:, None]
    rounding = (effect > 0.0) & (effect < _ROUNDING * effect.max(axis=0, initial=0.0))
    return np.where(rounding, 0.0, directions)


def idle_of_repeated(rows: FloatArray) -> FloatArray:
    """As :func:`idle_directions`, of rows that occur many times.

    Parameters
    ----------
    rows : ndarray, shape (rows, columns)
        Design rows in the user's columns.

    Returns
    -------
    ndarray, shape (columns, d)
    """
    # To sort rows of thousands of columns takes longer than anything that it saves.
    return idle_directions(rows if rows.shape[1] >= WIDE else np.unique(rows, axis=0))


def orthonormal_columns(rows: Rows, weight: FloatArray) -> Columns:
    """Orthonormalise rows that are standardised already.

    Parameters
    ----------
    rows : ndarray or StrataRows, shape (rows, columns)
        The rows.
    weight : ndarray, shape (rows,)
        Weights of the inner product.

    Returns
    -------
    Columns
    """
    if isinstance(rows, StrataRows):
        return columns_of_strata(rows, weight)
    return Columns.of_basis(orthonormal_basis(rows, weight, prepared=True))


class MeanDesign(NamedTuple):
    """What a fit needs of the mean design.

    Attributes
    ----------
    columns : Columns
        Orthonormal columns, and the way back to the user's coefficients.
    rows, back, kept
        ``x_rows``, ``x_back`` and ``x_kept`` of a problem.
    idle : ndarray, shape (columns, aliased)
        Of strata, directions of the user's coefficients that change no prediction.
    """

    columns: Columns
    rows: Rows
    back: Matrix
    kept: BoolArray
    idle: FloatArray


def mean_design(layout: Layout, strata: Strata | None, columns: int) -> MeanDesign:
    """Orthonormalise the mean design.

    Parameters
    ----------
    layout : Layout
        Distinct rows of the user's columns; of strata their numbers, and the other columns.
    strata : Strata or None
        What was found in the whole design.
    columns : int
        Number of the user's columns.

    Returns
    -------
    MeanDesign
    """
    if strata is None:
        basis = orthonormal_basis(layout.x, layout.weight)
        rows, back = standardised(layout.x, basis, basis.kept)
        nothing = np.zeros((columns, 0))
        return MeanDesign(Columns.of_basis(basis), rows, back, basis.kept, nothing)
    of_row = layout.x[:, 0].astype(np.int64)
    design = strata_design(strata, of_row, layout.x[:, 1:], layout.weight, columns)
    found = columns_of_strata(design.rows, layout.weight)
    found = found._replace(transform=design.back @ found.transform)
    return MeanDesign(found, design.rows, design.back, design.kept, design.idle)
