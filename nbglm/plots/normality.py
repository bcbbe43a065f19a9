"""Quantile residuals against the normal distribution: QQ and worm plots."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from nbglm.diagnostics.residuals import residual_table
from nbglm.exceptions import OptionError
from nbglm.inference.methods import FitInference
from nbglm.inference.selection import gene_positions
from nbglm.plots.edges import plural
from nbglm.plots.figure import CYCLE, GREY, MANY, add_legend, axes_for, plain, with_defaults
from nbglm.plots.subject import fit_of, told_genes
from nbglm.simulate.draws import Seed

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["qq", "qq_data", "worm", "worm_data"]

FloatArray = NDArray[np.float64]

_MOST_GENES = 200


def _chosen(tables: FitInference, genes: Any) -> NDArray[np.int64]:
    positions = gene_positions(tables.counts.genes, genes)
    if positions.size > _MOST_GENES:
        msg = (
            f"a picture of residuals shows {_MOST_GENES} genes at most, and was asked for "
            f"{positions.size:,}; name some, or see pit(), which pools them."
        )
        raise OptionError(msg)
    return positions


def _quantiles(residual: FloatArray, weight: FloatArray) -> dict[str, FloatArray]:
    """Residuals in order, with what a sample of the normal distribution would have there."""
    order = np.argsort(residual, kind="stable")
    order = order[weight[order] > 0.0]
    total = float(weight[order].sum())
    share = (np.cumsum(weight[order]) - 0.5 * weight[order]) / total
    theoretical = ndtri(share)
    density = np.exp(-0.5 * theoretical**2) / np.sqrt(2.0 * np.pi)
    half = -ndtri(0.025) * np.sqrt(share * (1.0 - share) / total) / density
    return {
        "theoretical": theoretical,
        "residual": residual[order],
        "deviation": residual[order] - theoretical,
        "lower": -half,
        "upper": half,
    }


def qq_data(
    results: object,
    genes: str | Iterable[str] | ArrayLike | None = None,
    *,
    seed: Seed = 0,
) -> pd.DataFrame:
    """What :func:`qq` and :func:`worm` draw.

    Parameters
    ----------
    results, genes, seed
        As in :func:`qq`.

    Returns
    -------
    DataFrame
        A row for each gene and cell, in the order of the residuals of each gene: ``gene``,
        ``theoretical`` normal quantile, ``residual``, ``deviation`` (their difference), and
        ``lower`` and ``upper``, between which the deviations of 95 % of the cells of a true fit
        are. Genes without a count are left out.
    """
    return _residuals(results, genes, seed)[0]


def _residuals(results: object, genes: Any, seed: Seed) -> tuple[pd.DataFrame, list[str], str]:
    """The rows, the names of the genes, and what is left out."""
    tables = fit_of(results)
    positions, note = told_genes(tables, _chosen(tables, genes))
    table = residual_table(tables, positions, "quantile", seed)
    weight = np.ones(len(table)) if tables.weights is None else tables.weights
    names = [str(name) for name in table.columns]
    columns = ("theoretical", "residual", "deviation", "lower", "upper")
    parts = [_quantiles(table.to_numpy()[:, k], weight) for k in range(len(names))]
    frame = pd.DataFrame(
        {
            "gene": np.repeat(np.array(names, dtype=object), [len(p["residual"]) for p in parts]),
            **{
                column: np.concatenate([part[column] for part in parts] or [np.zeros(0)])
                for column in columns
            },
        }
    )
    return frame, names, note


def _draw(
    ax: Axes, table: pd.DataFrame, names: list[str], column: str, options: dict[str, Any]
) -> list[tuple[Any, str]]:
    """Points of each gene, or lines of many genes, with the entries of the legend."""
    entries = []
    many = len(names) > len(CYCLE)
    for k, (_, part) in enumerate(table.groupby("gene", sort=False)):
        if many:
            own = with_defaults(options, color="#3B6E8F", linewidth=0.7, alpha=0.4)
        else:
            style = {"marker": "o", "markersize": 3, "linestyle": "none", "markeredgewidth": 0.0}
            pixels = {"rasterized": len(part) > MANY}
            own = with_defaults(options, color=CYCLE[k], alpha=0.7, **style, **pixels)
        (line,) = ax.plot(part["theoretical"], part[column], zorder=3, **own)
        if not many:
            entries.append((line, names[k]))
    return entries if len(names) > 1 else []


def qq(
    results: object,
    genes: str | Iterable[str] | ArrayLike | None = None,
    *,
    seed: Seed = 0,
    ax: Axes | None = None,
    **kwargs: Any,
) -> Axes:
    """Quantile residuals against normal quantiles: on the diagonal if the model is right.

    Parameters
    ----------
    results : NegBinResults or NegBinModelResults
        The fit.
    genes : str, sequence of str, or array or Series of bool, optional
        Which genes; all by default. Up to eight have colours of their own, more are lines.
    seed : int, SeedSequence, Generator or None
        Of the randomised residuals, as in :meth:`nbglm.NegBinResults.residuals`; look at the
        picture with another one before believing in a single point.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.
    **kwargs
        For ``Axes.plot``, such as ``markersize=2``.

    Returns
    -------
    matplotlib.axes.Axes
        Grey: where 95 % of the cells of a true fit are, for each cell by itself. Genes without a
        count, which say nothing, are counted in the legend.

    Raises
    ------
    OptionError
        If more than 200 genes are asked for.
    UnknownNameError, AlignmentError
        If a gene is unknown, or a mask does not match the genes.
    UnavailableError
        If counts and cells were dropped.
    MissingPackageError
        If matplotlib is not installed.

    References
    ----------
    Dunn, P. K. and Smyth, G. K. (1996). Randomized quantile residuals. *Journal of Computational
    and Graphical Statistics* 5, 236-244.
    """
    table, names, note = _residuals(results, genes, seed)
    ax = axes_for(ax, (5.6, 4.2))
    if names:
        band = table[table["gene"] == names[0]]
        x = band["theoretical"]
        ax.fill_between(x, x + band["lower"], x + band["upper"], color="#DDDDDD", linewidth=0.0)
        ax.plot(x, x, color="#333333", linewidth=1.0, zorder=2)
    entries = _draw(ax, table, names, "residual", kwargs)
    ax.set_xlabel("normal quantile")
    ax.set_ylabel("quantile residual")
    _finish(ax, names, entries, note)
    return ax


def worm_data(
    results: object,
    genes: str | Iterable[str] | ArrayLike | None = None,
    *,
    seed: Seed = 0,
) -> pd.DataFrame:
    """What :func:`worm` draws: the same as :func:`qq_data`.

    Parameters
    ----------
    results, genes, seed
        As in :func:`worm`.

    Returns
    -------
    DataFrame
    """
    return qq_data(results, genes, seed=seed)


def worm(
    results: object,
    genes: str | Iterable[str] | ArrayLike | None = None,
    *,
    seed: Seed = 0,
    ax: Axes | None = None,
    **kwargs: Any,
) -> Axes:
    """A QQ plot without its slope: how far quantile residuals are from normal quantiles.

    Parameters
    ----------
    results, genes, seed, ax, **kwargs
        As in :func:`qq`.

    Returns
    -------
    matplotlib.axes.Axes
        Between the dashed curves are 95 % of the cells of a true fit, for each cell by itself. A
        level worm above 0: means too small. A slope: sizes too large (up) or too small (down). A
        U or an S: the shape is another.

    Raises
    ------
    OptionError
        If more than 200 genes are asked for.
    UnknownNameError, AlignmentError
        If a gene is unknown, or a mask does not match the genes.
    UnavailableError
        If counts and cells were dropped.
    MissingPackageError
        If matplotlib is not installed.

    References
    ----------
    van Buuren, S. and Fredriks, M. (2001). Worm plot: a simple diagnostic device for modelling
    growth reference curves. *Statistics in Medicine* 20, 1259-1277.
    """
    table, names, note = _residuals(results, genes, seed)
    ax = axes_for(ax, (5.6, 4.2))
    ax.axhline(0.0, color="#333333", linewidth=0.8, zorder=2)
    if names:
        band = table[table["gene"] == names[0]]
        for side in ("lower", "upper"):
            ax.plot(band["theoretical"], band[side], color=GREY, linewidth=1.0, linestyle="--")
    entries = _draw(ax, table, names, "deviation", kwargs)
    ax.set_xlabel("normal quantile")
    ax.set_ylabel("quantile residual - normal quantile")
    _finish(ax, names, entries, note)
    return ax


def _finish(ax: Axes, names: list[str], entries: list[tuple[Any, str]], note: str) -> None:
    title = names[0] if len(names) == 1 else plural(len(names))
    ax.set_title(plain(title), fontsize="medium")
    add_legend(ax, entries, note)
