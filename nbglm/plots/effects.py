"""Effects on the mean and on the dispersion beside each other."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from nbglm.exceptions import HypothesisError
from nbglm.plots.figure import BLUE, GREEN, GREY, ORANGE, axes_for, plain
from nbglm.plots.points import draw_genes
from nbglm.plots.subject import fit_of, one_contrast

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["mean_vs_dispersion_effect", "mean_vs_dispersion_effect_data"]

_BOTH = {"": GREY, "mean": BLUE, "dispersion": ORANGE, "both": GREEN}


def _both_tests(
    results: object,
    hypothesis: object,
    dispersion: object,
    alpha: float,
    method: str,
) -> tuple[pd.DataFrame, tuple[str, str]]:
    tables = fit_of(results)
    options = {"alpha": alpha, "method": method}
    try:
        ours = [
            one_contrast(tables, tested, component, **options)
            for tested, component in (
                (hypothesis, "mean"),
                (hypothesis if dispersion is None else dispersion, "dispersion"),
            )
        ]
    except HypothesisError as error:
        formula = tables.design.dispersion.formula.expanded
        msg = (
            f"{error} The effect on the mean is to be set against that on the dispersion, whose "
            f"formula here is {formula!r}; dispersion= names its contrast if it is another one."
        )
        raise HypothesisError(msg) from error
    (mean, name), (size, other) = ours
    told = [part["p_adjusted"].to_numpy() < alpha for part in (mean, size)]
    call = np.select([told[0] & told[1], told[0], told[1]], ["both", "mean", "dispersion"], "")
    joined = pd.DataFrame(
        {
            "log2_fold_change": mean["log2_fold_change"],
            "log2_size_ratio": size["log2_fold_change"],
            "p_adjusted": mean["p_adjusted"],
            "p_adjusted_dispersion": size["p_adjusted"],
            "call": call.astype(object),
            "status": mean["status"].where(mean["status"] != "ok", size["status"]),
        }
    )
    joined["reason"] = mean["reason"].where(mean["reason"] != "ok", size["reason"])
    joined["evidence"] = np.fmax(mean["neg_log10_p"], size["neg_log10_p"])
    return joined, (name, other)


def mean_vs_dispersion_effect_data(
    results: object,
    hypothesis: object,
    dispersion: object = None,
    *,
    alpha: float = 0.05,
    method: str = "fdr_bh",
) -> pd.DataFrame:
    """What :func:`nbglm.plots.mean_vs_dispersion_effect` draws.

    Parameters
    ----------
    results, hypothesis, dispersion, alpha, method
        As in :func:`nbglm.plots.mean_vs_dispersion_effect`.

    Returns
    -------
    DataFrame
        Indexed by gene, in the order of the fit: ``log2_fold_change`` of the mean,
        ``log2_size_ratio`` of the size, ``p_adjusted``, ``p_adjusted_dispersion``, ``call``
        (``"mean"``, ``"dispersion"``, ``"both"`` or empty) and ``status``.
    """
    table, _ = _both_tests(results, hypothesis, dispersion, alpha, method)
    return table.drop(columns=["evidence", "reason"])


def mean_vs_dispersion_effect(
    results: object,
    hypothesis: object,
    dispersion: object = None,
    *,
    alpha: float = 0.05,
    method: str = "fdr_bh",
    label: int | Iterable[str] | None = 10,
    ax: Axes | None = None,
    **kwargs: Any,
) -> Axes:
    """Effect on the mean against effect on the dispersion, a point for each gene.

    Parameters
    ----------
    results : NegBinResults
        A fit with a term in both formulas.
    hypothesis : str, mapping or array_like
        One contrast, as in :meth:`nbglm.NegBinResults.t_test`.
    dispersion : str, mapping or array_like, optional
        That of the dispersion, if it is another one.
    alpha : float
        Genes with an adjusted p-value below, of either, are coloured.
    method : str
        Adjustment for the number of genes, of each test by itself.
    label, ax, **kwargs
        As in :func:`nbglm.plots.volcano`.

    Returns
    -------
    matplotlib.axes.Axes
        Up is a larger size ``r``: less overdispersion. Infinite estimates are triangles at the
        edge; the legend says how many genes are not drawn.

    Raises
    ------
    HypothesisError
        If a hypothesis cannot be read, or stands for several contrasts, or the dispersion has no
        such term.
    MissingPackageError
        If matplotlib is not installed.
    """
    table, (name, other) = _both_tests(results, hypothesis, dispersion, alpha, method)
    ax = axes_for(ax)
    for line in (ax.axvline, ax.axhline):
        line(0.0, color="#CCCCCC", linewidth=0.8, zorder=1)
    level = f"adjusted p < {alpha:g}"
    draw_genes(
        ax,
        table["log2_fold_change"],
        table["log2_size_ratio"],
        table["call"],
        table["reason"],
        colors=_BOTH,
        words={"": "neither", **{word: f"{word}, {level}" for word in ("mean", "dispersion")}}
        | {"both": f"both, {level}"},
        label=label,
        order=-table["evidence"].to_numpy(),
        options=kwargs,
    )
    ax.set_xlabel(plain(f"log2 fold change of the mean: {name}"))
    ax.set_ylabel(plain(f"log2 fold change of the size r: {other}"))
    return ax
