"""Size of the tests of fit, and what they find: ``python validation/goodness_of_fit.py``.

Counts of a mean that depends on a covariate are simulated and fitted, by the true formulas for the
size of a test; and for its power after a fifth of the counts was turned into zeros, or with an
overdispersion of ``4 / r + 1 / 2`` in every other cell. Genes without a count are left out. Written
to validation/coverage/goodness_of_fit.csv.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

import nbglm
from nbglm.diagnostics.checks import TESTS

OUT = Path(__file__).parent / "coverage" / "goodness_of_fit.csv"
CELLS = (200, 1000)
MEANS = (0.05, 0.3, 2.0, 20.0)
SIZES = (0.3, 2.0, np.inf)
ALTERNATIVES = ("more zeros", "two sizes")


def simulate(
    rng: np.random.Generator, cells: int, genes: int, mean: float, size: float, kind: str
) -> tuple[np.ndarray, pd.DataFrame]:
    """Counts of many genes, and the covariate."""
    x = rng.normal(size=cells)
    mu = mean * np.exp(0.3 * x)[:, None] * np.ones(genes)
    inverse = np.full(cells, 1.0 / size)
    if kind == "two sizes":
        inverse[::2] = 4.0 * inverse[::2] + 0.5
    with np.errstate(divide="ignore"):
        r = np.where(inverse > 0.0, 1.0 / inverse, 1.0)[:, None]
    factor = np.where(inverse[:, None] > 0.0, rng.gamma(r, 1.0 / r, mu.shape), 1.0)
    counts = rng.poisson(mu * factor)
    if kind == "more zeros":
        counts *= rng.random(counts.shape) > 0.2
    return counts, pd.DataFrame({"x": x})


def settings() -> Iterator[tuple[str, int, float, float, str]]:
    """Kind of the counts, cells, mean, size and dispersion formula."""
    for cells, mean, size in itertools.product(CELLS, MEANS, SIZES):
        yield "none", cells, mean, size, "~ 1"
        if mean > 1.0:
            yield "none", cells, mean, size, "~ x"
    for kind, mean, size in itertools.product(ALTERNATIVES, MEANS, SIZES):
        yield kind, CELLS[-1], mean, size, "~ 1"


def rates(genes: int, others: int, seed: int) -> pd.DataFrame:
    """Shares of genes that each test rejects, in every setting."""
    rows = []
    for kind, cells, mean, size, formula in settings():
        rng = np.random.default_rng([seed, len(rows)])
        number = genes if kind == "none" else others
        counts, obs = simulate(rng, cells, number, mean, size, kind)
        formulas = {"mean": "~ x", "dispersion": formula}
        fit = nbglm.fit_negbin(counts, formulas, obs=obs, progress=False)
        told = fit.subset(~fit.status.isin(["all_zero", "not_converged"]))
        found = told.goodness_of_fit()["p_value"]
        p = {test: found.xs(test, level="test") for test in TESTS}
        row = {"added": kind, "cells": cells, "mean": mean, "size": size}
        row |= {"dispersion formula": formula, "genes": len(told.status)}
        row |= {f"{test} 5 %": float((p[test] < 0.05).mean()) for test in p}
        row |= {f"{test} 0.1 %": float((p[test] < 0.001).mean()) for test in p}
        rows.append(row)
        print(row, file=sys.stderr, flush=True)
    return pd.DataFrame(rows)


def main() -> None:
    """Simulate, write, and print a summary."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--genes", type=int, default=1000, help="simulated genes a setting")
    parser.add_argument("--others", type=int, default=200, help="genes where models are wrong")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    table = rates(given.genes, given.others, given.seed)
    table.round(4).to_csv(OUT, index=False)
    shares = [name for name in table if name.endswith("%")]
    summary = table.groupby(["added", "cells"], sort=False)[shares]
    genes = f"{given.genes} genes a setting ({given.others} of wrong models)"
    print(f"{genes}, seed {given.seed}, nbglm {nbglm.__version__}")
    for name, part in (("smallest", summary.min()), ("median", summary.median())):
        print(f"\n{name} of the settings\n{part.round(3).to_string()}")
    print(f"\nlargest of the settings\n{summary.max().round(3).to_string()}")


if __name__ == "__main__":
    main()
