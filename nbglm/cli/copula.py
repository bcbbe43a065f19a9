"""``nbglm copula``."""

from __future__ import annotations

from pathlib import Path

import click

from nbglm.cli.commands import command
from nbglm.cli.failing import note
from nbglm.cli.fits import fit_argument, of_fit, open_fit
from nbglm.cli.options import jobs_option, output_option, seed_option
from nbglm.cli.writing import Output, write_table

__all__ = ["copula"]


@command(
    "copula",
    [
        (
            "How genes depend on each other beyond the covariates",
            "nbglm copula groups.h5ad -o copula.npz",
        ),
        (
            "In each cell type by itself",
            "nbglm copula groups.h5ad --groups cell_type -o types.npz",
        ),
        (
            "Counts that depend on each other in this way",
            "nbglm sample groups.h5ad --copula copula.npz --seed 1 -o together.h5ad",
        ),
    ],
)
@fit_argument
@click.option("--groups", metavar="COLUMN", help="A copula for each group of cells.")
@click.option(
    "--factors",
    "n_factors",
    type=click.IntRange(min=0),
    default=50,
    show_default=True,
    metavar="N",
    help="Common factors at most, of more than 1,000 genes.",
)
@click.option(
    "--max-cells",
    type=click.IntRange(min=20),
    default=5000,
    show_default=True,
    metavar="N",
    help="Cells to look at.",
)
@click.option("--no-heldout", is_flag=True, help="Do not try the copula on cells held out.")
@seed_option("Of halves and residuals.", "0")
@jobs_option
@output_option("Write the copula to this .npz.", required=True)
def copula(
    fit: Path,
    groups: str | None,
    n_factors: int,
    max_cells: int,
    no_heldout: bool,
    seed: int | None,
    n_jobs: int | None,
    output: Path,
    overwrite: bool,
) -> None:
    """Find how the genes of a cell depend on each other.

    FIT is a file that 'nbglm fit -o --keep-data' wrote. 'nbglm sample --copula' draws with what is
    found. A table of how good it is goes to stdout: its log-likelihood above that of independence,
    and the errors of its correlations on cells that were held out.
    """
    place = Output(output, (".npz",), overwrite, (fit,))
    results = open_fit(fit)
    from nbglm.copula.fitting import fit_copula

    with of_fit(fit):
        found = fit_copula(
            results,
            groups,
            n_factors=n_factors,
            max_cells=max_cells,
            heldout=not no_heldout,
            seed=seed,
            n_jobs=n_jobs,
        )
    place.write(found.save)
    note(f"{place.path}: {found.in_words}")
    write_table(found.table, "csv")
