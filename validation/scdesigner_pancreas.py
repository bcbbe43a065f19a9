"""Fits of scDesigner on the pancreas counts and on its tutorial's simulation, for comparison.

Its torch needs an environment of its own, of Python 3.11 or later, without nbglm::

    python -m venv scd
    scd/bin/pip install torch==2.13.0 scdesigner==0.0.25
    scd/bin/python validation/scdesigner_pancreas.py PANCREAS.h5ad validation/references

writes ``pancreas_scdesigner.csv`` (coefficients, and the log-likelihood at them by scipy in double
precision) and ``simulation_scdesigner.csv`` (mean absolute errors against the truth). Both of its
optimisers run with their defaults on one thread; ``--seeds`` says on how many simulations.
"""

from __future__ import annotations

import argparse
import time
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import anndata
import numpy as np
import pandas as pd
import torch
from scdesigner.distributions import NegBin
from scdesigner.distributions.negbin_irls import NegBinIRLS
from scipy.special import gammaln

MODELS = {"NegBin": NegBin, "NegBinIRLS": NegBinIRLS}
PANCREAS = {"mean": "~ pseudotime", "dispersion": "~ pseudotime"}
SIMULATION = {
    "mean": "~ mean_dim0 + mean_dim1 - 1",
    "dispersion": "~ dispersion_dim0 + dispersion_dim1 - 1",
}


class Fit(NamedTuple):
    """Coefficients (terms x genes), seconds of set-up and fit, and epochs run."""

    beta: np.ndarray
    gamma: np.ndarray
    seconds: float
    epochs: int


def fit(name: str, formula: dict[str, str], adata: anndata.AnnData, seed: int) -> Fit:
    """One model with its default settings."""
    torch.manual_seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - it may draw from the global generator
    model = MODELS[name](formula=formula)
    started = time.perf_counter()
    model.setup_data(adata)
    model.fit(verbose=False)
    seconds = time.perf_counter() - started
    beta, gamma = (
        model.predict.coefs[part].detach().cpu().numpy().astype(float)
        for part in ("mean", "dispersion")
    )
    return Fit(beta, gamma, seconds, len(model.fit_history))


def loglik(y: np.ndarray, eta: np.ndarray, zeta: np.ndarray) -> np.ndarray:
    """Log-likelihood of each count; the textbook form is good to 1e-9 for the sizes met here."""
    r, x = np.exp(zeta), np.exp(eta - zeta)
    gammas = gammaln(y + r) - gammaln(r) - gammaln(y + 1)
    return gammas - r * np.log1p(x) + y * (eta - zeta - np.log1p(x))


def fit_pancreas(path: Path, seed: int) -> pd.DataFrame:
    """Mean and dispersion ``~ pseudotime``, every gene, both optimisers."""
    adata = anndata.read_h5ad(path)
    y = np.asarray(adata.X.todense() if hasattr(adata.X, "todense") else adata.X, dtype=float)
    design = np.column_stack([np.ones(len(y)), adata.obs["pseudotime"]])
    rows = []
    for name in MODELS:
        got = fit(name, PANCREAS, adata, seed)
        llf = loglik(y, design @ got.beta, design @ got.gamma).sum(axis=0)
        print(f"pancreas, {name}: total log-likelihood {llf.sum():.3f}, {got.seconds:.2f} s")
        for k, gene in enumerate(adata.var_names):
            values = [*got.beta[:, k], *got.gamma[:, k], llf[k], got.seconds, got.epochs]
            rows.append([name, seed, gene, *values])
    terms = ["beta_intercept", "beta_pseudotime", "gamma_intercept", "gamma_pseudotime"]
    columns = ["optimiser", "torch_seed", "gene", *terms, "llf", "seconds_all_genes", "epochs"]
    return pd.DataFrame(rows, columns=columns)


def simulate(
    seed: int, cells: int, genes: int
) -> tuple[anndata.AnnData, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Counts, designs, coefficients: what ``nbglm.demo.simulate_tutorial`` draws from the seed."""
    rng = np.random.default_rng(seed)
    x1, x2 = rng.normal(size=(cells, 2)), rng.normal(size=(cells, 2))
    b, d = rng.normal(size=(2, genes)), rng.normal(size=(2, genes))
    mean, size = np.exp(x1 @ b), np.exp(x2 @ d)
    counts = rng.poisson(rng.gamma(size, mean / size))
    names = ["mean_dim0", "mean_dim1", "dispersion_dim0", "dispersion_dim1"]
    index = [f"cell{i}" for i in range(cells)]
    obs = pd.DataFrame(np.column_stack([x1, x2]), columns=names, index=index)
    return anndata.AnnData(counts.astype(np.float32), obs=obs), x1, x2, b, d


def fit_simulations(seeds: int, cells: int = 10_000, genes: int = 20) -> pd.DataFrame:
    """Errors on several simulations, and the log-likelihood reached beside that of the truth."""
    rows = []
    for seed in range(seeds):
        adata, x1, x2, b, d = simulate(seed, cells, genes)
        y = np.asarray(adata.X, dtype=float)
        truth = loglik(y, x1 @ b, x2 @ d).sum()
        for name in MODELS:
            row: dict[str, object] = {"seed": seed, "optimiser": name, "llf_truth": truth}
            try:
                got = fit(name, SIMULATION, adata, seed)
            except Exception as error:  # noqa: BLE001 - a failure is a result here
                rows.append({**row, "message": f"{type(error).__name__}: {error}"})
                continue
            row |= {
                "mae_b": np.abs(got.beta - b).mean(),
                "mae_d": np.abs(got.gamma - d).mean(),
                "max_error_b": np.abs(got.beta - b).max(),
                "max_error_d": np.abs(got.gamma - d).max(),
                "llf": loglik(y, x1 @ got.beta, x2 @ got.gamma).sum(),
                "seconds": got.seconds,
                "epochs": got.epochs,
                "message": "",
            }
            rows.append(row)
            print(f"simulation {seed}, {name}: {row}", flush=True)
    return pd.DataFrame(rows)


def main() -> None:
    """Fit and write both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--torch-seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    for package in ("scdesigner", "torch", "anndata", "numpy", "scipy"):
        print(package, version(package))
    pancreas = fit_pancreas(options.data, options.torch_seed)
    pancreas.to_csv(options.out / "pancreas_scdesigner.csv", index=False)
    simulations = fit_simulations(options.seeds)
    simulations.to_csv(options.out / "simulation_scdesigner.csv", index=False)


if __name__ == "__main__":
    main()
