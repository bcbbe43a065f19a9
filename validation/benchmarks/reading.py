"""What it costs to read and check a table, of every kind that users hand in, beside a fit.

Counts of 2,087 cells x 2,000 genes; "read" is the check of all values and every block of genes
once, which is what a fit does with them; the fit is that of a factor of six levels with a constant
dispersion, which takes least of all. CPU seconds, so that other work on the machine hardly counts.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy import sparse

import nbglm
from benchmarks.report import between, options_of, write_csv, write_markdown
from benchmarks.timing import spread
from nbglm.counts.table import read_counts

GENES_A_BLOCK = 125
KINDS: dict[str, Callable[[np.ndarray], object]] = {
    "CSC float64": lambda y: sparse.csc_matrix(y.astype(float)),
    "CSR float64": lambda y: sparse.csr_matrix(y.astype(float)),
    "DataFrame float64": lambda y: pd.DataFrame(y.astype(float)),
    "DataFrame int64": lambda y: pd.DataFrame(y.astype(np.int64)),
    "DataFrame int32": lambda y: pd.DataFrame(y.astype(np.int32)),
    "array float64, C order": lambda y: np.ascontiguousarray(y, dtype=float),
    "array int64, C order": lambda y: np.ascontiguousarray(y, dtype=np.int64),
    "array int32, C order": lambda y: np.ascontiguousarray(y, dtype=np.int32),
    "array float64, Fortran order": lambda y: np.asfortranarray(y, dtype=float),
}


def read(data: object) -> float:
    """Read and check a table and take all of it in blocks; the sum of the counts."""
    counts = read_counts(data)
    return float(sum(block.counts.sum() for block in counts.blocks(GENES_A_BLOCK)))


def processor_seconds(call: Callable[[], object], runs: int) -> list[float]:
    """CPU seconds of several calls, after one that does not count."""
    call()
    seconds = []
    for _ in range(runs):
        started = time.process_time()
        call()
        seconds.append(time.process_time() - started)
    return seconds


def measure(cells: int, genes: int, runs: int) -> list[dict[str, object]]:
    """Microseconds a gene for each kind of table."""
    rng = np.random.default_rng(0)
    mean = np.exp(rng.normal(-1.0, 1.5, genes))
    y = rng.negative_binomial(2, 2 / (2 + mean), (cells, genes))
    obs = pd.DataFrame({"g": np.array(list("abcdef"))[np.arange(cells) % 6]})
    rows = []
    for kind, convert in KINDS.items():
        data = convert(y)
        if read(data) != y.sum():
            msg = f"{kind}: what was read is not what was given"
            raise AssertionError(msg)
        reading = processor_seconds(lambda data=data: read(data), runs)
        fitting = processor_seconds(
            lambda data=data: nbglm.fit_negbin(data, "~ g", obs=obs, progress=False), runs
        )
        rows.append(
            {
                "table": kind,
                "cells": cells,
                "genes": genes,
                **spread("read_us", reading, 1e6 / genes),
                **spread("fit_us", fitting, 1e6 / genes),
            }
        )
    return rows


def main() -> None:
    """Measure and write ``reading.csv`` and ``reading.md``."""
    options = options_of(__doc__).parse_args()
    rows = measure(2_087, 200 if options.quick else 2_000, options.runs)
    table = write_csv(rows, options.out / "reading.csv", options.note)
    shown = pd.DataFrame(
        {
            "table": table["table"],
            "read, us a gene": [between(row, "read_us") for _, row in table.iterrows()],
            "read and fit, us a gene": [between(row, "fit_us") for _, row in table.iterrows()],
        }
    )
    write_markdown(shown, table, options.out / "reading.md")


if __name__ == "__main__":
    main()
