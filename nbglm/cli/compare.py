"""``nbglm compare``."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from nbglm.cli.commands import command
from nbglm.cli.failing import note
from nbglm.cli.options import FILE, output_option, seed_option
from nbglm.cli.reading import Given, check_kind, read_given
from nbglm.cli.tables import is_text_table
from nbglm.cli.writing import TABLE_SUFFIXES, Output, format_of, write_table
from nbglm.exceptions import OptionError

__all__ = ["compare"]

_PICTURES = (".png", ".pdf", ".svg")


@command(
    "compare",
    [
        (
            "How far simulated counts are from real ones",
            "nbglm compare cells.h5ad together.h5ad",
        ),
        (
            "By cell type, as a picture of all cells",
            "nbglm compare cells.h5ad together.h5ad --by cell_type -o compare.png",
        ),
    ],
)
@click.argument("real", type=FILE)
@click.argument("others", type=FILE, nargs=-1, required=True)
@click.option("--by", metavar="COLUMN", help="Compare groups of cells by themselves, too.")
@click.option("--group", metavar="NAME", help="Draw this group.  [default: all cells]")
@click.option("--layer", metavar="NAME", help="Layer that holds the counts, in place of X.")
@click.option(
    "--dpi", type=click.IntRange(20, 1200), default=150, show_default=True, help="Dots per inch."
)
@seed_option("Of the cells whose correlations are looked at.", "0")
@output_option("Write distances to this .csv, .tsv or .json, or a picture to a .png, .pdf or .svg.")
def compare(
    real: Path,
    others: tuple[Path, ...],
    by: str | None,
    group: str | None,
    layer: str | None,
    dpi: int,
    seed: int | None,
    output: Path | None,
    overwrite: bool,
) -> None:
    """Compare tables of counts, real ones and simulated ones.

    REAL and OTHERS are AnnData files (.h5ad or .zarr) or text tables of counts, of the same genes;
    the others are compared with the first. Means, variances, zeros, library sizes, correlations and
    principal components; the distances are of Kolmogorov-Smirnov and of Wasserstein.
    """
    inputs = (real, *others)
    suffixes = (*_PICTURES, *TABLE_SUFFIXES)
    place = Output(output, suffixes, overwrite, inputs) if output else None
    drawn = place is not None and place.path.name.lower().endswith(_PICTURES)
    if group is not None and not drawn:
        msg = "--group is for a picture; a table has all groups."
        raise click.UsageError(msg)
    names = _names(inputs)
    tables = {name: _table(path) for name, path in zip(names, inputs, strict=True)}
    from nbglm.likeness.comparing import compare_counts

    found = compare_counts(tables, by, layer=layer, seed=seed)
    if place is None or not drawn:
        write_table(found.table, format_of(output, None), place)
        return
    with suppress(ImportError):  # of which nbglm.plots says what to install
        import matplotlib as mpl

        mpl.use("Agg")
    from nbglm import plots

    figure = plots.compare(found, group="all" if group is None else group)
    place.write(lambda path: figure.savefig(path, dpi=dpi))
    note(f"{place.path}: a picture of {len(tables)} tables")


def _names(paths: tuple[Path, ...]) -> list[str]:
    """What the tables are called: their files, without folders if these do not matter."""
    short = [path.stem for path in paths]
    names = short if len(set(short)) == len(short) else [str(path) for path in paths]
    if len(set(names)) < len(names):
        msg = "a file is named more than once; there is nothing to compare."
        raise OptionError(msg)
    return names


def _table(path: Path) -> Any:
    """A path, which is read in pieces, or a text table."""
    if is_text_table(path) and not path.is_dir():
        return read_given(Given(path))[0]
    check_kind(path)
    return path
