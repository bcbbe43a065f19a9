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
over tables of counts by :func:`table_terms` and over single counts by :func:`count_terms`. Nothing
else in the package writes these formulas down again.

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

from nbglm.compiled import entry, kernel, reduction, rowwise, scalar
from nbglm.elementary import exp, log, ratio_terms, relative_excess

__all__ = [
    "BLOCK",
    "SPLIT",
    "count_terms",
    "loglik",
    "mean_terms",
    "score",
    "size_of",
    "table_terms",
]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

BLOCK = 512
"""Rows that kernels work on at a time, so that what they write down stays in the first cache."""

SPLIT = 256.0
"""Below this size ``y - S1 = sum r / (r + j)``, which grows like ``r log y``, stands in for
``-S1``, which grows like ``y``; far above it, where scores are of order ``1 / r``, only ``S1`` is
small."""

# The Euler-Maclaurin tail begins here; the ratios (r + j) / r before it are multiplied out.
_TAIL = 16.0
# Below this u, log1p(u) is better taken from u - log1p(u), which the series gives in full.
_SERIES = 0.4
_SMALLEST = 1e-250
_LARGEST = 1e200  # a size that is as good as infinite, with room for its square
_OVERFLOW = 709.0


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


@reduction
def table_terms(above: FloatArray, r: float) -> tuple[float, float, float]:
    """Size part of a table of counts that share a size.

    Parameters
    ----------
    above : ndarray, shape (largest,)
        ``above[j - 1]`` is how many counts lie above ``j`` (sum of their weights).
    r : float
        The size; ``inf`` gives zeros.

    Returns
    -------
    tuple of float
        Sums of ``L``, of ``S1``, or ``S2`` over the counts, without the terms ``j = 0``, which
        are 0: see :func:`count_terms`. For ``r < SPLIT`` the second is that of ``r / (r + j)``.
    """
    inverse = 1.0 / r
    value = 0.0
    s1 = 0.0
    s2 = 0.0
    t1 = 0.0
    for i in range(above.size):
        n = above[i]
        x = (i + 1.0) * inverse
        p, q, share, _ = ratio_terms(x)
        value += n * x * share
        s1 += n * q
        t1 += n * p
        s2 += n * (q * p)
    return value, (-s1 if r >= SPLIT else t1), s2


@scalar
def _tail_terms(k: float, m: float, r: float) -> tuple[float, float, float, float]:
    """Euler-Maclaurin sums over ``m <= j < m + k`` for ``a = r + m >= 16``.

    Returns the sums of ``log((r + j) / a)``, ``j / (r + j)``, ``r j / (r + j)**2`` and
    ``r / (r + j)``. Written in ``u = k / a`` and ``d = 1/a - 1/b`` so that for ``r`` far above
    ``j`` each keeps its relative accuracy: the leading terms are of order ``k**2 / r``.
    """
    a = r + m
    b = a + k
    ia = 1.0 / a
    ib = 1.0 / b
    u = k * ia
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
    near = u < _SERIES
    excess = u * relative_excess(min(u, _SERIES))
    log_ratio = u - excess if near else log(1.0 + u)
    h = u - log_ratio if not near else excess
    log_sum = (k - 0.5) * u - (b - 0.5) * h if near else (b - 0.5) * log_ratio - k
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
        log_sum + stirling,
        a * h + m * log_ratio - r * t1 if u < 1.0 else k - r * (log_ratio + t1),
        r * (second + t2),
        r * (log_ratio + t1),
    )


@rowwise
def _start_products(
    r: FloatArray,
    bounded: FloatArray,
    inverse: FloatArray,
    product: FloatArray,
    t1: FloatArray,
    s1: FloatArray,
    s2: FloatArray,
) -> None:
    for i in range(r.size):
        bounded[i] = min(r[i], _LARGEST)
        inverse[i] = 1.0 / bounded[i]
        product[i] = 1.0
        t1[i] = 0.0
        s1[i] = 0.0
        s2[i] = 0.0


@rowwise
def _multiply_out(
    j: float,
    r: FloatArray,
    inverse: FloatArray,
    product: FloatArray,
    t1: FloatArray,
    s1: FloatArray,
    s2: FloatArray,
) -> None:
    """Add the terms of one ``j`` to the sums of the counts above it."""
    for i in range(r.size):
        x = j * inverse[i]
        p = 1.0 / (1.0 + x)
        q = x * p
        # Sizes below 1 are taken out of the product, which would overflow, and put back later.
        product[i] *= j + r[i] if r[i] < 1.0 else 1.0 + x
        t1[i] += p
        s1[i] += q
        s2[i] += q * p


@rowwise
def _take_logs(y: FloatArray, r: FloatArray, product: FloatArray) -> None:
    """Logarithms of the products, with the sizes that were taken out of them."""
    for i in range(y.size):
        m = min(y[i], _TAIL) - 1.0
        product[i] = log(product[i]) - (m * log(r[i]) if r[i] < 1.0 else 0.0)


@rowwise
def _add_tails(
    y: FloatArray,
    r: FloatArray,
    inverse: FloatArray,
    value: FloatArray,
    t1: FloatArray,
    s1: FloatArray,
    s2: FloatArray,
) -> None:
    """Add the terms from ``j = 16`` on, for counts above that."""
    for i in range(y.size):
        k = y[i] - _TAIL
        log_sum, more_s1, more_s2, more_t1 = _tail_terms(k, _TAIL, r[i])
        x = _TAIL * inverse[i]
        _, _, share, _ = ratio_terms(x)
        value[i] += log_sum + k * x * share
        t1[i] += more_t1
        s1[i] += more_s1
        s2[i] += more_s2


@rowwise
def _choose(
    r: FloatArray, value: FloatArray, t1: FloatArray, s1: FloatArray, s2: FloatArray
) -> None:
    """Leave the three results in the first three arrays; all are 0 for an infinite size."""
    for i in range(r.size):
        finite = r[i] < math.inf
        slope = -s1[i] if r[i] >= SPLIT else t1[i]
        value[i] = value[i] if finite else 0.0
        t1[i] = slope if finite else 0.0
        s1[i] = s2[i] if finite else 0.0


@kernel
def count_terms(y: FloatArray, r: FloatArray, work: FloatArray) -> None:
    """``L(y, r)`` and its first and second derivative by ``zeta``, for single counts.

    For ``r < SPLIT`` the first derivative is given as ``y - S1 = sum r / (r + j)``. The term
    ``j = 0`` of that sum, which is 1 for every positive count, is left to the caller.

    Parameters
    ----------
    y : ndarray, shape (n,)
        Counts of 2 or more, in ascending order up to 17; `n` is at most ``BLOCK``.
    r : ndarray, shape (n,)
        Their sizes; ``inf`` gives zeros.
    work : ndarray, shape (6, BLOCK)
        Overwritten; the results are in its first three rows.
    """
    n = y.size
    value, t1, s1, s2 = work[0, :n], work[1, :n], work[2, :n], work[3, :n]
    bounded, inverse = work[4, :n], work[5, :n]
    _start_products(r, bounded, inverse, value, t1, s1, s2)
    first = 0
    j = 1.0
    while first < n and j < _TAIL:
        if y[first] > j:
            _multiply_out(
                j, bounded[first:], inverse[first:], value[first:], t1[first:], s1[first:],
                s2[first:],
            )  # fmt: skip
            j += 1.0
        else:
            first += 1
    while first < n and y[first] <= _TAIL:
        first += 1
    _take_logs(y, bounded, value)
    _add_tails(
        y[first:], bounded[first:], inverse[first:], value[first:], t1[first:], s1[first:],
        s2[first:],
    )  # fmt: skip
    _choose(r, value, t1, s1, s2)


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


def _row_terms(y: ArrayLike, eta: ArrayLike, zeta: ArrayLike) -> FloatArray:
    arrays = np.broadcast_arrays(
        np.asarray(y, dtype=np.float64),
        np.asarray(eta, dtype=np.float64),
        np.asarray(zeta, dtype=np.float64),
    )
    flat = [np.array(a).ravel() for a in arrays]
    order = np.argsort(flat[0], kind="stable")
    sorted_terms = np.empty((order.size, 6))
    _terms(*(a[order] for a in flat), sorted_terms)
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
    return _row_terms(y, eta, zeta)[..., 0]


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
    return _row_terms(y, eta, zeta)[..., 1:]
