r"""Scores of clusters, made as large again as they would be had no coefficient been estimated.

Estimates take up part of every cluster's scores: to first order the score of cluster ``g`` at the
estimates is ``s_g - J_g sum_h s_h``, in coordinates in which the expected information ``J_g`` of
the clusters adds up to the identity. Under the model its covariance is ``J_g - J_g^2``, too small
by the cluster's own leverage ``J_g``. Mean and size are orthogonal in expectation, so that ``J_g``
has two blocks, and each is corrected by itself:

=============== ===========================================================================
kind            adjusted score of a cluster
=============== ===========================================================================
``CR1``         ``sqrt(G / (G - 1)) s_g``
``CR2``, ``HC2`` ``(1 - J_g)^(-1/2) s_g``, whose covariance under the model is ``J_g``
``CR3``, ``HC3`` ``(1 - J_g)^-1 s_g``, nearly that of leaving the cluster out
=============== ===========================================================================

For sizes that is all. For means Bell and McCaffrey adjust residuals, not scores: with the working
variances ``V`` of a cluster's counts, its design ``D X``, ``D = dmu / deta``, and ``M`` the inverse
information the residuals are multiplied by ``V^(1/2) B^(-1/2) V^(1/2)``, ``B = V^2 - L L'``,
``L = V^(1/2) D X M^(1/2)``. Where the variance is the same for all cells of a cluster that is the
matrix above. Elsewhere it is another root of the same covariance, which is found without any matrix
of cells x cells:

    B^(-1/2) = (2 / pi) integral_0^inf (B + t^2)^-1 dt

with few nodes (Hale, Higham and Trefethen 2008, method 3), each of them the inverse of a diagonal
matrix less ``L L'``, in which only products of ``p`` columns over the cells are needed.

References
----------
Bell, R. M. and McCaffrey, D. F. (2002). *Survey Methodology* 28, 169-181.
Pustejovsky, J. E. and Tipton, E. (2018). Small-sample methods for cluster-robust variance
estimation and hypothesis testing in fixed effects models. *Journal of Business & Economic
Statistics* 36, 672-683.
Kauermann, G. and Carroll, R. J. (2001). A note on the efficiency of sandwich covariance matrix
estimation. *Journal of the American Statistical Association* 96, 1387-1396.
Hale, N., Higham, N. J. and Trefethen, L. N. (2008). Computing A^alpha, log(A), and related matrix
functions by contour integrals. *SIAM Journal on Numerical Analysis* 46, 2505-2523.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ellipj, ellipkm1

__all__ = ["POWERS", "adjust_means", "adjust_scores"]

FloatArray = NDArray[np.float64]

POWERS = {"CR1": 0.0, "CR2": -0.5, "CR3": -1.0, "HC2": -0.5, "HC3": -1.0}
"""Power of ``1 - J_g`` that each kind takes."""

_ALONE = 1e-9  # of 1 - J_g, below which a direction is known to one cluster alone
_EQUAL = 1e-12  # relative differences of variances that are rounding


def _power(shares: FloatArray, power: float) -> FloatArray:
    """``(1 - J)^power``, 0 along directions that a cluster alone tells of."""
    values, vectors = np.linalg.eigh(shares)
    rest = 1.0 - values
    told = rest > _ALONE
    scaled = np.where(told, np.where(told, rest, 1.0) ** power, 0.0)
    return np.asarray((vectors * scaled[..., None, :]) @ np.swapaxes(vectors, -1, -2))


def adjust_scores(
    shares: FloatArray, sums: FloatArray, power: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Adjust the scores of all clusters by their shares of the information.

    Parameters
    ----------
    shares : ndarray, shape (clusters, k, k)
        ``J_g``.
    sums : ndarray, shape (clusters, k)
        Scores.
    power : float
        One of :data:`POWERS`.

    Returns
    -------
    scores : ndarray, shape (clusters, k)
    own, shared : ndarray, shape (clusters, k, k)
        ``T_g`` and ``E_g`` of :mod:`nbglm.fit.moments`.
    """
    if power == 0.0:
        return sums, shares, shares
    root = _power(shares, power)
    shared = np.matmul(shares, root)
    return np.matmul(root, sums[:, :, None])[:, :, 0], np.matmul(root, shared), shared


def _nodes(lowest: float, highest: float) -> tuple[FloatArray, FloatArray]:
    """Squares ``t^2`` and weights, ``x^(-1/2) = sum weight / (x + t^2)`` between two values."""
    ratio = lowest / highest
    number = int(np.ceil(1.3 * (3.0 - np.log(ratio))))
    quarter = float(ellipkm1(ratio))
    u = (np.arange(number) + 0.5) * quarter / number
    # What lies beyond the middle by reflection, where the functions themselves would cancel.
    beyond = u > 0.5 * quarter
    sn, cn, dn, _ = ellipj(np.where(beyond, quarter - u, u), 1.0 - ratio)
    small = np.sqrt(ratio)
    sn, cn, dn = (
        np.where(beyond, there, here)
        for there, here in ((cn / dn, sn), (small * sn / dn, cn), (small / dn, dn))
    )
    weight = 2.0 * quarter * np.sqrt(lowest) / (np.pi * number) * dn / cn**2
    return lowest * (sn / cn) ** 2, weight


def _by_quadrature(
    x: FloatArray, variance: FloatArray, many: FloatArray, shares: FloatArray
) -> FloatArray:
    """``B^(-1/2) x`` for the rows of one cluster, ``x`` with unit variance and information."""
    k = x.shape[1]
    left = variance[:, None] * x  # L
    values, vectors = np.linalg.eigh(shares)
    alone = values > 1.0 - _ALONE
    core = np.eye(k)
    wide = left
    # B is 0 along V^-1 x a if the cluster alone tells of a; these directions are filled up.
    scale = float(variance.min()) ** 2
    if alone.any():
        null = (x @ vectors[:, alone]) / variance[:, None]
        square = null.T @ (many[:, None] * null)
        null = np.linalg.solve(np.linalg.cholesky(square), null.T).T
        wide = np.hstack([left, np.sqrt(scale) * null])
        core = np.diag(np.concatenate([np.ones(k), -np.ones(null.shape[1])]))
        x = x - null @ (null.T @ (many[:, None] * x))
    least = float(1.0 - values[~alone].max(initial=0.0)) * scale
    squares, weights = _nodes(min(least, scale), float(variance.max()) ** 2)
    inverse = 1.0 / (variance**2 + squares[:, None])  # nodes x rows
    heavy = many[:, None] * wide
    k_wide = wide.shape[1]
    inner = inverse @ (heavy[:, :, None] * wide[:, None, :]).reshape(len(x), -1)
    right = inverse @ (heavy[:, :, None] * x[:, None, :]).reshape(len(x), -1)
    inner = inner.reshape(-1, k_wide, k_wide)
    solved = np.linalg.solve(core - inner, right.reshape(-1, k_wide, k))
    spread = inverse.T @ (weights[:, None, None] * solved).reshape(-1, k_wide * k)
    return np.asarray(
        (weights @ inverse)[:, None] * x
        + np.matmul(wide[:, None, :], spread.reshape(len(x), k_wide, k))[:, 0]
    )


def adjust_means(
    x: FloatArray,
    variance: FloatArray,
    many: FloatArray,
    score: FloatArray,
    starts: NDArray[np.int64],
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Adjust the residuals of all clusters as Bell and McCaffrey do.

    Parameters
    ----------
    x : ndarray, shape (rows, p)
        Design whose rows have unit information and whose information adds up to the identity.
    variance : ndarray, shape (rows,)
        Variance of a count.
    many : ndarray, shape (rows,)
        How many cells each row stands for.
    score : ndarray, shape (rows,)
        Sums of the cells' standardised residuals.
    starts : ndarray of int, shape (clusters,)
        Where the rows of each cluster begin.

    Returns
    -------
    scores, own, shared : ndarray
        As from :func:`adjust_scores`.
    """
    ends = np.append(starts[1:], len(x))
    p = x.shape[1]
    scores = np.zeros((starts.size, p))
    own, shared = np.zeros((starts.size, p, p)), np.zeros((starts.size, p, p))
    for cluster, (lo, hi) in enumerate(zip(starts, ends, strict=True)):
        part, v, number = x[lo:hi], variance[lo:hi], many[lo:hi]
        shares = part.T @ (number[:, None] * part)
        if hi - lo == 0 or v.max() - v.min() <= _EQUAL * v.max():
            found = adjust_scores(shares[None], (score[lo:hi] @ part)[None], -0.5)
            scores[cluster], own[cluster], shared[cluster] = (each[0] for each in found)
            continue
        adjusted = _by_quadrature(part, v, number, shares)
        scores[cluster] = (v * score[lo:hi]) @ adjusted
        scaled = v[:, None] * adjusted
        own[cluster] = scaled.T @ (number[:, None] * scaled)
        shared[cluster] = part.T @ (number[:, None] * scaled)
    return scores, own, shared
