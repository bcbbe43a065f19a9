"""A design of many rows as one of a few hundred: neighbouring rows merged at their mean.

The maximum of the merged problem is a start within a small fraction of a standard error, so that
two or three evaluations on all rows finish the ascent; and where many starts are needed to find
every maximum, they climb in the merged problem at a fraction of the price. No estimate is taken
from it: every ascent ends on all rows. What one gene makes of it is in :mod:`nbglm.search.merged`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbglm.problem.layout import Layout

__all__ = ["Coarse", "bins_of_rows", "coarsen", "sample_of_rows"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_WORTH_MERGING = 512  # rows
_ROWS_PER_BIN = 8
_FINENESS = 8.0  # bins for each doubling of the distance to the end of a covariate
_BINS = 64, 1024  # smallest and largest number of bins
_WORTH_SAMPLING = 1 << 15  # rows
_SAMPLED = 8  # of so many rows one
_MUCH_LOST = 0.02  # of the variance of a column
_CONSTANT = 1e-9  # range of a column, relative to the largest entry, that is rounding
_ROUNDING = 1e-20  # spread of a bin, relative to the largest, that is none
_FEW_GROUPS = 64  # so many dispersion rows keep to themselves


class Coarse(NamedTuple):
    """A merged design, and where the rows of the full one went.

    Attributes
    ----------
    layout : Layout
        The merged design, in the coordinates of the full one.
    bin_of_row : ndarray of int, shape (rows,)
        The merged row of each row.
    same_sizes : bool
        Whether the dispersion rows are those of the full design.
    """

    layout: Layout
    bin_of_row: IntArray
    same_sizes: bool


def bins_of_rows(layout: Layout) -> IntArray:
    """Which rows are close together: those that spread most are parted, again and again.

    Parameters
    ----------
    layout : Layout
        The design, in coordinates with the same length.

    Returns
    -------
    ndarray of int, shape (rows,) or (0,)
        Empty if there are too few rows for merging to pay, and for strata, which cannot be merged.

    Examples
    --------
    >>> import numpy as np
    >>> from nbglm.problem.layout import make_layout
    >>> x = np.column_stack([np.ones(4096), np.linspace(-1.0, 1.0, 4096)])
    >>> np.bincount(bins_of_rows(make_layout(x, x[:, :1], np.zeros(4096))))[:4].tolist()
    [8, 8, 8, 8]
    """
    rows, groups = layout.weight.size, layout.size_offset.size
    if rows < _WORTH_MERGING or layout.stratum_value.size:
        return np.zeros(0, dtype=np.int64)
    length = math.sqrt(layout.weight.sum())
    coordinates = [*(length * layout.x_columns), layout.offset]
    bins = np.zeros(rows, dtype=np.int64)
    wanted = int(np.clip(rows // _ROWS_PER_BIN, *_BINS))
    if groups > _FEW_GROUPS:
        sizes = layout.z_columns[:, layout.group_of_row]
        coordinates += [*(length * sizes)]
        bins = _ends_apart(sizes, _FINENESS, wanted)
    else:
        bins += layout.group_of_row
    table = np.array([column for column in coordinates if np.ptp(column) > 0.0])
    while table.size and bins.max() + 1 < wanted:
        further = _part(table, bins, wanted)
        if further is None:
            break
        bins = further
    return bins


def _ends_apart(columns: FloatArray, fineness: float, wanted: int) -> IntArray:
    """Bins of rows, the smaller the closer they are to an end of a column; no more than `wanted`.

    Few cells, those at one end of a covariate, can have a size of their own.
    """
    if fineness * np.log2(columns.shape[1]) < 1.0:
        return np.zeros(columns.shape[1], dtype=np.int64)
    columns = columns[np.ptp(columns, axis=1) > _CONSTANT * np.abs(columns).max()]
    bins = np.zeros(columns.shape[1], dtype=np.int64)
    for column in columns:
        in_order = np.sort(column)
        below = np.searchsorted(in_order, column, side="left")
        above = column.size - np.searchsorted(in_order, column, side="right")
        near = (fineness * np.log2(1.0 + np.minimum(below, above))).astype(np.int64)
        side = np.where(below < above, 0, near.max() + 1)
        bins, _ = pd.factorize((near + side) * column.size + bins)
    return bins if bins.max() < wanted else _ends_apart(columns, 0.5 * fineness, wanted)


def _part(table: FloatArray, bins: IntArray, wanted: int) -> IntArray | None:
    """Part the bins that spread most at the mean of the coordinate in which they do."""
    count = int(bins.max()) + 1
    size = np.bincount(bins)
    deviations = np.array([row - (np.bincount(bins, row) / size)[bins] for row in table])
    spread = np.array([np.bincount(bins, row * row) for row in deviations])
    widest = spread.argmax(axis=0)
    most = spread.max(axis=0)
    chosen = np.argsort(-most, kind="stable")[: wanted - count]
    chosen = chosen[most[chosen] > _ROUNDING * most.max()]
    if not chosen.size or not most.max() > 0.0:
        return None
    number = np.full(count, -1)
    number[chosen] = count + np.arange(chosen.size)
    beyond = deviations[widest[bins], np.arange(bins.size)] > 0.0
    return np.where(beyond & (number[bins] >= 0), number[bins], bins)


def coarsen(layout: Layout) -> Coarse:
    """Merge the rows of each bin.

    Parameters
    ----------
    layout : Layout
        A design whose rows have bins; those of a part of a design may be missing.

    Returns
    -------
    Coarse
        With an empty `bin_of_row` if the design has no bins.
    """
    rows = layout.bin_of_row.size
    if rows < _WORTH_MERGING:
        return Coarse(layout, layout.bin_of_row[:0], same_sizes=True)
    group = layout.group_of_row
    # Poisson groups keep apart from the others.
    keys = 2 * layout.bin_of_row + np.isinf(layout.size_offset[group])
    if layout.size_offset.size <= _FEW_GROUPS:
        keys += group * (keys.max() + 1)  # in the order of the dispersion rows
    _, first, bin_of_row = np.unique(keys, return_index=True, return_inverse=True)
    bins = first.size
    share = layout.weight / np.bincount(bin_of_row, layout.weight)[bin_of_row]

    def merged(rows: FloatArray) -> FloatArray:
        return np.bincount(bin_of_row, share * rows, bins).astype(np.float64)

    highest = np.full(bins, -np.inf)
    np.maximum.at(highest, bin_of_row, layout.offset)
    offset = highest + np.log(merged(np.exp(layout.offset - highest[bin_of_row])))
    same_sizes = bool(
        np.all(group[first][bin_of_row] == group) and np.all(np.diff(group[first]) >= 0)
    )
    if same_sizes:
        # Dispersion rows that have bins of their own stay what they are.
        z_columns, size_offset, group_of_bin = layout.z_columns, layout.size_offset, group[first]
    else:
        z_columns = np.array([merged(column[group]) for column in layout.z_columns])
        z_columns = z_columns.reshape(-1, bins)
        size_offset = merged(layout.size_offset[group])
        group_of_bin = np.arange(bins)
    row = layout.row_of_cell
    return Coarse(
        layout._replace(
            x_columns=np.array([merged(column) for column in layout.x_columns]).reshape(-1, bins),
            offset=offset,
            z_columns=z_columns,
            size_offset=size_offset,
            weight=np.bincount(bin_of_row, layout.weight, bins).astype(np.float64),
            row_of_cell=np.where(row < 0, -1, bin_of_row[row]),
            group_of_row=group_of_bin,
            cell_of_row=layout.cell_of_row[first],
            bin_of_row=layout.bin_of_row[:0],
        ),
        bin_of_row,
        same_sizes,
    )


def sample_of_rows(layout: Layout, coarse: Coarse) -> Layout:
    """Some rows of a large design of which merging loses too much.

    Rows that are close together in one or two coordinates say the same; in ten there are none.

    Parameters
    ----------
    layout : Layout
        The design.
    coarse : Coarse
        The merged design.

    Returns
    -------
    Layout
        Without rows if the merged design will do.
    """
    rows = layout.weight.size
    chosen = np.zeros(0, dtype=np.int64)
    if rows >= _WORTH_SAMPLING and coarse.bin_of_row.size and _lost(layout, coarse) > _MUCH_LOST:
        chosen = np.random.default_rng(rows).permutation(rows)[: rows // _SAMPLED]
        chosen.sort()
    groups, group_of_row = np.unique(layout.group_of_row[chosen], return_inverse=True)
    number = np.full(rows + 1, -1)  # the last entry is for cells of weight 0
    number[chosen] = np.arange(chosen.size)
    return layout._replace(
        x_columns=np.ascontiguousarray(layout.x_columns[:, chosen]),
        offset=layout.offset[chosen],
        z_columns=np.ascontiguousarray(layout.z_columns[:, groups]),
        size_offset=layout.size_offset[groups],
        weight=layout.weight[chosen],
        row_of_cell=number[layout.row_of_cell] if chosen.size else chosen,
        group_of_row=group_of_row.astype(np.int64),
        cell_of_row=layout.cell_of_row[chosen],
        bin_of_row=chosen[:0],
        stratum_of_row=chosen[:0],
        stratum_value=layout.stratum_value[:0],
    )


def _lost(layout: Layout, coarse: Coarse) -> float:
    """Largest share of the variance of a column of the mean design that merging has lost."""
    share = layout.weight / layout.weight.sum()
    most = 0.0
    for column, merged in zip(layout.x_columns, coarse.layout.x_columns, strict=True):
        deviation = column - share @ column
        left = column - merged[coarse.bin_of_row]
        most = max(most, share @ left**2 / max(share @ deviation**2, _ROUNDING))
    return most
