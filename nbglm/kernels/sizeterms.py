r"""The part of the log-likelihood that depends on counts and sizes alone, not on means.

For a count ``y`` and a size ``r`` these are the sums over ``j < y`` that
:mod:`nbglm.kernels.likelihood` derives::

    L(y, r)  = sum log1p(j / r)
    S1(y, r) = sum j / (r + j)            = -dL/dzeta
    S2(y, r) = sum r j / (r + j)^2        = d2L/dzeta2

The first ratios are multiplied out; from ``j = 16`` on Euler-Maclaurin tails take over (Abramowitz
and Stegun 6.1.40, 6.3.18, 6.4.12; worked out in the comments).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from nbglm.kernels.compiled import kernel, reduction, rowwise, scalar
from nbglm.kernels.elementary import log, ratio_terms, relative_excess

__all__ = ["BLOCK", "SPLIT", "count_terms", "table_terms"]

FloatArray = NDArray[np.float64]

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
_LARGEST = 1e200  # a size that is as good as infinite, with room for its square


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
        Sums of ``L``, ``-S1`` and ``S2`` over the counts. For ``r < SPLIT`` the second is that of
        ``r / (r + j)`` without the terms ``j = 0``: see :func:`count_terms`.
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
