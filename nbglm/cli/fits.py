"""Fits in files, as the commands that begin with one use them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nbglm.cli.failing import naming
from nbglm.cli.options import FILE
from nbglm.cli.reading import check_kind, read_rows
from nbglm.cli.tables import genes_named
from nbglm.exceptions import CountsError, FileError, UnavailableError
from nbglm.status import GENE_STATUS

if TYPE_CHECKING:
    import pandas as pd

    from nbglm.results import NegBinResults

__all__ = [
    "component_option",
    "fit_argument",
    "genes_option",
    "of_fit",
    "open_fit",
    "python_option",
    "rows_for",
    "rows_option",
    "summary",
]

fit_argument = click.argument("fit", type=FILE)

component_option = click.option(
    "--component",
    type=click.Choice(["mean", "dispersion"]),
    default="mean",
    show_default=True,
    help="Of which formula.",
)

genes_option = click.option(
    "--genes",
    multiple=True,
    metavar="NAMES",
    help="Only these genes: names with commas between them, or a file with a name a line.",
)

rows_option = click.option(
    "--obs",
    type=FILE,
    metavar="FILE",
    help="New rows: a text table, or the obs of an .h5ad or .zarr. The first column is their "
    "names, unless the fit uses it.  [default: the cells of the fit, if it has kept them]",
)

python_option = click.option(
    "--python",
    is_flag=True,
    help="The formulas in the file are evaluated as Python: only for fits of your own.",
)


@contextmanager
def of_fit(path: Path) -> Iterator[None]:
    """Name the file of a fit in what is said of it, and how it would keep what it lacks.

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    NbglmError
        As it was raised, with more words.
    """
    with naming(path):
        try:
            yield
        except UnavailableError as error:
            msg = f"{error} 'nbglm fit --keep-data' keeps counts and cells in the file."
            raise UnavailableError(msg) from error


def open_fit(path: Path, *, python: bool = False) -> NegBinResults:
    """A fit that ``nbglm fit -o`` or ``save()`` has written.

    Parameters
    ----------
    path : Path
        The file.
    python : bool
        Whether its formulas may be evaluated as Python.

    Returns
    -------
    NegBinResults

    Raises
    ------
    CountsError
        If the file holds something else.
    FileError
        If there is none, or it is damaged.
    """
    check_kind(path)
    from nbglm.loading import load
    from nbglm.results import NegBinResults

    with naming(path):
        try:
            found = load(path, scope="caller" if python else "columns")
        except FileError as error:
            if "holds no fit" not in str(error):
                raise
            msg = f"this file holds no fit; 'nbglm fit {path} --mean ... -o fit.h5ad' makes one."
            raise CountsError(msg) from error
    found = getattr(found, "results", found)  # of a simulator
    if not isinstance(found, NegBinResults):
        msg = f"{path}: this is a {type(found).__name__}, not a fit of many genes."
        raise CountsError(msg)
    return found


def some_genes(results: NegBinResults, genes: tuple[str, ...], path: Path) -> NegBinResults:
    """The fit of the genes that an option names.

    Parameters
    ----------
    results : NegBinResults
        All of them.
    genes : tuple of str
        Values of the option; all genes if empty.
    path : Path
        File of the fit.

    Returns
    -------
    NegBinResults

    Raises
    ------
    CountsError
        If there is no such gene.
    """
    if not genes:
        return results
    return results.subset(genes_named(path, genes, results.gene_names))


def rows_for(results: NegBinResults, obs: Path | None) -> pd.DataFrame | None:
    """New rows for a fit.

    Parameters
    ----------
    results : NegBinResults
        Whose formulas say which columns are covariates.
    obs : Path or None
        The file.

    Returns
    -------
    DataFrame or None
    """
    if obs is None:
        return None
    design = results.design
    used = {*design.mean.columns, *design.dispersion.columns}
    used |= {rule.column for rule in design.rules if rule.column}
    return read_rows(obs, used)


def summary(results: NegBinResults) -> str:
    """How many genes were fitted, and what became of them.

    Parameters
    ----------
    results : NegBinResults
        The fit.

    Returns
    -------
    str
    """
    counts = results.status.value_counts()
    said = ", ".join(f"{counts[word]} {word}" for word in GENE_STATUS[::-1] if word in counts)
    genes, cells = len(results.status), results.counts.n_cells
    return (
        f"{genes} gene{'s' * (genes != 1)} x {cells} cell{'s' * (cells != 1)} in "
        f"{results.seconds:.2g} s: {said}"
    )
