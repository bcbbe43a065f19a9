"""One gene's log-likelihood, gradient and Hessian in ``theta = [beta, gamma]``.

Cells that share a design row are merged once per fit (:class:`Layout`): the mean part of the
likelihood is linear in the counts, so such cells need only their number and their sum, and the
size part needs only a histogram of counts for each distinct row of the dispersion design. With
categorical designs the cost of an evaluation then does not grow with the number of cells; with
continuous ones nothing is lost.

Everything here takes and returns arrays, so that worker processes receive nothing else.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nbglm.compiled import entry, kernel
from nbglm.likelihood import mean_terms, size_of, size_terms

__all__ = ["GeneCounts", "Layout", "collect_counts", "evaluate", "make_layout"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_HISTOGRAM = 1024  # counts below this are merged into a histogram
_MERGE_FROM = 64  # in groups with at least so many positive counts


class Layout(NamedTuple):
    """The distinct design rows, sorted so that rows with the same dispersion stand together.

    Attributes
    ----------
    x : ndarray, shape (rows, p)
        Distinct rows of the mean design.
    offset : ndarray, shape (rows,)
        Offset of the log mean of each row.
    z : ndarray, shape (groups, q)
        Distinct rows of the dispersion design.
    size_offset : ndarray, shape (groups,)
        Offset of the log size; ``inf`` makes the group Poisson.
    bounds : ndarray of int, shape (groups + 1,)
        Rows ``bounds[k]:bounds[k + 1]`` have the dispersion row ``k``.
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
    """

    x: FloatArray
    offset: FloatArray
    z: FloatArray
    size_offset: FloatArray
    bounds: IntArray
    weight: FloatArray
    row_of_cell: IntArray
    group_of_row: IntArray
    cell_of_row: IntArray
    cell_weight: FloatArray


class GeneCounts(NamedTuple):
    """What the likelihood needs of one gene's counts.

    Attributes
    ----------
    total : ndarray, shape (rows,)
        Weighted sum of the counts of each row of the layout.
    values, multiplicity : ndarray, shape (entries,)
        The positive counts of each dispersion group and how often (by weight) each occurs.
    starts : ndarray of int, shape (groups + 1,)
        Entries ``starts[k]:starts[k + 1]`` belong to group ``k``.
    constant : float
        Sum of ``lgamma(y + 1)``.
    """

    total: FloatArray
    values: FloatArray
    multiplicity: FloatArray
    starts: IntArray
    constant: float


def _distinct_rows(table: FloatArray) -> tuple[IntArray, IntArray]:
    """First occurrence of each distinct row, and for every row which of them it is."""
    if table.shape[1] == 0:
        return np.zeros(1, dtype=np.int64), np.zeros(table.shape[0], dtype=np.int64)
    # Adding 0.0 turns -0.0 into 0.0, so that equal numbers have equal bytes.
    packed = np.ascontiguousarray(table + 0.0)
    keys = packed.view(np.dtype((np.void, packed.dtype.itemsize * packed.shape[1]))).ravel()
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    return first.astype(np.int64), inverse.ravel().astype(np.int64)


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
    cell_weight = np.ones(n) if weights is None else np.asarray(weights, dtype=np.float64)
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
    groups = first_z.size
    return Layout(
        x=np.ascontiguousarray(x[used][first]),
        offset=offset[used][first].astype(np.float64),
        z=np.ascontiguousarray(z[used][first_z]),
        size_offset=z_offset[used][first_z].astype(np.float64),
        bounds=np.searchsorted(group_of_row, np.arange(groups + 1)).astype(np.int64),
        weight=np.bincount(row, cell_weight[used], first.size).astype(np.float64),
        row_of_cell=row_of_cell,
        group_of_row=group_of_row,
        cell_of_row=used[first],
        cell_weight=cell_weight,
    )


@entry
def collect_counts(cells: IntArray, counts: FloatArray, layout: Layout) -> GeneCounts:
    """Totals and histograms of one gene, from its non-zero entries alone.

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
    rows = layout.weight.size
    groups = layout.bounds.size - 1
    total = np.zeros(rows)
    starts = np.zeros(groups + 1, dtype=np.int64)
    constant = 0.0
    for e in range(cells.size):
        row = row_of_cell[cells[e]]
        if row >= 0:
            w = cell_weight[cells[e]]
            total[row] += w * counts[e]
            starts[group_of_row[row] + 1] += 1
            if counts[e] > 1.0:
                constant += w * math.lgamma(counts[e] + 1.0)
    for k in range(groups):
        starts[k + 1] += starts[k]
    values = np.empty(starts[groups])
    multiplicity = np.empty(starts[groups])
    fill = np.empty(groups, dtype=np.int64)
    for k in range(groups):
        fill[k] = starts[k]
    for e in range(cells.size):
        row = row_of_cell[cells[e]]
        if row >= 0:
            k = group_of_row[row]
            values[fill[k]] = counts[e]
            multiplicity[fill[k]] = cell_weight[cells[e]]
            fill[k] += 1
    end = _merge_equal(values, multiplicity, starts)
    return GeneCounts(total, values[:end], multiplicity[:end], starts, constant)


@kernel
def _merge_equal(values: FloatArray, multiplicity: FloatArray, starts: IntArray) -> int:
    """Merge equal counts within each group, in place; large counts stay as they are."""
    histogram = np.zeros(_HISTOGRAM)
    end = 0
    lo = 0
    for k in range(starts.size - 1):
        hi = starts[k + 1]
        first = end
        if hi - lo < _MERGE_FROM:
            for e in range(lo, hi):
                values[end] = values[e]
                multiplicity[end] = multiplicity[e]
                end += 1
        else:
            for e in range(lo, hi):
                if values[e] < _HISTOGRAM:
                    histogram[int(values[e])] += multiplicity[e]
                else:
                    values[end] = values[e]
                    multiplicity[end] = multiplicity[e]
                    end += 1
            # There are no more distinct values than merged entries, so nothing unread is lost.
            for v in range(_HISTOGRAM):
                if histogram[v] > 0.0:
                    values[end] = v
                    multiplicity[end] = histogram[v]
                    histogram[v] = 0.0
                    end += 1
        lo = hi
        starts[k + 1] = end
        starts[k] = first
    return end


@kernel
def _size_part(zeta: float, group: int, gene: GeneCounts) -> tuple[float, float, float]:
    """Sum of :func:`~nbglm.likelihood.size_terms` over the counts of one dispersion group."""
    values = gene.values
    multiplicity = gene.multiplicity
    starts = gene.starts
    value = 0.0
    slope = 0.0
    curvature = 0.0
    r = size_of(zeta)
    for e in range(starts[group], starts[group + 1]):
        terms = size_terms(values[e], r)
        value += multiplicity[e] * terms[0]
        slope += multiplicity[e] * terms[1]
        curvature += multiplicity[e] * terms[2]
    return value, slope, curvature


@entry
def evaluate(
    theta: FloatArray, layout: Layout, gene: GeneCounts, gradient: FloatArray, hessian: FloatArray
) -> float:
    """Log-likelihood of one gene; fills its gradient and Hessian.

    Parameters
    ----------
    theta : ndarray, shape (p + q,)
        Coefficients of the log mean, then of the log size.
    layout : Layout
        The design.
    gene : GeneCounts
        The counts.
    gradient : ndarray, shape (p + q,)
        Overwritten.
    hessian : ndarray, shape (p + q, p + q)
        Overwritten, both triangles.

    Returns
    -------
    float
        The log-likelihood, with its ``lgamma(y + 1)`` terms.
    """
    x = layout.x
    z = layout.z
    offset = layout.offset
    size_offset = layout.size_offset
    bounds = layout.bounds
    weight = layout.weight
    total = gene.total
    p = x.shape[1]
    q = z.shape[1]
    for j in range(p + q):
        gradient[j] = 0.0
        for l in range(p + q):
            hessian[j, l] = 0.0
    cross = np.empty(p)
    value = -gene.constant
    for k in range(bounds.size - 1):
        zeta = size_offset[k]
        for j in range(q):
            zeta += z[k, j] * theta[p + j]
        r = size_of(zeta)
        group_value, slope, curvature = _size_part(zeta, k, gene)
        for j in range(p):
            cross[j] = 0.0
        for i in range(bounds[k], bounds[k + 1]):
            eta = offset[i]
            for j in range(p):
                eta += x[i, j] * theta[j]
            terms = mean_terms(weight[i], total[i], eta, r)
            group_value += terms[0]
            slope += terms[2]
            curvature += terms[5]
            for j in range(p):
                xj = x[i, j]
                gradient[j] += terms[1] * xj
                cross[j] += terms[4] * xj
                weighted = terms[3] * xj
                for l in range(j + 1):
                    hessian[j, l] += weighted * x[i, l]
        value += group_value
        for j in range(q):
            zj = z[k, j]
            gradient[p + j] += slope * zj
            for l in range(p):
                hessian[p + j, l] += cross[l] * zj
            for l in range(j + 1):
                hessian[p + j, p + l] += curvature * zj * z[k, l]
    for j in range(p + q):
        for l in range(j):
            hessian[l, j] = hessian[j, l]
    return value
