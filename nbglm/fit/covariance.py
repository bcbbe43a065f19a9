"""Covariances of the coefficients: observed, expected, and robust to what the model leaves out.

Each kind is a change of the factor that the fit left, ``V = root @ root.T`` with ``V`` the inverse
observed information on the directions that a gene's counts inform. In the coordinates of that
factor the observed information is the identity, so that nothing here depends on the scale of the
covariates, and infinite or missing coefficients take no part by themselves.

=========== ============================ =====================================================
kind        covariance                   the same as
=========== ============================ =====================================================
``oim``     ``H^-1``                     Stata ``vce(oim)``, glmmTMB, statsmodels ``nonrobust``
``eim``     ``E[H]^-1``                  ``MASS::glm.nb`` (its beta block), VGAM
``HC0``     ``H^-1 (S'S) H^-1``          R ``sandwich::sandwich``, statsmodels ``HC0``
``HC1``     ``n / (n - k) HC0``          R ``sandwich`` with type HC1
``cluster`` ``c H^-1 (sum S_g'S_g) H^-1`` statsmodels ``cluster``; R ``vcovCL(type="HC1")``
=========== ============================ =====================================================

``S`` holds one row of scores an observation, ``S_g`` their sums over a cluster,
``c = G / (G - 1) (n - 1) / (n - k)``. Where they leave a combination of coefficients without a
variance (see :mod:`nbglm.fit.collapse`), it has no standard error in this covariance.

References
----------
White, H. (1982). Maximum likelihood estimation of misspecified models. *Econometrica* 50, 1-25.
Cameron, A. C. and Miller, D. L. (2015). A practitioner's guide to cluster-robust inference.
*Journal of Human Resources* 50, 317-372.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from nbglm.counts.table import Counts
from nbglm.fit.collapse import Collapse, collapsed_by_cells, collapsed_by_clusters
from nbglm.fit.genes import FitArrays
from nbglm.fit.prediction import predict
from nbglm.kernels.definite import inverse_root
from nbglm.kernels.expected import expected_mean_information, expected_size_information
from nbglm.kernels.likelihood import score
from nbglm.parallel.threads import over_genes
from nbglm.problem.layout import Layout

__all__ = ["COV_TYPES", "Covariances", "covariances"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

COV_TYPES = ("oim", "eim", "HC0", "HC1", "cluster")
"""Names of the kinds."""

# A standard error below this share of the one from the observed information is rounding: the
# scores that it is made of are zero but for what the ascent left of them.
_NOTHING = 1e-6


@dataclass(frozen=True)
class Covariances:
    """Covariances of the coefficients of all genes, and what they can tell.

    Attributes
    ----------
    root : ndarray, shape (genes, p + q, p + q)
        The covariance of a gene is ``root @ root.T``.
    observed : ndarray, shape (genes, p + q, p + q)
        The same from the observed information.
    collapsed : tuple of Collapse
        Directions of which a robust covariance says nothing.
    """

    root: FloatArray
    observed: FloatArray
    collapsed: tuple[Collapse, ...] = ()

    def __post_init__(self) -> None:
        """Let nobody write into what all standard errors are made of."""
        for array in (self.root, self.observed):
            array.flags.writeable = False

    def of_genes(self, positions: IntArray) -> Covariances:
        """Those of some genes, by their positions."""
        collapsed = tuple(
            replace(part, genes=np.flatnonzero(np.isin(positions, part.genes)))
            for part in self.collapsed
        )
        observed = self.observed[positions]
        same = self.root is self.observed
        return Covariances(observed if same else self.root[positions], observed, collapsed)

    def identified(self, matrix: FloatArray) -> BoolArray:
        """Which combinations of coefficients have a variance.

        Parameters
        ----------
        matrix : ndarray, shape (combinations, p + q)
            Combinations with a finite estimate; of others the answer means nothing.

        Returns
        -------
        ndarray of bool, shape (genes, combinations)
        """
        # Without a definite information there is nothing to tell.
        sound = np.asarray(np.isfinite(self.root).all(axis=(1, 2)))
        told = np.repeat(sound[:, None], matrix.shape[0], axis=1)
        if self.root is self.observed:
            return told
        for gene, (root, observed) in enumerate(zip(self.root, self.observed, strict=True)):
            length = np.linalg.norm(matrix @ root, axis=1)
            least = _NOTHING * np.linalg.norm(matrix @ observed, axis=1)
            told[gene] = (length > least) & (length < np.inf)
        for collapse in self.collapsed:
            told[np.ix_(collapse.genes, collapse.touches(matrix))] = False
        return told


@dataclass(frozen=True)
class _Rows:
    """The distinct rows of the design, in the user's columns."""

    x: FloatArray
    z: FloatArray
    layout: Layout

    def predictors(self, fit: FitArrays, gene: int) -> tuple[FloatArray, FloatArray]:
        """Log mean and log size of each row."""
        mean, size = predict(fit, self.x, self.z, self.layout.offset, slice(gene, gene + 1))
        with np.errstate(divide="ignore"):
            return np.log(mean[:, 0]), np.log(size[:, 0])

    def in_coordinates_of(self, root: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The designs in coordinates in which the observed information is the identity."""
        p = self.x.shape[1]
        return self.x @ root[:p], self.z @ root[p:]


def _expected(rows: _Rows, fit: FitArrays, gene: int) -> FloatArray:
    """Root of the inverse expected information."""
    root = fit.root[gene]
    used = root[:, root.any(axis=0)]
    x, z = rows.in_coordinates_of(used)
    eta, zeta = rows.predictors(fit, gene)
    of_mean = rows.layout.weight * expected_mean_information(np.exp(eta), zeta)
    of_size = rows.layout.weight * expected_size_information(eta, zeta)
    return used @ inverse_root(x.T @ (of_mean[:, None] * x) + z.T @ (of_size[:, None] * z))


class _Scores:
    """Scores of one gene, of every distinct row without a count and of every positive count."""

    def __init__(self, rows: _Rows, fit: FitArrays, counts: Counts, gene: int) -> None:
        layout = rows.layout
        _, cells, values = counts.block(gene, gene + 1)
        used = layout.row_of_cell[cells] >= 0
        self.cells, y = cells[used], values[used]
        self.row = layout.row_of_cell[self.cells]
        self.weight = layout.cell_weight[self.cells]
        eta, zeta = rows.predictors(fit, gene)
        x, z = rows.in_coordinates_of(fit.root[gene])
        empty = score(np.zeros_like(eta), eta, zeta)
        some = score(y, eta[self.row], zeta[self.row])
        self.empty = empty[:, [0]] * x + empty[:, [1]] * z
        self.some = some[:, [0]] * x[self.row] + some[:, [1]] * z[self.row]

    def products(self, layout: Layout) -> FloatArray:
        """Sum of the outer products of the observations' scores."""
        positive = np.bincount(self.row, self.weight, layout.weight.size)
        return self.empty.T @ ((layout.weight - positive)[:, None] * self.empty) + self.some.T @ (
            self.weight[:, None] * self.some
        )

    def cluster_products(self, cluster_of_cell: IntArray, weight: sparse.csr_array) -> FloatArray:
        """Sum of the outer products of the clusters' scores."""
        sums = weight @ self.empty
        change = self.weight[:, None] * (self.some - self.empty[self.row])
        cluster = cluster_of_cell[self.cells]
        sums += np.column_stack(
            [np.bincount(cluster, column, sums.shape[0]) for column in change.T]
        )
        return np.asarray(sums.T @ sums)


def _sandwich(root: FloatArray, products: FloatArray) -> FloatArray:
    """Root of ``root @ products @ root.T``."""
    values, vectors = np.linalg.eigh(products)
    return root @ (vectors * np.sqrt(np.maximum(values, 0.0)))


def _cluster_weights(layout: Layout, cluster_of_cell: IntArray) -> sparse.csr_array:
    """Weight of the cells of each cluster (rows) in each design row (columns)."""
    used = np.flatnonzero(layout.row_of_cell >= 0)
    where = (cluster_of_cell[used], layout.row_of_cell[used])
    shape = (int(cluster_of_cell.max()) + 1, layout.weight.size)
    return sparse.csr_array((layout.cell_weight[used], where), shape=shape)


def _corrected(
    kind: str, layout: Layout, rank: int, groups: IntArray | None, use_correction: bool
) -> float:
    """Small-sample factor, as in statsmodels; NaN where there is no observation to spare."""
    n = float(layout.weight.sum())
    if kind == "HC1":
        return n / (n - rank) if n > rank else np.nan
    if kind == "cluster" and use_correction and groups is not None:
        clusters = np.unique(groups[layout.row_of_cell >= 0]).size
        if clusters < 2 or n <= rank:
            return np.nan
        return float(clusters / (clusters - 1) * (n - 1) / (n - rank))
    return 1.0


def covariances(
    kind: str,
    fit: FitArrays,
    counts: Counts,
    x: FloatArray,
    z: FloatArray,
    layout: Layout,
    *,
    rank: int,
    groups: IntArray | None = None,
    use_correction: bool = True,
    n_jobs: int | None = None,
    progress: bool | None = None,
) -> Covariances:
    """Covariances of the coefficients of all genes.

    Parameters
    ----------
    kind : str
        One of ``COV_TYPES``.
    fit, counts
        Estimates and data.
    x, z : ndarray, shape (cells, p) and (cells, q)
        Designs in the user's columns.
    layout : Layout
        Distinct rows, offsets and weights.
    rank : int
        Number of coefficients that are not aliased.
    groups : ndarray of int, shape (cells,), optional
        Cluster of each cell, from 0.
    use_correction : bool
        Whether clusters get the small-sample factor.
    n_jobs, progress
        See :func:`~nbglm.parallel.threads.over_genes`.

    Returns
    -------
    Covariances
    """
    if kind == "oim":
        return Covariances(fit.root, fit.root)
    rows = _Rows(x[layout.cell_of_row], z[layout.cell_of_row], layout)
    factor = np.sqrt(_corrected(kind, layout, rank, groups, use_correction))
    weight = None if groups is None else _cluster_weights(layout, groups)
    roots = np.zeros_like(fit.root)

    def one(gene: int) -> None:
        if not np.isfinite(fit.root[gene]).all():
            roots[gene] = np.nan
            return
        if kind == "eim":
            root = _expected(rows, fit, gene)
        else:
            scores = _Scores(rows, fit, counts, gene)
            products = (
                scores.products(layout)
                if weight is None or groups is None
                else scores.cluster_products(groups, weight)
            )
            root = factor * _sandwich(fit.root[gene], products)
        roots[gene, :, : root.shape[1]] = root

    over_genes(one, range(fit.root.shape[0]), n_jobs, progress)
    roots.flags.writeable = False
    if kind == "eim":
        return Covariances(roots, fit.root)
    collapsed = (
        collapsed_by_cells(fit, rows.x, rows.z, layout)
        if weight is None
        else collapsed_by_clusters(fit, rows.x, rows.z, layout, weight)
    )
    return Covariances(roots, fit.root, collapsed)
