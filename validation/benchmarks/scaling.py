"""What a fit costs as cells, genes, coefficients and cores grow, on simulated data.

Every row has the log-likelihood reached and by how much it lies above that of the truth (half the
number of coefficients is to be expected), and how often a gene was evaluated. Milliseconds a gene
are those of its own fit; what all genes share (designs, merged rows, coordinates) has a column of
its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

import nbglm
from benchmarks.report import between, options_of, write_csv, write_markdown
from benchmarks.scaling_plot import plot_scaling
from benchmarks.shared import prepare
from benchmarks.timing import repeated, spread
from nbglm.fit.genes import fit_blocks
from nbglm.kernels.likelihood import loglik
from nbglm.simulate.draws import draw_counts

DESIGNS = {
    "categorical, dispersion ~ 1": ("~ g", "~ 1"),
    "categorical, dispersion too": ("~ g", "~ g"),
    "continuous, dispersion ~ 1": ("~ x0", "~ 1"),
    "continuous, dispersion too": ("~ x0", "~ x0"),
}
LEVELS = 8
ENTRIES = 2_000_000  # of a table: fewer genes where there are more cells


class Data(NamedTuple):
    """Simulated counts with the log-likelihood of the truth."""

    counts: np.ndarray
    obs: pd.DataFrame
    formula: dict[str, str]
    truth: float


def covariates(cells: int, levels: int, columns: int) -> pd.DataFrame:
    """A factor ``g`` and continuous columns ``x0``, ``x1``, ..."""
    rng = np.random.default_rng([1, cells])
    factor = rng.permutation(np.arange(cells) % levels)
    names = [f"l{k:02d}" for k in range(levels)]
    obs = pd.DataFrame({"g": pd.Categorical.from_codes(factor, names)})
    return obs.join(pd.DataFrame({f"x{k}": rng.normal(size=cells) for k in range(columns)}))


def simulate(obs: pd.DataFrame, mean: str, dispersion: str, genes: int) -> Data:
    """Draw genes with moderate effects, in a model that the formulas describe."""
    rng = np.random.default_rng(2)
    cells = len(obs)
    columns = [name for name in obs if name != "g"]
    effects = rng.normal(scale=0.5, size=(obs["g"].cat.categories.size, genes))
    slopes = rng.normal(scale=0.5, size=(len(columns), genes)) / np.sqrt(max(1, len(columns)))
    counts = np.empty((cells, genes), dtype=np.int32, order="F")
    truth = 0.0
    for gene in range(genes):
        effect = np.zeros(cells)
        if "g" in mean:
            effect += effects[obs["g"].cat.codes, gene]
        elif "x" in mean:
            effect += obs[columns].to_numpy() @ slopes[:, gene]
        eta = rng.normal(0.0, 0.7) + effect
        zeta = rng.normal(0.5, 0.5) + (0.5 * effect if dispersion != "~ 1" else np.zeros(cells))
        counts[:, gene] = draw_counts(rng, np.exp(eta), np.exp(zeta))
        truth += loglik(counts[:, gene], eta, zeta).sum()
    return Data(counts, obs, {"mean": mean, "dispersion": dispersion}, truth)


def fit(data: Data, n_jobs: int) -> nbglm.NegBinResults:
    """Fit every gene, standard errors included."""
    found = nbglm.fit_negbin(data.counts, data.formula, obs=data.obs, n_jobs=n_jobs, progress=False)
    assert found.bse["beta"].shape
    return found


def measure(data: Data, runs: int, n_jobs: int = 1) -> dict[str, Any]:
    """Fit several times; one row."""
    genes = data.counts.shape[1]
    shared, _ = repeated(lambda: prepare(data.formula, data.obs), runs)
    seconds, results = repeated(lambda: fit(data, n_jobs), runs)
    counts, problem = results.counts, results.problem
    own, _ = repeated(lambda: list(fit_blocks(counts, problem, n_jobs)), runs)
    evaluations = results.arrays.evaluations
    return {
        "cells": len(data.obs),
        "genes": genes,
        "coefficients": results.arrays.coef.shape[1],
        "jobs": n_jobs,
        **spread("seconds", seconds),
        **spread("shared_ms", shared, 1e3),
        **spread("ms", own, 1e3 / genes),
        "evaluations": float(evaluations.mean()),
        "evaluations_max": int(evaluations.max()),
        "loglik": float(results.llf.sum()),
        "above_truth": (float(results.llf.sum()) - data.truth) / genes,
        "status": ", ".join(f"{n} {word}" for word, n in results.status.value_counts().items()),
    }


def by_cells(sizes: list[int], runs: int) -> Iterator[dict[str, Any]]:
    """Cost against the number of cells."""
    for name, (mean, dispersion) in DESIGNS.items():
        for cells in sizes:
            genes = int(np.clip(ENTRIES // cells, 4, 50))
            data = simulate(covariates(cells, LEVELS, 1), mean, dispersion, genes)
            yield {"varies": "cells", "design": name, **measure(data, runs)}


def by_genes(sizes: list[int], cells: int, runs: int) -> Iterator[dict[str, Any]]:
    """Cost against the number of genes."""
    for name in ("categorical, dispersion ~ 1", "continuous, dispersion ~ 1"):
        for genes in sizes:
            data = simulate(covariates(cells, LEVELS, 1), *DESIGNS[name], genes)
            yield {"varies": "genes", "design": name, **measure(data, runs)}


def by_coefficients(sizes: list[int], cells: int, runs: int) -> Iterator[dict[str, Any]]:
    """Cost against the number of mean coefficients, dispersion ``~ 1``."""
    for p in sizes:
        obs = covariates(cells, p, p - 1)
        slopes = " + ".join(name for name in obs if name != "g") or "1"
        for design, mean in (("categorical", "~ g"), ("continuous", f"~ {slopes}")):
            used = mean if p > 1 else "~ 1"
            if p > 1 or design == "continuous":
                name = f"{design}, dispersion ~ 1"
                data = simulate(obs, used, "~ 1", 16)
                yield {"varies": "coefficients", "design": name, **measure(data, runs)}


def by_jobs(most: int, cells: int, runs: int) -> Iterator[dict[str, Any]]:
    """Cost against the number of cores; fewer genes where each takes long."""
    for name, formulas in DESIGNS.items():
        genes = most if formulas[1] == "~ 1" else most // 10
        data = simulate(covariates(cells, LEVELS, 1), *formulas, genes)
        for n_jobs in (1, 2):
            yield {"varies": "cores", "design": name, **measure(data, runs, n_jobs)}


def all_rows(runs: int, *, quick: bool) -> Iterator[dict[str, Any]]:
    """Everything, one row after another."""
    for mean, dispersion in DESIGNS.values():  # compiles
        measure(simulate(covariates(200, LEVELS, 1), mean, dispersion, 2), 1)
    cells = [1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000]
    yield from by_cells(cells[: 4 if quick else 7], runs)
    yield from by_genes([1, 10, 100] if quick else [1, 10, 100, 1_000], 10_000, runs)
    coefficients = [1, 5, 20] if quick else [1, 2, 5, 10, 20, 40]
    yield from by_coefficients(coefficients, 10_000, runs)
    yield from by_jobs(200 if quick else 1_000, 10_000, runs)


def shown(table: pd.DataFrame) -> pd.DataFrame:
    """The table that people read."""
    return pd.DataFrame(
        {
            "varies": table["varies"],
            "design": table["design"],
            "cells": [f"{n:,}" for n in table["cells"]],
            "genes": [f"{n:,}" for n in table["genes"]],
            "coefficients": table["coefficients"],
            "cores": table["jobs"],
            "seconds": [between(row, "seconds") for _, row in table.iterrows()],
            "shared, ms": [f"{value:.3g}" for value in table["shared_ms"]],
            "ms a gene": [between(row, "ms") for _, row in table.iterrows()],
            "evaluations a gene (most)": [
                f"{row['evaluations']:.1f} ({row['evaluations_max']})"
                for _, row in table.iterrows()
            ],
            "log-likelihood": [f"{value:.2f}" for value in table["loglik"]],
            "above the truth, a gene": [f"{value:.2f}" for value in table["above_truth"]],
            "status": table["status"],
        }
    )


def main() -> None:
    """Measure and write ``scaling.csv``, ``scaling.md`` and ``scaling.png``."""
    options = options_of(__doc__).parse_args()
    rows = []
    for row in all_rows(options.runs, quick=options.quick):
        rows.append(row)
        print(
            f"{row['varies']}: {row['design']}, {row['cells']} cells x {row['genes']} genes, "
            f"{row['coefficients']} coefficients, {row['jobs']} jobs: {row['seconds']:.3g} s",
            flush=True,
        )
    table = write_csv(rows, options.out / "scaling.csv", options.note)
    write_markdown(shown(table), table, options.out / "scaling.md")
    plot_scaling(table, options.out / "scaling.png")


if __name__ == "__main__":
    main()
