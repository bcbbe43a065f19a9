"""Strata among the columns of a design, and what they make of the user's coefficients.

The columns of a factor with a thousand levels are indicators that have no row in common. Found from
the numbers alone they serve whatever formula made them: with an intercept or without, beside other
factors, nested in one, or as columns of the user's own.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from nbglm.problem.basis import Basis, orthonormal_basis
from nbglm.problem.strata import StrataRows, deviations

__all__ = ["WIDE", "Strata", "StrataDesign", "find_strata", "strata_design"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

WIDE = 200
"""Columns from which on strata are worth looking for."""

_PIECE = 256  # rows looked at together
_MOST = 0.5  # share of the columns that must be indicators of strata
_ROUNDING = 6.0 * 2.0**-53  # of a column that is constant in each stratum, relative to its length
_NOTHING = 1e-12  # effect of a column in a combination, relative to the largest, that is rounding
_NARROW = 0.1  # range of a column, relative to its size, below which it is centred


class Strata(NamedTuple):
    """Which rows of a design its indicator columns tell apart.

    Attributes
    ----------
    of_row : ndarray of int, shape (rows,)
        Stratum of each row.
    column : ndarray of int, shape (strata,)
        Indicator column of each stratum; -1 for the one that is left, which has none.
    others : ndarray of int
        The other columns.
    constant : int
        One of these that is constant, if a stratum has no column; otherwise -1.
    """

    of_row: IntArray
    column: IntArray
    others: IntArray
    constant: int


def find_strata(design: FloatArray) -> Strata | None:
    """Look for as many indicator columns without a row in common as possible.

    Of levels and of interactions that are nested in them, those of fewer rows are more; of two
    crossed factors, those that stand together.

    Parameters
    ----------
    design : ndarray, shape (rows, columns)
        Design in the user's columns.

    Returns
    -------
    Strata or None
        None if the design is narrow, or most of its columns are something else.

    Examples
    --------
    >>> import numpy as np
    >>> level = np.arange(600) % 300
    >>> x = np.column_stack([np.ones(600), level[:, None] == np.arange(1, 300)])
    >>> strata = find_strata(x)
    >>> strata.column.size, strata.column[strata.of_row[:2]].tolist(), strata.others.tolist()
    (300, [-1, 1], [0])
    >>> find_strata(x[:, :50]) is None
    True
    """
    rows, columns = design.shape
    if columns < WIDE:
        return None
    indicators, row, column = _indicator_entries(design)
    if indicators.sum() < _MOST * columns:
        return None
    count = np.bincount(column, minlength=columns)
    rows_of = np.split(row[np.argsort(column, kind="stable")], np.cumsum(count)[:-1])
    partial = np.flatnonzero((count > 0) & (count < rows))
    rarest = partial[np.argsort(count[partial], kind="stable")]
    of_row, chosen = max(
        (_disjoint(order, rows_of, rows) for order in (rarest, partial)),
        key=lambda found: len(found[1]),
    )
    others = np.setdiff1d(np.arange(columns), chosen)
    constant = -1
    if (of_row < 0).any():
        left = design[:, others]
        constants = others[((left == left[0]).all(axis=0)) & (left[0] != 0.0)]
        if not constants.size:
            return None
        constant = int(constants[0])
        of_row[of_row < 0] = len(chosen)
        chosen.append(-1)
    if len(chosen) < _MOST * columns:
        return None
    return Strata(of_row, np.array(chosen), others, constant)


def _disjoint(order: IntArray, rows_of: list[IntArray], rows: int) -> tuple[IntArray, list[int]]:
    """Columns without a row in common, taken in an order, and which of them each row is in."""
    of_row = np.full(rows, -1, dtype=np.int64)
    chosen: list[int] = []
    for j in order:
        inside = rows_of[j]
        if (of_row[inside] < 0).all():
            of_row[inside] = len(chosen)
            chosen.append(int(j))
    return of_row, chosen


def _indicator_entries(design: FloatArray) -> tuple[BoolArray, IntArray, IntArray]:
    """Which columns hold nothing but 0 and 1, and the rows and columns of their ones."""
    indicators = np.ones(design.shape[1], dtype=bool)
    rows_of: list[IntArray] = []
    columns_of: list[IntArray] = []
    for lo in range(0, design.shape[0], _PIECE):
        piece = design[lo : lo + _PIECE]
        one = piece == 1.0
        indicators &= (one | (piece == 0.0)).all(axis=0)
        row, column = (one & indicators).nonzero()
        rows_of.append(lo + row)
        columns_of.append(column)
    row, column = np.concatenate(rows_of), np.concatenate(columns_of)
    still = indicators[column]
    return indicators, row[still], column[still]


class StrataDesign(NamedTuple):
    """A design in the user's columns by its strata.

    Attributes
    ----------
    rows : StrataRows
        Its rows in their coordinates.
    back : sparse array, shape (columns, coordinates)
        From coefficients of these coordinates to those of the user's columns.
    kept : ndarray of bool, shape (columns,)
        False for aliased columns.
    idle : ndarray, shape (columns, aliased)
        Directions that change no prediction, one for each aliased column.
    """

    rows: StrataRows
    back: sparse.csr_array
    kept: BoolArray
    idle: FloatArray


def strata_design(
    strata: Strata, of_row: IntArray, others: FloatArray, weight: FloatArray, columns: int
) -> StrataDesign:
    """Coordinates of a design with strata, and which of its columns are aliased.

    Parameters
    ----------
    strata : Strata
        What was found in the whole design.
    of_row : ndarray of int, shape (rows,)
        Stratum of each row that is used.
    others : ndarray, shape (rows, other columns)
        The other columns of these rows.
    weight : ndarray, shape (rows,)
        Weights of the inner product.
    columns : int
        Number of the user's columns.

    Returns
    -------
    StrataDesign
    """
    there, stratum = np.unique(of_row, return_inverse=True)
    within, means = deviations(others, stratum, there.size, weight)
    root = np.sqrt(weight)[:, None]
    left, whole = (np.linalg.norm(root * values, axis=0) for values in (within, others))
    within[:, left <= _ROUNDING * whole] = 0.0
    basis = orthonormal_basis(within, weight)
    indicators = _indicators(strata, there, others, columns)
    further, of_others, of_strata = _others(others, means, basis)
    place = sparse.csr_array(
        (np.ones(strata.others.size), (strata.others, np.arange(strata.others.size))),
        shape=(columns, strata.others.size),
    )
    back = sparse.hstack([indicators, place @ of_others - indicators @ of_strata]).tocsr()
    dependent = ~basis.kept
    if (there == strata.column.size - 1).any() and strata.constant >= 0:
        dependent[strata.others == strata.constant] = False  # it makes up for an indicator
    references = StrataRows(stratum, there.size, others).references()[:-1]
    multiples = basis.transform @ (basis.q.T @ (weight[:, None] * within[:, dependent]))
    constants = references[:, dependent] - references @ multiples
    idle = place[:, np.flatnonzero(dependent)].toarray()
    idle -= place @ multiples + indicators @ constants
    empty = np.setdiff1d(strata.column, [-1, *strata.column[there]])
    size = np.ones(columns)
    size[strata.others] = np.abs(others).max(axis=0)
    size[size == 0.0] = 1.0
    aliased, idle = _last_columns(size[:, None] * idle, empty)
    idle *= size[aliased] / size[:, None]
    back = _without_rounding(back - sparse.csr_array(idle) @ back[aliased], size)
    kept = np.ones(columns, dtype=bool)
    kept[aliased] = False
    return StrataDesign(StrataRows(stratum, there.size, further), back, kept, idle)


def _indicators(
    strata: Strata, there: IntArray, others: FloatArray, columns: int
) -> sparse.csr_array:
    """The indicators of the strata that are there as multiples of the user's columns."""
    column = strata.column[there]
    own = np.flatnonzero(column >= 0)
    made = sparse.lil_array((columns, there.size))
    made[column[own], own] = 1.0
    for last in np.flatnonzero(column < 0):
        value = others[0, strata.others == strata.constant]
        made[strata.constant, last] = 1.0 / value[0]
        made[column[own], last] = -1.0
    return made.tocsr()


def _others(
    others: FloatArray, means: FloatArray, basis: Basis
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """The other columns, centred if they hardly vary, and scaled.

    Of a column that nearly depends on those before it only what these leave is kept. Returns the
    columns, and what they are: multiples of the given ones, less constants in the strata.
    """
    chosen = np.flatnonzero(basis.kept)
    largest, smallest = others.max(axis=0), others.min(axis=0)
    size = np.maximum(np.abs(largest), np.abs(smallest))
    middle = np.where(largest - smallest < _NARROW * size, 0.5 * (largest + smallest), 0.0)
    further = (others - middle)[:, chosen]
    of_others = np.eye(others.shape[1])[:, chosen]
    of_strata = np.tile(middle[chosen], (means.shape[0], 1))
    for k in np.flatnonzero(basis.close[chosen]):
        further[:, k] = basis.q[:, k]
        of_others[:, k] = basis.transform[:, k]
        of_strata[:, k] = means @ basis.transform[:, k]
    scale = np.abs(further).max(axis=0, initial=0.0)
    return further / scale, of_others / scale, of_strata / scale


def _without_rounding(back: sparse.csr_array, size: FloatArray) -> sparse.csr_array:
    """Drop multiples of columns of those sizes that are rounding."""
    entries = back.tocoo()
    effect = np.abs(entries.data) * size[entries.row]
    largest = np.zeros(back.shape[1])
    np.maximum.at(largest, entries.col, effect)
    stays = effect > _NOTHING * largest[entries.col]
    kept = (entries.data[stays], (entries.row[stays], entries.col[stays]))
    return sparse.csr_array(kept, shape=back.shape)


def _last_columns(idle: FloatArray, empty: IntArray) -> tuple[IntArray, FloatArray]:
    """Choose the aliased columns of some directions, the later ones, and solve for each.

    Parameters
    ----------
    idle : ndarray, shape (columns, directions)
        Directions that change no prediction, for columns of size 1.
    empty : ndarray of int
        Columns that are 0, of which the directions take no notice.

    Returns
    -------
    aliased : ndarray of int
    idle : ndarray, shape (columns, aliased)
        Directions of the same space: 1 in one of the aliased columns and 0 in the others.
    """
    idle = idle / np.abs(idle).max(axis=0, initial=0.0)
    idle[np.abs(idle) < _NOTHING] = 0.0
    found = np.zeros((idle.shape[0], 0))
    aliased: list[int] = []
    for j in range(idle.shape[0] - 1, -1, -1):
        if not idle.shape[1]:
            break
        best = int(np.argmax(np.abs(idle[j])))
        if abs(idle[j, best]) < _NOTHING:
            continue
        pivot = idle[:, best] / idle[j, best]
        idle = np.delete(idle, best, axis=1)
        idle -= np.outer(pivot, idle[j])
        found -= np.outer(pivot, found[j])
        found = np.column_stack([found, pivot])
        aliased.append(j)
    units = np.zeros((idle.shape[0], empty.size))
    units[empty, np.arange(empty.size)] = 1.0
    return np.array([*aliased, *empty], dtype=np.int64), np.hstack([found, units])
