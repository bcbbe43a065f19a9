"""The arrays of a model have the same rows: labels matched, nothing masked, values for each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbglm.exceptions import AlignmentError
from nbglm.labels import match_parts
from nbglm.negbin import frequency_weights
from nbglm.offset import cell_values
from nbglm.reals import as_real

__all__ = ["check_rows", "row_numbers"]


def check_rows(data: Mapping[str, Any]) -> None:
    """Refuse arrays whose rows are not those of the response.

    Parameters
    ----------
    data : mapping
        ``endog``, ``exog`` and whatever else has a row for each observation; None is nothing.

    Raises
    ------
    AlignmentError
        If there are no rows, lengths or labels differ, entries are masked, or the response is
        no column of numbers.

    Examples
    --------
    >>> check_rows({"endog": [1, 2], "exog": [[1.0]]})
    Traceback (most recent call last):
    nbglm.exceptions.AlignmentError: exog has 1 rows and endog 2; they must match.
    """
    parts = {name: part for name, part in data.items() if part is not None}
    shapes = {name: np.shape(part) for name, part in parts.items()}
    n = (*shapes["endog"], 0)[0]
    if n == 0:
        msg = "endog has no rows; there is nothing to fit."
        raise AlignmentError(msg)
    if len(shapes["endog"]) > 1 and shapes["endog"][1:] != (1,):
        msg = (
            f"endog must be one response, and its shape is {shapes['endog']}; several, as columns "
            f"of a table, are fitted by nbglm.fit_negbin."
        )
        raise AlignmentError(msg)
    for name, part in parts.items():
        if (*shapes[name], 0)[0] != n:
            rows = (*shapes[name], 0)[0]
            msg = f"{name} has {rows} rows and endog {n}; they must match."
            raise AlignmentError(msg)
        if np.ma.is_masked(part):
            msg = f"{name} has masked entries; leave those rows out, or fill them in (filled())."
            raise AlignmentError(msg)
    for name, part in parts.items():
        _refuse_text(name, np.asarray(part))
    labelled = {
        name: part.index
        for name, part in parts.items()
        if isinstance(part, pd.Series | pd.DataFrame)
    }
    match_parts(labelled, "put them into one DataFrame and take its columns")
    pair = [labelled.get(name) for name in ("endog", "exog")]
    if pair[0] is not None and pair[1] is not None and not pair[0].equals(pair[1]):
        msg = (
            "endog and exog have different row labels, where statsmodels wants the same; use "
            "reset_index(drop=True) on both if their order is right."
        )
        raise AlignmentError(msg)


def _refuse_text(name: str, values: NDArray[Any]) -> None:
    try:
        odd = values.dtype.kind not in "biufO"
        if values.dtype.kind == "O":
            for value in values.flat:
                as_real(value)
    except TypeError as error:
        msg = f"{name} must hold numbers, and {error}."
        raise AlignmentError(msg) from error
    if odd:
        msg = f"{name} must hold real numbers; its dtype is {values.dtype}."
        raise AlignmentError(msg)


def row_numbers(name: str, part: object, rows: pd.Index) -> NDArray[np.float64]:
    """Offset, exposure or weights as numbers, one for each row.

    Parameters
    ----------
    name : str
        Which of them.
    part : array_like
        Values.
    rows : Index
        Labels of the rows.

    Returns
    -------
    ndarray, shape (rows,)

    Raises
    ------
    AlignmentError
        If they are no finite numbers, or weights or exposures cannot be those.
    """
    frame = pd.DataFrame(index=rows)
    if name == "weights":
        return np.asarray(frequency_weights(part, frame))
    values = cell_values(name, part, frame)
    if name == "exposure" and not (values > 0).all():
        msg = "exposure must be positive; it multiplies the mean."
        raise AlignmentError(msg)
    return values
