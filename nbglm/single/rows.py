"""The arrays of a model have the same rows: labels matched, nothing masked, values for each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse
from statsmodels.tools.sm_exceptions import MissingDataError

from nbglm.design.labels import match_parts
from nbglm.design.offset import cell_values
from nbglm.design.reals import as_real
from nbglm.design.weights import frequency_weights
from nbglm.exceptions import AlignmentError, InputTypeError, did_you_mean, some_of

__all__ = [
    "check_kinds",
    "check_rows",
    "refuse_unknown",
    "require_complete",
    "row_numbers",
    "size_design",
    "without_missing",
]

_ARGUMENTS = ("offset", "exposure", "weights", "missing", "hasconst", "exog_dispersion")
_DESIGNS = ("exog", "exog_dispersion")


class _MissingRowsError(AlignmentError, MissingDataError):
    """Rows lack a value: also statsmodels' error of that."""


def refuse_unknown(kwargs: Mapping[str, object]) -> None:
    """Refuse arguments that a model does not have.

    Parameters
    ----------
    kwargs : mapping
        What is left of the keyword arguments.

    Raises
    ------
    InputTypeError
        If anything is.

    Examples
    --------
    >>> refuse_unknown({"freq_weights": [1, 2]})
    Traceback (most recent call last):
    nbglm.exceptions.InputTypeError: NegBinModel has no argument 'freq_weights'. Frequency weights
    are weights=.
    """
    for name in kwargs:
        hint = did_you_mean(name, _ARGUMENTS)
        if name in ("freq_weights", "var_weights"):
            hint = " Frequency weights are weights=."
        if name == "loglike_method":
            hint = " The variance is that of nb2; its dispersion is exog_dispersion=."
        msg = f"NegBinModel has no argument {name!r}."
        raise InputTypeError(msg + hint)


def check_kinds(data: Mapping[str, Any]) -> dict[str, Any]:
    """Arrays of numbers, in which Python's own are made doubles, with the labels that they had.

    Parameters
    ----------
    data : mapping
        ``endog``, ``exog`` and whatever else has a row for each observation; None is nothing.

    Returns
    -------
    dict

    Raises
    ------
    InputTypeError
        If something is no array: nothing, a formula, a sparse matrix.
    AlignmentError
        If a design has more than two dimensions, or two columns of one name.
    """
    out = dict(data)
    for name in ("endog", "exog"):
        if data[name] is None:
            msg = f"{name} is None; NegBinModel takes arrays, and from_formula a table."
            raise InputTypeError(msg)
    for name, part in data.items():
        if isinstance(part, str):
            msg = (
                f"{name} must be an array, not the string {part!r}; formulas and names of columns "
                f"are for NegBinModel.from_formula."
            )
            raise InputTypeError(msg)
        if sparse.issparse(part):
            msg = f"{name} must be dense; pass {name}.toarray()."
            raise InputTypeError(msg)
        if np.asarray(part).dtype == object and part is not None:
            out[name] = _as_doubles(name, part)
        if name in _DESIGNS:
            _check_design(name, part)
    return out


def _check_design(name: str, part: Any) -> None:
    if np.ndim(part) not in (1, 2):
        msg = f"{name} must have a row for each observation; its shape is {np.shape(part)}."
        raise AlignmentError(msg)
    if np.ndim(part) == 2 and not np.shape(part)[1]:
        msg = f"{name} has no columns; np.ones((n, 1)) is a constant."
        raise AlignmentError(msg)
    columns = getattr(part, "columns", None)
    if columns is not None and not columns.is_unique:
        msg = f"{name} has several columns named {columns[columns.duplicated()][0]!r}; rename them."
        raise AlignmentError(msg)


def _as_doubles(name: str, part: Any) -> Any:
    """Objects as doubles, if they are numbers."""
    try:
        values = np.array([as_real(value) for value in np.asarray(part).flat], dtype=np.float64)
    except TypeError as error:
        msg = (
            f"{name} must hold numbers, and {error}. NegBinModel.from_formula makes columns of "
            f"factors."
        )
        raise AlignmentError(msg) from error
    values = values.reshape(np.shape(part))
    if isinstance(part, pd.DataFrame):
        return pd.DataFrame(values, part.index, part.columns)
    return pd.Series(values, part.index, name=part.name) if isinstance(part, pd.Series) else values


def size_design(exog_dispersion: Any, n: int) -> tuple[Any, list[str]]:
    """The design of the size with the names of its columns.

    Parameters
    ----------
    exog_dispersion : array_like or None
        As given; None is a constant.
    n : int
        Number of rows.

    Returns
    -------
    design : array_like, shape (n, q)
    names : list of str
    """
    if exog_dispersion is None:
        return np.ones((n, 1)), ["const"]
    columns = getattr(exog_dispersion, "columns", None)
    if columns is not None:
        return exog_dispersion, [str(column) for column in columns]
    if np.ndim(exog_dispersion) == 1 and not isinstance(exog_dispersion, str):
        exog_dispersion = np.asarray(exog_dispersion)[:, None]
    width = (*np.shape(exog_dispersion), 0, 0)[1]
    return exog_dispersion, [f"z{k + 1}" for k in range(width)]


def without_missing(data: dict[str, Any], missing: str) -> dict[str, Any]:
    """Drop or refuse rows that lack a value; statsmodels can do that with one design only.

    Parameters
    ----------
    data : dict
        Arrays of the same rows; None is nothing.
    missing : str
        ``"none"``, ``"drop"`` or ``"raise"``.

    Returns
    -------
    dict

    Raises
    ------
    AlignmentError
        If a value is missing and that is to be refused, or no row is left.
    """
    if missing == "none":
        return data
    lacking = {name: pd.isna(part) for name, part in data.items() if part is not None}
    rows = np.zeros(len(data["endog"]), dtype=bool)
    for mask in lacking.values():
        rows |= np.asarray(mask).reshape(rows.size, -1).any(axis=1)
    if not rows.any():
        return data
    names = [name for name, mask in lacking.items() if np.asarray(mask).any()]
    if missing == "raise" or rows.all():
        msg = f"{rows.sum()} of {rows.size} rows lack a value, in {some_of(names)}."
        raise _MissingRowsError(msg)
    return {
        name: part
        if part is None
        else part[~rows]
        if isinstance(part, pd.Series | pd.DataFrame)
        else np.asarray(part)[~rows]
        for name, part in data.items()
    }


def require_complete(data: Mapping[str, Any]) -> None:
    """Refuse designs with missing or infinite values.

    Parameters
    ----------
    data : mapping
        The arrays.

    Raises
    ------
    AlignmentError
        With the first row that has one.
    """
    for name in _DESIGNS:
        values = np.asarray(data[name], dtype=np.float64)
        odd = ~np.isfinite(values.reshape(len(values), -1)).all(axis=1)
        if odd.any():
            label = getattr(data[name], "index", range(len(values)))[int(np.argmax(odd))]
            msg = (
                f"{name} contains inf or nans in {odd.sum()} of {odd.size} rows, the first being "
                f"{label!r}; missing='drop' leaves rows out that lack a value."
            )
            raise _MissingRowsError(msg)


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
