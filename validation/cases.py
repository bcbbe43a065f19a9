"""The data sets on which nbglm is compared with other packages.

``python validation/cases.py FOLDER`` writes each as ``FOLDER/<name>.counts.csv`` (cells x genes),
``.x.csv`` and ``.z.csv`` (the design columns that every package is given), ``.obs.csv`` and
``.offset.csv``.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import patsy

SEED = 20261123


@dataclass(frozen=True)
class Case:
    """One data set with its formulas."""

    name: str
    counts: pd.DataFrame
    obs: pd.DataFrame
    mean: str
    dispersion: str
    offset: np.ndarray

    def designs(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Columns of both designs."""
        return tuple(
            patsy.dmatrix(text, self.obs, return_type="dataframe")
            for text in (self.mean, self.dispersion)
        )


def _simulate(
    name: str,
    n: int,
    mean: str,
    dispersion: str,
    beta: list[float],
    gamma: list[float],
    *,
    with_offset: bool = False,
) -> Case:
    """Draw three genes, the second and third with shifted coefficients."""
    rng = np.random.default_rng([SEED, sum(map(ord, name))])
    obs = pd.DataFrame(
        {
            "x": rng.normal(size=n),
            "u": rng.uniform(size=n),
            "g": rng.permutation(np.resize(["a", "b", "c"], n)),
        }
    )
    offset = np.log(rng.lognormal(0.0, 0.5, size=n)) if with_offset else np.zeros(n)
    x, z = (np.asarray(patsy.dmatrix(text, obs)) for text in (mean, dispersion))
    columns = {}
    for k, shift in enumerate([0.0, 0.3, -0.3]):
        mu = np.exp(offset + x @ (np.array(beta) + shift / 2))
        r = np.exp(z @ (np.array(gamma) + shift))
        columns[f"{name}_{k}"] = rng.poisson(rng.gamma(r, mu / r))
    return Case(name, pd.DataFrame(columns), obs, mean, dispersion, offset)


def small_cases() -> list[Case]:
    """Simulated data whose maxima are all in the interior."""
    return [
        _simulate("slope", 150, "~ x", "~ 1", [1.0, 0.5], [0.5]),
        _simulate("factor", 180, "~ g", "~ g", [1.0, 0.5, -0.4], [0.3, 0.6, -0.3]),
        _simulate("mixed", 200, "~ x + g", "~ x", [1.5, 0.4, 0.3, -0.5], [0.4, 0.5]),
        _simulate(
            "interaction", 400, "~ g * x", "~ g", [1.2, 0.2, 0.5, 0.3, -0.4, 0.2], [0.2, 0.4, 0.8]
        ),
        _simulate("no_intercept", 300, "~ x + u - 1", "~ x + u - 1", [0.4, 1.5], [0.3, 0.8]),
        _simulate("offset", 200, "~ x", "~ x", [1.0, 0.4], [0.8, -0.4], with_offset=True),
        _simulate("large", 120, "~ x", "~ 1", [9.0, 0.5], [1.0]),
        _simulate("small_r", 400, "~ u", "~ 1", [1.5, 1.0], [-2.3]),
        _simulate("spline", 350, "~ x", "~ bs(u, df=4)", [1.5, 0.3], [0.5, 0.5, 0.2, -0.3, 0.4]),
    ]


def depth_cases() -> dict[str, pd.DataFrame]:
    """Counts of cells or samples of very different depths, for size factors.

    Bulk samples; the same with a zero in every gene; and nearly empty cells of two kinds, whose
    first letter tells the kind.
    """
    rng = np.random.default_rng([SEED, 7])
    depth = rng.lognormal(0.0, 0.8, size=12)
    level = rng.lognormal(3.0, 1.5, size=400)
    bulk = rng.poisson(rng.gamma(5.0, np.outer(depth, level) / 5.0))
    missing = bulk.copy()
    missing[rng.integers(12, size=400), np.arange(400)] = 0
    kind = np.repeat([0, 1], [90, 140])
    levels = rng.lognormal(-0.5, 1.0, size=300) * rng.lognormal(0.0, [[0.0], [0.4]], (2, 300))
    cells = rng.poisson(rng.lognormal(0.0, 0.5, size=(230, 1)) * levels[kind])
    tables = {"depth_bulk": bulk, "depth_missing": missing, "depth_cells": cells}
    return {
        name: pd.DataFrame(
            counts,
            index=[f"{'ab'[k]}{i}" for i, k in enumerate(kind if len(counts) == 230 else [0] * 12)],
            columns=[f"gene_{j}" for j in range(counts.shape[1])],
        )
        for name, counts in tables.items()
    }


def few_samples_case() -> Case:
    """Six against six bulk samples of different depths, for adjusted dispersions."""
    counts = depth_cases()["depth_bulk"].iloc[:, :80].reset_index(drop=True)
    obs = pd.DataFrame({"group": np.repeat(["a", "b"], 6)})
    offset = np.log(counts.sum(axis=1).to_numpy() / counts.sum(axis=1).mean())
    return Case("few_samples", counts, obs, "~ group", "~ 1", offset)


def pancreas_path() -> Path | None:
    """The real data, if they are there: see docs/validation.md."""
    folder = os.environ.get("NBGLM_DATA_DIR")
    root = Path(folder) if folder else Path(__file__).resolve().parents[2] / "shared" / "data"
    path = root / "pancreas.h5ad"
    return path if path.exists() else None


def pancreas_cases() -> list[Case]:
    """The real data with three dispersion formulas."""
    import anndata

    path = pancreas_path()
    if path is None:
        return []
    adata = anndata.read_h5ad(path)
    table = adata.X.toarray() if hasattr(adata.X, "toarray") else np.asarray(adata.X)
    counts = pd.DataFrame(table, columns=adata.var_names).astype(int)
    obs = adata.obs.reset_index(drop=True)
    zero = np.zeros(len(obs))
    return [
        Case("pancreas_constant", counts, obs, "~ pseudotime", "~ 1", zero),
        Case("pancreas_linear", counts, obs, "~ pseudotime", "~ pseudotime", zero),
        Case("pancreas_spline", counts, obs, "~ pseudotime", "~ bs(pseudotime, df=5)", zero),
    ]


def main() -> None:
    """Write all cases for R."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    for name, counts in depth_cases().items():
        counts.to_csv(folder / f"{name}.counts.csv")
    for case in [*small_cases(), few_samples_case(), *pancreas_cases()]:
        x, z = case.designs()
        case.obs.to_csv(folder / f"{case.name}.obs.csv", index=False, float_format="%.17g")
        case.counts.to_csv(folder / f"{case.name}.counts.csv", index=False)
        x.to_csv(folder / f"{case.name}.x.csv", index=False, float_format="%.17g")
        z.to_csv(folder / f"{case.name}.z.csv", index=False, float_format="%.17g")
        pd.DataFrame({"offset": case.offset}).to_csv(
            folder / f"{case.name}.offset.csv", index=False, float_format="%.17g"
        )


if __name__ == "__main__":
    main()
