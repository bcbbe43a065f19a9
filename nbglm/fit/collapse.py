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
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.linalg import block_diag

from nbglm.fit.contrasts import genes_at_limits
from nbglm.fit.genes import FitArrays
from nbglm.problem.basis import orthonormal_basis
from nbglm.problem.indicators import WIDE, Strata, find_strata, strata_design
from nbglm.problem.layout import Layout
from nbglm.problem.standard import block_matrix
from nbglm.problem.strata import columns_of_strata

__all__ = ["Collapse", "collapsed_by_cells", "collapsed_by_clusters"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

# Share of a direction's squared length outside the columns that is rounding; it multiplies the
# variance along this direction.
_OUTSIDE = 1e-8
_SHARE = 1e-6  # of a combination along collapsed directions that makes it one of them
_CHUNK = 4096  # clusters whose products are kept at a time, or
_ENTRIES = 2**24  # entries of these products, if that is less


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


class _Orthonormal(NamedTuple):
    """Orthonormal columns on some design rows: those of strata, if there are any, and the others.

    Attributes
    ----------
    stratum : ndarray of int, shape (rows,)
        Stratum of each row; -1 for none.
    value : ndarray, shape (strata,)
        Entry of a stratum's column on its rows; the column is 0 elsewhere.
    others : ndarray, shape (rows, columns)
        The columns after those of the strata.
    transform : ndarray or sparse array, shape (p, rank)
        From coordinates of these columns to the user's coefficients.
    """

    stratum: IntArray
    value: FloatArray
    others: FloatArray
    transform: Any

    @property
    def rank(self) -> int:
        """Number of columns."""
        return self.value.size + self.others.shape[1]

    def products(self, weight: FloatArray, rows: IntArray | slice = slice(None)) -> _Arrow:
        """Products of the columns under some weights, shape (rows,), on all rows or some."""
        others = self.others[rows]
        heavy = weight[:, None] * others
        strata = self.value.size
        inside = np.flatnonzero(self.stratum[rows] >= 0) if strata else np.zeros(0, dtype=np.int64)
        own, number = np.unique(self.stratum[rows][inside], return_inverse=True)
        value = self.value[own]
        diagonal = value * value * np.bincount(number, weight[inside], own.size)
        sums = [np.bincount(number, column, own.size) for column in heavy[inside].T]
        beside = value[:, None] * np.array(sums).T.reshape(own.size, others.shape[1])
        return _Arrow(own, diagonal, beside, others.T @ heavy)

    def leverages(self) -> FloatArray:
        """Squared length of each row."""
        leverage = (self.others * self.others).sum(axis=1)
        if self.value.size:
            leverage += np.append(self.value**2, 0.0)[self.stratum]
        return np.asarray(leverage)


class _Arrow(NamedTuple):
    """A symmetric matrix that is diagonal but for its last columns.

    Attributes
    ----------
    where : ndarray of int, shape (n,)
        Rows of the diagonal part that are not 0.
    diagonal : ndarray, shape (n,)
    beside : ndarray, shape (n, m)
        What stands beside the diagonal, in the last columns.
    corner : ndarray, shape (m, m)
    """

    where: IntArray
    diagonal: FloatArray
    beside: FloatArray
    corner: FloatArray

    def add_to(self, total: FloatArray) -> None:
        """Add this matrix to one of all columns."""
        strata = total.shape[0] - self.corner.shape[0]
        total[self.where, self.where] += self.diagonal
        self._add_last_columns(total, strata, self.beside, self.corner)

    def add_square_to(self, total: FloatArray) -> None:
        """Add the square of this matrix, whose diagonal part is diagonal no longer."""
        strata = total.shape[0] - self.corner.shape[0]
        total[np.ix_(self.where, self.where)] += self.beside @ self.beside.T
        total[self.where, self.where] += self.diagonal**2
        beside = self.diagonal[:, None] * self.beside + self.beside @ self.corner
        corner = self.beside.T @ self.beside + self.corner @ self.corner
        self._add_last_columns(total, strata, beside, corner)

    def _add_last_columns(
        self, total: FloatArray, strata: int, beside: FloatArray, corner: FloatArray
    ) -> None:
        total[self.where, strata:] += beside
        total[strata:, self.where] += beside.T
        total[strata:, strata:] += corner


Squares = Callable[[_Orthonormal, BoolArray], FloatArray]
"""Sum over clusters of the squared products of orthonormal columns, which stand on some rows."""


def _squares_by_cell(layout: Layout) -> Squares:
    used = layout.row_of_cell >= 0
    weight = layout.cell_weight[used]
    # A cell of weight 2 is two cells; one of weight 1/2 is still one.
    shares = weight * np.minimum(weight, 1.0)
    by_row = np.bincount(layout.row_of_cell[used], shares, layout.weight.size)

    def squares(columns: _Orthonormal, rows: BoolArray) -> FloatArray:
        total = np.zeros((columns.rank, columns.rank))
        columns.products(by_row[rows] * columns.leverages()).add_to(total)
        return total

    return squares


def _squares_by_cluster(weight: sparse.csr_array) -> Squares:
    def squares(columns: _Orthonormal, rows: BoolArray) -> FloatArray:
        chosen = weight[:, np.flatnonzero(rows)]
        total = np.zeros((columns.rank, columns.rank))
        if columns.value.size:
            for lo, hi in pairwise(chosen.indptr):
                products = columns.products(chosen.data[lo:hi], chosen.indices[lo:hi])
                products.add_square_to(total)
            return total
        q = columns.others
        chunk = max(1, min(_CHUNK, _ENTRIES // q.shape[1] ** 2))
        for first in range(0, chosen.shape[0], chunk):
            part = chosen[first : first + chunk]
            squared = np.stack([part @ (column[:, None] * q) for column in q.T], axis=1)
            total += (squared @ squared).sum(axis=0)
        return total

    return squares


class _Design(NamedTuple):
    """Design rows of one component in the user's columns, with their strata if they have any."""

    columns: FloatArray
    strata: Strata | None

    @classmethod
    def of(cls, columns: FloatArray) -> _Design:
        return cls(columns, find_strata(columns))

    def orthonormal(self, weight: FloatArray, rows: BoolArray) -> _Orthonormal:
        """Orthonormal columns on some of the rows."""
        strata = self.strata
        if strata is None:
            basis = orthonormal_basis(self.columns[rows], weight[rows])
            nothing = np.zeros(0)
            return _Orthonormal(nothing.astype(np.int64), nothing, basis.q, basis.transform)
        others = self.columns[np.ix_(rows, strata.others)]
        of_row, heavy = strata.of_row[rows], weight[rows]
        design = strata_design(strata, of_row, others, heavy, self.columns.shape[1])
        found = columns_of_strata(design.rows, heavy)
        transform = design.back @ found.transform
        return _Orthonormal(found.stratum_of_row, found.stratum_value, found.x_columns.T, transform)


def _null_space(matrix: FloatArray) -> FloatArray:
    """Eigenvectors of a positive matrix whose eigenvalues are as good as 0, in columns."""
    if len(matrix) >= WIDE:
        try:  # most often there are none, and that a factorisation tells at a tenth of the cost
            np.linalg.cholesky(matrix - _OUTSIDE * np.eye(len(matrix)))
        except np.linalg.LinAlgError:
            pass
        else:
            return np.zeros((len(matrix), 0))
    values, vectors = np.linalg.eigh(matrix)
    return np.asarray(vectors[:, values < _OUTSIDE])


def _directions(
    design: _Design, weight: FloatArray, rows: BoolArray, squares: Squares
) -> tuple[Any, FloatArray]:
    """Transform to orthonormal coordinates, and collapsed directions there, of one component."""
    columns = design.orthonormal(weight, rows)
    if not columns.rank:
        return columns.transform, np.zeros((0, 0))
    return columns.transform, _null_space(np.eye(columns.rank) - squares(columns, rows))


def _collapses(
    fit: FitArrays, x: FloatArray, z: FloatArray, weight: FloatArray, squares: Squares
) -> Iterator[Collapse]:
    mean_design, size_design = _Design.of(x), _Design.of(z)
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
        mean = _directions(mean_design, weight, active, squares)
        size = _directions(size_design, weight, finite, squares)
        directions = block_diag(mean[1], size[1])
        if directions.shape[1]:
            transform = block_matrix(mean[0], size[0])
            if sparse.issparse(transform):
                transform = transform.toarray()
            yield Collapse(genes, transform, directions)


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
