"""Counts of some genes drawn many times from a fit, and fitted again each time.

Each gene has random streams of its own for each repeat, keyed by its name, so that neither other
genes nor the number of workers change a count.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from nbglm.counts.table import Counts
from nbglm.exceptions import OptionError
from nbglm.fit.clusters import CovarianceRule, covariance_rule
from nbglm.fit.genes import FitArrays, fit_blocks
from nbglm.fit.prediction import predict
from nbglm.inference.methods import FitInference
from nbglm.problem.problem import make_problem
from nbglm.simulate.draws import draw_counts, gene_stream, gene_streams
from nbglm.status import GENE_STATUS
from nbglm.trials.donors import donor_factors, donor_variance, size_within

__all__ = [
    "Cells",
    "cells_of_fit",
    "chosen_genes",
    "drawn",
    "fitted",
    "refits",
    "rule_of_rows",
]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_ENTRIES = 1 << 22  # counts in memory at a time, zeros included
_DONORS = 0x646F6E6F72  # the letters of "donor"
_GENES = 0x67656E6573  # the letters of "genes": the stream that chooses some of them
_ALL_ZERO = GENE_STATUS.index("all_zero")


@dataclass(frozen=True)
class Cells:
    """The cells of an experiment that is repeated.

    Attributes
    ----------
    x, z : ndarray, shape (cells, p) and (cells, q)
        Their designs.
    offset : ndarray, shape (cells,)
        Offset of the log mean.
    donors : ndarray of int, shape (cells,), or None
        Number of each cell's donor.
    shared : ndarray, shape (genes,)
        Variance of the factor that the cells of a donor share, of all genes of the fit.
    """

    x: FloatArray
    z: FloatArray
    offset: FloatArray
    donors: IntArray | None
    shared: FloatArray

    def rows(self, chosen: IntArray, donors: IntArray | None) -> Cells:
        """Some of the cells, with donors of their own."""
        return Cells(self.x[chosen], self.z[chosen], self.offset[chosen], donors, self.shared)


def _repeated_cells(weights: FloatArray | None, cells: int) -> IntArray:
    """The row of each cell, where frequency weights say that rows are several."""
    if weights is None:
        return np.arange(cells)
    if (weights != np.round(weights)).any():
        msg = (
            "frequency weights that are no whole numbers leave open how many cells are to be "
            "drawn; fit with whole ones."
        )
        raise OptionError(msg)
    return np.repeat(np.arange(cells), weights.astype(np.int64))


def cells_of_fit(fit: FitInference, genes: IntArray, groups: object) -> tuple[Cells, IntArray]:
    """The cells of a fit, and how much the donors of some genes differ.

    Parameters
    ----------
    fit : FitInference
        The fit.
    genes : ndarray of int
        Which genes.
    groups : str, array or None
        Donor of each cell; those of clustered covariances by default.

    Returns
    -------
    cells : Cells
    rows : ndarray of int
        The row of the fit of each cell.
    """
    design = fit.design
    x, z = design.mean.matrix, design.dispersion.matrix
    donors = fit.cov.groups
    if groups is not None:
        donors = covariance_rule("cluster", {"groups": groups}, fit.counts.obs).groups
    rows = _repeated_cells(fit.weights, fit.counts.n_cells)
    shared = np.zeros(len(fit.counts.genes))
    if donors is not None:
        donors = donors[rows]
        for gene in map(int, genes):
            one = slice(gene, gene + 1)
            mean = predict(fit.arrays, x, z, design.offset, one)[0][rows, 0]
            shared[gene] = donor_variance(fit.counts.gene(gene)[rows], mean, donors, x[rows])
    return Cells(x[rows], z[rows], design.offset[rows], donors, shared), rows


def chosen_genes(fit: FitInference, n_genes: int, entropy: tuple[int, ...]) -> IntArray:
    """Some genes of a fit, in their order, of those that have counts and converged.

    Parameters
    ----------
    fit : FitInference
        The fit.
    n_genes : int
        How many, at most.
    entropy : tuple of int
        From :func:`nbglm.simulate.draws.seed_entropy`.

    Returns
    -------
    ndarray of int

    Raises
    ------
    OptionError
        If there is none.
    """
    there = np.flatnonzero(fit.arrays.converged & (fit.arrays.status != _ALL_ZERO))
    if not there.size:
        msg = "no gene of this fit has counts and converged; there is nothing to draw from."
        raise OptionError(msg)
    if there.size <= n_genes:
        return there
    rng = np.random.default_rng(np.random.SeedSequence([*entropy, _GENES]))
    return np.sort(rng.choice(there, n_genes, replace=False))


def drawn(
    fit: FitInference, arrays: FitArrays, cells: Cells, genes: IntArray, entropy: tuple[int, ...]
) -> NDArray[np.int64]:
    """Counts of some genes, drawn once.

    Parameters
    ----------
    fit : FitInference
        With the names of the genes.
    arrays : FitArrays
        What they are drawn from, of all genes.
    cells : Cells
        The cells.
    genes : ndarray of int
        Which genes.
    entropy : tuple of int
        Of this repeat.

    Returns
    -------
    ndarray of int, shape (cells, genes)
    """
    out = np.empty((cells.offset.size, genes.size), dtype=np.int64)
    for column, gene in enumerate(map(int, genes)):
        name = str(fit.counts.genes[gene])
        one = slice(gene, gene + 1)
        mean, size = (part[:, 0] for part in predict(arrays, cells.x, cells.z, cells.offset, one))
        if cells.donors is not None and cells.shared[gene] > 0.0:
            size, variance = size_within(size, float(cells.shared[gene]))
            rng = gene_stream((*entropy, _DONORS), name)
            factors = donor_factors(rng, variance, int(cells.donors.max()) + 1)
            mean = mean * factors[cells.donors]
        out[:, column] = draw_counts(gene_streams(entropy, name), mean, size)
    return out


def fitted(
    fit: FitInference,
    cells: Cells,
    values: NDArray[np.int64],
    cov: CovarianceRule,
    n_jobs: int | None,
) -> FitInference:
    """Fit drawn counts as the fit itself was made.

    Parameters
    ----------
    fit : FitInference
        Whose formulas and options are used.
    cells : Cells
        The cells.
    values : ndarray of int, shape (cells, columns)
        Their counts.
    cov : CovarianceRule
        Kind of the covariances.
    n_jobs : int or None
        As joblib understands it.

    Returns
    -------
    FitInference
    """
    names = pd.Index([f"gene_{k}" for k in range(values.shape[1])])
    obs = pd.DataFrame(index=pd.RangeIndex(cells.offset.size))
    counts = Counts(sparse.csc_matrix(values), names, obs)
    minimum_norm = fit.rank_deficient == "min_norm"
    problem = make_problem(cells.x, cells.z, cells.offset, None, minimum_norm=minimum_norm)
    return FitInference(
        arrays=FitArrays.concatenate(fit_blocks(counts, problem, n_jobs)),
        design=fit.design.of_rows(cells.x, cells.z, cells.offset),
        counts=counts,
        weights=None,
        cov=cov,
        rank_deficient=fit.rank_deficient,
        seconds=0.0,
    )


def refits(
    fit: FitInference,
    arrays: FitArrays,
    cells: Cells,
    genes: IntArray,
    *,
    entropy: tuple[int, ...],
    n_sim: int,
    cov: CovarianceRule,
    n_jobs: int | None,
) -> Iterator[FitInference]:
    """Draw all counts of the same cells anew and fit them, as often as asked for.

    Parameters
    ----------
    fit, arrays, cells, genes, entropy, cov, n_jobs
        As above.
    n_sim : int
        How often.

    Yields
    ------
    FitInference
        Of several repeats; all genes of the first one come first.
    """
    step = max(1, _ENTRIES // max(1, cells.offset.size * genes.size))
    for lo in range(0, n_sim, step):
        repeats = range(lo, min(lo + step, n_sim))
        values = np.hstack(
            [drawn(fit, arrays, cells, genes, (*entropy, repeat)) for repeat in repeats]
        )
        yield fitted(fit, cells, values, cov, n_jobs)


def rule_of_rows(cov: CovarianceRule, rows: IntArray) -> CovarianceRule:
    """A kind of covariance for some rows of the fit."""
    return cov if cov.groups is None else replace(cov, groups=cov.groups[rows])
