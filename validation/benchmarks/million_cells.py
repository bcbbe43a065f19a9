"""A large sparse h5ad file whose truth is known, written with bounded memory.

Cells have a type (one of eight) and a time. The mean of even genes depends on the type, that of odd
genes on the time; sizes are constant. So ``~ type`` is the right model of the even genes and
``~ time`` of the odd ones. About one entry in twenty is positive. The truth stands in ``var``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from scipy import sparse

from nbglm.simulate.draws import draw_counts

__all__ = ["TYPES", "right_model", "truth_of", "write_cells"]

TYPES = 8
_ENTRIES = 2_000_000  # drawn at a time, zeros included
_CHUNK = 1 << 16  # of the file


def covariates(cells: int, seed: int) -> pd.DataFrame:
    """Type and time of each cell."""
    rng = np.random.default_rng([seed, 0])
    shares = np.linspace(2.0, 0.5, TYPES)
    kind = rng.choice(TYPES, cells, p=shares / shares.sum())
    return pd.DataFrame(
        {
            "type": pd.Categorical.from_codes(kind, [f"t{k}" for k in range(TYPES)]),
            "time": rng.uniform(-1.0, 1.0, cells),
        },
        index=pd.RangeIndex(cells).astype(str),
    )


def coefficients(genes: int, seed: int) -> pd.DataFrame:
    """True coefficients of each gene: ``Intercept``, a type or a slope, ``log_size``."""
    rng = np.random.default_rng([seed, 1])
    even = np.arange(genes) % 2 == 0
    effects = np.where(even[:, None], rng.normal(scale=0.5, size=(genes, TYPES - 1)), 0.0)
    table = pd.DataFrame(effects, columns=[f"type[T.t{k}]" for k in range(1, TYPES)])
    table.insert(0, "Intercept", rng.normal(-3.75, 1.4, genes).clip(-7.0, 1.5))
    table["time"] = np.where(even, 0.0, rng.normal(scale=0.5, size=genes))
    table["log_size"] = rng.normal(0.0, 0.5, genes)
    return table.set_index(pd.Index([f"gene_{g:04d}" for g in range(genes)]))


def right_model(genes: int, mean: str) -> np.ndarray:
    """Which genes follow the mean formula, ``~ type`` or ``~ time``."""
    return np.arange(genes) % 2 == (0 if mean == "~ type" else 1)


def truth_of(var: pd.DataFrame, terms: list[str]) -> np.ndarray:
    """True coefficients in the order of a fit with dispersion ``~ 1``, shape (genes, terms + 1)."""
    return var[[*terms, "log_size"]].to_numpy()


def draw_rows(
    kind: np.ndarray, time: np.ndarray, var: pd.DataFrame, stream: tuple[int, ...]
) -> sparse.csr_matrix:
    """Counts of some cells."""
    rng = np.random.default_rng(stream)
    effects = var.to_numpy()[:, 1:TYPES]
    level = np.column_stack([np.zeros(len(var)), effects]) + var[["Intercept"]].to_numpy()
    mean = np.exp(level.T)[kind] * np.exp(np.multiply.outer(time, var["time"].to_numpy()))
    size = np.broadcast_to(np.exp(var["log_size"].to_numpy()), mean.shape)
    return sparse.csr_matrix(draw_counts(rng, mean, size).astype(np.int32))


def drawn_chunks(
    obs: pd.DataFrame, var: pd.DataFrame, seed: int, n_jobs: int
) -> Iterator[sparse.csr_matrix]:
    """All cells, some rows at a time, in order; the same draws for any `n_jobs`."""
    kind, time = obs["type"].cat.codes.to_numpy(), obs["time"].to_numpy()
    rows = max(1, _ENTRIES // len(var))
    starts = range(0, len(obs), rows)
    # A few chunks at a time: what is drawn waits in memory until it is written.
    for first in range(0, len(starts), 2 * n_jobs):
        yield from Parallel(n_jobs=n_jobs, prefer="threads")(
            delayed(draw_rows)(
                kind[start : start + rows], time[start : start + rows], var, (seed, 2, start)
            )
            for start in starts[first : first + 2 * n_jobs]
        )


def append_rows(stored: h5py.Group, chunk: sparse.csr_matrix) -> None:
    """Put rows behind those that a stored compressed matrix has."""
    for name, values in (("data", chunk.data), ("indices", chunk.indices)):
        end = stored[name].shape[0]
        stored[name].resize(end + values.size, axis=0)
        stored[name][end:] = values


def write_cells(
    path: Path, cells: int, genes: int, seed: int = 20261123, n_jobs: int = 2
) -> dict[str, float]:
    """Write the file: compressed sparse rows, 32-bit integers.

    Parameters
    ----------
    path : Path
        Of the h5ad file.
    cells, genes : int
        Its size.
    seed : int
        Makes it repeatable.
    n_jobs : int
        Threads that draw.

    Returns
    -------
    dict
        ``positive``, the share of entries that are not 0, and ``file_gib``.
    """
    obs, var = covariates(cells, seed), coefficients(genes, seed)
    empty = sparse.csr_matrix((cells, genes), dtype=np.int32)
    anndata.AnnData(empty, obs, var).write_h5ad(path)
    ends = [np.zeros(1, dtype=np.int64)]
    with h5py.File(path, "a") as file:
        stored = file["X"]
        for name in ("data", "indices"):
            del stored[name]
            stored.create_dataset(name, (0,), np.int32, maxshape=(None,), chunks=(_CHUNK,))
        for chunk in drawn_chunks(obs, var, seed, n_jobs):
            append_rows(stored, chunk)
            ends.append(ends[-1][-1] + chunk.indptr[1:].astype(np.int64))
        del stored["indptr"]
        small = ends[-1][-1] <= np.iinfo(np.int32).max
        stored["indptr"] = np.concatenate(ends).astype(np.int32 if small else np.int64)
        positive = stored["data"].shape[0] / (cells * genes)
    return {"positive": positive, "file_gib": path.stat().st_size / 2**30}
