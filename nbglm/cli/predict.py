"""``nbglm predict``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from nbglm.cli.commands import command
from nbglm.cli.failing import naming
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
from nbglm.cli.options import table_options
from nbglm.cli.reading import column
from nbglm.cli.writing import TABLE_SUFFIXES, Output, format_of, write_table
from nbglm.exceptions import AlignmentError, FormulaError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["predict"]


@command(
    "predict",
    [
        ("Three rows to begin with", "nbglm info cells.h5ad --obs | head -4 > new.csv"),
        ("Means and sizes for these rows", "nbglm predict fit.h5ad --obs new.csv"),
        (
            "With 95 % intervals, of one gene, for reading",
            "nbglm predict fit.h5ad --obs new.csv --genes gene001 --interval 0.95 --format text",
        ),
        (
            "A table of means, rows x genes",
            "nbglm predict fit.h5ad --obs new.csv --wide mean -o means.csv",
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
    "--interval",
    type=click.FloatRange(0.0, 1.0, min_open=True, max_open=True),
    metavar="LEVEL",
    help="With confidence intervals, such as 0.95.",
)
@click.option(
    "--wide",
    type=click.Choice(["mean", "dispersion"]),
    help="A table of rows x genes of one of them, in place of a line for each row and gene.",
)
@python_option
@table_options
def predict(
    fit: Path,
    obs: Path | None,
    genes: tuple[str, ...],
    offset: str | None,
    size_factors: str | None,
    interval: float | None,
    wide: str | None,
    python: bool,
    format_: str | None,
    output: Path | None,
    overwrite: bool,
) -> None:
    """Predict mean and size of every gene for given rows.

    FIT is a file that 'nbglm fit -o' wrote. Levels, contrasts and knots stay those of the fit. The
    mean is in counts; dispersion is the size r, of which the variance is mean + mean^2 / r.
    """
    inputs = (fit,) if obs is None else (fit, obs)
    place = Output(output, TABLE_SUFFIXES, overwrite, inputs) if output else None
    results = some_genes(open_fit(fit, python=python), genes, fit)
    rows = rows_for(results, obs)
    if rows is not None:
        offset = column(rows, offset, "--offset", obs)
        size_factors = column(rows, size_factors, "--size-factors", obs)
    with of_fit(fit), naming(obs or fit, FormulaError, AlignmentError):
        tables = results.predict(rows, offset, size_factors=size_factors, interval=interval)
    found = _long(tables) if wide is None else tables[wide].rename_axis("row")
    write_table(found, format_of(output, format_), place)


def _long(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """A line for each row and gene."""
    import numpy as np
    import pandas as pd

    first = tables["mean"]
    rows, genes = first.shape
    return pd.DataFrame(
        {
            "row": np.repeat(first.index.to_numpy(), genes),
            "gene": np.tile(first.columns.to_numpy(), rows),
            **{name: table.to_numpy().ravel() for name, table in tables.items()},
        }
    )
