"""Size of tests of dispersion terms, near the Poisson and far from it.

``python validation/coverage.py OUT --dispersion`` simulates genes whose cells have all the same
``alpha = 1 / r``, tests whether it depends on groups or on a covariate, and counts how often the
test rejects at 1 and at 5 %: with chi-squared, and with the reference of ``lr_test``. It writes
``dispersion_tests.csv`` to the folder OUT and prints the cells outside Monte Carlo error.

How far a truth is from the Poisson is the pooled estimate of ``alpha`` that it makes one expect, in
standard errors: 0 for Poisson counts, 1, 2 and 4 for alternatives that come closer as the number of
cells grows, and an ``alpha`` of 0.5, which is farther than that.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from scipy.special import chdtrc

import nbglm

DESIGNS: dict[str, tuple[float, ...]] = {
    "2 groups": (0.5, 0.5),
    "2 groups, 10 %": (0.1, 0.9),
    "3 groups": (1 / 3, 1 / 3, 1 / 3),
    "5 groups": (0.2, 0.2, 0.2, 0.2, 0.2),
    "5 groups, 60 %": (0.6, 0.1, 0.1, 0.1, 0.1),
    "covariate": (),
    "covariate, 3 groups": (1 / 3, 1 / 3, 1 / 3),
    "spline": (),
}
FORMULAS = {"covariate": ("~ x", "~ 1"), "covariate, 3 groups": ("~ g + x", "~ g")}
FORMULAS["spline"] = ("~ bs(x, df=4)", "~ 1")
CELLS = ((600, 1.0), (1000, 0.3), (300, 5.0))  # and their mean
DISTANCES = (0.0, 1.0, 2.0, 4.0, np.inf)
FAR = 0.5  # alpha of the truth that is far from the Poisson
LEVELS = (0.01, 0.05)


def one_cell(
    seed: int, design: str, n: int, mean: float, distance: float, repeats: int
) -> dict[str, object]:
    """Shares of tests that reject, of one cell of the grid."""
    warnings.simplefilter("ignore", nbglm.NbglmWarning)
    key = [seed, list(DESIGNS).index(design), n, int(10 * min(distance, 9.0))]
    rng = np.random.default_rng(key)
    shares = DESIGNS[design] or (1.0,)
    group = np.repeat(np.arange(len(shares)), np.round(np.array(shares) * n).astype(int))
    obs = pd.DataFrame({"g": [f"g{k}" for k in group], "x": rng.uniform(size=group.size)})
    mu = mean * np.exp(0.3 * np.cos(group) + 0.3 * obs["x"].to_numpy())[:, None]
    alpha = FAR if np.isinf(distance) else distance / np.sqrt(0.5 * (mu**2).sum())
    shape = (group.size, repeats)
    factor = rng.gamma(1.0 / alpha, alpha, size=shape) if alpha else np.ones(shape)
    counts = rng.poisson(mu * factor)
    by_group = len(shares) > 1
    larger, smaller = FORMULAS.get(design, ("~ g", "~ 1"))
    mean_formula = "~ g" if by_group and "x" not in larger else "~ g + x" if by_group else "~ x"
    full, null = (
        nbglm.fit_negbin(
            counts, {"mean": mean_formula, "dispersion": size}, obs=obs, progress=False
        )
        for size in (larger, smaller)
    )
    test = nbglm.lr_test(full, null).dropna(subset="p_value")
    plain = chdtrc(test["df"], test["statistic"])
    found = {
        f"{name} {level:g}": np.mean(pvalues < level)
        for name, pvalues in (("chi2", plain), ("reference", test["p_value"]))
        for level in LEVELS
    }
    where = {"design": design, "n": n, "mean": mean, "distance": distance, "alpha": alpha}
    return {**where, "reference": test["reference"].iloc[0], **found, "tests": len(test)}


def cells(repeats: int) -> Iterator[tuple[str, int, float, float, int]]:
    """The grid; designs with covariates are costly and get a quarter of the repeats or less."""
    for design, (n, mean), distance in itertools.product(DESIGNS, CELLS, DISTANCES):
        if design == "spline":
            if (n, mean) == CELLS[0]:
                yield design, n, mean, distance, repeats // 16
        else:
            yield design, n, mean, distance, repeats // 4 if design in FORMULAS else repeats


def run(seed: int, repeats: int, jobs: int) -> pd.DataFrame:
    """All cells of the grid.

    Parameters
    ----------
    seed : int
        Of the simulation.
    repeats : int
        Genes of a cell with groups.
    jobs : int
        Processes.

    Returns
    -------
    DataFrame
        With ``above``: whether the reference rejects more often than it should, by more than three
        Monte Carlo errors.
    """
    table = pd.DataFrame(
        Parallel(n_jobs=jobs)(delayed(one_cell)(seed, *cell) for cell in cells(repeats))
    )
    error = {level: np.sqrt(level * (1.0 - level) / table["tests"]) for level in LEVELS}
    table["above"] = np.any(
        [table[f"reference {level:g}"] > level + 3.0 * error[level] for level in LEVELS], axis=0
    )
    return table


def report(table: pd.DataFrame) -> None:
    """Print sizes in per cent by design and distance, and what is above."""
    columns = [f"{name} {level:g}" for level in LEVELS for name in ("chi2", "reference")]
    means = 100.0 * table.groupby(["design", "distance"], sort=False)[columns].mean()
    print(means.round(1).to_string())
    print(f"{table['above'].sum()} of {len(table)} cells reject too often:")
    print(table[table["above"]].round(4).to_string(index=False))
