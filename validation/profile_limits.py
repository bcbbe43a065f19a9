"""Two thousand profile limits of dispersion coefficients, each against a search of its own.

``python validation/profile_limits.py [--cases 130] [--genes 6] [--seed 0] [--jobs 2]``

Each case has 600 to 1,000 cells and sparse genes (means 0.05 to 0.3; Poisson, or with a size that
depends on the covariate), fitted with ``~ x`` in the mean and in the dispersion, whose likelihood
has many maxima. At every limit of the log size's coefficients, inside and outside of it, and far
out where a limit is infinite, the log-likelihood is maximised by scipy's L-BFGS-B with the
coefficient held, from starts that put the log size of every third of a list of anchor rows at a
grid of levels; no code is shared with the package but the log-probability of a count and its
derivatives. A limit is

* too narrow if the deviance there, or further out, is below the quantile by more than 1e-4,
* too wide if the deviance there is above it by more,
* open if it is NaN.

The exit code is the number of limits that are too narrow, too wide or open.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from scipy.optimize import minimize
from scipy.special import chdtri

import nbglm
from nbglm.kernels.likelihood import loglik, score

CUT = float(chdtri(1, 0.05))
SLACK = 1e-4
LEVELS = (-6.0, -3.0, -1.0, 0.0, 1.0, 2.0, 4.0, 8.0, 15.0)
OUTWARDS = (0.02, 0.1, 0.3, 1.0, 3.0, 10.0, 100.0)  # of the distance from the estimate
FAR = 1e4  # a slope, or a log size, that stands for an infinite one
HOPELESS = 1e10


def sparse_case(seed: int, genes: int = 6) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Counts and obs of one case; every third gene is Poisson."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(600, 1001))
    x = rng.normal(size=n) if seed % 2 else rng.uniform(size=n)
    columns = {}
    for number in range(genes):
        mean = rng.uniform(0.05, 0.3)
        level, slope = 0.7 * rng.normal(), 0.7 * rng.normal()
        mu, size = mean * np.exp(0.3 * rng.normal() * x), np.exp(level + slope * x)
        columns[f"g{number}"] = rng.poisson(rng.gamma(size, mu / size) if number % 3 else mu)
    return pd.DataFrame(columns), pd.DataFrame({"x": x})


@dataclass(frozen=True)
class Search:
    """The profile of a coefficient of the log size of one gene, by scipy.

    Attributes
    ----------
    y, x : ndarray, shape (cells,)
        Counts and the covariate.
    """

    y: np.ndarray
    x: np.ndarray

    def evaluate(self, beta: np.ndarray, level: float, slope: float) -> tuple[float, np.ndarray]:
        """Log-likelihood, and its gradient by the two coefficients of the mean and of the size."""
        eta, zeta = beta[0] + beta[1] * self.x, level + slope * self.x
        by = score(self.y, eta, zeta)
        gradient = np.concatenate([by[:, :2].sum(axis=0), self.x @ by[:, :2]])
        return float(loglik(self.y, eta, zeta).sum()), gradient[[0, 2, 1, 3]]

    def anchors(self) -> np.ndarray:
        """Values of x about which sizes may turn: many near the ends, and those with a count."""
        ordered, loud = np.sort(self.x), np.sort(self.x[self.y > 0])
        ends = [0, 1, 2, 4, 8, 16, 32]
        parts = [
            *(part[[k for k in ends if k < part.size]] for part in (ordered, loud)),
            *(part[[-1 - k for k in ends if k < part.size]] for part in (ordered, loud)),
            np.quantile(ordered, [0.1, 0.25, 0.5, 0.75, 0.9]),
        ]
        return np.unique(np.concatenate(parts))

    def profile(self, term: str, value: float, climbs: int) -> float:
        """Highest log-likelihood found with one coefficient of the log size held."""
        anchors = self.anchors()
        if term == "x":
            free = np.unique(np.subtract.outer(LEVELS, value * anchors))
        else:
            steep = anchors[np.abs(anchors) > 1e-9]
            free = np.unique(np.divide.outer(np.array(LEVELS) - value, steep))
        scale = np.array([1.0, 1.0, 1.0 if term == "x" else 1.0 / np.abs(self.x).max()])
        start = np.array([np.log(max(self.y.mean(), 1e-4)), 0.0])

        def negative(scaled: np.ndarray) -> tuple[float, np.ndarray]:
            theta = scaled * scale
            if np.abs(theta[:2]).sum() > 100.0:
                return HOPELESS, np.zeros(3)
            sizes = (theta[2], value) if term == "x" else (value, theta[2])
            height, gradient = self.evaluate(theta[:2], *sizes)
            if not np.isfinite(height):
                return HOPELESS, np.zeros(3)
            return -height, -gradient[[0, 1, 2 if term == "x" else 3]] * scale

        heights = np.array([-negative(np.r_[start, shift] / scale)[0] for shift in free])
        padded = np.r_[-np.inf, heights, -np.inf]
        peaks = np.flatnonzero((heights >= padded[:-2]) & (heights >= padded[2:]))
        highest = np.argsort(-heights)[: 3 * climbs : 3]
        chosen = [*peaks[np.argsort(-heights[peaks])][:climbs], *highest]
        best = heights.max()
        for number in dict.fromkeys(chosen):
            end = minimize(
                negative,
                np.r_[start, free[number]] / scale,
                jac=True,
                method="L-BFGS-B",
                options={"maxiter": 500, "ftol": 1e-15, "gtol": 1e-7, "maxcor": 20},
            )
            best = max(best, -float(end.fun))
        return best


def judge(
    search: Search, term: str, sign: float, limit: float, coef: float, llf: float, climbs: int
) -> dict[str, object]:
    """What is wrong with a limit, if anything: its kind, and the deviance that says so."""

    def deviance(value: float) -> float:
        return 2.0 * (llf - search.profile(term, value, climbs))

    if np.isnan(limit):
        return {"kind": "open", "deviance": np.nan}
    if np.isinf(limit):
        if coef == limit:
            return {"kind": "right", "deviance": 0.0}
        far = deviance(sign * FAR)
        return {"kind": "too wide" if far > CUT + SLACK else "right", "deviance": far}
    here = deviance(limit)
    if here > CUT + SLACK:
        return {"kind": "too wide", "deviance": here}
    start = coef if np.isfinite(coef) else 0.0
    reach = abs(limit - start) + 0.1
    lowest = min([here, *(deviance(limit + sign * reach * share) for share in OUTWARDS)])
    return {"kind": "too narrow" if lowest < CUT - SLACK else "right", "deviance": lowest}


def one_case(seed: int, genes: int, climbs: int) -> list[dict[str, object]]:
    """Both limits of both dispersion coefficients of every gene."""
    warnings.simplefilter("ignore", nbglm.NbglmWarning)
    counts, obs = sparse_case(seed, genes)
    formula = {"mean": "~ x", "dispersion": "~ x"}
    fit = nbglm.fit_negbin(counts, formula, obs=obs, progress=False)
    table = fit.conf_int(method="profile", progress=False)["gamma"]
    rows = []
    for gene in counts:
        search = Search(counts[gene].to_numpy(dtype=float), obs["x"].to_numpy())
        for term in table.index:
            coef = fit.params["gamma"].loc[term, gene]
            where = {"seed": seed, "gene": gene, "term": term, "coef": coef}
            for side, sign in (("lower", -1.0), ("upper", 1.0)):
                limit = table.loc[term, (gene, side)]
                found = judge(search, term, sign, limit, coef, fit.llf[gene], climbs)
                rows.append({**where, "side": side, "limit": limit, **found})
    return rows


def main() -> int:
    """Judge all limits.

    Returns
    -------
    int
        How many are not right.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=130)
    parser.add_argument("--genes", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--climbs", type=int, default=6)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    began = time.perf_counter()
    seeds = range(options.seed, options.seed + options.cases)
    found = Parallel(n_jobs=options.jobs)(
        delayed(one_case)(seed, options.genes, options.climbs) for seed in seeds
    )
    table = pd.DataFrame([row for rows in found for row in rows])
    finite = np.isfinite(table["limit"])
    seconds = time.perf_counter() - began
    print(f"{len(table)} limits, {finite.sum()} of them finite, in {seconds:.0f} s")
    for kind in ("right", "too narrow", "too wide", "open"):
        print(f"{kind:<12}{(table['kind'] == kind).sum():>6}")
    wrong = table[table["kind"] != "right"]
    if len(wrong):
        print(wrong.to_string(index=False))
    return len(wrong)


if __name__ == "__main__":
    sys.exit(min(main(), 1))
