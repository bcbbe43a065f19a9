"""The distinct rows of both designs, to which the cells are merged once per fit.

The mean part of the likelihood is linear in the counts, so that cells which share a row need only
their number and their sum, and the size part needs only a table of counts for each distinct row of
the dispersion design. With categorical designs the cost of an evaluation then does not grow with
the number of cells; with continuous ones nothing is lost.

Everything here is plain arrays, so that worker processes receive nothing else.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["Layout", "make_layout", "matrix_shape", "weight_unit", "with_weights_in"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_HASHING = 96  # bytes a row, more than pandas needs to number them


class Layout(NamedTuple):
    """The distinct design rows, sorted so that rows with the same dispersion stand together.

    Attributes
    ----------
    x_columns : ndarray, shape (columns, rows)
        Distinct rows of the mean design, column by column, but for strata.
    offset : ndarray, shape (rows,)
        Offset of the log mean of each row.
    z_columns : ndarray, shape (q, groups)
        Distinct rows of the dispersion design, column by column.
    size_offset : ndarray, shape (groups,)
        Offset of the log size; ``inf`` makes the group Poisson.
    weight : ndarray, shape (rows,)
        Number of cells (sum of their weights) of each row.
    row_of_cell : ndarray of int, shape (cells,)
        Where each cell went; -1 for a cell of weight 0.
    group_of_row : ndarray of int, shape (rows,)
        The dispersion row of each row.
    cell_of_row : ndarray of int, shape (rows,)
        A cell that has this row.
    cell_weight : ndarray, shape (cells,)
        Frequency weight of each cell.
    bin_of_row : ndarray of int, shape (rows,) or (0,)
        Which rows are neighbours: see :mod:`nbglm.problem.coarse`.
    stratum_of_row : ndarray of int, shape (rows,) or (0,)
        Which of the strata each row is in; -1 for none. See :mod:`nbglm.problem.strata`.
    stratum_value : ndarray, shape (strata,)
        Entry of each stratum's column on its rows. These columns come before `x_columns`.
    """

    x_columns: FloatArray
    offset: FloatArray
    z_columns: FloatArray
    size_offset: FloatArray
    weight: FloatArray
    row_of_cell: IntArray
    group_of_row: IntArray
    cell_of_row: IntArray
    cell_weight: FloatArray
    bin_of_row: IntArray
    stratum_of_row: IntArray
    stratum_value: FloatArray

    @property
    def mean_rank(self) -> int:
        """Number of coordinates of the mean."""
        return self.stratum_value.size + self.x_columns.shape[0]

    @property
    def x(self) -> FloatArray:
        """Distinct rows of the mean design, shape (rows, p); of strata a large matrix."""
        if not self.stratum_value.size:
            return self.x_columns.T
        made = np.zeros((self.weight.size, self.mean_rank))
        inside = np.flatnonzero(self.stratum_of_row >= 0)
        stratum = self.stratum_of_row[inside]
        made[inside, stratum] = self.stratum_value[stratum]
        made[:, self.stratum_value.size :] = self.x_columns.T
        return made

    def log_means(self, theta: FloatArray) -> FloatArray:
        """Linear predictors of the mean.

        Parameters
        ----------
        theta : ndarray, shape (p,) or longer
            Coordinates of the mean, and others.

        Returns
        -------
        ndarray, shape (rows,)
        """
        strata = self.stratum_value.size
        made = self.offset + self.x_columns.T @ theta[strata : self.mean_rank]
        if strata:
            # The last entry is for rows that are in no stratum.
            of_stratum = np.append(self.stratum_value * theta[:strata], 0.0)
            made += of_stratum[self.stratum_of_row]
        return made

    @property
    def z(self) -> FloatArray:
        """Distinct rows of the dispersion design, shape (groups, q)."""
        return self.z_columns.T

    def mean_coordinates(self, predictor: FloatArray) -> FloatArray:
        """Coordinates of a linear predictor of the mean, without offset, that the design can make.

        Parameters
        ----------
        predictor : ndarray, shape (rows,)
            The predictor.

        Returns
        -------
        ndarray, shape (p,)
        """
        # Orthonormal columns under the weights of the rows: products are coordinates.
        weighted = self.weight * predictor
        strata = self.stratum_value.size
        if not strata:
            return np.asarray(self.x_columns @ weighted)
        own = np.bincount(self.stratum_of_row + 1, weighted, strata + 1)[1:]
        return np.concatenate([own * self.stratum_value, self.x_columns @ weighted])


def _distinct_rows(table: FloatArray) -> tuple[IntArray, IntArray]:
    """First occurrence of each distinct row, and for every row which of them it is."""
    number = np.zeros(table.shape[0], dtype=np.int64)
    # Where memory is used up, numpy says so, whereas pandas' tables end the process.
    np.empty(_HASHING * table.shape[0], dtype=np.uint8)
    for column in table.T:
        # One column after the other, by hashing: what is equal so far gets a common number.
        codes, levels = pd.factorize(column)
        number, _ = pd.factorize(number * len(levels) + codes)
    first = np.full(int(number.max(initial=0)) + 1, table.shape[0])
    np.minimum.at(first, number, np.arange(table.shape[0]))
    return first, number


def make_layout(
    x: FloatArray,
    z: FloatArray,
    offset: FloatArray,
    weights: FloatArray | None = None,
    size_offset: FloatArray | None = None,
) -> Layout:
    """Merge the cells that share a design row.

    Parameters
    ----------
    x, z : ndarray, shape (cells, p) and (cells, q)
        Designs of log mean and log size.
    offset : ndarray, shape (cells,)
        Offset of the log mean.
    weights : ndarray, shape (cells,), optional
        Frequency weights; cells of weight 0 take no part.
    size_offset : ndarray, shape (cells,), optional
        Offset of the log size, ``inf`` for cells whose counts are Poisson.

    Returns
    -------
    Layout

    Examples
    --------
    >>> import numpy as np
    >>> one = np.ones((4, 1))
    >>> x = np.column_stack([one, [0.0, 1.0, 0.0, 1.0]])
    >>> make_layout(x, one, np.zeros(4)).weight
    array([2., 2.])
    """
    n = x.shape[0]
    # A copy, since for an array that is read-only numba would compile all kernels again.
    cell_weight = np.ones(n) if weights is None else np.array(weights, dtype=np.float64)
    z_offset = np.zeros(n) if size_offset is None else size_offset
    used = np.flatnonzero(cell_weight > 0)
    first_z, group = _distinct_rows(np.column_stack([z, z_offset])[used])
    first, row = _distinct_rows(np.column_stack([group.astype(np.float64), x[used], offset[used]]))
    order = np.argsort(group[first], kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(order.size)
    row = rank[row]
    first = first[order]
    group_of_row = group[first]
    row_of_cell = np.full(n, -1, dtype=np.int64)
    row_of_cell[used] = row
    return Layout(
        x_columns=np.ascontiguousarray(x[used][first].T),
        offset=offset[used][first].astype(np.float64),
        z_columns=np.ascontiguousarray(z[used][first_z].T),
        size_offset=z_offset[used][first_z].astype(np.float64),
        weight=np.bincount(row, cell_weight[used], first.size).astype(np.float64),
        row_of_cell=row_of_cell,
        group_of_row=group_of_row,
        cell_of_row=used[first],
        cell_weight=cell_weight,
        bin_of_row=np.zeros(0, dtype=np.int64),
        stratum_of_row=np.zeros(0, dtype=np.int64),
        stratum_value=np.zeros(0),
    )


def matrix_shape(strata: int, others: int) -> tuple[int, int]:
    """Shape of the symmetric matrices of a design: square, or arrows.

    See :mod:`nbglm.kernels.definite`.

    Parameters
    ----------
    strata, others : int
        Numbers of coordinates.

    Returns
    -------
    tuple of int
    """
    return strata + others, others + (1 if strata else 0)


def weight_unit(layout: Layout) -> float:
    """The mean weight, as the unit in which a search counts cells and log-likelihoods.

    What is close, flat or worth another start is decided by these, and a common factor of all
    weights must not change it.

    Parameters
    ----------
    layout : Layout
        The design.

    Returns
    -------
    float
        1 without weights.

    Examples
    --------
    >>> import numpy as np
    >>> one = np.ones((4, 1))
    >>> weight_unit(make_layout(one, one, np.zeros(4), np.full(4, 1e-9)))
    1e-09
    """
    cells = int(np.count_nonzero(layout.row_of_cell >= 0))
    return float(layout.weight.sum() / cells) if cells else 1.0


def with_weights_in(layout: Layout, unit: float) -> Layout:
    """The same design with weights in some unit, and columns that are orthonormal under these.

    Parameters
    ----------
    layout : Layout
        The design.
    unit : float
        The unit.

    Returns
    -------
    Layout
    """
    if unit == 1.0:
        return layout
    root = math.sqrt(unit)
    return layout._replace(
        x_columns=layout.x_columns * root,
        z_columns=layout.z_columns * root,
        stratum_value=layout.stratum_value * root,
        weight=layout.weight / unit,
        cell_weight=layout.cell_weight / unit,
    )
