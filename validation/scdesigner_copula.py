"""Samples of scDesigner's NegBinCopula, made in an environment of its own.

::

    python -m venv scd && scd/bin/pip install torch==2.13.0 scdesigner==0.0.25
    scd/bin/python validation/scdesigner_copula.py halves PANCREAS.h5ad SAMPLES/
    scd/bin/python validation/scdesigner_copula.py speed SAMPLES/

``halves`` fits halves of the cells, with each of its estimators of correlations, and draws counts
for the rows of the other half, which ``dependence.py halves`` compares with those that are there.
``speed`` times its sampler, for ``dependence.py stream``.
"""

from __future__ import annotations

import argparse
import resource
import time
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import torch
from scdesigner.copulas import StandardCopula
from scdesigner.distributions import NegBin
from scdesigner.simulators import SCD3Simulator

FORMULA = {"mean": "~ bs(pseudotime, df=5)", "dispersion": "~ pseudotime"}
HALVES, REPLICATES = 4, 5


def halves(data: Path, out: Path) -> None:
    """Fit each half, and draw for the rows of the other one."""
    adata = anndata.read_h5ad(data)
    adata.X = np.asarray(adata.X.todense() if hasattr(adata.X, "todense") else adata.X, np.float32)
    for half in range(HALVES):
        order = np.random.default_rng(half).permutation(adata.n_obs)
        known, other = order[: adata.n_obs // 2], order[adata.n_obs // 2 :]
        time_known = adata.obs["pseudotime"].iloc[known]
        rows = adata.obs.iloc[np.tile(other, REPLICATES)].copy()
        rows["pseudotime"] = rows["pseudotime"].clip(time_known.min(), time_known.max())
        rows.index = [f"cell{k}" for k in range(len(rows))]
        for name, estimator in (("sample", None), ("ledoit_wolf", "ledoit_wolf")):
            torch.manual_seed(half)
            np.random.seed(half)  # noqa: NPY002 - which is what it draws with
            model = SCD3Simulator(NegBin(dict(FORMULA)), StandardCopula("~ 1", estimator=estimator))
            started = time.perf_counter()
            model.fit(adata[known].copy(), verbose=False)
            fitted = time.perf_counter()
            drawn = model.sample(rows)
            done = time.perf_counter()
            counts = np.asarray(drawn.X, dtype=np.int32)
            np.savez_compressed(out / f"{name}_{half}.npz", counts=counts)
            print(
                half,
                name,
                f"fit {fitted - started:.1f} s, sample {done - fitted:.1f} s",
                flush=True,
            )


def speed(out: Path, genes: int, cells: int) -> None:
    """Time the sampler for some cells of some genes.

    With its own default, the sample correlation, its fit of 2,000 genes of 1,000 cells ends with
    an error, since that matrix is not positive definite.
    """
    rng = np.random.default_rng(0)
    obs = pd.DataFrame({"x": rng.normal(size=1000)}, index=[f"c{k}" for k in range(1000)])
    mean = np.exp(rng.normal(-1.0, 1.2, genes)) * np.exp(0.3 * obs[["x"]].to_numpy())
    counts = rng.poisson(mean * rng.gamma(2.0, 0.5, mean.shape)).astype(np.float32)
    adata = anndata.AnnData(counts, obs=obs)
    model = SCD3Simulator(
        NegBin({"mean": "~ x", "dispersion": "~ 1"}), StandardCopula("~ 1", "ledoit_wolf")
    )
    started = time.perf_counter()
    model.fit(adata, verbose=False, max_epochs=20)
    fitted = time.perf_counter() - started
    rows = obs.iloc[np.arange(cells) % 1000].copy()
    rows.index = [f"c{k}" for k in range(cells)]
    started = time.process_time()
    model.sample(rows)
    seconds = time.process_time() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    line = f"{genes},{cells},{seconds:.1f},{cells / seconds:.0f},{peak:.0f},{fitted:.1f}\n"
    (out / "speed.csv").write_text(
        "genes,cells,seconds,cells_per_second,peak_mb,fit_seconds\n" + line
    )
    print(line)


def main() -> None:
    """Draw, or time."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("halves")
    command.add_argument("data", type=Path)
    command.add_argument("out", type=Path)
    command = commands.add_parser("speed")
    command.add_argument("out", type=Path)
    command.add_argument("--genes", type=int, default=2000)
    command.add_argument("--cells", type=int, default=10_000)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    if options.command == "halves":
        halves(options.data, options.out)
    else:
        speed(options.out, options.genes, options.cells)


if __name__ == "__main__":
    main()
