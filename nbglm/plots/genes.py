"""Volcano and MA plots."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbglm.exceptions import OptionError
from nbglm.plots.figure import BLUE, GREY, VERMILLION, axes_for, plain
from nbglm.plots.points import OF_WHAT, draw_genes
from nbglm.plots.subject import fit_of, one_contrast

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["ma", "ma_data", "volcano", "volcano_data"]

_UP_AND_DOWN = {"": GREY, "down": BLUE, "up": VERMILLION}


def _calls(table: pd.DataFrame, alpha: float, log2fc_min: float) -> NDArray[np.object_]:
    """``up``, ``down`` or nothing, for every gene."""
    change = table["log2_fold_change"].to_numpy()
    told = (table["p_adjusted"].to_numpy() < alpha) & (np.abs(change) >= log2fc_min)
    return np.where(told, np.where(change > 0.0, "up", "down"), "").astype(object)


def _check_threshold(log2fc_min: object) -> float:
    number = isinstance(log2fc_min, int | float | np.number) and not isinstance(log2fc_min, bool)
    if not number or not 0.0 <= log2fc_min < np.inf:  # type: ignore[operator]
        msg = f"log2fc_min must be a number, 0 or more; got {log2fc_min!r}."
        raise OptionError(msg)
    return float(log2fc_min)  # type: ignore[arg-type]


def _one_test(
    results: object,
    hypothesis: object,
    component: str,
    alpha: float,
    log2fc_min: float,
    method: str,
) -> tuple[pd.DataFrame, str]:
    log2fc_min = _check_threshold(log2fc_min)
    options = {"alpha": alpha, "method": method}
    table, name = one_contrast(fit_of(results), hypothesis, component, **options)
    table["call"] = _calls(table, alpha, log2fc_min)
    return table, name


def volcano_data(
    results: object,
    hypothesis: object,
    component: str = "mean",
    *,
    alpha: float = 0.05,
    log2fc_min: float = 0.0,
    method: str = "fdr_bh",
) -> pd.DataFrame:
    """What :func:`volcano` draws.

    Parameters
    ----------
    results, hypothesis, component, alpha, log2fc_min, method
        As in :func:`volcano`.

    Returns
    -------
    DataFrame
        Indexed by gene, in the order of the fit: ``log2_fold_change`` (infinite at a limit, NaN
        if there is none), ``neg_log10_p`` (finite where p-values underflow), ``p_adjusted``,
        ``call`` (``"up"``, ``"down"`` or empty) and ``status``.
    """
    table, _ = _one_test(results, hypothesis, component, alpha, log2fc_min, method)
    return table[["log2_fold_change", "neg_log10_p", "p_adjusted", "call", "status"]]


def volcano(
    results: object,
    hypothesis: object,
    component: str = "mean",
    *,
    alpha: float = 0.05,
    log2fc_min: float = 0.0,
    method: str = "fdr_bh",
    label: int | Iterable[str] | None = 10,
    ax: Axes | None = None,
    **kwargs: Any,
) -> Axes:
    """Effect against evidence, a point for each gene.

    Parameters
    ----------
    results : NegBinResults
        The fit.
    hypothesis : str, mapping or array_like
        One contrast, as in :meth:`nbglm.NegBinResults.t_test`.
    component : str
        ``"mean"`` or ``"dispersion"``: then the change is of the size ``r``, which is larger where
        there is less overdispersion.
    alpha : float
        Genes with an adjusted p-value below are coloured.
    log2fc_min : float
        And a change of at least so much, on the scale of the second logarithm.
    method : str
        Adjustment for the number of genes.
    label : int, sequence of str or None
        How many of the coloured genes to name, those with the smallest p-values, or which. A name
        that finds no room without covering another is left out.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.
    **kwargs
        For ``Axes.scatter``, such as ``s=20``.

    Returns
    -------
    matplotlib.axes.Axes
        Infinite estimates are triangles at the edge; the legend says how many genes are not drawn.

    Raises
    ------
    HypothesisError
        If the hypothesis cannot be read, or stands for several contrasts.
    MissingPackageError
        If matplotlib is not installed.

    Examples
    --------
    >>> import nbglm, numpy as np
    >>> rng = np.random.default_rng(0)
    >>> fit = nbglm.fit_negbin(rng.poisson(3, (40, 5)), "~ x", obs={"x": rng.normal(size=40)})
    >>> nbglm.plots.volcano(fit, "x").get_xlabel()
    'log2 fold change of the mean: x'
    """
    table, name = _one_test(results, hypothesis, component, alpha, log2fc_min, method)
    ax = axes_for(ax)
    change = table["log2_fold_change"]
    ax.axvline(0.0, color="#CCCCCC", linewidth=0.8, zorder=1)
    for bound in (-log2fc_min, log2fc_min) if log2fc_min > 0.0 else ():
        ax.axvline(bound, color="#CCCCCC", linewidth=0.8, linestyle="--", zorder=1)
    draw_genes(
        ax,
        change,
        table["neg_log10_p"],
        table["call"],
        table["reason"],
        colors=_UP_AND_DOWN,
        words=_words(alpha, log2fc_min),
        label=label,
        order=-table["neg_log10_p"].to_numpy(),
        options=kwargs,
    )
    ax.set_xlabel(plain(f"log2 fold change of the {OF_WHAT[component]}: {name}"))
    ax.set_ylabel("-log10 p-value")
    ax.set_ylim(bottom=min(0.0, ax.get_ylim()[0]))
    return ax


def _words(alpha: float, log2fc_min: float) -> dict[str, str]:
    level = f"adjusted p < {alpha:g}"
    more = f", by {log2fc_min:g} or more" if log2fc_min > 0.0 else ""
    return {"up": f"up, {level}{more}", "down": f"down, {level}{more}", "": "others"}


def ma_data(
    results: object,
    hypothesis: object,
    component: str = "mean",
    *,
    alpha: float = 0.05,
    log2fc_min: float = 0.0,
    method: str = "fdr_bh",
) -> pd.DataFrame:
    """What :func:`ma` draws.

    Parameters
    ----------
    results, hypothesis, component, alpha, log2fc_min, method
        As in :func:`ma`.

    Returns
    -------
    DataFrame
        Indexed by gene, in the order of the fit: ``base_mean`` (counts per cell),
        ``log2_fold_change`` (infinite at a limit), ``p_adjusted``, ``call`` (``"up"``, ``"down"``
        or empty) and ``status``.
    """
    table, _ = _one_test(results, hypothesis, component, alpha, log2fc_min, method)
    return table[["base_mean", "log2_fold_change", "p_adjusted", "call", "status"]]


def ma(
    results: object,
    hypothesis: object,
    component: str = "mean",
    *,
    alpha: float = 0.05,
    log2fc_min: float = 0.0,
    method: str = "fdr_bh",
    label: int | Iterable[str] | None = None,
    ax: Axes | None = None,
    **kwargs: Any,
) -> Axes:
    """Effect against mean count, a point for each gene.

    Parameters
    ----------
    results, hypothesis, component, alpha, log2fc_min, method, label, ax, **kwargs
        As in :func:`volcano`.

    Returns
    -------
    matplotlib.axes.Axes
        The mean count per cell has a logarithmic axis. Infinite estimates are triangles at the
        edge; the legend says how many genes are not drawn.

    Raises
    ------
    HypothesisError
        If the hypothesis cannot be read, or stands for several contrasts.
    MissingPackageError
        If matplotlib is not installed.
    """
    table, name = _one_test(results, hypothesis, component, alpha, log2fc_min, method)
    ax = axes_for(ax)
    ax.axhline(0.0, color="#CCCCCC", linewidth=0.8, zorder=1)
    base = table["base_mean"].where(table["base_mean"] > 0.0)
    ax.set_xscale("log")
    draw_genes(
        ax,
        base,
        table["log2_fold_change"],
        table["call"],
        table["reason"],
        colors=_UP_AND_DOWN,
        words=_words(alpha, log2fc_min),
        label=label,
        order=-table["neg_log10_p"].to_numpy(),
        options=kwargs,
    )
    ax.set_xlabel("mean count per cell")
    ax.set_ylabel(plain(f"log2 fold change of the {OF_WHAT[component]}: {name}"))
    return ax
