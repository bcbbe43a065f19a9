"""Samples from a fit, gene by gene, into the smaller of a sparse and a dense matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from nbglm.exceptions import NbglmError
from nbglm.parallel import in_threads
from nbglm.prediction import predict
from nbglm.results import NegBinResults, require_converged
from nbglm.sampling import draw_counts, gene_stream, seed_entropy

if TYPE_CHECKING:
    from anndata import AnnData

__all__ = ["simulate"]

FloatArray = NDArray[np.float64]

_BLOCK_ENTRIES = 1 << 22  # entries of a dense block of means


def _draw_block(
    results: NegBinResults,
    genes: slice,
    x: FloatArray,
    z: FloatArray,
    offset: FloatArray,
    entropy: tuple[int, ...],
) -> sparse.csc_matrix:
    """Counts of a block of genes as compressed sparse columns."""
    mean, size = predict(results.arrays, x, z, offset, genes)
    columns = []
    for k, name in enumerate(results.gene_names[genes]):
        try:
            counts = draw_counts(gene_stream(entropy, name), mean[:, k], size[:, k])
        except ValueError as error:
            msg = f"gene {name!r}: {error}"
            raise NbglmError(msg) from error
        columns.append(sparse.csc_matrix(counts[:, None]))
    return sparse.hstack(columns, format="csc")


def simulate(
    results: NegBinResults,
    obs: pd.DataFrame,
    x: FloatArray,
    z: FloatArray,
    offset: FloatArray,
    *,
    seed: int | None,
    n_jobs: int | None,
) -> AnnData:
    """Draw an AnnData of counts.

    Parameters
    ----------
    results : NegBinResults
        The fit.
    obs : DataFrame
        Covariates of the new cells.
    x, z, offset : ndarray
        Their designs and offset.
    seed : int or None
        See :func:`nbglm.sampling.seed_entropy`.
    n_jobs : int or None
        As joblib understands it.

    Returns
    -------
    AnnData

    Raises
    ------
    NbglmError
        If a gene did not converge or has no finite mean on these rows.
    """
    from anndata import AnnData

    require_converged(results)
    entropy = seed_entropy(seed)
    genes = len(results.gene_names)
    step = max(1, _BLOCK_ENTRIES // max(1, len(obs)))

    def draw(start: int) -> sparse.csc_matrix:
        return _draw_block(results, slice(start, start + step), x, z, offset, entropy)

    blocks = list(in_threads(draw, range(0, genes, step), n_jobs))
    counts = sparse.hstack(blocks, format="csr")
    fits = counts.nnz == 0 or counts.data.max() <= np.iinfo(np.int32).max
    counts = counts.astype(np.int32 if fits else np.int64)
    # An entry costs its value and its column number when sparse, its value alone when dense.
    width = counts.data.itemsize
    smaller = counts.nnz * (width + counts.indices.itemsize) < len(obs) * genes * width
    frame = obs.copy()
    frame.index = frame.index.map(str)
    return AnnData(
        X=counts if smaller else counts.toarray(),
        obs=frame,
        var=pd.DataFrame(index=results.gene_names),
    )
