"""``nbglm pseudobulk``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from nbglm.cli.commands import command
from nbglm.cli.failing import naming, note
from nbglm.cli.options import FILE, data_options, memory_option, output_option
from nbglm.cli.reading import Given, column, read_given
from nbglm.cli.writing import Output

__all__ = ["pseudobulk"]


@command(
    "pseudobulk",
    [
        (
            "A row for each donor, with the summed exposure of its cells",
            "nbglm pseudobulk cells.h5ad --by donor --exposure size_factor -o donors.h5ad",
        ),
        (
            "And then counting donors in place of cells",
            ('nbglm fit donors.h5ad --mean "~ condition" --size-factors exposure -o by_donor.h5ad'),
        ),
        (
            "For each donor and cell type, of at least ten cells",
            (
                "nbglm pseudobulk cells.h5ad --by donor --by cell_type --min-cells 10 "
                "--agg pseudotime=mean -o types.h5ad"
            ),
        ),
    ],
)
@click.argument("data", type=FILE)
@click.option(
    "--by", "by", metavar="COLUMN", multiple=True, required=True, help="What cells are grouped by."
)
@click.option(
    "--exposure", metavar="COLUMN", help="Of each cell, such as size factors; 1 by default."
)
@click.option(
    "--agg",
    metavar="COLUMN=FUNCTION",
    multiple=True,
    help="What becomes of a column that varies within a group: mean, median, first, ...",
)
@click.option(
    "--min-cells",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Leave out groups of fewer cells.",
)
@data_options
@memory_option
@output_option("Write the sums to this .h5ad or .zarr.", required=True)
def pseudobulk(data: Path, output: Path, overwrite: bool, **options: Any) -> None:
    """Sum counts over donors, or over any groups of cells.

    DATA is an AnnData (.h5ad or .zarr) or a text table of counts beside --obs. Columns of obs that
    are the same for all cells of a group are kept; those that vary are named, unless --agg says
    what becomes of them.
    """
    inputs = (data, options["obs"]) if options["obs"] else (data,)
    place = Output(output, (".h5ad", ".zarr"), overwrite, inputs)
    given = Given(
        data,
        options["obs"],
        options["layer"],
        options["raw"],
        options["transpose"],
        options["genes"],
    )
    table, obs = read_given(given)
    where = given.obs or given.path
    for name in options["by"]:
        column(obs, name, "--by", where)
    exposure = column(obs, options["exposure"], "--exposure", where)
    functions = dict(_function_of(one) for one in options["agg"])
    for name in functions:
        column(obs, name, "--agg", where)
    import pandas as pd

    from nbglm.preprocessing.pseudobulk import pseudobulk as summed

    with naming(given.path):
        bulk = summed(
            table,
            list(options["by"]),
            obs=obs if isinstance(table, pd.DataFrame) else None,
            layer=given.layer,
            exposure=exposure,
            agg=functions,
            min_cells=options["min_cells"],
            max_memory=options["max_memory"],
        )
    note(f"{output}: {bulk.n_obs} groups of {len(obs)} cells x {bulk.n_vars} genes")
    said = bulk.uns["pseudobulk"]
    for key, words in (("left_out", "too few cells, left out"), ("varying", "vary, not kept")):
        if said[key]:
            note(f"  {words}: {', '.join(map(str, said[key]))}")
    place.write(bulk.write_zarr if output.suffix == ".zarr" else bulk.write_h5ad)


def _function_of(text: str) -> tuple[str, str]:
    name, sign, function = text.rpartition("=")
    if not sign or not name or not function:
        msg = f"--agg {text!r} must be a column and a function, such as pseudotime=mean"
        raise click.UsageError(msg)
    return name, function
