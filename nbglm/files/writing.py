"""Files are written beside their place, under another name, and renamed when they are whole."""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nbglm.exceptions import FileError
from nbglm.files.document import KEY
from nbglm.files.reading import open_arrays
from nbglm.hdf5 import write_h5ad
from nbglm.places import check_place, new_place

if TYPE_CHECKING:
    from anndata import AnnData

__all__ = ["marked", "write_anndata"]

_MARK = "nbglm_file"
_LARGE = 2**20  # bytes


def write_anndata(adata: AnnData, path: Path, *, overwrite: bool | None) -> None:
    """Write an AnnData that holds a fit; an earlier file stays whole until the new one is.

    Parameters
    ----------
    adata : AnnData
        What to write.
    path : Path
        Where to.
    overwrite : bool or None
        Whether what is there is replaced; None replaces a file of this kind alone.

    Raises
    ------
    FileError
        If something else is there, or it cannot be written.
    """
    check_place(path, repr(str(path)))
    _refuse_what_is_there(path, overwrite)
    write = _write_zarr if path.suffix == ".zarr" else _write_h5ad
    with new_place(path, repr(str(path))) as place:
        write(adata, place)


def _refuse_what_is_there(path: Path, overwrite: bool | None) -> None:
    there = os.path.lexists(path)
    if not there or overwrite or (overwrite is None and _is_ours(path)):
        return
    what = "something that is no saved fit" if overwrite is None else "a file"
    msg = f"there is {what} at {str(path)!r} already; pass overwrite=True to replace it."
    raise FileError(msg)


def _is_ours(path: Path) -> bool:
    """Whether a file holds a fit and nothing besides: not if somebody has put more into it."""
    with contextlib.suppress(Exception), open_arrays(path) as arrays:
        known = ("_index", f"{KEY}_")
        ours = (part for place in ("obs", "var", "varm") for part in arrays.below(place))
        none = (
            part for place in ("layers", "obsm", "obsp", "varp") for part in arrays.below(place)
        )
        return (
            arrays.has(f"uns/{KEY}/{_MARK}")
            and arrays.below("uns") == [KEY]
            and all(part.startswith(known) for part in ours)
            and not any(none)
        )
    return False


def _write_h5ad(adata: AnnData, place: Path) -> None:
    # A packed array takes two kilobytes more for its chunks, of which a small fit would be made.
    arrays = [part for part in adata.uns[KEY].values() if isinstance(part, np.ndarray)]
    counts = [] if adata.X is None else [adata.X.data, adata.X.indices]
    large = sum(array.nbytes for array in (*arrays, *counts)) > _LARGE
    write_h5ad(adata, place, {"compression": "gzip", "compression_opts": 1} if large else {})


def _write_zarr(adata: AnnData, place: Path) -> None:
    from anndata import settings

    # The older format, which all versions of zarr read, and whose chunks say what they hold.
    two = hasattr(settings, "zarr_write_format")
    older = settings.override(zarr_write_format=2) if two else contextlib.nullcontext()
    with warnings.catch_warnings(), older:
        warnings.simplefilter("ignore", UserWarning)  # that this is not the newest format
        adata.write_zarr(place)


def marked(arrays: Mapping[str, Any]) -> dict[str, Any]:
    """Arrays of a document with the mark that says that a file holds nothing besides."""
    return {**arrays, _MARK: np.array([1], dtype=np.uint8)}
