"""Values for the rows of obs: a column of it, an array, or anything with labels, matched."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbglm.design.labels import match_rows
from nbglm.exceptions import AlignmentError, did_you_mean, some_of

__all__ = ["RowValues", "column_of", "row_values"]


class RowValues(NamedTuple):
    """Values for the rows of obs, matched, and what to call them in messages."""

    source: str
    values: pd.Series | NDArray[Any]


def column_of(what: str, name: object, frame: pd.DataFrame, error: type[Exception]) -> pd.Series:
    """The column of obs with this name, which must be only one.

    Parameters
    ----------
    what : str
        What names it, for messages.
    name : object
        Its name.
    frame : DataFrame
        The table, whose names are compared as text.
    error : type
        Class of the error that is raised.

    Returns
    -------
    Series

    Raises
    ------
    Exception
        Of the class `error`, if there is no such column, or two.

    Examples
    --------
    >>> column_of("offset=", "x", pd.DataFrame({"x": [1, 2]}), AlignmentError).tolist()
    [1, 2]
    """
    names = [str(column) for column in frame.columns]
    if str(name) not in names:
        msg = f"{what}{name!r} is no column of obs, which has {some_of(names, 8)}."
        raise error(msg + did_you_mean(name, names))
    if names.count(str(name)) > 1:
        msg = (
            f"{what}{name!r} is ambiguous: obs has {names.count(str(name))} columns of that name. "
            f"Rename or drop all but one."
        )
        raise error(msg)
    return frame.iloc[:, names.index(str(name))]


def row_values(what: str, given: object, obs: pd.DataFrame) -> RowValues:
    """Values for each row, from an array, a column of obs, or anything with labels.

    Parameters
    ----------
    what : str
        Name of the argument.
    given : array_like, Series, DataFrame of one column, or str
        Values, or a column.
    obs : DataFrame
        Rows.

    Returns
    -------
    RowValues
        As they were given, in the order of `obs`.

    Raises
    ------
    AlignmentError
        If the column is missing, or labels are not those of `obs`, or the length is not.

    Examples
    --------
    >>> row_values("weights", pd.Series([1, 2]), pd.DataFrame(index=["a", "b"])).source
    'weights='
    """
    source = f"{what}="
    if isinstance(given, str):
        values = column_of(source, given, obs, AlignmentError)
        return RowValues(f"column {given!r}, used as {what},", values)
    if isinstance(given, pd.DataFrame):
        if given.shape[1] != 1:
            msg = f"{source} must be one column; the frame has {given.shape[1]}."
            raise AlignmentError(msg)
        given = given.iloc[:, 0]
    if isinstance(given, pd.Series):
        if len(given) == len(obs):
            fix = f"use {what}.reindex(obs.index), or {what}.to_numpy() if the order is right"
            match_rows(f"the Series {source}", given.index, obs.index, whose="obs", fix=fix)
            return RowValues(source, given)
        if given.index.is_unique and obs.index.isin(given.index).all():
            msg = (
                f"{source} must have {len(obs)} values, one for each cell; it has {len(given)}, "
                f"with labels of all cells among them: use {what}.loc[obs.index]."
            )
            raise AlignmentError(msg)
    return RowValues(source, _unlabelled(source, given, len(obs)))


def _unlabelled(source: str, given: object, rows: int) -> NDArray[Any]:
    """An array of one value for each row."""
    if np.ma.is_masked(given):
        msg = f"{source} has masked entries; fill them in (filled()), or leave those cells out."
        raise AlignmentError(msg)
    # A list by pandas, since numpy would turn ["a", nan] into text.
    values = np.asarray(pd.Series(given, dtype=object) if isinstance(given, list) else given)
    if values.shape != (rows,):
        hint = ""
        if values.shape in ((rows, 1), (1, rows)):
            hint = " Pass its ravel()."
        elif isinstance(given, Mapping):
            hint = " Pass a Series, whose labels are matched with those of obs."
        msg = (
            f"{source} must have {rows} values, one for each cell; its shape is "
            f"{values.shape}.{hint}"
        )
        raise AlignmentError(msg)
    return values
