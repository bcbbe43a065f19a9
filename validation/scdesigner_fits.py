"""Fits of scDesigner, made in an environment of its own.

::

    python -m venv scd && scd/bin/pip install torch==2.13.0 scdesigner==0.0.25
    scd/bin/python validation/scdesigner_fits.py PANCREAS.h5ad validation/references/scdesigner.csv

Both of its optimisers, with their defaults, fit mean and dispersion ``~ pseudotime``. The total
log-likelihood of its estimates is computed with scipy in double precision, beside that of nbglm's
stored in the same file by ``compare_scdesigner.py``.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import torch
from scdesigner.distributions import NegBin
from scdesigner.distributions.negbin_irls import NegBinIRLS
from scipy.special import gammaln


def loglik(y: np.ndarray, eta: np.ndarray, zeta: np.ndarray) -> np.ndarray:
    """Textbook log-likelihood, good to 1e-9 for the sizes met here."""
    r, mu = np.exp(zeta), np.exp(eta)
    value = gammaln(y + r) - gammaln(r) - gammaln(y + 1)
    return value - r * np.log1p(mu / r) + y * (eta - zeta - np.log1p(mu / r))


def main() -> None:
    """Fit and write one row a gene and optimiser."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    adata = anndata.read_h5ad(options.data)
    y = np.asarray(adata.X.todense() if hasattr(adata.X, "todense") else adata.X, dtype=float)
    design = np.column_stack([np.ones(len(y)), adata.obs["pseudotime"]])
    rows = []
    for name, model in (("NegBin", NegBin), ("NegBinIRLS", NegBinIRLS)):
        torch.manual_seed(0)
        fit = model(formula={"mean": "~ pseudotime", "dispersion": "~ pseudotime"})
        started = time.perf_counter()
        fit.setup_data(adata)
        fit.fit(verbose=False)
        seconds = time.perf_counter() - started
        beta, gamma = (
            fit.predict.coefs[part].detach().cpu().numpy().astype(float)
            for part in ("mean", "dispersion")
        )
        value = loglik(y, design @ beta, design @ gamma).sum(axis=0)
        for k, gene in enumerate(adata.var_names):
            rows.append([name, gene, *beta[:, k], *gamma[:, k], value[k], seconds])
    columns = ["optimiser", "gene", "beta0", "beta1", "gamma0", "gamma1", "llf", "seconds_all"]
    pd.DataFrame(rows, columns=columns).to_csv(options.out, index=False)


if __name__ == "__main__":
    main()
