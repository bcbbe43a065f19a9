"""The fitted mean over the counts of a gene, along a covariate or by group."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbglm.design.columns import column_of_obs
from nbglm.exceptions import check_choice
from nbglm.inference.dropping import of_genes
from nbglm.inference.estimates import predict_intervals
from nbglm.inference.levels import check_interval
from nbglm.inference.methods import FitInference
from nbglm.plots.figure import CYCLE, MANY, add_legend, axes_for, plain, with_defaults
from nbglm.plots.grids import Grid, make_grid
from nbglm.plots.subject import fit_of, one_gene

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["fitted", "fitted_counts_data", "fitted_data"]

FloatArray = NDArray[np.float64]

_GOLDEN = 0.6180339887498949


def _prepared(
    results: object, gene: str | None, x: str | None, by: str | None, at: Mapping[str, Any] | None
) -> tuple[FitInference, Grid]:
    """The fit of the gene by itself, and where it is drawn."""
    tables = fit_of(results)
    tables.require_data("fitted()")
    one = of_genes(tables, np.array([one_gene(tables, gene)]))
    return one, make_grid(one, x, by, at)


def _curve(one: FitInference, grid: Grid, level: float, prediction: float | None) -> pd.DataFrame:
    design = one.design
    x, z = design.mean.rebuild(grid.rows), design.dispersion.rebuild(grid.rows)
    found = predict_intervals(one, x, z, np.zeros(len(x)), level)
    table = grid.rows[[name for name in (grid.x, grid.by) if name is not None]].copy()
    for name in ("mean", "mean_lower", "mean_upper"):
        table[name] = found[name][:, 0]
    if prediction is not None:
        from nbglm.simulate.distribution import negbin

        mean, size = found["mean"][:, 0], found["dispersion"][:, 0]
        tail = 0.5 * (1.0 - prediction)
        finite = np.where(np.isfinite(mean), mean, 0.0)
        lower, upper = negbin.ppf(tail, finite, size), negbin.isf(tail, finite, size)
        table["count_lower"] = np.where(np.isfinite(mean), lower, np.nan)
        table["count_upper"] = np.where(np.isfinite(mean), upper, np.nan)
    return table


def _counts(one: FitInference, grid: Grid) -> pd.DataFrame:
    obs, cells = one.counts.obs, grid.cells
    table = pd.DataFrame(index=one.counts.cells[cells])
    for name in (grid.x, grid.by):
        series = None if name is None else column_of_obs(obs, name)
        if series is not None:
            table[name] = series.to_numpy()[cells]
    table["count"] = one.counts.gene(0)[cells] / np.exp(one.design.offset[cells])
    return table


def fitted_data(
    results: object,
    gene: str | None = None,
    x: str | None = None,
    *,
    by: str | None = None,
    at: Mapping[str, Any] | None = None,
    level: float = 0.95,
    prediction: float | None = 0.9,
) -> pd.DataFrame:
    """The curves that :func:`fitted` draws; :func:`fitted_counts_data` has the points.

    Parameters
    ----------
    results, gene, x, by, at, level, prediction
        As in :func:`fitted`.

    Returns
    -------
    DataFrame
        A row for each of 200 values of a number `x`, or for each level, and each level of `by`:
        these columns, then ``mean`` (counts, at an offset of 0), ``mean_lower`` and ``mean_upper``
        (NaN where a mean has no interval), and with `prediction` ``count_lower`` and
        ``count_upper``.
    """
    check_interval(level)
    one, grid = _prepared(results, gene, x, by, at)
    return _curve(one, grid, level, _checked(prediction))


def _checked(prediction: float | None) -> float | None:
    if prediction is not None:
        check_interval(prediction)
    return prediction


def fitted_counts_data(
    results: object,
    gene: str | None = None,
    x: str | None = None,
    *,
    by: str | None = None,
    at: Mapping[str, Any] | None = None,
) -> pd.DataFrame:
    """The points that :func:`fitted` draws.

    Parameters
    ----------
    results, gene, x, by, at
        As in :func:`fitted`.

    Returns
    -------
    DataFrame
        A row for each cell that is drawn: `x`, `by`, and ``count``, divided by the exponential of
        the cell's offset. Cells of weight 0, and of other levels of factors that are held at one,
        are left out.
    """
    return _counts(*_prepared(results, gene, x, by, at))


def fitted(
    results: object,
    gene: str | None = None,
    x: str | None = None,
    *,
    by: str | None = None,
    at: Mapping[str, Any] | None = None,
    level: float = 0.95,
    prediction: float | None = 0.9,
    yscale: str = "linear",
    ax: Axes | None = None,
    **kwargs: Any,
) -> Axes:
    """The fitted mean of a gene over its counts, along a covariate or by group.

    Parameters
    ----------
    results : NegBinResults or NegBinModelResults
        The fit.
    gene : str, optional
        Which gene, if there are several.
    x : str, optional
        Column of obs along the axis; by default the only number in the formulas, or their only
        column.
    by : str, optional
        Another column, each of whose levels gets a colour.
    at : mapping, optional
        Values of other columns in the formulas: ``{"batch": "b"}``. By default numbers are held at
        their means and factors at their most frequent level, as the legend says. Only cells of
        that level are drawn.
    level : float
        Of the confidence band of the mean.
    prediction : float or None
        Level of the lighter band in which that share of new counts falls, which shows the
        dispersion; None for none.
    yscale : str
        ``"linear"``, or ``"log1p"``, which shows small and large counts side by side, zeros too.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.
    **kwargs
        For ``Axes.scatter`` of the counts, such as ``s=2``.

    Returns
    -------
    matplotlib.axes.Axes
        With an offset, counts are divided by its exponential, and curves are those
        of a cell whose offset is 0.

    Raises
    ------
    OptionError
        If a column is none of the formulas', or must be named.
    UnknownNameError
        If there is no such gene.
    UnavailableError
        If counts and cells were dropped.
    MissingPackageError
        If matplotlib is not installed.

    Examples
    --------
    >>> import nbglm, numpy as np
    >>> rng = np.random.default_rng(0)
    >>> fit = nbglm.fit_negbin(rng.poisson(3, (40, 5)), "~ x", obs={"x": rng.normal(size=40)})
    >>> nbglm.plots.fitted(fit, "gene_2").get_xlabel()
    'x'
    """
    check_interval(level)
    check_choice("yscale", yscale, ("linear", "log1p"), {"log": "log1p", "symlog": "log1p"})
    one, grid = _prepared(results, gene, x, by, at)
    curve, counts = _curve(one, grid, level, _checked(prediction)), _counts(one, grid)
    ax = axes_for(ax)
    draw = _draw_curves if grid.numeric else _draw_groups
    entries = draw(ax, grid, curve, counts, kwargs)
    ax.set_xlabel(plain(grid.x))
    ax.set_ylabel("count / exp(offset)" if one.design.offset.any() else "count")
    ax.set_title(plain(one.gene_names[0]), fontsize="medium")
    told = [(entries[one_level], str(one_level)) for one_level in grid.levels if grid.by]
    told.append((entries["mean"], f"mean with {100 * level:g} % interval"))
    if prediction is not None:
        told.append((entries["count"], f"{100 * prediction:g} % of new counts"))
    add_legend(ax, told, _note(one, grid), title=grid.by or "")
    if not (counts["count"].any() or curve["mean"].any()):
        ax.set_ylim(-0.05, 1.0)
    elif yscale == "log1p":
        _compress(ax)
    return ax


def _compress(ax: Axes) -> None:
    """Let the logarithm of one more than a count be its height."""
    high = ax.get_ylim()[1]
    ax.set_yscale("function", functions=(np.log1p, np.expm1))
    # Heights below 0 have a logarithm down to -1.
    ax.set_ylim(-0.15, np.expm1(1.03 * np.log1p(max(high, 1.0))))
    decades = 10.0 ** np.arange(np.ceil(np.log10(max(high, 1.0))) + 1.0)
    ticks = np.unique(np.concatenate([[0.0], decades, 3.0 * decades]))
    ticks = ticks[ticks <= high]
    ax.set_yticks(ticks, [f"{tick:,.0f}" for tick in ticks])


def _note(one: FitInference, grid: Grid) -> str:
    """What the picture holds at a value, and what became of the gene."""
    lines = [f"at {name} = {_shown(value)}" for name, value in grid.held.items()]
    status = one.status.iloc[0]
    return "\n".join(lines if status == "ok" else [*lines, f"status: {status}"])


def _shown(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _points(ax: Axes, x: FloatArray, y: FloatArray, color: str, options: Any) -> None:
    alpha = float(np.clip(12.0 / np.sqrt(max(x.size, 1)), 0.12, 0.6))
    style = {"s": 7.0, "alpha": alpha, "linewidths": 0.0, "rasterized": x.size > MANY}
    ax.scatter(x, y, zorder=2, **with_defaults(options, color=color, **style))


def _of_level(table: pd.DataFrame, grid: Grid, level: object) -> pd.DataFrame:
    if grid.by is None:
        return table
    return table[table[grid.by].astype(str) == str(level)]


def _colors(grid: Grid) -> list[tuple[Any, str, str]]:
    """Level, colour of its points, colour of its curve."""
    if grid.by is None:
        return [(None, "#6B7A86", CYCLE[0])]
    return [(level, CYCLE[k], CYCLE[k]) for k, level in enumerate(grid.levels)]


def _draw_curves(
    ax: Axes, grid: Grid, curve: pd.DataFrame, counts: pd.DataFrame, options: Any
) -> dict[Any, Any]:
    """Curves with bands; handles for the legend."""
    handles: dict[Any, Any] = {}
    for level, of_points, color in _colors(grid):
        cells, line = _of_level(counts, grid, level), _of_level(curve, grid, level)
        at = line[grid.x].to_numpy(dtype=float)
        x = cells[grid.x].to_numpy(dtype=float)
        _points(ax, x, cells["count"].to_numpy(), of_points, options)
        band: dict[str, Any] = {"color": color, "linewidth": 0.0}
        if "count_lower" in line:
            # Several bands one over the other would hide one another.
            ends = line["count_lower"], line["count_upper"]
            if grid.by is None:
                ax.fill_between(at, *ends, step="mid", alpha=0.13, zorder=1, **band)
            for end in ends if grid.by is not None else ():
                ax.plot(at, end, color=color, linewidth=0.9, linestyle=":", zorder=3)
        ends = line["mean_lower"], line["mean_upper"]
        ax.fill_between(at, *ends, alpha=0.3, zorder=3, **band)
        (handles[level],) = ax.plot(at, line["mean"], color=color, linewidth=1.8, zorder=4)
    return handles | _neutral(grid, groups=False)


def _neutral(grid: Grid, *, groups: bool) -> dict[str, Any]:
    """Handles for what the parts of a picture are, whatever their colours."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    color = CYCLE[0] if grid.by is None else "#555555"
    patch: Any = Patch(facecolor=color, alpha=0.15)
    if groups:
        marker: Any = Line2D([], [], color=color, marker="D", markersize=5, linewidth=2.0)
        return {"mean": marker, "count": patch}
    line = Line2D([], [], color=color, linewidth=1.8)
    dotted = Line2D([], [], color=color, linewidth=0.9, linestyle=":")
    return {"mean": line, "count": patch if grid.by is None else dotted}


def _draw_groups(
    ax: Axes, grid: Grid, curve: pd.DataFrame, counts: pd.DataFrame, options: Any
) -> dict[Any, Any]:
    """Means with intervals beside the counts of each group; handles for the legend."""
    handles: dict[Any, Any] = {}
    groups = list(dict.fromkeys(curve[grid.x].astype(str)))
    place = {group: float(k) for k, group in enumerate(groups)}
    colors = _colors(grid)
    width = 0.8 / len(colors)
    for k, (level, of_points, color) in enumerate(colors):
        cells, line = _of_level(counts, grid, level), _of_level(curve, grid, level)
        shift = (k - 0.5 * (len(colors) - 1)) * width
        # Evenly spread in any order, without a random number.
        spread = np.modf(_GOLDEN * np.arange(1, len(cells) + 1))[0] - 0.5
        x = cells[grid.x].astype(str).map(place).to_numpy(dtype=float) + shift
        _points(ax, x + 0.55 * width * spread, cells["count"].to_numpy(), of_points, options)
        at = line[grid.x].astype(str).map(place).to_numpy(dtype=float) + shift
        if "count_lower" in line:
            low, high = line["count_lower"].to_numpy(), line["count_upper"].to_numpy()
            style: dict[str, Any] = {"color": color, "alpha": 0.15, "linewidth": 0.0, "zorder": 1}
            for bar in ax.bar(at, high - low, 0.62 * width, bottom=low, **style):
                bar.sticky_edges.y.clear()  # or points at 0 would be cut in half
        handles[level] = _draw_means(ax, at, line, color)
    ax.set_xticks(range(len(groups)), groups, parse_math=False)
    ax.set_xlim(-0.6, len(groups) - 0.4)
    return handles | _neutral(grid, groups=True)


def _draw_means(ax: Axes, at: FloatArray, line: pd.DataFrame, color: str) -> Any:
    """Diamonds with intervals, where there are any."""
    mean = line["mean"].to_numpy()
    error = np.vstack([mean - line["mean_lower"], line["mean_upper"] - mean])
    style: dict[str, Any] = {
        "fmt": "D",
        "markersize": 5,
        "markeredgecolor": "white",
        "markeredgewidth": 0.8,
    }
    style |= {"color": color, "linewidth": 2.0, "capsize": 4.0, "zorder": 5}
    return ax.errorbar(at, mean, np.nan_to_num(error), **style)
