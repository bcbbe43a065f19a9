"""Which combinations of coefficients a robust covariance leaves without a variance.

The scores of a maximum sum to zero along every column of the designs. A direction ``v`` of the
mean's coefficients for which the part ``D_g X v`` of the cells of *every* cluster ``g`` is itself a
combination of the columns of ``X`` has therefore scores that sum to zero within each cluster,
whatever the counts are: a treatment that one donor received and another did not, a level with a
single cell if each cell is its own cluster. Such a direction adds nothing to the sum over clusters
of the outer products of scores, so that the covariance made of it says nothing of any combination
``c`` with ``c' v != 0``: its variance is not small but unknown.

With orthonormal columns ``Q`` and ``A_g`` the products of ``Q`` over the cells of a cluster the
squared length of what ``D_g Q a`` has outside the columns is ``a' (A_g - A_g^2) a``. The ``A_g``
sum to the identity, so the directions wanted are the null space of ``I - sum A_g^2``. For single
cells this is the statement that their leverage is 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.linalg import block_diag

from nbglm.fit.contrasts import genes_at_limits
from nbglm.fit.genes import FitArrays
from nbglm.problem.basis import orthonormal_basis
from nbglm.problem.layout import Layout

__all__ = ["Collapse", "collapsed_by_cells", "collapsed_by_clusters"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

# Share of a direction's squared length outside the columns that is rounding; it multiplies the
# variance along this direction.
_OUTSIDE = 1e-8
_SHARE = 1e-6  # of a combination along collapsed directions that makes it one of them
_CHUNK = 4096  # clusters whose products are kept at a time


@dataclass(frozen=True)
class Collapse:
    """Directions whose scores sum to zero in every cluster, for the genes that share them.

    Attributes
    ----------
    genes : ndarray of int
        Which genes.
    transform : ndarray, shape (p + q, rank)
        From orthonormal coordinates to the user's coefficients.
    directions : ndarray, shape (rank, d)
        In the orthonormal coordinates.
    """

    genes: IntArray
    transform: FloatArray
    directions: FloatArray

    def touches(self, matrix: FloatArray) -> BoolArray:
        """Which combinations of the coefficients these directions change.

        Parameters
        ----------
        matrix : ndarray, shape (combinations, p + q)

        Returns
        -------
        ndarray of bool, shape (combinations,)
        """
        rows = matrix @ self.transform
        along = np.linalg.norm(rows @ self.directions, axis=1)
        return np.asarray(along > _SHARE * np.linalg.norm(rows, axis=1))


Squares = Callable[[FloatArray, BoolArray], FloatArray]
"""Sum over clusters of the squared products of orthonormal columns, on some rows."""


def _squares_by_cell(layout: Layout) -> Squares:
    used = layout.row_of_cell >= 0
    weight = layout.cell_weight[used]
    # A cell of weight 2 is two cells; one of weight 1/2 is still one.
    shares = weight * np.minimum(weight, 1.0)
    by_row = np.bincount(layout.row_of_cell[used], shares, layout.weight.size)

    def squares(q: FloatArray, rows: BoolArray) -> FloatArray:
        leverage = (q * q).sum(axis=1)
        return np.asarray(q.T @ ((by_row[rows] * leverage)[:, None] * q))

    return squares


def _squares_by_cluster(weight: sparse.csr_array) -> Squares:
    def squares(q: FloatArray, rows: BoolArray) -> FloatArray:
        chosen = weight[:, np.flatnonzero(rows)]
        total = np.zeros((q.shape[1], q.shape[1]))
        for first in range(0, chosen.shape[0], _CHUNK):
            part = chosen[first : first + _CHUNK]
            products = np.stack([part @ (column[:, None] * q) for column in q.T], axis=1)
            total += np.einsum("gij,gjk->ik", products, products)
        return total

    return squares


def _directions(
    columns: FloatArray, weight: FloatArray, rows: BoolArray, squares: Squares
) -> tuple[FloatArray, FloatArray]:
    """Transform to orthonormal coordinates, and collapsed directions there, of one component."""
    basis = orthonormal_basis(columns[rows], weight[rows])
    if not basis.rank:
        return basis.transform, np.zeros((0, 0))
    values, vectors = np.linalg.eigh(np.eye(basis.rank) - squares(basis.q, rows))
    return basis.transform, vectors[:, values < _OUTSIDE]


def _collapses(
    fit: FitArrays, x: FloatArray, z: FloatArray, weight: FloatArray, squares: Squares
) -> Iterator[Collapse]:
    every = np.ones(weight.size, dtype=bool)
    regular = np.ones(fit.status.size, dtype=bool)
    ways: list[tuple[IntArray, BoolArray, BoolArray]] = []
    for limit, genes in genes_at_limits(fit, x, z):
        regular[genes] = False
        ways.append((genes, limit.active, limit.finite))
    ways.append((np.flatnonzero(regular), every, every))
    for genes, active, finite in ways:
        if not genes.size:
            continue
        mean = _directions(x, weight, active, squares)
        size = _directions(z, weight, finite, squares)
        directions = block_diag(mean[1], size[1])
        if directions.shape[1]:
            yield Collapse(genes, block_diag(mean[0], size[0]), directions)


def collapsed_by_cells(
    fit: FitArrays, x: FloatArray, z: FloatArray, layout: Layout
) -> tuple[Collapse, ...]:
    """Directions that only cells of leverage 1 tell of, which sandwiches of cells leave out.

    Parameters
    ----------
    fit : FitArrays
        Estimates.
    x, z : ndarray, shape (rows, p) and (rows, q)
        Distinct design rows of the fit, in the user's columns.
    layout : Layout
        Of the fit.

    Returns
    -------
    tuple of Collapse
    """
    return tuple(_collapses(fit, x, z, layout.weight, _squares_by_cell(layout)))


def collapsed_by_clusters(
    fit: FitArrays, x: FloatArray, z: FloatArray, layout: Layout, weight: sparse.csr_array
) -> tuple[Collapse, ...]:
    """Directions along which the scores of every cluster sum to zero.

    Parameters
    ----------
    fit, x, z, layout
        As in :func:`collapsed_by_cells`.
    weight : sparse array, shape (clusters, rows)
        Weight of the cells of each cluster in each design row.

    Returns
    -------
    tuple of Collapse
    """
    return tuple(_collapses(fit, x, z, layout.weight, _squares_by_cluster(weight)))
