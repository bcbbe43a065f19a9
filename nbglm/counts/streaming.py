"""One pass over a table outside memory: checked tile by tile, turned round, kept by gene."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from nbglm.counts.budget import Budget
from nbglm.counts.filling import Filling
from nbglm.counts.store import GeneStore, Run, make_run
from nbglm.counts.tiles import Source, Tile, native
from nbglm.counts.validity import check_counts, check_dtype, sum_duplicates
from nbglm.exceptions import CountsError, NbglmError
from nbglm.memory import written

__all__ = ["read_source"]


def _by_genes(matrix: Any) -> sparse.csc_matrix:
    """A tile as compressed sparse columns."""
    if sparse.issparse(matrix):
        return sum_duplicates(sparse.csc_matrix(matrix))
    # Rows first: scipy turns compressed rows round faster than numpy finds entries by column.
    rows, columns = matrix.shape
    flat = np.flatnonzero(matrix)
    indptr = np.searchsorted(flat, np.arange(rows + 1) * columns).astype(np.int32)
    values = native(matrix.reshape(-1)[flat])
    flat %= columns
    return sparse.csr_matrix((values, flat.astype(np.int32), indptr), (rows, columns)).tocsc()


def _tiles(source: Source, memory: int) -> Iterator[Tile]:
    """All tiles; whatever stops the reading of a file is said in words, with its name."""
    try:
        yield from source.tiles(memory)
    except (NbglmError, MemoryError):
        raise
    except Exception as error:  # whatever a file, a filter or a graph of dask comes up with
        msg = (
            f"{source.where} cannot be read to its end: {type(error).__name__}: {error}. If it is "
            f"in a file, that is damaged or was cut off, or has changed meanwhile."
        )
        raise CountsError(msg) from error


def _packed(tile: Tile, genes: pd.Index, cells: pd.Index, hint: str) -> Run:
    """Check a tile and pack it."""
    columns = _by_genes(tile.matrix)
    rows, width = columns.shape
    here = cells[tile.first_cell : tile.first_cell + rows]
    try:
        check_counts(columns, genes[tile.first_gene : tile.first_gene + width], here, hint)
    except CountsError as error:
        if tile.share >= 1.0:
            raise
        msg = f"{error} (Reading stopped there; there may be more.)"
        raise CountsError(msg) from None
    return make_run(columns, tile.first_cell, tile.first_gene)


def _plan(filling: Filling, source: Source, done: float, limit: int, budget: Budget) -> str:
    """Decide where the counts go, from the first tile; say so in a line."""
    expected = filling.expected / done
    scratch = expected > limit
    if scratch:
        folder = tempfile.gettempdir()
        room = shutil.disk_usage(folder).free
        if expected > room:
            msg = (
                f"the counts need about {written(expected)}, more than max_memory "
                f"({written(budget.whole)}) leaves, and {folder} has only {written(room)} for "
                f"scratch files. Raise max_memory, or set TMPDIR to a folder with more room."
            )
            raise CountsError(msg)
        filling.to_scratch()
    about = "" if done >= 1.0 else "about "
    if source.stored is not None:
        entries = f"{source.stored:,}"
    else:
        entries = f"{about}{filling.non_zeros / done:,.0f}"
    where = f"in a scratch file in {tempfile.gettempdir()}" if scratch else "in memory"
    return (
        f"nbglm: {source.shape[0]:,} cells x {source.shape[1]:,} genes, {entries} non-zeros: "
        f"{about}{written(expected)} {where} (max_memory {written(budget.whole)})"
    )


def read_source(
    source: Source,
    genes: pd.Index,
    cells: pd.Index,
    hint: str,
    budget: Budget,
    progress: bool | None = None,
) -> GeneStore:
    """Read a table once, within a budget of memory.

    Parameters
    ----------
    source : Source
        The table.
    genes, cells : Index
        Their names.
    hint : str
        What to do if the values are no counts.
    budget : Budget
        Memory; counts for which it does not suffice go to a temporary file.
    progress : bool or None
        Whether to say on stderr what it takes; by default on a terminal.

    Returns
    -------
    GeneStore

    Raises
    ------
    CountsError
        If the values are no counts, or the budget or the disk do not suffice.

    Examples
    --------
    >>> import io, h5py
    >>> from nbglm.counts.stored import Dense
    >>> with h5py.File(io.BytesIO(), "w") as file:
    ...     source = Dense(file.create_dataset("X", data=np.array([[0, 3], [2, 1]])))
    ...     names = pd.Index(["a", "b"])
    ...     store = read_source(source, names, names, "", Budget(10**6))
    >>> store.block(1, 2).counts, store.nbytes
    (array([3., 1.]), 9)
    """
    from tqdm import tqdm

    check_dtype(source.dtype)
    budget.require(source)
    limit = budget.kept(source)
    filling = Filling(limit, budget.waiting(source))
    says = progress or (progress is None and sys.stderr.isatty())
    done, planned = 0.0, False
    with tqdm(
        total=100,
        desc="nbglm: reading",
        bar_format="{desc}: {percentage:3.0f}%|{bar}| [{elapsed}<{remaining}]",
        delay=0.0 if progress else 1.0,
        disable=None if progress is None else not progress,
        leave=False,
    ) as bar:
        for tile in _tiles(source, budget.tile(source)):
            done = min(1.0, done + tile.share)
            filling.add(_packed(tile, genes, cells, hint))
            del tile  # before the next one is read
            bar.update(int(100 * done) - bar.n)
            if not planned and done > 0.0:
                planned = True
                line = _plan(filling, source, done, limit, budget)
                if says:
                    tqdm.write(line, file=sys.stderr)
        filling.flush()
    return GeneStore(source.shape, filling.runs, budget.block_entries)
