"""Sums of the counts of the cells of a donor, a sample, or any other group.

Cells of one donor are more alike than cells of two, so that errors from cells are too small for
whatever varies between donors only. A sum over the cells of a donor is one observation of it, and
a fit of such sums counts donors. The exposure of a sum is the sum of the exposures of its cells.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from nbglm.counts.budget import Budget
from nbglm.counts.opening import open_counts
from nbglm.counts.table import Counts, read_table
from nbglm.design.labels import quoted
from nbglm.design.offset import cell_values
from nbglm.design.rowvalues import column_of
from nbglm.exceptions import AlignmentError, CountsError, InputTypeError, OptionError, some_of
from nbglm.memory import default_budget, parse_memory

if TYPE_CHECKING:
    from anndata import AnnData

__all__ = ["pseudobulk"]

IntArray = NDArray[np.int64]

_GENES = 256  # read at a time
_LARGEST = 2**53  # counts are read as floats, which hold no larger whole number exactly
_OWN = ("n_cells", "exposure")  # columns that are added


def pseudobulk(
    data: AnnData | pd.DataFrame | NDArray[Any] | sparse.spmatrix | str | PathLike[str],
    by: str | Sequence[str],
    *,
    obs: pd.DataFrame | Mapping[str, Any] | None = None,
    layer: str | None = None,
    exposure: ArrayLike | str | None = None,
    agg: Mapping[str, str | Callable[[pd.Series], Any]] | None = None,
    min_cells: int = 1,
    max_memory: int | str | None = None,
) -> AnnData:
    """Sum the counts of all cells of a group, such as those of a donor and a cell type.

    Parameters
    ----------
    data : AnnData, path, DataFrame, array or scipy sparse matrix, shape (cells, genes)
        Raw counts, in memory or not, as in :func:`nbglm.fit_negbin`.
    by : str or list of str
        Columns of obs. Each combination of their values that occurs is a row of the result.
    obs : DataFrame or mapping, optional
        Columns of the cells; an AnnData brings its own.
    layer : str, optional
        Layer of an AnnData to use in place of ``X``.
    exposure : array_like or str, optional
        Of each cell (count scale, positive), or the name of a column of obs, such as size factors;
        1 for each cell by default.
    agg : mapping, optional
        What becomes of columns of obs that vary within a group: a function for each, or its name
        in pandas, such as ``{"pseudotime": "mean"}``.
    min_cells : int
        Groups of fewer cells are left out, and named in ``uns``.
    max_memory : int or str, optional
        Memory for counts that lie outside memory; see :func:`nbglm.fit_negbin`.

    Returns
    -------
    AnnData
        ``X`` holds the sums, a CSR matrix of 32-bit integers, or of 64-bit ones if a sum needs
        them. ``obs`` has the columns `by`, those that are constant within each group, those of
        `agg`, and ``n_cells`` and ``exposure``, the summed exposure of a group: a fit of sums
        takes ``size_factors="exposure"``. Rows are in the order of the groups' values and are
        named by them. ``var`` is that of the data. ``uns["pseudobulk"]`` has what was asked for,
        which columns of obs vary within a group and are not in the result (``varying``), and which
        groups have fewer than `min_cells` cells (``left_out``).

    Raises
    ------
    CountsError
        If the data are not counts, or a sum is beyond what can be held exactly.
    AlignmentError
        If a column does not exist, cells have no value of it, or an exposure does not match.
    OptionError
        If no group has as many cells as asked for, `min_cells` is less than 1, or a
        function of `agg` fails.
    InputTypeError
        If `min_cells` is no whole number, or `by` is of another kind.

    Notes
    -----
    If the counts of cells are Poisson given what all cells of a donor share, their sum is Poisson
    with the summed mean; a covariate that varies between the cells of a donor has no single value
    for the sum, which is why none is made up unless `agg` says which.

    Examples
    --------
    >>> import pandas as pd
    >>> obs = pd.DataFrame({"donor": ["b", "a", "b"], "treated": [1, 0, 1], "x": [0.1, 0.2, 0.3]})
    >>> bulk = pseudobulk(np.array([[1, 0], [5, 2], [3, 0]]), "donor", obs=obs, agg={"x": "mean"})
    >>> bulk.to_df()
       gene_0  gene_1
    a       5       2
    b       4       0
    >>> bulk.obs
      donor  treated    x  n_cells  exposure
    a     a        0  0.2        1       1.0
    b     b        1  0.2        2       2.0
    """
    _check_least(min_cells)
    memory = default_budget() if max_memory is None else parse_memory(max_memory)
    table = open_counts(data, obs=obs, layer=layer)
    columns = _grouping(by, table.obs)
    functions = _functions(agg, columns, table.obs)
    amounts = np.ones(len(table.obs))
    if exposure is not None:
        amounts = _exposures(exposure, table.obs)
    group, rows = _groups(columns, table.obs)
    counts = read_table(table, Budget(memory, 0), False)
    cells = np.bincount(group, minlength=len(rows))
    enough = cells >= min_cells
    if not enough.any():
        msg = (
            f"min_cells={min_cells}: the largest of {cells.size} groups by {some_of(columns)} has "
            f"{cells.max()} cells. Ask for fewer, or group by fewer columns."
        )
        raise OptionError(msg)
    frame, varying = _rows_of_groups(counts.obs, columns, group, rows, functions)
    frame["n_cells"] = cells
    frame["exposure"] = np.bincount(group, weights=amounts, minlength=len(rows))
    said = {
        "by": columns,
        "agg": {name: getattr(how, "__name__", str(how)) for name, how in functions.items()},
        "exposure": exposure if isinstance(exposure, str) else _kind_of(exposure),
        "min_cells": int(min_cells),
        "varying": varying,
        "left_out": frame.index[~enough].tolist(),
    }
    return _as_anndata(counts, _sums(counts, group, enough), frame[enough], said)


def _kind_of(exposure: object) -> str:
    return "one for each cell" if exposure is None else "given as an array"


def _check_least(min_cells: object) -> None:
    if isinstance(min_cells, bool) or not isinstance(min_cells, int | np.integer):
        msg = f"min_cells must be a whole number; it is {min_cells!r}."
        raise InputTypeError(msg)
    if min_cells < 1:
        msg = f"min_cells={min_cells}: a group has at least one cell; 1 leaves none out."
        raise OptionError(msg)


def _grouping(by: object, obs: pd.DataFrame) -> list[str]:
    """The columns that cells are grouped by, each of which every cell has a value of."""
    columns = [by] if isinstance(by, str) else by
    if not isinstance(columns, Sequence) or not all(isinstance(name, str) for name in columns):
        msg = f"by must be the name of a column of obs, or a list of names; it is {by!r}."
        raise InputTypeError(msg)
    columns = list(columns)
    if not columns or len(set(columns)) < len(columns):
        msg = f"by={columns!r} must name at least one column of obs, and none of them twice."
        raise OptionError(msg)
    for name in columns:
        values = column_of("by=", name, obs, AlignmentError)
        _refuse_own(name, "by")
        missing = values.isna().to_numpy()
        if missing.any():
            first = quoted(obs.index[int(np.argmax(missing))])
            msg = (
                f"column {name!r}, used as by, has no value for {missing.sum()} of {len(obs)} "
                f"cells, the first of which is {first}. Leave them out, or give them a value."
            )
            raise AlignmentError(msg)
    return columns


def _refuse_own(name: str, what: str) -> None:
    if name in _OWN:
        msg = (
            f"{what}: column {name!r} of obs has the name of one that pseudobulk adds; rename it "
            f"(obs.rename(columns=...))."
        )
        raise OptionError(msg)


def _functions(agg: object, columns: list[str], obs: pd.DataFrame) -> dict[str, Any]:
    """What becomes of columns that may vary within a group."""
    if agg is None:
        return {}
    if not isinstance(agg, Mapping):
        msg = f"agg must be a mapping such as {{'pseudotime': 'mean'}}; it is {agg!r}."
        raise InputTypeError(msg)
    for name in agg:
        column_of("agg=", name, obs, AlignmentError)
        _refuse_own(str(name), "agg")
        if name in columns:
            msg = f"agg={{{name!r}: ...}}: cells are grouped by {name!r}, which does not vary then."
            raise OptionError(msg)
    return dict(agg)


def _exposures(exposure: object, obs: pd.DataFrame) -> NDArray[np.float64]:
    values = cell_values("exposure", exposure, obs)
    if not np.all(values > 0):
        row = int(np.argmax(~(values > 0)))
        msg = (
            f"exposure must be positive (it multiplies the mean); the value at "
            f"{quoted(obs.index[row])} is {values[row]:g}."
        )
        raise AlignmentError(msg)
    return values


def _groups(columns: list[str], obs: pd.DataFrame) -> tuple[IntArray, pd.Index]:
    """The number of each cell's group, and a row label for each group, from its values."""
    grouped = obs.groupby(columns, observed=True, sort=True)
    number = grouped.ngroup().to_numpy().astype(np.int64)
    values = obs[columns].iloc[np.unique(number, return_index=True)[1]].astype(str)
    labels = values.agg("_".join, axis=1)
    if not labels.is_unique:  # "a_b" and "c" beside "a" and "b_c"
        labels = values.apply(lambda row: ", ".join(f"{k}={v!r}" for k, v in row.items()), axis=1)
    return number, pd.Index(labels.to_numpy(dtype=object))


def _rows_of_groups(
    obs: pd.DataFrame,
    columns: list[str],
    group: IntArray,
    rows: pd.Index,
    functions: Mapping[str, Any],
) -> tuple[pd.DataFrame, list[str]]:
    """What is true of all cells of each group; which columns say different things of them."""
    first = np.unique(group, return_index=True)[1]
    kept: dict[str, Any] = {}
    varying = []
    unique = ~obs.columns.isin([*obs.columns[obs.columns.duplicated()], *_OWN])
    for position, name in enumerate(obs.columns):
        values = obs.iloc[:, position]
        if name in functions:
            done = _aggregated(name, values, group, functions[name])
            kept[name] = done.to_numpy() if done.dtype == object else done.array
        elif name in columns or (unique[position] and _is_constant(values, group, first)):
            kept[name] = values.iloc[first].array
        else:
            varying.append(str(name))
    return pd.DataFrame(kept, index=rows), varying


def _aggregated(name: str, values: pd.Series, group: IntArray, function: Any) -> pd.Series:
    """What a function makes of the values of each group."""
    try:
        done = values.groupby(group).agg(function)
        if not isinstance(done, pd.Series):
            msg = f"it gives a {type(done).__name__}"
            raise TypeError(msg)  # noqa: TRY301 - for a function of the user's
    except Exception as error:  # whatever pandas or a function of the user's raises
        msg = (
            f"agg={{{name!r}: {getattr(function, '__name__', function)!r}}} cannot be computed of "
            f"the {values.dtype} column {name!r}: {type(error).__name__}: {error}. Give a function "
            f"of one group's values that returns one value, or its name in pandas, such as 'mean'."
        )
        raise OptionError(msg) from error
    return done


def _is_constant(values: pd.Series, group: IntArray, first: IntArray) -> bool:
    """Whether all cells of each group have the same value, or all of them none."""
    codes = pd.factorize(values, use_na_sentinel=True)[0]
    return bool(np.array_equal(codes, codes[first][group]))


def _sums(counts: Counts, group: IntArray, enough: NDArray[np.bool_]) -> sparse.csr_matrix:
    """Sums over the cells of each group that has enough of them."""
    parts = []
    first = 0
    for block in counts.blocks(_GENES):
        genes = block.indptr.size - 1
        shape = (counts.n_cells, genes)
        cells = sparse.csc_matrix((block.counts, block.cells, block.indptr), shape=shape)
        indicator = sparse.csr_matrix(
            (np.ones(group.size), (group, np.arange(group.size))), shape=(enough.size, group.size)
        )
        sums = (indicator @ cells).tocsr()[enough]
        if sums.data.size and float(sums.data.max()) > _LARGEST:
            gene = counts.genes[first + int(sums.indices[int(np.argmax(sums.data))])]
            msg = (
                f"the sum of the counts of gene {gene!r} in a group is above 2**53, beyond which "
                f"whole numbers are not exact. Are these counts?"
            )
            raise CountsError(msg)
        parts.append(sums)
        first += genes
    whole = sparse.hstack(parts, format="csr")
    narrow = not whole.data.size or float(whole.data.max()) <= np.iinfo(np.int32).max
    sums = whole.astype(np.int32 if narrow else np.int64)
    sums.sort_indices()
    return sparse.csr_matrix(sums)


def _as_anndata(
    counts: Counts, sums: sparse.csr_matrix, frame: pd.DataFrame, said: dict[str, Any]
) -> AnnData:
    from anndata import AnnData

    frame = frame.copy()
    for name in frame.columns[[isinstance(kind, pd.CategoricalDtype) for kind in frame.dtypes]]:
        frame[name] = frame[name].cat.remove_unused_categories()
    made = AnnData(sums, obs=frame, var=counts.annotations)
    made.uns["pseudobulk"] = said
    return made
