"""Copulas and samples of many cells: how good, how fast, how large.

::

    python validation/dependence.py halves PANCREAS.h5ad --peer SAMPLES/
    python validation/dependence.py sizes
    python validation/dependence.py stream --peer SAMPLES/

``halves``: fits of one half of the cells draw counts for the rows of the other half, independently
and with copulas, and are compared with the counts that are there; SAMPLES are those of
``scdesigner_copula.py``. ``sizes``: time and memory of copulas of 100, 2,000 and 20,000 genes.
``stream``: cells a second, and peak memory, of 200,000 cells of 2,000 genes written to a file.
Times are CPU seconds of one thread, or wall seconds of two; each is of a process of its own. The
tables are validation/dependence/*.csv.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import rankdata

import nbglm

OUT = Path(__file__).with_name("dependence")
FORMULA = {"mean": "~ bs(pseudotime, df=5)", "dispersion": "~ pseudotime"}
HALVES, REPLICATES = 4, 5
CELLS, GENES = 200_000, 2_000
FloatArray = Any


def features(counts: FloatArray) -> dict[str, FloatArray]:
    """What is compared: correlations of genes, variance of library sizes, the PCA spectrum."""
    upper = np.triu_indices(counts.shape[1], 1)
    logs = np.log1p(counts)
    centred = logs - logs.mean(axis=0)
    ranks = np.apply_along_axis(rankdata, 0, counts)
    return {
        "log": np.corrcoef(logs.T)[upper],
        "counts": np.corrcoef(counts.T)[upper],
        "ranks": np.corrcoef(ranks.T)[upper],
        "zeros": (counts == 0).mean(axis=0),
        "library": np.log(counts.sum(axis=1) + 1.0).var(),
        "spectrum": np.linalg.svd(centred, compute_uv=False)[:20] ** 2 / len(counts),
    }


def errors(real: dict[str, FloatArray], drawn: dict[str, FloatArray]) -> dict[str, float]:
    """How far the features of a sample are from those of the cells that were held out."""
    found = {
        f"r_{name}": float(np.sqrt(np.mean((real[name] - drawn[name]) ** 2)))
        for name in ("log", "counts", "ranks")
    }
    found["zeros"] = float(np.sqrt(np.mean((real["zeros"] - drawn["zeros"]) ** 2)))
    found["library_variance_ratio"] = float(drawn["library"] / real["library"])
    ratio = np.log(drawn["spectrum"] / real["spectrum"])
    found["spectrum_rms_log_ratio"] = float(np.sqrt(np.mean(ratio**2)))
    return found


def halves(data: Path, peer: Path | None) -> pd.DataFrame:
    """Errors on the other half of the cells, of each way to draw."""
    import anndata

    adata = anndata.read_h5ad(data)
    counts = np.asarray(adata.X.todense() if hasattr(adata.X, "todense") else adata.X, float)
    rows = []
    for half in range(HALVES):
        order = np.random.default_rng(half).permutation(adata.n_obs)
        known, other = order[: adata.n_obs // 2], order[adata.n_obs // 2 :]
        res = nbglm.fit_negbin(adata[known].copy(), FORMULA, progress=False)
        span = adata.obs["pseudotime"].iloc[known]
        obs = adata.obs.iloc[other].copy()
        obs["pseudotime"] = obs["pseudotime"].clip(span.min(), span.max())
        factors = {"dense_genes": 10, "n_factors": 10, "block_size": 25}
        ways = {
            "nbglm, independent": None,
            "nbglm, copula (one block)": nbglm.fit_copula(res, heldout=False),
            "nbglm, copula (10 factors, blocks of 25)": nbglm.fit_copula(
                res, heldout=False, **factors
            ),
        }
        samples = {
            name: res.sample(obs, replicates=REPLICATES, copula=copula, seed=half).X.toarray()
            for name, copula in ways.items()
        }
        for name in ("sample", "ledoit_wolf") if peer else ():
            with np.load(peer / f"{name}_{half}.npz") as kept:
                samples[f"scDesigner NegBinCopula ({name})"] = kept["counts"].astype(float)
        samples["the cells that were fitted"] = counts[known]
        real = features(counts[other])
        rows += [{"way": name, **errors(real, features(part))} for name, part in samples.items()]
    table = pd.DataFrame(rows).groupby("way", sort=False).mean()
    return table.round(4)


def dependent_cells(cells: int, genes: int) -> tuple[Any, pd.DataFrame]:
    """Counts with five hidden states, 80 % of them zeros, and their obs."""
    from scipy import sparse

    rng = np.random.default_rng(20)
    states = rng.normal(size=(cells, 5))
    obs = pd.DataFrame({"x": rng.normal(size=cells)})
    parts = []
    for _ in range(0, genes, 500):
        loadings = rng.normal(0.0, 0.25, (5, min(500, genes)))
        level = rng.normal(-1.8, 1.3, loadings.shape[1])
        mean = np.exp(level + 0.3 * obs[["x"]].to_numpy() + states @ loadings)
        parts.append(sparse.csc_matrix(rng.poisson(mean * rng.gamma(2.0, 0.5, mean.shape))))
    return sparse.hstack(parts, format="csc")[:, :genes], obs


def measured(work: Callable[[], Any]) -> dict[str, float]:
    """Seconds of some work, and the peak memory of the process so far, in MB."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    clock, started = time.perf_counter(), time.process_time()
    work()
    seconds, wall = time.process_time() - started, time.perf_counter() - clock
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "seconds": round(seconds, 2),
        "wall_seconds": round(wall, 2),
        "peak_mb": round(peak),
        "before_mb": round(before),
    }


def one_size(genes: int, cells: int) -> dict[str, Any]:
    """A copula of so many genes, and a sample with it, in this process."""
    counts, obs = dependent_cells(cells, genes)
    res = nbglm.fit_negbin(counts, "~ x", obs=obs, progress=False)
    del counts
    res = res[res.converged]
    nbglm.warmup(progress=False)
    res.sample(n_cells=10, seed=0)
    found: list[Any] = []
    fitted = measured(lambda: found.append(nbglm.fit_copula(res, heldout=False)))
    copula = found[0]
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "copula.npz"
        copula.save(place)
        bytes_ = place.stat().st_size
    drawn = measured(lambda: res.sample(n_cells=4096, seed=1, copula=copula))
    alone = measured(lambda: res.sample(n_cells=4096, seed=1))
    checked = nbglm.fit_copula(res).table.iloc[0]
    return {
        "genes": len(res),
        "cells": cells,
        "factors": int(checked["factors"]),
        "blocks": len(copula.blocks),
        "fit_seconds": fitted["seconds"],
        "fit_peak_mb": fitted["peak_mb"],
        "before_mb": fitted["before_mb"],
        "file_mb": round(bytes_ / 2**20, 1),
        "sample_seconds_4096_cells": drawn["seconds"],
        "independent_seconds_4096_cells": alone["seconds"],
        "heldout_error": round(float(checked["heldout_error"]), 4),
        "heldout_independent": round(float(checked["heldout_independent"]), 4),
        "heldout_noise": round(float(checked["heldout_noise"]), 4),
    }


def prepared(folder: Path) -> None:
    """The fit and the copula of which ``stream`` draws."""
    counts, obs = dependent_cells(2000, GENES)
    res = nbglm.fit_negbin(counts, "~ x", obs=obs, progress=False)
    res = res[res.converged]
    nbglm.fit_copula(res, heldout=False).save(folder / "copula.npz")
    res.save(folder / "fit.h5ad")
    obs.to_csv(folder / "obs.csv", index=False)


def one_stream(folder: Path, way: str) -> dict[str, Any]:
    """Draw 200,000 cells in one way, in this process."""
    nbglm.warmup(progress=False)
    res = nbglm.load(folder / "fit.h5ad")
    copula = nbglm.GaussianCopula.load(folder / "copula.npz") if "copula" in way else None
    obs = pd.read_csv(folder / "obs.csv")
    res.sample(obs.iloc[:10], seed=0)
    place = folder / "drawn.h5ad"
    jobs = 2 if "two threads" in way else 1

    def dense_blocks() -> None:
        from scipy import sparse

        rng = np.random.default_rng(1)
        rows = rng.choice(len(obs), CELLS)
        beta, gamma = (res.params[name].to_numpy() for name in ("beta", "gamma"))
        beta, gamma = np.nan_to_num(beta, neginf=-30.0), np.nan_to_num(gamma, posinf=20.0)
        x = np.column_stack([np.ones(CELLS), obs["x"].to_numpy()[rows]])
        size = np.exp(gamma[0])
        for lo in range(0, CELLS, 4096):
            mean = np.exp(x[lo : lo + 4096] @ beta)
            sparse.csr_matrix(rng.negative_binomial(size, size / (size + mean)))

    def written() -> None:
        res.sample(obs, n_cells=CELLS, seed=1, copula=copula, out=place, n_jobs=jobs)

    found = measured(dense_blocks if way.startswith("numpy") else written)
    size = place.stat().st_size / 2**20 if place.exists() else np.nan
    place.unlink(missing_ok=True)
    return {
        "way": way,
        "cells": CELLS,
        "genes": len(res),
        "cells_per_second": round(CELLS / found["wall_seconds" if jobs > 1 else "seconds"]),
        **found,
        "file_mb": round(size) if np.isfinite(size) else "",
    }


def in_a_process(*words: str) -> dict[str, Any]:
    """What this script prints when it is given these words."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, __file__, *words],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    print(found, flush=True)
    return found


def main() -> None:
    """Measure, and write a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("halves")
    command.add_argument("data", type=Path)
    command.add_argument("--peer", type=Path)
    commands.add_parser("sizes")
    command = commands.add_parser("stream")
    command.add_argument("--peer", type=Path)
    command = commands.add_parser("one")
    command.add_argument("words", nargs="+")
    options = parser.parse_args()
    OUT.mkdir(exist_ok=True)
    if options.command == "one":
        kind, *words = options.words
        found = (
            one_size(int(words[0]), int(words[1]))
            if kind == "size"
            else one_stream(Path(words[0]), words[1])
        )
        print(json.dumps(found))
        return
    if options.command == "halves":
        table = halves(options.data, options.peer).reset_index()
    elif options.command == "sizes":
        sizes = ((100, 2000), (2_000, 2000), (20_000, 2000))
        table = pd.DataFrame([in_a_process("one", "size", str(p), str(n)) for p, n in sizes])
    else:
        with tempfile.TemporaryDirectory() as folder:
            prepared(Path(folder))
            ways = (
                *("nbglm, independent", "nbglm, independent, two threads"),
                *("nbglm, copula", "nbglm, copula, two threads"),
                "numpy, dense blocks, not written",
            )
            table = pd.DataFrame([in_a_process("one", "stream", folder, way) for way in ways])
        if options.peer:
            kept = pd.read_csv(options.peer / "speed.csv").assign(way="scDesigner, in memory")
            table = pd.concat([table, kept[[c for c in table if c in kept]]])
    table.to_csv(OUT / f"{options.command}.csv", index=False)
    print(table.to_string())


if __name__ == "__main__":
    main()
