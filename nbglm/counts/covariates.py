"""Covariates of the cells: a frame whose rows are the rows of the data, or an error that says why.

Labels are those of :mod:`nbglm.design.labels`: what has them on both sides must have the same ones
in the same order.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from nbglm.design.labels import are_numbers_in_order, match_parts, match_rows, quoted, reordered
from nbglm.exceptions import AlignmentError

__all__ = ["align_obs"]


def align_obs(obs: Any, index: pd.Index | None, shape: tuple[int, int]) -> tuple[pd.DataFrame, str]:
    """Covariates as a frame whose rows are the rows of the data.

    Parameters
    ----------
    obs : DataFrame, mapping or None
        As given.
    index : Index or None
        Row labels of the data; None if it has none.
    shape : tuple of int
        Numbers of its rows and columns.

    Returns
    -------
    obs : DataFrame
        With the labels of the data, if those have any.
    remark : str
        What was assumed about the order of rows, if anything had to be; else empty.

    Raises
    ------
    AlignmentError
        If `obs` is no table, or its rows are others.

    Examples
    --------
    >>> align_obs({"x": [1, 2]}, pd.Index(["a", "b"]), (2, 9))[0]
       x
    a  1
    b  2
    """
    rows = int(shape[0])
    default = pd.RangeIndex(rows)
    if obs is None:
        return pd.DataFrame(index=index if index is not None else default), ""
    frame = _as_frame(obs, rows)
    if len(frame) != rows:
        msg = f"obs has {len(frame)} rows and the data has {rows}; they must be the same cells."
        if index is not None and index.is_unique and index.isin(frame.index).all():
            msg += " It has all cells of the data among them: use obs.loc[counts.index]."
        elif len(frame) == shape[1]:
            msg += " The data have as many columns: pass their transpose (.T), cells x genes."
        raise AlignmentError(msg)
    if index is None:
        return frame, _assumption(frame.index)
    fix = "use obs.reindex(counts.index), or reset both indexes if the order is right"
    match_rows("obs", frame.index, index, whose="the count table", fix=fix)
    unlabelled = are_numbers_in_order(frame.index)
    return frame.set_axis(index, axis=0) if unlabelled else frame, ""


def _assumption(labels: pd.Index) -> str:
    """What is assumed of an array beside these labels.

    Labels 0 to n - 1 in another order look like the numbers of an array's rows. Any others, such
    as those of rows that were chosen from a longer table, do not.
    """
    numbers = pd.RangeIndex(len(labels))
    if labels.dtype.kind not in "iu" or not reordered(labels, numbers):
        return ""
    at = next(i for i, label in enumerate(labels) if label != i)
    return (
        f"obs has the row labels 0 to {len(labels) - 1} in another order, and the counts have "
        f"none: they were taken in order, row {at} of the counts for the row labelled "
        f"{quoted(labels[at])}. If that is wrong, fit counts[obs.index]; if it is right, "
        f"obs.reset_index(drop=True) says so."
    )


def _as_frame(obs: Any, rows: int) -> pd.DataFrame:
    if isinstance(obs, pd.DataFrame):
        return obs
    if isinstance(obs, Mapping):
        return _joined(obs, rows)
    hint = ""
    if isinstance(obs, pd.Series):
        hint = "; use obs.to_frame()"
    elif hasattr(obs, "to_pandas"):
        hint = "; use obs.to_pandas()"
    elif isinstance(getattr(obs, "obs", None), pd.DataFrame):
        hint = "; use its .obs"
    msg = f"obs must be a DataFrame or a dict of columns, not {type(obs).__name__}{hint}."
    raise AlignmentError(msg)


def _joined(columns: Mapping[Any, Any], rows: int) -> pd.DataFrame:
    """Columns that go together in order; pandas would join those with labels by sorting them."""
    parts = {
        name: pd.Series(part) if isinstance(part, Mapping) else part
        for name, part in columns.items()
    }
    labelled = {
        f"the column {name!r} of obs": part.index
        for name, part in parts.items()
        if isinstance(part, pd.Series)
    }
    index = match_parts(labelled, "put the columns into one DataFrame, which joins them by label")
    bare = {
        name: part.array if isinstance(part, pd.Series) else part for name, part in parts.items()
    }
    try:
        scalar = all(pd.api.types.is_scalar(part) for part in bare.values())
        frame = pd.DataFrame(bare, index=range(rows) if scalar else None)
    except (TypeError, ValueError) as error:
        msg = f"the columns of obs do not go together: {error}."
        raise AlignmentError(msg) from error
    return frame if index is None or len(index) != len(frame) else frame.set_axis(index, axis=0)
