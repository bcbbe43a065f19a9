"""Rows at which one gene's mean is drawn, and the counts that belong beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbglm.design.columns import Column, column_of_obs
from nbglm.exceptions import FormulaError, OptionError, did_you_mean, some_of
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


def _columns(tables: FitInference) -> dict[str, Column]:
    columns = {**tables.design.mean.columns, **tables.design.dispersion.columns}
    if not columns:
        msg = (
            "fitted() draws along a column of obs, and these formulas use none: "
            f"{tables.design.mean.formula.expanded!r}. For a model of arrays fit formulas."
        )
        raise OptionError(msg)
    return columns


def _known(name: str, columns: Mapping[str, Column], what: str) -> str:
    if name not in columns:
        msg = f"{what}={name!r} is no column that the formulas use; they use {some_of(columns, 9)}."
        raise OptionError(msg + did_you_mean(name, columns))
    return name


def _along(columns: Mapping[str, Column], x: str | None) -> str:
    if x is not None:
        return _known(x, columns, "x")
    numeric = [name for name, column in columns.items() if column.kind == "numeric"]
    candidates = numeric if len(numeric) == 1 else list(columns)
    if len(candidates) != 1:
        msg = f"name the column along the axis (x=...): the formulas use {some_of(columns, 9)}."
        raise OptionError(msg)
    return candidates[0]


def _values(column: Column) -> tuple[Any, ...]:
    return (False, True) if column.kind == "bool" else column.levels


def _obs_column(tables: FitInference, name: str) -> pd.Series:
    series = column_of_obs(tables.counts.obs, name)
    if series is None:
        msg = (
            f"fitted() draws along columns of obs; {name!r} of the formula is none of them "
            f"({some_of(tables.counts.obs.columns, 8)})."
        )
        raise FormulaError(msg)
    return series


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
    columns = _columns(tables)
    x = _along(columns, x)
    levels = _levels(columns, x, by)
    for name in at or {}:
        _known(name, columns, "at")
    weight = np.ones(tables.counts.n_cells) if tables.weights is None else tables.weights
    others = [name for name in columns if name not in (x, by)]
    held, cells = _held(tables, {name: columns[name] for name in others}, at or {}, weight)
    numeric = columns[x].kind == "numeric"
    along: Any = np.array(_values(columns[x]), dtype=object)
    if numeric:
        ends = np.asarray(columns[x].values(_obs_column(tables, x)), dtype=float)[weight > 0.0]
        along = np.linspace(ends.min(), ends.max(), _POINTS)
    rows = pd.DataFrame({x: np.tile(along, len(levels))})
    if by is not None:
        rows[by] = np.repeat(np.array(levels, dtype=object), len(along))
    for name, value in held.items():
        rows[name] = value
    for name, column in columns.items():
        if column.kind == "bool":
            rows[name] = rows[name].astype(bool)
    return Grid(rows, x, by, levels, numeric, held, cells)


def _levels(columns: Mapping[str, Column], x: str, by: str | None) -> tuple[Any, ...]:
    """Levels that get colours."""
    if by is None:
        return (None,)
    if by == x:
        msg = f"x={x!r} and by={by!r} are the same column."
        raise OptionError(msg)
    column = columns[_known(by, columns, "by")]
    levels = _values(column)
    if column.kind == "numeric" or len(levels) > _MOST_LEVELS:
        kind = "a number" if column.kind == "numeric" else f"of {len(levels)} levels"
        msg = f"by={by!r} is {kind}; it is for columns with {_MOST_LEVELS} levels at most."
        raise OptionError(msg)
    return levels


def _held(
    tables: FitInference,
    columns: Mapping[str, Column],
    at: Mapping[str, Any],
    weight: NDArray[np.float64],
) -> tuple[dict[str, Any], NDArray[np.bool_]]:
    """Values of columns that do not vary in the picture, and the cells whose factors have them."""
    held: dict[str, Any] = {}
    cells = weight > 0.0
    for name, column in columns.items():
        values = np.asarray(column.values(_obs_column(tables, name)))
        if name in at:
            held[name] = at[name]
        elif column.kind == "numeric":
            held[name] = float(np.average(values.astype(float), weights=weight))
        else:
            held[name] = pd.Series(weight).groupby(values).sum().idxmax()
        if column.kind != "numeric":
            cells = cells & (values.astype(str) == str(held[name]))
    return held, cells
