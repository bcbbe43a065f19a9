"""A million cells x 2,000 genes from a backed file: seconds and peak memory.

A sparse h5ad file is simulated and written piece by piece, then fitted from backed mode with two
workers, each run in a fresh process. With size factors each cell has a design row of its own, so
a categorical design with them costs what the continuous one does.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.report import between, options_of, write_csv, write_markdown
from benchmarks.timing import spread

__all__ = ["fit_in_fresh_process", "measure", "write_in_fresh_process"]

DESIGNS = {"categorical": "~ type", "continuous": "~ time"}
JOBS = 2
BYTES = 10  # of the file for each positive count, with room to spare
WRITE = """
import json, pathlib, sys
from benchmarks.million_cells import write_cells
from benchmarks.machine import peak_memory
path, cells, genes, jobs = sys.argv[1:]
found = write_cells(pathlib.Path(path), int(cells), int(genes), n_jobs=int(jobs))
print(json.dumps({**found, "writing_gib": peak_memory()}))
"""


def _last_line(command: list[str]) -> dict[str, Any]:
    """Run a process; the JSON object that it printed last."""
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.strip().splitlines()[-1])


def write_in_fresh_process(path: Path, cells: int, genes: int, jobs: int = JOBS) -> dict[str, Any]:
    """Write the file; seconds, size, share of positive entries, peak memory of the writing."""
    started = time.perf_counter()
    command = [sys.executable, "-c", WRITE, str(path), str(cells), str(genes), str(jobs)]
    found = _last_line(command)
    return {"writing_s": time.perf_counter() - started, **found}


def fit_in_fresh_process(path: Path, mean: str, jobs: int = JOBS) -> dict[str, Any]:
    """Fit the file; what :mod:`million_fit` reports."""
    command = [sys.executable, "-m", "benchmarks.million_fit", str(path)]
    return _last_line([*command, "--mean", mean, "--jobs", str(jobs)])


def measure(folder: Path, cells: int, genes: int, runs: int) -> list[dict[str, Any]]:
    """Write one file and fit it with each design; one row a design."""
    free, wanted = shutil.disk_usage(folder).free, 0.1 * cells * genes * BYTES
    if free < wanted:
        msg = (
            f"The file needs up to {wanted / 1e9:.1f} GB in {folder}, where {free / 1e9:.1f} GB "
            f"are free; name another folder with --scratch."
        )
        raise SystemExit(msg)
    path = folder / f"cells_{cells}_{genes}.h5ad"
    written = write_in_fresh_process(path, cells, genes)
    print(f"written: {written}", flush=True)
    rows = []
    for design, mean in DESIGNS.items():
        fits = []
        for _ in range(runs):
            fits.append(fit_in_fresh_process(path, mean))
            print(f"{design}: {fits[-1]}", flush=True)
        last = fits[-1]
        statuses = ", ".join(f"{n} {word}" for word, n in last["statuses"].items())
        row = {"design": design, "mean": mean, "cells": cells, "genes": genes, "jobs": JOBS}
        row |= spread("seconds", [fit["seconds"] for fit in fits])
        row |= spread("peak_gib", [fit["peak_gib"] for fit in fits])
        kept = ("before_gib", "backed", "evaluations", "loglik", "compared", "within_two")
        row |= {name: last[name] for name in (*kept, "largest_z")}
        rows.append({**row, "statuses": statuses, **written})
    path.unlink()
    return rows


def shown(table: pd.DataFrame) -> pd.DataFrame:
    """The table that people read."""
    return pd.DataFrame(
        {
            "design": table["mean"],
            "cells x genes": [f"{r.cells:,} x {r.genes:,}" for r in table.itertuples()],
            "positive": [f"{100 * value:.1f} %" for value in table["positive"]],
            "file, GiB": [f"{value:.2f}" for value in table["file_gib"]],
            f"seconds, {JOBS} cores": [between(row, "seconds") for _, row in table.iterrows()],
            "peak memory, GiB": [between(row, "peak_gib") for _, row in table.iterrows()],
            "evaluations a gene": [f"{value:.1f}" for value in table["evaluations"]],
            "status": table["statuses"],
            "log-likelihood": [f"{value:.2f}" for value in table["loglik"]],
            "truth within 1.96 SE": [f"{100 * value:.1f} %" for value in table["within_two"]],
            "farthest mean coefficient, SE": [f"{value:.1f}" for value in table["largest_z"]],
        }
    )


def main() -> None:
    """Measure and write ``million.csv`` and ``million.md``."""
    parser = options_of(__doc__)
    parser.add_argument("--scratch", type=Path, help="folder for the file; a temporary one else")
    parser.add_argument("--cells", type=int, nargs="+", help="numbers of cells (1,000,000)")
    parser.add_argument("--genes", type=int, help="number of genes (2,000)")
    options = parser.parse_args()
    cells = options.cells or [20_000 if options.quick else 1_000_000]
    genes = options.genes or (100 if options.quick else 2_000)
    if options.scratch:
        options.scratch.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(dir=options.scratch) as name:
        for number in cells:
            rows += measure(Path(name), number, genes, options.runs)
            table = write_csv(rows, options.out / "million.csv", options.note)
    write_markdown(shown(table), table, options.out / "million.md")


if __name__ == "__main__":
    main()
