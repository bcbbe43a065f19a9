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
``HC2-3``   scores over ``1 - leverage``  R ``sandwich::vcovHC`` (its mean block)
``CR1-3``   :mod:`nbglm.fit.smallsample` R ``clubSandwich::vcovCR`` (its mean block)
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

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from nbglm.counts.table import Counts
from nbglm.fit.adjusted import POWERS
from nbglm.fit.collapse import collapsed_by_cells, collapsed_by_clusters
from nbglm.fit.designrows import DesignRows
from nbglm.fit.factors import Covariances
from nbglm.fit.genes import FitArrays
from nbglm.fit.moments import Moments, quartic
from nbglm.fit.smallsample import SmallSample
from nbglm.kernels.definite import inverse_root
from nbglm.kernels.expected import expected_mean_information, expected_size_information
from nbglm.kernels.likelihood import score
from nbglm.parallel.threads import over_genes
from nbglm.problem.layout import Layout

__all__ = ["COV_TYPES", "Covariances", "covariances"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

COV_TYPES = ("oim", "eim", "HC0", "HC1", "HC2", "HC3", "cluster", "CR1", "CR2", "CR3")
"""Names of the kinds."""


def _expected(rows: DesignRows, fit: FitArrays, gene: int) -> FloatArray:
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

    def __init__(self, rows: DesignRows, fit: FitArrays, counts: Counts, gene: int) -> None:
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


def _constant_degrees(layout: Layout, rank: int, groups: IntArray | None) -> float:
    """Clusters less 1, or cells less coefficients."""
    if groups is not None:
        return float(np.unique(groups[layout.row_of_cell >= 0]).size - 1)
    return max(float(layout.weight.sum()) - rank, 0.0)


@dataclass(frozen=True)
class _Found:
    """Where the covariances of genes are put."""

    roots: FloatArray
    moments: tuple[FloatArray, FloatArray, FloatArray] | None

    @classmethod
    def of(cls, fit: FitArrays, *, moments: bool) -> _Found:
        roots = np.zeros_like(fit.root)
        if not moments:
            return cls(roots, None)
        genes, k = roots.shape[:2]
        pairs = k * (k + 1) // 2
        return cls(roots, (roots.copy(), roots.copy(), np.zeros((genes, pairs, pairs))))


def _adjusted_task(sample: SmallSample, fit: FitArrays, found: _Found) -> Callable[[int], None]:
    moments = found.moments
    arrays: tuple[FloatArray, ...] = () if moments is None else moments

    def one(gene: int) -> None:
        if not np.isfinite(fit.root[gene]).all():
            for array in (found.roots, *arrays):
                array[gene] = np.nan
            return
        bread, pieces = sample.of_gene(fit, gene)
        k = bread.shape[1]
        found.roots[gene, :, :k] = _sandwich(bread, pieces.meat)
        if moments is not None and k:
            moments[0][gene, :, :k] = bread
            inside = np.flatnonzero(np.triu_indices(len(moments[0][gene]))[1] < k)
            mean, spread = quartic(pieces)
            moments[1][gene, :k, :k] = mean
            moments[2][gene][np.ix_(inside, inside)] = spread

    return one


def _plain_task(
    kind: str,
    fit: FitArrays,
    counts: Counts,
    rows: DesignRows,
    found: _Found,
    factor: float,
    groups: IntArray | None,
    weight: sparse.csr_array | None,
) -> Callable[[int], None]:
    def one(gene: int) -> None:
        if not np.isfinite(fit.root[gene]).all():
            found.roots[gene] = np.nan
            return
        if kind == "eim":
            root = _expected(rows, fit, gene)
        else:
            scores = _Scores(rows, fit, counts, gene)
            products = (
                scores.products(rows.layout)
                if weight is None or groups is None
                else scores.cluster_products(groups, weight)
            )
            root = factor * _sandwich(fit.root[gene], products)
        found.roots[gene, :, : root.shape[1]] = root

    return one


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
    use_t: bool = False,
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
    use_t : bool
        Whether tests refer to Student's t.
    n_jobs, progress
        See :func:`~nbglm.parallel.threads.over_genes`.

    Returns
    -------
    Covariances
    """
    df = _constant_degrees(layout, rank, groups) if use_t else np.inf
    if kind == "oim":
        return Covariances(fit.root, fit.root, df=df)
    rows = DesignRows(x[layout.cell_of_row], z[layout.cell_of_row], layout)
    weight = None if groups is None else _cluster_weights(layout, groups)
    found = _Found.of(fit, moments=use_t and kind in POWERS)
    if kind in POWERS:
        task = _adjusted_task(SmallSample(kind, rows, counts, groups), fit, found)
    else:
        factor = np.sqrt(_corrected(kind, layout, rank, groups, use_correction))
        task = _plain_task(kind, fit, counts, rows, found, factor, groups, weight)
    over_genes(task, range(fit.root.shape[0]), n_jobs, progress)
    found.roots.flags.writeable = False
    if kind == "eim":
        return Covariances(found.roots, fit.root, df=df)
    collapsed = (
        collapsed_by_cells(fit, rows.x, rows.z, layout)
        if weight is None
        else collapsed_by_clusters(fit, rows.x, rows.z, layout, weight)
    )
    moments = None if found.moments is None else Moments(*found.moments)
    return Covariances(found.roots, fit.root, collapsed, df, moments)
