"""``nbglm fit``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nbglm.cli.commands import command
from nbglm.cli.failing import naming, note
from nbglm.cli.fits import summary
from nbglm.cli.options import FILE, data_options, jobs_option, memory_option, output_option, several
from nbglm.cli.reading import Given, column, read_given
from nbglm.cli.writing import TABLE_SUFFIXES, Output, format_of, write_table
from nbglm.exceptions import AlignmentError, FormulaError

if TYPE_CHECKING:
    from pandas import DataFrame

    from nbglm.results import NegBinResults

__all__ = ["fit"]

_COV_TYPES = ("oim", "eim", "HC0", "HC1", "HC2", "HC3", "cluster", "CR1", "CR2", "CR3")

_STORES = (".h5ad", ".zarr")

_model_options = several(
    click.option("--mean", required=True, metavar="FORMULA", help="Of the log mean: '~ x + g'."),
    click.option(
        "--dispersion",
        default="~ 1",
        show_default=True,
        metavar="FORMULA",
        help="Of the log size; a larger size is less overdispersion.",
    ),
    click.option("--offset", metavar="COLUMN", help="Offset of the log mean: a column of obs."),
    click.option(
        "--size-factors",
        "--exposure",
        metavar="COLUMN",
        help="Factors of the mean, such as the depth: a column of obs; or total, median_ratio, "
        "poscounts or pooled, which are computed from the counts.",
    ),
    click.option(
        "--weights", metavar="COLUMN", help="Frequency weights: a cell of weight 2 is two cells."
    ),
    click.option(
        "--cov-type",
        type=click.Choice(_COV_TYPES),
        help="Standard errors: of the observed or the expected information, or robust ones "
        "(CR2 for few clusters).  [default: oim, or cluster with --groups]",
    ),
    click.option(
        "--groups",
        metavar="COLUMN",
        help="Clusters of cells whose counts may depend on each other, such as their donor.",
    ),
    click.option(
        "--rank-deficient",
        type=click.Choice(["drop", "min_norm", "raise"]),
        default="drop",
        show_default=True,
        help="What to do with columns of the design that others add up to.",
    ),
    click.option(
        "--python",
        is_flag=True,
        help="Formulas are evaluated as Python, which may do all that a program can: only for "
        "formulas of your own. Without it they may use columns of obs, numbers, patsy's functions "
        "(C, bs, cr, ...) and numpy's elementwise ones (np.log, ...).",
    ),
)

_work_options = several(
    jobs_option,
    memory_option,
    click.option(
        "--progress/--no-progress",
        default=None,
        help="A progress bar on stderr.  [default: on a terminal, where it takes long]",
    ),
)


@command(
    "fit",
    [
        (
            "Along a pseudotime, with the depth of each cell",
            'nbglm fit cells.h5ad --mean "~ pseudotime" --size-factors size_factor -o fit.h5ad',
        ),
        (
            "Mean and dispersion of two groups, with the counts kept for further tests",
            (
                'nbglm fit cells.h5ad --mean "~ condition" --dispersion "~ condition" --keep-data '
                "-o groups.h5ad"
            ),
        ),
        (
            "Some genes, with errors that know of the donors, as a table",
            'nbglm fit cells.h5ad --mean "~ condition" --groups donor --genes gene001,gene002',
        ),
    ],
)
@click.argument("data", type=FILE)
@_model_options
@data_options
@_work_options
@output_option("Write the fit to this .h5ad or .zarr, or its coefficients to a .csv or .tsv.")
@click.option(
    "--keep-data",
    is_flag=True,
    help="Keep counts and cells in the fit, for tests and plots that need them.",
)
def fit(data: Path, output: Path | None, overwrite: bool, keep_data: bool, **options: Any) -> None:
    """Fit a negative binomial GLM to every gene.

    DATA is an AnnData (.h5ad or .zarr) or a text table of counts (.csv, .tsv; a line for each cell,
    the first column its name) beside --obs. Without -o the table of coefficients goes to stdout.
    A gene that cannot be fitted has a status that says why, and is no error.
    """
    place = None
    if output is not None:
        inputs = (data, options["obs"]) if options["obs"] else (data,)
        place = Output(output, (*_STORES, *TABLE_SUFFIXES), overwrite, inputs)
    given = Given(
        data,
        options["obs"],
        options["layer"],
        options["raw"],
        options["transpose"],
        options["genes"],
    )
    results = _fitted(given, options)
    note(f"{output or data}: {summary(results)}")
    if place is None or not place.path.name.lower().endswith(_STORES):
        write_table(results.to_frame(), format_of(output, None), place)
    else:
        place.write(lambda path: results.save(path, data=keep_data))


def _fitted(given: Given, options: dict[str, Any]) -> NegBinResults:
    """The fit that the options ask for."""
    table, obs = read_given(given)
    where = given.obs or given.path
    named: dict[str, Any] = {
        name: column(obs, options[name], f"--{name}", where) for name in ("offset", "weights")
    }
    named["size_factors"] = _size_factors(obs, options, where)
    groups = column(obs, options["groups"], "--groups", where)
    kind = options["cov_type"] or ("oim" if groups is None else "cluster")
    if (kind == "cluster" or kind.startswith("CR")) != (groups is not None):
        msg = f"--cov-type {kind} {'does not go with' if groups else 'needs'} --groups"
        raise click.UsageError(msg)
    progress = options["progress"]
    if progress is None and not sys.stderr.isatty():
        progress = False
    import pandas as pd

    from nbglm.negbin import fit_negbin

    with naming(given.path), _covariates_missed(obs):
        return fit_negbin(
            table,
            {"mean": options["mean"], "dispersion": options["dispersion"]},
            obs=obs if isinstance(table, pd.DataFrame) else None,
            layer=given.layer,
            **named,
            cov_type=kind,
            cov_kwds=None if groups is None else {"groups": groups},
            rank_deficient=options["rank_deficient"],
            n_jobs=options["n_jobs"],
            progress=progress,
            max_memory=options["max_memory"],
            scope="caller" if options["python"] else "columns",
        )


def _size_factors(obs: DataFrame, options: dict[str, Any], where: object) -> str | None:
    """A column of obs, or a way to compute them, which needs all genes."""
    from nbglm.preprocessing.sizefactors import method_named

    name: str | None = options["size_factors"]
    try:
        method = method_named(name, obs)
    except AlignmentError as error:
        msg = f"{where}: {str(error).replace('size_factors=', '--size-factors ')}"
        raise AlignmentError(msg) from error
    if method and options["genes"]:
        msg = (
            f"--size-factors {method} would be computed from the genes of --genes alone; leave out "
            f"one of both, or name a column of obs with factors from all genes."
        )
        raise click.UsageError(msg)
    return name


@contextmanager
def _covariates_missed(obs: DataFrame) -> Iterator[None]:
    """Say where covariates come from to whom has none."""
    try:
        yield
    except FormulaError as error:
        if len(obs.columns):
            raise
        msg = f"{error} There are no covariates; --obs names a table of them."
        raise FormulaError(msg) from error
