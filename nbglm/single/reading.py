"""What ``from_formula`` is given: the rows to use, the response, and the columns that options name.

A response must be one column of numbers. Python and patsy would make an indicator of a text, and
the first of several columns would do: statsmodels refuses these, and so does this package.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbglm.design.columns import column_of_obs, kind_of_column
from nbglm.design.formula import prepare_formula
from nbglm.design.labels import quoted
from nbglm.design.notation import shown
from nbglm.design.offset import cell_values
from nbglm.design.predictor import build_predictor
from nbglm.design.rowvalues import column_of
from nbglm.design.scope import Scope, columns_of_formula
from nbglm.design.sides import require_text, split_sides
from nbglm.design.terms import single_expression
from nbglm.exceptions import (
    AlignmentError,
    FormulaError,
    InputTypeError,
    UnknownNameError,
    some_of,
)

__all__ = [
    "Response",
    "complete_rows",
    "read_frame",
    "read_response",
    "require_columns",
    "require_exposure",
]

FloatArray = NDArray[np.float64]


def read_frame(data: object, subset: Any) -> pd.DataFrame:
    """The columns of the model, and the rows of them that are wanted.

    Parameters
    ----------
    data : DataFrame, mapping or structured array
        The columns.
    subset : array_like, optional
        Labels or a mask of rows.

    Returns
    -------
    DataFrame

    Raises
    ------
    TypeError
        If `data` has no named columns.
    AlignmentError
        If columns differ in length, or `subset` does not fit the rows or leaves none.

    Examples
    --------
    >>> read_frame({"y": [1, 2, 3]}, [True, False, True])["y"].tolist()
    [1, 3]
    """
    structured = isinstance(data, np.ndarray) and data.dtype.names is not None
    if not isinstance(data, pd.DataFrame | Mapping) and not structured:
        hint = " Give its obs, with the counts as a column." if hasattr(data, "obs") else ""
        msg = f"data must be a DataFrame or a dict of columns, not {type(data).__name__}.{hint}"
        raise InputTypeError(msg)
    try:
        frame = pd.DataFrame(data)
    except ValueError as error:
        msg = f"data makes no table: {error}."
        raise AlignmentError(msg) from error
    if not len(frame):
        msg = "data has no rows."
        raise AlignmentError(msg)
    if subset is None:
        return frame
    chosen = _rows_of(frame, subset)
    if not len(chosen):
        msg = f"subset leaves none of the {len(frame)} rows of data."
        raise AlignmentError(msg)
    return chosen


def _rows_of(frame: pd.DataFrame, subset: Any) -> pd.DataFrame:
    what = "subset must be a mask (True or False for each row of data) or labels of rows"
    if isinstance(subset, str):
        msg = f"{what}, not a string; data.query({subset!r}) may be what is meant."
        raise AlignmentError(msg)
    try:
        chosen = frame.loc[subset]
    except (KeyError, IndexError, ValueError, TypeError, pd.errors.IndexingError) as error:
        msg = f"{what}; this one does not fit the {len(frame)} rows: {_without_quotes(error)}."
        raise AlignmentError(msg) from error
    if not isinstance(chosen, pd.DataFrame):
        msg = f"{what}; {subset!r} names a single row."
        raise AlignmentError(msg)
    if chosen.index.has_duplicates and not frame.index.has_duplicates:
        twice = quoted(chosen.index[chosen.index.duplicated()][0])
        msg = f"{what}; it names the row {twice} more than once. For a mask use astype(bool)."
        raise AlignmentError(msg)
    return chosen


def _without_quotes(error: Exception) -> str:
    return str(error).strip("\"'").rstrip(".")


def require_columns(obs: pd.DataFrame, **names: object) -> None:
    """Refuse names of columns that are not there.

    Parameters
    ----------
    obs : DataFrame
        The columns.
    **names : str or array_like or None
        What each argument was given; only strings are looked at.

    Raises
    ------
    KeyError
        With the nearest name that is there.
    """
    for what, name in names.items():
        if isinstance(name, str):
            column_of(f"{what}=", name, obs, UnknownNameError)


def require_exposure(given: object, obs: pd.DataFrame) -> None:
    """Refuse an exposure that is not positive, by its own name.

    Parameters
    ----------
    given : array_like, str or None
        Values, or the name of a column.
    obs : DataFrame
        Rows.

    Raises
    ------
    AlignmentError
        With the first row where it is 0 or less.
    """
    if given is None:
        return
    values = cell_values("exposure", given, obs)
    if np.any(values <= 0):
        row = int(np.argmax(values <= 0))
        msg = (
            f"exposure must be positive, since it multiplies the mean; the value of row "
            f"{quoted(obs.index[row])} is {values[row]:g}. Logarithms of it go into offset=."
        )
        raise AlignmentError(msg)


@dataclass(frozen=True)
class Response:
    """The left side of a formula.

    Attributes
    ----------
    text : str
        As it was written.
    columns : tuple of str
        Columns that it uses; ``.`` does not stand for them.
    mean : str
        The right side.
    """

    text: str
    columns: tuple[str, ...]
    mean: str

    def values(self, obs: pd.DataFrame, scope: Scope) -> pd.Series:
        """Its numbers.

        Parameters
        ----------
        obs : DataFrame
            Rows.
        scope : Scope
            Where functions and variables are looked up.

        Returns
        -------
        Series

        Raises
        ------
        FormulaError
            If it is not one column of numbers.
        """
        predictor = build_predictor("response", f"0 + {self.text}", obs, scope)
        info = predictor.info
        kinds = [] if info is None else [about.type for about in info.factor_infos.values()]
        if "categorical" in kinds:
            raise _no_numbers(self.text, "makes levels")
        if len(predictor.terms) != 1:
            msg = (
                f"the response {shown(self.text)} has {len(predictor.terms)} columns, and a model "
                f"has one response; fit_negbin takes a table of them."
            )
            raise FormulaError(msg)
        return pd.Series(predictor.matrix[:, 0], obs.index, name=self.text)


def _no_numbers(text: str, what: str) -> FormulaError:
    return FormulaError(
        f"the response {shown(text)} {what}, where counts are needed; if 0 and 1 are meant, "
        f"convert it with astype(int)."
    )


def read_response(formula: str, obs: pd.DataFrame, scope: Scope) -> Response:
    """The left side of a formula, before any row is dropped.

    Parameters
    ----------
    formula : str
        Such as ``"y ~ x"``.
    obs : DataFrame
        The columns.
    scope : Scope
        Where functions and variables are looked up.

    Returns
    -------
    Response

    Raises
    ------
    FormulaError
        If there is none, or it is a sum, a text, or True and False.
    """
    require_text("formula", formula, "y ~ x")
    left, right = split_sides(formula)
    if not left:
        msg = f"the formula {shown(formula)} has no response; write 'y ~ ...'."
        raise FormulaError(msg)
    names = [str(column) for column in obs.columns]
    prepared = prepare_formula("response", left, names)
    if not single_expression("response", prepared):
        msg = (
            f"the response {shown(left)} must be one column or one expression. For arithmetic "
            f"write I({left[:60]}); several responses, as columns of a table, are fitted by "
            f"fit_negbin."
        )
        raise FormulaError(msg)
    columns = columns_of_formula("response", left, obs, scope)
    if columns and prepared.column_of(prepared.patsy) == columns[0]:
        series = column_of_obs(obs, columns[0])
        kind = "numeric" if series is None else kind_of_column(columns[0], series.dropna())
        if kind != "numeric":
            raise _no_numbers(left, f"holds {'True and False' if kind == 'bool' else 'levels'}")
    return Response(left, tuple(columns), f"~ {right}")


def complete_rows(
    obs: pd.DataFrame, used: list[str], extras: dict[str, Any], missing: str
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Rows without a missing value in what is used.

    Parameters
    ----------
    obs : DataFrame
        Rows.
    used : list of str
        Columns that are used.
    extras : dict
        Further values for each row, or names of columns.
    missing : str
        ``"drop"`` or ``"raise"``.

    Returns
    -------
    obs, extras
        Without the other rows.

    Raises
    ------
    AlignmentError
        If a value is missing and that is to be raised, or no row is left.
    """
    named = {name: column_of_obs(obs, name) for name in used}
    columns = {name: series for name, series in named.items() if series is not None}
    lacking = [name for name, series in columns.items() if series.isna().any()]
    complete = np.ones(len(obs), dtype=bool)
    for name in lacking:
        complete &= columns[name].notna().to_numpy()
    by_row = {
        name: part
        for name, part in extras.items()
        if part is not None and not isinstance(part, str) and np.shape(part)[:1] == (len(obs),)
    }
    for name, part in by_row.items():
        there = pd.notna(np.asarray(part)).reshape(len(obs), -1).all(axis=1)
        if not there.all():
            lacking.append(f"{name}=")
        complete &= there
    if complete.all():
        return obs, extras
    if missing == "raise" or not complete.any():
        what = f"{(~complete).sum()} of" if complete.any() else "all"
        msg = (
            f"{what} {len(obs)} rows lack a value, in {some_of(lacking)}; drop "
            f"them (missing='drop') or fill them in."
        )
        raise AlignmentError(msg)
    kept = {name: _some_rows(part, complete) for name, part in by_row.items()}
    return obs[complete], {**extras, **kept}


def _some_rows(part: Any, chosen: NDArray[np.bool_]) -> Any:
    """Some rows of values that may carry labels, which they keep."""
    return part[chosen] if isinstance(part, pd.Series | pd.DataFrame) else np.asarray(part)[chosen]
