"""The picture of ``scaling.csv``.

``python -m benchmarks.scaling_plot scaling.csv scaling.png`` draws it again.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

__all__ = ["plot_scaling"]

COLOURS = {
    "categorical, dispersion ~ 1": "#0072b2",
    "categorical, dispersion too": "#56b4e9",
    "continuous, dispersion ~ 1": "#d55e00",
    "continuous, dispersion too": "#e69f00",
}
MOST_EVALUATIONS, MANY_CELLS = 4, 100_000


def _short(value: float, _: int) -> str:
    """``30k`` for 30,000."""
    for letter, unit in (("M", 1e6), ("k", 1e3)):
        if value >= unit:
            return f"{value / unit:g}{letter}"
    return f"{value:g}"


def _curves(axes: Any, table: pd.DataFrame, x: str, y: str) -> None:
    """A line for each design, with its spread where there is one."""
    for design, part in table.groupby("design", sort=False):
        colour = COLOURS[design]
        axes.plot(part[x], part[y], "o-", color=colour, markersize=4, label=design)
        if f"{y}_min" in part:
            lowest = part[f"{y}_min"].clip(lower=part[y].min() / 10)
            axes.fill_between(part[x], lowest, part[f"{y}_max"], color=colour, alpha=0.2, lw=0)
    axes.set(xscale="log", yscale="log", xlabel=x)
    axes.set_xticks(np.sort(table[x].unique()))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(_short)
        axis.set_minor_formatter("")


def _bound(axes: Any, largest: float) -> None:
    """How many evaluations a gene may need where there are many cells."""
    if largest > MANY_CELLS:
        axes.plot([MANY_CELLS, largest], [MOST_EVALUATIONS] * 2, "--", color="black")
        text = f"held to {MOST_EVALUATIONS} "
        axes.annotate(text, (MANY_CELLS, MOST_EVALUATIONS), ha="right", va="center", fontsize=9)


def _cores(axes: Any, table: pd.DataFrame) -> None:
    """How many times faster each design is with more cores."""
    for design, part in table.groupby("design", sort=False):
        times = part["seconds"].iloc[0] / part["seconds"]
        axes.plot(part["jobs"], times, "o-", color=COLOURS[design], markersize=4)
    jobs = np.sort(table["jobs"].unique())
    axes.plot(jobs, jobs, ":", color="grey")
    axes.set(xlabel="cores", xticks=jobs, ylim=(0, None), title="times faster, 10,000 cells")


def plot_scaling(table: pd.DataFrame, path: Path) -> None:
    """Draw cost against cells, genes, coefficients and cores.

    Parameters
    ----------
    table : DataFrame
        What ``scaling.csv`` holds.
    path : Path
        Of the picture.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    part = dict(list(table.groupby("varies")))
    figure, grid = plt.subplots(2, 3, figsize=(13, 7.5), layout="constrained")
    cost, evaluations, shared, genes, coefficients, cores = grid.ravel()
    _curves(cost, part["cells"], "cells", "ms")
    cost.set_title("milliseconds a gene")
    _curves(evaluations, part["cells"], "cells", "evaluations")
    _bound(evaluations, part["cells"]["cells"].max())
    evaluations.set_title("evaluations a gene, on all distinct rows")
    _curves(shared, part["cells"], "cells", "shared_ms")
    shared.set_title("milliseconds once, for all genes")
    _curves(genes, part["genes"], "genes", "seconds")
    genes.set_title("seconds in all, 10,000 cells")
    _curves(coefficients, part["coefficients"], "coefficients", "ms")
    coefficients.set_title("milliseconds a gene, 10,000 cells")
    _cores(cores, part["cores"])
    for axes in grid.ravel():
        axes.grid(visible=True, which="major", color="0.9")
    figure.legend(*cost.get_legend_handles_labels(), loc="outside lower center", ncols=4)
    figure.savefig(path, dpi=110)
    plt.close(figure)


if __name__ == "__main__":
    plot_scaling(pd.read_csv(sys.argv[1]), Path(sys.argv[2]))
