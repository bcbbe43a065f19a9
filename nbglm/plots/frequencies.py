"""Observed and expected frequencies: rootograms, and integral transforms."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import ndtri

from nbglm.diagnostics.calibration import count_bins, frequencies, mean_pit, whole_number
from nbglm.diagnostics.cells import cells_of_genes, cells_of_one
from nbglm.exceptions import check_choice
from nbglm.inference.selection import gene_positions
from nbglm.plots.edges import plural
from nbglm.plots.figure import BLUE, GREY, VERMILLION, add_legend, axes_for, plain, with_defaults
from nbglm.plots.subject import fit_of, one_gene, told_genes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["pit", "pit_data", "rootogram", "rootogram_data"]

_STYLES = ("hanging", "standing", "suspended")
_TICKS = 10


def rootogram_data(
    results: object,
    gene: str | None = None,
    *,
    max_count: int | None = None,
    width: int | None = None,
) -> pd.DataFrame:
    """What :func:`rootogram` draws.

    Parameters
    ----------
    results, gene, max_count, width
        As in :func:`rootogram`.

    Returns
    -------
    DataFrame
        A row for each bar: its ``first`` and ``last`` count (infinite in the last row),
        ``observed`` cells, and ``expected`` ones, the sum of their fitted probabilities.

    Examples
    --------
    >>> import nbglm, numpy as np
    >>> fit = nbglm.fit_negbin(np.array([0, 1, 1, 2]), "~ 1")
    >>> rootogram_data(fit).round(2)
       first  last  observed  expected
    0      0   0.0       1.0      1.47
    1      1   1.0       2.0      1.47
    2      2   2.0       1.0      0.74
    3      3   inf       0.0      0.32
    """
    tables = fit_of(results)
    tables.require_data("rootogram()")
    cells = cells_of_one(tables, one_gene(tables, gene))
    return frequencies(cells, count_bins(cells, max_count, width))


def rootogram(
    results: object,
    gene: str | None = None,
    *,
    style: str = "hanging",
    max_count: int | None = None,
    width: int | None = None,
    ax: Axes | None = None,
    **kwargs: Any,
) -> Axes:
    """How often each count was observed, and how often the fit expects it, as square roots.

    Parameters
    ----------
    results : NegBinResults or NegBinModelResults
        The fit.
    gene : str, optional
        Which gene, if there are several.
    style : str
        ``"hanging"``: bars of observed counts hang from the expected curve, and should end at 0.
        ``"standing"``: they stand at 0. ``"suspended"``: the differences alone.
    max_count : int, optional
        Largest count with a bar of its own; all larger ones share the last bar. By default at most
        1 % of the cells are there.
    width : int, optional
        Counts in a bar; by default as many as leave at most 30 bars.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.
    **kwargs
        For ``Axes.bar``.

    Returns
    -------
    matplotlib.axes.Axes
        Dashed lines at -1 and 1 are Tukey's warning limits: a bar should seldom end beyond.

    Raises
    ------
    OptionError
        If no gene is named and there are several, or an option is unknown.
    UnavailableError
        If counts and cells were dropped.
    MissingPackageError
        If matplotlib is not installed.

    References
    ----------
    Kleiber, C. and Zeileis, A. (2016). Visualizing count data regressions using rootograms. *The
    American Statistician* 70, 296-303.
    """
    check_choice("style", style, _STYLES)
    table = rootogram_data(results, gene, max_count=max_count, width=width)
    tables = fit_of(results)
    ax = axes_for(ax)
    place = np.arange(len(table))
    observed, expected = np.sqrt(table["observed"]), np.sqrt(table["expected"])
    bottom = {"hanging": expected - observed, "standing": 0.0, "suspended": 0.0}[style]
    height = expected - observed if style == "suspended" else observed
    own = with_defaults(kwargs, color="#B8C4CE", edgecolor="white", linewidth=0.5, width=0.9)
    bars = ax.bar(place, height, bottom=bottom, zorder=2, **own)
    (curve,) = ax.plot(
        place, expected, color=VERMILLION, marker="o", markersize=3.5, linewidth=1.3, zorder=3
    )
    ax.axhline(0.0, color="#333333", linewidth=0.8, zorder=4)
    entries: list[tuple[Any, str]] = []
    entries.append((bars, "expected - observed" if style == "suspended" else "observed"))
    entries.append((curve, "expected"))
    if style != "standing":
        for bound in (-1.0, 1.0):
            line = ax.axhline(bound, color=GREY, linewidth=0.8, linestyle="--", zorder=4)
        entries.append((line, "warning limits"))
    _name_bars(ax, table)
    ax.set_ylabel("cells (square roots)")
    name = tables.counts.genes[one_gene(tables, gene)]
    ax.set_title(plain(name), fontsize="medium")
    add_legend(ax, entries)
    return ax


def _name_bars(ax: Axes, table: pd.DataFrame) -> None:
    """Counts, or ranges of counts, below some of the bars; the last one is open."""
    first = table["first"].to_numpy()
    wide = len(first) > 2 and first[1] - first[0] > 1
    step = -(-len(first) // _TICKS)
    shown = [*range(0, len(first) - 1, step)]
    if len(shown) > 1 and len(first) - 1 - shown[-1] < 0.7 * step:
        shown.pop()
    names = [str(first[k]) for k in shown]
    ax.set_xticks([*shown, len(first) - 1], [*names, f"{first[-1]}+"])
    ax.set_xlabel(f"count, in bars of {first[1] - first[0]}" if wide else "count")


def pit_data(
    results: object,
    genes: str | Iterable[str] | ArrayLike | None = None,
    *,
    n_bins: int = 10,
) -> pd.DataFrame:
    """What :func:`pit` draws.

    Parameters
    ----------
    results, genes, n_bins
        As in :func:`pit`.

    Returns
    -------
    DataFrame
        A row for each bin: ``left`` and ``right`` end, ``density`` (1 on average), and for one
        gene ``lower`` and ``upper``, between which 95 % of the densities of true fits are, or more.
    """
    return _pit(results, genes, n_bins)[0]


def _pit(results: object, genes: Any, n_bins: int) -> tuple[pd.DataFrame, str, str]:
    """The histogram, what it is of, and what is left out."""
    n_bins = whole_number("n_bins", n_bins, 2)
    tables = fit_of(results)
    tables.require_data("pit()")
    asked = gene_positions(tables.counts.genes, genes)
    positions, note = told_genes(tables, asked)
    edges = np.linspace(0.0, 1.0, n_bins + 1)
    density = np.full(n_bins, np.nan)
    if positions.size:
        density = mean_pit(cells_of_genes(tables, positions), n_bins)
    lower = upper = np.nan
    if asked.size == 1:
        # A binomial's, of which the transform, being spread over bins, has less than its variance.
        half = -ndtri(0.025) * np.sqrt((n_bins - 1.0) / tables.nobs)
        lower, upper = max(1.0 - half, 0.0), 1.0 + half
    table = pd.DataFrame(
        {
            "left": edges[:-1],
            "right": edges[1:],
            "density": density,
            "lower": lower,
            "upper": upper,
        }
    )
    name = str(tables.counts.genes[asked[0]]) if asked.size == 1 else plural(positions.size)
    return table, name, note


def pit(
    results: object,
    genes: str | Iterable[str] | ArrayLike | None = None,
    *,
    n_bins: int = 10,
    ax: Axes | None = None,
    **kwargs: Any,
) -> Axes:
    """Histogram of the probability integral transform: flat if the fitted distributions are right.

    U-shaped where they are too narrow, hump-shaped where they are too wide. Nothing is drawn at
    random: each count spreads its mass evenly over its step of the distribution function.

    Parameters
    ----------
    results : NegBinResults or NegBinModelResults
        The fit.
    genes : str, sequence of str, or array or Series of bool, optional
        Which genes, pooled; all by default.
    n_bins : int
        Number of bins.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.
    **kwargs
        For ``Axes.bar``.

    Returns
    -------
    matplotlib.axes.Axes
        For one gene with a band in which 95 % of the bins would be, or more, were the fit right.
        Genes without a count, which say nothing, are counted in the legend.

    Raises
    ------
    OptionError
        If the number of bins is none.
    UnknownNameError, AlignmentError
        If a gene is unknown, or a mask does not match the genes.
    UnavailableError
        If counts and cells were dropped.
    MissingPackageError
        If matplotlib is not installed.

    References
    ----------
    Czado, C., Gneiting, T. and Held, L. (2009). Predictive model assessment for count data.
    *Biometrics* 65, 1254-1261.
    """
    table, name, note = _pit(results, genes, n_bins)
    ax = axes_for(ax)
    wide = 1.0 / len(table)
    own = with_defaults(kwargs, color="#9EC3DE", edgecolor="white", linewidth=0.8, width=wide)
    ax.bar(table["left"] + 0.5 * wide, table["density"], zorder=2, **own)
    entries: list[tuple[Any, str]] = []
    entries.append((ax.axhline(1.0, color="#333333", linewidth=1.0, zorder=3), "uniform"))
    if table["lower"].notna().all():
        bounds = table["lower"].iloc[0], table["upper"].iloc[0]
        band = ax.axhspan(*bounds, facecolor=BLUE, alpha=0.15, linewidth=0.0, zorder=1)
        entries.append((band, "95 % of bins of a true fit"))
        for bound in bounds:
            ax.axhline(bound, color=BLUE, linewidth=0.8, linestyle="--", zorder=3)
    ax.set_xlim(0.0, 1.0)
    ax.set_xlabel("probability integral transform")
    ax.set_ylabel("density")
    ax.set_title(plain(name), fontsize="medium")
    add_legend(ax, entries, note)
    return ax
