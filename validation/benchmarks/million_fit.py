"""Fit a backed h5ad file in this process and print, as JSON, what it took.

``python -m benchmarks.million_fit FILE --mean '~ type' [--jobs 2]``
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import anndata
import numpy as np

import nbglm
from benchmarks.machine import peak_memory
from benchmarks.million_cells import right_model, truth_of


def agreement(results: nbglm.NegBinResults, var: object, mean: str) -> dict[str, float]:
    """How far estimates are from the truth, in standard errors, where the model is right."""
    truth = truth_of(var, list(results.params["beta"].index))
    right = right_model(len(truth), mean) & (results.status == "ok").to_numpy()
    error = np.linalg.norm(results.root, axis=2)
    z = ((results.arrays.coef - truth) / error)[right]
    return {
        "compared": int(z.size),
        "within_two": float(np.mean(np.abs(z) < 1.959964)),
        "largest_z": float(np.abs(z[:, :-1]).max()),  # of the mean: log sizes have skewed errors
    }


def main() -> None:
    """Fit and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--mean", required=True)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    before = peak_memory()
    started = time.perf_counter()
    adata = anndata.read_h5ad(options.file, backed="r")
    formula = {"mean": options.mean, "dispersion": "~ 1"}
    results = nbglm.fit_negbin(adata, formula, n_jobs=options.jobs, progress=False)
    assert results.bse["beta"].shape
    seconds = time.perf_counter() - started
    found = {
        "seconds": seconds,
        "peak_gib": peak_memory(),
        "before_gib": before,
        "backed": bool(adata.isbacked),
        "evaluations": float(results.arrays.evaluations.mean()),
        "loglik": float(results.llf.sum()),
        "statuses": {str(word): int(n) for word, n in results.status.value_counts().items()},
        **agreement(results, adata.var, options.mean),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
