"""``nbglm plot``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from inspect import Parameter, signature
from pathlib import Path
from typing import Any

import click

from nbglm.cli.commands import command
from nbglm.cli.failing import note
from nbglm.cli.fits import fit_argument, of_fit, open_fit
from nbglm.cli.options import output_option, seed_option
from nbglm.cli.tables import genes_named
from nbglm.cli.writing import TABLE_SUFFIXES, Output, format_of, write_table

__all__ = ["KINDS", "plot"]

KINDS = (
    *("volcano", "ma", "mean-dispersion", "mean-vs-dispersion-effect", "forest"),
    *("fitted", "rootogram", "pit", "qq", "worm"),
)
"""What can be drawn: the functions of nbglm.plots, with dashes."""

_PICTURES = (".png", ".pdf", ".svg")
_ARGUMENTS = {"term": ("hypothesis", "terms"), "genes": ("genes", "gene"), "along": ("x",)}
"""What options are called in Python, where that is something else."""


@command(
    "plot",
    [
        (
            "Effects along pseudotime against their evidence",
            "nbglm plot volcano fit.h5ad --term pseudotime -o volcano.png",
        ),
        (
            "Of the dispersion, with three genes named",
            "nbglm plot ma groups.h5ad --term condition --component dispersion --label 3 -o ma.pdf",
        ),
        (
            "Whether a gene's counts are as the fit expects them",
            "nbglm plot rootogram groups.h5ad --genes gene001 -o rootogram.svg",
        ),
        ("The data of a picture", "nbglm plot mean-dispersion fit.h5ad -o dispersions.csv"),
    ],
)
@click.argument("kind", type=click.Choice(KINDS), metavar="KIND")
@fit_argument
@click.option(
    "--term",
    metavar="HYPOTHESIS",
    help="A coefficient, a term, or a combination of these (volcano, ma, "
    "mean-vs-dispersion-effect, forest).",
)
@click.option(
    "--component",
    type=click.Choice(["mean", "dispersion"]),
    help="Of which formula (volcano, ma, forest).",
)
@click.option(
    "--genes",
    multiple=True,
    metavar="NAMES",
    help="Of which genes: names with commas between them, or a file with a name a line (forest, "
    "pit, qq, worm; fitted and rootogram: one).",
)
@click.option("--along", metavar="COLUMN", help="Column of obs along the axis (fitted).")
@click.option("--by", metavar="COLUMN", help="Column of obs that gives the colours (fitted).")
@click.option(
    "--label",
    multiple=True,
    metavar="NAMES",
    help="Genes to name: how many, or which, with commas between them.",
)
@click.option(
    "--log2fc-min", type=float, metavar="CHANGE", help="Only larger changes are coloured."
)
@click.option(
    "--alpha",
    type=click.FloatRange(0.0, 1.0, min_open=True, max_open=True),
    metavar="LEVEL",
    help="Significance level.",
)
@click.option(
    "--method",
    metavar="NAME",
    help="Adjustment for the number of genes (volcano, ma); or 'profile' intervals (forest).",
)
@seed_option("Of randomised residuals (qq, worm).")
@click.option(
    "--size",
    nargs=2,
    type=click.FloatRange(1.0, 50.0),
    metavar="WIDTH HEIGHT",
    help="Of the picture, in inches.",
)
@click.option(
    "--dpi", type=click.IntRange(20, 1200), default=150, show_default=True, help="Dots per inch."
)
@output_option(
    "Draw into this .png, .pdf or .svg; or write what is drawn to a .csv, .tsv or .json.",
    required=True,
)
def plot(
    kind: str,
    fit: Path,
    size: tuple[float, float] | None,
    dpi: int,
    output: Path,
    overwrite: bool,
    **options: Any,
) -> None:
    """Draw a fit, or write what would be drawn.

    KIND is volcano, ma, mean-dispersion, mean-vs-dispersion-effect or forest, of all genes; or
    fitted, rootogram, pit, qq or worm, which compare the fit with its counts, and need those that
    'nbglm fit --keep-data' keeps. FIT is a file that it wrote. Pictures need matplotlib:
    pip install 'nbglm[plot]'.
    """
    place = Output(output, (*_PICTURES, *TABLE_SUFFIXES), overwrite, (fit,))
    given = {option: value for option, value in options.items() if value not in (None, ())}
    from nbglm import plots

    name = kind.replace("-", "_")
    as_data = not place.path.name.lower().endswith(_PICTURES)
    draw = getattr(plots, f"{name}_data" if as_data else name)
    _check_options(kind, getattr(plots, name), given)
    results = open_fit(fit)
    for option in ("genes", "label"):
        if option in given:
            given[option] = _genes(option, given[option], fit, results.gene_names)
    with of_fit(fit):
        arguments = _arguments(kind, draw, given)
        if as_data:
            write_table(draw(results, **arguments), format_of(output, None), place)
        else:
            _draw(lambda: draw(results, **arguments), place, size, dpi)


def _as_option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _argument(draw: Callable[..., Any], option: str) -> str | None:
    """The name that an option has among the arguments of a function."""
    known = signature(draw).parameters
    return next((name for name in _ARGUMENTS.get(option, (option,)) if name in known), None)


def _check_options(kind: str, draw: Callable[..., Any], given: Mapping[str, Any]) -> None:
    """Refuse options that this kind of picture has not, and miss those that it needs."""
    for option in given:
        if _argument(draw, option) is None:
            msg = f"{_as_option(option)} is not for {kind}."
            raise click.UsageError(msg)
    named = {_argument(draw, option) for option in given}
    options = {name: option for option, names in _ARGUMENTS.items() for name in names}
    for name, parameter in list(signature(draw).parameters.items())[1:]:
        required = parameter.default is Parameter.empty
        if required and parameter.kind is not Parameter.VAR_KEYWORD and name not in named:
            msg = f"{kind} needs {_as_option(options.get(name, name))}."
            raise click.UsageError(msg)


def _genes(option: str, given: tuple[str, ...], path: Path, known: Any) -> Any:
    """Names of genes, or how many."""
    if option == "label" and len(given) == 1 and given[0].isdecimal() and given[0] not in known:
        return int(given[0])
    return genes_named(path, given, known, _as_option(option))


def _arguments(kind: str, draw: Callable[..., Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The options as arguments of a function."""
    arguments = {}
    for option, value in given.items():
        name = _argument(draw, option)
        if name == "gene":
            if len(value) > 1:
                msg = f"{kind} is of one gene; --genes names {len(value)}."
                raise click.UsageError(msg)
            arguments[name] = value[0]
        elif name is not None:  # which is not so for what only changes how it looks
            arguments[name] = value
    return arguments


def _draw(
    draw: Callable[[], Any], place: Output, size: tuple[float, float] | None, dpi: int
) -> None:
    """Draw into a file, without a window."""
    with suppress(ImportError):  # of which nbglm.plots says what to install
        import matplotlib as mpl

        mpl.use("Agg")
    figure = draw().figure
    if size is not None:
        figure.set_size_inches(size)
    place.write(lambda path: figure.savefig(path, dpi=dpi))
    width, height = figure.get_size_inches()
    note(f"{place.path}: a picture of {width:g} x {height:g} inches")
