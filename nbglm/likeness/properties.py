"""What a table of counts is like: of its genes, of its cells, of pairs of either.

Counts are made comparable as usual: divided by the library size of the cell, times the median one
of the first table, and then ``log2(1 + .)``. All sums are taken over a few genes at a time; only
pairs are of a part of the cells and genes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nbglm.likeness.opened import Opened

__all__ = ["Table", "correlations", "some_of_each", "summarise", "values_of"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_GENES = 256


@dataclass(frozen=True)
class Table:
    """Properties of one table, for each gene and for each cell.

    Attributes
    ----------
    library : ndarray, shape (cells,)
        Library sizes, counts.
    cell_zeros : ndarray, shape (cells,)
        Share of genes without a count.
    number : ndarray, shape (groups + 1,)
        Cells of each group, the last one of all.
    mean, variance, zeros : ndarray, shape (groups + 1, genes)
        Of ``log2`` of normalised counts, and the share of cells without a count.
    """

    library: FloatArray
    cell_zeros: FloatArray
    number: IntArray
    mean: FloatArray
    variance: FloatArray
    zeros: FloatArray


def library_sizes(table: Opened) -> tuple[FloatArray, FloatArray]:
    """Library size of each cell, and how many of its genes have no count."""
    cells, genes = table.counts.n_cells, table.counts.n_genes
    total, there = np.zeros(cells), np.zeros(cells)
    for block in table.counts.blocks(_GENES):
        total += np.bincount(block.cells, block.counts, cells)
        there += np.bincount(block.cells, minlength=cells)
    return total, 1.0 - there / genes


def factors_of(library: FloatArray, target: float) -> FloatArray:
    """What counts of each cell are multiplied with; 0 of a cell without a count."""
    return np.divide(target, library, out=np.zeros_like(library), where=library > 0.0)


def summarise(table: Opened, groups: int, target: float | None) -> tuple[Table, float]:
    """Properties of all genes and cells.

    Parameters
    ----------
    table : Opened
        The counts.
    groups : int
        Number of groups; 0 or more.
    target : float or None
        Library size to which counts are normalised; None is the median of this table.

    Returns
    -------
    table : Table
    target : float
    """
    library, cell_zeros = library_sizes(table)
    if target is None:
        target = float(np.median(library)) or 1.0
    factor = factors_of(library, target)
    many, genes = max(groups, 1), table.counts.n_genes
    number = np.bincount(table.groups, minlength=many)
    sums = np.zeros((3, many, genes))
    start = 0
    for block in table.counts.blocks(_GENES):
        width = block.indptr.size - 1
        gene = np.repeat(np.arange(width), np.diff(block.indptr))
        where = table.groups[block.cells] * width + gene
        values = np.log2(1.0 + block.counts * factor[block.cells])
        for k, of_cells in enumerate((values, values**2, None)):
            found = np.bincount(where, of_cells, many * width)
            sums[k, :, start : start + width] = found.reshape(many, width)
        start += width
    if groups:  # and all of them together
        number = np.append(number, number.sum())
        sums = np.concatenate([sums, sums.sum(axis=1, keepdims=True)], axis=1)
    sums = sums[:, :, table.genes]
    with np.errstate(invalid="ignore", divide="ignore"):
        cells = number[:, None]
        mean = sums[0] / cells
        variance = np.maximum(sums[1] - cells * mean**2, 0.0) / (cells - 1)
        return Table(library, cell_zeros, number, mean, variance, 1.0 - sums[2] / cells), target


def some_of_each(cells: IntArray, most: int, rng: np.random.Generator) -> IntArray:
    """At most so many of some cells, in order."""
    if cells.size <= most:
        return cells
    return np.sort(rng.permutation(cells)[:most])


def values_of(
    table: Opened, library: FloatArray, target: float, cells: IntArray, genes: IntArray
) -> FloatArray:
    """``log2(1 + .)`` of normalised counts of some cells and some genes of the first table.

    Parameters
    ----------
    table : Opened
        The counts.
    library : ndarray, shape (all cells,)
        Library sizes.
    target : float
        Library size to which counts are normalised.
    cells, genes : ndarray of int
        Which ones.

    Returns
    -------
    ndarray, shape (cells, genes)
    """
    factor = factors_of(library, target)[cells]
    found = np.empty((cells.size, genes.size))
    for column, gene in enumerate(table.genes[genes]):
        found[:, column] = np.log2(1.0 + table.counts.gene(int(gene))[cells] * factor)
    return found


def correlations(values: FloatArray) -> FloatArray:
    """Correlations of all pairs of columns; NaN of columns that are constant.

    Parameters
    ----------
    values : ndarray, shape (rows, columns)
        The values.

    Returns
    -------
    ndarray, shape (columns, columns)

    Examples
    --------
    >>> correlations(np.array([[0.0, 1.0, 3.0], [1.0, 3.0, 3.0]]))[0]
    array([ 1.,  1., nan])
    """
    if len(values) < 2:
        return np.full((values.shape[1], values.shape[1]), np.nan)
    centred = values - values.mean(axis=0)
    length = np.sqrt((centred**2).sum(axis=0))
    unit = centred / np.where(length > 1e-9, length, np.nan)
    return np.clip(unit.T @ unit, -1.0, 1.0)
