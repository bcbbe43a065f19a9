"""Genes as points: by category, with triangles at the edges, labels and a legend with numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbglm.exceptions import OptionError
from nbglm.inference.selection import gene_positions
from nbglm.plots.edges import draw_points, missing_note
from nbglm.plots.figure import MANY, add_legend, with_defaults

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["OF_WHAT", "draw_genes"]

FloatArray = NDArray[np.float64]

OF_WHAT = {"mean": "mean", "dispersion": "size r"}
"""What the coefficients of a component are called on an axis."""


def draw_genes(
    ax: Axes,
    x: pd.Series,
    y: pd.Series,
    call: pd.Series,
    reason: pd.Series,
    *,
    colors: Mapping[str, str],
    words: Mapping[str, str],
    label: int | Iterable[str] | None,
    order: FloatArray,
    options: Mapping[str, Any],
    limit: str = "at a limit: infinite",
    lines: Sequence[tuple[Any, str]] = (),
) -> None:
    """Points by category, triangles for infinite ones, names of some, a legend with numbers.

    Parameters
    ----------
    ax : Axes
        Where.
    x, y : Series, indexed by gene
        Coordinates.
    call, reason : Series of str
        Category of each gene, and why it may have no coordinates.
    colors, words : mapping of str to str
        Colour of each category, and what the legend calls it.
    label : int, sequence of str or None
        Genes to be named: how many of those with a category, or which.
    order : ndarray
        What the first genes are the smallest of.
    options : mapping
        For ``Axes.scatter``.
    limit : str
        What the legend says of triangles.
    lines : sequence of (handle, label)
        What else the legend has to name.
    """
    from matplotlib.lines import Line2D

    from nbglm.plots.placing import SpacedLabels

    at = np.column_stack([x.to_numpy(dtype=np.float64), y.to_numpy(dtype=np.float64)])
    known = ~np.isnan(at).any(axis=1)
    size = 14.0 if len(at) <= 2_000 else 6.0
    style = {"s": size, "alpha": 0.75, "linewidths": 0.0, "rasterized": len(at) > MANY}
    entries: list[tuple[Any, str]] = []
    edge = ""
    beyond = 0
    for category, color in colors.items():
        chosen = known & (call == category).to_numpy()
        if not chosen.any():
            continue
        own = with_defaults(options, color=color, zorder=3 if category else 2, **style)
        _, triangles = draw_points(ax, at[chosen, 0], at[chosen, 1], **own)
        edge += "".join(key[0] for key in triangles)
        beyond += sum(np.shape(part.get_offsets())[0] for part in triangles.values())
        shown = own.get("color", own.get("c", color))
        shown = shown if isinstance(shown, str) else color
        handle = Line2D([], [], marker="o", linestyle="none", color=shown, markersize=5)
        entries.append((handle, f"{words[category]} ({chosen.sum():,})"))
    entries.reverse()  # coloured points are drawn last, and read first
    entries += lines
    if edge:
        handle = Line2D([], [], marker=edge[0], linestyle="none", color="#555555", markersize=5)
        entries.append((handle, f"{limit} ({beyond:,})"))
    add_legend(ax, entries, missing_note(reason, pd.Series(known)))
    within = known & np.isfinite(at).all(axis=1)
    named = _named(x.index, within, call.to_numpy() != "", label, order)
    if named.size:
        SpacedLabels(ax, at[named], [str(name) for name in x.index[named]], at[within])


def _named(
    genes: pd.Index,
    within: NDArray[np.bool_],
    called: NDArray[np.bool_],
    label: int | Iterable[str] | None,
    order: FloatArray,
) -> NDArray[np.int64]:
    """Positions of the genes that get a label."""
    if label is None or label is False:
        return np.zeros(0, dtype=np.int64)
    if isinstance(label, int | np.integer):
        if label < 0 or label is True:
            msg = f"label= takes how many genes to name, or their names; got {label!r}."
            raise OptionError(msg)
        candidates = np.flatnonzero(within & called)
        return candidates[np.argsort(order[candidates], kind="stable")][: int(label)]
    chosen = gene_positions(genes, list(label) if not isinstance(label, str) else label)
    return chosen[within[chosen]]
