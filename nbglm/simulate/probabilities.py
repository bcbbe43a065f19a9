"""Probabilities of counts and of their tails, right for every mean and size.

Tails are incomplete beta functions of ``p = r / (r + mu)`` and ``q = mu / (r + mu)``::

    P(Y <= k) = I_p(r, k + 1)        P(Y > k) = I_q(k + 1, r)

Each is evaluated from whichever of ``p`` and ``q`` is below one half, since the other one, rounded
to a double, has lost what tells it from 1: from ``p`` alone every size above 1e16 would look like
the same distribution. A size of infinity is the Poisson, a mean or a size of 0 the constant 0.

Tails that are too small for a double have logarithms all the same. They are the probability of the
count next to the rest, times a hypergeometric series that Gauss' continued fraction sums::

    P(Y >= k) / P(Y = k) = F(k + r, 1; k + 1; q)
    P(Y <= k) / P(Y = k) = F(-k, 1; 1 - k - r; 1 / q)

(NIST Digital Library of Mathematical Functions, 8.17 and 15.7.)
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, betaincc

from nbglm.kernels.likelihood import loglik

__all__ = ["log_pmf", "log_tail", "shares", "tail"]

FloatArray = NDArray[np.float64]

# Sizes above this one differ from the Poisson by less than (mean + count)^2 / size, which is
# nothing. It stands for them, since the incomplete beta function fails from 1e155 on, and is more
# accurate in the tails than the incomplete gamma function of the Poisson.
_LARGEST_SIZE = 1e140

# Below this size the sum over j < y of log(r + j) is log(r) + lgamma(y) to the last digit.
_TINY_SIZE = 1e-100

# Tails below this one are summed in logarithms; the incomplete beta function loses digits before
# it underflows.
_DEEP = 1e-280
_MOST_STEPS = 100_000


def shares(mean: FloatArray, size: FloatArray) -> tuple[FloatArray, FloatArray]:
    """``r / (r + mu)`` and ``mu / (r + mu)``, each to full relative accuracy.

    Parameters
    ----------
    mean, size : ndarray
        Means and sizes.

    Returns
    -------
    tuple of ndarray

    Examples
    --------
    >>> shares(np.array([1.0, 1.0]), np.array([1.0, np.inf]))
    (array([0.5, 1. ]), array([5.e-001, 1.e-140]))
    """
    r = np.minimum(size, _LARGEST_SIZE)
    with np.errstate(invalid="ignore", under="ignore"):
        return r / (r + mean), mean / (r + mean)


def log_pmf(k: Any, mean: Any, size: Any) -> FloatArray:
    """Logarithm of ``P(Y = k)``, element by element.

    Parameters
    ----------
    k : ndarray
        Counts, 0 and more.
    mean, size : ndarray
        Means and sizes, from 0 to infinity.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> log_pmf(np.array([0.0, 1.0]), np.array([2.0, 0.0]), np.array([np.inf, 1.0]))
    array([ -2., -inf])
    """
    constant = (mean == 0) | (size == 0)
    endless = np.isinf(mean) & ~constant
    mu = np.where(constant | endless, 1.0, mean)
    r = np.where(constant, 1.0, size)
    tiny = r < _TINY_SIZE
    value = loglik(k, np.log(mu), np.log(np.where(tiny, 1.0, r)))
    if tiny.any():
        small = np.where(tiny, r, _TINY_SIZE)
        p, q = shares(mu, small)
        of_none = small * np.log(p)
        with np.errstate(divide="ignore"):
            of_some = of_none + k * np.log(q) + np.log(small) - np.log(k)
        value = np.where(tiny, np.where(k > 0, of_some, of_none), value)
    value = np.where(constant | endless, -np.inf, value)
    return np.where(constant & (k == 0), 0.0, value)


def tail(k: Any, mean: Any, size: Any, *, upper: bool) -> FloatArray:
    """``P(Y > k)``, or ``P(Y <= k)``, for counts of 0 and more.

    Parameters
    ----------
    k : ndarray
        Counts.
    mean, size : ndarray
        Means and sizes, from 0 to infinity.
    upper : bool
        Which of the two.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> tail(np.array([0.0]), np.array([1.0]), np.array([1.0]), upper=True)
    array([0.5])
    """
    y = np.floor(k) + 1.0
    r = np.minimum(size, _LARGEST_SIZE)
    p, q = shares(mean, size)
    by_p, by_q = (betaincc, betainc) if upper else (betainc, betaincc)
    value = np.empty(np.broadcast_shapes(np.shape(y), np.shape(p)))
    near = p < 0.5
    by_p(r, y, p, out=value, where=near)
    by_q(y, r, q, out=value, where=~near)
    constant = (mean == 0.0) | (size == 0.0)
    return np.where(constant, 0.0 if upper else 1.0, value)


def log_tail(k: Any, mean: Any, size: Any, *, upper: bool) -> FloatArray:
    """Logarithm of :func:`tail`, finite wherever the tail is not exactly 0.

    Parameters
    ----------
    k : ndarray
        Counts.
    mean, size : ndarray
        Means and sizes, from 0 to infinity.
    upper : bool
        ``P(Y > k)`` in place of ``P(Y <= k)``.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> log_tail(np.array([0.0]), np.array([5000.0]), np.array([np.inf]), upper=False)
    array([-5000.])
    """
    k, mean, size = np.broadcast_arrays(np.floor(k), mean, size)
    value = tail(k, mean, size, upper=upper)
    with np.errstate(divide="ignore"):
        logarithm = np.log(value)
    deep = (value < _DEEP) & (mean > 0.0) & (size > 0.0) & np.isfinite(mean)
    if deep.any():
        part = k[deep] + 1.0 if upper else k[deep], mean[deep], size[deep]
        logarithm = np.array(logarithm)
        logarithm[deep] = log_pmf(*part) - _log_fraction(*part, upper=upper)
    return logarithm


def _log_fraction(k: FloatArray, mean: FloatArray, size: FloatArray, *, upper: bool) -> FloatArray:
    """Logarithm of ``P(Y = k)`` divided by the tail that begins with it.

    ``1 - u_1 / (1 - u_2 / (1 - ...))``, by Lentz' method as Thompson and Barnett modified it.
    """
    inverse = 1.0 / size
    rate = mean / (1.0 + mean * inverse)  # r q, which stays exact at a size of infinity
    value = front = np.ones_like(mean)
    back = np.zeros_like(mean)
    for step in range(1, _MOST_STEPS):
        u = (_upper_step if upper else _lower_step)(step, k, rate, inverse)
        back = 1.0 / _not_zero(1.0 - u * back)
        front = _not_zero(1.0 - u / front)
        factor = back * front
        value = value * factor
        if (np.abs(factor - 1.0) < 1e-15).all():
            break
    return np.log(value)


def _not_zero(values: FloatArray) -> FloatArray:
    return np.where(values == 0.0, 1e-30, values)


def _upper_step(step: int, k: FloatArray, rate: FloatArray, inverse: FloatArray) -> FloatArray:
    """Coefficients of the fraction for ``P(Y >= k) / P(Y = k)``."""
    n, odd = divmod(step, 2)
    if odd:
        return (1.0 + (k + n) * inverse) * rate * (k + n) / ((k + 2 * n) * (k + 2 * n + 1))
    return n * (n * inverse - 1.0) * rate / ((k + 2 * n - 1) * (k + 2 * n))


def _lower_step(step: int, k: FloatArray, rate: FloatArray, inverse: FloatArray) -> FloatArray:
    """Coefficients of the fraction for ``P(Y <= k) / P(Y = k)``."""
    n, odd = divmod(step, 2)
    last = _not_zero((2 * n - k) * inverse - 1.0)
    if odd:
        following = _not_zero((2 * n + 1 - k) * inverse - 1.0)
        return (n - k) * ((n - k) * inverse - 1.0) / (last * following * rate)
    return n * (n * inverse - 1.0) / (_not_zero((2 * n - 1 - k) * inverse - 1.0) * last * rate)
