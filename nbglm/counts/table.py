"""Any table of counts becomes validated blocks of genes.

Nothing is densified as a whole: compressed sparse columns in memory are used as they are, dense
arrays a block of columns at a time, and what comes by cells or lies outside memory is turned round
once, within a budget (:mod:`nbglm.counts.streaming`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from nbglm.counts.budget import Budget
from nbglm.counts.genewise import own_table
from nbglm.counts.opening import Table, open_counts
from nbglm.counts.store import GeneBlock, GeneStore
from nbglm.counts.stored import Compressed
from nbglm.counts.streaming import read_source
from nbglm.counts.structure import sound_lines
from nbglm.counts.unchanged import gene_totals, require_unchanged
from nbglm.counts.validity import check_counts, check_dtype, refuse_masked, sum_duplicates
from nbglm.design.labels import quoted, read_only
from nbglm.design.reals import as_real
from nbglm.exceptions import CountsError
from nbglm.memory import default_budget, parse_memory

__all__ = ["Counts", "GeneBlock", "read_counts", "read_table"]

FloatArray = NDArray[np.float64]
Matrix = Any  # a sparse CSC matrix, an ndarray, or a GeneStore

_ALL = 1 << 62  # bytes: data in memory do not go to disk
_CHECK_ROWS = 1 << 22  # entries of a dense table that are checked at a time


@dataclass(frozen=True)
class Counts:
    """A validated table of counts.

    Attributes
    ----------
    matrix : sparse CSC matrix, ndarray or GeneStore, shape (cells, genes)
        The counts.
    genes : Index
        Names of the genes, unique.
    obs : DataFrame
        Covariates, a row for each cell; a copy of those that the counts were read with.
    annotations : DataFrame
        What the data say of the genes, a row for each; without columns if nothing.
    remark : str
        What had to be assumed about the order of rows; empty if nothing.
    totals : ndarray, shape (genes,), or None
        Sum of the counts of each gene where the matrix is the user's own, who may change it.
    """

    matrix: Matrix
    genes: pd.Index
    _obs: pd.DataFrame
    _var: pd.DataFrame | None = None
    remark: str = ""
    totals: FloatArray | None = None

    @cached_property
    def _marks(self) -> FloatArray:
        """By what the counts of each gene are known again; NaN before they are first used."""
        return np.full(self.n_genes, np.nan)

    @property
    def obs(self) -> pd.DataFrame:
        """Covariates, a row for each cell; a new copy each time, so that nobody changes them."""
        return own_table(self._obs)

    @property
    def cells(self) -> pd.Index:
        """Names of the cells."""
        return self._obs.index.copy()

    @property
    def annotations(self) -> pd.DataFrame:
        """A copy of what the data say of the genes, without columns if nothing."""
        return pd.DataFrame(index=self.genes) if self._var is None else own_table(self._var)

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return int(self.matrix.shape[0])

    @property
    def n_genes(self) -> int:
        """Number of genes."""
        return int(self.matrix.shape[1])

    def block(self, start: int, stop: int) -> GeneBlock:
        """Genes ``start`` to ``stop`` as compressed sparse columns without explicit zeros."""
        if isinstance(self.matrix, GeneStore):
            return self.matrix.block(start, stop)
        dense = isinstance(self.matrix, np.ndarray)
        block = self._dense_block(start, stop) if dense else self._sparse_block(start, stop)
        if self.totals is not None:
            part = slice(start, stop)
            sums = self.totals[part], self._marks[part]
            require_unchanged(block, self.n_cells, *sums, self.genes[part])
        return block

    def _dense_block(self, start: int, stop: int) -> GeneBlock:
        by_gene = np.ascontiguousarray(self.matrix[:, start:stop].T, dtype=np.float64)
        there = by_gene != 0.0
        # In one dimension, since numpy takes twice as long to find where in two.
        positions = np.flatnonzero(there)
        found = np.count_nonzero(there, axis=1)
        first = np.arange(len(by_gene)) * self.n_cells
        cells = positions - np.repeat(first, found)
        ends = np.concatenate([[0], np.cumsum(found, dtype=np.int64)])
        return GeneBlock(ends, cells, by_gene.ravel()[positions])

    def _sparse_block(self, start: int, stop: int) -> GeneBlock:
        # By hand, since scipy's slices take longer than the fit of a small gene.
        ends = self.matrix.indptr[start : stop + 1].astype(np.int64)
        part = slice(ends[0], ends[-1])
        cells = self.matrix.indices[part].astype(np.int64)
        counts = self.matrix.data[part].astype(np.float64)
        ends -= ends[0]
        if not counts.all():
            there = counts != 0.0
            ends = np.concatenate([[0], np.cumsum(there)])[ends]
            cells, counts = cells[there], counts[there]
        return GeneBlock(ends, cells, counts)

    def blocks(self, size: int) -> Iterator[GeneBlock]:
        """All genes, at most `size` at a time, fewer where that keeps to a budget of memory."""
        start = 0
        while start < self.n_genes:
            stop = min(start + size, self.n_genes)
            if isinstance(self.matrix, GeneStore):
                stop = self.matrix.within_budget(start, stop)
            yield self.block(start, stop)
            start = stop

    def chosen(self, genes: NDArray[np.int64]) -> GeneBlock:
        """Some genes, in any order, as compressed sparse columns."""
        parts = [self.block(int(gene), int(gene) + 1) for gene in genes]
        sizes = [part.cells.size for part in parts]
        return GeneBlock(
            np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)]),
            np.concatenate([np.zeros(0, dtype=np.int64), *(part.cells for part in parts)]),
            np.concatenate([np.zeros(0), *(part.counts for part in parts)]),
        )

    def gene(self, position: int) -> FloatArray:
        """All counts of one gene, zeros included, shape (cells,)."""
        _, cells, counts = self.block(position, position + 1)
        dense = np.zeros(self.n_cells)
        dense[cells] = counts
        return dense

    def of_genes(self, positions: NDArray[np.int64]) -> Counts:
        """The counts of some genes by themselves, by their positions."""
        ends, cells, counts = self.chosen(positions)
        columns = sparse.csc_matrix((counts, cells, ends), shape=(self.n_cells, positions.size))
        annotations = None if self._var is None else self._var.iloc[positions]
        return Counts(columns, self.genes[positions], self._obs, annotations, self.remark)

    def same_counts(self, other: Counts) -> bool:
        """Whether another table of the same cells and genes has the same counts.

        Gene by gene in blocks, whatever kinds the two tables are of.
        """
        if self.matrix is other.matrix:
            return True
        if self.matrix.shape != other.matrix.shape:
            return False
        start = 0
        while start < self.n_genes:
            step = max(1, _CHECK_ROWS // self.n_cells)
            stop = min(start + step, self.n_genes)
            pairs = zip(self.block(start, stop), other.block(start, stop), strict=True)
            if not all(np.array_equal(one, two) for one, two in pairs):
                return False
            start = stop
        return True


def read_counts(
    data: object,
    *,
    obs: pd.DataFrame | Mapping[str, object] | None = None,
    layer: str | None = None,
    max_memory: int | str | None = None,
    progress: bool | None = False,
) -> Counts:
    """Read and check a table of counts.

    Parameters
    ----------
    data : AnnData, DataFrame, array or scipy sparse matrix, shape (cells, genes)
        Counts. A one-dimensional array or a Series is one gene. Data outside memory are read
        once, in pieces: a backed AnnData, a dask array, an array or sparse matrix of an HDF5 file
        or a zarr store, by themselves or in an AnnData.
    obs : DataFrame or mapping, optional
        Covariates of the cells; an AnnData brings its own. Row labels on both sides must be the
        same in the same order; an index 0, 1, 2, ... is none. Arrays have none and are taken in
        order, with a remark if `obs` has the numbers of their rows in another one.
    layer : str, optional
        Layer of an AnnData to use in place of ``X``.
    max_memory : int or str, optional
        Memory for counts that lie outside memory; see :func:`nbglm.fit_negbin`.
    progress : bool or None
        Whether to say what reading them takes and how far it is; by default on a terminal.

    Returns
    -------
    Counts

    Raises
    ------
    CountsError
        If the values are not counts, gene names repeat, the kind of `data` is not supported, or
        `max_memory` does not suffice.
    AlignmentError
        If `obs` does not match the rows of `data`.
    ValueError
        If `max_memory` is no amount of memory.

    Examples
    --------
    >>> import io, h5py
    >>> read_counts(np.array([[0, 3], [2, 1]])).genes.tolist()
    ['gene_0', 'gene_1']
    >>> with h5py.File(io.BytesIO(), "w") as file:
    ...     stored = file.create_dataset("X", data=np.array([[0, 3], [2, 1]]))
    ...     counts = read_counts(stored, max_memory="1 MB")
    >>> counts.block(0, 2).counts
    array([2., 3., 1.])
    """
    whole = default_budget() if max_memory is None else parse_memory(max_memory)
    return read_table(open_counts(data, obs=obs, layer=layer), Budget(whole), progress)


def read_table(table: Table, budget: Budget, progress: bool | None = None) -> Counts:
    """Read and check the values of a table.

    Parameters
    ----------
    table : Table
        What :func:`nbglm.counts.opening.open_counts` found.
    budget : Budget
        Memory for values that lie outside memory.
    progress : bool or None
        Whether to say what reading them takes and how far it is; by default on a terminal.

    Returns
    -------
    Counts

    Raises
    ------
    CountsError
        If the values are not counts, or the budget does not suffice.
    """
    matrix, genes, cells = table.matrix, table.genes, table.obs.index
    totals: FloatArray | None = None
    if isinstance(matrix, np.ndarray):
        checked: Matrix = _checked_array(matrix, genes, cells, table.hint)
        totals = np.asarray(checked.sum(axis=0, dtype=np.float64))
    elif sparse.issparse(matrix):
        check_dtype(matrix.dtype)
        lines = sound_lines(matrix)
        if lines.format == "csr":
            # As if it came from a file: scipy's copy by columns would take as much memory again.
            pointer = lines.indptr.astype(np.int64)
            rows = Compressed(lines.data, lines.indices, pointer, True, lines.shape)
            checked = read_source(rows, genes, cells, table.hint, Budget(_ALL), progress=False)
        else:
            checked = sum_duplicates(lines)
            check_counts(checked, genes, cells, table.hint)
            totals = gene_totals(checked.indptr, checked.data)
    else:
        checked = read_source(matrix, genes, cells, table.hint, budget, progress=progress)
    # Copies: what becomes of the caller's tables afterwards is none of the fit's business.
    var = None if table.var is None else table.var.copy()
    if totals is not None:
        totals.flags.writeable = False
    obs = table.obs.copy()
    obs.index = read_only(obs.index)
    return Counts(checked, read_only(genes), obs, var, table.remark, totals)


def _checked_array(
    values: NDArray[Any], genes: pd.Index, cells: pd.Index, hint: str
) -> NDArray[Any]:
    """A dense array of counts, checked some genes at a time."""
    refuse_masked(values)
    table = np.asarray(values)
    if table.dtype == object:
        table = _numbers(table, genes, cells)
    step = max(1, _CHECK_ROWS // table.shape[0])
    for start in range(0, table.shape[1], step):
        part = slice(start, start + step)
        check_counts(table[:, part], genes[part], cells, hint)
    return table


def _numbers(objects: NDArray[np.object_], genes: pd.Index, cells: pd.Index) -> FloatArray:
    """Python's numbers as floats; large integers keep what makes them too large."""
    floats = np.empty(objects.shape)
    for (cell, gene), value in np.ndenumerate(objects):
        try:
            floats[cell, gene] = as_real(value)
        except TypeError as error:
            msg = (
                f"data holds values that are not numbers: {error} ({genes[gene]!r}, cell "
                f"{quoted(cells[cell])})."
            )
            raise CountsError(msg) from error
    return floats
