"""The counts of a gene beside the means and sizes that were fitted to them, gene by gene."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nbglm.fit.prediction import predict
from nbglm.inference.fitted import FittedGenes

__all__ = ["GeneCells", "cells_of_genes", "cells_of_one"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_BLOCK_ENTRIES = 1 << 20  # entries of a dense block of means


@dataclass(frozen=True)
class GeneCells:
    """One gene in all cells.

    Attributes
    ----------
    name : str
        The gene.
    y : ndarray, shape (cells,)
        Counts.
    mean, size : ndarray, shape (cells,)
        Fitted means (counts) and sizes ``r``; a mean may be 0, a size infinite.
    weight : ndarray, shape (cells,)
        Frequency weights.
    """

    name: str
    y: FloatArray
    mean: FloatArray
    size: FloatArray
    weight: FloatArray


def cells_of_genes(results: FittedGenes, positions: IntArray) -> Iterator[GeneCells]:
    """Some genes of a fit, one after the other; no more than a block of them is in memory.

    Parameters
    ----------
    results : FittedGenes
        The fit.
    positions : ndarray of int
        Which genes.

    Yields
    ------
    GeneCells

    Raises
    ------
    UnavailableError
        If counts and cells were dropped.

    Examples
    --------
    >>> import nbglm
    >>> fit = nbglm.fit_negbin(np.array([[2], [4]]), "~ 1", obs={"x": [0, 1]})
    >>> next(cells_of_genes(fit, np.array([0]))).mean.round(6)
    array([3., 3.])
    """
    results.require_data("a look at single cells")
    design, weight = results.design, results.weights
    if weight is None:
        weight = np.ones(results.counts.n_cells)
    step = max(1, _BLOCK_ENTRIES // max(1, results.counts.n_cells))
    for start in range(0, positions.size, step):
        chosen = positions[start : start + step]
        mean, size = predict(
            results.arrays.of_genes(chosen),
            design.mean.matrix,
            design.dispersion.matrix,
            design.offset,
            slice(0, chosen.size),
        )
        for column, gene in enumerate(chosen):
            yield GeneCells(
                str(results.counts.genes[gene]),
                results.counts.gene(int(gene)),
                mean[:, column],
                size[:, column],
                weight,
            )


def cells_of_one(results: FittedGenes, position: int) -> GeneCells:
    """:func:`cells_of_genes` for one gene.

    Parameters
    ----------
    results : FittedGenes
        The fit.
    position : int
        Number of the gene.

    Returns
    -------
    GeneCells
    """
    return next(cells_of_genes(results, np.array([position])))
