"""What is a count: a whole number of 0 or more; whatever is not is named by gene and cell."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from nbglm.design.labels import quoted
from nbglm.design.reals import LARGEST_WHOLE
from nbglm.exceptions import CountsError

__all__ = ["check_counts", "check_dtype", "refuse_masked", "sum_duplicates"]

_AT_A_TIME = 1 << 20  # values that are looked at together: the work takes a few bytes for each
_IN_CACHE = 1 << 16  # values of which several arrays stay in the second cache
_DTYPE_HINTS = {
    "O": " Convert the values first, for example with astype(float).",
    "U": " Convert the text to numbers first, for example with astype(int).",
    "S": " Convert the text to numbers first, for example with astype(int).",
    "V": " Pass one array of numbers, cells x genes, instead of a structured one.",
}


def check_dtype(dtype: np.dtype[Any]) -> None:
    """Refuse what cannot hold counts.

    Parameters
    ----------
    dtype : dtype
        Kind of the values.

    Raises
    ------
    CountsError
        If the values are not real numbers.

    Examples
    --------
    >>> check_dtype(np.dtype(np.uint8))
    """
    if dtype.kind not in "biuf":
        msg = f"data has dtype {dtype}; counts are whole numbers of 0 or more."
        raise CountsError(msg + _DTYPE_HINTS.get(dtype.kind, ""))


def refuse_masked(values: Any) -> None:
    """Refuse an array of which some entries are masked: what is under a mask are no data.

    Parameters
    ----------
    values : object
        An array of any kind.

    Raises
    ------
    CountsError
        If an entry is masked.

    Examples
    --------
    >>> refuse_masked(np.ma.array([1, 2], mask=[False, False]))
    """
    if np.ma.is_masked(values):
        count = int(np.ma.getmaskarray(values).sum())
        msg = (
            f"data has {count} masked entries, which are no counts; leave those cells or genes "
            f"out, or give the entries a value (data.filled(0) if they are zeros)."
        )
        raise CountsError(msg)


def sum_duplicates(columns: sparse.csc_matrix) -> sparse.csc_matrix:
    """Sort the entries of each gene by cell, and sum those of one cell.

    Parameters
    ----------
    columns : sparse CSC matrix
        Counts; left as it is.

    Returns
    -------
    sparse CSC matrix
        The same object where there is nothing to do.

    Examples
    --------
    >>> twice = sparse.csc_matrix((np.array([200, 100], np.uint8), [0, 0], [0, 2]), shape=(3, 1))
    >>> sum_duplicates(twice).data
    array([300.])
    """
    if columns.has_canonical_format:
        return columns
    check_dtype(columns.dtype)
    # As float64: sums of small integers, or of truth values, would wrap around.
    canonical = sparse.csc_matrix(columns.shape)
    canonical.data = columns.data.astype(np.float64)
    canonical.indices = columns.indices.copy()
    canonical.indptr = columns.indptr.copy()
    canonical.sum_duplicates()
    return canonical


def _bad(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Which values are no counts."""
    kind, wide = values.dtype.kind, values.dtype.itemsize == 8
    if kind == "b":
        return np.zeros(values.shape, dtype=bool)
    if kind == "u":
        return np.asarray(values > LARGEST_WHOLE) if wide else np.zeros(values.shape, dtype=bool)
    if kind == "i":
        return np.asarray((values < 0) | (values > LARGEST_WHOLE) if wide else values < 0)
    with np.errstate(invalid="ignore"):
        good = (values >= 0) & (values == np.floor(values))
        if values.dtype.itemsize > 2:  # the others end at 65,504
            good &= values < float(LARGEST_WHOLE + 1)  # the same in four bytes as in eight
        else:
            good &= np.isfinite(values)
    return np.asarray(~good)


def _pieces(values: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Parts of an array of one or two dimensions, near each other in memory."""
    if values.ndim == 2 and abs(values.strides[0]) < abs(values.strides[1]):
        values = values.T
    step = max(1, _IN_CACHE // max(1, values[:1].size))
    for start in range(0, len(values), step):
        yield values[start : start + step]


def _where_bad(values: NDArray[Any]) -> NDArray[np.int64]:
    """Positions of values that are no counts, in an array of one dimension."""
    found = [
        start + np.flatnonzero(_bad(values[start : start + _AT_A_TIME]))
        for start in range(0, values.size, _AT_A_TIME)
    ]
    return np.concatenate(found) if found else np.zeros(0, dtype=np.int64)


def check_counts(matrix: Any, genes: pd.Index, cells: pd.Index, hint: str) -> None:
    """Refuse negative, fractional, missing and infinite values.

    Parameters
    ----------
    matrix : sparse CSC matrix or ndarray, shape (cells, genes)
        Values.
    genes, cells : Index
        Names of its columns and rows.
    hint : str
        What to do about it, the end of the message.

    Raises
    ------
    CountsError
        If there is one; the message names the first genes and the first cell of each.

    Examples
    --------
    >>> check_counts(np.array([[0.5, 3.0]]), pd.Index(["a", "b"]), pd.Index(["c"]), "Use raw ones.")
    Traceback (most recent call last):
    nbglm.exceptions.CountsError: the data are not counts: 'a' (0.5 in cell 'c'). Counts are whole
    numbers of 0 or more, without missing values. Use raw ones.
    """
    check_dtype(matrix.dtype)
    values: NDArray[Any]
    gene_of: NDArray[Any]
    whole = matrix.data if sparse.issparse(matrix) else matrix
    if not any(_bad(piece).any() for piece in _pieces(whole)):
        return  # as nearly always; only what is bad has to be found
    if sparse.issparse(matrix):
        where = _where_bad(matrix.data)
        gene_of = np.searchsorted(np.asarray(matrix.indptr), where, side="right") - 1
        cell_of, values = matrix.indices[where], matrix.data[where]
    else:
        gene_of, cell_of = np.nonzero(_bad(matrix).T)
        values = matrix[cell_of, gene_of]
    if not gene_of.size:
        return  # another thread has changed the table; blocks are checked as well
    if values.dtype == np.float16:  # in which the largest whole number is infinite
        values = values.astype(np.float64)
    _, first = np.unique(gene_of, return_index=True)
    shown = ", ".join(
        f"{genes[gene_of[i]]!r} ({_shown(values[i])} in cell {quoted(cells[cell_of[i]])})"
        for i in first[:3]
    )
    more = f" and {first.size - 3} more genes" if first.size > 3 else ""
    large = bool((values > LARGEST_WHOLE)[np.isfinite(values)].any())
    limit = " and at most 2**53 - 1, beyond which floats lose digits," if large else ","
    msg = (
        f"the data are not counts: {shown}{more}. Counts are whole numbers of 0 or more{limit} "
        f"without missing values. {hint}"
    )
    raise CountsError(msg)


def _shown(value: Any) -> str:
    if value.dtype.kind in "iu":
        return str(value)
    return f"{value:g}" if abs(value) < 1e6 else f"{value:.17g}"
