"""What inference costs beside the fit: seconds by kind, for many genes.

``python validation/inference_cost.py [--genes 20000] [--jobs 2]``: the simulated sparse cells of
``sparse_cells.py``, 3,000 of them, with a categorical and with a continuous design.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from typing import Any

import joblib
import numpy as np
import pandas as pd
from sparse_cells import sparse_cells

import nbglm

DESIGNS = (("~ type", "~ 1"), ("~ type + time", "~ 1"))


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds, and the result."""
    started = time.perf_counter()
    found = call()
    return time.perf_counter() - started, found


def one_design(data: Any, mean: str, dispersion: str) -> pd.Series:
    """Seconds of the fit and of each kind of inference."""
    formula = {"mean": mean, "dispersion": dispersion}
    nbglm.fit_negbin(data[:, :20], formula, progress=False).t_test("Intercept")  # compiles, imports
    seconds = {}
    seconds["fit"], fit = timed(lambda: nbglm.fit_negbin(data, formula, progress=False))
    smaller = {"mean": "~ 1", "dispersion": dispersion}
    kinds: dict[str, Callable[[], Any]] = {
        "errors, oim": lambda: (fit.bse, fit.conf_int()),
        "errors, eim": lambda: fit.with_cov("eim").bse,
        "errors, HC0": lambda: fit.with_cov("HC0").bse,
        "errors, cluster": lambda: fit.with_cov("cluster", {"groups": "donor"}).bse,
        "p-values (LR where infinite)": lambda: fit.pvalues,
        "t_test, one contrast": lambda: fit.t_test("type[T.Beta]"),
        "wald_test, six types": lambda: fit.wald_test("type"),
        "score_test, a factor": lambda: fit.score_test("~ batch"),
        "smaller model and lr_test": lambda: nbglm.lr_test(
            fit, nbglm.fit_negbin(data, smaller, progress=False)
        ),
        "marginal means": lambda: fit.marginal_means("type"),
        "overdispersion_test": fit.overdispersion_test,
    }
    for name, call in kinds.items():
        seconds[name], _ = timed(call)
    words = fit.status.value_counts()
    print(
        f"{mean}, {dispersion}: {words.to_dict()}, log-likelihood {fit.llf.sum():.8g}", flush=True
    )
    return pd.Series(seconds, name=f"{mean}, {dispersion}")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--genes", type=int, default=20_000)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    warnings.simplefilter("ignore", nbglm.NbglmWarning)
    data = sparse_cells(genes=options.genes)
    data.obs["donor"] = (np.arange(data.n_obs) % 12).astype(str)
    with joblib.parallel_config(n_jobs=options.jobs):
        columns = [one_design(data, *design) for design in DESIGNS]
    table = pd.concat(columns, axis=1)
    print(table.round(1).to_string())
    print("\nas a share of the fit")
    print((table / table.loc["fit"]).round(2).to_string())


if __name__ == "__main__":
    main()
