"""How overdispersion depends on the mean, over all genes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbglm.fit.prediction import predict
from nbglm.inference.methods import FitInference
from nbglm.plots.figure import BLUE, VERMILLION, axes_for
from nbglm.plots.points import draw_genes
from nbglm.plots.subject import fit_of
from nbglm.status import NOTHING_TOLD

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["mean_dispersion", "mean_dispersion_data"]

FloatArray = NDArray[np.float64]

_BLOCK_ENTRIES = 1 << 20
_BINS = 12
_FEWEST = 30  # genes in a bin of the trend


def _typical_size(tables: FitInference) -> FloatArray:
    """Median over the cells of the size of every gene, shape (genes,)."""
    z = tables.design.dispersion.matrix
    if tables.remains is not None:
        z = tables.remains.rows[1]
    rows, which = np.unique(z, axis=0, return_inverse=True)
    if len(rows) > 1:
        tables.require_data("a dispersion over cells")
    counted = tables.weights if len(rows) > 1 else None
    weight = np.bincount(which.ravel(), counted).astype(np.float64)
    genes = len(tables.counts.genes)
    p = len(tables.design.mean.terms)
    out = np.empty(genes)
    step = max(1, _BLOCK_ENTRIES // len(rows))
    for start in range(0, genes, step):
        part = slice(start, min(start + step, genes))
        nothing = np.zeros((len(rows), p)), rows, np.zeros(len(rows))
        out[part] = _medians(predict(tables.arrays, *nothing, part)[1], weight)
    return out


def _medians(values: FloatArray, weight: FloatArray) -> FloatArray:
    """Weighted medians of columns; the larger one of two in the middle."""
    order = np.argsort(values, axis=0)
    reached = np.cumsum(weight[order], axis=0)
    middle = (reached > 0.5 * weight.sum()).argmax(axis=0)
    at = np.take_along_axis(order, middle[None], axis=0)
    return np.take_along_axis(values, at, axis=0)[0]


def mean_dispersion_data(results: object) -> pd.DataFrame:
    """What :func:`mean_dispersion` draws.

    Parameters
    ----------
    results : NegBinResults
        The fit.

    Returns
    -------
    DataFrame
        Indexed by gene, in the order of the fit: ``base_mean`` (counts per cell),
        ``overdispersion`` (``1 / r``, the median over the cells where the dispersion has
        covariates; 0 at a Poisson limit, NaN for genes of which the counts tell no dispersion)
        and ``status``.

    Examples
    --------
    >>> import nbglm, numpy as np
    >>> counts = np.random.default_rng(0).poisson(2.0, (50, 2)) * [1, 0]
    >>> mean_dispersion_data(nbglm.fit_negbin(counts, "~ 1"))["status"].tolist()
    ['poisson_limit', 'all_zero']
    """
    tables = fit_of(results)
    status = tables.status
    with np.errstate(divide="ignore"):
        alpha = 1.0 / _typical_size(tables)
    known = ~status.isin(NOTHING_TOLD).to_numpy()
    lacking = np.isnan(tables.params["gamma"].to_numpy()).all(axis=0)
    return pd.DataFrame(
        {
            "base_mean": tables.base_mean,
            "overdispersion": np.where(known & ~lacking, alpha, np.nan),
            "status": status,
        }
    )


def _trend(table: pd.DataFrame) -> pd.DataFrame:
    """Medians of the dispersion of genes with similar means; empty for few genes."""
    table = table[np.isfinite(table["overdispersion"]) & (table["base_mean"] > 0.0)]
    bins = min(_BINS, len(table) // _FEWEST)
    if bins < 3:
        return table[:0]
    place = np.argsort(np.argsort(table["base_mean"].to_numpy())) * bins // len(table)
    medians = table[["base_mean", "overdispersion"]].groupby(place).median()
    return medians.where(medians["overdispersion"] > 0.0)


def mean_dispersion(
    results: object,
    *,
    trend: bool = True,
    label: Iterable[str] | None = None,
    ax: Axes | None = None,
    **kwargs: Any,
) -> Axes:
    """Overdispersion against mean count, a point for each gene.

    Parameters
    ----------
    results : NegBinResults
        The fit.
    trend : bool
        Whether to draw medians of genes with similar means. Nothing is fitted to them, and no
        estimate is shrunk towards them.
    label : sequence of str, optional
        Genes to name.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.
    **kwargs
        For ``Axes.scatter``, such as ``s=20``.

    Returns
    -------
    matplotlib.axes.Axes
        Both axes are logarithmic. Genes at a Poisson limit, whose ``1 / r`` is 0, are triangles at
        the lower edge; the legend says how many genes are not drawn.

    Raises
    ------
    MissingPackageError
        If matplotlib is not installed.
    """
    table = mean_dispersion_data(results)
    ax = axes_for(ax)
    ax.set_xscale("log")
    ax.set_yscale("log")
    with np.errstate(divide="ignore"):
        # On a logarithmic axis 0 is as far away as infinity.
        height = table["overdispersion"].where(table["overdispersion"] != 0.0, -np.inf)
    lines = []
    if trend and len(medians := _trend(table)):
        (line,) = ax.plot(*medians.to_numpy().T, color=VERMILLION, linewidth=1.5, zorder=4)
        lines.append((line, "median of similar means"))
    draw_genes(
        ax,
        table["base_mean"].where(table["base_mean"] > 0.0),
        height,
        pd.Series("", table.index),
        table["status"],
        colors={"": BLUE},
        words={"": "genes"},
        label=label,
        order=np.zeros(len(table)),
        options=kwargs,
        limit="at a limit: 1 / r is 0",
        lines=lines,
    )
    ax.set_xlabel("mean count per cell")
    several = len(fit_of(results).design.dispersion.terms) > 1
    ax.set_ylabel("overdispersion 1 / r" + (", median over cells" if several else ""))
    return ax
