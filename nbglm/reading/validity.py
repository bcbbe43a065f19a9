"""What is a count: a whole number of 0 or more; whatever is not is named by gene and cell."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from nbglm.exceptions import CountsError

__all__ = ["check_counts", "check_dtype", "sum_duplicates"]

_LARGEST = 2.0**53  # beyond this a float no longer holds every whole number
_AT_A_TIME = 1 << 20  # values that are looked at together: the work takes a few bytes for each


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
    if not any(np.issubdtype(dtype, kind) for kind in (np.bool_, np.integer, np.floating)):
        msg = f"data has dtype {dtype}; counts are whole numbers of 0 or more."
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
    canonical = columns.astype(np.float64, copy=True)
    canonical.sum_duplicates()
    return canonical


def _bad(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Which values are no counts."""
    if values.dtype == bool:
        return np.zeros(values.shape, dtype=bool)
    if np.issubdtype(values.dtype, np.unsignedinteger):
        return np.asarray(values > _LARGEST)
    if np.issubdtype(values.dtype, np.integer):
        return np.asarray((values < 0) | (values > _LARGEST))
    with np.errstate(invalid="ignore"):
        good = (values >= 0) & (values <= _LARGEST) & (values == np.floor(values))
    return np.asarray(~good)


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
    if sparse.issparse(matrix):
        where = _where_bad(matrix.data)
        gene_of = np.searchsorted(np.asarray(matrix.indptr), where, side="right") - 1
        cell_of, values = matrix.indices[where], matrix.data[where]
    else:
        gene_of, cell_of = np.nonzero(_bad(matrix).T)
        values = matrix[cell_of, gene_of]
    if not gene_of.size:
        return
    _, first = np.unique(gene_of, return_index=True)
    shown = ", ".join(
        f"{genes[gene_of[i]]!r} ({values[i]:g} in cell {cells[cell_of[i]]!r})" for i in first[:3]
    )
    more = f" and {first.size - 3} more genes" if first.size > 3 else ""
    msg = (
        f"the data are not counts: {shown}{more}. Counts are whole numbers of 0 or more, without "
        f"missing values. {hint}"
    )
    raise CountsError(msg)
