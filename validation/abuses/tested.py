"""Fits of small data with genes at every edge, for misuses of tests and tables."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd

import nbglm

N = 60
rng = np.random.default_rng(20261125)
obs = pd.DataFrame(
    {
        "x": rng.normal(size=N),
        "g": np.resize(["a", "b", "c"], N),
        "flag": np.resize([True, False], N),
        "batch": np.resize(["b1", "b2", "b3", "b4"], N),
        "depth": rng.uniform(0.5, 2.0, N),
    },
    index=[f"cell{i}" for i in range(N)],
)
obs["twice"] = 2 * obs["x"]
counts = pd.DataFrame(
    {
        "Pyy": rng.negative_binomial(2, 0.3, N),
        "Gcg": rng.negative_binomial(1, 0.2, N),
        "Even": rng.binomial(3, 0.5, N),
        "Silent": rng.poisson(3.0, N) * (obs["g"] != "c").to_numpy(),
        "Zero": 0,
    },
    index=obs.index,
)


def fit(mean: str, dispersion: str = "~ 1", **options: object) -> nbglm.NegBinResults:
    """A small fit of all genes."""
    formula = {"mean": mean, "dispersion": dispersion}
    return nbglm.fit_negbin(counts, formula, **{"obs": obs, "progress": False, **options})


@cache
def full() -> nbglm.NegBinResults:
    """A factor, a covariate and a condition, and sizes by the factor."""
    return fit("~ g + x + flag", "~ g")


@cache
def small() -> nbglm.NegBinResults:
    """A smaller model."""
    return fit("~ x")


@cache
def aliased() -> nbglm.NegBinResults:
    """With a column that says nothing new."""
    return fit("~ x + twice")
