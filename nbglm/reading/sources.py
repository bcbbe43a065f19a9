"""What can hold a table outside memory: sparse groups and dense arrays of a file, dask arrays.

Nothing here needs h5py, zarr or dask: each is known by its face, so that what is not installed
need not be.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from nbglm.exceptions import CountsError
from nbglm.reading.dasked import Dasked
from nbglm.reading.stored import Compressed, Dense
from nbglm.reading.tiles import Source

__all__ = ["open_source"]


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
        return Compressed.of(matrix.group, matrix.format, matrix.shape)
    if not all(hasattr(matrix, name) for name in ("shape", "dtype", "chunks", "__getitem__")):
        return None
    dask = hasattr(matrix, "__dask_graph__")
    if dask and not hasattr(matrix, "blocks"):  # other collections than arrays
        return None
    shape = tuple(matrix.shape)
    if len(shape) != 2:
        msg = f"data must have two dimensions, cells x genes; its shape is {shape}."
        raise CountsError(msg)
    return Dasked.of(matrix) if dask else Dense(matrix)


def _refuse_closed(held: Any) -> None:
    # Objects of h5py are false once their file is closed; those of zarr have nothing to close.
    if type(held).__module__.partition(".")[0] == "h5py" and not held:
        msg = "the file that holds the data is closed; open it again, and keep it open until fit."
        raise CountsError(msg)
