"""Samples from a fit, gene by gene, into one sparse matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from nbglm.exceptions import NbglmError, OptionError
from nbglm.fit.prediction import predict
from nbglm.inference.fitted import FittedGenes
from nbglm.parallel.threads import in_threads
from nbglm.simulate.draws import Seed, draw_counts, gene_stream, seed_entropy

if TYPE_CHECKING:
    from anndata import AnnData

__all__ = ["simulate"]

FloatArray = NDArray[np.float64]

_BLOCK_ENTRIES = 1 << 22  # entries of a dense block of means


def _draw_block(
    results: FittedGenes,
    genes: slice,
    x: FloatArray,
    z: FloatArray,
    offset: FloatArray,
    entropy: tuple[int, ...],
) -> sparse.csc_matrix:
    """Counts of a block of genes as compressed sparse columns, as narrow as they allow."""
    mean, size = predict(results.arrays, x, z, offset, genes)
    columns = []
    for k, name in enumerate(results.gene_names[genes]):
        try:
            counts = draw_counts(gene_stream(entropy, name), mean[:, k], size[:, k])
        except OptionError as error:
            msg = f"gene {name!r}: {error}"
            raise OptionError(msg) from error
        columns.append(sparse.csc_matrix(counts[:, None]))
    block = sparse.hstack(columns, format="csc")
    fits = block.data.max(initial=0) <= np.iinfo(np.int32).max
    return block.astype(np.int32 if fits else np.int64)


def _require_converged(results: FittedGenes) -> None:
    """Refuse to go on with genes whose fit failed."""
    failed = results.gene_names[~results.arrays.converged]
    if len(failed):
        msg = (
            f"{len(failed)} genes did not converge (the first is {failed[0]!r}); "
            f"leave them out: results.subset(results.converged).sample(...)."
        )
        raise NbglmError(msg)


def simulate(
    results: FittedGenes,
    obs: pd.DataFrame,
    x: FloatArray,
    z: FloatArray,
    offset: FloatArray,
    *,
    seed: Seed,
    n_jobs: int | None,
) -> AnnData:
    """Draw an AnnData of counts.

    Parameters
    ----------
    results : FittedGenes
        The fit.
    obs : DataFrame
        Covariates of the new cells.
    x, z, offset : ndarray
        Their designs and offset.
    seed : int, SeedSequence, Generator or None
        See :func:`nbglm.simulate.draws.seed_entropy`.
    n_jobs : int or None
        As joblib understands it.

    Returns
    -------
    AnnData
        ``X`` is a CSR matrix of 32-bit integers, or of 64-bit ones if a count needs them.

    Raises
    ------
    NbglmError
        If a gene did not converge.
    ValueError
        If a gene has no finite mean on these rows, or the seed is negative.
    """
    from anndata import AnnData

    _require_converged(results)
    entropy = seed_entropy(seed)
    genes = len(results.gene_names)
    step = max(1, _BLOCK_ENTRIES // max(1, len(obs)))

    def draw(start: int) -> sparse.csc_matrix:
        return _draw_block(results, slice(start, start + step), x, z, offset, entropy)

    blocks = list(in_threads(draw, range(0, genes, step), n_jobs))
    frame = obs.copy()
    # AnnData wants strings; map() would leave an empty index as it is.
    frame.index = pd.Index([str(label) for label in obs.index], dtype=object, name=obs.index.name)
    return AnnData(
        X=sparse.hstack(blocks, format="csr"),
        obs=frame,
        var=results.counts.annotations,
    )
