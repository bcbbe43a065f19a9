r"""Row-wise negative binomial kernels, stable for every size from 1e-20 to infinity.

The log-probability of a count ``y`` with mean ``mu = exp(eta)`` and size ``r = exp(zeta)``
(``Var = mu + mu**2 / r``) splits into a part that is *linear in y* and a part that depends on
``(y, r)`` alone::

    loglik = [y (eta - log1p(x)) - r log1p(x)]  +  L(y, r)  -  lgamma(y + 1),      x = mu / r

    L(y, r)  = sum_{j<y} log1p(j / r)
    S1(y, r) = sum_{j<y} j / (r + j)            = -dL/dzeta
    S2(y, r) = sum_{j<y} r j / (r + j)^2        = d2L/dzeta2

so that any set of cells which share ``(eta, zeta)`` needs only its number of cells, its sum of
counts, and a histogram of its counts. :func:`mean_terms` is the first part and :func:`size_terms`
the second; nothing else in the package writes these formulas down again.

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
from numba import vectorize
from numpy.typing import ArrayLike, NDArray

from nbglm.compiled import entry, kernel

__all__ = ["loglik", "mean_terms", "score", "size_of", "size_terms"]

FloatArray = NDArray[np.float64]

# Below this argument the Euler-Maclaurin tail is not used: ratios (r + j) are multiplied out.
_TAIL = 16.0
# Below this x, log1p(x) is taken from the series of atanh, which also gives x - log1p(x) in full.
_SERIES = 0.4
# Below this size ``y - S1 = sum r / (r + j)``, which grows like ``r log y``, stands in for ``-S1``,
# which grows like ``y``; far above it, where scores are of order ``1 / r``, only ``S1`` is small.
_SPLIT = 256.0
_SMALLEST = 1e-250


@kernel
def relative_excess(x: float) -> float:
    """``(x - log1p(x)) / x`` for ``0 <= x <= 0.4``, to full relative accuracy.

    With ``s = x / (2 + x)``, ``log1p(x) = 2 atanh(s)``, hence
    ``x - log1p(x) = s x - 2 s**3 (1/3 + s**2/5 + ...)``, where nothing cancels.
    """
    inverse = 1.0 / (2.0 + x)
    s = x * inverse
    u = s * s
    tail = 1.0 / 21.0
    tail = tail * u + 1.0 / 19.0
    tail = tail * u + 1.0 / 17.0
    tail = tail * u + 1.0 / 15.0
    tail = tail * u + 1.0 / 13.0
    tail = tail * u + 1.0 / 11.0
    tail = tail * u + 1.0 / 9.0
    tail = tail * u + 1.0 / 7.0
    tail = tail * u + 1.0 / 5.0
    tail = tail * u + 1.0 / 3.0
    return s - 2.0 * u * inverse * tail


@kernel
def mean_terms(
    weight: float, total: float, eta: float, r: float
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
    r : float
        Their size; ``inf`` is the Poisson.

    Returns
    -------
    tuple of float
        ``loglik``, its derivatives by ``eta`` and ``zeta``, and the second derivatives by
        ``eta eta``, ``eta zeta`` and ``zeta zeta``; :func:`size_terms` completes them.
        For ``r < 256`` the derivative by ``zeta`` leaves out ``total``, which
        :func:`size_terms` then leaves out as well: both would be large and cancel.
    """
    mu = math.exp(eta)
    x = mu / r
    p = 1.0 / (1.0 + x)
    q = x * p if x < 1e300 else 1.0
    if x < _SERIES:
        excess = relative_excess(x)
        log1p_x = x * (1.0 - excess)
        r_log1p_x = mu * (1.0 - excess)
        r_g = mu * (excess - q)
    else:
        log1p_x = math.log1p(x)
        r_log1p_x = r * log1p_x
        r_g = r * (q - log1p_x)
    residual = total - weight * mu
    cross = residual * p * q
    by_zeta = weight * r_g + (total * q if r >= _SPLIT else -total * p)
    return (
        total * (eta - log1p_x) - weight * r_log1p_x,
        residual * p,
        by_zeta,
        -(weight * mu * p + total * q) * p,
        cross,
        weight * r_g - cross,
    )


@kernel
def _tail_terms(k: float, m: float, r: float) -> tuple[float, float, float, float]:
    """Euler-Maclaurin sums over ``m <= j < m + k`` for ``a = r + m >= 16``.

    Returns the sums of ``log((r + j) / a)``, ``j / (r + j)``, ``r j / (r + j)**2`` and
    ``r / (r + j)``. Written in ``u = k / a`` and ``d = 1/a - 1/b`` so that for ``r`` far above
    ``j`` each keeps its relative accuracy: the leading terms are of order ``k**2 / r``.
    """
    a = r + m
    b = a + k
    u = k / a
    ia = 1.0 / a
    ib = 1.0 / b
    d = u * ib
    ia2 = ia * ia
    ib2 = ib * ib
    ia4 = ia2 * ia2
    ib4 = ib2 * ib2
    ia8 = ia4 * ia4
    ib8 = ib4 * ib4
    # lgamma(b) - lgamma(a) = (b - 1/2) log(b/a) + k log a - k + stirling(b) - stirling(a)
    stirling = (
        -d / 12.0
        - (ib * ib2 - ia * ia2) / 360.0
        + (ib * ib4 - ia * ia4) / 1260.0
        - (ib * ib2 * ib4 - ia * ia2 * ia4) / 1680.0
        + (ib * ib8 - ia * ia8) / 1188.0
    )
    if u < _SERIES:
        h = u * relative_excess(u)
        log_ratio = u - h
        log_sum = (k - 0.5) * u - (b - 0.5) * h + stirling
    else:
        log_ratio = math.log1p(u)
        h = u - log_ratio
        log_sum = (b - 0.5) * log_ratio - k + stirling
    # T1 = sum 1/(r+j) = log(b/a) + t1, and S1 = k - r T1 = a h + m log(b/a) - r t1
    t1 = (
        0.5 * d
        + d * (ia + ib) / 12.0
        - (ia4 - ib4) / 120.0
        + (ia2 * ia4 - ib2 * ib4) / 252.0
        - (ia8 - ib8) / 240.0
        + (ia2 * ia8 - ib2 * ib8) / 132.0
    )
    # S2 = r (T1 - r T2): the tail of T2 is that of T1 differentiated, term by term
    ra = r * ia
    rb = r * ib
    t2 = (
        0.5 * d * (m * ia - rb)
        + (ia2 * (1.0 - 2.0 * ra) - ib2 * (1.0 - 2.0 * rb)) / 12.0
        - (ia4 * (1.0 - 4.0 * ra) - ib4 * (1.0 - 4.0 * rb)) / 120.0
        + (ia2 * ia4 * (1.0 - 6.0 * ra) - ib2 * ib4 * (1.0 - 6.0 * rb)) / 252.0
        - (ia8 * (1.0 - 8.0 * ra) - ib8 * (1.0 - 8.0 * rb)) / 240.0
        + (ia2 * ia8 * (1.0 - 10.0 * ra) - ib2 * ib8 * (1.0 - 10.0 * rb)) / 132.0
    )
    v = k * ib  # u / (1 + u)
    second = (u * v - h if u < 1.0 else log_ratio - v) + m * ia * v
    return (
        log_sum,
        a * h + m * log_ratio - r * t1 if u < 1.0 else k - r * (log_ratio + t1),
        r * (second + t2),
        r * (log_ratio + t1),
    )


@kernel
def size_terms(y: float, r: float) -> tuple[float, float, float]:
    """``L(y, r)`` and its first and second derivative by ``zeta = log r``.

    For ``r < 256`` the first derivative is given as ``y - S1``: see :func:`mean_terms`.

    Parameters
    ----------
    y : float
        A count (a whole number, 0 or more).
    r : float
        The size; ``inf`` gives zeros.

    Returns
    -------
    tuple of float
        ``L``, ``dL/dzeta = -S1`` (plus ``y`` for ``r < 256``), ``d2L/dzeta2 = S2``.
    """
    if y <= 1.0 or r == math.inf:
        return 0.0, (y if r < _SPLIT else 0.0), 0.0
    # Multiply out the first m ratios, so that the tail starts at r + m >= 16.
    m = min(y, math.ceil(_TAIL - r)) if r < _TAIL else 0.0
    log_sum = 0.0
    product = 1.0
    s1 = 0.0
    s2 = 0.0
    t1 = 0.0
    j = 0.0
    while j < m:
        inverse = 1.0 / (r + j)
        share = r * inverse
        product *= (r + j) / r
        if product > 1e40:
            log_sum += math.log(product)
            product = 1.0
        s1 += j * inverse
        s2 += j * inverse * share
        t1 += share
        j += 1.0
    if m > 0.0:
        log_sum += math.log(product)
    if y > m:
        k = y - m
        tail_log, tail_s1, tail_s2, tail_t1 = _tail_terms(k, m, r)
        log_sum += tail_log
        if m > 0.0:
            log_sum += k * math.log1p(m / r)
        s1 += tail_s1
        s2 += tail_s2
        t1 += tail_t1
    return log_sum, (-s1 if r >= _SPLIT else t1), s2


@kernel
def size_of(zeta: float) -> float:
    """The size whose logarithm is `zeta`; the smallest stands for 0, which has no logarithm.

    Parameters
    ----------
    zeta : float
        Log size.

    Returns
    -------
    float
        ``exp(zeta)``, at least 1e-250.
    """
    return max(math.exp(zeta), _SMALLEST)


@vectorize(cache=True)
def _loglik(y: float, eta: float, zeta: float) -> float:
    r = size_of(zeta)
    return mean_terms(1.0, y, eta, r)[0] + size_terms(y, r)[0] - math.lgamma(y + 1.0)


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
    return np.asarray(
        _loglik(
            np.asarray(y, dtype=np.float64),
            np.asarray(eta, dtype=np.float64),
            np.asarray(zeta, dtype=np.float64),
        )
    )


@entry
def _score(y: FloatArray, eta: FloatArray, zeta: FloatArray, out: FloatArray) -> None:
    for i in range(y.size):
        r = size_of(zeta[i])
        mean = mean_terms(1.0, y[i], eta[i], r)
        size = size_terms(y[i], r)
        out[i, 0] = mean[1]
        out[i, 1] = mean[2] + size[1]
        out[i, 2] = mean[3]
        out[i, 3] = mean[4]
        out[i, 4] = mean[5] + size[2]


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
    arrays = np.broadcast_arrays(
        np.asarray(y, dtype=np.float64),
        np.asarray(eta, dtype=np.float64),
        np.asarray(zeta, dtype=np.float64),
    )
    flat = [np.array(a).ravel() for a in arrays]
    out = np.empty((flat[0].size, 5))
    _score(flat[0], flat[1], flat[2], out)
    return out.reshape((*arrays[0].shape, 5))
