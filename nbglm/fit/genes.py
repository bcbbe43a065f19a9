"""Fit every gene: compiled for the interior, exact geometry for the rest, in parallel by blocks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from nbglm.counts.table import Counts, GeneBlock
from nbglm.limits.resolve import Resolved, resolve
from nbglm.limits.stages import Geometry
from nbglm.parallel.blocks import block_size, in_blocks
from nbglm.problem.problem import Problem
from nbglm.problem.standard import Matrix
from nbglm.search.climb import BlockFit, climb_block
from nbglm.status import COEF_STATUS, GENE_STATUS

__all__ = ["FitArrays", "fit_blocks"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

MAX_EVALUATIONS = 1000

_COEF = {word: code for code, word in enumerate(COEF_STATUS)}
_GENE = {word: code for code, word in enumerate(GENE_STATUS)}


@dataclass(frozen=True)
class FitArrays:
    """Everything a fit found, as arrays; genes run along the first axis.

    Attributes
    ----------
    coef : ndarray, shape (genes, p + q)
        Estimates ``[beta, gamma]``: infinite at a limit, NaN where there is none.
    finite, direction : ndarray, shape (genes, p + q)
        Predictions use ``finite`` where a design row does not move along ``direction``, and the
        limit in its direction where it does.
    reach : ndarray, shape (genes, 2)
        How far the design row moves along ``direction`` that moves the most, of mean and size.
    root : ndarray, shape (genes, p + q, p + q)
        A factor of the covariance of ``finite``, ``root @ root.T`` the inverse of the observed
        information where the counts tell of it; its last columns are 0 where there is less to tell.
    llf : ndarray, shape (genes,)
        Log-likelihood, or its supremum at a limit.
    evaluations : ndarray of int, shape (genes,)
        Evaluations of the log-likelihood on all cells; those in smaller problems that only look
        for a start are not counted.
    status : ndarray of int8, shape (genes,)
        Position in ``GENE_STATUS``.
    coef_status : ndarray of int8, shape (genes, p + q)
        Position in ``COEF_STATUS``.
    """

    coef: FloatArray
    finite: FloatArray
    direction: FloatArray
    reach: FloatArray
    root: FloatArray
    llf: FloatArray
    evaluations: IntArray
    status: NDArray[np.int8]
    coef_status: NDArray[np.int8]

    @property
    def known(self) -> NDArray[np.bool_]:
        """Which coefficients have a finite estimate with a standard error."""
        return np.isfinite(self.coef) & self.estimated[:, None]

    @property
    def converged(self) -> NDArray[np.bool_]:
        """Which genes did not fail."""
        return np.asarray(self.status != _GENE["not_converged"])

    @property
    def estimated(self) -> NDArray[np.bool_]:
        """Which genes have the coefficients of a maximum: they did not fail, nor were edited."""
        return self.converged & (self.status != _GENE["planted"])

    def of_genes(self, positions: IntArray) -> FitArrays:
        """The arrays of some genes, by their positions."""
        names = self.__dataclass_fields__
        return FitArrays(**{name: getattr(self, name)[positions] for name in names})

    @classmethod
    def concatenate(cls, parts: Iterable[FitArrays]) -> FitArrays:
        """Join blocks of genes."""
        blocks = list(parts)
        return cls(
            **{
                name: np.concatenate([getattr(block, name) for block in blocks])
                for name in cls.__dataclass_fields__
            }
        )


def _padded(root: FloatArray) -> FloatArray:
    """Make a factor of a covariance square."""
    padded = np.zeros((root.shape[0], root.shape[0]))
    padded[:, : root.shape[1]] = root
    return padded


def _products(transform: Matrix, stack: FloatArray) -> FloatArray:
    """Products with each of a stack of matrices."""
    if sparse.issparse(transform):
        return np.stack([transform @ matrix for matrix in stack])
    # Stacks of small products: one large one would round by how many genes there are.
    return np.asarray(np.matmul(transform, stack))


def _interior(problem: Problem, block: BlockFit) -> FitArrays:
    """Coefficients and covariances of genes with a finite maximum, for all genes at once."""
    transform, aliased = problem.transform, problem.aliased
    finite = _products(transform, block.theta[:, :, None])[:, :, 0]
    root = np.zeros((*finite.shape, finite.shape[1]))
    root[:, :, : block.theta.shape[1]] = _products(transform, block.root)
    coef = finite.copy()
    if not problem.projection.size:
        coef[:, aliased] = np.nan
    return FitArrays(
        coef=coef,
        finite=finite,
        direction=np.zeros_like(finite),
        reach=np.zeros((finite.shape[0], 2)),
        root=root,
        llf=block.value,
        evaluations=block.evaluations,
        status=np.full(finite.shape[0], _GENE["ok"], dtype=np.int8),
        coef_status=np.tile(
            np.where(aliased, _COEF["aliased"], _COEF["ok"]).astype(np.int8), (finite.shape[0], 1)
        ),
    )


def _coef_status(problem: Problem, fit: Resolved, direction: FloatArray) -> NDArray[np.int8]:
    """Why each coefficient of a gene is infinite or missing, or that it is neither."""
    p = problem.x_kept.size
    status = np.full(direction.size, _COEF["ok"], dtype=np.int8)
    if not fit.converged:
        status[:] = _COEF["not_converged"]
    status[fit.undetermined.any(axis=1)] = _COEF["not_identified"]
    infinite = direction != 0.0
    status[infinite] = _COEF["separated"]
    if fit.poisson:
        status[p:][infinite[p:]] = _COEF["poisson_limit"]
    return status


def _without_rounding(directions: FloatArray) -> FloatArray:
    """Set entries at rounding level, relative to each column, to 0."""
    size = np.abs(directions).max(axis=0, initial=0.0)
    return np.where(np.abs(directions) < 1e-9 * size, 0.0, directions)


def _limit(problem: Problem, fit: Resolved) -> dict[str, object]:
    """One gene whose maximum may lie at infinity, as the fields of :class:`FitArrays`."""
    finite, direction, root = fit.coef, fit.direction, fit.root
    if problem.projection.size:
        project = problem.projection
        # Aliased columns take no part in the fit, so each is a direction of its own here; the
        # directions that only this gene leaves open are the others.
        open_ = fit.undetermined[:, fit.undetermined[~problem.aliased].any(axis=0)]
        fit = replace(fit, undetermined=_without_rounding(project @ open_))
        finite, direction = project @ finite, _without_rounding(project @ direction)
        root = project @ root
    status = _coef_status(problem, fit, direction)
    coef = np.where(direction != 0.0, np.copysign(np.inf, direction), finite)
    coef[status == _COEF["not_identified"]] = np.nan
    if problem.projection.size:
        # They have numbers, or go to infinity with the columns that they depend on.
        status[problem.aliased & (status == _COEF["ok"])] = _COEF["aliased"]
    else:
        coef[problem.aliased] = np.nan
        status[problem.aliased] = _COEF["aliased"]
    return {
        "coef": coef,
        "finite": finite,
        "direction": direction,
        "reach": fit.reach,
        "root": _padded(root),
        "llf": fit.value,
        "evaluations": fit.evaluations,
        "status": _GENE[_gene_word(status, fit)],
        "coef_status": status,
    }


def _gene_word(status: NDArray[np.int8], fit: Resolved) -> str:
    if not fit.converged:
        return "not_converged"
    if fit.empty:
        return "all_zero"
    present = {COEF_STATUS[code] for code in status}
    return next((word for word in GENE_STATUS if word in present), "ok")


def fit_block(indptr: IntArray, cells: IntArray, counts: FloatArray, problem: Problem) -> FitArrays:
    """Fit the genes of one block of compressed sparse columns.

    Parameters
    ----------
    indptr, cells, counts : ndarray
        Compressed sparse columns: positive counts and the numbers of their cells.
    problem : Problem
        Designs, offsets, weights.

    Returns
    -------
    FitArrays
    """
    block = climb_block(
        indptr, cells, counts, problem.search, max_evaluations=MAX_EVALUATIONS, screen=True
    )
    fit = _interior(problem, block)
    geometry = Geometry(problem)
    for g in np.flatnonzero(block.flags):
        part = slice(indptr[g], indptr[g + 1])
        first = block.unless_separable(int(g))
        resolved = resolve(geometry, cells[part], counts[part], MAX_EVALUATIONS, first)
        row = _limit(problem, resolved)
        for name, value in row.items():
            getattr(fit, name)[g] = value
    return fit


def _fit_gene_block(block: GeneBlock, problem: Problem) -> FitArrays:
    return fit_block(*block, problem)


def fit_blocks(counts: Counts, problem: Problem, n_jobs: int | None) -> Iterator[FitArrays]:
    """Fit all genes, in blocks, in parallel.

    Parameters
    ----------
    counts : Counts
        The data.
    problem : Problem
        Designs, offsets, weights.
    n_jobs : int or None
        As joblib understands it: None is 1, or what ``joblib.parallel_config`` says.

    Yields
    ------
    FitArrays
        Of each block in turn. Every gene is computed by itself, so the numbers are the same bits
        for any `n_jobs`, any backend and any block size.
    """
    # The covariances of a gene may be larger than its counts.
    entries = max(counts.n_cells, problem.aliased.size**2)
    size = block_size(entries, counts.n_genes, n_jobs)
    yield from in_blocks(_fit_gene_block, counts.blocks(size), problem, n_jobs)
