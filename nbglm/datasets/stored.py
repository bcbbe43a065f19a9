"""Real data that may not be handed out with the package: they are read where you keep them."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nbglm.exceptions import CountsError, UnavailableError

if TYPE_CHECKING:
    from anndata import AnnData

__all__ = ["pancreas"]

_FILE = "pancreas.h5ad"

_VARIABLE = "NBGLM_DATA_DIR"

_CONTENTS = "147e9d31484e85972debc56aa246f7da09c4566bcd91d6f4a57fcd6612357fd6"
"""SHA-256 of counts, pseudotime and names: see :func:`_digest`."""

_HOW = (
    f"Nobody offers it for download under an address that can be relied on. Make it once from the "
    f"data of the R package scDesign3 (github.com/SONGDONGYUAN1994/scDesign3: example_count.rda, "
    f"pseudotime.rda): 2,087 cells x 100 genes of raw counts in X, obs['pseudotime'] beside, "
    f"written as {_FILE} into a folder that the environment variable {_VARIABLE} names. "
    f"nbglm.datasets.simulate_cells(seed=1) needs no file."
)


def _digest(adata: AnnData) -> str:
    """A digest of what matters, however the file was written."""
    matrix = adata.X.toarray() if hasattr(adata.X, "toarray") else np.asarray(adata.X)
    digest = hashlib.sha256(np.ascontiguousarray(matrix, dtype="<i8").tobytes())
    time = np.round(adata.obs["pseudotime"].to_numpy(dtype="<f8"), 9)
    digest.update(np.ascontiguousarray(time, dtype="<f8").tobytes())
    digest.update("\n".join(adata.var_names).encode())
    return digest.hexdigest()


def pancreas() -> AnnData:
    """Cells of the developing mouse pancreas, from a file that you have.

    Returns
    -------
    AnnData
        2,087 cells x 100 genes: raw counts, with ``obs["pseudotime"]`` from 0 to 1 (Bastidas-Ponce
        et al. 2019, as the R package scDesign3 distributes them).

    Raises
    ------
    UnavailableError
        If there is no such file in the folder that the environment variable ``NBGLM_DATA_DIR``
        names; the message says how to come by it.
    CountsError
        If the file holds something else.

    Notes
    -----
    Nothing is downloaded. What the file holds is compared with a checksum of counts, pseudotime
    and names of genes.
    """
    from anndata import read_h5ad

    folder = os.environ.get(_VARIABLE)
    if not folder:
        msg = f"the pancreas data are read from a file, and {_VARIABLE} is not set. {_HOW}"
        raise UnavailableError(msg)
    path = Path(folder) / _FILE
    if not path.is_file():
        msg = f"there is no {_FILE} in the folder {folder!r} that {_VARIABLE} names. {_HOW}"
        raise UnavailableError(msg)
    try:
        adata = read_h5ad(path)
        found = _digest(adata)
    except Exception as error:
        msg = f"{str(path)!r} cannot be read as the pancreas data ({error}). {_HOW}"
        raise CountsError(msg) from error
    if found != _CONTENTS:
        msg = f"{str(path)!r} holds other data than the pancreas data. {_HOW}"
        raise CountsError(msg)
    return adata
