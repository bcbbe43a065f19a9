"""Counts that stay where the user keeps them are looked at again whenever they are used.

A table in memory is not copied, and its owner may change it: another thread while it is read, or
the next step of an analysis, which puts logarithms into the same array, before the fit is asked
for robust errors. Kernels index with what they are given, so that would be a crash or a wrong
number. Each block that is handed out is a copy, which must still be counts that add up to the
same totals as when they were checked, and to the same sum with a weight of its own for each cell
as when they were first handed out: rows that are shuffled in place keep their totals.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbglm.counts.store import GeneBlock
from nbglm.exceptions import CountsError

__all__ = ["gene_totals", "require_unchanged"]

_GOLDEN = 0.6180339887498949  # its multiples fill the unit interval most evenly
_ROUNDING = 1e-12  # of totals beyond 2**53, which may be added up in another order


@lru_cache(maxsize=2)
def _weights(n_cells: int) -> NDArray[np.float64]:
    """A weight between 1 and 2 for each cell, no two of them the same."""
    weights = 1.0 + (np.arange(n_cells) * _GOLDEN) % 1.0
    return np.asarray(weights, dtype=np.float64)


def gene_totals(indptr: NDArray[Any], counts: NDArray[Any]) -> NDArray[np.float64]:
    """Sum of the counts of each gene.

    Parameters
    ----------
    indptr : ndarray of int, shape (genes + 1,)
        Where each gene begins.
    counts : ndarray
        Their counts.

    Returns
    -------
    ndarray, shape (genes,)

    Examples
    --------
    >>> gene_totals(np.array([0, 2, 2, 3]), np.array([1, 2, 5]))
    array([3., 0., 5.])
    """
    totals = np.zeros(indptr.size - 1)
    there = np.flatnonzero(indptr[1:] > indptr[:-1])
    if there.size:
        totals[there] = np.add.reduceat(counts, indptr[there], dtype=np.float64)
    return totals


def require_unchanged(
    block: GeneBlock,
    n_cells: int,
    totals: NDArray[np.float64],
    marks: NDArray[np.float64],
    genes: pd.Index,
) -> None:
    """Refuse counts that are no longer those that were checked.

    Parameters
    ----------
    block : GeneBlock
        Copies of what the table holds now, without zeros.
    n_cells : int
        Number of cells.
    totals : ndarray, shape (genes,)
        Their sums when they were checked.
    marks : ndarray, shape (genes,)
        Their weighted sums when they were first handed out; filled in where NaN.
    genes : Index
        Their names.

    Raises
    ------
    CountsError
        If a cell number is out of bounds, a value is no count, or a sum differs.

    Examples
    --------
    >>> block = GeneBlock(np.array([0, 1]), np.array([0]), np.array([0.69]))
    >>> require_unchanged(block, 2, np.array([1.0]), np.array([np.nan]), pd.Index(["Pyy"]))
    Traceback (most recent call last):
    nbglm.exceptions.CountsError: the counts of 'Pyy' have changed since they were read: the table
    was changed in place. Fit a copy (data.copy()) where that is to happen, or fit again.
    """
    indptr, cells, counts = block
    if not counts.size and not totals.any():
        return
    now = gene_totals(indptr, counts)
    # Not larger than any number of a cell once its sign is gone; NaN fails every comparison.
    inside = not cells.size or int(cells.view(np.uint64).max()) < n_cells
    positive = bool(counts.min(initial=1.0) > 0.0)
    same = np.abs(now - totals) <= _ROUNDING * totals
    if inside and positive and same.all():
        weighted = gene_totals(indptr, _weights(n_cells)[cells] * counts)
        marks[np.isnan(marks)] = weighted[np.isnan(marks)]
        same = np.abs(weighted - marks) <= _ROUNDING * marks
        if same.all():
            return
    wrong = genes[int(np.argmin(same))] if not same.all() else genes[0]
    msg = (
        f"the counts of {wrong!r} have changed since they were read: the table was changed in "
        f"place. Fit a copy (data.copy()) where that is to happen, or fit again."
    )
    raise CountsError(msg)
