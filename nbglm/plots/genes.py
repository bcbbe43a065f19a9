"""All genes at once: volcano and MA plots, and effects on mean and dispersion beside each other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbglm.exceptions import HypothesisError, OptionError
from nbglm.inference.selection import gene_positions
from nbglm.plots.edges import draw_points, missing_note
from nbglm.plots.figure import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    VERMILLION,
    add_legend,
    axes_for,
    plain,
    with_defaults,
)
from nbglm.plots.subject import fit_of, one_contrast

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "draw_genes",
    "ma",
    "ma_data",
    "mean_vs_dispersion_effect",
    "mean_vs_dispersion_effect_data",
    "volcano",
    "volcano_data",
]

FloatArray = NDArray[np.float64]

_MANY = 5_000  # points from which on a picture holds them as pixels
_UP_AND_DOWN = {"": GREY, "down": BLUE, "up": VERMILLION}
_BOTH = {"": GREY, "mean": BLUE, "dispersion": ORANGE, "both": GREEN}
_OF_WHAT = {"mean": "mean", "dispersion": "size r"}


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
    style = {"s": size, "alpha": 0.75, "linewidths": 0.0, "rasterized": len(at) > _MANY}
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
    ax.set_xlabel(plain(f"log2 fold change of the {_OF_WHAT[component]}: {name}"))
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
    ax.set_ylabel(plain(f"log2 fold change of the {_OF_WHAT[component]}: {name}"))
    return ax


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
    """What :func:`mean_vs_dispersion_effect` draws.

    Parameters
    ----------
    results, hypothesis, dispersion, alpha, method
        As in :func:`mean_vs_dispersion_effect`.

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
        As in :func:`volcano`.

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
