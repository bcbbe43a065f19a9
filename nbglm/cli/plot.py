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
from nbglm.cli.options import adjustment_options, output_option
from nbglm.cli.tables import read_names
from nbglm.cli.writing import TABLE_SUFFIXES, Output, format_of, write_table

__all__ = ["plot"]

_KINDS = ("volcano", "ma", "mean-dispersion", "mean-vs-dispersion-effect")
_PICTURES = (".png", ".pdf", ".svg")
_CALLED = {"term": "hypothesis"}  # options with another name than the argument in Python


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
        ("The data of a picture", "nbglm plot mean-dispersion fit.h5ad -o dispersions.csv"),
    ],
)
@click.argument("kind", type=click.Choice(_KINDS))
@fit_argument
@click.option(
    "--term", metavar="HYPOTHESIS", help="A coefficient, a term, or a combination of these."
)
@click.option(
    "--component",
    type=click.Choice(["mean", "dispersion"]),
    help="Of which formula.  [default: mean]",
)
@click.option(
    "--label",
    multiple=True,
    metavar="NAMES",
    help="Genes to name: how many, or which, with commas between them.",
)
@click.option(
    "--log2fc-min", type=float, metavar="CHANGE", help="Only larger changes are coloured."
)
@adjustment_options
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
@click.pass_context
def plot(
    context: click.Context,
    /,
    kind: str,
    fit: Path,
    size: tuple[float, float] | None,
    dpi: int,
    output: Path,
    overwrite: bool,
    **options: Any,
) -> None:
    """Draw a fit.

    KIND is what to draw, FIT a file that 'nbglm fit -o' wrote. Pictures need the extra 'plot':
    pip install 'nbglm[plot]'.
    """
    place = Output(output, (*_PICTURES, *TABLE_SUFFIXES), overwrite, (fit,))
    results = open_fit(fit)
    from nbglm import plots

    name = kind.replace("-", "_")
    as_data = not place.path.name.lower().endswith(_PICTURES)
    draw = getattr(plots, f"{name}_data" if as_data else name)
    given = {
        name: value
        for name, value in options.items()
        if context.get_parameter_source(name) is not click.core.ParameterSource.DEFAULT
    }
    arguments = _arguments(kind, draw, getattr(plots, name), given)
    with of_fit(fit):
        if as_data:
            write_table(draw(results, **arguments), format_of(output, None), place)
            return
        _draw(lambda: draw(results, **arguments), place, size, dpi)


def _arguments(
    kind: str, draw: Callable[..., Any], whole: Callable[..., Any], given: Mapping[str, Any]
) -> dict[str, Any]:
    """The options as arguments of a function; what it does not take is wrong use."""
    known = signature(draw).parameters
    named = {_CALLED.get(option, option): option for option in given}
    for argument, option in named.items():
        if argument not in signature(whole).parameters:
            msg = f"--{option.replace('_', '-')} is not for {kind}."
            raise click.UsageError(msg)
    options = {argument: option for option, argument in _CALLED.items()}
    for parameter in list(known.values())[1:]:
        has_none = parameter.default is Parameter.empty
        if has_none and parameter.kind is not Parameter.VAR_KEYWORD and parameter.name not in named:
            option = options.get(parameter.name, parameter.name).replace("_", "-")
            msg = f"{kind} needs --{option}."
            raise click.UsageError(msg)
    values = {argument: given[option] for argument, option in named.items() if argument in known}
    if "label" in values:
        names = read_names(values["label"])
        values["label"] = int(names[0]) if len(names) == 1 and names[0].isdecimal() else names
    return values


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
