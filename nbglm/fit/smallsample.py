"""Robust covariances of one gene from adjusted scores, by clusters or by cells.

Mean and size are orthogonal in expectation, and each has its own bread. That of the mean is the
inverse of the expected information, with the size as known: what R's packages take for a GLM, so
that the block of the mean is theirs. That of the size is the inverse observed information of both,
since the expected one holds only if counts are negative binomial, and this covariance is to hold if
they are not.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nbglm.counts.table import Counts
from nbglm.fit.adjusted import POWERS, adjust_means, adjust_scores
from nbglm.fit.designrows import DesignRows
from nbglm.fit.genes import FitArrays
from nbglm.fit.moments import Pieces
from nbglm.kernels.definite import inverse_root
from nbglm.kernels.expected import expected_mean_information, expected_size_information
from nbglm.kernels.likelihood import score

__all__ = ["SmallSample"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_RANK = 1e-10  # of singular values, below which a direction is rounding


class _Rows(NamedTuple):
    """One component of one gene: rows in coordinates of unit information, and its weights."""

    columns: FloatArray
    information: FloatArray
    back: FloatArray


def _component(
    columns: FloatArray, root: FloatArray, weight: FloatArray, info: FloatArray
) -> _Rows:
    """Coordinates in which the expected information of a component is the identity."""
    scale = np.linalg.norm(root, axis=1, keepdims=True)
    u, s, _ = np.linalg.svd(root / np.where(scale > 0.0, scale, 1.0), full_matrices=False)
    basis = scale * u[:, s > _RANK * s.max(initial=0.0)]
    if not basis.shape[1]:
        return _Rows(np.zeros((len(columns), 0)), info, basis)
    some = columns @ basis
    back = basis @ inverse_root(some.T @ ((weight * info)[:, None] * some))
    return _Rows(columns @ back, info, back)


def _bread(fit: FitArrays, gene: int, mean: _Rows, size: _Rows) -> FloatArray:
    """From scores in these coordinates to coefficients."""
    root, p = fit.root[gene], len(mean.back)
    bread = np.zeros((len(root), mean.back.shape[1] + size.back.shape[1]))
    bread[:p, : mean.back.shape[1]] = mean.back
    parts = []
    for part, back in ((root[:p], mean.back), (root[p:], size.back)):
        scale = np.linalg.norm(back, axis=1, keepdims=True)
        scale = np.where(scale > 0.0, scale, 1.0)
        parts.append(np.linalg.lstsq(back / scale, part / scale)[0])
    bread[p:] = root[p:] @ np.vstack(parts).T
    return bread


class SmallSample:
    """Covariances of one kind for the genes of a fit.

    Parameters
    ----------
    kind : str
        One of ``POWERS``.
    rows : DesignRows
        Designs.
    counts : Counts
        The data.
    groups : ndarray of int, shape (cells,), or None
        Cluster of each cell; None if each cell is its own.
    """

    def __init__(
        self, kind: str, rows: DesignRows, counts: Counts, groups: IntArray | None
    ) -> None:
        self._power, self._rows, self._counts = POWERS[kind], rows, counts
        self._by_clusters = groups is not None
        layout = rows.layout
        used = np.flatnonzero(layout.row_of_cell >= 0)
        cluster = np.zeros(layout.row_of_cell.size, dtype=np.int64)
        clusters = 1
        if groups is not None:
            names, codes = np.unique(groups[used], return_inverse=True)
            cluster[used], clusters = codes, names.size
        key = cluster[used] * layout.weight.size + layout.row_of_cell[used]
        pairs, number = np.unique(key, return_inverse=True)
        self._pair_of_cell = np.full(layout.row_of_cell.size, -1, dtype=np.int64)
        self._pair_of_cell[used] = number
        self._row, self._cluster = pairs % layout.weight.size, pairs // layout.weight.size
        self._many = np.bincount(number, layout.cell_weight[used], pairs.size)
        self._clusters = clusters
        adjust = kind == "CR1" and clusters > 1
        self._factor = float(np.sqrt(clusters / (clusters - 1.0))) if adjust else 1.0

    def of_gene(self, fit: FitArrays, gene: int) -> tuple[FloatArray, Pieces]:
        """Bread, and what the rest of the covariance is made of.

        Parameters
        ----------
        fit : FitArrays
            Estimates.
        gene : int
            Which gene.

        Returns
        -------
        bread : ndarray, shape (coefficients, k)
        pieces : Pieces
            Of `k` coordinates.
        """
        rows, layout = self._rows, self._rows.layout
        p = rows.x.shape[1]
        eta, zeta = rows.predictors(fit, gene)
        of_mean = expected_mean_information(np.exp(eta), zeta)
        of_size = expected_size_information(eta, zeta)
        mean = _component(rows.x, fit.root[gene, :p], layout.weight, of_mean)
        size = _component(rows.z, fit.root[gene, p:], layout.weight, of_size)
        _, cells, values = self._counts.block(gene, gene + 1)
        counted = self._pair_of_cell[cells] >= 0
        cells, y = cells[counted], values[counted]
        row = layout.row_of_cell[cells]
        empty = score(np.zeros_like(eta), eta, zeta)[:, :2]
        some = score(y, eta[row], zeta[row])[:, :2]
        if self._by_clusters:
            pair = self._pair_of_cell[cells]
            change = layout.cell_weight[cells][:, None] * (some - empty[row])
            sums = self._many[:, None] * empty[self._row]
            for k in (0, 1):
                sums[:, k] += np.bincount(pair, change[:, k], len(sums))
            pieces = self._of_clusters(mean, size, np.exp(eta), sums)
        else:
            weight = layout.cell_weight[cells]
            rest = layout.weight - np.bincount(row, weight, layout.weight.size)
            pieces = self._of_cells(mean, size, (empty, rest), (some, weight, row))
        return _bread(fit, gene, mean, size), pieces

    def _of_clusters(self, mean: _Rows, size: _Rows, mu: FloatArray, sums: FloatArray) -> Pieces:
        informed = mean.information[self._row] > 0.0
        row, many = self._row[informed], self._many[informed]
        starts = np.searchsorted(self._cluster[informed], np.arange(self._clusters))
        info = mean.information[row]
        x = np.sqrt(info)[:, None] * mean.columns[row]
        variance = mu[row] ** 2 / info
        standard = sums[informed, 0] / np.sqrt(info)
        if self._power == POWERS["CR2"]:
            of_mean = adjust_means(x, variance, many, standard, starts)
        else:
            shares = self._total(x[:, :, None] * (many[:, None] * x)[:, None, :], informed)
            scores = self._total(x * standard[:, None], informed)
            of_mean = adjust_scores(shares, scores, self._power)
        z = size.columns[self._row]
        heavy = (self._many * size.information[self._row])[:, None] * z
        every = np.ones(self._row.size, dtype=bool)
        of_size = adjust_scores(
            self._total(z[:, :, None] * heavy[:, None, :], every),
            self._total(z * sums[:, [1]], every),
            self._power,
        )
        factor = self._factor
        scores = factor * np.hstack([of_mean[0], of_size[0]])
        own = factor**2 * _blocks(of_mean[1], of_size[1])
        shared = factor * _blocks(of_mean[2], of_size[2])
        return Pieces(scores.T @ scores, own, shared, np.ones(self._clusters))

    def _total(self, values: FloatArray, chosen: NDArray[np.bool_]) -> FloatArray:
        """Sums over the rows of each cluster."""
        flat = values.reshape(len(values), int(np.prod(values.shape[1:])))
        cluster = self._cluster[chosen]
        sums = [np.bincount(cluster, column, self._clusters) for column in flat.T]
        shape = (self._clusters, *values.shape[1:])
        return np.array(sums).T.reshape(shape) if sums else np.zeros(shape)

    def _of_cells(
        self,
        mean: _Rows,
        size: _Rows,
        empty: tuple[FloatArray, FloatArray],
        some: tuple[FloatArray, FloatArray, IntArray],
    ) -> Pieces:
        parts = []
        for part in (mean, size):
            leverage = part.information * (part.columns**2).sum(axis=1)
            left = 1.0 - leverage
            told = left > _RANK
            factor = np.where(told, np.where(told, left, 1.0) ** self._power, 0.0)
            parts.append((part, factor))
        (x, a), (z, b) = parts

        def cells(scores: FloatArray, rows: IntArray | slice) -> FloatArray:
            return np.hstack(
                [
                    (scores[:, 0] * a[rows])[:, None] * x.columns[rows],
                    (scores[:, 1] * b[rows])[:, None] * z.columns[rows],
                ]
            )

        zero, positive = cells(empty[0], slice(None)), cells(some[0], some[2])
        meat = zero.T @ (empty[1][:, None] * zero) + positive.T @ (some[1][:, None] * positive)
        outer = [
            part.information[:, None, None] * part.columns[:, :, None] * part.columns[:, None, :]
            for part in (x, z)
        ]
        own = _blocks(
            *(part * f[:, None, None] ** 2 for part, f in zip(outer, (a, b), strict=True))
        )
        shared = _blocks(*(part * f[:, None, None] for part, f in zip(outer, (a, b), strict=True)))
        return Pieces(meat, own, shared, self._rows.layout.weight)


def _blocks(one: FloatArray, other: FloatArray) -> FloatArray:
    """Stacks of matrices as the diagonal blocks of larger ones."""
    p, q = one.shape[-1], other.shape[-1]
    out = np.zeros((len(one), p + q, p + q))
    out[:, :p, :p], out[:, p:, p:] = one, other
    return out
