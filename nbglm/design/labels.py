"""Rows are matched by their labels, or refused; nothing that carries labels is taken by position.

An index 0, 1, 2, ... in order says nothing, so that rows beside it are taken in order. Any other
index is labels, integers in another order included. Rows whose labels are the same in another
order are refused rather than put in order: which of both orders is meant decides what a table
is beside arrays, which have no labels.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from nbglm.exceptions import AlignmentError

__all__ = [
    "are_numbers_in_order",
    "match_parts",
    "match_rows",
    "quoted",
    "read_only",
    "reordered",
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
    if labels.dtype.kind in "iu" and rows.dtype.kind in "iu":
        return bool(np.array_equal(np.sort(labels.to_numpy()), np.sort(rows.to_numpy())))
    if are_numbers_in_order(labels):
        labels, rows = rows, labels
    # The first one tells most strangers apart from a million rows in another order.
    if not _may_hold(rows, _as_text(labels[:1])[0]):
        return False
    mine, theirs = _as_text(labels), _as_text(rows)
    return mine != theirs and sorted(mine) == sorted(theirs)


def _may_hold(rows: pd.Index, text: str) -> bool:
    if are_numbers_in_order(rows):
        return text.isdecimal() and int(text) < len(rows)
    return text in set(_as_text(rows))


def _same_text(labels: pd.Index, rows: pd.Index) -> bool:
    ends = [0, -1]
    if len(labels) and _as_text(labels[ends]) != _as_text(rows[ends]):
        return False
    return _as_text(labels) == _as_text(rows)


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
    if labels.equals(rows) or _same_text(labels, rows):
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
