"""Linear combinations of the coefficients of many genes, with what each gene can say of them.

A combination ``c' b`` is *estimable* for a gene if no direction that leaves its informative cells
alone changes it (as in R's emmeans, gene by gene). A combination that is not may still be
infinite: if all directions along which the likelihood rises for ever move it the same way.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import block_diag

from nbglm.fit.genes import FitArrays
from nbglm.fit.movement import movement
from nbglm.problem.standard import idle_of_repeated
from nbglm.status import COEF_STATUS, GENE_STATUS

__all__ = [
    "Combinations",
    "Limit",
    "combine",
    "estimable",
    "genes_at_limits",
    "informed_ranks",
    "informed_totals",
]

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

_ZERO = 1e-9  # relative size of what counts as no movement
_CODE = {word: code for code, word in enumerate(COEF_STATUS)}
_GENE = {word: code for code, word in enumerate(GENE_STATUS)}


@dataclass(frozen=True)
class Combinations:
    """Estimates of combinations; genes run along the first axis, combinations along the second.

    Attributes
    ----------
    estimate : ndarray, shape (genes, combinations)
        Infinite at a limit, NaN where the counts say nothing.
    std_err : ndarray, shape (genes, combinations)
        NaN where the estimate is not finite.
    status : ndarray of int8, shape (genes, combinations)
        Position in ``COEF_STATUS``.
    """

    estimate: FloatArray
    std_err: FloatArray
    status: NDArray[np.int8]


class Limit(NamedTuple):
    """How the rows of the designs take part in a gene's fit.

    Attributes
    ----------
    active, finite : ndarray of bool, shape (rows,)
        Which rows take part in the mean, and which of these in the size.
    raised, lowered : ndarray of bool, shape (rows,)
        Which rows are Poisson, and which are silent by a size of 0.
    """

    active: BoolArray
    finite: BoolArray
    raised: BoolArray
    lowered: BoolArray


def _limit_of(fit: FitArrays, gene: int, x: FloatArray, z: FloatArray) -> Limit:
    p = x.shape[1]
    mean = movement(x, fit.direction[gene, :p], fit.reach[gene, 0])
    size = movement(z, fit.direction[gene, p:], fit.reach[gene, 1])
    empty = fit.status[gene] == _GENE["all_zero"]
    active = (mean == 0.0) & (size >= 0.0) & (not empty)
    return Limit(active, active & (size == 0.0), active & (size > 0.0), (mean == 0) & (size < 0))


def _sides(falling: FloatArray, idle: FloatArray) -> FloatArray:
    """What each row of `falling` allows of directions ``idle @ w``: ``sides @ w <= 0``."""
    rows = falling @ idle
    size = np.abs(rows).max(axis=1, keepdims=True, initial=0.0)
    return np.unique(rows[size[:, 0] > 0.0] / size[size[:, 0] > 0.0], axis=0)


def _sign_at_limit(c: FloatArray, rows: FloatArray, idle: FloatArray) -> float:
    """1 or -1 if ``c`` has that sign on all of a cone and not only 0; 0 if it has none.

    The cone holds the directions ``idle @ w`` with ``rows @ w <= 0``.
    """
    from scipy.optimize import linprog

    if not rows.shape[0]:
        return 0.0
    along = c @ idle
    along = along / np.abs(along).max()
    # A multiple of one of the rows, as for the mean of a silent level, needs no search.
    for sign in (1.0, -1.0):
        if (np.abs(rows - sign * along).max(axis=1) < _ZERO).any():
            return -sign
    ends = [
        linprog(sign * along, rows, np.zeros(len(rows)), bounds=(-1.0, 1.0), method="highs").fun
        for sign in (1.0, -1.0)
    ]
    lowest, highest = ends[0], -ends[1]
    if highest < 1e-7:
        return -1.0 if lowest < -1e-7 else 0.0
    return 1.0 if lowest > -1e-7 else 0.0


def genes_at_limits(
    fit: FitArrays, x: FloatArray, z: FloatArray
) -> Iterator[tuple[Limit, NDArray[np.intp]]]:
    """Each way in which genes are at a limit, with the genes that are.

    Parameters
    ----------
    fit : FitArrays
        Estimates.
    x, z : ndarray, shape (rows, p) and (rows, q)
        Distinct design rows of the fit, in the user's columns.

    Yields
    ------
    limit : Limit
    genes : ndarray of int
    """
    regular = (fit.status == _GENE["ok"]) | (fit.status == _GENE["not_converged"])
    told = np.isfinite(fit.coef) | (fit.coef_status == _CODE["aliased"])
    regular |= (fit.status == _GENE["planted"]) & told.all(axis=1)
    genes_at: dict[bytes, tuple[Limit, list[int]]] = {}
    for gene in np.flatnonzero(~regular):
        limit = _limit_of(fit, int(gene), x, z)
        key = b"".join(part.tobytes() for part in limit)
        genes_at.setdefault(key, (limit, []))[1].append(int(gene))
    yield from ((limit, np.array(genes)) for limit, genes in genes_at.values())


def _idle(x: FloatArray, z: FloatArray, limit: Limit | None = None) -> tuple[FloatArray, ...]:
    """Directions of both components that change nothing for a gene, or for the design."""
    rows = (x, z) if limit is None else (x[limit.active], z[limit.finite])
    return tuple(idle_of_repeated(part) for part in rows)


def _moved(matrix: FloatArray, directions: FloatArray) -> BoolArray:
    """Which combinations some of the directions change."""
    along = np.abs(matrix @ directions) > _ZERO * (np.abs(matrix) @ np.abs(directions))
    return np.asarray(along.any(axis=1))


class _Geometry:
    """What genes at the same limit share: directions that change nothing, signs at infinity."""

    def __init__(self, x: FloatArray, z: FloatArray, matrix: FloatArray, limit: Limit) -> None:
        p = x.shape[1]
        mean, size = _idle(x, z, limit)
        self.estimable = ~_moved(matrix, block_diag(mean, size))
        self.sign = np.zeros(matrix.shape[0])
        open_ = np.flatnonzero(~self.estimable)
        if not open_.size:
            return
        of_mean = _sides(x[~limit.active & ~limit.lowered], mean)
        of_size = _sides(np.vstack([-z[limit.raised], z[limit.lowered]]), size)
        for k in open_:
            c = matrix[k]
            if c[:p].any():
                self.sign[k] = _sign_at_limit(c[:p], of_mean, mean)
            else:
                self.sign[k] = _sign_at_limit(c[p:], of_size, size)


def combine(
    fit: FitArrays, root: FloatArray, x: FloatArray, z: FloatArray, matrix: FloatArray
) -> Combinations:
    """Estimate linear combinations of the coefficients of every gene.

    Parameters
    ----------
    fit : FitArrays
        Estimates.
    root : ndarray, shape (genes, p + q, p + q)
        Factors of the covariances.
    x, z : ndarray, shape (rows, p) and (rows, q)
        Distinct design rows of the fit, in the user's columns.
    matrix : ndarray, shape (combinations, p + q)
        Each row of coefficients of one component.

    Returns
    -------
    Combinations
    """
    estimate = np.matmul(matrix, fit.finite[:, :, None])[:, :, 0]
    std_err = np.linalg.norm(np.matmul(matrix, root), axis=2)
    status = np.full(estimate.shape, _CODE["ok"], dtype=np.int8)
    p = x.shape[1]
    of_mean = matrix[:, :p].any(axis=1)
    aliased = _moved(matrix, block_diag(*_idle(x, z)))
    for limit, genes in genes_at_limits(fit, x, z):
        shared = _Geometry(x, z, matrix, limit)
        open_ = ~shared.estimable
        infinite = open_ & (shared.sign != 0.0)
        word = "poisson_limit" if limit.raised.any() else "separated"
        at_limit = np.where(of_mean, _CODE["separated"], _CODE[word])
        value = np.where(infinite, np.copysign(np.inf, shared.sign), np.nan)
        code = np.where(infinite, at_limit, _CODE["not_identified"])
        estimate[np.ix_(genes, open_)] = value[open_]
        status[np.ix_(genes, open_)] = code[open_]
    estimate[:, aliased] = np.nan
    status[:, aliased] = _CODE["aliased"]
    status[fit.status == _GENE["not_converged"]] = _CODE["not_converged"]
    planted = fit.status == _GENE["planted"]
    status[planted[:, None] & ~np.isnan(estimate)] = _CODE["planted"]
    std_err[status != _CODE["ok"]] = np.nan
    return Combinations(estimate, std_err, status)


def estimable(fit: FitArrays, x: FloatArray, z: FloatArray, matrix: FloatArray) -> BoolArray:
    """Which combinations have a finite estimate, as :func:`combine` finds them.

    Parameters
    ----------
    fit, x, z, matrix
        As in :func:`combine`.

    Returns
    -------
    ndarray of bool, shape (genes, combinations)
    """
    told = np.tile(~_moved(matrix, block_diag(*_idle(x, z))), (fit.status.size, 1))
    for limit, genes in genes_at_limits(fit, x, z):
        told[genes] = ~_moved(matrix, block_diag(*_idle(x, z, limit)))
    return told


def informed_ranks(
    fit: FitArrays, x: FloatArray, z: FloatArray, matrix: FloatArray
) -> NDArray[np.int64]:
    """How many independent combinations each gene's counts can tell of: degrees of freedom.

    Parameters
    ----------
    fit, x, z, matrix
        As in :func:`combine`; the rows of `matrix` linearly independent.

    Returns
    -------
    ndarray of int, shape (genes,)
        A combination counts even if its estimate is infinite. Cells whose mean is 0 tell nothing
        of their size; genes without a count tell nothing at all.
    """
    ranks = np.full(fit.status.size, matrix.shape[0], dtype=np.int64)
    for limit, genes in genes_at_limits(fit, x, z):
        mean = idle_of_repeated(x[~limit.lowered])
        size = idle_of_repeated(z[limit.active])
        lost = matrix @ block_diag(mean, size)
        length = np.abs(matrix).max(axis=1, keepdims=True)
        ranks[genes] -= np.linalg.matrix_rank(lost / length, tol=_ZERO) if lost.size else 0
    ranks[fit.status == _GENE["all_zero"]] = 0
    return ranks


def informed_totals(
    fit: FitArrays, x: FloatArray, z: FloatArray
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """How many independent coefficients each gene's counts can tell of, by component.

    Parameters
    ----------
    fit, x, z
        As in :func:`combine`.

    Returns
    -------
    mean, size : ndarray of int, shape (genes,)
        Counted as in :func:`informed_ranks`.
    """

    def rank(rows: FloatArray) -> int:
        return rows.shape[1] - idle_of_repeated(rows).shape[1]

    mean = np.full(fit.status.size, rank(x), dtype=np.int64)
    size = np.full(fit.status.size, rank(z), dtype=np.int64)
    for limit, genes in genes_at_limits(fit, x, z):
        mean[genes] = rank(x[~limit.lowered])
        size[genes] = rank(z[limit.active])
    empty = fit.status == _GENE["all_zero"]
    mean[empty] = size[empty] = 0
    return mean, size
