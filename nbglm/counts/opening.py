"""Any table of counts is looked at: its kind, gene names and cells, before any value is checked."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NoReturn, cast

import numpy as np
import pandas as pd
from scipy import sparse

from nbglm.counts.covariates import align_obs
from nbglm.counts.dasked import Dasked
from nbglm.counts.frames import gene_names, matrix_of_frame
from nbglm.counts.paths import open_anndata
from nbglm.counts.sources import open_source
from nbglm.counts.structure import selected, sound_lines
from nbglm.counts.tiles import Selected, Source
from nbglm.counts.validity import refuse_masked
from nbglm.exceptions import AlignmentError, CountsError, did_you_mean, some_of

if TYPE_CHECKING:
    from anndata import AnnData

__all__ = ["Table", "open_counts"]


@dataclass(frozen=True)
class Table:
    """A table of counts that has been looked at, and not yet read.

    Attributes
    ----------
    matrix : sparse matrix, ndarray or Source, shape (cells, genes)
        The values.
    genes : Index
        Names of the genes, unique.
    obs : DataFrame
        Covariates, a row for each cell.
    hint : str
        What to do if the values turn out to be no counts.
    var : DataFrame or None
        What the data say of the genes, a row for each; None if nothing.
    remark : str
        What had to be assumed about the order of rows; empty if nothing.
    """

    matrix: Any
    genes: pd.Index
    obs: pd.DataFrame
    hint: str
    var: pd.DataFrame | None = None
    remark: str = ""


def open_counts(
    data: object,
    *,
    obs: pd.DataFrame | Mapping[str, object] | None = None,
    layer: str | None = None,
) -> Table:
    """Look at a table of counts without reading values that lie outside memory.

    Parameters
    ----------
    data, obs, layer
        As in :func:`read_counts`.

    Returns
    -------
    Table

    Raises
    ------
    CountsError
        If gene names repeat, or the kind of `data` is not supported.
    AlignmentError
        If `obs` does not match the rows of `data`.

    Examples
    --------
    >>> open_counts(np.array([[0, 3], [2, 1]])).genes.tolist()
    ['gene_0', 'gene_1']
    """
    if isinstance(data, str | os.PathLike):
        return _read_path(data, obs, layer)
    if _is_anndata(data):
        return _read_anndata(cast("AnnData", data), obs, layer)
    if _is_raw(data):
        return _read_raw(data, obs, layer)
    if layer is not None:
        msg = f"layer={layer!r} needs an AnnData; data is a {type(data).__name__}."
        raise CountsError(msg)
    if isinstance(data, pd.Series):
        data = data.to_frame(name=data.name if data.name is not None else "gene_0")
    if isinstance(data, pd.DataFrame):
        index: pd.Index | None = data.index
        matrix, genes = matrix_of_frame(data), gene_names(data.columns)
    else:
        index, matrix = None, _unlabelled(data)
        genes = pd.Index([f"gene_{j}" for j in range(matrix.shape[1])])
    own, remark = align_obs(obs, index, matrix.shape)
    return replace(_table(matrix, genes, own, "Pass raw counts."), remark=remark)


def _unlabelled(data: Any) -> Any:
    """The values of an array of any kind, in memory or not; one dimension is one gene."""
    matrix = data
    if not (sparse.issparse(data) or isinstance(data, np.ndarray)):
        matrix = open_source(data)
        if matrix is None:
            matrix = _converted(data)
    if isinstance(matrix, np.ndarray) and matrix.ndim == 1:
        matrix = matrix[:, None]
    if len(matrix.shape) != 2:
        msg = f"data must have two dimensions, cells x genes; its shape is {matrix.shape}."
        raise CountsError(msg)
    return matrix


def _converted(data: Any) -> Any:
    """What offers itself as an array, such as a tensor; names of columns must not get lost."""
    if not hasattr(data, "__array__") or hasattr(data, "to_pandas"):
        _refuse_kind(data)
    try:
        return np.asarray(data)
    except Exception as error:
        msg = f"data is a {type(data).__name__} that cannot be made a numpy array: {error}."
        raise CountsError(msg) from error


def _refuse_kind(data: Any) -> NoReturn:
    name = type(data).__name__
    said = f"data is {'an' if name[0].lower() in 'aeiou' else 'a'} {name}"
    if data is None:
        said = "data is None"
    elif hasattr(data, "to_pandas"):
        said += ", use data.to_pandas()"
    elif hasattr(data, "mod"):
        said += ", choose one of its modalities (data.mod[...])"
    elif isinstance(data, Mapping):
        said += ", use pandas.DataFrame(data)"
    elif isinstance(data, list | tuple):
        said += ", use numpy.array(data)"
    msg = (
        f"{said}; pass an AnnData, a DataFrame of counts, a numpy, dask, HDF5 or zarr array, or a "
        f"sparse matrix, cells x genes."
    )
    raise CountsError(msg)


def _is_anndata(data: object) -> bool:
    # By its face, so that a user without an AnnData does not wait for the import of anndata.
    # By its class, since the X of a view of a file would be read for the question.
    return all(hasattr(type(data), name) for name in ("obs", "var_names", "layers", "X"))


def _refuse_obs(obs: object) -> None:
    if obs is not None:
        msg = "obs= goes with arrays and DataFrames; an AnnData brings its own (adata.obs)."
        raise AlignmentError(msg)


def _read_path(path: str | os.PathLike[str], obs: object, layer: str | None) -> Table:
    _refuse_obs(obs)
    stored = open_anndata(path, layer)
    source = open_source(stored.matrix)
    if source is None:
        msg = f"the counts of {os.fspath(path)!r} are neither an array nor a sparse matrix."
        raise CountsError(msg)
    genes = gene_names(stored.var.index)
    hint = f"Pass raw counts, or name their layer= (there are {some_of(stored.layers, 8)})."
    table = _table(source, genes, _fitting(stored.obs, source, "cells"), hint)
    return replace(table, var=_fitting(stored.var.set_axis(genes, axis=0), source, "genes"))


def _fitting(frame: pd.DataFrame, source: Source, what: str) -> pd.DataFrame:
    """The table of a file that says as much of cells or genes as there are counts."""
    found = source.shape[0 if what == "cells" else 1]
    if len(frame) != found:
        msg = f"the counts are of {found} {what}, and their table has {len(frame)} rows."
        raise AlignmentError(msg)
    return frame


def _is_raw(data: object) -> bool:
    """Whether this is the ``raw`` of an AnnData, by its face."""
    return type(data).__name__ == "Raw" and hasattr(data, "to_adata") and hasattr(data, "_adata")


def _read_raw(raw: Any, obs: object, layer: str | None) -> Table:
    """Genes and counts of an AnnData's ``raw``, with the cells of that AnnData."""
    _refuse_obs(obs)
    if layer is not None:
        msg = f"layer={layer!r} needs an AnnData; adata.raw has no layers."
        raise CountsError(msg)
    matrix = raw.X
    source = open_source(matrix)
    if source is None and not sparse.issparse(matrix):
        refuse_masked(matrix)
        matrix = np.asarray(matrix)
    genes = gene_names(raw.var_names)
    own = raw._adata.obs  # noqa: SLF001
    table = _table(matrix if source is None else source, genes, own, "adata.raw holds no counts.")
    return replace(table, var=raw.var.set_axis(genes, axis=0))


def _read_anndata(adata: AnnData, obs: object, layer: str | None) -> Table:
    _refuse_obs(obs)
    layers = [name for name in adata.layers if name is not None]
    if layer is not None and layer not in layers:
        msg = f"layer={layer!r} does not exist; adata.layers has {some_of(layers, 8)}."
        raise CountsError(msg + did_you_mean(layer, layers))
    matrix = _matrix_of(adata, layer)
    if matrix is None:
        msg = f"adata.X is empty; name a layer= (there are {some_of(layers, 8)})."
        raise CountsError(msg)
    hint = f"Pass raw counts, or name their layer= (there are {some_of(layers, 8)})"
    if adata.raw is not None:
        hint += "; adata.raw is not empty: data=adata.raw may hold them"
    # Those of anndata.experimental.read_lazy are in a file.
    own, var = (
        frame if isinstance(frame, pd.DataFrame) else frame.to_memory()
        for frame in (adata.obs, adata.var)
    )
    genes = gene_names(adata.var_names)
    table = _table(matrix, genes, own, hint + ".")
    return replace(table, var=var.set_axis(genes, axis=0))


def _held(adata: AnnData, layer: str | None) -> Any:
    """What an AnnData holds, which it may have to look for in a file."""
    try:
        return adata.X if layer is None else adata.layers[layer]
    except MemoryError:
        raise
    except Exception as error:  # whatever anndata, h5py or zarr raise where a file is damaged
        msg = (
            f"adata.{'X' if layer is None else f'layers[{layer!r}]'} of the file "
            f"{str(adata.filename)!r} cannot be read: {type(error).__name__}: {error}."
        )
        raise CountsError(msg) from error


def _matrix_of(adata: AnnData, layer: str | None) -> Any:
    """Values of an AnnData, as a source if they lie outside memory."""
    whole = getattr(adata, "_adata_ref", None) if adata.is_view else None
    if whole is not None and not whole.is_view:
        held = _held(whole, layer)
        # anndata would read what a view selects of a file into memory, in some cases all of it;
        # and scipy's compiled selections trust what they find in a matrix.
        source = open_source(held)
        if sparse.issparse(held) or (source is not None and not isinstance(source, Dasked)):
            cells, genes = (
                np.arange(size)[chosen]
                for chosen, size in zip((adata._oidx, adata._vidx), held.shape, strict=True)  # noqa: SLF001
            )
            if source is None:
                return selected(sound_lines(held), cells, genes)
            return Selected(source, cells, genes)
    matrix = _held(adata, layer)
    if matrix is None or sparse.issparse(matrix):
        return matrix
    source = open_source(matrix)
    if source is not None:
        return source
    refuse_masked(matrix)
    return matrix_of_frame(matrix) if isinstance(matrix, pd.DataFrame) else np.asarray(matrix)


def _table(matrix: Any, genes: pd.Index, obs: pd.DataFrame, hint: str) -> Table:
    """What can be refused before any value is read."""
    cells, columns = matrix.shape
    if cells == 0 or columns == 0:
        msg = f"data has {cells} cells and {columns} genes; there is nothing to fit."
        raise CountsError(msg)
    if not genes.is_unique:
        repeated = genes[genes.duplicated()].unique()
        msg = (
            f"gene names repeat: {some_of(repeated)}. Results are labelled by name; make the names "
            f"unique (adata.var_names_make_unique())."
        )
        raise CountsError(msg)
    return Table(matrix, genes, obs, hint)
