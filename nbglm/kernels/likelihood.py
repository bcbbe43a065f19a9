r"""Row-wise negative binomial kernels, stable for every size from 1e-20 to infinity.

The log-probability of a count ``y`` with mean ``mu = exp(eta)`` and size ``r = exp(zeta)``
(``Var = mu + mu**2 / r``) splits into a part that is *linear in y* and a part that depends on
``(y, r)`` alone::

    loglik = [y (eta - log1p(x)) - r log1p(x)]  +  L(y, r)  -  lgamma(y + 1),      x = mu / r

    L(y, r)  = sum_{j<y} log1p(j / r)
    S1(y, r) = sum_{j<y} j / (r + j)            = -dL/dzeta
    S2(y, r) = sum_{j<y} r j / (r + j)^2        = d2L/dzeta2

so that any set of cells which share ``(eta, zeta)`` needs only its number of cells, its sum of
counts, and a histogram of its counts. :func:`mean_terms` is the first part; the second is summed
over tables of counts and over single counts in :mod:`nbglm.kernels.sizeterms`. Nothing else in the
package writes these formulas down again.

No term subtracts nearly equal numbers. With ``p = 1/(1+x)``, ``q = x p`` and
``g(x) = q - log1p(x)``::

    d/deta          = (y - mu) p
    d/dzeta         = r g + y q - S1
    d2/deta2        = -(mu p + y q) p
    d2/deta dzeta   = (y - mu) p q
    d2/dzeta2       = r g - (y - mu) p q + S2

At ``r = inf`` all of them are the Poisson's, by the same instructions. The textbook form, which
subtracts digamma functions of ``y + r`` and ``r``, loses all its digits near ``r = 1e8``.

References
----------
Lawless, J. F. (1987). Negative binomial and mixed Poisson regression. *Canadian Journal of
Statistics* 15, 209-225. The sums over ``j`` are his; the regrouping around ``x`` and the
Euler-Maclaurin tails (Abramowitz and Stegun 6.1.40, 6.3.18, 6.4.12) are worked out in the comments.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nbglm.kernels.compiled import entry, kernel, scalar
from nbglm.kernels.deviance import LARGE, add_peaks, deviance_terms, log_height
from nbglm.kernels.elementary import exp, ratio_terms
from nbglm.kernels.sizeterms import BLOCK, SPLIT, count_terms

__all__ = ["loglik", "mean_terms", "row_terms", "score", "size_of"]

FloatArray = NDArray[np.float64]

_SMALLEST = 1e-250
_LOG_SMALLEST = math.log(_SMALLEST)
_OVERFLOW = 709.0
_FAR = 600.0  # log ratio of a mean to its size: log1p(x) is log(x), and x still far from overflow


@scalar
def size_of(zeta: float) -> float:
    """The size whose logarithm is `zeta`; the smallest stands for 0, which has no logarithm.

    Parameters
    ----------
    zeta : float
        Log size.

    Returns
    -------
    float
        ``exp(zeta)``, at least 1e-250; infinite where it would overflow.
    """
    return math.inf if zeta > _OVERFLOW else max(exp(zeta), _SMALLEST)


@scalar
def mean_terms(
    weight: float, total: float, eta: float, r: float, inverse: float
) -> tuple[float, float, float, float, float, float]:
    """The part of the log-likelihood that is linear in the counts, for cells that share a row.

    Parameters
    ----------
    weight : float
        Number of cells (sum of their weights).
    total : float
        Sum of their counts.
    eta : float
        Their log mean.
    r, inverse : float
        Their size, of which ``inf`` is the Poisson, and ``1 / r``.

    Returns
    -------
    tuple of float
        ``loglik``, its derivatives by ``eta`` and ``zeta``, and the second derivatives by
        ``eta eta``, ``eta zeta`` and ``zeta zeta``; the size terms complete them.
        For ``r < SPLIT`` the derivative by ``zeta`` leaves out ``total``, which the size terms
        then leave out as well: both would be large and cancel.
    """
    mu = exp(eta)
    x = mu * inverse
    p, q, share, gap = ratio_terms(x)
    residual = total - weight * mu
    cross = residual * p * q
    r_g = weight * mu * gap
    return (
        total * (eta - x * share) - weight * mu * share,
        residual * p,
        r_g + (total * q if r >= SPLIT else -total * p),
        -(weight * mu * p + total * q) * p,
        cross,
        r_g - cross,
    )


@kernel
def _large_terms(
    y: FloatArray, eta: FloatArray, r: FloatArray, work: FloatArray, out: FloatArray
) -> None:
    """Log-likelihoods of large counts and their derivatives by `zeta`, as deviances."""
    n = y.size
    work[:, :n] = 0.0
    add_peaks(y, r, work[0, :n], work[1, :n], work[2, :n])
    add_peaks(np.zeros(n), r, work[3, :n], work[4, :n], work[5, :n])
    for i in range(n):
        deviance = deviance_terms(y[i], exp(eta[i]), 1.0 / r[i])
        out[i, 0] = work[0, i] - work[3, i] - deviance[0] - log_height(y[i])
        out[i, 2] = work[1, i] - work[4, i] - deviance[1]
        out[i, 5] = work[2, i] - work[5, i] - deviance[2]


@entry
def _terms(y: FloatArray, eta: FloatArray, zeta: FloatArray, out: FloatArray) -> None:
    """Log-likelihood and derivatives of single counts in ascending order."""
    work = np.empty((6, BLOCK))
    r = np.empty(BLOCK)
    for lo in range(0, y.size, BLOCK):
        size = min(BLOCK, y.size - lo)
        single = 0
        for i in range(size):
            r[i] = size_of(zeta[lo + i])
            single += y[lo + i] < 2.0
            mean = mean_terms(1.0, y[lo + i], eta[lo + i], r[i], 1.0 / r[i])
            for k in range(6):
                out[lo + i, k] = mean[k]
            out[lo + i, 0] -= math.lgamma(y[lo + i] + 1.0)
            out[lo + i, 2] += 1.0 if y[lo + i] > 0.0 and r[i] < SPLIT else 0.0
        count_terms(y[lo + single : lo + size], r[single:size], work)
        for i in range(single, size):
            out[lo + i, 0] += work[0, i - single]
            out[lo + i, 2] += work[1, i - single]
            out[lo + i, 5] += work[2, i - single]
        large = size
        while large > 0 and y[lo + large - 1] >= LARGE:
            large -= 1
        hi = lo + size
        _large_terms(
            y[lo + large : hi], eta[lo + large : hi], r[large:size], work, out[lo + large : hi]
        )


def _terms_at_any_ratio(y: FloatArray, eta: FloatArray, zeta: FloatArray, out: FloatArray) -> None:
    """As :func:`_terms`, where a mean, a size or their ratio leaves the range of floats, too.

    Beyond ``x = exp(600)`` the mean enters by ``-r log(x)`` alone, and below the smallest size that
    is a number a positive count by ``log(r)`` alone.
    """
    log_size = np.maximum(zeta, _LOG_SMALLEST)
    near = np.minimum(eta, log_size + _FAR)
    _terms(y, near, zeta, out)
    far = eta > near
    lost = np.exp(log_size[far]) * (eta[far] - near[far])
    for k in (0, 2, 5):
        out[far, k] -= lost
    below = (y > 0.0) & (zeta < log_size)
    out[below, 0] += zeta[below] - log_size[below]


def row_terms(y: ArrayLike, eta: ArrayLike, zeta: ArrayLike) -> FloatArray:
    """Log-probabilities of counts with all their derivatives, element by element.

    Parameters
    ----------
    y, eta, zeta : array_like
        Counts, log means and log sizes of one common shape after broadcasting.

    Returns
    -------
    ndarray, shape (..., 6)
        :func:`loglik` and then :func:`score`.

    Examples
    --------
    >>> row_terms([3.0], 0.0, 0.0).round(6)
    array([[-2.772589,  1.      ,  0.140186, -1.      ,  0.5     , -0.220925]])
    """
    arrays = np.broadcast_arrays(
        np.asarray(y, dtype=np.float64),
        np.asarray(eta, dtype=np.float64),
        np.asarray(zeta, dtype=np.float64),
    )
    flat = [np.array(a).ravel() for a in arrays]
    order = np.argsort(flat[0], kind="stable")
    sorted_terms = np.empty((order.size, 6))
    _terms_at_any_ratio(flat[0][order], flat[1][order], flat[2][order], sorted_terms)
    terms = np.empty_like(sorted_terms)
    terms[order] = sorted_terms
    return terms.reshape((*arrays[0].shape, 6))


def loglik(y: ArrayLike, eta: ArrayLike, zeta: ArrayLike) -> FloatArray:
    """Log-probability of counts, element by element.

    Parameters
    ----------
    y : array_like
        Counts.
    eta, zeta : array_like
        Log mean and log size, broadcast against `y`; ``zeta = inf`` is the Poisson.

    Returns
    -------
    ndarray
        ``log P(Y = y)``, with the ``lgamma(y + 1)`` term.

    Examples
    --------
    >>> import numpy as np
    >>> loglik([0, 3], np.log(2.0), 0.0).round(6)
    array([-1.098612, -2.315008])
    >>> loglik([0, 3], np.log(2.0), np.inf).round(6)
    array([-2.      , -1.712318])
    """
    return row_terms(y, eta, zeta)[..., 0]


def score(y: ArrayLike, eta: ArrayLike, zeta: ArrayLike) -> FloatArray:
    """Derivatives of :func:`loglik` for each observation.

    Parameters
    ----------
    y, eta, zeta : array_like
        Counts, log means and log sizes of one common shape after broadcasting.

    Returns
    -------
    ndarray, shape (..., 5)
        By ``eta``, by ``zeta``, and the second derivatives ``eta eta``, ``eta zeta``,
        ``zeta zeta``.

    Examples
    --------
    >>> score([3.0], 0.0, 0.0).round(6)
    array([[ 1.      ,  0.140186, -1.      ,  0.5     , -0.220925]])
    """
    return row_terms(y, eta, zeta)[..., 1:]
