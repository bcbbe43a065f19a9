"""``nbglm info``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nbglm.cli.commands import command
from nbglm.cli.fits import open_fit, some_genes, summary
from nbglm.cli.options import FILE, table_options
from nbglm.cli.reading import open_anndata
from nbglm.cli.tables import is_text_table, read_row_table
from nbglm.cli.writing import TABLE_SUFFIXES, Output, format_of, write_table
from nbglm.exceptions import some_of

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

    from nbglm.design.columns import Column

__all__ = ["info"]

_LEVELS = 8
_WORDS = {"numeric": "numbers", "bool": "true or false"}
_FIT = "nbglm"  # where a fit lies in the uns of an AnnData


@command(
    "info",
    [
        ("What could be fitted", "nbglm info cells.h5ad"),
        ("What was fitted, and what --term and --obs may name", "nbglm info fit.h5ad"),
        ("What happened to a gene, in sentences", "nbglm info fit.h5ad --explain gene001"),
        ("Its covariates, as a table", "nbglm info cells.h5ad --obs | head -4"),
    ],
)
@click.argument("file", type=FILE)
@click.option("--obs", is_flag=True, help="Write the covariates of the cells as a table.")
@click.option("--summary", "page", is_flag=True, help="A fit on one page, all genes together.")
@click.option(
    "--explain",
    metavar="GENES",
    multiple=True,
    help="Say what happened to some genes of a fit: names with commas between them.",
)
@table_options
def info(
    file: Path,
    obs: bool,
    page: bool,
    explain: tuple[str, ...],
    format_: str | None,
    output: Path | None,
    overwrite: bool,
) -> None:
    """Say what is in a file: data, or a fit.

    FILE is an AnnData (.h5ad or .zarr), a text table, or a fit. Of data: cells, genes, counts, and
    the columns of obs with what a formula takes them for; of a fit: its formulas, and what other
    commands may ask for. With --obs the covariates are written as a table instead.
    """
    if obs + page + bool(explain) > 1:
        msg = "Give one of --obs, --summary and --explain."
        raise click.UsageError(msg)
    if page or explain:
        results = some_genes(open_fit(file), explain, file)
        said = [str(results.summary())] if page else map(results.explain, results.gene_names)
        click.echo("\n".join(said))
        return
    place = Output(output, TABLE_SUFFIXES, overwrite, (file,)) if output else None
    if is_text_table(file) and not file.is_dir():
        table = read_row_table(file)
        lines = [f"{file}: a text table, {len(table)} rows x {len(table.columns)} columns"]
        lines += _columns(table)
    else:
        adata = open_anndata(file)
        table = adata.obs
        lines = _of_fit(file) if _FIT in adata.uns else _of_data(file, adata)
    if obs:
        write_table(
            table.rename_axis(table.index.name or "cell"), format_of(output, format_), place
        )
    else:
        click.echo("\n".join(lines))


def _of_fit(file: Path) -> list[str]:
    """Lines that describe a fit."""
    results = open_fit(file)
    lines = [f"{file}: a fit of {summary(results)}"]
    for name, side in (("mean", results.design.mean), ("dispersion", results.design.dispersion)):
        lines.append(f"  {name:11}  {side.formula.expanded}")
        lines.append(f"  {'':11}  --term may be {some_of(side.terms, 12)}")
        kinds = [f"{column.name} ({_frozen(column)})" for column in side.columns.values()]
        lines += [f"  {'':11}  --obs needs {', '.join(kinds)}"] if kinds else []
    for rule in results.design.rules:
        if rule.source != "none":
            where = (
                f"column {rule.column}, which --obs needs too"
                if rule.column
                else "an array, not kept"
                if rule.source == "array"
                else f"{rule.source}, computed from the counts"
            )
            lines.append(f"  {rule.what.replace('_', ' '):11}  {where}")
    lines.append(f"  {'errors':11}  {results.cov_type} ({results.cov.reference})")
    kept = "no" if results.remains is not None else "yes, as --keep-data keeps them"
    return [*lines, f"  {'counts kept':11}  {kept}"]


def _frozen(column: Column) -> str:
    """What new rows must have in a column."""
    return ", ".join(column.levels) if column.levels else _WORDS.get(column.kind, column.kind)


def _of_data(file: Path, adata: AnnData) -> list[str]:
    """Lines that describe counts and cells."""
    lines = [f"{file}: {adata.n_obs} cells x {adata.n_vars} genes"]
    lines += [f"  genes        {some_of(adata.var_names, 5)}"]
    if adata.X is not None:
        lines.append(f"  X            {_values(adata.X)}")
    lines += [
        f"  --layer {name}  {_values(values)}" for name, values in adata.layers.items() if name
    ]
    if adata.raw is not None:
        lines.append(f"  --raw        {adata.raw.n_vars} genes, {_values(adata.raw.X)}")
    return [*lines, *_columns(adata.obs)]


def _values(matrix: Any) -> str:
    """Whether numbers may be counts."""
    import numpy as np
    from scipy import sparse

    values = matrix.data if sparse.issparse(matrix) else np.asarray(matrix)
    kind = f"{'sparse' if sparse.issparse(matrix) else 'dense'} {values.dtype}"
    entries = matrix.shape[0] * matrix.shape[1]
    if not values.size or not entries:
        return f"{kind}, no value but 0"
    zeros = 1.0 - np.count_nonzero(values) / entries
    said = f"{kind}, {zeros:.0%} zero, largest {values.max():g}"
    if values.min() < 0:
        return f"{said}, smallest {values.min():g}: no counts"
    whole = bool(np.all(values == np.floor(values)))
    return said if whole else f"{said}, not whole: no counts"


def _columns(obs: pd.DataFrame) -> list[str]:
    """A line for each column."""
    if not len(obs.columns):
        return ["  obs          no columns"]
    width = max(len(str(name)) for name in obs.columns)
    names = [str(name).ljust(width) for name in obs.columns]
    return [
        f"  {'obs' if not number else '':11}  {name}  {_kind(obs.iloc[:, number])}"
        for number, name in enumerate(names)
    ]


def _kind(values: pd.Series) -> str:
    """What a formula takes a column for."""
    import pandas as pd

    missing = int(values.isna().sum())
    more = f", {missing} missing" if missing else ""
    known = values.dropna()
    if pd.api.types.is_bool_dtype(values.dtype):
        return f"true or false: {int(known.sum())} true{more}"
    if pd.api.types.is_numeric_dtype(values.dtype):
        if known.empty:
            return f"numbers, none known{more}"
        return f"numbers from {known.min():g} to {known.max():g}{more}"
    counts = known.astype(str).value_counts()
    levels = ", ".join(f"{level} ({counts[level]})" for level in counts.index[:_LEVELS])
    others = f" and {len(counts) - _LEVELS} more" if len(counts) > _LEVELS else ""
    return f"{len(counts)} level{'s' * (len(counts) != 1)}: {levels}{others}{more}"
