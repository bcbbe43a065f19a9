"""``nbglm demo``."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from nbglm.cli.commands import command
from nbglm.cli.failing import naming, note
from nbglm.cli.options import FILE, jobs_option, output_option, seed_option
from nbglm.cli.reading import open_anndata
from nbglm.cli.writing import Output
from nbglm.hdf5 import write_h5ad

__all__ = ["demo"]


@command(
    "demo",
    [
        ("See what a fit gives", "nbglm demo"),
        ("Write cells to try the other commands with", "nbglm demo -o cells.h5ad"),
        ("A first look at a file", 'nbglm demo --data cells.h5ad --mean "~ condition"'),
    ],
)
@click.option("--data", type=FILE, metavar="FILE", help="Fit this .h5ad or .zarr instead.")
@click.option("--mean", default="~ .", show_default=True, help="Mean formula for --data.")
@click.option(
    "--dispersion", default="~ 1", show_default=True, help="Dispersion formula for --data."
)
@click.option("--layer", help="Layer of --data that holds the counts.  [default: X]")
@seed_option("Of the simulation.", "0")
@jobs_option
@output_option("Write simulated cells to this .h5ad or .zarr.")
def demo(
    data: Path | None,
    mean: str,
    dispersion: str,
    layer: str | None,
    seed: int,
    n_jobs: int | None,
    output: Path | None,
    overwrite: bool,
) -> None:
    """Fit simulated and real data and print what comes out.

    Without --data: a simulation with known truth, and real data beside statsmodels; neither needs
    a network. With --data: your own counts. With -o: write simulated cells to try the other
    commands with, and print nothing.
    """
    if output is not None:
        if data is not None:
            msg = "-o writes simulated cells, and does not go with --data"
            raise click.UsageError(msg)
        place = Output(output, (".h5ad", ".zarr"), overwrite)
        from nbglm.datasets import simulate_cells

        cells = simulate_cells(seed=seed)
        place.write(partial(write_h5ad, cells) if output.suffix == ".h5ad" else cells.write_zarr)
        note(f"{output}: {cells.n_obs} cells x {cells.n_vars} genes, obs: {', '.join(cells.obs)}")
        return
    from nbglm import demo as shown

    if data is None:
        shown.demo_simulation(seed, n_jobs)
        shown.demo_health_visits()
    else:
        adata = open_anndata(data)
        with naming(data):
            shown.demo_data(adata, str(data), mean, dispersion, layer, n_jobs)
