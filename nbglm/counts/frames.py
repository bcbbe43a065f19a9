"""Tables of pandas become matrices with gene names, without a value being changed on the way."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbglm.design.reals import as_real
from nbglm.exceptions import CountsError, some_of

__all__ = ["gene_names", "matrix_of_frame"]


def gene_names(names: pd.Index) -> pd.Index:
    """Names of genes as text.

    Parameters
    ----------
    names : Index
        Columns of a frame, or ``var_names``.

    Returns
    -------
    Index of str

    Raises
    ------
    CountsError
        If a name is missing.

    Examples
    --------
    >>> gene_names(pd.Index(["Pyy", 7])).tolist()
    ['Pyy', '7']
    """
    missing = np.flatnonzero(names.isna()) if not isinstance(names, pd.MultiIndex) else np.zeros(0)
    if missing.size:
        msg = (
            f"{missing.size} of {len(names)} genes have no name (the first is number {missing[0]}, "
            f"from 0); results are labelled by name, so give them one."
        )
        raise CountsError(msg)
    return pd.Index(names.map(str))


def matrix_of_frame(table: pd.DataFrame) -> Any:
    """The counts of a frame.

    Parameters
    ----------
    table : DataFrame
        Counts, cells x genes, of any numeric dtypes.

    Returns
    -------
    ndarray or sparse COO matrix
        Missing values are NaN.

    Raises
    ------
    CountsError
        If a column does not hold numbers.

    Examples
    --------
    >>> matrix_of_frame(pd.DataFrame({"a": pd.array([1, None], dtype="Int64"), "b": [2, 3]}))
    array([[ 1.,  2.],
           [nan,  3.]])
    """
    if 0 in table.shape:
        return np.zeros(table.shape)
    _refuse_columns_that_are_not_numbers(table)
    dtypes = set(table.dtypes)
    if all(isinstance(dtype, pd.SparseDtype) for dtype in dtypes):
        if all(dtype.fill_value == 0 for dtype in dtypes) and len(dtypes) == 1:
            return table.sparse.to_coo()
        table = table.sparse.to_dense()
        dtypes = set(table.dtypes)
    only = next(iter(dtypes))
    if len(dtypes) == 1 and isinstance(only, np.dtype) and only.kind != "O":
        return table.to_numpy()
    if all(isinstance(dtype, np.dtype) and dtype.kind in "biuf" for dtype in dtypes):
        return table.to_numpy(dtype=np.float64)
    # pandas would make objects of some dtypes, and round large integers beside floats.
    floats = np.empty(table.shape)
    for k in range(table.shape[1]):
        floats[:, k] = _column(table.iloc[:, k])
    return floats


def _column(values: pd.Series) -> NDArray[np.float64]:
    if isinstance(values.dtype, pd.SparseDtype):
        values = values.sparse.to_dense()
    if values.dtype == object:
        return np.array([as_real(value) for value in values])
    if isinstance(values.dtype, np.dtype):
        return values.to_numpy(dtype=np.float64)
    return values.to_numpy(dtype=np.float64, na_value=np.nan)


def _are_numbers(column: pd.Series) -> bool:
    try:
        for value in column:
            as_real(value)
    except TypeError:
        return False
    return True


def _refuse_columns_that_are_not_numbers(table: pd.DataFrame) -> None:
    # By dtype, of which there are few: for pandas a column is more work than the fit of a gene.
    numeric = {
        dtype: pd.api.types.is_numeric_dtype(dtype) or pd.api.types.is_bool_dtype(dtype)
        for dtype in set(table.dtypes)
    }
    odd = [
        str(name)
        for k, (name, dtype) in enumerate(zip(table.columns, table.dtypes, strict=True))
        if not (
            numeric[dtype]
            or (isinstance(dtype, np.dtypes.ObjectDType) and _are_numbers(table.iloc[:, k]))
        )
    ]
    if odd:
        msg = (
            f"columns {some_of(odd)} of the count table do not hold numbers; move covariates to "
            f"obs= and pass the counts alone, or convert numbers that are kept as text "
            f"(astype(int))."
        )
        raise CountsError(msg)
