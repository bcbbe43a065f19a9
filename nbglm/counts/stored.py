"""Tables in a file, sparse or dense: HDF5 or zarr, by their face alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from nbglm.counts.structure import SPARSE, check_indices, checked_pointer, damaged, own
from nbglm.counts.tiles import (
    BAND,
    Tile,
    bytes_a_cell,
    bytes_an_entry,
    dense_block,
    dense_pieces,
    native,
    ranges,
)
from nbglm.counts.validity import check_dtype
from nbglm.exceptions import CountsError

__all__ = ["Compressed", "Dense"]

IntArray = NDArray[np.int64]


def _chunks(array: Any) -> tuple[int, ...] | None:
    """Shape of the stored chunks, if the array says one that could be."""
    chunks = getattr(array, "chunks", None)
    if not isinstance(chunks, tuple | list) or len(chunks) != len(array.shape):
        return None
    if not all(isinstance(size, int | np.integer) and size > 0 for size in chunks):
        return None
    return tuple(int(size) for size in chunks)


def _chunk_bytes(array: Any) -> int:
    """Bytes of one stored chunk, which is unpacked as a whole however little of it is read."""
    chunks = _chunks(array)
    if not chunks:
        return 0
    entries = np.minimum(np.array(chunks), np.array(array.shape)).prod()
    return int(entries) * int(array.dtype.itemsize)


@dataclass(frozen=True)
class Compressed:
    """A sparse matrix in a file: rows or columns one after the other.

    Compressed sparse rows come as bands of cells. Compressed sparse columns are read as ranges of
    genes, just as they lie there.

    Attributes
    ----------
    data, indices : array of one dimension
        Stored values and the numbers of their columns (or rows), in a file or in memory.
    indptr : ndarray of int
        Where each row (or column) begins.
    by_cells : bool
        Whether the matrix is stored by rows.
    shape : tuple of int
        Numbers of cells and genes.
    where : str
        What it is called in messages.

    Examples
    --------
    >>> rows = sparse.csr_matrix(np.array([[0, 3], [2, 1]]))
    >>> group = {"data": rows.data, "indices": rows.indices, "indptr": rows.indptr}
    >>> [tile.matrix.toarray().tolist() for tile in Compressed.of(group, "csr", (2, 2)).tiles(100)]
    [[[0, 3]], [[2, 1]]]
    """

    data: Any
    indices: Any
    indptr: IntArray
    by_cells: bool
    shape: tuple[int, int]
    where: str = SPARSE

    @classmethod
    def of(cls, group: Any, layout: str, shape: tuple[int, int], where: str = SPARSE) -> Compressed:
        """A group with ``data``, ``indices`` and ``indptr``."""
        if layout not in ("csr", "csc"):
            msg = f"the data are a sparse matrix of format {layout!r}; it must be 'csr' or 'csc'."
            raise CountsError(msg)
        try:
            data, indices, pointer = group["data"], group["indices"], group["indptr"]
            rows, columns = (int(size) for size in shape)
            lengths = [int(part.shape[0]) for part in (data, indices) if len(part.shape) == 1]
            indptr = np.asarray(pointer[:])
        except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
            why = "it must have 'data', 'indices', 'indptr' and a shape"
            raise damaged(where, f"{why} ({error})") from error
        if len(lengths) != 2 or lengths[0] != lengths[1]:
            why = f"its values have shape {data.shape} and its indices {indices.shape}"
            raise damaged(where, why)
        majors = rows if layout == "csr" else columns
        pointer = checked_pointer(indptr, majors, lengths[0], where)
        check_dtype(data.dtype)
        return cls(data, indices, pointer, layout == "csr", (rows, columns), where)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Kind of the values."""
        return np.dtype(self.data.dtype)

    @property
    def stored(self) -> int:
        """How many values are stored."""
        return int(self.indptr[-1])

    @property
    def _each(self) -> int:
        return bytes_an_entry(self.dtype.itemsize, np.dtype(self.indices.dtype).itemsize)

    @property
    def fixed(self) -> int:
        """Bytes of the index pointer, with its differences, and of one stored chunk."""
        return 3 * self.indptr.nbytes + _chunk_bytes(self.data) + _chunk_bytes(self.indices)

    def least(self) -> int:
        """Bytes for the fullest row, or column."""
        return int(np.diff(self.indptr).max(initial=1)) * self._each

    def tiles(self, memory: int) -> Iterator[Tile]:
        """Bands of cells, or ranges of genes, with as many entries as `memory` allows."""
        entries = max(1, memory // self._each)
        most = BAND if self.by_cells else self.indptr.size
        for start, stop in ranges(self.indptr, entries, most):
            share = (self.indptr[stop] - self.indptr[start]) / max(1, self.stored)
            first = (start, 0) if self.by_cells else (0, start)
            # Not kept in a name: a generator that waits would keep the memory.
            yield Tile(*first, self._read(start, stop), float(share))

    def _read(self, start: int, stop: int) -> sparse.csr_matrix | sparse.csc_matrix:
        here = slice(int(self.indptr[start]), int(self.indptr[stop]))
        minors = self.shape[1] if self.by_cells else self.shape[0]
        # Of its own memory, since scipy's compiled loops trust these numbers after the check.
        indices, data = own(np.asarray(self.indices[here])), np.asarray(self.data[here])
        data = data if self.by_cells else own(data)  # rows are copied when they are turned round
        if data.shape != (here.stop - here.start,) or indices.shape != data.shape:
            why = f"entries {here.start} to {here.stop} are not all there"
            raise damaged(self.where, why)
        check_indices(indices, minors, self.where)
        check_dtype(data.dtype)
        indices = indices.astype(np.int32, copy=False)
        indptr = (self.indptr[start : stop + 1] - here.start).astype(np.int32)
        kind = sparse.csr_matrix if self.by_cells else sparse.csc_matrix
        shape = (stop - start, minors) if self.by_cells else (minors, stop - start)
        return kind((native(data), indices, indptr), shape=shape)


@dataclass(frozen=True)
class Dense:
    """A dense array in a file (h5py, zarr), or anything else whose slices are arrays.

    It is read once, along its chunks, into a store of non-zeros, whatever their layout: blocks of
    genes straight from the file would unpack every chunk of cells again for each block, and for
    each single gene that inference asks for. Bands of all genes where they fit; bands of genes
    where the chunks are too tall for that.

    Attributes
    ----------
    array : object
        With ``shape``, ``dtype``, ``chunks`` (or None) and slices.
    where : str
        What it is called in messages.

    Examples
    --------
    >>> import io, h5py
    >>> with h5py.File(io.BytesIO(), "w") as file:
    ...     stored = file.create_dataset("X", data=np.eye(4), chunks=(2, 4))
    ...     [(tile.first_cell, tile.matrix.shape, tile.share) for tile in Dense(stored).tiles(1500)]
    [(0, (3, 4), 0.75), (3, (1, 4), 0.25)]
    """

    array: Any
    where: str = "the array"

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of cells and genes."""
        rows, columns = self.array.shape
        return int(rows), int(columns)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Kind of the values."""
        return np.dtype(self.array.dtype)

    @property
    def stored(self) -> None:
        """Nobody knows how many values are not 0."""
        return

    def _chunk(self) -> tuple[int, int]:
        rows, columns = self.shape
        height, width = _chunks(self.array) or (1, columns)
        return min(height, rows), min(width, columns)

    @property
    def fixed(self) -> int:
        """Bytes to unpack one chunk."""
        return _chunk_bytes(self.array)

    def least(self) -> int:
        """Bytes to hold one chunk, and to turn one row of it round."""
        height, width = self._chunk()
        value = self.dtype.itemsize
        return 2 * max(height * width * value, width * bytes_a_cell(value))

    def tiles(self, memory: int) -> Iterator[Tile]:
        """Whole chunks, in pieces; half of the memory for chunks, half for turning them round."""
        rows, columns = self.shape
        height, width = self._chunk()
        entries = memory // 2 // self.dtype.itemsize
        if height * columns <= entries:
            height, width = entries // columns // height * height, columns
        elif rows * width <= entries:
            height, width = rows, entries // rows // width * width
        else:
            height *= max(1, entries // (height * width))
        for first_gene in range(0, columns, width):
            for first_cell in range(0, rows, height):
                block = dense_block(
                    self.array[first_cell : first_cell + height, first_gene : first_gene + width],
                    (min(height, rows - first_cell), min(width, columns - first_gene)),
                    f"{self.where} from cell {first_cell} and gene {first_gene} on",
                )
                share = block.size / (rows * columns)
                yield from dense_pieces(block, first_cell, first_gene, memory // 2, share)
                del block
