"""New rows of one response: their designs and offsets, and what is asked of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbglm.design.offset import cell_values
from nbglm.design.reals import as_real
from nbglm.exceptions import AlignmentError, OptionError

__all__ = ["average_weights", "counts_asked", "design_rows", "offset_of_rows", "row_index"]

FloatArray = NDArray[np.float64]


def row_index(rows: Any) -> pd.Index | None:
    """Labels of the rows of a table; None if it has none."""
    return rows.index if isinstance(rows, pd.Series | pd.DataFrame) else None


def design_rows(name: str, given: Any, width: int) -> FloatArray:
    """Rows of a design as numbers.

    Parameters
    ----------
    name : str
        Which design, for messages.
    given : array_like, shape (rows, width), or one row, or a column if the design has only one
        The rows.
    width : int
        Number of columns of the design.

    Returns
    -------
    ndarray, shape (rows, width)

    Raises
    ------
    AlignmentError
        If they have another number of columns, or are not numbers.

    Examples
    --------
    >>> design_rows("exog", [1.0, 2.0], 2)
    array([[1., 2.]])
    """
    try:
        if np.asarray(given).dtype.kind in "USO":
            [as_real(value) for value in np.asarray(given).flat]
        rows = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError) as error:
        msg = f"{name} must hold numbers ({error}); formulas take columns by name."
        raise AlignmentError(msg) from error
    rows = rows[:, None] if rows.ndim == 1 and width == 1 else np.atleast_2d(rows)
    if rows.ndim != 2 or rows.shape[1] != width:
        msg = f"{name} has the shape {np.shape(given)}; the design has {width} columns."
        raise AlignmentError(msg)
    if np.isinf(rows).any():
        msg = f"{name} contains inf."
        raise AlignmentError(msg)
    return rows


def offset_of_rows(offset: Any, exposure: Any, index: pd.Index) -> FloatArray:
    """Offset and log exposure of new rows; a single number is that of all of them.

    Parameters
    ----------
    offset, exposure : array_like, float or None
        As given.
    index : Index
        Labels of the rows.

    Returns
    -------
    ndarray, shape (rows,)

    Raises
    ------
    AlignmentError
        If they do not match the rows, or an exposure is not positive.
    """
    frame = pd.DataFrame(index=index)
    total = np.zeros(len(index))
    for name, given in (("offset", offset), ("exposure", exposure)):
        if given is None:
            continue
        every = np.ndim(given) == 0 and not isinstance(given, str)
        values = cell_values(name, np.full(len(index), given) if every else given, frame)
        if name == "exposure":
            if not (values > 0).all():
                msg = "exposure must be positive; it multiplies the mean."
                raise AlignmentError(msg)
            values = np.log(values)
        total = total + values
    return total


def counts_asked(y_values: Any, counts: FloatArray) -> NDArray[Any]:
    """Counts whose probabilities are wanted: those given, or 0 to the largest in the data.

    Parameters
    ----------
    y_values : array_like or None
        As given.
    counts : ndarray
        Counts of the data, of rows that take part.

    Returns
    -------
    ndarray, shape (counts,)

    Raises
    ------
    OptionError
        If they are no whole numbers of 0 and more.
    """
    if y_values is None:
        return np.arange(counts.max(initial=0.0) + 1)
    values = np.atleast_1d(np.asarray(y_values))
    whole = values.ndim == 1 and values.dtype.kind in "biuf" and values.size > 0
    if not whole or (values < 0).any() or (values % 1 != 0).any():
        msg = f"y_values must be counts, whole numbers of 0 or more; got {y_values!r}."
        raise OptionError(msg)
    return values


def average_weights(agg_weights: Any, frequency: FloatArray) -> FloatArray:
    """Weights of an average over rows, which count by their frequencies.

    Parameters
    ----------
    agg_weights : array_like or None
        As given; not normalised, as in statsmodels.
    frequency : ndarray, shape (rows,)
        How often each row is there.

    Returns
    -------
    ndarray, shape (rows,)

    Raises
    ------
    AlignmentError
        If their number is not that of the rows.
    """
    share = frequency / frequency.sum()
    if agg_weights is None:
        return share
    weights = np.asarray(agg_weights, dtype=np.float64)
    if weights.shape != share.shape:
        msg = (
            f"agg_weights must be one for each of {share.size} rows; its shape is {weights.shape}."
        )
        raise AlignmentError(msg)
    return weights * share
