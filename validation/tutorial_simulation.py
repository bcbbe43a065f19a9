"""Errors and coverage on the simulation of the scDesigner tutorial, over many seeds.

``python validation/tutorial_simulation.py [--seeds 20]``

Exits with an error if the 95 % intervals do not cover 95 % within Monte Carlo error.
"""

from __future__ import annotations

import argparse
import math
import sys

import numpy as np
import pandas as pd

import nbglm
from nbglm.demo import SIMULATION_FORMULA, simulate_tutorial


def main() -> int:
    """Simulate, fit, and compare with the truth."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    seeds = parser.parse_args().seeds
    rows = []
    for seed in range(seeds):
        adata, b, d = simulate_tutorial(seed)
        results = nbglm.fit_negbin(adata, SIMULATION_FORMULA, progress=False)
        truth = np.concatenate([b, d]).T
        coef = results.arrays.coef
        error = np.linalg.norm(results.root, axis=2)
        inside = np.abs(coef - truth) <= 1.959963984540054 * error
        rows.append(
            {
                "seed": seed,
                "MAE of B": np.abs(coef - truth)[:, :2].mean(),
                "MAE of D": np.abs(coef - truth)[:, 2:].mean(),
                "covered B": inside[:, :2].sum(),
                "covered D": inside[:, 2:].sum(),
                "ok": int((results.status == "ok").sum()),
                "seconds": results.seconds,
            }
        )
    table = pd.DataFrame(rows)
    print(table.to_string(index=False))
    total = 80 * seeds
    covered = int(table["covered B"].sum() + table["covered D"].sum())
    error = math.sqrt(0.95 * 0.05 / total)
    print(
        f"\nmean absolute error: B {table['MAE of B'].mean():.4f}, D {table['MAE of D'].mean():.4f}"
    )
    print(f"covered: {covered} of {total} = {covered / total:.4f}")
    print(f"expected: 0.95 +- {1.96 * error:.4f}")
    return int(abs(covered / total - 0.95) > 3 * error)


if __name__ == "__main__":
    sys.exit(main())
