"""What it takes to keep fits in files, beside a pickle: CPU seconds, bytes, and what damage does.

    python validation/files.py

The fits are made of simulated counts, 10,000 genes by default; each is saved, loaded in a new
process, and compared there. `docs/files.md` has the figures.
"""

from __future__ import annotations

import argparse
import collections
import pickle
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

import nbglm

CELLS = 500

LOAD = """
import sys, time, pickle
import numpy, pandas, scipy.sparse, patsy, h5py, zarr, nbglm.loading
start = time.process_time()
if sys.argv[1].endswith(".pickle"):
    with open(sys.argv[1], "rb") as file:
        fit = pickle.load(file)
else:
    fit = nbglm.load(sys.argv[1])
print(time.process_time() - start, fit.arrays.coef.tobytes() == open(sys.argv[2], "rb").read())
"""


def make(genes: int, formula: dict[str, str], seed: int = 1) -> nbglm.NegBinResults:
    """A fit of simulated counts, some genes of them with few."""
    rng = np.random.default_rng(seed)
    obs = pd.DataFrame({"type": rng.choice(list("abcdef"), CELLS), "x": rng.random(CELLS)})
    mean = np.exp(rng.normal(0.0, 1.5, genes) + 0.5 * rng.normal(size=(6, genes)))
    counts = rng.negative_binomial(2, 2 / (2 + mean[pd.factorize(obs["type"], sort=True)[0]]))
    names = [f"ENSMUSG{k:011d}" for k in range(genes)]
    frame = pd.DataFrame(counts, columns=names)
    return nbglm.fit_negbin(frame, formula, obs=obs, progress=False)


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files of a folder."""
    if path.is_file():
        return path.stat().st_size
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def timed(call: Callable[[], object], times: int = 3) -> float:
    """Median CPU seconds."""
    taken = []
    for _ in range(times):
        start = time.process_time()
        call()
        taken.append(time.process_time() - start)
    return statistics.median(taken)


def loaded(path: Path, coef: Path, times: int = 3) -> float:
    """Median CPU seconds to load in a new process, where all coefficients must be the same."""
    command = [sys.executable, "-c", LOAD, str(path), str(coef)]
    taken = []
    for _ in range(times):
        seconds, same = subprocess.run(
            command, capture_output=True, text=True, check=True
        ).stdout.split()
        assert same == "True"
        taken.append(float(seconds))
    return statistics.median(taken)


def write(fit: nbglm.NegBinResults, path: Path, *, data: bool) -> None:
    """Keep a fit, in a pickle or in a file."""
    if path.suffix == ".pickle":
        path.write_bytes(pickle.dumps(fit))
    else:
        fit.save(path, data=data)


def compare(fit: nbglm.NegBinResults, folder: Path, *, data: bool) -> None:
    """A row of the table for each way to keep a fit."""
    coef = folder / "coef"
    coef.write_bytes(fit.arrays.coef.tobytes())
    kept = fit if data else fit.without_data()
    for suffix in ("h5ad", "zarr", "pickle"):
        path = folder / f"fit.{suffix}"
        seconds = timed(lambda path=path: write(kept, path, data=data))
        print(
            f"| {'with' if data else 'without'} counts | .{suffix} | {size_of(path) / 1e6:.2f} | "
            f"{seconds:.2f} | {loaded(path, coef):.3f} |",
            flush=True,
        )
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def damage(fit: nbglm.NegBinResults, folder: Path, flips: int) -> None:
    """What becomes of files that are cut, of random bytes, and of bytes that were changed."""
    path, other = folder / "fit.h5ad", folder / "other.h5ad"
    fit.save(path, data=True)
    whole, table = path.read_bytes(), fit.to_frame()
    rng = np.random.default_rng(7)
    tried = {
        "cut at each kilobyte": (whole[:n] for n in range(0, len(whole), 1024)),
        "random bytes": (rng.bytes(int(n)) for n in rng.integers(0, 10_000, 200)),
        "one byte changed": (_changed(whole, rng, 1) for _ in range(flips)),
        "100 bytes changed": (_changed(whole, rng, 100) for _ in range(flips)),
    }
    print(f"\na file of {len(whole):,} bytes")
    for name, files in tried.items():
        told: collections.Counter[str] = collections.Counter()
        for content in files:
            other.write_bytes(content)
            try:
                again = nbglm.load(other)
            except nbglm.FileError:
                told["refused"] += 1
            else:
                same = again.to_frame().equals(table)
                told["loaded, the same" if same else "loaded, ANOTHER"] += 1
        print(f"{name}: {', '.join(f'{n} {what}' for what, n in told.items())}", flush=True)


def _changed(whole: bytes, rng: np.random.Generator, times: int) -> bytes:
    content = bytearray(whole)
    for at in rng.integers(len(content), size=times):
        content[at] ^= int(rng.integers(1, 256))
    return bytes(content)


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--genes", type=int, default=10_000)
    parser.add_argument("--flips", type=int, default=300)
    options = parser.parse_args()
    formulas = {
        "~ type, ~ 1": {"mean": "~ type", "dispersion": "~ 1"},
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for title, formula in formulas.items():
            start = time.process_time()
            fit = make(options.genes, formula)
            print(
                f"\n{options.genes:,} genes x {CELLS} cells, {title}: fitted in "
                f"{time.process_time() - start:.0f} s; {dict(fit.status.value_counts())}\n"
            )
            start = time.process_time()
            fit.without_data()
            print(f"tests at limits: {time.process_time() - start:.1f} s\n")
            print("| | file | MB | CPU s to save | CPU s to load |\n|---|---|---|---|---|")
            for data in (False, True):
                compare(fit, folder, data=data)
        damage(make(20, formulas["~ type, ~ 1"]), folder, options.flips)


if __name__ == "__main__":
    main()
