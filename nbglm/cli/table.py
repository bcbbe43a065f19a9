"""``nbglm table``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from nbglm.cli.commands import command
from nbglm.cli.fits import component_option, fit_argument, genes_option, of_fit, open_fit
from nbglm.cli.options import adjustment_options, table_options
from nbglm.cli.tables import genes_named
from nbglm.cli.writing import TABLE_SUFFIXES, Output, format_of, write_table

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["table"]


@command(
    "table",
    [
        (
            "What changes along pseudotime, the most telling genes first",
            "nbglm table fit.h5ad --term pseudotime > de.csv",
        ),
        (
            "A glance at the largest effects",
            "nbglm table fit.h5ad --term pseudotime --sort estimate --format text | head -6",
        ),
        (
            "Of the dispersion, into a file",
            "nbglm table groups.h5ad --term condition --component dispersion -o size.tsv",
        ),
        ("All coefficients of two genes", "nbglm table fit.h5ad --genes gene001,gene002"),
    ],
)
@fit_argument
@click.option(
    "--term",
    metavar="HYPOTHESIS",
    help="A coefficient, a term of the formula, or a combination such as 'g[T.b] - g[T.c]'.  "
    "[default: a table of all coefficients]",
)
@component_option
@click.option(
    "--sort",
    type=click.Choice(
        ["p_value", "estimate", "log2_fold_change", "statistic", "base_mean", "none"]
    ),
    default="p_value",
    show_default=True,
    help="The order of the genes with --term; none is that of the data.",
)
@genes_option
@adjustment_options
@table_options
def table(
    fit: Path,
    term: str | None,
    component: str,
    sort: str,
    genes: tuple[str, ...],
    alpha: float,
    method: str,
    format_: str | None,
    output: Path | None,
    overwrite: bool,
) -> None:
    """Write estimates, p-values and intervals of every gene.

    FIT is a file that 'nbglm fit -o' wrote. p_adjusted is for the number of genes in the fit,
    whichever --genes are shown. Estimates are natural logarithms: of the mean (counts), or of the
    size, which is larger where there is less overdispersion.
    """
    place = Output(output, TABLE_SUFFIXES, overwrite, (fit,)) if output else None
    results = open_fit(fit)
    with of_fit(fit):
        if term is None:
            found = results.to_frame(alpha)
        else:
            order = None if sort == "none" else sort
            found = results.table(term, component, order, alpha=alpha, method=method)
        found = _of_genes(found, genes, fit, results.gene_names)
    write_table(found, format_of(output, format_), place)


def _of_genes(
    found: pd.DataFrame, genes: tuple[str, ...], path: Path, known: pd.Index
) -> pd.DataFrame:
    """The rows of some genes, in the order of the table."""
    if not genes:
        return found
    wanted = genes_named(path, genes, known)
    if "gene" in found.columns:
        return found[found["gene"].isin(wanted)].reset_index(drop=True)
    return found[found.index.get_level_values(0).isin(wanted)]
