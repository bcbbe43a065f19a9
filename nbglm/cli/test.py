"""``nbglm test``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nbglm.cli.commands import command
from nbglm.cli.fits import component_option, fit_argument, of_fit, open_fit
from nbglm.cli.options import FILE, adjustment_options, jobs_option, table_options
from nbglm.cli.writing import TABLE_SUFFIXES, Output, format_of, write_table

if TYPE_CHECKING:
    import pandas as pd

    from nbglm.results import NegBinResults

__all__ = ["test"]

_KINDS = "HYPOTHESIS, --against, --anova, --score, --overdispersion"


@command(
    "test",
    [
        (
            "A whole factor, of the dispersion",
            "nbglm test groups.h5ad condition --component dispersion > variable.csv",
        ),
        ("A value, with the estimate", 'nbglm test fit.h5ad "pseudotime = 1" --each | head -3'),
        (
            "Every term of both formulas, by likelihood ratios",
            "nbglm test groups.h5ad --anova --format text | head -5",
        ),
        (
            "A further term, without fitting it",
            'nbglm test groups.h5ad --score "~ donor" | head -3',
        ),
    ],
)
@fit_argument
@click.argument("hypothesis", nargs=-1)
@component_option
@click.option("--each", is_flag=True, help="Each combination by itself, with its estimate.")
@click.option(
    "--against",
    type=FILE,
    metavar="SMALLER",
    help="Likelihood ratios against a smaller fit of the same counts.",
)
@click.option(
    "--anova", is_flag=True, help="Likelihood ratios of every term of both formulas (type 2)."
)
@click.option("--score", metavar="FORMULA", help="Score test of further terms of --component.")
@click.option("--overdispersion", is_flag=True, help="Whether the Poisson would do.")
@adjustment_options
@jobs_option
@table_options
def test(
    fit: Path,
    format_: str | None,
    output: Path | None,
    overwrite: bool,
    **options: Any,
) -> None:
    """Test hypotheses for every gene.

    FIT is a file that 'nbglm fit -o' wrote. HYPOTHESIS is a coefficient, a term of the formula or
    a combination such as 'x = 1' or 'g[T.b] - g[T.c]'; several are tested together by Wald tests,
    or with --each one by one. The other tests need counts, which 'nbglm fit --keep-data' keeps.
    """
    asked = [
        name
        for name in ("hypothesis", "against", "anova", "score", "overdispersion")
        if options[name]
    ]
    if len(asked) != 1:
        found = "there are several" if asked else "there is none"
        msg = f"Say what to test by one of {_KINDS}; {found}."
        raise click.UsageError(msg)
    if options["each"] and asked != ["hypothesis"]:
        msg = "--each goes with a HYPOTHESIS."
        raise click.UsageError(msg)
    place = Output(output, TABLE_SUFFIXES, overwrite, (fit,)) if output else None
    results = open_fit(fit)
    with of_fit(fit):
        found = _tested(results, asked[0], options)
    write_table(found, format_of(output, format_), place)


def _tested(results: NegBinResults, kind: str, options: dict[str, Any]) -> pd.DataFrame:
    """The table of the test that was asked for."""
    method, component, n_jobs = options["method"], options["component"], options["n_jobs"]
    if kind == "hypothesis":
        given = list(options["hypothesis"])
        hypothesis = given[0] if len(given) == 1 else given
        if options["each"]:
            return results.t_test(hypothesis, component, alpha=options["alpha"], method=method)
        return results.wald_test(hypothesis, component, method=method)
    if kind == "against":
        from nbglm.inference.comparison import lr_test

        with of_fit(options["against"]):
            smaller = open_fit(options["against"])
        return lr_test(results, smaller, method=method)
    if kind == "anova":
        return results.anova(method=method, n_jobs=n_jobs)
    if kind == "score":
        return results.score_test(options["score"], component, method=method, n_jobs=n_jobs)
    return results.overdispersion_test(n_jobs=n_jobs)
