"""Degrees of freedom of robust covariances, from their variance under the model that was fitted.

A robust variance of a combination ``c' b`` is a sum of squares ``z_g^2`` over clusters, ``z_g``
linear in the scores. If these have the covariance ``J_g`` that the model says, in coordinates in
which all ``J_g`` add up to the identity, the ``z_g`` have the covariances

    Omega_gh = m' (delta_gh T_g - E_g' E_h) m,

with ``T_g`` that of the adjusted scores of a cluster by itself, ``E_g`` that with the estimates,
and ``m`` what the combination is in these coordinates. Satterthwaite's degrees of freedom are
``(sum_g Omega_gg)^2 / sum_gh Omega_gh^2``; for several combinations together, scaled so that the
``Omega_gg`` add up to the identity, the approximation of Tipton and Pustejovsky takes
``q (q + 1) / sum_gh [(tr Omega_gh)^2 + tr(Omega_gh Omega_gh)]``. Both denominators are quadratic
forms of the matrix ``N``, the sum of the ``m m'``: one symmetric matrix a gene tells them of any
combination, however many clusters there are.

References
----------
Bell, R. M. and McCaffrey, D. F. (2002). Bias reduction in standard errors for linear regression
with multi-stage samples. *Survey Methodology* 28, 169-181.
Tipton, E. and Pustejovsky, J. E. (2015). Small-sample adjustments for tests of moderators and model
fit using robust variance estimation in meta-regression. *Journal of Educational and Behavioral
Statistics* 40, 604-634.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["MOST_COEFFICIENTS", "Moments", "Pieces", "quartic"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

MOST_COEFFICIENTS = 20
"""Coefficients up to which a gene's matrix of 4th order is made (44,100 numbers)."""


class Pieces(NamedTuple):
    """What a robust covariance of one gene is made of, in coordinates of unit information.

    Attributes
    ----------
    meat : ndarray, shape (k, k)
        Sum of the outer products of the adjusted scores.
    own, shared : ndarray, shape (clusters, k, k)
        ``T_g`` and ``E_g``.
    many : ndarray, shape (clusters,)
        How many such clusters there are.
    """

    meat: FloatArray
    own: FloatArray
    shared: FloatArray
    many: FloatArray


def _pairs(k: int) -> tuple[IntArray, IntArray]:
    first, second = np.triu_indices(k)
    return first.astype(np.int64), second.astype(np.int64)


def _vech(matrix: FloatArray) -> FloatArray:
    """Upper triangles of symmetric matrices, (..., k, k) to (..., s)."""
    first, second = _pairs(matrix.shape[-1])
    twice = np.where(first == second, 1.0, 2.0)
    return np.asarray(matrix[..., first, second] * twice)


def quartic(pieces: Pieces) -> tuple[FloatArray, FloatArray]:
    """Expectation of the meat, and the quadratic form of its total variance.

    Parameters
    ----------
    pieces : Pieces
        Of one gene.

    Returns
    -------
    mean : ndarray, shape (k, k)
        Sum of the ``Omega_gg``.
    spread : ndarray, shape (s, s)
        Such that ``n' spread n`` with ``n`` the upper triangle of ``N``, off-diagonal entries
        doubled, is the denominator above.
    """
    k = pieces.own.shape[1]
    heavy = pieces.many[:, None]
    own = pieces.own.reshape(-1, k * k)
    both = np.matmul(pieces.shared.transpose(0, 2, 1), pieces.shared).reshape(-1, k * k)
    mean = ((own - both) * heavy).sum(axis=0).reshape(k, k)
    cross = own.T @ (heavy * both)
    local = (own.T @ (heavy * own) - cross - cross.T).reshape(k, k, k, k)
    flat = pieces.shared.reshape(-1, k * k)
    gram = (flat.T @ (heavy * flat)).reshape(k, k, k, k)  # i, a, j, c
    by_pair = gram.transpose(1, 3, 0, 2).reshape(k * k, k * k)  # a, c | i, j
    product = (by_pair @ by_pair.T).reshape(k, k, k, k)  # a, c, b, d
    first = local + product.transpose(0, 2, 1, 3)
    # [a, b, c, d] of O_bc O_da
    second = local.transpose(3, 0, 1, 2) + product.transpose(3, 0, 2, 1)
    whole = first + second
    whole = 0.5 * (whole + whole.transpose(1, 0, 2, 3))
    whole = 0.5 * (whole + whole.transpose(0, 1, 3, 2))
    rows, columns = _pairs(k)
    spread = whole[rows, columns][:, rows, columns]
    return mean, 0.5 * (spread + spread.T)


@dataclass(frozen=True)
class Moments:
    """Moments of the robust covariances of all genes.

    Attributes
    ----------
    bread : ndarray, shape (genes, k, k)
        From adjusted scores to coefficients.
    mean : ndarray, shape (genes, k, k)
    spread : ndarray, shape (genes, s, s)
        See :func:`quartic`.
    """

    bread: FloatArray
    mean: FloatArray
    spread: FloatArray

    def __post_init__(self) -> None:
        """Let nobody write into what degrees of freedom are made of."""
        for array in (self.bread, self.mean, self.spread):
            array.flags.writeable = False

    def of_genes(self, positions: IntArray) -> Moments:
        """Those of some genes, by their positions."""
        return Moments(self.bread[positions], self.mean[positions], self.spread[positions])

    def degrees(self, matrix: FloatArray) -> FloatArray:
        """Satterthwaite's degrees of freedom of each of some combinations.

        Parameters
        ----------
        matrix : ndarray, shape (combinations, k) or (genes, combinations, k)

        Returns
        -------
        ndarray, shape (genes, combinations)
            NaN where a combination has no variance.
        """
        along = np.matmul(matrix, self.bread)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            along = along / np.linalg.norm(along, axis=2, keepdims=True)
            expected = (np.matmul(along, self.mean) * along).sum(axis=2)
            outer = _vech(along[..., :, None] * along[..., None, :])
            variance = (np.matmul(outer, self.spread) * outer).sum(axis=2)
            return np.asarray(2.0 * expected**2 / variance)

    def joint_degrees(self, matrix: FloatArray, genes: IntArray) -> FloatArray:
        """Degrees of freedom of Hotelling's statistic of some combinations together.

        Parameters
        ----------
        matrix : ndarray, shape (q, k)
            Linearly independent.
        genes : ndarray of int
            Which genes.

        Returns
        -------
        ndarray, shape (genes,)
            NaN where the combinations have no variance together.
        """
        q = len(matrix)
        found = np.full(genes.size, np.nan)
        for position, gene in enumerate(genes):
            along = matrix @ self.bread[gene]
            length = np.linalg.norm(along, axis=1, keepdims=True)
            if not (np.isfinite(length).all() and (length > 0.0).all()):
                continue
            along = along / length
            values, vectors = np.linalg.eigh(along @ self.mean[gene] @ along.T)
            if values[0] <= 1e-10 * values[-1]:
                continue
            scaled = (vectors / np.sqrt(values)).T @ along
            total = _vech(scaled.T @ scaled)
            found[position] = q * (q + 1) / (total @ self.spread[gene] @ total)
        return found
