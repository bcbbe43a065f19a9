"""Tables outside memory, read as rectangles of cells and genes: tiles."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from nbglm.counts.validity import check_dtype, refuse_masked
from nbglm.exceptions import CountsError

__all__ = [
    "BAND",
    "Selected",
    "Source",
    "Tile",
    "bytes_a_cell",
    "bytes_an_entry",
    "dense_block",
    "dense_pieces",
    "native",
    "ranges",
    "require_shape",
]

Matrix = Any  # a scipy sparse matrix, or an ndarray
IntArray = NDArray[np.int64]

BAND = 1 << 16  # cells of a tile at most, where tiles go by cells: their numbers take two bytes


class Tile(NamedTuple):
    """A rectangle of a table.

    Attributes
    ----------
    first_cell, first_gene : int
        Where it stands.
    matrix : scipy sparse matrix or ndarray
        Its values.
    share : float
        How much of the whole work it is; the shares of all tiles add up to 1.
    """

    first_cell: int
    first_gene: int
    matrix: Matrix
    share: float


class Source(Protocol):
    """A table outside memory."""

    @property
    def where(self) -> str:
        """What it is called in messages."""

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of cells and genes."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Kind of the values."""

    @property
    def stored(self) -> int | None:
        """How many values are stored, None where nobody knows beforehand."""

    @property
    def fixed(self) -> int:
        """Bytes that reading takes besides tiles."""

    def least(self) -> int:
        """Bytes that the smallest possible tile needs."""

    def tiles(self, memory: int) -> Iterator[Tile]:
        """All tiles in turn: for each gene, in the order of cells; `memory` bytes for each."""


def bytes_an_entry(value: int, index: int) -> int:
    """Bytes that a stored value takes while it is read, turned round, checked and packed.

    Parameters
    ----------
    value, index : int
        Bytes of the value and of its column number as stored.

    Returns
    -------
    int
    """
    # Value and number as read, again by genes, copies for checks and for sums of duplicates.
    return index + 3 * value + 24


def bytes_a_cell(value: int) -> int:
    """Bytes that an entry of a dense table takes while it is turned, if nothing is 0."""
    # Its position (8 and a temporary), number by cells and by genes, the value thrice, checks.
    return 28 + 3 * value


def native(values: NDArray[Any]) -> NDArray[Any]:
    """The same values in a dtype that scipy's sparse matrices can hold.

    Parameters
    ----------
    values : ndarray
        Values as stored: maybe in another order of bytes, or of two bytes.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> native(np.ones(1, dtype=">f4")).dtype == np.float32, native(np.ones(1, np.float16)).dtype
    (True, dtype('float32'))
    """
    if values.dtype == np.float16:
        return values.astype(np.float32)
    return values.astype(values.dtype.newbyteorder("="), copy=False)


def require_shape(found: tuple[int, ...], promised: tuple[int, int], where: str) -> None:
    """Refuse a piece of a table that is larger or smaller than was promised.

    Parameters
    ----------
    found, promised : tuple of int
        Its shape, and what it should be.
    where : str
        Where the piece is, for messages.

    Raises
    ------
    CountsError
        If it has another shape.

    Examples
    --------
    >>> require_shape((2, 3), (3, 3), "chunk (0, 1) of the dask array")
    Traceback (most recent call last):
    nbglm.exceptions.CountsError: chunk (0, 1) of the dask array has shape (2, 3), where (3, 3) was
    promised; counts would get into wrong cells.
    """
    if tuple(found) != promised:
        msg = (
            f"{where} has shape {tuple(found)}, where {promised} was promised; counts would get "
            f"into wrong cells."
        )
        raise CountsError(msg)


def dense_block(values: Any, shape: tuple[int, int], where: str) -> NDArray[Any]:
    """What was read or computed, if it is the piece of a dense table that was promised.

    Parameters
    ----------
    values : object
        An array, or what can be made one.
    shape : tuple of int
        What was promised.
    where : str
        Where the piece is, for messages.

    Returns
    -------
    ndarray

    Raises
    ------
    CountsError
        If it has another shape, masked entries, or values that are no real numbers.

    Examples
    --------
    >>> dense_block([[1, 2]], (1, 2), "a chunk").shape
    (1, 2)
    """
    refuse_masked(values)
    block = np.asarray(values)
    require_shape(block.shape, shape, where)
    check_dtype(block.dtype)
    return block


def dense_pieces(
    block: NDArray[Any], first_cell: int, first_gene: int, memory: int, share: float
) -> Iterator[Tile]:
    """Cut a dense block in memory into pieces that are small enough to be turned round.

    Parameters
    ----------
    block : ndarray, shape (cells, genes)
        Values.
    first_cell, first_gene : int
        Where they stand.
    memory : int
        Bytes for each piece.
    share : float
        Share of the block in the whole work.

    Yields
    ------
    Tile

    Examples
    --------
    >>> [tile.matrix.shape for tile in dense_pieces(np.zeros((5, 2)), 0, 0, 250, 1.0)]
    [(2, 2), (2, 2), (1, 2)]
    """
    height, width = block.shape
    step = max(1, min(BAND, memory // (max(1, width) * bytes_a_cell(block.dtype.itemsize))))
    for start in range(0, height, step):
        piece = block[start : start + step]
        yield Tile(first_cell + start, first_gene, piece, share * piece.shape[0] / max(1, height))


def ranges(indptr: NDArray[Any], entries: int, most: int) -> Iterator[tuple[int, int]]:
    """Cut compressed rows, or columns, into ranges.

    Parameters
    ----------
    indptr : ndarray of int
        Where each row begins.
    entries, most : int
        Entries and rows of a range at most; a fuller row is a range of its own.

    Yields
    ------
    tuple of int
        Start and stop.

    Examples
    --------
    >>> list(ranges(np.array([0, 2, 4, 9, 10]), 4, 10))
    [(0, 2), (2, 3), (3, 4)]
    """
    start, end = 0, indptr.size - 1
    while start < end:
        reach = int(indptr[start]) + entries
        stop = int(np.searchsorted(indptr, reach, side="right")) - 1
        stop = min(max(start + 1, stop), start + most, end)
        yield start, stop
        start = stop


@dataclass(frozen=True)
class Selected:
    """Some cells and genes of a source, as of a view of a backed AnnData.

    Attributes
    ----------
    source : Source
        The whole table.
    cells, genes : ndarray of int
        Which ones, in ascending order.
    """

    source: Source
    cells: IntArray
    genes: IntArray

    def __post_init__(self) -> None:
        for what, chosen in (("cells", self.cells), ("genes", self.genes)):
            if np.any(np.diff(chosen) <= 0):
                msg = (
                    f"this view of data outside memory has its {what} in another order than the "
                    f"file; sort the selection, or load the view with to_memory()."
                )
                raise CountsError(msg)

    @property
    def where(self) -> str:
        """What it is called in messages."""
        return self.source.where

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of chosen cells and genes."""
        return self.cells.size, self.genes.size

    @property
    def dtype(self) -> np.dtype[Any]:
        """Kind of the values."""
        return self.source.dtype

    @property
    def stored(self) -> int | None:
        """Nobody knows how many values are stored for the chosen ones."""
        return None

    @property
    def fixed(self) -> int:
        """Bytes that reading takes besides tiles."""
        return self.source.fixed

    def least(self) -> int:
        """Bytes that the smallest possible tile needs, and its chosen part."""
        return 2 * self.source.least()

    def tiles(self, memory: int) -> Iterator[Tile]:
        """Chosen parts of all tiles."""
        for first_cell, first_gene, matrix, share in self.source.tiles(memory // 2):
            height, width = matrix.shape
            a, b = np.searchsorted(self.cells, [first_cell, first_cell + height])
            c, d = np.searchsorted(self.genes, [first_gene, first_gene + width])
            part = matrix[self.cells[a:b] - first_cell][:, self.genes[c:d] - first_gene]
            yield Tile(int(a), int(c), part, share)
