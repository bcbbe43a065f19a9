"""An AnnData in a file, of which only what a fit needs is read: obs, var, and counts in pieces."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from nbglm.exceptions import CountsError, FileError, NbglmError, did_you_mean, some_of

__all__ = ["StoredAnnData", "open_anndata"]

_TABLES = {
    ".csv": "pandas.read_csv({path!r}, index_col=0)",
    ".tsv": "pandas.read_csv({path!r}, sep='\\t', index_col=0)",
    ".txt": "pandas.read_csv({path!r}, sep='\\t', index_col=0)",
    ".parquet": "pandas.read_parquet({path!r})",
    ".npy": "numpy.load({path!r}, mmap_mode='r')",
    ".npz": "scipy.sparse.load_npz({path!r})",
    ".mtx": "anndata.io.read_mtx({path!r})",
    ".loom": "anndata.io.read_loom({path!r})",
}


@dataclass(frozen=True)
class StoredAnnData:
    """What was found in a file.

    Attributes
    ----------
    matrix : object
        The counts, which lie in the file.
    obs, var : DataFrame
        Cells and genes.
    layers : list of str
        Names of the layers.
    """

    matrix: Any
    obs: pd.DataFrame
    var: pd.DataFrame
    layers: list[str]


def open_anndata(path: str | os.PathLike[str], layer: str | None) -> StoredAnnData:
    """Open an ``.h5ad`` file or a ``.zarr`` folder, and read obs and var.

    Parameters
    ----------
    path : str or PathLike
        The file.
    layer : str or None
        Layer in place of ``X``.

    Returns
    -------
    StoredAnnData

    Raises
    ------
    FileError
        If there is no such file, or it holds no AnnData.
    CountsError
        If it has no counts there.
    """
    place = Path(path).expanduser()
    if not place.exists():
        msg = f"there is no file {str(place)!r}."
        raise FileError(msg)
    for suffix, call in _TABLES.items():
        if place.name.lower().endswith((suffix, f"{suffix}.gz")):
            said = call.format(path=str(place))
            msg = f"{str(place)!r} is no AnnData (.h5ad or .zarr); pass data={said}."
            raise FileError(msg)
    root = _opened(place)
    with _damage_named(place):
        return _parts(root, place, layer)


@contextmanager
def _damage_named(place: Path) -> Iterator[None]:
    """Name the file in what h5py and zarr raise where one is damaged, which may be anything."""
    try:
        yield
    except (NbglmError, MemoryError, ImportError):
        raise
    except Exception as error:
        lines = str(error).strip("'\" \n").splitlines() or [type(error).__name__]
        msg = f"{str(place)!r} cannot be read as an AnnData: {lines[0].rstrip('.')}."
        raise FileError(msg) from error


def _parts(root: Any, place: Path, layer: str | None) -> StoredAnnData:
    """What an opened file holds of an AnnData."""
    missing = [name for name in ("obs", "var") if name not in root]
    if missing:
        msg = f"{str(place)!r} holds no AnnData: it has no {some_of(missing)}."
        raise FileError(msg)
    layers = sorted(root["layers"].keys()) if "layers" in root else []
    if layer is not None and layer not in layers:
        msg = f"layer={layer!r} does not exist; {str(place)!r} has {some_of(layers, 8)}."
        raise CountsError(msg + did_you_mean(layer, layers))
    matrix = root["layers"][layer] if layer is not None else root.get("X")
    if matrix is None or dict(matrix.attrs).get("encoding-type") == "null":
        msg = f"X of {str(place)!r} is empty; name a layer= (there are {some_of(layers, 8)})."
        if "nbglm" in root.get("uns", ()):
            msg = f"{str(place)!r} holds a fit and no counts; nbglm.load({str(place)!r}) reads it."
        raise CountsError(msg)
    obs, var = (_frame(root[name], name, place) for name in ("obs", "var"))
    return StoredAnnData(matrix, obs, var, layers)


def _opened(place: Path) -> Any:
    """The root of a file."""
    if place.is_dir() and not any((place / name).is_file() for name in ("zarr.json", ".zgroup")):
        msg = f"{str(place)!r} is a folder, and not of zarr."
        raise FileError(msg)
    open_root = _open_zarr if place.is_dir() else _open_hdf5
    try:
        with _damage_named(place):
            return open_root(place)
    except ImportError as error:
        msg = f"{str(place)!r} is of zarr, which is not installed: pip install zarr."
        raise FileError(msg) from error


def _open_hdf5(place: Path) -> Any:
    import h5py

    return h5py.File(place, "r")


def _open_zarr(place: Path) -> Any:
    import zarr

    return zarr.open_group(str(place), mode="r")


def _frame(group: Any, name: str, place: Path) -> pd.DataFrame:
    try:
        frame = _read_elem()(group)
    except Exception as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        msg = f"{name} of {str(place)!r} cannot be read: {lines[0].rstrip('.')}."
        raise FileError(msg) from error
    if not isinstance(frame, pd.DataFrame):
        msg = (
            f"{name} of {str(place)!r} is no table of anndata 0.7 or newer; write the file anew "
            f"with anndata.read_h5ad(path).write_h5ad(path)."
        )
        raise FileError(msg)
    return frame


def _read_elem() -> Callable[[Any], Any]:
    try:
        from anndata.io import read_elem
    except ImportError:  # anndata 0.10
        from anndata.experimental import read_elem
    return read_elem
