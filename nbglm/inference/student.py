"""Tails and quantiles of Student's t, of F and of Hotelling's statistic, with their logarithms.

Both tails are incomplete beta functions. Where these underflow, or nearly, the logarithm comes from
their continued fraction (Lentz's method), which converges quickly in the far tail.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betainc, betaln, ndtri, stdtrit

from nbglm.inference.pvalues import Tail, chi2_tail, two_sided_tail

__all__ = ["f_tail", "half_width", "hotelling", "t_tail"]

FloatArray = NDArray[np.float64]

_FAR = 1e-200  # below it the logarithm is computed by itself
_STEPS = 2000
_TINY = 1e-300


def _log_far(a: FloatArray, b: FloatArray, x: FloatArray) -> FloatArray:
    """Log of the incomplete beta function by its continued fraction, for small `x`."""
    c = np.ones_like(x)
    d = 1.0 / (1.0 - (a + b) * x / (a + 1.0))
    h = d.copy()
    for m in range(1, _STEPS):
        even = m * (b - m) * x / ((a + 2 * m - 1.0) * (a + 2 * m))
        d = 1.0 / np.where(np.abs(1.0 + even * d) < _TINY, _TINY, 1.0 + even * d)
        c = 1.0 + even / c
        h *= d * c
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1.0))
        d = 1.0 / np.where(np.abs(1.0 + odd * d) < _TINY, _TINY, 1.0 + odd * d)
        c = 1.0 + odd / c
        h *= d * c
        if np.all(np.abs(d * c - 1.0) < 1e-14):
            break
    return np.asarray(a * np.log(x) + b * np.log1p(-x) - np.log(a) - betaln(a, b) + np.log(h))


def _beta_tail(a: ArrayLike, b: ArrayLike, ratio: FloatArray) -> Tail:
    """``I_x(a, b)`` with ``x = 1 / (1 + ratio)``."""
    first, second, ratio = np.broadcast_arrays(np.asarray(a, float), np.asarray(b, float), ratio)
    x = 1.0 / (1.0 + ratio)
    with np.errstate(all="ignore"):
        p = np.asarray(betainc(first, second, x))
        log_p = np.array(np.log(p))
    far = (p < _FAR) & (x > 0.0)
    if far.any():
        log_p[far] = _log_far(first[far], second[far], x[far])
    return Tail(p, log_p)


def t_tail(t: ArrayLike, df: ArrayLike) -> Tail:
    """Probability that a variable of Student's t is as far from 0 as `t`, or farther.

    Parameters
    ----------
    t : array_like
        Statistics; NaN gives NaN.
    df : array_like
        Degrees of freedom; infinite for the normal distribution, NaN for no answer.

    Returns
    -------
    Tail

    Examples
    --------
    >>> t_tail(2.776, [4, np.inf]).p.round(4).tolist()
    [0.05, 0.0055]
    """
    t, df = np.broadcast_arrays(np.asarray(t, float), np.asarray(df, float))
    normal = two_sided_tail(t)
    finite = np.isfinite(df) & (df > 0.0)
    nu = np.where(finite, df, 1.0)
    with np.errstate(over="ignore"):
        student = _beta_tail(0.5 * nu, 0.5, t * t / nu)
    unknown = np.isnan(df) | (df <= 0.0)
    return Tail(
        *(
            np.where(unknown, np.nan, np.where(finite, one, other))
            for one, other in zip(student, normal, strict=True)
        )
    )


def f_tail(statistic: ArrayLike, q: ArrayLike, df: ArrayLike) -> Tail:
    """Probability that a variable of the F distribution is at least `statistic`.

    Parameters
    ----------
    statistic : array_like
        Statistics; NaN gives NaN.
    q : array_like of int
        Degrees of freedom of the numerator.
    df : array_like
        Of the denominator; infinite for chi-squared over `q`, NaN or 0 for no answer.

    Returns
    -------
    Tail

    Examples
    --------
    >>> f_tail(5.786, 2, [5, np.inf]).p.round(4).tolist()
    [0.05, 0.0031]
    """
    f, q, df = np.broadcast_arrays(
        np.asarray(statistic, float), np.asarray(q), np.asarray(df, float)
    )
    given = np.maximum(f, 0.0)
    finite = np.isfinite(df) & (df > 0.0) & (q > 0)
    nu = np.where(finite, df, 1.0)
    numerator = np.maximum(q, 1)
    found = _beta_tail(0.5 * nu, 0.5 * numerator, given * numerator / nu)
    limit = chi2_tail(given * numerator, q)
    unknown = np.isnan(df) | (df <= 0.0)
    return Tail(
        *(
            np.where(unknown, np.nan, np.where(finite, one, other))
            for one, other in zip(found, limit, strict=True)
        )
    )


def hotelling(
    statistic: FloatArray, q: NDArray[np.int64], df: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Wald statistics as F statistics, and the degrees of freedom of the denominator.

    Parameters
    ----------
    statistic : ndarray
        Wald statistics.
    q : ndarray of int
        Combinations that were tested together.
    df : ndarray
        Degrees of freedom of Hotelling's distribution.

    Returns
    -------
    f, df : ndarray
        NaN where there are too few degrees of freedom for so many combinations.
    """
    left = df - q + 1.0
    with np.errstate(divide="ignore", invalid="ignore"):
        f = np.where(np.isinf(df), statistic / q, statistic * left / (df * q))
    return np.where(left > 0.0, f, np.nan), np.where(left > 0.0, left, np.nan)


def half_width(alpha: float, std_err: FloatArray, df: ArrayLike) -> FloatArray:
    """Half the width of Wald intervals.

    Parameters
    ----------
    alpha : float
        Significance level.
    std_err : ndarray
        Standard errors.
    df : array_like
        Degrees of freedom; infinite for normal quantiles.

    Returns
    -------
    ndarray
        NaN where there are no degrees of freedom.
    """
    df = np.asarray(df, float)
    if np.isposinf(df).all():  # without rounding of another function
        return np.asarray(-ndtri(alpha / 2.0) * std_err)
    with np.errstate(invalid="ignore"):
        student = -stdtrit(np.where(np.isfinite(df) & (df > 0.0), df, 1.0), alpha / 2.0)
    quantile = np.where(np.isposinf(df), -ndtri(alpha / 2.0), np.where(df > 0.0, student, np.nan))
    with np.errstate(invalid="ignore"):
        return np.asarray(quantile * std_err)
