"""What can hold a table outside memory: sparse groups and dense arrays of a file, dask arrays.

Nothing here needs h5py, zarr or dask: each is known by its face, so that what is not installed
need not be.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from scipy import sparse

from nbglm.counts.dasked import Dasked
from nbglm.counts.stored import Compressed, Dense
from nbglm.counts.structure import damaged
from nbglm.counts.tiles import Source
from nbglm.exceptions import CountsError, NbglmError, some_of

__all__ = ["is_group", "open_source", "place_of"]

_LAYOUTS = {"csr_matrix": "csr", "csc_matrix": "csc", "csr": "csr", "csc": "csc"}


def open_source(matrix: Any) -> Source | None:
    """Look at a table without reading it.

    Parameters
    ----------
    matrix : object
        A matrix of any kind.

    Returns
    -------
    Source or None
        None if it is in memory, or no table.

    Raises
    ------
    CountsError
        If its file is closed or damaged, or it has not two dimensions.

    Examples
    --------
    >>> open_source(np.zeros((2, 2))) is None
    True
    """
    if isinstance(matrix, np.ndarray) or sparse.issparse(matrix):
        return None
    _refuse_closed(matrix)
    if hasattr(matrix, "group") and hasattr(matrix, "format"):  # anndata's sparse datasets
        _refuse_closed(matrix.group)
        where = f"the sparse matrix{place_of(matrix.group)}"
        with _read_failures(where):
            return Compressed.of(matrix.group, matrix.format, matrix.shape, where)
    if is_group(matrix):
        with _read_failures(f"the group{place_of(matrix)}"):
            return _of_group(matrix)
    if not all(hasattr(matrix, name) for name in ("shape", "dtype", "chunks", "__getitem__")):
        return None
    dask = hasattr(matrix, "__dask_graph__")
    if dask and not hasattr(matrix, "blocks"):  # other collections than arrays
        return None
    where = f"the array{place_of(matrix)}"
    with _read_failures(where):
        shape = tuple(matrix.shape)
        if len(shape) != 2:
            msg = f"data must have two dimensions, cells x genes; its shape is {shape}."
            raise CountsError(msg)
        return Dasked.of(matrix) if dask else Dense(matrix, where)


@contextmanager
def _read_failures(where: str) -> Iterator[None]:
    """Say in words what h5py and zarr raise where a file is damaged."""
    try:
        yield
    except (NbglmError, MemoryError):
        raise
    except Exception as error:
        raise damaged(where, f"{type(error).__name__}: {error}") from error


def is_group(held: Any) -> bool:
    """Whether something is a group of an HDF5 file or a zarr store.

    Parameters
    ----------
    held : object
        Anything.

    Returns
    -------
    bool
    """
    module = type(held).__module__.partition(".")[0]
    return module in ("h5py", "zarr") and hasattr(held, "attrs") and hasattr(held, "keys")


def _of_group(group: Any) -> Compressed:
    """The sparse matrix that anndata has written as a group."""
    found = dict(group.attrs)
    kind = found.get("encoding-type", found.get("h5sparse_format", ""))
    kind = kind.decode() if isinstance(kind, bytes) else str(kind)
    where = f"the sparse matrix{place_of(group)}"
    if kind in _LAYOUTS:
        shape = found.get("shape", found.get("h5sparse_shape"))
        if shape is None:
            raise damaged(where, "it has no attribute 'shape'")
        return Compressed.of(group, _LAYOUTS[kind], shape, where)
    if kind == "anndata" or {"X", "obs"} <= set(group.keys()):
        msg = (
            f"data is a whole AnnData, the group{place_of(group)}; open it with "
            f"anndata.read_h5ad(path, backed='r') or anndata.read_zarr(path), and pass that."
        )
        raise CountsError(msg)
    msg = (
        f"data is a group{place_of(group)} that is no sparse matrix of anndata (it holds "
        f"{some_of(group.keys(), 8)}); pass one of its arrays."
    )
    raise CountsError(msg)


def place_of(held: Any) -> str:
    """Which file something is in, for messages.

    Parameters
    ----------
    held : object
        A group or an array.

    Returns
    -------
    str
        With a leading space; empty if it is in no file, or that does not say.

    Examples
    --------
    >>> place_of(np.zeros(3))
    ''
    """
    file = getattr(getattr(held, "file", None), "filename", None)
    if isinstance(file, str | bytes):
        file = file.decode() if isinstance(file, bytes) else file
        return f" {getattr(held, 'name', '')!r} in the file {file!r}"
    store = getattr(held, "store_path", None) or getattr(getattr(held, "store", None), "path", None)
    return "" if store is None else f" in {str(store)!r}"


def _refuse_closed(held: Any) -> None:
    # Objects of h5py are false once their file is closed; those of zarr have nothing to close.
    if type(held).__module__.partition(".")[0] == "h5py" and not held:
        msg = "the file that holds the data is closed; open it again, and keep it open until fit."
        raise CountsError(msg)
