"""``nbglm sample``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nbglm.cli.commands import command
from nbglm.cli.failing import naming, note
from nbglm.cli.fits import (
    fit_argument,
    genes_option,
    of_fit,
    open_fit,
    python_option,
    rows_for,
    rows_option,
    some_genes,
)
from nbglm.cli.options import FILE, jobs_option, output_option, seed_option
from nbglm.cli.reading import column
from nbglm.cli.writing import Output, format_of, write_table
from nbglm.exceptions import AlignmentError, FormulaError

if TYPE_CHECKING:
    import pandas as pd

    from nbglm.copula.gaussian import GaussianCopula

__all__ = ["sample"]

_SUFFIXES = (".h5ad", ".zarr", ".csv", ".tsv", ".csv.gz", ".tsv.gz")


@command(
    "sample",
    [
        (
            "Simulated counts for new rows",
            "nbglm sample fit.h5ad --obs new.csv --seed 1 -o sim.h5ad",
        ),
        (
            "For the cells of a file, as a text table",
            "nbglm sample fit.h5ad --obs cells.h5ad --seed 1 -o sim.csv",
        ),
        (
            "Five thousand cells like these, with the truth behind their counts",
            "nbglm sample fit.h5ad --obs cells.h5ad --cells 5000 --truth --seed 1 -o many.h5ad",
        ),
    ],
)
@fit_argument
@rows_option
@genes_option
@click.option("--offset", metavar="COLUMN", help="Offset of the log mean, if not that of the fit.")
@click.option(
    "--size-factors",
    "--exposure",
    metavar="COLUMN",
    help="Factors of the mean, if not those of the fit.",
)
@click.option(
    "--cells",
    type=click.IntRange(min=1),
    metavar="N",
    help="So many cells, whose rows are drawn from --obs.  [default: each row is a cell]",
)
@click.option(
    "--replicates",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    metavar="N",
    help="How often these cells are drawn.",
)
@click.option(
    "--uncertainty",
    is_flag=True,
    help="Draw the coefficients first, within their standard errors, as another experiment would.",
)
@click.option(
    "--truth", is_flag=True, help="Keep the mean and size behind each count (.h5ad and .zarr)."
)
@click.option(
    "--copula",
    "dependence",
    type=FILE,
    metavar="FILE",
    help="Draw genes that depend on each other, as this file of 'nbglm copula' says.",
)
@seed_option(
    "The same seed gives the same counts of a gene, whatever other genes there are.  [default: "
    "another one each time]"
)
@jobs_option
@python_option
@output_option("Write the counts to this .h5ad, .zarr, .csv or .tsv.", required=True)
def sample(
    fit: Path,
    obs: Path | None,
    genes: tuple[str, ...],
    cells: int | None,
    python: bool,
    dependence: Path | None,
    output: Path,
    overwrite: bool,
    **options: Any,
) -> None:
    """Draw counts from a fit, for given rows.

    FIT is a file that 'nbglm fit -o' wrote. The counts of an .h5ad or .zarr stand beside the rows,
    and are written some thousand at a time; those of a text table have a line for each cell.
    """
    inputs = tuple(path for path in (fit, obs, dependence) if path is not None)
    place = Output(output, _SUFFIXES, overwrite, inputs)
    name = place.path.name.lower()
    stored = name.endswith((".h5ad", ".zarr"))
    if options["truth"] and not stored:
        msg = "--truth is for an .h5ad or .zarr; a text table holds nothing but counts."
        raise click.UsageError(msg)
    results = some_genes(open_fit(fit, python=python), genes, fit)
    rows = rows_for(results, obs)
    if rows is not None:
        for option in ("offset", "size_factors"):
            column(rows, options[option], f"--{option.replace('_', '-')}", obs)
    if dependence is not None:
        options["copula"] = _copula_of(dependence, results.gene_names if genes else None)
    with of_fit(fit), naming(obs or fit, FormulaError, AlignmentError):
        if stored:
            place.write(lambda path: results.sample(rows, n_cells=cells, out=path, **options))
            size = (len(results.counts.obs if rows is None else rows), len(results.gene_names))
            number = (cells or size[0]) * options["replicates"]
            note(f"{place.path}: {number} cells x {size[1]} genes")
            return
        drawn = results.sample(rows, n_cells=cells, **options)
    import pandas as pd

    counts = pd.DataFrame(drawn.X.toarray(), drawn.obs_names, drawn.var_names)
    write_table(counts.rename_axis("cell"), format_of(place.path, None), place)


def _copula_of(path: Path, genes: pd.Index | None) -> GaussianCopula:
    """A copula in a file, or its part of some genes."""
    from nbglm.copula.gaussian import GaussianCopula

    with naming(path):
        found = GaussianCopula.load(path)
        return found if genes is None else found.subset(list(genes))
