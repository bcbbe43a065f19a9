"""What all pictures share: axes, colours, legends with notes, and names that are only names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nbglm.exceptions import InputTypeError, MissingPackageError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "BLUE",
    "CYCLE",
    "GREEN",
    "GREY",
    "INK",
    "MANY",
    "ORANGE",
    "SKY",
    "VERMILLION",
    "add_legend",
    "axes_for",
    "plain",
    "with_defaults",
]

# The palette of Okabe and Ito, which people tell apart whatever colours they see.
BLUE, VERMILLION, GREEN, ORANGE = "#0072B2", "#D55E00", "#009E73", "#E69F00"
SKY, PURPLE, YELLOW = "#56B4E9", "#CC79A7", "#F0E442"
GREY, INK = "#9A9A9A", "#333333"
CYCLE = (BLUE, VERMILLION, GREEN, ORANGE, PURPLE, SKY, "#000000", YELLOW)

MANY = 5_000
"""Points from which on a picture holds them as pixels."""

_ALIASES = {
    alias: group
    for group in (
        ("linewidth", "linewidths", "lw"),
        ("linestyle", "linestyles", "ls"),
        ("color", "c", "facecolor", "facecolors", "fc"),
        ("edgecolor", "edgecolors", "ec"),
        ("markersize", "ms"),
        ("markeredgewidth", "mew"),
        ("s", "sizes"),
    )
    for alias in group
}


def axes_for(ax: Axes | None, figsize: tuple[float, float] = (6.4, 4.2)) -> Axes:
    """The axes to draw into, or those of a new figure.

    Parameters
    ----------
    ax : Axes or None
        What the user gave.
    figsize : tuple of float
        Inches of a new figure.

    Returns
    -------
    Axes

    Raises
    ------
    MissingPackageError
        If matplotlib is not installed.
    InputTypeError
        If `ax` is something else.
    """
    try:
        from matplotlib.axes import Axes
    except ImportError as error:
        msg = (
            "nbglm.plots draws with matplotlib, which is not installed: pip install 'nbglm[plot]'. "
            "The functions whose names end in _data give what would be drawn, without it."
        )
        raise MissingPackageError(msg) from error
    if ax is None:
        import matplotlib.pyplot as plt

        return plt.subplots(figsize=figsize, layout="constrained")[1]
    if not isinstance(ax, Axes):
        msg = (
            f"ax= takes one matplotlib Axes, such as fig.add_subplot() or plt.gca(), not a "
            f"{type(ax).__name__}."
        )
        raise InputTypeError(msg)
    return ax


def plain(text: object) -> str:
    r"""Text in which a dollar sign is a dollar sign, not the beginning of a formula.

    Parameters
    ----------
    text : object
        Such as the name of a gene.

    Returns
    -------
    str

    Examples
    --------
    >>> print(plain("a$b$"))
    a\$b\$
    """
    return str(text).replace("$", r"\$")


def with_defaults(given: Mapping[str, Any], **defaults: Any) -> dict[str, Any]:
    """Keyword arguments of an artist, those of the user first, under whichever name.

    Parameters
    ----------
    given : mapping
        What the user gave.
    **defaults
        What is taken otherwise.

    Returns
    -------
    dict

    Examples
    --------
    >>> with_defaults({"lw": 3}, linewidth=1, alpha=0.5)
    {'alpha': 0.5, 'lw': 3}
    """
    taken = {alias for name in given for alias in _ALIASES.get(name, (name,))}
    return {**{name: value for name, value in defaults.items() if name not in taken}, **given}


def add_legend(
    ax: Axes, entries: Sequence[tuple[Any, str]], note: str = "", *, title: str = ""
) -> None:
    """A legend to the right of the axes, where it hides nothing, with a note below.

    Within the axes, where there is most room, if nothing makes room for it on their right: in a
    figure without a layout engine, which ``plt.subplots(layout="constrained")`` has.

    Parameters
    ----------
    ax : Axes
        Where.
    entries : sequence of (handle, label)
        Artists and their names.
    note : str
        What else is to be said, such as what could not be drawn.
    title : str
        Above.
    """
    from matplotlib.lines import Line2D

    if note:
        entries = [*entries, (Line2D([], [], linestyle="none"), note)]
    if not entries:
        return
    handles, labels = zip(*entries, strict=True)
    # A first letter _ would keep a label out of the legend.
    names = [
        plain(f"\N{ZERO WIDTH SPACE}{label}" if label[:1] == "_" else label) for label in labels
    ]
    outside = {"loc": "upper left", "bbox_to_anchor": (1.01, 1.0), "borderaxespad": 0.0}
    inside = {"loc": "best", "framealpha": 0.8, "edgecolor": "none"}
    room = getattr(ax.get_figure(), "get_layout_engine", lambda: None)() is not None
    place: dict[str, Any] = {**outside, "frameon": False} if room else inside
    legend = ax.legend(
        handles,
        names,
        **place,
        fontsize="small",
        handletextpad=0.4,
        title=plain(title) if title else None,
        title_fontsize="small",
        alignment="left",
    )
    if note:
        legend.get_texts()[-1].set_color("#666666")
