"""The data of docs/coming-from.md, written for R.

``python validation/coming_from.py FOLDER``, then
``Rscript validation/R/coming_from.R FOLDER validation/references``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import statsmodels.api as sm

import nbglm


def randhie() -> pd.DataFrame:
    """Visits to a doctor in the RAND health insurance experiment, as statsmodels brings them."""
    return sm.datasets.randhie.load_pandas().data


def samples() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Counts of twelve samples and fifty genes, of which the first ten differ, and conditions."""
    rng = np.random.default_rng(7)
    obs = pd.DataFrame({"condition": ["control"] * 6 + ["treated"] * 6})
    obs["size_factor"] = rng.uniform(0.5, 2.0, 12).round(3)
    change = np.where(np.arange(50) < 10, 1.0, 0.0)
    level = rng.uniform(3.0, 7.0, 50)
    mean = np.exp(level + np.outer(obs["condition"] == "treated", change))
    mean *= obs[["size_factor"]].to_numpy()
    counts = rng.negative_binomial(5.0, 5.0 / (5.0 + mean))
    obs.index = [f"sample {number}" for number in range(12)]
    return pd.DataFrame(counts, obs.index, [f"gene {number}" for number in range(50)]), obs


def main() -> None:
    """Write both data sets, and the dispersions at which DESeq2 is to fit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    randhie().to_csv(folder / "randhie.csv", index=False, float_format="%.17g")
    counts, obs = samples()
    fit = nbglm.fit_negbin(counts, "~ condition", obs=obs, size_factors="size_factor")
    alpha = np.exp(-fit.params["gamma"].loc["Intercept"])
    counts.T.to_csv(folder / "samples.counts.csv")
    obs.to_csv(folder / "samples.obs.csv", float_format="%.17g")
    alpha.to_csv(folder / "samples.alpha.csv", float_format="%.17g", header=["alpha"])


if __name__ == "__main__":
    main()
