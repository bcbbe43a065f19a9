"""The options that several commands have, and the kinds of their values."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from nbglm.cli.writing import FORMATS
from nbglm.exceptions import NbglmError

__all__ = [
    "FILE",
    "adjustment_options",
    "data_options",
    "jobs_option",
    "memory_option",
    "output_option",
    "seed_option",
    "several",
    "table_options",
]

Callback = TypeVar("Callback", bound=Callable[..., Any])

FILE = click.Path(path_type=Path)


def _whole_number(value: str) -> int:
    try:
        return int(value)
    except ValueError:
        msg = f"{value!r} is not a whole number"
        raise click.BadParameter(msg) from None


def _seed(_: click.Context, __: click.Parameter, value: str | None) -> int | None:
    if value is None:
        return None
    seed = _whole_number(value)
    if seed < 0:
        msg = f"a seed must not be negative; got {seed}"
        raise click.BadParameter(msg)
    return seed


def _jobs(_: click.Context, __: click.Parameter, value: str | None) -> int | None:
    if value is None:
        return None
    from nbglm.parallel.blocks import wanted_jobs  # and joblib, when it is needed

    jobs = _whole_number(value)
    try:
        return wanted_jobs(jobs)
    except NbglmError as error:
        raise click.BadParameter(str(error)) from None


def _memory(_: click.Context, __: click.Parameter, value: str | None) -> int | None:
    if value is None:
        return None
    from nbglm.memory import parse_memory

    try:
        return parse_memory(value)
    except NbglmError as error:
        raise click.BadParameter(str(error)) from None


def several(*options: Callable[[Any], Any]) -> Callable[[Callback], Callback]:
    """Make one decorator of several, the first of which comes first in the help.

    Parameters
    ----------
    *options : callable
        Decorators.

    Returns
    -------
    callable

    Examples
    --------
    >>> several(lambda f: f + ["b"], lambda f: f + ["c"])(["a"])
    ['a', 'c', 'b']
    """

    def decorate(callback: Callback) -> Callback:
        for option in reversed(options):
            callback = option(callback)
        return callback

    return decorate


data_options = several(
    click.option("--layer", metavar="NAME", help="Layer that holds the counts, in place of X."),
    click.option("--raw", is_flag=True, help="Take the counts from .raw, in place of X."),
    click.option(
        "--obs",
        type=FILE,
        metavar="FILE",
        help="Covariates of the cells, in place of the file's own: a text table (or the obs of an "
        "AnnData) whose rows are matched by name.",
    ),
    click.option(
        "--genes",
        multiple=True,
        metavar="NAMES",
        help="Only these genes: names with commas between them, or a file with a name a line.",
    ),
    click.option(
        "--transpose", is_flag=True, help="The text table of counts has a line for each gene."
    ),
)
"""What says where counts and covariates are."""


def output_option(help_: str, *, required: bool = False) -> Callable[[Callback], Callback]:
    """``--output`` and ``--overwrite``.

    Parameters
    ----------
    help_ : str
        What is written there.
    required : bool
        Whether there is no stdout in its place.

    Returns
    -------
    callable
        A decorator.
    """
    return several(
        click.option("-o", "--output", type=FILE, metavar="FILE", required=required, help=help_),
        click.option("--overwrite", is_flag=True, help="Replace the file if it is there."),
    )


table_options = several(
    click.option(
        "--format",
        "format_",
        type=click.Choice(FORMATS),
        help="Of the table: csv (default), tsv and json with all digits, text for reading.",
    ),
    output_option("Write the table to this file, in place of stdout; its name says the format."),
)
"""How a table is written, and where."""


jobs_option = click.option(
    "--n-jobs",
    callback=_jobs,
    metavar="N",
    help="Parallel workers; -1 takes every core.  [default: 1]",
)

memory_option = click.option(
    "--max-memory",
    callback=_memory,
    metavar="SIZE",
    help="Memory for designs and counts while they are read, such as 4GB.  [default: half of what "
    "is free]",
)


def seed_option(help_: str, default: str | None = None) -> Callable[[Callback], Callback]:
    """``--seed``.

    Parameters
    ----------
    help_ : str
        What it makes repeatable.
    default : str, optional
        Where it is not given.

    Returns
    -------
    callable
        A decorator.
    """
    return click.option(
        "--seed",
        callback=_seed,
        metavar="N",
        default=default,
        show_default=default is not None,
        help=help_,
    )


adjustment_options = several(
    click.option(
        "--alpha",
        type=click.FloatRange(0.0, 1.0, min_open=True, max_open=True),
        default=0.05,
        show_default="0.05",
        metavar="LEVEL",
        help="Significance level of the intervals.",
    ),
    click.option(
        "--method",
        default="fdr_bh",
        show_default=True,
        metavar="NAME",
        help="Adjustment for the number of genes, as in statsmodels' multipletests.",
    ),
)
"""Levels, and the adjustment for many tests."""
