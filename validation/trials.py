"""Draws against exact probabilities, and intervals of fits of what was drawn from a fit.

    python validation/trials.py

prints the tables of docs/trials.md; the pancreas data are looked for in ``$NBGLM_DATA_DIR``.
"""

from __future__ import annotations

import time

import anndata
import numpy as np
import pandas as pd
from cases import pancreas_path
from scipy import stats

import nbglm
from nbglm.simulate.distribution import negbin
from nbglm.simulate.draws import draw_counts

SIZES = (1e-3, 1e-2, 0.1, 1.0, 10.0, 1e3, 1e6, np.inf)
MEANS = (1e-3, 1e-2, 0.1, 1.0, 10.0, 1e3, 1e5)
DRAWS = 20_000
REPEATS = 25
SEED = 20261201


def chi_square(mean: float, size: float, rng: np.random.Generator) -> float:
    """P-value of draws against probabilities, in bins of 20 expected counts or more."""
    y = draw_counts(rng, np.full(DRAWS, mean), np.full(DRAWS, size))
    wanted = np.unique(negbin.ppf(np.linspace(0.0, 1.0, 41)[1:-1], mean, size))
    below = negbin.cdf(wanted, mean, size)
    shares = np.diff(np.concatenate([[0.0], below, [1.0]]))
    found = np.bincount(np.searchsorted(wanted, y), minlength=shares.size).astype(float)
    while shares.size > 1 and shares.min() * DRAWS < 20.0:
        k = int(np.argmin(shares))
        other = k - 1 if k == shares.size - 1 or (k and shares[k - 1] < shares[k + 1]) else k + 1
        shares[other] += shares[k]
        found[other] += found[k]
        shares, found = np.delete(shares, k), np.delete(found, k)
    return float(stats.chisquare(found, shares * DRAWS).pvalue) if shares.size > 1 else np.nan


def draws() -> None:
    """Tests for all sizes and means, and whether their p-values are uniform."""
    rng = np.random.default_rng(SEED)
    found = np.array(
        [[[chi_square(m, r, rng) for m in MEANS] for r in SIZES] for _ in range(REPEATS)]
    ).ravel()
    told = found[~np.isnan(found)]
    uniform = stats.kstest(told, "uniform").pvalue
    print(
        f"{told.size} chi-square tests of {DRAWS} draws: {np.mean(told < 0.05):.1%} below 0.05, "
        f"{np.mean(told < 0.01):.1%} below 0.01, smallest {told.min():.2g}; "
        f"Kolmogorov-Smirnov test of uniformity p = {uniform:.2f}; "
        f"{found.size - told.size} settings have one bin"
    )


def pancreas() -> None:
    """Fit, draw, fit: of all genes, with the intervals of the package."""
    path = pancreas_path()
    if path is None:
        print("pancreas.h5ad is not there")
        return
    adata = anndata.read_h5ad(path)
    for formula in (
        {"mean": "~ 1", "dispersion": "~ 1"},
        {"mean": "~ pseudotime", "dispersion": "~ 1"},
        {"mean": "~ pseudotime", "dispersion": "~ pseudotime"},
    ):
        fit = nbglm.fit_negbin(adata, formula, progress=False)
        started = time.process_time()
        table = fit.calibrate(n_genes=100, n_sim=50, seed=SEED)
        seconds = time.process_time() - started
        print(f"\n{formula}, {seconds:.0f} s of one core")
        print(table.round(4).to_string(index=False))


def donors() -> None:
    """The shortfall of the observed information where donors differ, and clustered errors."""
    rng = np.random.default_rng(SEED)
    donor = np.repeat(np.arange(40), 50)
    obs = pd.DataFrame({"arm": donor % 2, "donor": donor.astype(str)})
    factor = np.exp(rng.normal(0.0, 0.3, (40, 20)))[donor]
    y = rng.poisson(rng.gamma(2.0, 3.0 * factor / 2.0))
    fit = nbglm.fit_negbin(pd.DataFrame(y).add_prefix("g"), "~ arm", obs=obs, progress=False)
    robust = fit.with_cov("cluster", {"groups": "donor"})
    for name, one in (("oim", fit), ("cluster", robust)):
        table = one.calibrate(n_genes=20, n_sim=100, seed=SEED, groups="donor")
        print(f"\n40 donors, cov_type {name!r}: {table.attrs['simulated']}")
        print(table.round(4).to_string(index=False))


if __name__ == "__main__":
    pd.set_option("display.width", 120)
    draws()
    pancreas()
    donors()
