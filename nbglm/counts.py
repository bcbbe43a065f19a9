"""Any table of counts becomes validated blocks of genes.

Nothing is densified as a whole: sparse input is held as compressed sparse columns, dense input is
read a block of columns at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from nbglm.exceptions import AlignmentError, CountsError, did_you_mean, some_of

if TYPE_CHECKING:
    from anndata import AnnData

__all__ = ["Counts", "GeneBlock", "read_counts"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Matrix = Any  # a sparse CSC matrix, or an ndarray

_LARGEST = 2.0**53  # beyond this a float no longer holds every whole number
_CHECK_ROWS = 1 << 22  # entries of a dense table that are checked at a time


class GeneBlock(NamedTuple):
    """Some genes as compressed sparse columns.

    Attributes
    ----------
    indptr : ndarray of int, shape (genes + 1,)
        Where each gene begins.
    cells : ndarray of int
        Numbers of the cells with a positive count.
    counts : ndarray
        Those counts.
    """

    indptr: IntArray
    cells: IntArray
    counts: FloatArray

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled in the smallest types that hold the numbers: a third of the bytes, or less."""
        largest = int(self.counts.max(initial=0.0))
        counts = self.counts.astype(np.min_scalar_type(largest))
        cells = self.cells.astype(np.min_scalar_type(int(self.cells.max(initial=0))))
        return _unpickled, (self.indptr, cells, counts)


def _unpickled(indptr: IntArray, cells: NDArray[Any], counts: NDArray[Any]) -> GeneBlock:
    return GeneBlock(indptr, cells.astype(np.int64), counts.astype(np.float64))


@dataclass(frozen=True)
class Counts:
    """A validated table of counts.

    Attributes
    ----------
    matrix : sparse CSC matrix or ndarray, shape (cells, genes)
        The counts.
    genes : Index
        Names of the genes, unique.
    obs : DataFrame
        Covariates, a row for each cell.
    """

    matrix: Matrix
    genes: pd.Index
    obs: pd.DataFrame

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return int(self.matrix.shape[0])

    @property
    def n_genes(self) -> int:
        """Number of genes."""
        return int(self.matrix.shape[1])

    def block(self, start: int, stop: int) -> GeneBlock:
        """Genes ``start`` to ``stop`` as compressed sparse columns without explicit zeros."""
        part = self.matrix[:, start:stop]
        columns = sparse.csc_matrix(part)
        if columns.nnz and not columns.data.all():
            columns = columns.copy()
            columns.eliminate_zeros()
        return GeneBlock(
            columns.indptr.astype(np.int64),
            columns.indices.astype(np.int64),
            columns.data.astype(np.float64),
        )

    def blocks(self, size: int) -> Iterator[GeneBlock]:
        """All genes, at most `size` at a time."""
        for start in range(0, self.n_genes, size):
            yield self.block(start, min(start + size, self.n_genes))

    def gene(self, position: int) -> FloatArray:
        """All counts of one gene, zeros included, shape (cells,)."""
        column = self.matrix[:, [position]]
        dense = column.toarray() if sparse.issparse(column) else np.asarray(column)
        return np.asarray(dense, dtype=np.float64).ravel()


def read_counts(
    data: object,
    *,
    obs: pd.DataFrame | Mapping[str, object] | None = None,
    layer: str | None = None,
) -> Counts:
    """Read and check a table of counts.

    Parameters
    ----------
    data : AnnData, DataFrame, ndarray or scipy sparse matrix, shape (cells, genes)
        Counts. A one-dimensional array or a Series is one gene.
    obs : DataFrame or mapping, optional
        Covariates of the cells; an AnnData brings its own.
    layer : str, optional
        Layer of an AnnData to use in place of ``X``.

    Returns
    -------
    Counts

    Raises
    ------
    CountsError
        If the values are not counts, gene names repeat, or the kind of `data` is not supported.
    AlignmentError
        If `obs` does not match the rows of `data`.

    Examples
    --------
    >>> import numpy as np
    >>> read_counts(np.array([[0, 3], [2, 1]])).genes.tolist()
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
        genes = pd.Index([f"gene_{j}" for j in range(matrix.shape[1])])
    else:
        msg = (
            f"data is a {type(data).__name__}; pass an AnnData, a DataFrame of counts, a numpy "
            f"array or a scipy sparse matrix, cells x genes."
        )
        raise CountsError(msg)
    rows = int(matrix.shape[0])
    return _validated(matrix, genes, _align_obs(obs, index, rows), "Pass raw counts.")


def _is_anndata(data: object) -> bool:
    # By its face, so that a user without an AnnData does not wait for the import of anndata.
    return all(hasattr(data, name) for name in ("obs", "var_names", "layers", "X"))


def _read_anndata(adata: AnnData, obs: object, layer: str | None) -> Counts:
    if obs is not None:
        msg = "obs= goes with arrays and DataFrames; an AnnData brings its own (adata.obs)."
        raise AlignmentError(msg)
    layers = [name for name in adata.layers if name is not None]
    if layer is None:
        matrix = adata.X
        if matrix is None:
            msg = f"adata.X is empty; name a layer= (there are {some_of(layers, 8)})."
            raise CountsError(msg)
    elif layer in layers:
        matrix = adata.layers[layer]
    else:
        msg = f"layer={layer!r} does not exist; adata.layers has {some_of(layers, 8)}."
        raise CountsError(msg + did_you_mean(layer, layers))
    if hasattr(matrix, "to_memory"):  # a sparse matrix of a backed file
        matrix = matrix.to_memory()
    elif not sparse.issparse(matrix):
        matrix = np.asarray(matrix)
    hint = f"Pass raw counts, or name their layer= (there are {some_of(layers, 8)})"
    if adata.raw is not None:
        hint += "; adata.raw is not empty: adata.raw.to_adata() may hold them"
    return _validated(matrix, pd.Index(adata.var_names.map(str)), adata.obs, hint + ".")


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


def _validated(matrix: Any, genes: pd.Index, obs: pd.DataFrame, hint: str) -> Counts:
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
    if sparse.issparse(matrix):
        columns_first = sparse.csc_matrix(matrix)
        if not columns_first.has_canonical_format:
            columns_first = columns_first.copy()
            columns_first.sum_duplicates()
        _refuse_what_is_no_count(columns_first, genes, obs.index, hint)
        return Counts(columns_first, genes, obs)
    table = np.asarray(matrix)
    if table.dtype == object:
        try:
            table = table.astype(np.float64)
        except (TypeError, ValueError) as error:
            msg = f"data holds values that are not numbers: {error}."
            raise CountsError(msg) from error
    step = max(1, _CHECK_ROWS // cells)
    for start in range(0, columns, step):
        part = slice(start, start + step)
        _refuse_what_is_no_count(table[:, part], genes[part], obs.index, hint)
    return Counts(table, genes, obs)


def _bad(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Which values are no counts."""
    if values.dtype == bool:
        return np.zeros(values.shape, dtype=bool)
    if np.issubdtype(values.dtype, np.unsignedinteger):
        return np.asarray(values > _LARGEST)
    if np.issubdtype(values.dtype, np.integer):
        return np.asarray((values < 0) | (values > _LARGEST))
    if not np.issubdtype(values.dtype, np.floating):
        msg = f"data has dtype {values.dtype}; counts are whole numbers of 0 or more."
        raise CountsError(msg)
    with np.errstate(invalid="ignore"):
        good = (values >= 0) & (values <= _LARGEST) & (values == np.floor(values))
    return np.asarray(~good)


def _refuse_what_is_no_count(matrix: Matrix, genes: pd.Index, cells: pd.Index, hint: str) -> None:
    """Raise if there is a negative, fractional, missing or infinite value; name the genes."""
    if sparse.issparse(matrix):
        bad = _bad(matrix.data)
        if not bad.any():
            return
        where = np.flatnonzero(bad)
        gene_of = np.searchsorted(matrix.indptr, where, side="right") - 1
        cell_of, values = matrix.indices[where], matrix.data[where]
    else:
        bad = _bad(matrix)
        if not bad.any():
            return
        gene_of, cell_of = np.nonzero(bad.T)
        values = matrix[cell_of, gene_of]
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
