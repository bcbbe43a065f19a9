"""Deviances of all genes: of the fit, and of a constant mean beside the same sizes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nbglm.diagnostics.cells import GeneCells, cells_of_genes
from nbglm.diagnostics.residuals import deviance_residuals
from nbglm.inference.fitted import FittedGenes

__all__ = ["constant_mean", "deviances"]

FloatArray = NDArray[np.float64]

_MOST_STEPS = 100
_LONGEST = 2.0  # step of the log mean


def constant_mean(cells: GeneCells, offset: FloatArray) -> FloatArray:
    """Fit a constant log mean beside the offset, at the sizes that are there.

    Parameters
    ----------
    cells : GeneCells
        Counts and sizes.
    offset : ndarray, shape (cells,)
        Offset of the log mean.

    Returns
    -------
    ndarray, shape (cells,)
        Fitted means.

    Examples
    --------
    >>> y = np.array([1.0, 5.0])
    >>> constant_mean(GeneCells("Pyy", y, y, np.full(2, np.inf), np.ones(2)), np.zeros(2))
    array([3., 3.])
    """
    exposure, weight = np.exp(offset), cells.weight
    total = float(weight @ cells.y)
    if total == 0.0:
        return np.zeros(cells.y.size)
    with np.errstate(divide="ignore"):
        inverse = 1.0 / cells.size
    level = np.log(total / float(weight @ exposure))
    for _ in range(_MOST_STEPS):
        mean = np.exp(level) * exposure
        share = 1.0 / (1.0 + mean * inverse)
        step = float(weight @ ((cells.y - mean) * share)) / float(weight @ (mean * share))
        level += float(np.clip(step, -_LONGEST, _LONGEST))
        if abs(step) < 1e-13:
            break
    return np.asarray(np.exp(level) * exposure)


def deviances(results: FittedGenes, *, null: bool) -> FloatArray:
    """Deviance of every gene.

    Parameters
    ----------
    results : FittedGenes
        The fit.
    null : bool
        Of a constant mean (the offset alone, if the design cannot make up a constant) in place of
        that of the fit.

    Returns
    -------
    ndarray, shape (genes,)

    Raises
    ------
    UnavailableError
        If counts and cells were dropped.
    """
    results.require_data("null_deviance" if null else "deviance")
    offset = results.design.offset
    has_constant = results.problem.layout.mean_rank > results.df_model
    out = np.empty(results.counts.n_genes)
    for gene, cells in enumerate(cells_of_genes(results, np.arange(out.size))):
        told = cells
        if null:
            mean = constant_mean(cells, offset) if has_constant else np.exp(offset)
            told = GeneCells(cells.name, cells.y, mean, cells.size, cells.weight)
        squares = deviance_residuals(told) ** 2
        used = cells.weight > 0.0
        out[gene] = cells.weight[used] @ squares[used]
    return out
