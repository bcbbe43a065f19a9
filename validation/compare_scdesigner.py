"""nbglm beside the stored fits of scDesigner on the pancreas data, ``~ pseudotime`` for both.

``python validation/compare_scdesigner.py``

Also gives the log-likelihood of the coefficients that its tutorial prints for the gene Pyy.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from cases import pancreas_cases

import nbglm
from nbglm.kernels.likelihood import loglik

STORED = Path(__file__).resolve().parent / "references" / "scdesigner.csv"
TUTORIAL_PYY = (1.768, 2.056)  # printed mean coefficients; its dispersion is not printed


def main() -> int:
    """Print the comparison; 1 if nbglm is lower on any gene."""
    cases = pancreas_cases()
    if not cases:
        print("pancreas.h5ad is not there")
        return 0
    case = cases[1]
    formula = {"mean": case.mean, "dispersion": case.dispersion}
    results = nbglm.fit_negbin(case.counts, formula, obs=case.obs, progress=False)
    print(f"nbglm: total log-likelihood {results.llf.sum():.2f}, {results.seconds:.2f} s")
    behind = 0
    for name, table in pd.read_csv(STORED).groupby("optimiser", sort=False):
        gap = results.llf[table["gene"]].to_numpy() - table["llf"].to_numpy()
        behind += int((gap < -1e-6).sum())
        print(
            f"scDesigner {name}: total {table['llf'].sum():.2f}, "
            f"{table['seconds_all'].iloc[0]:.1f} s, "
            f"below by {gap.sum():.2f} in all, median {np.median(gap):.3f}, largest {gap.max():.2f}"
        )
    x, _ = case.designs()
    y = case.counts["Pyy"].to_numpy()
    grid = np.linspace(-5, 5, 2001)
    best = max(float(loglik(y, x.to_numpy() @ TUTORIAL_PYY, zeta).sum()) for zeta in grid)
    ours = results.params["beta"]["Pyy"]
    print(
        f"Pyy: tutorial's {TUTORIAL_PYY} with the best constant size: log-likelihood {best:.2f}; "
        f"nbglm's ({ours.iloc[0]:.3f}, {ours.iloc[1]:.3f}): {results.llf['Pyy']:.2f}"
    )
    return int(behind > 0)


if __name__ == "__main__":
    sys.exit(main())
