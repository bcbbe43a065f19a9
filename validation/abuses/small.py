"""Small data, and fits of them, for misuses of formulas."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd

import nbglm

N = 60
rng = np.random.default_rng(20261126)
obs = pd.DataFrame(
    {
        "x": rng.uniform(0.1, 1.0, N),
        "z": rng.normal(size=N),
        "g": np.resize(["a", "b", "c"], N),
        "batch": np.resize(["b1", "b2", "b3", "b4"], N),
        "years": rng.uniform(0.5, 2.0, N),
        "flag": np.resize([True, False], N),
        "k": np.resize([1, 2, 3, 4, 5], N),
    },
    index=[f"cell{i}" for i in range(N)],
)
counts = pd.DataFrame({"gene": rng.negative_binomial(3, 0.3, N)}, obs.index)
df = obs.assign(y=counts["gene"])
secret = np.arange(N)
upside_down = obs["x"][::-1]
masked = np.ma.masked_array(np.arange(N), np.arange(N) == 3)


def stop(values: np.ndarray) -> np.ndarray:
    """A function of the caller that fails in an unusual way."""
    raise StopIteration(values.size)


def double(values: np.ndarray) -> np.ndarray:
    """A function of the caller."""
    return 2 * values


def fit(formula: object, frame: pd.DataFrame = obs, **options: object) -> nbglm.NegBinResults:
    """A small fit."""
    table = counts.set_axis(frame.index) if len(frame) == N else counts.loc[frame.index]
    return nbglm.fit_negbin(table, formula, obs=frame, **{"progress": False, **options})


def model(formula: object, data: object = df, *args: object, **options: object) -> pd.Series:
    """The parameters of a small model."""
    return nbglm.NegBinModel.from_formula(formula, data, *args, **options).fit().params


def beta(formula: object, frame: pd.DataFrame = obs) -> list[float]:
    """Coefficients of the mean."""
    return fit(formula, frame).params["beta"]["gene"].tolist()


@cache
def plain() -> list[float]:
    """What a column of any name must come to."""
    return beta("~ x + z")


@cache
def spline() -> nbglm.NegBinResults:
    """A fit whose terms cannot be evaluated at nothing."""
    return fit("~ bs(x, df=4) * g + center(z) + C(k)")


def with_name(name: object, formula: str = "~ .") -> list[float]:
    """Coefficients when z bears another name."""
    frame = obs[["x", "z"]].set_axis(pd.Index(["x", name], dtype=object), axis=1)
    return beta(formula, frame)
