"""Chances to find an effect against the number of cells or donors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from nbglm.exceptions import InputTypeError
from nbglm.plots.figure import BLUE, GREEN, GREY, ORANGE, axes_for, plain, with_defaults

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["power", "power_data"]

_COLORS = (BLUE, ORANGE, GREEN, GREY)
_MARKERS = ("o", "s", "D", "^", "v", "P")
_NEEDED = ("term", "effect", "n", "donors", "power", "lower", "upper")


def _axis_of(table: pd.DataFrame) -> str:
    """What grows along the axis: what there is the most of."""
    numbers = {name: table[name].nunique() for name in ("n", "donors", "effect")}
    return max(numbers, key=lambda name: numbers[name])


def power_data(table: pd.DataFrame, *, x: str | None = None) -> pd.DataFrame:
    """What :func:`nbglm.plots.power` draws.

    Parameters
    ----------
    table, x
        As in :func:`nbglm.plots.power`.

    Returns
    -------
    DataFrame
        ``line``, what the lines are called; ``x``, ``power``, ``lower``, ``upper``; sorted.
    """
    missing = (
        [name for name in _NEEDED if name not in table]
        if isinstance(table, pd.DataFrame)
        else list(_NEEDED)
    )
    if missing:
        msg = f"power() draws the table that nbglm.power returns, with {missing[0]!r} in it."
        raise InputTypeError(msg)
    along = _axis_of(table) if x is None else x
    if along not in ("n", "donors", "effect"):
        msg = f"x={x!r} must be 'n', 'donors' or 'effect'."
        raise InputTypeError(msg)
    words = {"n": "{:g} cells", "donors": "{:g} donors", "effect": "effect {:.3g}"}
    others = [name for name in words if name != along and len(table[name].unique()) > 1]
    line = pd.Series("", index=table.index, dtype=object)
    for name in others:
        part = table[name].map(words[name].format)
        line = part if name == others[0] else line + ", " + part
    data = pd.DataFrame({"line": line, "x": table[along].astype(float)})
    data = data.join(table[["power", "lower", "upper"]])
    order = table.assign(_x=data["x"]).sort_values([*others, "_x"]).index
    return data.loc[order].reset_index(drop=True)


def power(
    table: pd.DataFrame, *, x: str | None = None, ax: Axes | None = None, **kwargs: Any
) -> Axes:
    """Power against the number of cells, of donors, or the effect, with its Monte Carlo error.

    Parameters
    ----------
    table : DataFrame
        From :func:`nbglm.power`.
    x : str, optional
        ``"n"``, ``"donors"`` or ``"effect"``; by default what the table has the most values of. A
        line for each combination of the others.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.
    **kwargs
        For the lines, as ``Axes.errorbar`` takes them.

    Returns
    -------
    matplotlib.axes.Axes
        Bars are 95 % intervals; the dashed line is a power of 0.8.

    Raises
    ------
    InputTypeError
        If the table is another one.
    MissingPackageError
        If matplotlib is not installed.
    """
    data = power_data(table, x=x)
    along = _axis_of(table) if x is None else x
    ax = axes_for(ax)
    ax.axhline(0.8, color="#999999", linewidth=0.8, linestyle="--", zorder=1)
    for k, (name, part) in enumerate(data.groupby("line", sort=False)):
        below, above = part["power"] - part["lower"], part["upper"] - part["power"]
        options = with_defaults(
            kwargs,
            color=_COLORS[k % len(_COLORS)],
            marker=_MARKERS[k % len(_MARKERS)],
            markersize=5,
            linewidth=1.4,
            capsize=3,
        )
        ax.errorbar(
            part["x"], part["power"], yerr=[below.abs(), above.abs()], label=plain(name), **options
        )
    lines = data["line"].nunique()
    if lines > 1:
        ax.legend(frameon=False)
    if along != "effect" and (data["x"].max() > 8 * data["x"].min()):
        ax.set_xscale("log")
        values = sorted(data["x"].unique())
        ax.set_xticks(values, labels=[f"{value:g}" for value in values])
        ax.set_xticks([], minor=True)
    words = {"n": "cells", "donors": "donors", "effect": "effect (log scale)"}
    ax.set_xlabel(words[along])
    ax.set_ylabel(plain(f"power for {table['term'].iloc[0]}"))
    ax.set_ylim(-0.02, 1.02)
    return ax
