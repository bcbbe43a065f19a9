"""Size of the tests of fit, and what they find: ``python validation/goodness_of_fit.py``.

Counts of a mean that depends on a covariate are simulated and fitted, by the true formulas for the
size of a test, and after a fifth of the counts was turned into zeros, or with a Poisson's
dispersion twice as variable in half of the cells, for its power. Genes without a count are left
out. Written to validation/coverage/goodness_of_fit.csv.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd

import nbglm
from nbglm.diagnostics.checks import TESTS

OUT = Path(__file__).parent / "coverage" / "goodness_of_fit.csv"
CELLS = (200, 1000)
MEANS = (0.05, 0.3, 2.0, 20.0)
SIZES = (0.3, 2.0, np.inf)
FORMULAS = ("~ 1", "~ x")
ALTERNATIVES = ("none", "more zeros", "two sizes")


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


def rates(genes: int, seed: int) -> pd.DataFrame:
    """Shares of genes that each test rejects, in every setting."""
    rows = []
    for kind in ALTERNATIVES:
        for cells in CELLS:
            for mean in MEANS:
                for size in SIZES:
                    for formula in FORMULAS if kind == "none" else FORMULAS[:1]:
                        rng = np.random.default_rng([seed, len(rows)])
                        counts, obs = simulate(rng, cells, genes, mean, size, kind)
                        formulas = {"mean": "~ x", "dispersion": formula}
                        fit = nbglm.fit_negbin(counts, formulas, obs=obs, progress=False)
                        told = fit.subset(~fit.status.isin(["all_zero", "not_converged"]))
                        found = told.goodness_of_fit()["p_value"]
                        p = {test: found.xs(test, level="test") for test in TESTS}
                        row = {"counts": kind, "cells": cells, "mean": mean, "size": size}
                        row |= {"dispersion formula": formula, "genes": len(told.status)}
                        row |= {f"{test} 5 %": (p[test] < 0.05).mean() for test in p}
                        row |= {f"{test} 0.1 %": (p[test] < 0.001).mean() for test in p}
                        rows.append(row)
                        print(row, file=sys.stderr, flush=True)
    return pd.DataFrame(rows)


def main() -> None:
    """Simulate, write, and print a summary."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--genes", type=int, default=1000, help="simulated genes a setting")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    table = rates(given.genes, given.seed)
    table.round(4).to_csv(OUT, index=False)
    shares = [name for name in table if name.endswith("%")]
    summary = table.groupby(["counts", "cells"], sort=False)[shares]
    print(f"{given.genes} genes a setting, seed {given.seed}, nbglm {nbglm.__version__}")
    for name, part in (("smallest", summary.min()), ("median", summary.median())):
        print(f"\n{name} of the settings\n{part.round(3).to_string()}")
    print(f"\nlargest of the settings\n{summary.max().round(3).to_string()}")


if __name__ == "__main__":
    main()
