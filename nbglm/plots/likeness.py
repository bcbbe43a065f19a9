"""One figure of tables of counts beside each other: what they have in common, and what not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbglm.exceptions import InputTypeError, check_choice
from nbglm.likeness.comparing import CountsComparison, compare_counts
from nbglm.likeness.opened import ALL
from nbglm.plots.figure import CYCLE, GREY, INK, axes_for, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["compare", "compare_data"]

FloatArray = NDArray[np.float64]

_BINS = 40
_MOST_POINTS = 3000  # of a dataset, in a picture
_HISTOGRAMS = {
    "library_size": "library size (counts)",
    "zeros_by_cell": "share of zeros, by cell",
    "mean": "mean of a gene",
    "variance": "variance of a gene",
    "gene_correlation": "correlation of two genes",
    "cell_correlation": "correlation of two cells",
}
_RELATIONS = {
    "mean_variance": ("mean of a gene", "variance of a gene"),
    "mean_zeros": ("mean of a gene", "share of zeros, by gene"),
}
_ORDER = (
    *("mean_variance", "mean_zeros", "library_size", "zeros_by_cell"),
    *("mean", "variance", "gene_correlation", "cell_correlation"),
)


def compare_data(
    comparison: CountsComparison | Mapping[str, Any], *, group: str = ALL
) -> pd.DataFrame:
    """What :func:`compare` draws.

    Parameters
    ----------
    comparison, group
        As in :func:`compare`.

    Returns
    -------
    DataFrame
        A row for each point: ``panel``, ``dataset``, ``x`` and ``y``. Of histograms ``x`` is the
        left end of a bin and ``y`` the density; that of the last bin ends where there is a row
        with a density of 0. The other panels are ``mean_variance`` and ``mean_zeros`` with a point
        for each gene, ``pca`` with one for each cell, and ``spectrum``, the shares of the
        variance that components have.
    """
    found = _comparison(comparison)
    check_choice("group", group, (*found.groups, ALL))
    parts = [_relation(found, panel, group) for panel in _RELATIONS]
    parts += [_histogram(found, panel, group) for panel in _HISTOGRAMS]
    if group == ALL:
        parts += [_cells(found), _spectrum(found)]
    return pd.concat(parts, ignore_index=True)


def _comparison(given: object) -> CountsComparison:
    if isinstance(given, CountsComparison):
        return given
    if isinstance(given, Mapping):
        return compare_counts(given)
    msg = (
        f"compare() draws what nbglm.compare_counts returns, or tables by their names, such as "
        f"{{'real': a, 'simulated': b}}, not a {type(given).__name__}."
    )
    raise InputTypeError(msg)


def _relation(found: CountsComparison, panel: str, group: str) -> pd.DataFrame:
    genes = found.tables["genes"]
    genes = genes[genes["group"] == group]
    y = {"mean_variance": "variance", "mean_zeros": "zeros"}[panel]
    points = genes[["dataset", "mean", y]].set_axis(["dataset", "x", "y"], axis=1)
    return points.dropna().assign(panel=panel)


def _samples(found: CountsComparison, panel: str, group: str) -> pd.DataFrame:
    """The values of which a histogram is made, with their datasets."""
    if panel in ("library_size", "zeros_by_cell"):
        table = found.tables["cells"]
        table = table if group == ALL else table[table["group"] == group]
        column = "zeros" if panel == "zeros_by_cell" else "library_size"
    elif panel in ("mean", "variance"):
        table, column = found.tables["genes"], panel
        table = table[table["group"] == group]
    else:
        table, column = found.tables["pairs"], "correlation"
        what = {"gene_correlation": "genes", "cell_correlation": "cells"}[panel]
        table = table[(table["group"] == group) & (table["of"] == what)]
    values = table[column].to_numpy(dtype=np.float64)
    if panel == "library_size":
        with np.errstate(divide="ignore"):
            values = np.log10(values)
    kept = np.isfinite(values)
    return pd.DataFrame({"dataset": table["dataset"].to_numpy()[kept], "value": values[kept]})


def _histogram(found: CountsComparison, panel: str, group: str) -> pd.DataFrame:
    samples = _samples(found, panel, group)
    # The few that are far out would leave one bin to all others.
    ends = np.quantile(samples["value"], [0.001, 0.999]) if len(samples) else np.zeros(2)
    low, high = float(ends[0]), float(ends[1])
    bins = _BINS
    if panel in ("mean", "variance"):  # of which there may be few
        bins = int(np.clip(2.0 * np.sqrt(len(samples) / len(found.names)), 8, _BINS))
    edges = np.linspace(low, high if high > low else low + 1.0, bins + 1)
    if panel == "zeros_by_cell":
        # Shares of so many genes are steps, of which each bin has as many as the others.
        genes = found.tables["genes"]["gene"].nunique()
        wide = max(np.ceil((high - low) * genes / bins), 1.0)
        number = int(np.ceil(((high - low) * genes + 1.0) / wide))
        edges = low + (np.arange(number + 1) * wide - 0.5) / genes
    parts = []
    for name in found.names:
        values = samples.loc[samples["dataset"] == name, "value"].to_numpy()
        inside = np.histogram(np.clip(values, edges[0], edges[-1]), edges)[0]
        density = inside / max(values.size, 1) / (edges[1] - edges[0])
        y = np.append(density, 0.0)
        parts.append(pd.DataFrame({"dataset": name, "x": edges, "y": y, "panel": panel}))
    return pd.concat(parts, ignore_index=True)


def _cells(found: CountsComparison) -> pd.DataFrame:
    parts = []
    for name in found.names:
        cells = found.tables["components"]
        cells = cells[cells["dataset"] == name]
        cells = cells.iloc[:: -(-len(cells) // _MOST_POINTS)]
        second = cells["pc2"] if "pc2" in cells else np.zeros(len(cells))
        parts.append(pd.DataFrame({"dataset": name, "x": cells["pc1"], "y": second}))
    return pd.concat(parts, ignore_index=True).assign(panel="pca")


def _spectrum(found: CountsComparison) -> pd.DataFrame:
    table = found.tables["spectrum"].rename(columns={"component": "x", "variance": "y"})
    return table.assign(panel="spectrum")


def compare(
    comparison: CountsComparison | Mapping[str, Any],
    *,
    group: str = ALL,
    figsize: tuple[float, float] | None = None,
) -> Figure:
    """Draw tables of counts beside each other: real ones and simulated ones.

    Parameters
    ----------
    comparison : CountsComparison or mapping of str to table
        From :func:`nbglm.compare_counts`, or what it takes.
    group : str
        Draw this group of cells; all of them by default. Principal components are of all cells.
    figsize : tuple of float, optional
        Inches.

    Returns
    -------
    matplotlib.figure.Figure
        Relations of mean, variance and zeros over genes; distributions of properties of genes,
        cells and pairs, with the Kolmogorov-Smirnov distances from the first table; and cells
        along the principal components of the first table, which is grey everywhere.

    Raises
    ------
    InputTypeError
        If it is something else.
    OptionError
        If there is no such group.
    MissingPackageError
        If matplotlib is not installed.
    """
    found = _comparison(comparison)
    data = compare_data(found, group=group)
    colours = dict(zip(found.names, _colours(len(found.names)), strict=True))
    axes, figure = _layout(found, figsize, pca=group == ALL)
    for panel in _ORDER:
        part = data[data["panel"] == panel]
        draw = _draw_points if panel in _RELATIONS else _draw_steps
        draw(axes[panel], part, colours)
        _label(axes[panel], panel)
        _write_distances(axes[panel], found, panel, group, colours)
    if group == ALL:
        _draw_components(axes, data, colours)
    _draw_legend(figure, colours, group)
    return figure


def _colours(number: int) -> list[str]:
    """The first table is grey, as what others are held against."""
    return [GREY, *(CYCLE[k % len(CYCLE)] for k in range(number - 1))]


def _layout(
    found: CountsComparison, figsize: tuple[float, float] | None, *, pca: bool
) -> tuple[dict[str, Axes], Figure]:
    rows = 3 if pca else 2
    names = [f"pca:{name}" for name in found.names] + ["spectrum"]
    size = figsize or (11.0, 2.5 * rows + 0.4)
    figure: Any = axes_for(None, size).get_figure()
    figure.clear()
    parts = figure.add_gridspec(rows, 1)
    axes = {}
    panels: list[list[str]] = [list(_ORDER[:4]), list(_ORDER[4:])]
    for row, line in enumerate([*panels, names] if pca else panels):
        grid = parts[row].subgridspec(1, len(line))
        for column, name in enumerate(line):
            axes[name] = figure.add_subplot(grid[column])
    return axes, figure


def _draw_points(ax: Axes, part: pd.DataFrame, colours: Mapping[str, str]) -> None:
    many = len(part) > _MOST_POINTS
    for k, (name, colour) in enumerate(colours.items()):
        points = part[part["dataset"] == name]
        size, alpha = (26.0, 0.55) if k == 0 else (9.0, 0.75)
        ax.scatter(
            points["x"],
            points["y"],
            s=size / 4.0 if many else size,
            c=colour,
            alpha=alpha / 2.0 if many else alpha,
            linewidths=0.0,
            zorder=2 + k,
            rasterized=many,
        )


def _draw_steps(ax: Axes, part: pd.DataFrame, colours: Mapping[str, str]) -> None:
    for k, (name, colour) in enumerate(colours.items()):
        bins = part[part["dataset"] == name]
        edges, density = bins["x"].to_numpy(), bins["y"].to_numpy()[:-1]
        if k == 0:
            ax.stairs(density, edges, fill=True, color=colour, alpha=0.45, zorder=1)
        else:
            ax.stairs(density, edges, color=colour, linewidth=1.4, zorder=2 + k)
    ax.set_ylim(0.0, 1.25 * float(part["y"].max() or 1.0))
    ax.set_yticks([])


def _label(ax: Axes, panel: str) -> None:
    if panel in _RELATIONS:
        x, y = _RELATIONS[panel]
        ax.set_xlabel(x)
        ax.set_ylabel(y)
    else:
        ax.set_xlabel(_HISTOGRAMS[panel])
        ax.set_ylabel("density")
    if panel == "library_size":
        low, high = ax.get_xlim()
        places = _decades(low, high)
        ax.set_xticks(np.log10(places), [f"{place:,.0f}" for place in places])
    ax.spines[["top", "right"]].set_visible(False)


def _decades(low: float, high: float) -> list[float]:
    """Round numbers between two powers of ten, a handful of them."""
    for steps in ((1,), (1, 3), (1, 2, 5), tuple(range(1, 10))):
        places = [
            step * 10.0**power
            for power in range(int(np.floor(low)), int(np.ceil(high)) + 1)
            for step in steps
            if low <= np.log10(step * 10.0**power) <= high
        ]
        if len(places) >= 3:
            break
    return places[:: -(-len(places) // 5)] if places else [10.0 ** (0.5 * (low + high))]


def _write_distances(
    ax: Axes, found: CountsComparison, panel: str, group: str, colours: Mapping[str, str]
) -> None:
    """How far the others are from the first, in their colours."""
    table = found.tables["table"]
    table = table[(table["group"] == group) & (table["property"] == panel)]
    distances = dict(zip(table["dataset"], table["ks"], strict=True))
    top = panel != "mean_variance"
    for k, name in enumerate(found.names[1:]):
        if np.isfinite(distances.get(name, np.nan)) and k < 4:
            ax.text(
                0.98 if top else 0.02,
                0.98 - 0.085 * k,
                f"KS {distances[name]:.2f}",
                color=colours[name],
                transform=ax.transAxes,
                ha="right" if top else "left",
                va="top",
                fontsize="small",
            )


def _draw_components(
    axes: Mapping[str, Axes], data: pd.DataFrame, colours: Mapping[str, str]
) -> None:
    cells = data[data["panel"] == "pca"]
    reference, *_ = colours
    behind = cells[cells["dataset"] == reference]
    limits = [_padded(cells[axis]) for axis in ("x", "y")]
    for name, colour in colours.items():
        ax = axes[f"pca:{name}"]
        points = cells[cells["dataset"] == name]
        ax.scatter(behind["x"], behind["y"], s=5.0, c=GREY, alpha=0.35, linewidths=0.0)
        if name != reference:
            ax.scatter(points["x"], points["y"], s=3.0, c=colour, alpha=0.5, linewidths=0.0)
        ax.set_xlim(*limits[0])
        ax.set_ylim(*limits[1])
        ax.set_xlabel(plain(f"PC 1 of {reference}"))
        ax.set_ylabel("PC 2")
        ax.set_title(plain(name), fontsize="medium", color=INK if name == reference else colour)
        ax.spines[["top", "right"]].set_visible(False)
    ax = axes["spectrum"]
    for k, (name, colour) in enumerate(colours.items()):
        lines = data[(data["panel"] == "spectrum") & (data["dataset"] == name)]
        wide = {"linewidth": 5.0, "alpha": 0.6} if k == 0 else {"linewidth": 1.4}
        style: dict[str, Any] = {**wide, "color": colour, "zorder": 2 + k}
        ax.plot(lines["x"], lines["y"], marker="." if k else "none", **style)
    ax.set_yscale("log")
    places = _decades(*np.log10(ax.get_ylim()))
    ax.set_yticks(places, [f"{place:g}" for place in places])
    ax.set_yticks([], minor=True)
    ax.set_xlabel("principal component")
    ax.set_ylabel("variance")
    ax.spines[["top", "right"]].set_visible(False)


def _padded(values: pd.Series) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    room = 0.05 * (high - low) or 1.0
    return low - room, high + room


def _draw_legend(figure: Figure, colours: Mapping[str, str], group: str) -> None:
    from matplotlib.patches import Patch

    handles = [
        Patch(color=colour, alpha=1.0 if k else 0.6) for k, colour in enumerate(colours.values())
    ]
    figure.legend(
        handles,
        [plain(name) for name in colours],
        loc="outside upper left",
        ncols=min(len(colours), 6),
        frameon=False,
        title=None if group == ALL else plain(f"cells of {group}"),
    )
