"""The predictive distribution of a count for scipy, right for every mean and size.

Its probabilities are those of :mod:`nbglm.simulate.probabilities`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rv_discrete

from nbglm.simulate.draws import draw_counts
from nbglm.simulate.probabilities import log_pmf, log_tail, shares, tail

__all__ = ["negbin"]

FloatArray = NDArray[np.float64]


def _start(q: Any, mean: Any) -> FloatArray:
    """Where to look for a quantile first."""
    mean = np.broadcast_arrays(mean, q)[0]
    return np.where(np.isfinite(mean), np.floor(mean), 0.0)


def _smallest_count(reached: Callable[[FloatArray], Any], start: FloatArray) -> FloatArray:
    """Smallest count that has reached something which all larger ones have reached as well.

    Parameters
    ----------
    reached : callable
        Takes an array of counts, and says of each whether it has.
    start : ndarray
        Counts of the right size, to begin with.

    Returns
    -------
    ndarray
        Infinite where no double is large enough.
    """
    low = np.full(start.shape, -1.0)
    high = start
    with np.errstate(over="ignore"):
        while not (done := reached(high) | np.isinf(high)).all():
            low = np.where(done, low, high)
            high = np.where(done, high, 2.0 * high + 1.0)
    while True:
        # Beyond 2^53 neighbouring doubles are neighbouring counts, and the middle is one of them.
        step = 0.5 * (np.where(np.isinf(high), low, high) - low)
        middle = np.floor(low + step)
        if ((middle == low) | (middle == high)).all():
            return high
        done = reached(middle) & (middle > low)
        low, high = np.where(done, low, middle), np.where(done, middle, high)


class _NegBin(rv_discrete):
    """Negative binomial with a mean and a size, stable for every size."""

    def _argcheck(self, mean: Any, size_: Any) -> Any:
        return (mean >= 0) & (size_ >= 0)

    def _logpmf(self, k: Any, mean: Any, size_: Any) -> Any:
        return log_pmf(k, mean, size_)

    def _pmf(self, k: Any, mean: Any, size_: Any) -> Any:
        return np.exp(self._logpmf(k, mean, size_))

    def _cdf(self, k: Any, mean: Any, size_: Any) -> Any:
        return tail(k, mean, size_, upper=False)

    def _sf(self, k: Any, mean: Any, size_: Any) -> Any:
        return tail(k, mean, size_, upper=True)

    def _logcdf(self, k: Any, mean: Any, size_: Any) -> Any:
        return log_tail(k, mean, size_, upper=False)

    def _logsf(self, k: Any, mean: Any, size_: Any) -> Any:
        return log_tail(k, mean, size_, upper=True)

    def _ppf(self, q: Any, mean: Any, size_: Any) -> Any:
        return _smallest_count(lambda k: tail(k, mean, size_, upper=False) >= q, _start(q, mean))

    def _isf(self, q: Any, mean: Any, size_: Any) -> Any:
        # Not through 1 - q, which forgets how far out a tail begins.
        return _smallest_count(lambda k: tail(k, mean, size_, upper=True) <= q, _start(q, mean))

    def _stats(self, mean: Any, size_: Any) -> Any:
        # Moments of the constant 0, even where a size of 0 comes with another mean.
        mean = np.where(size_ == 0, 0.0, mean)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            p, _ = shares(mean, size_)
            variance = np.where(mean == 0, 0.0, mean / p)
            skewness = (2.0 - p) * np.sqrt(1.0 / mean + 1.0 / size_)
            kurtosis = 6.0 / size_ + p / mean
        constant = mean == 0
        return mean, variance, *(np.where(constant, np.nan, x) for x in (skewness, kurtosis))

    def _rvs(self, mean: Any, size_: Any, size: Any = None, random_state: Any = None) -> Any:
        shape = np.broadcast_shapes(np.shape(mean), np.shape(size_), size or ())
        means, sizes = (np.broadcast_to(part, shape).astype(float) for part in (mean, size_))
        return draw_counts(random_state, means, sizes)


negbin = _NegBin(name="negbin", shapes="mean, size_")
