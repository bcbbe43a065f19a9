"""Columns of obs as a design uses them, with what must stay the same on new rows."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from numbers import Real

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbglm.design.formula import spell
from nbglm.design.rowvalues import column_of
from nbglm.exceptions import FormulaError, some_of

__all__ = ["ID_LIKE_FROM", "Column", "column_of_obs", "freeze_column", "kind_of_column"]

ID_LIKE_FROM = 3  # with fewer cells every factor has one level for each cell


@dataclass(frozen=True)
class Column:
    """One column of obs, frozen at the fit.

    Attributes
    ----------
    name : str
        Its name.
    kind : str
        ``numeric``, ``bool`` or ``categorical``.
    levels : tuple of str
        Levels that occurred at the fit, in order, for a categorical column.
    whole : bool
        Whether the column is of an integer type; ``C(column)`` then has levels such as ``2``.
    """

    name: str
    kind: str
    levels: tuple[str, ...] = ()
    whole: bool = False

    def values(self, series: pd.Series) -> NDArray[np.generic] | pd.Categorical:
        """The column of new rows, in the form that the fit used.

        Parameters
        ----------
        series : Series
            Column of the same name.

        Returns
        -------
        ndarray or Categorical

        Raises
        ------
        FormulaError
            If values are missing, of another kind, or of a level unknown to the fit.
        """
        _refuse_missing(self.name, series)
        kind = kind_of_column(self.name, series)
        if self.kind == "categorical":
            labels = series.astype(object)
            named = self._levels_of(pd.unique(labels))
            known = set(self.levels)
            unseen = [level for level in named.values() if level not in known]
            if unseen:
                msg = (
                    f"column {self.name!r} has levels that the fit has not seen: "
                    f"{some_of(unseen)}. The fit knows {some_of(self.levels, 12)}."
                )
                raise FormulaError(msg)
            return pd.Categorical(labels.map(named), categories=list(self.levels))
        if kind != self.kind and not (kind == "bool" and self.kind == "numeric"):
            msg = (
                f"column {self.name!r} was {self.kind} at the fit and is {kind} "
                f"({series.dtype}) here; convert it."
            )
            raise FormulaError(msg)
        # A copy, from which the design is made again after loading.
        dtype = bool if self.kind == "bool" else np.float64
        values = np.array(series.to_numpy(dtype=dtype))
        values.flags.writeable = False
        return values

    def _levels_of(self, values: NDArray[np.object_]) -> dict[object, str]:
        """The levels that values stand for: the same text, or else the same number."""
        texts = {value: str(value) for value in values}
        known = set(self.levels)
        others = [
            value
            for value, text in texts.items()
            if text not in known and isinstance(value, Real) and not isinstance(value, bool)
        ]
        if others:
            numbers = {_number(level): level for level in reversed(self.levels)}
            texts |= {value: numbers.get(_number(texts[value]), texts[value]) for value in others}
        return texts


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def column_of_obs(obs: pd.DataFrame, name: str) -> pd.Series | None:
    """The column of that name, which may be a number or a tuple in obs.

    Parameters
    ----------
    obs : DataFrame
        Covariates.
    name : str
        The name as text.

    Returns
    -------
    Series or None

    Raises
    ------
    FormulaError
        If several columns have that name.

    Examples
    --------
    >>> import pandas as pd
    >>> column_of_obs(pd.DataFrame({1: [2.0]}), "1").tolist()
    [2.0]
    """
    if not any(str(column) == name for column in obs.columns):
        return None
    return column_of("the column ", name, obs, FormulaError)


def _refuse_missing(name: str, series: pd.Series) -> None:
    missing = series.isna().to_numpy()
    if missing.any():
        first = series.index[int(np.argmax(missing))]
        msg = (
            f"column {name!r} has {int(missing.sum())} missing values (the first at {first!r}). "
            f"Drop these cells, fill the values in, or leave the column out of the formula "
            f"('~ . - {spell(name)}')."
        )
        raise FormulaError(msg)


def kind_of_column(name: str, series: pd.Series) -> str:
    """What a formula takes a column for.

    Parameters
    ----------
    name : str
        Column name, for messages.
    series : Series
        Its values, none of them missing.

    Returns
    -------
    str
        ``numeric``, ``bool`` or ``categorical``.

    Raises
    ------
    FormulaError
        If it can be taken for none of them.

    Examples
    --------
    >>> import pandas as pd
    >>> kind_of_column("x", pd.Series([1.0, 2.0]))
    'numeric'
    """
    dtype = series.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return "categorical"
    if pd.api.types.is_bool_dtype(dtype):
        return "bool"
    if pd.api.types.is_complex_dtype(dtype):
        msg = f"column {name!r} is complex; a formula needs real numbers or categories."
        raise FormulaError(msg)
    if pd.api.types.is_numeric_dtype(dtype):
        return "numeric"
    if pd.api.types.is_string_dtype(dtype) or dtype.kind == "O":
        if all(isinstance(value, str) for value in series):
            return "categorical"
        other = next(value for value in series if not isinstance(value, str))
        msg = (
            f"column {name!r} (dtype {dtype}) holds {other!r} ({type(other).__name__}), neither "
            f"all strings nor a numeric dtype; convert it with pandas.to_numeric, astype(bool) or "
            f"astype('category')."
        )
        raise FormulaError(msg)
    msg = (
        f"column {name!r} has dtype {dtype}, which a formula cannot use; convert it to numbers "
        f"(for example days since a date) or to a category."
    )
    raise FormulaError(msg)


def _categories(name: str, series: pd.Series) -> list[str]:
    """Names of the categories that occur."""
    categories = series.cat.remove_unused_categories().cat.categories
    levels = [str(level) for level in categories]
    twice = next((level for level, times in Counter(levels).items() if times > 1), None)
    if twice is not None:
        kinds = sorted({type(level).__name__ for level in categories if str(level) == twice})
        msg = (
            f"column {name!r} has several categories that read {twice!r} ({', '.join(kinds)}), "
            f"and their coefficients could not be told apart; rename or merge them."
        )
        raise FormulaError(msg)
    return levels


def freeze_column(name: str, series: pd.Series) -> Column:
    """Record the kind and the levels of a column.

    Levels of a categorical column without a cell are dropped, as R's ``droplevels`` does, since
    they would make columns of zeros; the levels of a column of strings are sorted.

    Parameters
    ----------
    name : str
        Column name.
    series : Series
        Its values.

    Returns
    -------
    Column

    Raises
    ------
    FormulaError
        If values are missing, the dtype cannot be used, or every cell has a level of its own.

    Examples
    --------
    >>> import pandas as pd
    >>> freeze_column("g", pd.Series(["b", "a", "b", "a"])).levels
    ('a', 'b')
    """
    _refuse_missing(name, series)
    kind = kind_of_column(name, series)
    if kind != "categorical":
        return Column(name, kind, whole=pd.api.types.is_integer_dtype(series.dtype))
    if isinstance(series.dtype, pd.CategoricalDtype):
        levels = _categories(name, series)
    else:
        levels = sorted({str(value) for value in series})
    if len(levels) == len(series) >= ID_LIKE_FROM:
        msg = (
            f"column {name!r} has a different level in each of the {len(series)} cells: it names "
            f"the cells and explains nothing. Leave it out ('~ . - {spell(name)}')."
        )
        raise FormulaError(msg)
    return Column(name, kind, tuple(levels))
