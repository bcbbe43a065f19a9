"""Counts gene by gene, in few bytes: in memory, or in a scratch file.

A store is a list of runs. A run holds neighbouring cells (and genes) as compressed sparse columns,
with cells numbered from the first of the run: at most 65,536 of them take two bytes a number, and
most counts take one. Tables that come cell by cell are thus turned round run by run, in one pass,
without a count of non-zeros beforehand, and a scratch file is only ever appended to. A gene is
put together from its pieces in all runs, which costs a few microseconds a run.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from nbglm.counts.scratch import Scratch, ScratchArray
from nbglm.exceptions import CountsError

__all__ = ["GeneBlock", "GeneStore", "Run", "join_runs", "make_run"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Held = NDArray[Any] | ScratchArray  # numbers in memory, or in a scratch file


class GeneBlock(NamedTuple):
    """Some genes as compressed sparse columns.

    Attributes
    ----------
    indptr : ndarray of int, shape (genes + 1,)
        Where each gene begins.
    cells : ndarray of int
        Numbers of the cells with a positive count.
    counts : ndarray
        Those counts.
    """

    indptr: IntArray
    cells: IntArray
    counts: FloatArray

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled in the smallest types that hold the numbers: a third of the bytes, or less."""
        largest = int(self.counts.max(initial=0.0))
        counts = self.counts.astype(np.min_scalar_type(largest))
        cells = self.cells.astype(np.min_scalar_type(int(self.cells.max(initial=0))))
        return _unpickled, (self.indptr, cells, counts)


def _unpickled(indptr: IntArray, cells: NDArray[Any], counts: NDArray[Any]) -> GeneBlock:
    return GeneBlock(indptr, cells.astype(np.int64), counts.astype(np.float64))


@dataclass(frozen=True)
class Run:
    """Counts of neighbouring cells and genes.

    Attributes
    ----------
    shape : tuple of int
        Numbers of cells and genes.
    first_cell, first_gene : int
        Where they stand in the table.
    indptr : ndarray of int, shape (genes + 1,)
        Where each gene begins.
    cells, counts : ndarray or ScratchArray, like ``indptr``
        Numbers of cells, from ``first_cell``, ascending in each gene; positive counts.
    """

    shape: tuple[int, int]
    first_cell: int
    first_gene: int
    indptr: Held
    cells: Held
    counts: Held

    @property
    def nbytes(self) -> int:
        """Bytes, in memory or not."""
        return sum(
            held.size * held.dtype.itemsize for held in (self.indptr, self.cells, self.counts)
        )

    def moved_to(self, scratch: Scratch) -> Run:
        """The same run in a scratch file."""
        return replace(
            self,
            indptr=scratch.append(self.indptr[:]),
            cells=scratch.append(self.cells[:]),
            counts=scratch.append(self.counts[:]),
        )


def _unsigned(largest: float) -> np.dtype[Any]:
    return np.min_scalar_type(int(largest))


def make_run(columns: sparse.csc_matrix, first_cell: int, first_gene: int) -> Run:
    """Pack counts into few bytes.

    Parameters
    ----------
    columns : sparse CSC matrix
        Counts, checked, in canonical form; left as it is.
    first_cell, first_gene : int
        Where they stand in the table.

    Returns
    -------
    Run

    Examples
    --------
    >>> run = make_run(sparse.csc_matrix(np.array([[0.0, 3.0], [300.0, 1.0]])), 0, 0)
    >>> run.cells, run.counts
    (array([1, 0, 1], dtype=uint8), array([300,   3,   1], dtype=uint16))
    """
    indptr, indices, data = columns.indptr, columns.indices, columns.data
    if data.size and not data.all():  # explicit zeros
        kept = data != 0
        before = np.concatenate([[0], np.cumsum(kept)])
        indptr, indices, data = before[indptr], indices[kept], data[kept]
    cells = _unsigned(max(0, columns.shape[0] - 1))
    return Run(
        (int(columns.shape[0]), int(columns.shape[1])),
        first_cell,
        first_gene,
        indptr.astype(_unsigned(data.size)),
        indices.astype(cells),
        data.astype(_unsigned(data.max(initial=0))),
    )


def _gather(
    runs: list[Run],
    start: int,
    stop: int,
    first_cell: int,
    dtypes: tuple[np.dtype[Any], np.dtype[Any]],
) -> tuple[IntArray, NDArray[Any], NDArray[Any]]:
    """Genes `start` to `stop` of several runs as compressed sparse columns."""
    runs = [run for run in runs if run.first_gene < stop and run.first_gene + run.shape[1] > start]
    lengths = np.zeros((len(runs), stop - start), dtype=np.int64)
    parts = []
    for run, length in zip(runs, lengths, strict=True):
        low, high = max(start, run.first_gene), min(stop, run.first_gene + run.shape[1])
        part = run.indptr[low - run.first_gene : high - run.first_gene + 1].astype(np.int64)
        length[low - start : high - start] = np.diff(part)
        parts.append(part)
    indptr = np.concatenate([[0], np.cumsum(lengths.sum(axis=0))])
    # Where the share of each run in each gene goes: the runs are in the order of their cells.
    begins = indptr[:-1] + np.cumsum(lengths, axis=0) - lengths
    cells, counts = (np.empty(indptr[-1], dtype=dtype) for dtype in dtypes)
    for run, part, begin, length in zip(runs, parts, begins, lengths, strict=True):
        here = slice(part[0], part[-1])
        size = int(part[-1] - part[0])
        if not size:
            continue
        present = np.flatnonzero(length)
        to: slice | IntArray
        if present.size == 1:
            to = slice(begin[present[0]], begin[present[0]] + size)
        else:
            skipped = np.cumsum(length) - length
            to = np.repeat(begin - skipped, length)
            to += np.arange(size)
        cells[to] = run.cells[here].astype(cells.dtype) + (run.first_cell - first_cell)
        counts[to] = run.counts[here]
    return indptr, cells, counts


def join_runs(runs: list[Run]) -> Run:
    """One run for several of the same genes and neighbouring cells.

    Parameters
    ----------
    runs : list of Run
        In the order of their cells.

    Returns
    -------
    Run

    Examples
    --------
    >>> one, other = (sparse.csc_matrix(np.array(x)) for x in ([[1, 0]], [[2, 300]]))
    >>> joined = join_runs([make_run(one, 0, 0), make_run(other, 1, 0)])
    >>> joined.indptr, joined.cells
    (array([0, 2, 3], dtype=uint8), array([0, 1, 1], dtype=uint8))
    >>> joined.counts
    array([  1,   2, 300], dtype=uint16)
    """
    first = runs[0]
    if len(runs) == 1:
        return first
    height = sum(run.shape[0] for run in runs)
    width = first.shape[1]
    dtypes = _unsigned(max(0, height - 1)), max(run.counts.dtype for run in runs)
    indptr, cells, counts = _gather(
        runs, first.first_gene, first.first_gene + width, first.first_cell, dtypes
    )
    packed = indptr.astype(_unsigned(cells.size))
    return Run((height, width), first.first_cell, first.first_gene, packed, cells, counts)


@dataclass(frozen=True)
class GeneStore:
    """A table of counts by gene.

    Attributes
    ----------
    shape : tuple of int
        Numbers of cells and genes.
    runs : list of Run
        Its parts; for each gene, in the order of cells.
    most : int
        Non-zeros that a block of genes should not exceed, unless one gene does.
    """

    shape: tuple[int, int]
    runs: list[Run]
    most: int

    @property
    def nbytes(self) -> int:
        """Bytes, in memory or in a scratch file."""
        return sum(run.nbytes for run in self.runs)

    @property
    def in_scratch(self) -> bool:
        """Whether the counts are in a scratch file."""
        return any(isinstance(run.cells, ScratchArray) for run in self.runs)

    def block(self, start: int, stop: int) -> GeneBlock:
        """Genes ``start`` to ``stop`` as compressed sparse columns."""
        dtypes = np.dtype(np.int64), np.dtype(np.float64)
        return GeneBlock(*_gather(self.runs, start, stop, 0, dtypes))

    def within_budget(self, start: int, stop: int) -> int:
        """The end of a block from `start` to at most `stop` with not too many non-zeros."""
        total = np.zeros(stop - start, dtype=np.int64)
        for run in self.runs:
            low, high = max(start, run.first_gene), min(stop, run.first_gene + run.shape[1])
            if low < high:
                part = run.indptr[low - run.first_gene : high - run.first_gene + 1]
                part = part.astype(np.int64)
                total[low - start : high - start] += part[1:] - part[:-1]
        return start + max(1, int(np.searchsorted(np.cumsum(total), self.most, side="right")))

    def __getstate__(self) -> dict[str, Any]:
        """What is pickled: nothing in a scratch file, which ends with its process."""
        if self.in_scratch:
            msg = (
                "these counts lie in a scratch file of this process and cannot be pickled or "
                "copied; use results.without_data() (remove_data() for one gene), or fit with a "
                "larger max_memory."
            )
            raise CountsError(msg)
        return self.__dict__
