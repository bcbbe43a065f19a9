"""Estimated marginal means: averages of linear predictors over a reference grid, as in emmeans."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbglm.exceptions import HypothesisError, InputTypeError, OptionError, did_you_mean, some_of
from nbglm.inference.quantities import Quantity, embedded, needs
from nbglm.inference.selection import names_of

if TYPE_CHECKING:
    from nbglm.inference.tables import FitTables

__all__ = ["covariate_mean", "marginal_quantities", "pairs_of"]

FloatArray = NDArray[np.float64]

_LARGEST_GRID = 1_000_000  # rows


def covariate_mean(tables: FitTables, name: str) -> float:
    """Weighted mean of a numeric column of obs at the fit.

    Parameters
    ----------
    tables : FitTables
        The fit.
    name : str
        The column.

    Returns
    -------
    float
    """
    if tables.remains is not None:
        return tables.remains.covariate_means[name]
    cells = tables.counts.obs[name].to_numpy(dtype=np.float64)
    return float(np.average(cells, weights=tables.problem.layout.cell_weight))


def _grid(
    tables: FitTables, at: Mapping[str, object], of_mean: bool, of_size: bool
) -> pd.DataFrame:
    """Every combination of levels, with covariates at their means or where `at` puts them."""
    columns = dict(tables.design.mean.columns) if of_mean else {}
    if of_size:
        columns.update(tables.design.dispersion.columns)
    if not isinstance(at, Mapping):
        msg = f"at= takes a mapping such as {{'dose': [0, 1]}}, not a {type(at).__name__}."
        raise InputTypeError(msg)
    for name in at:
        if name not in columns:
            msg = f"at names {name!r}, which the formula does not use; it uses {some_of(columns)}."
            raise HypothesisError(msg + did_you_mean(name, columns))
    values: dict[str, Sequence[object]] = {}
    for name, column in columns.items():
        if name in at:
            values[name] = _listed(name, at[name])
        elif column.kind == "categorical":
            values[name] = column.levels
        elif column.kind == "bool":
            values[name] = (False, True)
        else:
            values[name] = [covariate_mean(tables, name)]
    size = math.prod(len(column) for column in values.values())
    if size > _LARGEST_GRID:
        counts = ", ".join(f"{len(column)} of {name!r}" for name, column in values.items())
        msg = (
            f"the reference grid has {size:,} rows, all combinations of the values ({counts}), and "
            f"may have {_LARGEST_GRID:,}; hold some columns at a value with at=."
        )
        raise OptionError(msg)
    rows = list(itertools.product(*values.values()))
    return pd.DataFrame(rows, columns=list(values)) if values else pd.DataFrame(index=[0])


def _listed(name: str, given: object) -> list[object]:
    """Values for a column of the grid."""
    if given is None or np.ndim(given) > 1:  # type: ignore[arg-type]
        msg = f"at= takes a value or a list of values for {name!r}, not {given!r}."
        raise InputTypeError(msg)
    several = isinstance(given, Iterable) and not isinstance(given, str | bytes)
    values = list(given) if several else [given]  # type: ignore[call-overload]
    if not values:
        msg = f"at= has no value for {name!r}."
        raise OptionError(msg)
    return values


def marginal_quantities(
    tables: FitTables,
    factors: str | Sequence[str],
    scale: str,
    component: str,
    at: Mapping[str, object] | None = None,
) -> Quantity:
    """Averages of the linear predictors over a reference grid, as R's emmeans makes them.

    Parameters
    ----------
    tables : FitTables
        The fit.
    factors : str or sequence of str
        Columns of obs, each combination of whose values gets a row.
    scale, component : str
        What is to be estimated.
    at : mapping, optional
        Values for columns of the grid, in place of all levels or the mean.

    Returns
    -------
    Quantity
        Offset 0: the mean of a cell whose size factor is 1.

    Raises
    ------
    HypothesisError
        If the formula does not use one of the columns.
    """
    of_mean, of_size = needs(scale, component)
    grid = _grid(tables, at or {}, of_mean, of_size)
    names = names_of("factors", factors)
    for name in names:
        if name not in grid:
            msg = f"the formula does not use the column {name!r}; it uses {some_of(grid.columns)}."
            raise HypothesisError(msg + _column_meant(name, list(grid.columns)))
    groups = grid.groupby(names, sort=False, observed=True) if names else None
    number = groups.ngroup().to_numpy() if groups is not None else np.zeros(len(grid), dtype=int)
    share = np.equal.outer(np.arange(number.max() + 1), number).astype(np.float64)
    share /= share.sum(axis=1, keepdims=True)
    design = tables.design
    labels = grid[names].iloc[[int(np.argmax(row > 0)) for row in share]].reset_index(drop=True)
    return Quantity(
        labels,
        embedded(tables, share @ design.mean.rebuild(grid), "mean") if of_mean else None,
        embedded(tables, share @ design.dispersion.rebuild(grid), "dispersion")
        if of_size
        else None,
        np.zeros(len(labels)),
    )


def _column_meant(name: str, columns: list[str]) -> str:
    """A suggestion for a name that is no column: a coefficient, an interaction, a misspelling."""
    parts = [part for part in re.split(r"[:*+,\s]+", name) if part]
    if len(parts) > 1 and set(parts) <= set(columns):
        return f" For all combinations pass {parts!r}."
    factor = name.partition("[")[0]
    return f" Did you mean {factor!r}?" if factor in columns else did_you_mean(name, columns)


def pairs_of(quantity: Quantity, scale: str) -> Quantity:
    """All differences of two rows; ratios on the scales that are not logarithmic.

    Parameters
    ----------
    quantity : Quantity
        The rows, of log means or of log sizes.
    scale : str
        ``log``, ``response`` or ``alpha``.

    Returns
    -------
    Quantity

    Raises
    ------
    ValueError
        For scales that mix mean and size.
    """
    if scale in ("cv2", "var"):
        msg = f"scale={scale!r} has no pairwise differences; use 'log', 'response' or 'alpha'."
        raise OptionError(msg)
    if len(quantity.labels) < 2:
        msg = "pairwise differences need two rows or more, and the grid leaves one."
        raise HypothesisError(msg)
    names = quantity.labels.astype(str).agg(", ".join, axis=1)
    pairs = list(itertools.combinations(range(len(names)), 2))
    first, second = (np.array([pair[k] for pair in pairs], dtype=int) for k in (0, 1))
    sign = "-" if scale == "log" else "/"
    labels = [f"{names[i]} {sign} {names[j]}" for i, j in pairs]

    def differences(rows: FloatArray | None) -> FloatArray | None:
        return None if rows is None else rows[first] - rows[second]

    return Quantity(
        pd.DataFrame({"contrast": labels}),
        differences(quantity.mean),
        differences(quantity.size),
        np.zeros(len(labels)),
    )
