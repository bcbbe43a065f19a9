"""The merged problem of one gene: its counts in the merged design.

Where sizes differ, a few cells with counts can make a maximum of their own, which merging would
hide. Unless a gene has many, its rows with a count then stay as they are.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nbglm.kernels.compiled import kernel
from nbglm.problem.coarse import Coarse
from nbglm.problem.layout import Layout
from nbglm.problem.tally import GeneCounts, collect_counts

__all__ = ["has_counts_everywhere", "merged_problem"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_NO_WEIGHT = 1e-9  # share of the weight of a bin that is rounding


@kernel
def _copy_row(source: Layout, i: int, target: Layout, to: int, weight: float) -> None:
    """Copy one row with another weight, and its size if the target has one for each row."""
    group = source.group_of_row[i]
    target.weight[to] = weight
    target.offset[to] = source.offset[i]
    for j in range(source.x_columns.shape[0]):
        target.x_columns[j, to] = source.x_columns[j, i]
    if target.group_of_row[to] >= 0:
        target.size_offset[to] = source.size_offset[group]
        for j in range(source.z_columns.shape[0]):
            target.z_columns[j, to] = source.z_columns[j, group]
    else:
        target.group_of_row[to] = group


@kernel
def _merge_silent(cells: IntArray, gene: GeneCounts, layout: Layout, coarse: Coarse) -> Layout:
    """Rows with a count as they are, and the bins of what else there is."""
    number = np.full(layout.weight.size, -1)
    silent = coarse.layout.weight.copy()
    rows = 0
    for i in range(number.size):
        if gene.total[i] > 0.0:
            number[i] = rows
            rows += 1
            silent[coarse.bin_of_row[i]] -= layout.weight[i]
    bins = rows
    for b in range(silent.size):
        if silent[b] < _NO_WEIGHT * coarse.layout.weight[b]:
            silent[b] = 0.0
        rows += silent[b] > 0.0
    # Only cells with a count are ever asked for.
    row_of_cell = np.empty(layout.row_of_cell.size, dtype=np.int64)
    for cell in cells:
        i = layout.row_of_cell[cell]
        row_of_cell[cell] = number[i] if i >= 0 else -1
    own = not coarse.same_sizes
    new = Layout(
        np.empty((layout.x_columns.shape[0], rows)),
        np.empty(rows),
        np.empty((layout.z_columns.shape[0], rows)) if own else layout.z_columns,
        np.empty(rows) if own else layout.size_offset,
        np.empty(rows),
        row_of_cell,
        np.arange(rows) if own else np.full(rows, -1),
        layout.cell_of_row,
        layout.cell_weight,
        layout.bin_of_row,
        layout.stratum_of_row,
        layout.stratum_value,
    )
    for i in range(number.size):
        if number[i] >= 0:
            _copy_row(layout, i, new, number[i], layout.weight[i])
    for b in range(silent.size):
        if silent[b] > 0.0:
            _copy_row(coarse.layout, b, new, bins, silent[b])
            bins += 1
    return new


@kernel
def has_counts_everywhere(gene: GeneCounts, coarse: Coarse) -> bool:
    """Whether there are as many rows with a count as bins.

    Parameters
    ----------
    gene : GeneCounts
        Counts of one gene in the full design.
    coarse : Coarse
        The merged design.

    Returns
    -------
    bool
    """
    loud = 0
    for i in range(gene.total.size):
        loud += gene.total[i] > 0.0
    return loud >= coarse.layout.weight.size


@kernel
def merged_problem(
    cells: IntArray,
    counts: FloatArray,
    gene: GeneCounts,
    layout: Layout,
    coarse: Coarse,
    dense: bool,
) -> tuple[Layout, GeneCounts]:
    """A small design with the counts of one gene.

    Parameters
    ----------
    cells, counts : ndarray, shape (nonzeros,)
        Cell numbers and counts.
    gene : GeneCounts
        The same in the full design.
    layout : Layout
        The full design.
    coarse : Coarse
        The merged design.
    dense : bool
        Whether there are counts everywhere.

    Returns
    -------
    Layout, GeneCounts
    """
    if layout.size_offset.size > 1 and not dense:
        design = _merge_silent(cells, gene, layout, coarse)
        return design, collect_counts(cells, counts, design)
    if not coarse.same_sizes or gene.centre.size:
        return coarse.layout, collect_counts(cells, counts, coarse.layout)
    total = np.zeros(coarse.layout.weight.size)
    for i in range(gene.total.size):
        total[coarse.bin_of_row[i]] += gene.total[i]
    return coarse.layout, GeneCounts(
        total,
        gene.positive,
        gene.above,
        gene.starts,
        gene.values,
        gene.multiplicity,
        gene.group,
        gene.centre,
        gene.square,
        gene.constant,
        gene.magnitude,
        gene.resolution,
    )
