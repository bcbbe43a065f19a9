"""P-values, their logarithms where they underflow, and their adjustment for many genes.

A p-value below 1e-308 is 0 in double precision, and genes with strong effects have such p-values:
they would all be ties. Their logarithms are finite, and are computed without the p-values.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import (
    chdtrc,
    erf,
    gammainc,
    gammaln,
    log_ndtr,
    logsumexp,
    ndtr,
    xlogy,
)

from nbglm.exceptions import OptionError, check_choice, some_of

__all__ = [
    "METHODS",
    "Tail",
    "adjusted",
    "check_method",
    "chi2_mixture_tail",
    "chi2_tail",
    "p_columns",
    "two_sided_tail",
    "upper_tail",
]

FloatArray = NDArray[np.float64]

METHODS = (
    *("bonferroni", "sidak", "holm-sidak", "holm", "simes-hochberg", "hommel"),
    *("fdr_bh", "fdr_by", "fdr_tsbh", "fdr_tsbky", "fdr_gbs"),
)
"""Adjustments for the number of genes, in the words of statsmodels' ``multipletests``."""

_OTHER_NAMES = {
    **dict.fromkeys(("bh", "fdr", "benjamini-hochberg", "benjamini_hochberg", "q"), "fdr_bh"),
    **dict.fromkeys(("by", "benjamini-yekutieli"), "fdr_by"),
    "hochberg": "simes-hochberg",
}
"""What R, scipy, scanpy and others call them."""

_NO_ADJUSTMENT = ("none", "lfdr", "lfdr_sl")
"""R's word for the p-values as they are; statsmodels' words for what is no p-value."""

_LOG_2 = np.log(2.0)
_FAR = 1e-250  # below it the tail is summed in logarithms


class Tail(NamedTuple):
    """P-values and their natural logarithms.

    Attributes
    ----------
    p : ndarray
        0 where they are below 1e-308 or so.
    log_p : ndarray, of the same shape
        Finite there, too.
    """

    p: FloatArray
    log_p: FloatArray


def _log_outside(z: FloatArray) -> FloatArray:
    """Log probability that a standard normal variable is farther from 0 than `z`."""
    near = np.log1p(-erf(np.minimum(z, 1.0) / np.sqrt(2.0)))
    return np.where(z < 1.0, near, _LOG_2 + log_ndtr(-z))


def two_sided_tail(z: ArrayLike) -> Tail:
    """Probability that a standard normal variable is as far from 0 as `z`, or farther.

    Parameters
    ----------
    z : array_like
        Statistics; NaN gives NaN.

    Returns
    -------
    Tail

    Examples
    --------
    >>> two_sided_tail(50.0).p.item(), two_sided_tail(50.0).log_p.round(3).item()
    (0.0, -1254.138)
    """
    size = np.abs(np.asarray(z, dtype=np.float64))
    return Tail(np.asarray(2.0 * ndtr(-size)), np.asarray(_log_outside(size)))


def upper_tail(z: ArrayLike) -> Tail:
    """Probability that a standard normal variable is at least `z`.

    Parameters
    ----------
    z : array_like
        Statistics; NaN gives NaN.

    Returns
    -------
    Tail

    Examples
    --------
    >>> upper_tail(0.0).p.item()
    0.5
    """
    below = -np.asarray(z, dtype=np.float64)
    return Tail(np.asarray(ndtr(below)), np.asarray(log_ndtr(below)))


def _log_far_tail(statistic: FloatArray, df: int) -> FloatArray:
    """Log tail of chi-squared, by the finite sum that it is for a whole number `df`.

    With ``x = statistic / 2`` and ``a = df / 2`` the tail is ``exp(-x)`` times the sum of
    ``x^k / gamma(k + 1)`` over ``k = a - 1, a - 2, ...`` down to 0, or to 1/2 and with the tail
    for one degree of freedom besides (Abramowitz and Stegun, 26.4.4 and 26.4.5). All terms are
    positive, so nothing cancels.
    """
    x = 0.5 * statistic[:, None]
    k = np.arange(0.5 * df - 1.0, -0.25, -1.0)
    terms = xlogy(k, x) - gammaln(k + 1.0) - x
    if df % 2:
        terms = np.hstack([terms, _log_outside(np.sqrt(statistic))[:, None]])
    return np.asarray(logsumexp(terms, axis=1))


def chi2_tail(statistic: ArrayLike, df: ArrayLike) -> Tail:
    """Probability that a chi-squared variable is at least `statistic`.

    Parameters
    ----------
    statistic : array_like
        Statistics; NaN gives NaN.
    df : array_like of int
        Degrees of freedom, for each or for all; with 0 all the mass lies at 0.

    Returns
    -------
    Tail

    Examples
    --------
    >>> chi2_tail([3.84, 3000.0], 1).p.round(3).tolist()
    [0.05, 0.0]
    >>> chi2_tail([3.84, 3000.0], 1).log_p.round(3).tolist()
    [-2.995, -1504.229]
    """
    # Rounding can leave a statistic of 0 below it.
    given = np.maximum(np.asarray(statistic, dtype=np.float64), 0.0)
    x, k = np.broadcast_arrays(given, np.asarray(df))
    p = np.where(k > 0, chdtrc(np.maximum(k, 1), x), np.where(x > 0.0, 0.0, 1.0))
    p = np.where(np.isnan(x), np.nan, p)
    below = gammainc(0.5 * np.maximum(k, 1), 0.5 * x)
    with np.errstate(divide="ignore"):
        log_p = np.where((k > 0) & (below < 0.5), np.log1p(-below), np.log(p))
    far = (p < _FAR) & np.isfinite(x)
    for count in np.unique(k[far & (k > 0)]):
        these = far & (k == count)
        log_p[these] = _log_far_tail(x[these], int(count))
    return Tail(p, log_p)


def chi2_mixture_tail(statistic: ArrayLike, weights: Mapping[int, float]) -> Tail:
    """Tail of a mixture of chi-squared distributions.

    Parameters
    ----------
    statistic : array_like
        Statistics; NaN gives NaN.
    weights : mapping of int to float
        Weight of each number of degrees of freedom; with 0 of them all the mass lies at 0.

    Returns
    -------
    Tail

    Examples
    --------
    >>> chi2_mixture_tail([0.0, 2.706], {0: 0.5, 1: 0.5}).p.round(3).tolist()
    [1.0, 0.05]
    """
    tails = [chi2_tail(statistic, df) for df in weights]
    shares = np.array(list(weights.values()))
    p = sum(share * tail.p for share, tail in zip(shares, tails, strict=True))
    with np.errstate(divide="ignore"):
        terms = [np.log(w) + tail.log_p for w, tail in zip(shares, tails, strict=True)]
    # Weights that add up to 1 but for rounding must not make a probability larger than that.
    log_p = np.minimum(logsumexp(np.array(terms), axis=0), 0.0)
    return Tail(np.minimum(p, 1.0), np.asarray(log_p))


def check_method(method: object) -> None:
    """Refuse an adjustment that statsmodels' ``multipletests`` does not know.

    Parameters
    ----------
    method : str
        One of :data:`METHODS`, or another of statsmodels' names for these.

    Raises
    ------
    OptionError
        With all of them, and the one that was probably meant.

    Examples
    --------
    >>> check_method("holm")
    """
    from statsmodels.stats.multitest import multitest_alias

    if isinstance(method, str) and method in multitest_alias and method not in _NO_ADJUSTMENT:
        return
    word = "none" if method is None else str(method).lower()
    if word in _NO_ADJUSTMENT:
        msg = (
            f"method={method!r} does not adjust p-values; p_value is what it is without, and "
            f"p_adjusted is adjusted by one of {some_of(METHODS, len(METHODS))}."
        )
        raise OptionError(msg)
    if word in _OTHER_NAMES:
        its = _OTHER_NAMES[word]
        msg = f"method={method!r} is called {its!r} here, as in statsmodels' multipletests."
        raise OptionError(msg)
    check_choice("method", method, METHODS)


def adjusted(pvalues: FloatArray, method: str) -> FloatArray:
    """Adjust the p-values of each column for the number of genes tested, NaN aside.

    Parameters
    ----------
    pvalues : ndarray, shape (genes, tests)
        P-values.
    method : str
        One of :data:`METHODS`.

    Returns
    -------
    ndarray, shape (genes, tests)

    Raises
    ------
    OptionError
        If the method is unknown.

    Examples
    --------
    >>> adjusted(np.array([[0.01], [0.04], [np.nan]]), "bonferroni").ravel().tolist()
    [0.02, 0.08, nan]
    """
    check_method(method)
    from statsmodels.stats.multitest import multipletests

    out = np.full(pvalues.shape, np.nan)
    for column, values in enumerate(pvalues.T):
        tested = np.isfinite(values)
        if tested.any():
            with np.errstate(divide="ignore", invalid="ignore"):  # a p-value of 1 has no odds
                out[tested, column] = multipletests(values[tested], method=method)[1]
    return out


def p_columns(tail: Tail, method: str) -> dict[str, FloatArray]:
    """The columns of a table of tests that hold their p-values.

    Parameters
    ----------
    tail : Tail, shape (genes,) or (genes, tests)
        P-values.
    method : str
        Adjustment for the number of genes, made for each test by itself.

    Returns
    -------
    dict of ndarray
        ``p_value``, ``log_p_value`` (natural logarithm) and ``p_adjusted``, of the same shape.

    Examples
    --------
    >>> list(p_columns(chi2_tail([3.0, 4.0], 1), "fdr_bh"))
    ['p_value', 'log_p_value', 'p_adjusted']
    """
    table = tail.p.reshape(len(tail.p), -1)
    return {
        "p_value": tail.p,
        "log_p_value": tail.log_p,
        "p_adjusted": adjusted(table, method).reshape(tail.p.shape),
    }
