"""Rows at which one gene's mean is drawn, and the counts that belong beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbglm.design.columns import Column, column_of_obs
from nbglm.exceptions import FormulaError, InputTypeError, OptionError, did_you_mean, some_of
from nbglm.inference.methods import FitInference

__all__ = ["Grid", "make_grid"]

_POINTS = 200  # of a curve
_MOST_LEVELS = 8  # that colours can tell apart


@dataclass(frozen=True)
class Grid:
    """Rows along one column, for each level of another.

    Attributes
    ----------
    rows : DataFrame
        All columns that the formulas use.
    x, by : str and str or None
        Column along the axis, and column with a colour for each level.
    levels : tuple
        Levels of `by`; one that is None without it.
    numeric : bool
        Whether `x` is a number.
    held : mapping of str to object
        Values of all other columns.
    cells : ndarray of bool
        Cells whose factors have the held levels.
    """

    rows: pd.DataFrame
    x: str
    by: str | None
    levels: tuple[Any, ...]
    numeric: bool
    held: Mapping[str, Any]
    cells: NDArray[np.bool_]


@dataclass(frozen=True)
class _Covariate:
    """A column of the formulas in the cells of the fit; `levels` is None for a number."""

    column: Column
    in_cells: NDArray[Any]
    levels: tuple[Any, ...] | None


def _covariates(tables: FitInference) -> dict[str, _Covariate]:
    columns = {**tables.design.mean.columns, **tables.design.dispersion.columns}
    if not columns:
        msg = (
            "fitted() draws along a column of obs, and these formulas use none: "
            f"{tables.design.mean.formula.expanded!r}. For a model of arrays fit formulas."
        )
        raise OptionError(msg)
    return {name: _covariate(tables.counts.obs, name, columns[name]) for name in columns}


def _covariate(obs: pd.DataFrame, name: str, column: Column) -> _Covariate:
    series = column_of_obs(obs, name)
    if series is None:
        msg = (
            f"fitted() draws along columns of obs; {name!r} of the formula is none of them "
            f"({some_of(obs.columns, 8)})."
        )
        raise FormulaError(msg)
    values = np.asarray(column.values(series))
    if column.kind != "numeric":
        return _Covariate(column, values, (False, True) if column.kind == "bool" else column.levels)
    # A few whole numbers are groups, which formulas may use as such: C(day).
    distinct = np.unique(values)
    few = column.whole and distinct.size <= _MOST_LEVELS
    return _Covariate(column, values, tuple(distinct.astype(np.int64).tolist()) if few else None)


def _known(name: str, columns: Mapping[str, _Covariate], what: str) -> str:
    if name not in columns:
        msg = f"{what}={name!r} is no column that the formulas use; they use {some_of(columns, 9)}."
        raise OptionError(msg + did_you_mean(name, columns))
    return name


def _along(columns: Mapping[str, _Covariate], x: str | None) -> str:
    if x is not None:
        return _known(x, columns, "x")
    numbers = [name for name, one in columns.items() if one.levels is None]
    candidates = numbers if len(numbers) == 1 else list(columns)
    if len(candidates) != 1:
        msg = f"name the column along the axis (x=...): the formulas use {some_of(columns, 9)}."
        raise OptionError(msg)
    return candidates[0]


def make_grid(
    tables: FitInference, x: str | None, by: str | None, at: Mapping[str, Any] | None
) -> Grid:
    """Rows along a column of obs.

    Parameters
    ----------
    tables : FitInference
        The fit.
    x : str or None
        Column along the axis; by default the only number, or the only column.
    by : str or None
        A column with few levels.
    at : mapping or None
        Values of other columns; by default the mean, or the most frequent level.

    Returns
    -------
    Grid

    Raises
    ------
    OptionError
        If a column is none of the formulas', or `by` has many levels.
    """
    columns = _covariates(tables)
    x = _along(columns, x)
    levels = _levels(columns, x, by)
    if at is not None and not isinstance(at, Mapping):
        msg = f"at= takes a mapping such as {{{x!r}: 1}}, not a {type(at).__name__}."
        raise InputTypeError(msg)
    for name in at or {}:
        _known(name, columns, "at")
    weight = np.ones(tables.counts.n_cells) if tables.weights is None else tables.weights
    others = {name: columns[name] for name in columns if name not in (x, by)}
    held, cells = _held(others, at or {}, weight)
    along: Any = columns[x].levels
    numeric = along is None
    if numeric:
        ends = columns[x].in_cells[weight > 0.0]
        along = np.linspace(ends.min(), ends.max(), _POINTS)
    rows = pd.DataFrame({x: [*along] * len(levels)})
    if by is not None:
        rows[by] = [level for level in levels for _ in along]
    for name, value in held.items():
        rows[name] = value
    return Grid(rows, x, by, levels, numeric, held, cells)


def _levels(columns: Mapping[str, _Covariate], x: str, by: str | None) -> tuple[Any, ...]:
    """Levels that get colours."""
    if by is None:
        return (None,)
    if by == x:
        msg = f"x={x!r} and by={by!r} are the same column."
        raise OptionError(msg)
    levels = columns[_known(by, columns, "by")].levels
    if levels is None or len(levels) > _MOST_LEVELS:
        kind = "a number" if levels is None else f"of {len(levels)} levels"
        msg = f"by={by!r} is {kind}; it is for columns with {_MOST_LEVELS} levels at most."
        raise OptionError(msg)
    return levels


def _held(
    columns: Mapping[str, _Covariate], at: Mapping[str, Any], weight: NDArray[np.float64]
) -> tuple[dict[str, Any], NDArray[np.bool_]]:
    """Values of columns that do not vary in the picture, and the cells whose factors have them."""
    held: dict[str, Any] = {}
    cells = weight > 0.0
    for name, one in columns.items():
        if name in at:
            held[name] = at[name]
        elif one.levels is None:
            held[name] = float(np.average(one.in_cells.astype(float), weights=weight))
        else:
            frequent = pd.Series(weight).groupby(one.in_cells).sum().idxmax()
            held[name] = next(level for level in one.levels if level == frequent)
        if one.column.kind != "numeric":
            cells = cells & (one.in_cells.astype(str) == str(held[name]))
    return held, cells
