"""Data frames as plain trees: numbers, texts and categories; what is none of these stays out."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from nbglm.exceptions import NbglmWarning, some_of
from nbglm.files.plain import Words

__all__ = ["index_of_tree", "table_of_tree", "tree_of_index", "tree_of_table"]

Tree = Mapping[str, Any]

_TEXTS = ("object", "str", "string")
_NULLABLE = (
    *(f"{kind}{bits}" for kind in ("Int", "UInt") for bits in (8, 16, 32, 64)),
    *("Float32", "Float64", "boolean"),
)


def tree_of_index(index: pd.Index) -> Tree:
    """Labels of rows or columns.

    Parameters
    ----------
    index : Index
        The labels; those that are neither numbers nor texts nor times are kept as texts.

    Returns
    -------
    dict
    """
    name = None if index.name is None else str(index.name)
    if isinstance(index, pd.RangeIndex):
        return {"name": name, "range": [index.start, index.stop, index.step]}
    values = None if isinstance(index, pd.MultiIndex) else _tree_of_values(pd.Series(index))
    if values is not None:
        return {"name": name, "values": values}
    labels = [label.item() if isinstance(label, np.generic) else label for label in index]
    plain = all(isinstance(label, str | int | float) for label in labels)
    return {"name": name, "mixed": labels if plain else Words(str(label) for label in index)}


def index_of_tree(tree: Tree) -> pd.Index:
    """The labels that :func:`tree_of_index` kept.

    Parameters
    ----------
    tree : dict
        Their tree.

    Returns
    -------
    Index
    """
    if "range" in tree:
        start, stop, step = (int(number) for number in tree["range"])
        return pd.RangeIndex(start, stop, step, name=tree["name"])
    if "mixed" in tree:
        return pd.Index(list(tree["mixed"]), dtype=object, name=tree["name"])
    return pd.Index(_values_of_tree(tree["values"]), name=tree["name"])


def tree_of_table(table: pd.DataFrame, what: str) -> Tree:
    """A data frame, column by column.

    Parameters
    ----------
    table : DataFrame
        The table.
    what : str
        What it is called, for the warning.

    Returns
    -------
    dict

    Warns
    -----
    NbglmWarning
        With the columns that cannot be kept, since they hold neither numbers nor texts.
    """
    columns = [_tree_of_values(table.iloc[:, k]) for k in range(table.shape[1])]
    kept = [k for k, column in enumerate(columns) if column is not None]
    if len(kept) < len(columns):
        lost = [name for name, part in zip(table.columns, columns, strict=True) if part is None]
        msg = (
            f"{what} has columns that hold neither numbers, texts, categories nor times, and a "
            f"file keeps nothing else: {some_of(lost)} {'is' if len(lost) == 1 else 'are'} left "
            f"out."
        )
        warnings.warn(msg, NbglmWarning, stacklevel=6)  # at the call of save()
    return {
        "index": tree_of_index(table.index),
        "names": tree_of_index(table.columns[kept]),
        "columns": [columns[k] for k in kept],
    }


def table_of_tree(tree: Tree) -> pd.DataFrame:
    """The data frame that :func:`tree_of_table` kept.

    Parameters
    ----------
    tree : dict
        Its tree.

    Returns
    -------
    DataFrame
    """
    index = index_of_tree(tree["index"])
    columns = [pd.Series(_values_of_tree(column), index) for column in tree["columns"]]
    table = pd.concat(columns, axis=1) if columns else pd.DataFrame(index=index)
    table.columns = index_of_tree(tree["names"])
    return table


def _tree_of_values(series: pd.Series) -> Tree | None:
    dtype = series.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        categories = tree_of_index(dtype.categories)
        codes = series.cat.codes.to_numpy()
        return {"codes": codes, "categories": categories, "ordered": bool(dtype.ordered)}
    if dtype.name in _NULLABLE:
        numpy_name = "bool" if dtype.name == "boolean" else dtype.name.lower()
        missing = series.isna().to_numpy()
        numbers = series.to_numpy(dtype=numpy_name, na_value=dtype.type(0))
        return {"numbers": numbers, "missing": missing, "dtype": dtype.name}
    if isinstance(dtype, np.dtype) and dtype.kind in "mM":
        return {"times": series.to_numpy().view(np.int64), "dtype": dtype.str}
    if isinstance(dtype, np.dtype) and dtype.kind in "biuf" and dtype.itemsize <= 8:
        return {"numbers": series.to_numpy()}
    return _tree_of_texts(series)


def _tree_of_texts(series: pd.Series) -> Tree | None:
    missing = series.isna().to_numpy()
    values = series.to_numpy(dtype=object)
    if not all(isinstance(value, str) for value in values[~missing]):
        return None
    texts = Words("" if gone else text for text, gone in zip(values, missing, strict=True))
    name = series.dtype.name if series.dtype.name in _TEXTS else "object"
    return {"texts": texts, "dtype": name, "missing": missing if missing.any() else None}


def _values_of_tree(tree: Tree) -> Any:
    if "codes" in tree:
        categories = index_of_tree(tree["categories"])
        return pd.Categorical.from_codes(tree["codes"], categories, ordered=tree["ordered"])
    if "texts" in tree:
        texts = np.array(tree["texts"], dtype=object)
        if tree["missing"] is not None:
            texts[tree["missing"].astype(bool)] = np.nan
        return pd.Series(texts, dtype=tree["dtype"] if tree["dtype"] in _TEXTS else object).array
    if "times" in tree:
        dtype = np.dtype(str(tree["dtype"]))
        if dtype.kind not in "mM":
            msg = f"times are stored as {dtype}"
            raise ValueError(msg)
        return np.array(tree["times"], dtype=np.int64).view(dtype)
    numbers = np.array(tree["numbers"])
    if "missing" not in tree:
        return numbers
    if tree["dtype"] not in _NULLABLE:
        msg = f"numbers are stored as {tree['dtype']}"
        raise ValueError(msg)
    values = pd.Series(numbers).astype(tree["dtype"])
    values[tree["missing"].astype(bool)] = pd.NA
    return values.array
