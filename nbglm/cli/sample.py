"""``nbglm sample``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

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
from nbglm.cli.options import jobs_option, output_option, seed_option
from nbglm.cli.reading import column
from nbglm.cli.writing import Output, write_table
from nbglm.exceptions import AlignmentError, FormulaError

if TYPE_CHECKING:
    from anndata import AnnData

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
    offset: str | None,
    size_factors: str | None,
    seed: int | None,
    n_jobs: int | None,
    python: bool,
    output: Path,
    overwrite: bool,
) -> None:
    """Draw counts from a fit, for given rows.

    FIT is a file that 'nbglm fit -o' wrote. The counts of an .h5ad or .zarr stand beside the rows,
    those of a text table have a line for each row.
    """
    inputs = (fit,) if obs is None else (fit, obs)
    place = Output(output, _SUFFIXES, overwrite, inputs)
    results = some_genes(open_fit(fit, python=python), genes, fit)
    rows = rows_for(results, obs)
    if rows is not None:
        offset = column(rows, offset, "--offset", obs)
        size_factors = column(rows, size_factors, "--size-factors", obs)
    with of_fit(fit), naming(obs or fit, FormulaError, AlignmentError):
        drawn = results.sample(
            rows, offset=offset, size_factors=size_factors, seed=seed, n_jobs=n_jobs
        )
    _write(drawn, place)


def _write(drawn: AnnData, place: Output) -> None:
    """Write the counts in the format that the name says."""
    name = place.path.name.lower()
    if not name.endswith((".h5ad", ".zarr")):
        import pandas as pd

        counts = pd.DataFrame(drawn.X.toarray(), drawn.obs_names, drawn.var_names)
        write_table(counts.rename_axis("row"), "tsv" if ".tsv" in name else "csv", place)
        return
    place.write(drawn.write_h5ad if name.endswith(".h5ad") else drawn.write_zarr)
    note(f"{place.path}: {drawn.n_obs} rows x {drawn.n_vars} genes")
