"""Random small data sets, hostile on purpose, against 20 starts of a general optimiser.

``python validation/fuzz.py [--fits 10000] [--seed 0] [--jobs 2] [--starts 20]``

Each data set has 3 to 60 cells, factors with empty and all-zero levels, duplicated, shifted and
rescaled columns, extreme offsets, and counts from nearly none to overdispersed. Violations, each
printed with its seed: an exception; a NaN without a reason; an ``ok`` whose gradient is not zero
or whose information is not positive definite; a log-likelihood below what scipy's BFGS finds.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from scipy.optimize import minimize

import nbglm
from nbglm.kernels.likelihood import loglik, score
from nbglm.problem.basis import orthonormal_basis

LOGLIK_SLACK = 1e-6


def random_data(
    rng: np.random.Generator,
) -> tuple[np.ndarray, pd.DataFrame, dict[str, str], np.ndarray]:
    """Counts of one gene, covariates, formulas and an offset."""
    n = int(rng.integers(3, 61))
    obs = pd.DataFrame(
        {
            "g": pd.Categorical(rng.choice(list("abcd")[: rng.integers(1, 5)], n), list("abcde")),
            "h": rng.choice(["u", "v"], n),
            "x": rng.normal(size=n) * 10.0 ** rng.integers(-6, 7) + rng.choice([0, 0, 1e5]),
            "w": rng.integers(0, 3, n).astype(float),
            "z": rng.uniform(size=n),
        }
    )
    obs["copy"] = 3 * obs["w"] - 1
    mean = [
        "~ 1",
        "~ g",
        "~ x",
        "~ g + x",
        "~ g * h",
        "~ w + copy",
        "~ g + w",
        "~ z - 1",
        "~ h - 1",
        "~ g * z",
    ]
    size = ["~ 1", "~ 1", "~ g", "~ z", "~ h + z", "~ w + copy", "~ g + z", "~ h - 1", "~ z - 1"]
    formula = {"mean": str(rng.choice(mean)), "dispersion": str(rng.choice(size))}
    offset = rng.choice([0.0, 1.0, 7.0]) * rng.uniform(-1, 1, n)
    log_mean = rng.normal() * 2 + rng.normal() * (obs["g"].cat.codes % 3) + rng.normal() * obs["z"]
    mu = np.exp(np.clip(log_mean + offset, -8, 12)).to_numpy()
    r = np.exp(rng.normal() * 2 + rng.normal() * 2 * (obs["h"] == "v") + rng.normal() * obs["z"])
    kind = rng.integers(0, 4)
    if kind == 0:
        y = rng.poisson(mu)
    elif kind == 1:
        y = rng.binomial(np.minimum(2 * mu.astype(int) + 1, 10_000), 0.4)
    else:
        y = rng.poisson(rng.gamma(r, mu / r))
    if rng.random() < 0.3:
        y = np.where(obs["g"] == "a", 0, y)
    if rng.random() < 0.1:
        y = np.where(np.arange(n) == rng.integers(n), y, 0)
    return y.astype(np.int64), obs, formula, offset


def best_of_scipy(
    y: np.ndarray, x: np.ndarray, z: np.ndarray, offset: np.ndarray, starts: int, seed: int
) -> float:
    """Highest log-likelihood of BFGS from random starts, in orthonormal coordinates."""
    rng = np.random.default_rng(seed)
    qx, qz = (orthonormal_basis(part).q * np.sqrt(len(y)) for part in (x, z))
    p = qx.shape[1]

    def negative(theta: np.ndarray) -> tuple[float, np.ndarray]:
        eta, zeta = offset + qx @ theta[:p], qz @ theta[p:]
        if max(np.abs(eta).max(), np.abs(zeta).max()) > 60:
            return 1e10, np.zeros_like(theta)
        factors = score(y.astype(float), eta, zeta)
        gradient = np.concatenate([qx.T @ factors[:, 0], qz.T @ factors[:, 1]])
        return -float(loglik(y, eta, zeta).sum()), -gradient

    level = np.log((y.sum() + 0.5) / np.exp(offset).sum())
    best = -np.inf
    for _ in range(starts):
        start = rng.normal(size=p + qz.shape[1])
        start[:p] += qx.T @ np.full(len(y), level) / len(y)
        end = minimize(negative, start, jac=True, method="BFGS", options={"maxiter": 300})
        best = max(best, -end.fun)
    return best


def explained(results: nbglm.NegBinResults) -> str | None:
    """A NaN or an infinity without a reason, if there is one."""
    for part in ("beta", "gamma"):
        coef, error = results.params[part]["y"], results.bse[part]["y"]
        for term, word in results.coef_status[part]["y"].items():
            finite = np.isfinite(coef[term]), np.isfinite(error[term]) and error[term] > 0
            if word == "ok" and finite != (True, True):
                return f"{part} {term} is ok with {coef[term]} +- {error[term]}"
            if word in ("separated", "poisson_limit") and not np.isinf(coef[term]):
                return f"{part} {term} is {word} with {coef[term]}"
            if word in ("aliased", "not_identified") and not np.isnan(coef[term]):
                return f"{part} {term} is {word} with {coef[term]}"
    for name, table in results.predict().items():
        if np.isnan(table.to_numpy()).any():
            return f"a predicted {name} is NaN"
    if np.isinf(results.predict()["mean"].to_numpy()).any():
        return "a predicted mean is infinite"
    return None


def stationary(results: nbglm.NegBinResults) -> str | None:
    """An ``ok`` that is no proper maximum, if it is one."""
    gene = results.gene("y").__dict__["_results"]
    keep = ~np.isnan(gene.params)
    model, params = gene.model, np.where(keep, gene.params, 0.0)
    information = -model.hessian(params)[np.ix_(keep, keep)]
    if not np.isfinite(information).all():
        return "ok with an information matrix that is not finite"
    scale = np.sqrt(np.maximum(np.diag(information), 1e-300))
    lowest = np.linalg.eigvalsh(information / np.outer(scale, scale)).min()
    gradient = model.score(params)[keep]
    decrement = float(gradient @ np.linalg.lstsq(information, gradient, rcond=None)[0])
    noise = 1e-7 * (1 + abs(gene.llf))
    if not decrement < noise:
        return f"ok with squared decrement {decrement:.3g}"
    if not lowest > -1e-8:
        return f"ok with smallest eigenvalue {lowest:.3g}"
    return None


def one(seed: int, starts: int) -> tuple[str, str, str | None]:
    """Status, formulas and violation of one random fit."""
    y, obs, formula, offset = random_data(np.random.default_rng(seed))
    label = f"{formula['mean']} | {formula['dispersion']}, {len(y)} cells"
    try:
        results = nbglm.fit_negbin(
            pd.DataFrame({"y": y}), formula, obs=obs, offset=offset, progress=False
        )
    except nbglm.FormulaError as error:
        # every cell its own level is refused by design
        return "refused", label, None if "different level" in str(error) else repr(error)
    except Exception as error:  # noqa: BLE001 - any is a violation
        return "exception", label, repr(error)
    status = str(results.status["y"])
    violation = explained(results)
    if violation is None and status == "ok":
        violation = stationary(results)
    if violation is None and status == "not_converged":
        violation = "not converged"
    if violation is None:
        design = results.design
        best = best_of_scipy(
            y, design.mean.matrix, design.dispersion.matrix, design.offset, starts, seed
        )
        lead = results.llf["y"] - best
        if not lead > -LOGLIK_SLACK:
            violation = f"log-likelihood {-lead:.3g} below scipy's {best:.6f}"
    return status, label, violation


def main() -> int:
    """Run, count by status, and fail on any violation."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fits", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--starts", type=int, default=20)
    options = parser.parse_args()
    started = time.perf_counter()
    seeds = range(options.seed, options.seed + options.fits)
    rows = Parallel(n_jobs=options.jobs, batch_size=20)(
        delayed(one)(seed, options.starts) for seed in seeds
    )
    for seed, (status, label, violation) in zip(seeds, rows, strict=True):
        if violation:
            print(f"seed {seed} ({label}) {status}: {violation}")
    counts = Counter(status for status, _, _ in rows)
    violations = sum(violation is not None for _, _, violation in rows)
    print(f"{options.fits} fits in {time.perf_counter() - started:.0f} s: {dict(counts)}")
    print(f"violations: {violations}")
    return int(violations > 0)


if __name__ == "__main__":
    sys.exit(main())
