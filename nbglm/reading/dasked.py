"""Dask arrays, with dense or scipy sparse chunks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from nbglm.exceptions import CountsError
from nbglm.reading.tiles import BAND, Tile, bytes_a_cell, bytes_an_entry, dense_pieces, ranges

__all__ = ["Dasked"]


@dataclass(frozen=True)
class Dasked:
    """A dask array, with dense or scipy sparse chunks.

    Chunks are computed whole, several at once where they fit, one column of chunks after the
    other: what a chunk costs is dask's business, so each is asked for exactly once. What dask
    itself keeps meanwhile is not counted in any budget.

    Attributes
    ----------
    array : dask array
        The table.
    rows, columns : tuple of int
        Sizes of its chunks.
    """

    array: Any
    rows: tuple[int, ...]
    columns: tuple[int, ...]

    @classmethod
    def of(cls, array: Any) -> Dasked:
        """A dask array with known chunks."""
        if any(np.isnan(size) for sizes in array.chunks for size in sizes):
            msg = "the chunks of the dask array are unknown; call its compute_chunk_sizes() first."
            raise CountsError(msg)
        rows, columns = (tuple(int(size) for size in sizes) for sizes in array.chunks)
        return cls(array, rows, columns)

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of cells and genes."""
        return sum(self.rows), sum(self.columns)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Kind of the values."""
        return np.dtype(self.array.dtype)

    @property
    def stored(self) -> None:
        """Nobody knows how many values are not 0."""
        return

    @property
    def fixed(self) -> int:
        """What dask takes besides, nobody knows."""
        return 0

    def least(self) -> int:
        """Bytes for the largest chunk if it is dense; what a sparse one takes shows later."""
        if sparse.issparse(getattr(self.array, "_meta", None)):
            return max(self.columns, default=1) * bytes_an_entry(self.dtype.itemsize, 8)
        value = self.dtype.itemsize
        entries = max(self.rows, default=1) * max(self.columns, default=1)
        return 2 * max(entries * value, max(self.columns, default=1) * bytes_a_cell(value))

    def tiles(self, memory: int) -> Iterator[Tile]:
        """One column of chunks after the other."""
        first_gene = 0
        for column, width in enumerate(self.columns):
            yield from self._column(column, first_gene, width, memory)
            first_gene += width

    def _column(self, column: int, first_gene: int, width: int, memory: int) -> Iterator[Tile]:
        whole = max(1, self.shape[0] * self.shape[1])
        first_cell, row, together = 0, 0, 1
        while row < len(self.rows):
            # A chunk alone, to see what it takes; then as many at once as fit in half the memory.
            chunks = self._compute(column, row, row + together)
            row += len(chunks)
            largest = max(_held(chunk) for chunk in chunks)
            together = max(1, min(2 * together, memory // 2 // max(1, largest)))
            while chunks:
                chunk = chunks.pop(0)
                height = int(chunk.shape[0])
                share = height * width / whole
                if sparse.issparse(chunk):
                    yield from _sparse_pieces(chunk, first_cell, first_gene, memory // 2, share)
                else:
                    block = np.asarray(chunk)
                    yield from dense_pieces(block, first_cell, first_gene, memory // 2, share)
                first_cell += height

    def _compute(self, column: int, start: int, stop: int) -> list[Any]:
        from dask import compute

        stop = min(stop, len(self.rows))
        return list(compute(*[self.array.blocks[row, column] for row in range(start, stop)]))


def _held(chunk: Any) -> int:
    """Bytes of a chunk in memory."""
    if sparse.issparse(chunk):
        return int(chunk.nnz) * (chunk.dtype.itemsize + 8)
    return int(np.asarray(chunk).nbytes)


def _sparse_pieces(
    chunk: Any, first_cell: int, first_gene: int, memory: int, share: float
) -> Iterator[Tile]:
    """Cut a sparse chunk into bands of cells, or into ranges of genes if that is how it lies."""
    by_cells = chunk.format != "csc"
    lines = sparse.csr_matrix(chunk) if by_cells else sparse.csc_matrix(chunk)
    entries = max(1, memory // bytes_an_entry(lines.dtype.itemsize, lines.indices.itemsize))
    majors = lines.indptr.size - 1
    for start, stop in ranges(lines.indptr, entries, BAND if by_cells else majors):
        part = lines[start:stop] if by_cells else lines[:, start:stop]
        at = (first_cell + start, first_gene) if by_cells else (first_cell, first_gene + start)
        yield Tile(*at, part, share * (stop - start) / majors)
