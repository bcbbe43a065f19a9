r"""The log-likelihood of large counts, as what a perfect fit reaches less a deviance.

The parts of :mod:`nbglm.kernels.likelihood` grow like ``y log y`` and cancel to a few units, so
that counts of a million leave ten digits of them and counts of ``1e10`` five. Here nothing cancels.
With a centre ``m``, the mean count of the cells that share a design row, and ``x = mu / r``::

    sum loglik(y; mu, r) = sum saturated(y, r) - sum D(y; m, r) - weight D(m; mu, r)

    D(y; mu, r) = y log(y / mu) - (y + r) log((y + r) / (mu + r))        half the deviance
    saturated   = loglik(y; y, r) = s(y + r) - s(r) - s(y) - log(2 pi y (1 + y / r)) / 2
    s(z)        = lgamma(z) - (z - 1/2) log z + z - log(2 pi) / 2        Stirling's remainder

for any mean at all, since the log-likelihood of a row is linear in its counts. The deviance is
``y + r`` times the divergence between two binomial distributions, whose two parts are positive::

    D = E [rise(u) + excess(t)],   E = (y - mu) / (1 + x)
    t = (y - mu) / (r + mu),       excess(t) = (t - log1p(t)) / t
    u = (y / mu - 1) r / (r + y),  rise(u) = ((1 + u) log1p(u) - u) / u

and by ``zeta = log r``, where ``q = y / (y + r)``::

    dD  = E excess(t)              d2D = E [excess(t) - t r / (y + r)]
    d saturated  =  q / 2          + r [s'(y + r) - s'(r)]
    d2 saturated = -q (1 - q) / 2  + r [s' + r s''](y + r) - r [s' + r s''](r)

References
----------
Loader, C. (2000). Fast and accurate computation of binomial probabilities. The deviance and the
remainders are his; the derivatives are worked out here.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from nbglm.kernels.compiled import kernel, rowwise, scalar
from nbglm.kernels.elementary import excess_terms, log, ratio_terms

__all__ = [
    "LARGE",
    "STIRLING",
    "add_large_peaks",
    "add_peaks",
    "deviance_terms",
    "log_height",
]

FloatArray = NDArray[np.float64]

LARGE = 2048.0
"""Counts from which on the parts of the usual form lose digits that matter."""

STIRLING = 16.0
"""Argument from which on Stirling's series gives its remainder in full."""

_HALF_LOG_2_PI = 0.5 * math.log(2.0 * math.pi)
_LARGEST = 1e300
_LARGEST_SIZE = 1e200  # as good as infinite, with room for its square


@scalar
def deviance_terms(y: float, mu: float, inverse: float) -> tuple[float, float, float]:
    """Half the deviance of a count, or of a mean count, from a mean.

    Parameters
    ----------
    y : float
        The count, which need not be whole.
    mu : float
        Its mean.
    inverse : float
        ``1 / r``, of which 0 is the Poisson.

    Returns
    -------
    tuple of float
        ``D``, and its first and second derivative by ``zeta``, each to the relative accuracy of
        ``y - mu``.
    """
    inverse = min(inverse, _LARGEST / max(y, mu))  # a smaller size would do the same
    x = mu * inverse
    z = y * inverse
    p = 1.0 / (1.0 + x)
    a = 1.0 / (1.0 + z)
    b = 1.0 / mu
    pull = (y - mu) * p
    t = max(pull * inverse, -1.0)
    u = min((y - mu) * b * a, _LARGEST)
    excess, _, share = excess_terms(t, (1.0 + z) * p)
    _, rise, _ = excess_terms(u, min((y * a) * ((1.0 + x) * b), _LARGEST))
    # Where t is large, so is the excess, and t a all but 1: their difference is taken as that of
    # what both lack.
    bend = x * p * (1.0 + a) + p * a - share if t > 1.0 else excess - t * a
    return pull * (rise + excess), pull * excess, pull * bend


@scalar
def _tail_terms(z: float, r: float) -> tuple[float, float, float]:
    """Stirling's remainder for ``z >= 16``.

    Parameters
    ----------
    z : float
        Argument.
    r : float
        The size.

    Returns
    -------
    tuple of float
        ``s(z)``, ``r s'(z)`` and ``r s'(z) + r**2 s''(z)``.
    """
    inverse = 1.0 / z
    share = r * inverse
    u = inverse * inverse
    value = 1.0 / 12.0 - u * (
        1.0 / 360.0 - u * (1.0 / 1260.0 - u * (1.0 / 1680.0 - u * (1.0 / 1188.0)))
    )
    # z s'(z) and z**2 s''(z): the coefficients are multiplied by -1, -3, ... and by 2, 12, ...
    first = 1.0 / 12.0 - u * (
        3.0 / 360.0 - u * (5.0 / 1260.0 - u * (7.0 / 1680.0 - u * (9.0 / 1188.0)))
    )
    second = 2.0 / 12.0 - u * (
        12.0 / 360.0 - u * (30.0 / 1260.0 - u * (56.0 / 1680.0 - u * (90.0 / 1188.0)))
    )
    slope = -share * inverse * first
    return inverse * value, slope, slope + share * share * inverse * second


@scalar
def _peak_terms(y: float, inverse: float) -> tuple[float, float, float]:
    """What the height of the distribution at a mean of ``y`` owes to its width.

    Parameters
    ----------
    y : float
        A positive count.
    inverse : float
        ``1 / r``.

    Returns
    -------
    tuple of float
        ``-log1p(y / r) / 2`` and its two derivatives by ``zeta``.
    """
    x = y * inverse
    p, q, share, _ = ratio_terms(x)
    half = 0.5 * q
    return -0.5 * x * share, half, -half * p


@scalar
def _factorial_terms(y: float, r: float) -> tuple[float, float, float]:
    """As :func:`_tail_terms` of ``z = y + r``, whatever these are."""
    r = min(r, _LARGEST_SIZE)
    low = y + r < STIRLING
    z = min(y + r, STIRLING)
    above = z + STIRLING
    share = 1.0 / above
    value, slope, both = _tail_terms(above if low else y + r, r)
    # psi(z) = psi(above) - sum 1 / (z + j). The terms j = 0, which are large where z is small,
    # are joined with 1 / (2 z) and cancel in the last result up to what is proportional to y.
    first, second, product = 0.5 / z, 0.5 * (y / z) / z, 1.0
    for j in range(1, 16):
        inverse = 1.0 / (z + j)
        first += inverse
        second += (y + j) * (inverse * inverse)
        product *= (z + j) * share
    way = log(above / z)
    more = (z + 0.5) * way - log(product) - STIRLING
    rise = r * (way - 0.5 * share)
    bend = r * (r * (share + 0.5 * share * share - 1.0 / z))
    return (
        value + (more if low else 0.0),
        slope + (rise - r * first if low else 0.0),
        both + (rise + bend - r * second if low else 0.0),
    )


@rowwise
def add_peaks(
    y: FloatArray, r: FloatArray, value: FloatArray, slope: FloatArray, curvature: FloatArray
) -> None:
    """Add what counts have besides their deviances, up to what depends on one of `y` and `r` alone.

    Parameters
    ----------
    y : ndarray, shape (n,)
        Counts; 0 for what depends on the size alone.
    r : ndarray, shape (n,)
        Sizes; ``inf`` is the Poisson.
    value, slope, curvature : ndarray, shape (n,)
        Added to: ``s(y + r) - log1p(y / r) / 2`` and its derivatives by ``zeta``.
    """
    for i in range(y.size):
        peak = _peak_terms(y[i], 1.0 / r[i])
        rest = _factorial_terms(y[i], r[i])
        value[i] += peak[0] + rest[0]
        slope[i] += peak[1] + rest[1]
        curvature[i] += peak[2] + rest[2]


@rowwise
def add_large_peaks(
    y: FloatArray, r: FloatArray, value: FloatArray, slope: FloatArray, curvature: FloatArray
) -> None:
    """As :func:`add_peaks`, for counts of 16 or more."""
    for i in range(y.size):
        bounded = min(r[i], _LARGEST_SIZE)
        peak = _peak_terms(y[i], 1.0 / bounded)
        tail = _tail_terms(y[i] + bounded, bounded)
        value[i] += peak[0] + tail[0]
        slope[i] += peak[1] + tail[1]
        curvature[i] += peak[2] + tail[2]


@kernel
def log_height(y: float) -> float:
    """Negative logarithm of the largest probability that any Poisson gives a positive count."""
    if y < STIRLING:
        return math.lgamma(y + 1.0) - y * math.log(y) + y
    value, _, _ = _tail_terms(y, 0.0)
    return 0.5 * math.log(y) + _HALF_LOG_2_PI + value
