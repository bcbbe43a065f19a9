"""Sparse counts as a single-cell experiment gives them: most genes at some edge.

3,000 cells of six types along a trajectory, two batches, 2,000 genes. Thirty genes in a hundred
have fewer than 10 counts; a third of the others are silent in one type or more; a fifth of them
are Poisson. Everything follows from one seed.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy import sparse

CELLS, GENES = 3_000, 2_000
TYPES = ("Alpha", "Beta", "Delta", "Ductal", "Epsilon", "Ngn3")
SHARES = (0.25, 0.25, 0.1, 0.3, 0.02, 0.08)


def sparse_cells(seed: int = 0, genes: int = GENES) -> AnnData:
    """Counts with obs columns ``type``, ``time``, ``batch`` and ``size_factor``."""
    rng = np.random.default_rng(seed)
    kind = rng.choice(len(TYPES), CELLS, p=SHARES)
    time = rng.uniform(size=CELLS)
    batch = rng.integers(0, 2, CELLS)
    size_factor = np.exp(rng.normal(scale=0.4, size=CELLS))
    columns = []
    for gene in range(genes):
        if gene % 10 < 3:
            y = np.zeros(CELLS, dtype=np.int64)
            np.add.at(y, rng.choice(CELLS, rng.integers(0, 10)), 1)
        else:
            level = rng.normal(scale=0.7, size=len(TYPES))
            level[rng.random(len(TYPES)) < 0.07] = -np.inf
            slope, shift = rng.normal(scale=[0.7, 0.2])
            mu = size_factor * np.exp(
                rng.normal(-1, 2) + level[kind] + slope * time + shift * batch
            )
            r = np.exp(rng.normal(0, 1) + rng.normal(0, 0.7) * time)
            y = rng.poisson(mu if rng.random() < 0.2 else rng.gamma(r, mu / r))
        columns.append(sparse.csc_matrix(y[:, None]))
    obs = pd.DataFrame(
        {
            "type": pd.Categorical.from_codes(kind, TYPES),
            "time": time,
            "batch": np.where(batch, "b2", "b1"),
            "size_factor": size_factor,
        },
        index=[f"cell_{i}" for i in range(CELLS)],
    )
    names = pd.DataFrame(index=[f"gene_{i:04d}" for i in range(genes)])
    return AnnData(sparse.hstack(columns).tocsr(), obs=obs, var=names)
