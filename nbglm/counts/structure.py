"""Sparse matrices are looked through before compiled code follows their indices.

scipy's and the package's compiled loops trust an index as it is: one that is too large reads, or
writes, memory of somebody else. Matrices can be damaged by hand, by another thread, or in a file,
so nothing that anybody else could change is trusted twice: index pointers are copied and checked,
indices are checked in one pass and, where another pass follows them, checked in a copy.
"""

from __future__ import annotations

from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from nbglm.counts.validity import check_dtype, refuse_masked
from nbglm.exceptions import CountsError

__all__ = [
    "SPARSE",
    "check_indices",
    "checked_pointer",
    "damaged",
    "own",
    "selected",
    "sound_lines",
]

IntArray = NDArray[np.int64]

SPARSE = "the sparse matrix"
"""What a damaged matrix in memory is called."""


def damaged(where: str, why: str) -> CountsError:
    """The error that says what is wrong with a sparse matrix.

    Parameters
    ----------
    where : str
        Which one.
    why : str
        What is wrong.

    Returns
    -------
    CountsError

    Examples
    --------
    >>> print(damaged("the sparse matrix", "an index is out of bounds"))
    the sparse matrix is damaged: an index is out of bounds. Make it again from its source; counts
    cannot be read from it.
    """
    return CountsError(
        f"{where} is damaged: {why}. Make it again from its source; counts cannot be read from it."
    )


def own(values: NDArray[Any]) -> NDArray[Any]:
    """Values in memory that nobody else holds; what was just read from a file is that already.

    Parameters
    ----------
    values : ndarray
        Values.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> shared = np.arange(3)
    >>> own(shared[:2]) is shared, own(shared) is shared
    (False, True)
    """
    return values if values.flags.owndata else values.copy()


def _integers(values: NDArray[Any], what: str, where: str) -> None:
    if values.ndim != 1 or values.dtype.kind not in "iu":
        why = f"its {what} have dtype {values.dtype} and shape {values.shape}"
        raise damaged(where, f"{why}, not whole numbers in a row")


def check_indices(indices: NDArray[Any], minors: int, where: str = SPARSE) -> None:
    """Refuse indices outside a matrix, in one pass.

    Parameters
    ----------
    indices : ndarray
        Numbers of cells or genes.
    minors : int
        How many there are.
    where : str
        Which matrix, for messages.

    Raises
    ------
    CountsError
        If one is negative or too large, or they are no integers.

    Examples
    --------
    >>> check_indices(np.array([0, 3]), 3)
    Traceback (most recent call last):
    nbglm.exceptions.CountsError: the sparse matrix is damaged: an index is out of bounds (3, where
    3 are numbered from 0). Make it again from its source; counts cannot be read from it.
    """
    _integers(indices, "indices", where)
    # Without their sign, negative numbers are larger than any size.
    unsigned = indices.view(indices.dtype.str.replace("i", "u"))
    if unsigned.size and int(unsigned.max()) >= minors:
        wrong = indices[int(np.argmax(unsigned))]
        why = f"an index is out of bounds ({wrong}, where {minors} are numbered from 0)"
        raise damaged(where, why)


def checked_pointer(
    indptr: NDArray[Any], majors: int, stored: int, where: str = SPARSE
) -> IntArray:
    """A copy of an index pointer, if it can be followed.

    Parameters
    ----------
    indptr : ndarray
        Where each row (or column) begins.
    majors : int
        How many rows (or columns) there are.
    stored : int
        How many entries are stored.
    where : str
        Which matrix, for messages.

    Returns
    -------
    ndarray of int, shape (majors + 1,)

    Raises
    ------
    CountsError
        If it has another length, does not begin at 0, falls, or does not end with the entries.

    Examples
    --------
    >>> checked_pointer(np.array([0, 2, 3], dtype=np.int32), 2, 3)
    array([0, 2, 3])
    """
    _integers(indptr, "index pointers", where)
    pointer = indptr.astype(np.int64)
    sound = pointer.size == majors + 1 and pointer[0] == 0 and pointer[-1] == stored
    if not sound or np.any(pointer[1:] < pointer[:-1]):
        ends = f"from {pointer[0]} to {pointer[-1]}" if pointer.size else "nowhere"
        why = (
            f"its index pointer does not fit (it has {pointer.size} numbers and leads {ends}; "
            f"there are {majors} rows or columns with {stored} entries)"
        )
        raise damaged(where, why)
    return pointer


def _from_parts(
    layout: str,
    shape: tuple[int, int],
    data: NDArray[Any],
    indices: NDArray[Any],
    indptr: IntArray,
) -> sparse.csr_matrix | sparse.csc_matrix:
    """A matrix of these arrays, without what scipy remembers about one that had them before."""
    made = (sparse.csr_matrix if layout == "csr" else sparse.csc_matrix)(shape)
    narrow = indices.dtype == np.int32 and indptr[-1] <= np.iinfo(np.int32).max
    width = np.int32 if narrow else np.int64  # of both: scipy's loops take no mixture
    # Set rather than passed, since the constructor may copy indices of eight bytes.
    made.data, made.indices = data, indices.astype(width, copy=False)
    made.indptr = indptr.astype(width, copy=False)
    return made


def _sound_compressed(matrix: Any, where: str) -> sparse.csr_matrix | sparse.csc_matrix:
    refuse_masked(matrix.data)
    data, indices = np.asarray(matrix.data), np.asarray(matrix.indices)
    if data.ndim != 1 or data.shape != indices.shape:
        why = f"it has {indices.size} indices for {data.size} values"
        raise damaged(where, why)
    majors, minors = matrix.shape if matrix.format == "csr" else matrix.shape[::-1]
    # Entries beyond the last pointer are room that scipy leaves; before it there must be enough.
    indptr = np.asarray(matrix.indptr)
    _integers(indptr, "index pointers", where)
    end = int(indptr[-1]) if indptr.size else 0
    if end > data.size:
        raise damaged(where, f"its index pointer leads to {end}, beyond its {data.size} values")
    pointer = checked_pointer(indptr, int(majors), end, where)
    data, indices = data[:end], indices[:end]
    check_indices(indices, int(minors), where)
    shape = int(matrix.shape[0]), int(matrix.shape[1])
    return _from_parts(matrix.format, shape, data, indices, pointer)


def _entries(matrix: Any, where: str) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Row, column and value of each entry of a matrix of another format."""
    if matrix.format == "lil":
        held = [list(map(len, part)) for part in (matrix.rows, matrix.data)]
        if len(held[0]) != matrix.shape[0] or held[0] != held[1]:
            raise damaged(where, "its lists of columns and values differ in length")
        row = np.repeat(np.arange(len(held[0])), held[0])
        column = np.array(list(chain.from_iterable(matrix.rows)))
        column = column if column.size else np.zeros(0, dtype=np.int64)
        values = np.array(list(chain.from_iterable(matrix.data)))
        return row, column, values if values.size else np.zeros(0, dtype=matrix.dtype)
    if matrix.format == "dok":
        keys = np.array(list(matrix.keys()), dtype=None).reshape(-1, 2)
        keys = keys if keys.size else np.zeros((0, 2), dtype=np.int64)
        return keys[:, 0], keys[:, 1], np.fromiter(matrix.values(), dtype=matrix.dtype)
    if matrix.format == "dia":
        offsets, data = np.asarray(matrix.offsets), np.asarray(matrix.data)
        _integers(offsets, "offsets", where)
        if data.ndim != 2 or data.shape[0] != offsets.size:
            raise damaged(where, f"it has {offsets.size} offsets and data of shape {data.shape}")
        if np.unique(offsets).size < offsets.size:
            raise damaged(where, "it has the same diagonal twice")
        column = np.tile(np.arange(data.shape[1]), offsets.size)
        row = column - np.repeat(offsets.astype(np.int64), data.shape[1])
        rows, columns = matrix.shape
        inside = (row >= 0) & (row < rows) & (column < columns)  # the rest is there by design
        return row[inside], column[inside], data.ravel()[inside]
    if matrix.format == "bsr":
        data, indices = np.asarray(matrix.data), np.asarray(matrix.indices)
        if data.ndim != 3 or data.shape[0] != indices.size:
            raise damaged(where, f"it has {indices.size} indices and blocks of shape {data.shape}")
        height, width = data.shape[1:]
        rows, columns = matrix.shape
        if not height or not width or rows % height or columns % width:
            raise damaged(where, f"blocks of {height} x {width} do not fill {rows} x {columns}")
        pointer = checked_pointer(np.asarray(matrix.indptr), rows // height, indices.size, where)
        check_indices(indices, columns // width, where)
        row = np.repeat(np.arange(rows // height), np.diff(pointer))[:, None, None] * height
        column = indices[:, None, None].astype(np.int64) * width
        shape = data.shape
        row = np.broadcast_to(row + np.arange(height)[:, None], shape).ravel()
        column = np.broadcast_to(column + np.arange(width), shape).ravel()
        return row, column, data.ravel()
    return np.asarray(matrix.row), np.asarray(matrix.col), np.asarray(matrix.data)


def sound_lines(matrix: Any, where: str = SPARSE) -> sparse.csr_matrix | sparse.csc_matrix:
    """A sparse matrix of any format as compressed rows or columns that can be followed.

    Parameters
    ----------
    matrix : scipy sparse matrix or array, shape (cells, genes)
        Of any format; left as it is.
    where : str
        Which one, for messages.

    Returns
    -------
    scipy.sparse.csr_matrix or csc_matrix
        Compressed rows if it was that, else compressed columns. Its index pointer is its own. It
        shares values and indices with a compressed matrix: what indexes with them must do so in
        a copy that is checked once more.

    Raises
    ------
    CountsError
        If it is damaged.

    Examples
    --------
    >>> matrix = sparse.csc_matrix(np.eye(3))
    >>> matrix.indices[1] = 10**6
    >>> sound_lines(matrix)
    Traceback (most recent call last):
    nbglm.exceptions.CountsError: the sparse matrix is damaged: an index is out of bounds (1000000,
    where 3 are numbered from 0). Make it again from its source; counts cannot be read from it.
    """
    try:
        if matrix.format in ("csr", "csc"):
            return _sound_compressed(matrix, where)
        row, column, data = _entries(matrix, where)
    except (AttributeError, IndexError, TypeError, ValueError, OverflowError) as error:
        if isinstance(error, CountsError):
            raise
        raise damaged(where, f"{type(error).__name__}: {error}") from error
    if not row.shape == column.shape == data.shape:
        raise damaged(where, "its rows, columns and values differ in number")
    check_dtype(data.dtype)
    row, column = own(row[:]), own(column[:])  # scipy follows them in compiled code
    rows, columns = (int(size) for size in matrix.shape)
    check_indices(row, rows, where)
    check_indices(column, columns, where)
    # As float64, since scipy adds up what is there twice, and small integers would wrap around.
    floats = data.astype(np.float64)
    return sparse.coo_matrix((floats, (row, column)), shape=(rows, columns)).tocsc()


def selected(lines: Any, cells: IntArray, genes: IntArray) -> Any:
    """Some cells and genes, in any order, of a matrix that :func:`sound_lines` returned.

    Parameters
    ----------
    lines : scipy.sparse.csr_matrix or csc_matrix
        The whole.
    cells, genes : ndarray of int
        Which ones.

    Returns
    -------
    scipy.sparse.csr_matrix or csc_matrix
        Of arrays of its own.

    Examples
    --------
    >>> lines = sound_lines(sparse.csr_matrix(np.array([[0, 3], [2, 1]])))
    >>> selected(lines, np.array([1, 0]), np.array([1])).toarray()
    array([[1],
           [3]])
    """
    by_cells = lines.format == "csr"
    majors, minors = (cells, genes) if by_cells else (genes, cells)
    begin, length = lines.indptr[:-1][majors].astype(np.int64), np.diff(lines.indptr)[majors]
    pointer = np.concatenate([[0], np.cumsum(length, dtype=np.int64)])
    # Whole lines by numpy, which copies; then scipy may follow what was checked in the copy.
    taken = np.repeat(begin - pointer[:-1], length) + np.arange(pointer[-1])
    indices = lines.indices[taken]
    check_indices(indices, lines.shape[1] if by_cells else lines.shape[0])
    shape = (cells.size, lines.shape[1]) if by_cells else (lines.shape[0], genes.size)
    made = _from_parts(lines.format, shape, lines.data[taken], indices, pointer)
    return made[:, minors] if by_cells else made[minors, :]
