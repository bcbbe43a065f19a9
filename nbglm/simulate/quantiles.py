"""Counts with given normal scores: the inverse of the distribution function in both tails.

Most counts are found by a compiled sum (:mod:`nbglm.kernels.quantiles`). The rest, far out or of
large means, are bracketed from a guess by the first three moments and then bisected, with tails
that are each evaluated as themselves: below the median the smallest count with
``P(Y <= k) >= Phi(z)``, above it the smallest one with ``P(Y > k) <= Phi(-z)``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from nbglm.fit.prediction import excess_variance
from nbglm.kernels.quantiles import fill_counts
from nbglm.simulate.draws import check_means
from nbglm.simulate.probabilities import tail

__all__ = ["counts_at"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Flags = NDArray[np.bool_]

_LARGEST = 2.0**62  # a count that 64 bits hold, whatever is added to it


def counts_at(scores: FloatArray, mean: FloatArray, size: FloatArray, first: int = 0) -> IntArray:
    """Counts of which the negative binomial gives the normal scores.

    Parameters
    ----------
    scores : ndarray, shape (n,)
        Standard normal numbers.
    mean : ndarray, shape (n,)
        Means, 0 or more, finite.
    size : ndarray, shape (n,)
        Sizes from 0 (all counts are 0) to infinity (Poisson).
    first : int
        Number of the first row, for messages.

    Returns
    -------
    ndarray of int64, shape (n,)
        Distributed exactly like draws of these means and sizes if the scores are standard normal.

    Raises
    ------
    OptionError
        If a mean is not finite or too large to count up to.

    Examples
    --------
    >>> counts_at(np.array([-6.0, 0.0, 6.0]), np.full(3, 4.0), np.full(3, np.inf))
    array([ 0,  4, 21])
    """
    check_means(mean, first)
    scores, mean, size = (np.ascontiguousarray(part) for part in (scores, mean, size))
    counts = np.empty(scores.size, dtype=np.int64)
    if fill_counts(scores, mean, size, counts):
        left = np.flatnonzero(counts < 0)
        counts[left] = _search(scores[left], mean[left], size[left])
    return counts


def _search(scores: FloatArray, mean: FloatArray, size: FloatArray) -> IntArray:
    """:func:`counts_at` by bisection."""
    upper = scores > 0.0
    target = ndtr(-np.abs(scores))

    def reached(k: FloatArray) -> Flags:
        result = np.zeros(k.shape, dtype=bool)
        for side in (True, False):
            part = (upper == side) & (k >= 0.0)
            value = tail(k[part], mean[part], size[part], upper=side)
            result[part] = value <= target[part] if side else value >= target[part]
        return result

    low, high = _bracket(reached, *_guess(scores, mean, size))
    while (high - low > 1.0).any():
        middle = np.floor(0.5 * (low + high))
        # Beyond 2^53 not every count is a double, and the middle may be an end.
        inside = (middle > low) & (middle < high)
        if not inside.any():
            break
        enough = reached(middle)
        high = np.where(inside & enough, middle, high)
        low = np.where(inside & ~enough, middle, low)
    return np.minimum(high, _LARGEST).astype(np.int64)


def _guess(scores: FloatArray, mean: FloatArray, size: FloatArray) -> tuple[FloatArray, FloatArray]:
    """About where a count is, and how far off that may be: a hundredth of a deviation."""
    deviation = np.sqrt(mean + excess_variance(mean, size))
    with np.errstate(divide="ignore", over="ignore"):
        skewness = np.minimum((1.0 + 2.0 * mean / size) / deviation, 2.0)
    step = scores + (scores * scores - 1.0) * skewness / 6.0
    guess = np.clip(np.floor(mean + deviation * step), 0.0, _LARGEST)
    return guess, np.clip(np.floor(0.01 * deviation), 1.0, _LARGEST)


def _bracket(reached: object, guess: FloatArray, step: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Counts that have not reached the target, or -1, and larger ones that have."""
    assert callable(reached)
    low, high = guess - step, guess
    low = np.maximum(low, -1.0)
    while True:
        below, above = reached(low), reached(high)
        if not below.any() and (above | (high >= _LARGEST)).all():
            return low, high
        step = 2.0 * step
        low, high = (
            np.where(below, np.maximum(low - step, -1.0), np.where(above, low, high)),
            np.where(below, low, np.where(above, high, np.minimum(high + step, _LARGEST))),
        )
