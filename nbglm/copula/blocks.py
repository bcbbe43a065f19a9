"""Correlations within blocks of genes, shrunk as far as they are noise, and blocks to be in.

Sample correlations ``c`` of variance ``v``, which is estimated from the same cells, are moved
towards independence in one of two ways: all by the same share, ``sum v / sum c^2`` (Ledoit and
Wolf, 2004; Schaefer and Strimmer, 2005), which is best if all are about as large; or each by
``t^2 v / c``, and to 0 below ``t`` standard errors (Gao, 1998), which is best if few pairs are
correlated, as in large blocks. Stein's unbiased estimate of the sum of squared errors chooses
between them, and ``t``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh
from scipy.sparse.linalg import LinearOperator, svds

__all__ = ["blocks_of", "proper_correlations", "shrunk_correlations"]

FloatArray = NDArray[np.float64]
Narrow = NDArray[np.float32]
IntArray = NDArray[np.int64]

_SMALLEST = 0.01  # eigenvalue of correlations that counts are drawn with
_ROUNDS = 4
_THRESHOLDS = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0)  # in standard errors


def shrunk_correlations(
    scores: Narrow, loadings: FloatArray, cells: float
) -> tuple[FloatArray, float]:
    """What common factors leave of the correlations of some genes, shrunk towards nothing.

    Parameters
    ----------
    scores : ndarray, shape (genes, cells)
        Of which ``scores @ scores.T`` is the sample correlation matrix.
    loadings : ndarray, shape (genes, factors)
        Of the factors.
    cells : float
        Number of cells.

    Returns
    -------
    correlations : ndarray, shape (genes, genes)
        With zeros on the diagonal.
    shrinkage : float
        How much shorter they are, as a vector, than they were: from 0 to 1.
    """
    sample = np.asarray(scores @ scores.T, dtype=np.float64)
    squares = scores.astype(np.float32) ** 2
    # scores have a sum of squares of 1, so that their fourth moments are n times too small.
    variance = np.asarray(squares @ squares.T, dtype=np.float64) - sample**2 / cells
    left = sample - loadings @ loadings.T
    np.fill_diagonal(left, 0.0)
    np.fill_diagonal(variance, 0.0)
    return _shrunk(left, variance)


def _shrunk(c: FloatArray, v: FloatArray) -> tuple[FloatArray, float]:
    """The best of some ways to shrink correlations, and how far it does, as a share of lengths."""
    square = c**2
    total, noise = float(square.sum()), float(v.sum())
    if total == 0.0:
        return c, 1.0
    share = min(noise / total, 1.0)
    best, risk = (1.0 - share) * c, noise + share**2 * total - 2.0 * share * noise
    safe = np.where(square > 0.0, square, 1.0)
    for times in _THRESHOLDS:
        limit = times**2 * v
        kept = square > limit
        # Errors are v + (f - c)^2 + 2 v (f' - 1) for estimates f of c.
        own = np.where(kept, v + limit * (limit + 2.0 * v) / safe, square - v)
        if own.sum() < risk:
            risk = float(own.sum())
            best = np.where(kept, c - limit * c / safe, 0.0)
    return best, 1.0 - float(np.sqrt((best**2).sum() / total))


def proper_correlations(correlations: FloatArray) -> FloatArray:
    """A positive definite correlation matrix close to one that need not be.

    Parameters
    ----------
    correlations : ndarray, shape (genes, genes)
        Symmetric, with ones on the diagonal.

    Returns
    -------
    ndarray
        With ones on the diagonal.

    Examples
    --------
    >>> proper_correlations(np.array([[1.0, 1.2], [1.2, 1.0]])).round(3)
    array([[1.   , 0.991],
           [0.991, 1.   ]])
    """
    found = correlations
    for _ in range(_ROUNDS):
        values, vectors = eigh(found)
        if values[0] >= 0.5 * _SMALLEST:
            return found
        found = (vectors * np.maximum(values, _SMALLEST)) @ vectors.T
        scale = np.sqrt(np.diagonal(found))
        found = found / np.outer(scale, scale)
    return found


def blocks_of(scores: Narrow, known: FloatArray, most: int) -> list[IntArray]:
    """Blocks of genes whose scores go together beyond common factors.

    Parameters
    ----------
    scores : ndarray, shape (genes, cells)
        Scores of all genes, each with a sum of squares of 1.
    known : ndarray, shape (genes, factors)
        Orthonormal directions of the genes that are left out of account.
    most : int
        The largest number of genes in a block.

    Returns
    -------
    list of ndarray of int
        Positions of the genes of each block, in order. Genes are halved, again and again, at the
        median of their loadings on the direction in which they vary most.
    """
    of_cells = np.asarray(known.T @ scores, dtype=np.float32)
    waiting, done = [np.arange(len(scores))], []
    while waiting:
        genes = waiting.pop()
        if genes.size <= most:
            done.append(np.sort(genes))
            continue
        part = _main_direction(scores[genes], known[genes].astype(np.float32), of_cells)
        order = genes[np.argsort(part, kind="stable")]
        # In parts that end up as full as blocks may be, not in powers of two.
        blocks = -(-genes.size // most)
        middle = round(genes.size * (blocks // 2) / blocks)
        waiting += [order[:middle], order[middle:]]
    return sorted(done, key=lambda block: int(block[0]))


def _main_direction(scores: Narrow, known: Narrow, of_cells: Narrow) -> FloatArray:
    """Loadings on the direction in which genes vary most, apart from what is known."""
    genes, cells = scores.shape

    def forward(v: Narrow) -> Narrow:
        v = v.ravel().astype(np.float32)
        return np.asarray(scores @ v - known @ (of_cells @ v))

    def back(u: Narrow) -> Narrow:
        u = u.ravel().astype(np.float32)
        return np.asarray(scores.T @ u - of_cells.T @ (known.T @ u))

    operator = LinearOperator((genes, cells), matvec=forward, rmatvec=back, dtype=np.float32)
    start = np.ones(min(genes, cells), dtype=np.float32)
    vectors, _, _ = svds(operator, k=1, v0=start, solver="arpack", tol=1e-3)
    found = np.asarray(vectors[:, 0], dtype=np.float64)
    # The sign of a vector is nobody's choice.
    return found if found[np.argmax(np.abs(found))] > 0.0 else -found
