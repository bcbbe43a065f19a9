"""What the likelihood needs of one gene's counts, from its non-zero entries alone.

Counts that share a size are tabulated by how many lie above 1, above 2, ...: a sum over all counts
``y`` of sums over ``j < y`` is one sum over ``j``. Counts that are too large for that to pay, and
all counts of designs with hardly two cells to a size, are kept one by one. So are all counts of
genes with large ones, each with the mean count of its row: see :mod:`nbglm.kernels.deviance`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from nbglm.kernels.compiled import kernel, reduction
from nbglm.kernels.deviance import LARGE, log_height
from nbglm.problem.layout import Layout

__all__ = ["GeneCounts", "collect_counts"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_TABLE = 1024  # largest count that may be tabulated
_CELLS_PER_GROUP = 4  # below which counts are not tabulated
_SINGLE = 8.0  # cost of a count by itself, in entries of a table
_STAIRS = 18  # counts are in order up to here, as nbglm.kernels.sizeterms.count_terms wants them
_LOG_FACTORIAL = gammaln(np.arange(_TABLE + 1) + 1.0)
_SILENT = 1e-12  # share of the weight of a row that is rounding
_EXPONENTIAL = 3.0  # rounding of a mean, in units of 1e-14
_PREDICTOR = 1e-14  # rounding of a linear predictor


class GeneCounts(NamedTuple):
    """Counts of one gene, merged.

    Attributes
    ----------
    total : ndarray, shape (rows,)
        Weighted sum of the counts of each row of the layout.
    positive : ndarray, shape (groups,)
        Weight of the cells of each dispersion group whose count is positive.
    above : ndarray
        For each group a table: how many counts (by weight) are above 1, above 2, ...
    starts : ndarray of int, shape (groups + 1,)
        Entries ``starts[k]:starts[k + 1]`` of `above` belong to group ``k``.
    values, multiplicity : ndarray, shape (singles,)
        Counts of 2 or more that are not in the tables, in ascending order up to 17, and how often
        (by weight) each occurs. If there are large ones: all counts, those of 0 first.
    group : ndarray of int, shape (singles,)
        Their dispersion groups.
    centre : ndarray, shape (singles,) or (0,)
        If there are large counts, the mean counts of their rows.
    square : float
        Weighted sum of the squares of all counts.
    constant : float
        Sum of ``lgamma(y + 1)``; of what this has beyond ``y log y - y`` if there are large counts.
    magnitude : float
        Size of what cancels in the log-likelihood.
    resolution : float
        Squared distance from the maximum, in standard errors, that rounding leaves.
    """

    total: FloatArray
    positive: FloatArray
    above: FloatArray
    starts: IntArray
    values: FloatArray
    multiplicity: FloatArray
    group: IntArray
    centre: FloatArray
    square: float
    constant: float
    magnitude: float
    resolution: float


@kernel
def _log_factorial(y: float) -> float:
    return _LOG_FACTORIAL[int(y)] if y <= _TABLE else math.lgamma(y + 1.0)


@kernel
def _table_length(histogram: FloatArray) -> int:
    """Up to which count a table is cheaper than the counts one by one."""
    length = histogram.size - 1
    best = float(length)
    singles = 0.0
    found = length
    while length > 0:
        if histogram[length] > 0.0:
            singles += _SINGLE
        length -= 1
        if length + singles < best:
            best = length + singles
            found = length
    return found if found > 1 else 0


@kernel
def _tabulate(
    histograms: FloatArray,
    starts: IntArray,
    values: FloatArray,
    multiplicity: FloatArray,
    group: IntArray,
    single: int,
) -> tuple[FloatArray, int]:
    """Turn histograms into tables; counts too large for them join the `single` ones before."""
    groups, width = histograms.shape
    above = np.empty(groups * width)
    end = 0
    for k in range(groups):
        length = _table_length(histograms[k])
        for y in range(max(length + 1, 2), width):
            if histograms[k, y] > 0.0:
                values[single] = y
                multiplicity[single] = histograms[k, y]
                group[single] = k
                single += 1
        more = 0.0
        for y in range(length, 1, -1):
            more += histograms[k, y]
            above[end + y - 2] = more
        end += max(length - 1, 0)
        starts[k + 1] = end
    return above[:end], single


@kernel
def _in_order(
    values: FloatArray, multiplicity: FloatArray, group: IntArray
) -> tuple[FloatArray, FloatArray, IntArray]:
    """Sort singles by their counts, of which all from 17 on are alike."""
    first = np.zeros(_STAIRS + 1, dtype=np.int64)
    for e in range(values.size):
        first[int(min(values[e], _STAIRS - 1.0)) + 1] += 1
    for y in range(_STAIRS):
        first[y + 1] += first[y]
    new_values = np.empty(values.size)
    new_multiplicity = np.empty(values.size)
    new_group = np.empty(values.size, dtype=np.int64)
    for e in range(values.size):
        y = int(min(values[e], _STAIRS - 1.0))
        new_values[first[y]] = values[e]
        new_multiplicity[first[y]] = multiplicity[e]
        new_group[first[y]] = group[e]
        first[y] += 1
    return new_values, new_multiplicity, new_group


@reduction
def _sum_of_squares(counts: FloatArray) -> float:
    total = 0.0
    for e in range(counts.size):
        total += counts[e] * counts[e]
    return total


@kernel
def _add_silent(
    layout: Layout,
    heard: FloatArray,
    values: FloatArray,
    multiplicity: FloatArray,
    place: IntArray,
    single: int,
) -> int:
    """Let a count of 0 join the singles for every row that has some."""
    for row in range(heard.size):
        silent = layout.weight[row] - heard[row]
        if silent > _SILENT * layout.weight[row]:
            values[single] = 0.0
            multiplicity[single] = silent
            place[single] = row
            single += 1
    return single


@kernel
def _centre(place: IntArray, total: FloatArray, layout: Layout) -> FloatArray:
    """Mean counts of the rows of all singles, which are replaced by their groups."""
    centre = np.empty(place.size)
    for e in range(place.size):
        row = place[e]
        centre[e] = total[row] / layout.weight[row]
        place[e] = layout.group_of_row[row]
    return centre


@kernel
def collect_counts(cells: IntArray, counts: FloatArray, layout: Layout) -> GeneCounts:
    """Totals and tables of one gene.

    Parameters
    ----------
    cells, counts : ndarray, shape (nonzeros,)
        Cell numbers and counts.
    layout : Layout
        Where each cell belongs.

    Returns
    -------
    GeneCounts
    """
    row_of_cell = layout.row_of_cell
    group_of_row = layout.group_of_row
    cell_weight = layout.cell_weight
    rows, groups = layout.weight.size, layout.size_offset.size
    large = _sum_of_squares(counts) > (0.5 * LARGE) ** 2 * row_of_cell.size
    total = np.zeros(rows)
    heard = np.zeros(rows if large else 0)
    positive = np.zeros(groups)
    starts = np.zeros(groups + 1, dtype=np.int64)
    tables = row_of_cell.size >= _CELLS_PER_GROUP * groups and not large
    width = _width(counts) if tables else 0
    tables = tables and groups * width <= 32 * cells.size + _TABLE
    histograms = np.zeros((groups if tables else 0, width))
    values = np.empty(cells.size + heard.size)
    multiplicity = np.empty(values.size)
    place = np.empty(values.size, dtype=np.int64)  # their groups, or rows if there are large ones
    single = np.int64(0)
    square = 0.0
    constant = 0.0
    heaviest = 0.0
    for e in range(cells.size):
        row = row_of_cell[cells[e]]
        if row < 0:
            continue
        w = cell_weight[cells[e]]
        y = counts[e]
        k = group_of_row[row] if groups > 1 else 0
        total[row] += w * y
        positive[k] += w
        square += w * y * y
        if tables and y < width:
            histograms[k, int(y)] += w
        elif y > 1.0 or large:
            constant += w * (log_height(y) if large else _log_factorial(y))
            values[single] = y
            multiplicity[single] = w
            place[single] = row if large else k
            single += 1
            if large:
                heard[row] += w
                heaviest = max(heaviest, w)
    above = np.empty(0)
    if tables:
        for k in range(groups):
            for y in range(2, width):
                constant += histograms[k, y] * _LOG_FACTORIAL[y]
        above, single = _tabulate(histograms, starts, values, multiplicity, place, single)
    single = _add_silent(layout, heard, values, multiplicity, place, single)
    values, multiplicity, place = _in_order(values[:single], multiplicity[:single], place[:single])
    centre = _centre(place[: single if large else 0], total, layout)
    everything = np.sum(total) if large else 0.0
    return GeneCounts(
        total,
        positive,
        above,
        starts,
        values,
        multiplicity,
        place,
        centre,
        square,
        constant,
        2.0 * constant + _EXPONENTIAL * math.sqrt(heaviest * everything),
        everything * _PREDICTOR**2,
    )


@kernel
def _width(counts: FloatArray) -> int:
    """One more than the largest count that may be tabulated."""
    largest = 0.0
    for e in range(counts.size):
        largest = max(largest, min(counts[e], _TABLE + 0.0))
    return int(largest) + 1
