"""Rows are matched by their labels, or refused; nothing that carries labels is taken by position.

An index 0, 1, 2, ... in order says nothing, so that rows beside it are taken in order. Any other
index is labels, integers in another order included. Rows whose labels are the same in another
order are refused rather than put in order: which of both orders is meant decides what a table
is beside arrays, which have no labels.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbglm.exceptions import AlignmentError, did_you_mean, some_of

__all__ = [
    "RowValues",
    "are_numbers_in_order",
    "column_of",
    "match_rows",
    "quoted",
    "read_only",
    "reordered",
    "row_values",
]


def quoted(label: object) -> str:
    """A row label for a message: text in quotes, and numbers without their numpy type.

    Parameters
    ----------
    label : object
        From an index.

    Returns
    -------
    str

    Examples
    --------
    >>> quoted("AAACGT"), quoted(np.int64(3))
    ("'AAACGT'", '3')
    """
    if isinstance(label, tuple):
        return f"({', '.join(map(quoted, label))})"
    return repr(label) if isinstance(label, str) else str(label)


def read_only(labels: pd.Index) -> pd.Index:
    """The same labels in an index whose values nobody can write into.

    Parameters
    ----------
    labels : Index
        Row labels.

    Returns
    -------
    Index
        Of text or numbers; other labels are given back as they are.

    Examples
    --------
    >>> read_only(pd.Index(["a", "b"])).to_numpy().flags.writeable
    False
    """
    kind = getattr(labels.dtype, "kind", "")
    if isinstance(labels, pd.MultiIndex | pd.RangeIndex) or kind not in "Oiufb":
        return labels
    own = labels.to_numpy(copy=True)
    own.flags.writeable = False
    return pd.Index(own, dtype=labels.dtype, name=labels.name)


def are_numbers_in_order(labels: pd.Index) -> bool:
    """Whether an index is 0, 1, 2, ..., which names no rows.

    Parameters
    ----------
    labels : Index
        Row labels.

    Returns
    -------
    bool

    Examples
    --------
    >>> are_numbers_in_order(pd.Index([0, 1])), are_numbers_in_order(pd.Index([1, 0]))
    (True, False)
    """
    return labels.equals(pd.RangeIndex(len(labels)))


def _as_text(labels: pd.Index) -> list[str]:
    """Labels of any kind, so that 7 and '7', as of an AnnData, are the same."""
    return [quoted(label) if isinstance(label, tuple) else str(label) for label in labels]


def reordered(labels: pd.Index, rows: pd.Index) -> bool:
    """Whether the same labels, as text, come in another order.

    Parameters
    ----------
    labels, rows : Index
        Row labels of the same length.

    Returns
    -------
    bool

    Examples
    --------
    >>> reordered(pd.Index([1, 0]), pd.Index(["0", "1"])), reordered(pd.Index([0]), pd.Index([0]))
    (True, False)
    """
    if labels.equals(rows) or not len(labels):
        return False
    theirs = _as_text(rows)
    # The first one tells most strangers apart from a million rows in another order.
    if _as_text(labels[:1])[0] not in set(theirs):
        return False
    mine = _as_text(labels)
    return mine != theirs and sorted(mine) == sorted(theirs)


def match_rows(what: str, labels: pd.Index, rows: pd.Index, *, whose: str, fix: str) -> None:
    """Refuse labels that are not those of the rows they go with.

    Parameters
    ----------
    what : str
        What has these labels, for messages.
    labels : Index
        Its labels.
    rows : Index
        The labels that they must be, of the same length.
    whose : str
        What has those labels, for messages.
    fix : str
        What puts them in order, or says that they are.

    Raises
    ------
    AlignmentError
        If both are labels, and not the same in the same order.

    Examples
    --------
    >>> match_rows("w", pd.Index([0, 1]), pd.Index(["a", "b"]), whose="obs", fix="")
    >>> fix = "use w.reindex(obs.index)"
    >>> match_rows("w", pd.Index([1, 0]), pd.Index([0, 1]), whose="obs", fix=fix)
    Traceback (most recent call last):
    nbglm.exceptions.AlignmentError: w has the same row labels as obs in another order (row 0 is 1,
    and 0 there); use w.reindex(obs.index).
    """
    if labels.equals(rows) or _as_text(labels) == _as_text(rows):
        return
    if reordered(labels, rows):
        pairs = zip(_as_text(labels), _as_text(rows), strict=True)
        at, (mine, its) = next(pair for pair in enumerate(pairs) if pair[1][0] != pair[1][1])
        msg = (
            f"{what} has the same row labels as {whose} in another order (row {at} is {mine}, and "
            f"{its} there); "
        )
        if rows.is_unique:
            raise AlignmentError(f"{msg}{fix}.")
        repeated = rows[rows.duplicated()][0]
        raise AlignmentError(
            f"{msg}{quoted(repeated)} stands for several rows, so that labels cannot put them in "
            f"order. Give each a label of its own, or put them in order and reset both indexes."
        )
    if are_numbers_in_order(labels) or are_numbers_in_order(rows):
        return
    known = set(_as_text(rows))
    texts = zip(labels, _as_text(labels), strict=True)
    stranger = next((label for label, text in texts if text not in known), labels[0])
    msg = (
        f"{what} has the row {quoted(stranger)}, which {whose} lacks; give both the same index, "
        f"or reset it on one of them (reset_index(drop=True)) to match by position."
    )
    raise AlignmentError(msg)


def match_parts(parts: Mapping[Any, pd.Index], fix: str) -> pd.Index | None:
    """Refuse parts of one table whose rows are labelled differently.

    Parameters
    ----------
    parts : mapping of name to Index
        Row labels of each.
    fix : str
        What puts them in order.

    Returns
    -------
    Index or None
        The labels, if any part has more than numbers in order.

    Raises
    ------
    AlignmentError
        If two parts have labels of the same number, and not the same ones in the same order.

    Examples
    --------
    >>> match_parts({"x": pd.Index(["a", "b"]), "g": pd.RangeIndex(2)}, "").tolist()
    ['a', 'b']
    """
    named = [name for name, labels in parts.items() if not are_numbers_in_order(labels)]
    if not named:
        return None
    first = parts[named[0]]
    for name, labels in parts.items():
        if len(labels) == len(first):
            match_rows(str(name), labels, first, whose=str(named[0]), fix=fix)
    return first


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
