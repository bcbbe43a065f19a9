"""Coefficients with their intervals, one below the other."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from nbglm.exceptions import OptionError, check_choice
from nbglm.inference.levels import check_alpha
from nbglm.inference.methods import FitInference
from nbglm.inference.selection import gene_positions, term_positions
from nbglm.inference.student import half_width
from nbglm.plots.edges import plural
from nbglm.plots.figure import BLUE, ORANGE, add_legend, axes_for, plain, with_defaults
from nbglm.plots.subject import fit_of
from nbglm.status import COEF_STATUS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["forest", "forest_data"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_MOST_ROWS = 500
_STYLE = {"mean": (BLUE, "o", "log mean"), "dispersion": (ORANGE, "s", "log size r")}


def _chosen_terms(
    tables: FitInference, terms: str | Iterable[str] | None, component: str | None
) -> IntArray:
    """Positions of coefficients of the components that are asked for."""
    if component is not None:
        check_choice("component", component, ("mean", "dispersion"))
    names = tables.coef_names
    slices: dict[str, list[int]] = {}
    for predictor, start in (
        (tables.design.mean, 0),
        (tables.design.dispersion, len(tables.design.mean.terms)),
    ):
        for name, where in predictor.term_slices.items():
            slices.setdefault(name, []).extend(range(start + where.start, start + where.stop))
    columns = term_positions(names, slices, terms)
    if component is None:
        return columns
    of_component = names.get_level_values("component")[columns] == component
    if not of_component.any():
        msg = f"the {component} has no term {terms!r}."
        raise OptionError(msg)
    return columns[of_component]


def _chosen_genes(
    tables: FitInference, genes: Any, columns: IntArray, n_genes: int
) -> tuple[IntArray, str]:
    """Positions of the genes to show, and what is to be said of the others."""
    everything = len(tables.counts.genes)
    if genes is not None or everything <= n_genes:
        return gene_positions(tables.counts.genes, genes), ""
    if columns.size != 1:
        msg = (
            f"forest() shows all terms of one gene, or one term of several genes. This fit has "
            f"{everything:,} genes, and {columns.size} coefficients were asked for: name genes "
            f"(genes=...) or one coefficient (terms=..., component=...)."
        )
        raise OptionError(msg)
    logs = tables.log_pvalues
    stacked = np.vstack([logs["beta"], logs["gamma"]])[columns[0]]
    positions = np.argsort(stacked, kind="stable")[:n_genes]
    return positions, f"{len(positions)} of {plural(everything)}:\nthe smallest p-values"


def _rows(
    results: object,
    genes: Any,
    terms: str | Iterable[str] | None,
    component: str | None,
    alpha: float,
    method: str,
    n_genes: int,
) -> tuple[pd.DataFrame, str]:
    """Estimates with intervals, a row for each that is drawn, from top to bottom."""
    tables = fit_of(results)
    check_alpha(alpha)
    check_choice("method", method, ("wald", "profile"))
    if component is None and len(tables.counts.genes) > 1 and not isinstance(genes, str):
        component = "mean"
    columns = _chosen_terms(tables, terms, component)
    positions, note = _chosen_genes(tables, genes, columns, n_genes)
    if positions.size * columns.size > _MOST_ROWS:
        msg = (
            f"forest() was asked for {positions.size * columns.size:,} intervals, and shows "
            f"{_MOST_ROWS} at most: choose genes or terms."
        )
        raise OptionError(msg)
    at = np.ix_(positions, columns)
    estimate = tables.arrays.coef[at]
    # Not by conf_int(), which would warn of the intervals that the picture shows not to be there.
    error = np.stack([tables.std_err_of(int(gene))[columns] for gene in positions])
    half = half_width(alpha, error, tables.degrees[at])
    lower, upper = estimate - half, estimate + half
    if method == "profile" and positions.size:
        limits = _profile_limits(tables, positions, columns, alpha)
        lower, upper = limits[..., 0], limits[..., 1]
    names = tables.coef_names[columns]
    table = pd.DataFrame(
        {
            "gene": np.repeat(tables.gene_names[positions], columns.size),
            "component": np.tile(names.get_level_values("component"), positions.size),
            "term": np.tile(names.get_level_values("term"), positions.size),
            "estimate": estimate.ravel(),
            "ci_lower": lower.ravel(),
            "ci_upper": upper.ravel(),
            "status": np.array(COEF_STATUS, dtype=object)[tables.coef_codes[at]].ravel(),
        }
    )
    return table, note


def _profile_limits(
    tables: FitInference, positions: IntArray, columns: IntArray, alpha: float
) -> FloatArray:
    names = tables.coef_names[columns].get_level_values("term")
    chosen = tables.gene_names[positions]
    limits = tables.conf_int(alpha, "profile", genes=list(chosen), terms=list(dict.fromkeys(names)))
    parts = []
    for component, name in tables.coef_names[columns]:
        table = limits["beta" if component == "mean" else "gamma"].loc[name]
        parts.append(table.to_numpy().reshape(positions.size, 2))
    return np.stack(parts, axis=1)


def forest_data(
    results: object,
    genes: str | Iterable[str] | ArrayLike | None = None,
    terms: str | Iterable[str] | None = None,
    component: str | None = None,
    *,
    alpha: float = 0.05,
    method: str = "wald",
    n_genes: int = 25,
) -> pd.DataFrame:
    """What :func:`forest` draws.

    Parameters
    ----------
    results, genes, terms, component, alpha, method, n_genes
        As in :func:`forest`.

    Returns
    -------
    DataFrame
        A row for each line of the picture, from top to bottom: ``gene``, ``component``, ``term``,
        ``estimate`` (natural logarithm; infinite at a limit, NaN if there is none), ``ci_lower``,
        ``ci_upper`` and ``status``.
    """
    return _rows(results, genes, terms, component, alpha, method, n_genes)[0]


def forest(
    results: object,
    genes: str | Iterable[str] | ArrayLike | None = None,
    terms: str | Iterable[str] | None = None,
    component: str | None = None,
    *,
    alpha: float = 0.05,
    method: str = "wald",
    n_genes: int = 25,
    ax: Axes | None = None,
    **kwargs: Any,
) -> Axes:
    """Coefficients with their confidence intervals: all of one gene, or one of several genes.

    Parameters
    ----------
    results : NegBinResults or NegBinModelResults
        The fit.
    genes : str, sequence of str, or array or Series of bool, optional
        Which genes; of a fit with more than `n_genes` by default those with the smallest p-values.
    terms : str or sequence of str, optional
        Coefficients, or terms of the formulas; all by default.
    component : str, optional
        ``"mean"`` or ``"dispersion"``; by default both for one gene, the mean for several.
    alpha : float
        Significance level; 0.05 gives 95 % intervals.
    method : str
        ``"wald"`` or ``"profile"``, as in :meth:`nbglm.NegBinResults.conf_int`: profile intervals
        have one end where an estimate is infinite, Wald intervals none.
    n_genes : int
        How many genes to show if none are named.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure, as high as it has to be, by default.
    **kwargs
        For ``Axes.errorbar``, such as ``capsize=3``.

    Returns
    -------
    matplotlib.axes.Axes
        On the scale of the natural logarithm. An infinite estimate is a triangle at the edge; one
        that is missing has its status in its place.

    Raises
    ------
    OptionError
        If a term is unknown, or several terms of many genes are asked for.
    UnknownNameError
        If there is no such gene.
    MissingPackageError
        If matplotlib is not installed.

    Examples
    --------
    >>> import nbglm, numpy as np
    >>> rng = np.random.default_rng(0)
    >>> fit = nbglm.fit_negbin(rng.poisson(3, (40, 5)), "~ x", obs={"x": rng.normal(size=40)})
    >>> ax = nbglm.plots.forest(fit, terms="x")
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['gene_0', 'gene_1', 'gene_2', 'gene_3', 'gene_4']
    """
    table, note = _rows(results, genes, terms, component, alpha, method, n_genes)
    ax = axes_for(ax, (6.4, max(1.6, 0.9 + 0.27 * len(table))))
    ax.axvline(0.0, color="#CCCCCC", linewidth=0.8, zorder=1)
    low, high = _limits(table)
    ax.set_xlim(low, high)
    y = np.arange(len(table), dtype=np.float64)
    entries = []
    for name, (color, marker, _) in _STYLE.items():
        chosen = (table["component"] == name).to_numpy()
        if chosen.any():
            own = with_defaults(kwargs, color=color, fmt=marker, markersize=5, linewidth=1.4)
            handle = _draw_rows(ax, table[chosen], y[chosen], own)
            entries.append((handle, "mean" if name == "mean" else "dispersion (size r)"))
    _name_rows(ax, table, y)
    components = table["component"].unique()
    scale = _STYLE[components[0]][2] if len(components) == 1 else "log mean, or log size r"
    ax.set_xlabel(f"coefficient ({scale}) with {100 * (1 - alpha):g} % interval")
    infinite = int(np.isinf(table["estimate"]).sum())
    lines = entries if len(components) > 1 else []
    if infinite:
        lines = [*lines, (_triangle(), f"at a limit: infinite ({infinite})")]
    add_legend(ax, lines, note)
    return ax


def _triangle() -> Any:
    from matplotlib.lines import Line2D

    return Line2D([], [], marker="<", linestyle="none", color="#555555", markersize=5)


def _limits(table: pd.DataFrame) -> tuple[float, float]:
    """Ends of the axis: all that is finite, and 0."""
    values = table[["estimate", "ci_lower", "ci_upper"]].to_numpy().ravel()
    values = np.append(values[np.isfinite(values)], 0.0)
    low, high = float(values.min()), float(values.max())
    margin = 0.06 * (high - low) if high > low else 1.0
    return low - margin, high + margin


def _draw_rows(ax: Axes, table: pd.DataFrame, y: FloatArray, options: dict[str, Any]) -> Any:
    """Points and intervals of one component, with a handle for the legend."""
    from matplotlib.lines import Line2D

    estimate, lower, upper = table[["estimate", "ci_lower", "ci_upper"]].to_numpy().T
    finite = np.isfinite(estimate)
    low, high = ax.get_xlim()
    # Profile intervals may have an infinite end, which is where the axis ends.
    left, right = np.clip(lower, low, high), np.clip(upper, low, high)
    color, size = options.get("color", options.get("c")), options.get("markersize", 5)
    error = np.abs(np.vstack([estimate - left, right - estimate]))[:, finite]
    ax.errorbar(estimate[finite], y[finite], xerr=error, **options)
    width = options.get("linewidth", options.get("lw", 1.4))
    for row in np.flatnonzero(np.isinf(estimate)):
        side = 1.0 if estimate[row] > 0.0 else 0.0
        ends = left[row], right[row]
        if np.isfinite(ends).all():
            ax.plot(ends, [y[row]] * 2, color=color, linewidth=width, zorder=2)
        ax.scatter(
            [side],
            [y[row]],
            s=(size + 2) ** 2,
            marker=">" if side else "<",
            color=color,
            clip_on=False,
            transform=ax.get_yaxis_transform(),
            zorder=4,
        )
    for row in np.flatnonzero(np.isnan(estimate)):
        ax.text(
            0.01,
            y[row],
            str(table["status"].iloc[row]),
            transform=ax.get_yaxis_transform(),
            color="#666666",
            fontsize="small",
            fontstyle="italic",
            verticalalignment="center",
        )
    marker = options.get("fmt", "o")
    return Line2D([], [], color=color, marker=marker, markersize=5, linewidth=1.4)


def _name_rows(ax: Axes, table: pd.DataFrame, y: FloatArray) -> None:
    """Names beside the rows, and of the gene above if there is one."""
    genes, pairs = table["gene"].unique(), table[["component", "term"]].drop_duplicates()
    if len(genes) == 1:
        names, title = table["term"], str(genes[0])
    elif len(pairs) == 1:
        names, title = table["gene"], str(table["term"].iloc[0])
    else:
        names, title = table["gene"] + "  " + table["term"], ""
    ax.set_yticks(y, [str(name) for name in names], parse_math=False)
    ax.tick_params(axis="y", length=0, pad=8)
    ax.set_ylim(len(table) - 0.4, -0.6)
    if title:
        ax.set_title(plain(title), fontsize="medium")
    if len(genes) > 1 and len(pairs) > 1:
        for edge in range(len(pairs), len(table), len(pairs)):
            ax.axhline(edge - 0.5, color="#E5E5E5", linewidth=0.8, zorder=0)
