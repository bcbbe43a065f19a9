"""Shrunken effects: what they cost, and how far from the truth they are; the data for PyDESeq2.

``python validation/shrinkage.py`` simulates 20,000 genes in 12 samples, of which a tenth change,
and prints CPU seconds of the fit and of the shrinkage, the root mean square distance of estimates
and shrunken effects from the truth, and how many signs with an s-value below 5 % are wrong.
``python validation/shrinkage.py --write CASES`` writes the counts of :func:`small`, and the sizes
of their fit, for ``pydeseq2_shrinkage.py``.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd

import nbglm

FORMULA = "~ treated + batch"


def simulate(genes: int, seed: int) -> tuple[pd.DataFrame, pd.DataFrame, np.ndarray]:
    """Counts of six samples against six in two batches; their obs; the true effects."""
    rng = np.random.default_rng(seed)
    obs = pd.DataFrame({"treated": np.repeat([0, 1], 6), "batch": np.tile([0, 1], 6)})
    effect = np.where(rng.random(genes) < 0.1, rng.normal(0.0, 1.0, genes), 0.0)
    base = np.exp(rng.normal(4.0, 2.0, genes))
    size = 1.0 / rng.gamma(2.0, 0.1, genes)
    mean = base * np.exp(
        np.outer(obs["treated"], effect) + np.outer(obs["batch"], np.full(genes, 0.3))
    )
    counts = rng.poisson(rng.gamma(np.tile(size, (len(obs), 1)), mean / size))
    names = [f"gene_{k}" for k in range(genes)]
    return pd.DataFrame(counts, columns=names), obs, effect


def small() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Sixty genes, of which some are silent in one group."""
    counts, obs, _ = simulate(60, 5)
    treated = obs["treated"].to_numpy() == 1
    counts.loc[treated, "gene_3"] = 0
    counts.loc[~treated, "gene_8"] = 0
    return counts, obs


def write(folder: Path) -> None:
    """The small data and the sizes of their fit."""
    counts, obs = small()
    res = nbglm.fit_negbin(counts, FORMULA, obs=obs, progress=False)
    folder.mkdir(parents=True, exist_ok=True)
    counts.to_csv(folder / "shrinkage.counts.csv", index=False)
    obs.to_csv(folder / "shrinkage.obs.csv", index=False)
    size = np.exp(res.params["gamma"].loc["Intercept"])
    size.to_csv(folder / "shrinkage.size.csv", header=["size"], index_label="gene")


def measure() -> None:
    """Seconds, errors, and signs."""
    counts, obs, effect = simulate(20_000, 1)
    started = time.process_time()
    res = nbglm.fit_negbin(counts, FORMULA, obs=obs, progress=False)
    print(f"fit: {time.process_time() - started:.1f} s of CPU")
    for prior in ("cauchy", "normal"):
        started = time.process_time()
        table = res.shrink("treated", prior)
        seconds = time.process_time() - started
        finite = np.isfinite(table["estimate"]).to_numpy()
        errors = [
            np.sqrt(np.mean((table[name] - effect)[finite] ** 2))
            for name in ("estimate", "shrunken")
        ]
        sure = (table["s_value"] < 0.05).to_numpy()
        wrong = np.sign(table["shrunken"][sure]) == -np.sign(effect[sure])
        print(
            f"{prior}: {seconds:.2f} s of CPU, prior scale {table['prior_scale'].iloc[0]:.3f}, "
            f"error of estimates {errors[0]:.3f}, of shrunken effects {errors[1]:.3f}; "
            f"{sure.sum()} s-values below 0.05, of which {wrong.sum()} have the other sign and "
            f"{(effect[sure] == 0).sum()} no effect"
        )


def main() -> None:
    """Write the data, or measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", type=Path, metavar="CASES")
    folder = parser.parse_args().write
    if folder is None:
        measure()
    else:
        write(folder)


if __name__ == "__main__":
    main()
