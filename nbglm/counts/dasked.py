"""Dask arrays, with dense or scipy sparse chunks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from nbglm.counts.stored import Compressed
from nbglm.counts.structure import sound_lines
from nbglm.counts.tiles import (
    Tile,
    bytes_a_cell,
    bytes_an_entry,
    dense_block,
    dense_pieces,
    require_shape,
)
from nbglm.counts.validity import check_dtype
from nbglm.exceptions import CountsError

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
    def where(self) -> str:
        """What it is called in messages."""
        return "the dask array"

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
            largest = max(_held(chunk) for chunk in chunks)
            together = max(1, min(2 * together, memory // 2 // max(1, largest)))
            while chunks:
                chunk, height = chunks.pop(0), self.rows[row]
                share = height * width / whole
                if sparse.issparse(chunk):
                    yield from _sparse_pieces(chunk, first_cell, first_gene, memory // 2, share)
                else:
                    yield from dense_pieces(chunk, first_cell, first_gene, memory // 2, share)
                first_cell += height
                row += 1

    def _compute(self, column: int, start: int, stop: int) -> list[Any]:
        from dask import compute

        stop = min(stop, len(self.rows))
        chunks = compute(*[self.array.blocks[row, column] for row in range(start, stop)])
        return [
            self._as_promised(chunk, row, column) for row, chunk in enumerate(chunks, start=start)
        ]

    def _as_promised(self, chunk: Any, row: int, column: int) -> Any:
        """A chunk whose shape and values are checked: dask passes on whatever it computes."""
        where = f"chunk ({row}, {column}) of the dask array"
        promised = self.rows[row], self.columns[column]
        if not sparse.issparse(chunk):
            if hasattr(chunk, "todense") and not isinstance(chunk, np.ndarray):  # pydata's sparse
                chunk = chunk.todense()
            return dense_block(chunk, promised, where)
        require_shape(chunk.shape, promised, where)
        check_dtype(chunk.dtype)
        return sound_lines(chunk, where)


def _held(chunk: Any) -> int:
    """Bytes of a chunk in memory."""
    if sparse.issparse(chunk):
        return int(chunk.nnz) * (chunk.dtype.itemsize + 8)
    return int(chunk.nbytes)


def _sparse_pieces(
    chunk: Any, first_cell: int, first_gene: int, memory: int, share: float
) -> Iterator[Tile]:
    """Cut a sparse chunk into bands of cells, or into ranges of genes if that is how it lies."""
    pointer = chunk.indptr.astype(np.int64)
    lines = Compressed(chunk.data, chunk.indices, pointer, chunk.format == "csr", chunk.shape)
    for cell, gene, part, _ in lines.tiles(memory):
        height, width = (
            own / max(1, all_) for own, all_ in zip(part.shape, chunk.shape, strict=True)
        )
        yield Tile(first_cell + cell, first_gene + gene, part, share * height * width)
