"""Whether one data set has one answer: cells permuted, levels renamed, covariates scaled.

``python validation/one_answer.py``

Sparse genes are fitted in every representation. Counted are the genes whose log-likelihood differs
by more than 1e-6 from that of the data as they are, for each kind of representation, and those that
end lower than in the best of all.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

import nbglm

GENES = 60
SETS = ((900, 0.08), (300, 0.3), (900, 1.0))
FORMULAS = {
    "x": ("~ x", "~ x"),
    "g + x": ("~ g + x", "~ g + x"),
    "bs(x, df=4)": ("~ bs(x, df=4)", "~ bs(x, df=4)"),
}
SAME = 1e-6
RESULTS = Path(__file__).parent / "benchmarks" / "results" / "one_answer.md"


def example(cells: int, mean: float) -> tuple[np.ndarray, pd.DataFrame]:
    """Counts of all genes, and the columns of the cells."""
    rng = np.random.default_rng(cells)
    x, group = rng.normal(size=cells), rng.integers(0, 3, cells)
    mu = np.exp(0.4 * rng.normal(size=GENES) * x[:, None] + rng.normal(0, 0.4, (3, GENES))[group])
    mu *= mean / mu.mean(axis=0)
    r = np.exp(rng.normal(size=GENES) + 0.6 * rng.normal(size=GENES) * x[:, None])
    obs = pd.DataFrame({"x": x, "g": np.array(list("abc"))[group]})
    return rng.poisson(rng.gamma(r, mu / r)), obs


def representations(
    y: np.ndarray, obs: pd.DataFrame
) -> Iterator[tuple[str, np.ndarray, pd.DataFrame]]:
    """The same data, said in other ways."""
    rng = np.random.default_rng(1)
    yield "as they are", y, obs
    for _ in range(3):
        order = rng.permutation(len(obs))
        yield "permuted", y[order], obs.iloc[order].reset_index(drop=True)
    for names in ("cab", "bca"):
        yield "renamed", y, obs.assign(g=obs["g"].map(dict(zip("abc", names, strict=True))))
    for scale, shift in ((1000.0, 300.0), (-0.01, 0.03)):
        yield "scaled", y, obs.assign(x=scale * obs["x"] + shift)


def main() -> None:
    """Print the table, and keep it beside the results of the benchmarks."""
    warnings.simplefilter("ignore")
    rows = []
    for cells, mean in SETS:
        y, obs = example(cells, mean)
        for name, (of_mean, of_size) in FORMULAS.items():
            formula = {"mean": of_mean, "dispersion": of_size}
            kinds, values = [], []
            for kind, counts, frame in representations(y, obs):
                fit = nbglm.fit_negbin(counts, formula, obs=frame, n_jobs=1, progress=False)
                kinds.append(kind)
                values.append(fit.llf.to_numpy())
            llf = np.array(values)
            differs = pd.DataFrame(np.abs(llf - llf[0]) > SAME).groupby(np.array(kinds)).any()
            of_kind = differs.sum(axis=1)
            rows.append(
                {
                    "cells": cells,
                    "mean": mean,
                    "both formulas": name,
                    "genes": GENES,
                    "permuted": of_kind["permuted"],
                    "renamed": of_kind["renamed"],
                    "scaled": of_kind["scaled"],
                    "below the best": int((llf[0] < llf.max(axis=0) - SAME).sum()),
                    "by at most": f"{(llf.max(axis=0) - llf[0]).max():.2g}",
                    "sum": f"{llf[0].sum():.3f}",
                }
            )
    lines = [[*rows[0]], ["---"] * len(rows[0]), *(row.values() for row in rows)]
    table = "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)
    print(table)
    RESULTS.write_text(table, encoding="utf-8")


if __name__ == "__main__":
    main()
