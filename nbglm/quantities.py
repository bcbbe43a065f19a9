"""What is to be estimated: rows of obs, contrasts, and averages over a reference grid."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbglm.exceptions import HypothesisError, OptionError, check_choice, did_you_mean, some_of
from nbglm.hypotheses import Hypothesis, check_component

if TYPE_CHECKING:
    from nbglm.tables import FitTables

__all__ = [
    "SCALES",
    "Quantity",
    "contrast_quantities",
    "embedded",
    "marginal_quantities",
    "pairs_of",
    "row_quantities",
]

FloatArray = NDArray[np.float64]

SCALES = ("log", "response", "alpha", "cv2", "var")
"""``log``: log mean or log size; ``response``: mean or size; ``alpha``: 1 / size; ``cv2`` and
``var``: squared coefficient of variation and variance of a count."""


@dataclass(frozen=True)
class Quantity:
    """Rows whose log mean, log size, or function of both is to be estimated.

    Attributes
    ----------
    labels : DataFrame
        What each row is called.
    mean, size : ndarray, shape (rows, p + q), or None
        Combinations that give the log mean and the log size, as far as they are needed.
    offset : ndarray, shape (rows,)
        To be added to the log mean.
    """

    labels: pd.DataFrame
    mean: FloatArray | None
    size: FloatArray | None
    offset: FloatArray


def _check_scale(scale: str, component: str) -> None:
    check_choice("scale", scale, SCALES)
    check_component(component)


def _needs(scale: str, component: str) -> tuple[bool, bool]:
    """Whether a scale needs the log mean, and whether it needs the log size."""
    _check_scale(scale, component)
    if scale in ("cv2", "var"):
        return True, True
    of_size = scale == "alpha" or component == "dispersion"
    return not of_size, of_size


def embedded(tables: FitTables, rows: FloatArray, component: str) -> FloatArray:
    """Rows over one component as rows over all coefficients."""
    p, q = len(tables.design.mean.terms), len(tables.design.dispersion.terms)
    zeros = np.zeros((rows.shape[0], q if component == "mean" else p))
    return np.hstack([rows, zeros] if component == "mean" else [zeros, rows])


def row_quantities(
    tables: FitTables,
    obs: pd.DataFrame,
    scale: str,
    component: str,
    offset: object = None,
    size_factors: object = None,
) -> Quantity:
    """Rows of new obs.

    Parameters
    ----------
    tables : FitTables
        The fit.
    obs : DataFrame
        Rows, as in ``predict``.
    scale, component : str
        What is to be estimated.
    offset, size_factors : array_like or str, optional
        As in ``predict``; used only where a mean is needed.

    Returns
    -------
    Quantity
    """
    of_mean, of_size = _needs(scale, component)
    design = tables.design
    total = design.replay_offset(obs, offset, size_factors) if of_mean else np.zeros(len(obs))
    return Quantity(
        pd.DataFrame({"row": obs.index}),
        embedded(tables, design.mean.rebuild(obs), "mean") if of_mean else None,
        embedded(tables, design.dispersion.rebuild(obs), "dispersion") if of_size else None,
        total,
    )


def contrast_quantities(hypothesis: Hypothesis, scale: str, component: str) -> Quantity:
    """Linear combinations of coefficients: differences of logs, or ratios.

    Parameters
    ----------
    hypothesis : Hypothesis
        The combinations.
    scale, component : str
        ``log``, ``response`` or, for the dispersion, ``alpha``.

    Returns
    -------
    Quantity

    Raises
    ------
    ValueError
        For a scale that needs rows of obs.
    """
    of_mean, of_size = _needs(scale, component)
    if of_mean and of_size:
        msg = f"scale={scale!r} needs rows of obs, not a contrast of coefficients."
        raise OptionError(msg)
    if scale == "alpha" and component == "mean":
        msg = "scale='alpha' is of the dispersion; pass component='dispersion'."
        raise OptionError(msg)
    rows = hypothesis.matrix
    return Quantity(
        pd.DataFrame({"contrast": list(hypothesis.labels)}),
        rows if of_mean else None,
        rows if of_size else None,
        np.zeros(rows.shape[0]),
    )


def _grid(
    tables: FitTables, at: Mapping[str, object], of_mean: bool, of_size: bool
) -> pd.DataFrame:
    """Every combination of levels, with covariates at their means or where `at` puts them."""
    columns = dict(tables.design.mean.columns) if of_mean else {}
    if of_size:
        columns.update(tables.design.dispersion.columns)
    for name in at:
        if name not in columns:
            msg = f"at names {name!r}, which the formula does not use; it uses {some_of(columns)}."
            raise HypothesisError(msg + did_you_mean(name, columns))
    weight = tables.problem.layout.cell_weight
    values: dict[str, Sequence[object]] = {}
    for name, column in columns.items():
        if name in at:
            given = at[name]
            values[name] = [given] if np.isscalar(given) else list(given)  # type: ignore[call-overload]
        elif column.kind == "categorical":
            values[name] = column.levels
        elif column.kind == "bool":
            values[name] = (False, True)
        else:
            cells = tables.counts.obs[name].to_numpy(dtype=np.float64)
            values[name] = [np.average(cells, weights=weight)]
    rows = list(itertools.product(*values.values()))
    return pd.DataFrame(rows, columns=list(values)) if values else pd.DataFrame(index=[0])


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
    of_mean, of_size = _needs(scale, component)
    grid = _grid(tables, at or {}, of_mean, of_size)
    names = [factors] if isinstance(factors, str) else list(factors)
    for name in names:
        if name not in grid:
            msg = f"the formula does not use the column {name!r}; it uses {some_of(grid.columns)}."
            raise HypothesisError(msg + did_you_mean(name, grid.columns))
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
