"""Any table of counts is looked at: its kind, gene names and cells, before any value is checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd
from scipy import sparse

from nbglm.exceptions import AlignmentError, CountsError, did_you_mean, some_of
from nbglm.reading.dasked import Dasked
from nbglm.reading.sources import open_source
from nbglm.reading.tiles import Selected

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
    """

    matrix: Any
    genes: pd.Index
    obs: pd.DataFrame
    hint: str
    var: pd.DataFrame | None = None


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
    if _is_anndata(data):
        return _read_anndata(cast("AnnData", data), obs, layer)
    if layer is not None:
        msg = f"layer={layer!r} needs an AnnData; data is a {type(data).__name__}."
        raise CountsError(msg)
    if isinstance(data, pd.Series):
        data = data.to_frame(name=data.name if data.name is not None else "gene_0")
    index: pd.Index | None = None
    if isinstance(data, pd.DataFrame):
        _refuse_columns_that_are_not_numbers(data)
        genes, index = pd.Index(data.columns.map(str)), data.index
        matrix: Any = (
            data.sparse.to_coo()
            if all(isinstance(dtype, pd.SparseDtype) for dtype in data.dtypes)
            else data.to_numpy()
        )
    elif sparse.issparse(data) or isinstance(data, np.ndarray):
        matrix = data[:, None] if isinstance(data, np.ndarray) and data.ndim == 1 else data
        if matrix.ndim != 2:
            msg = f"data must have two dimensions, cells x genes; its shape is {matrix.shape}."
            raise CountsError(msg)
        genes = _numbered(matrix.shape[1])
    else:
        matrix = open_source(data)
        if matrix is None:
            msg = (
                f"data is a {type(data).__name__}; pass an AnnData, a DataFrame of counts, a "
                f"numpy, dask, HDF5 or zarr array, or a sparse matrix, cells x genes."
            )
            raise CountsError(msg)
        genes = _numbered(matrix.shape[1])
    rows = int(matrix.shape[0])
    return _table(matrix, genes, _align_obs(obs, index, rows), "Pass raw counts.")


def _numbered(size: int) -> pd.Index:
    return pd.Index([f"gene_{j}" for j in range(size)])


def _is_anndata(data: object) -> bool:
    # By its face, so that a user without an AnnData does not wait for the import of anndata.
    # By its class, since the X of a view of a file would be read for the question.
    return all(hasattr(type(data), name) for name in ("obs", "var_names", "layers", "X"))


def _read_anndata(adata: AnnData, obs: object, layer: str | None) -> Table:
    if obs is not None:
        msg = "obs= goes with arrays and DataFrames; an AnnData brings its own (adata.obs)."
        raise AlignmentError(msg)
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
        hint += "; adata.raw is not empty: adata.raw.to_adata() may hold them"
    # Those of anndata.experimental.read_lazy are in a file.
    own, var = (
        frame if isinstance(frame, pd.DataFrame) else frame.to_memory()
        for frame in (adata.obs, adata.var)
    )
    genes = pd.Index(adata.var_names.map(str))
    table = _table(matrix, genes, own, hint + ".")
    return replace(table, var=var.set_axis(genes, axis=0))


def _matrix_of(adata: AnnData, layer: str | None) -> Any:
    """Values of an AnnData, as a source if they lie outside memory."""
    whole = getattr(adata, "_adata_ref", None) if adata.is_view else None
    if whole is not None and not whole.is_view:
        # anndata would read what a view selects of a file into memory, in some cases all of it.
        source = open_source(whole.X if layer is None else whole.layers[layer])
        if source is not None and not isinstance(source, Dasked):
            cells, genes = (
                np.arange(size)[chosen]
                for chosen, size in zip((adata._oidx, adata._vidx), source.shape, strict=True)  # noqa: SLF001
            )
            return Selected(source, cells, genes)
    matrix = adata.X if layer is None else adata.layers[layer]
    if matrix is None or sparse.issparse(matrix):
        return matrix
    source = open_source(matrix)
    return np.asarray(matrix) if source is None else source


def _refuse_columns_that_are_not_numbers(table: pd.DataFrame) -> None:
    odd = [
        str(name)
        for name, dtype in zip(table.columns, table.dtypes, strict=True)
        if not (pd.api.types.is_numeric_dtype(dtype) or pd.api.types.is_bool_dtype(dtype))
    ]
    if odd:
        msg = (
            f"columns {some_of(odd)} of the count table do not hold numbers; move covariates to "
            f"obs= and pass the counts alone."
        )
        raise CountsError(msg)


def _align_obs(obs: Any, index: pd.Index | None, rows: int) -> pd.DataFrame:
    """Covariates as a frame whose rows are the rows of the data."""
    default = pd.RangeIndex(rows)
    if obs is None:
        return pd.DataFrame(index=index if index is not None else default)
    if not isinstance(obs, pd.DataFrame):
        if not isinstance(obs, Mapping):
            msg = f"obs must be a DataFrame or a dict of columns, not {type(obs).__name__}."
            raise AlignmentError(msg)
        try:
            obs = pd.DataFrame(dict(obs))
        except ValueError as error:
            msg = f"the columns of obs do not go together: {error}."
            raise AlignmentError(msg) from error
    if len(obs) != rows:
        msg = f"obs has {len(obs)} rows and the data has {rows}; they must be the same cells."
        raise AlignmentError(msg)
    if index is None or obs.index.equals(index) or index.equals(default):
        return obs
    if obs.index.equals(default):
        return obs.set_axis(index, axis=0)
    if set(obs.index) == set(index):
        msg = (
            "obs and the count table have the same row labels in another order; use "
            "obs.reindex(counts.index)."
        )
    else:
        stranger = next(label for label in obs.index if label not in index)
        msg = (
            f"obs has the row {stranger!r}, which the count table lacks; give both the same index, "
            f"or reset it on one of them to match by position."
        )
    raise AlignmentError(msg)


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
