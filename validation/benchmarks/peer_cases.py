"""The fits that all packages are asked for, and how what they return is judged."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
from cases import Case, pancreas_path

from nbglm.kernels.likelihood import loglik

__all__ = ["SHORT", "PeerCase", "logliks", "pancreas_fits"]

SHORT = 1e-3  # a log-likelihood of a gene that is lower by more than this is short of the maximum
STAGES = 6


@dataclass(frozen=True)
class PeerCase(Case):
    """One data set with its formulas, and with what peers want to know of it."""

    @property
    def formula(self) -> dict[str, str]:
        """Both formulas, as nbglm takes them."""
        return {"mean": self.mean, "dispersion": self.dispersion}

    @property
    def constant_size(self) -> bool:
        """Whether the dispersion has no covariates."""
        return self.dispersion == "~ 1"

    def write(self, folder: Path) -> None:
        """Write counts and designs for R."""
        for name, table in zip(("counts", "x", "z"), (self.counts, *self.designs()), strict=True):
            table.to_csv(folder / f"{self.name}.{name}.csv", index=False, float_format="%.17g")


def logliks(case: PeerCase, beta: np.ndarray, gamma: np.ndarray) -> np.ndarray:
    """Log-likelihood of every gene at anybody's estimates, by nbglm's stable kernel.

    Parameters
    ----------
    case : PeerCase
        Data and designs.
    beta, gamma : ndarray, shape (genes, p) and (genes, q)
        Coefficients of the log mean and of the log size; NaN where a package gave none.
    """
    x, z = (np.asarray(part) for part in case.designs())
    y = case.counts.to_numpy(dtype=float)
    with np.errstate(all="ignore"):
        return loglik(y, x @ beta.T, z @ gamma.T).sum(axis=0)


def pancreas_fits(genes: int | None = None) -> list[PeerCase]:
    """The fits of the real data; the factor is pseudotime in six equally large stages.

    Raises
    ------
    SystemExit
        If the data are not there.
    """
    path = pancreas_path()
    if path is None:
        msg = (
            "The peers are compared on pancreas.h5ad, which is not part of the project. Put it "
            "into a folder and name that folder in the environment variable NBGLM_DATA_DIR."
        )
        raise SystemExit(msg)
    adata = anndata.read_h5ad(path)[:, :genes]
    table = adata.X.toarray() if hasattr(adata.X, "toarray") else np.asarray(adata.X)
    counts = pd.DataFrame(table, columns=adata.var_names).astype(int)
    obs = adata.obs.reset_index(drop=True)
    stages = [f"s{k}" for k in range(1, STAGES + 1)]
    obs["stage"] = pd.qcut(obs["pseudotime"], STAGES, labels=stages)
    formulas = {
        "continuous": ("~ pseudotime", "~ 1"),
        "categorical": ("~ stage", "~ 1"),
        "both": ("~ pseudotime", "~ pseudotime"),
    }
    nothing = np.zeros(len(obs))
    return [PeerCase(name, counts, obs, *texts, nothing) for name, texts in formulas.items()]
