"""The predictive distribution of a count for scipy, right for every mean and size.

Its tails are incomplete beta functions of ``p = r / (r + mu)`` and ``q = mu / (r + mu)``::

    P(Y <= k) = I_p(r, k + 1)        P(Y > k) = I_q(k + 1, r)

Each is evaluated from whichever of ``p`` and ``q`` is below one half, since the other one, rounded
to a double, has lost what tells it from 1: from ``p`` alone every size above 1e16 would look like
the same distribution. A size of infinity is the Poisson, a mean or a size of 0 the constant 0.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, betaincc
from scipy.stats import rv_discrete

from nbglm.kernels.likelihood import loglik
from nbglm.simulate.draws import draw_counts

__all__ = ["negbin"]

FloatArray = NDArray[np.float64]

# Sizes above this one differ from the Poisson by less than (mean + count)^2 / size, which is
# nothing. It stands for them, since the incomplete beta function fails from 1e155 on, and is more
# accurate in the tails than the incomplete gamma function of the Poisson.
_LARGEST_SIZE = 1e140

# Below this size the sum over j < y of log(r + j) is log(r) + lgamma(y) to the last digit.
_TINY_SIZE = 1e-100


def _shares(mean: FloatArray, size: FloatArray) -> tuple[FloatArray, FloatArray]:
    """``r / (r + mu)`` and ``mu / (r + mu)``, each to full relative accuracy."""
    r = np.minimum(size, _LARGEST_SIZE)
    with np.errstate(invalid="ignore", under="ignore"):
        return r / (r + mean), mean / (r + mean)


def _tail(k: Any, mean: Any, size: Any, *, upper: bool) -> FloatArray:
    """``P(Y > k)``, or ``P(Y <= k)``, for counts of 0 and more."""
    y = np.floor(k) + 1.0
    r = np.minimum(size, _LARGEST_SIZE)
    p, q = _shares(mean, size)
    by_p, by_q = (betaincc, betainc) if upper else (betainc, betaincc)
    value = np.where(p < 0.5, by_p(r, y, p), by_q(y, r, q))
    constant = (mean == 0.0) | (size == 0.0)
    return np.where(constant, 0.0 if upper else 1.0, value)


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
        constant = (mean == 0) | (size_ == 0)
        endless = np.isinf(mean) & ~constant
        mu = np.where(constant | endless, 1.0, mean)
        r = np.where(constant, 1.0, size_)
        tiny = r < _TINY_SIZE
        value = loglik(k, np.log(mu), np.log(np.where(tiny, 1.0, r)))
        if tiny.any():
            small = np.where(tiny, r, _TINY_SIZE)
            p, q = _shares(mu, small)
            of_none = small * np.log(p)
            with np.errstate(divide="ignore"):
                of_some = of_none + k * np.log(q) + np.log(small) - np.log(k)
            value = np.where(tiny, np.where(k > 0, of_some, of_none), value)
        value = np.where(constant | endless, -np.inf, value)
        return np.where(constant & (k == 0), 0.0, value)

    def _pmf(self, k: Any, mean: Any, size_: Any) -> Any:
        return np.exp(self._logpmf(k, mean, size_))

    def _cdf(self, k: Any, mean: Any, size_: Any) -> Any:
        return _tail(k, mean, size_, upper=False)

    def _sf(self, k: Any, mean: Any, size_: Any) -> Any:
        return _tail(k, mean, size_, upper=True)

    def _logcdf(self, k: Any, mean: Any, size_: Any) -> Any:
        with np.errstate(divide="ignore"):
            return np.log(_tail(k, mean, size_, upper=False))

    def _logsf(self, k: Any, mean: Any, size_: Any) -> Any:
        with np.errstate(divide="ignore"):
            return np.log(_tail(k, mean, size_, upper=True))

    def _ppf(self, q: Any, mean: Any, size_: Any) -> Any:
        return _smallest_count(lambda k: _tail(k, mean, size_, upper=False) >= q, _start(q, mean))

    def _isf(self, q: Any, mean: Any, size_: Any) -> Any:
        # Not through 1 - q, which forgets how far out a tail begins.
        return _smallest_count(lambda k: _tail(k, mean, size_, upper=True) <= q, _start(q, mean))

    def _stats(self, mean: Any, size_: Any) -> Any:
        # Moments of the constant 0, even where a size of 0 comes with another mean.
        mean = np.where(size_ == 0, 0.0, mean)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            p, _ = _shares(mean, size_)
            variance = np.where(mean == 0, 0.0, mean / p)
            skewness = (2.0 - p) * np.sqrt(1.0 / mean + 1.0 / size_)
            kurtosis = 6.0 / size_ + p / mean
        constant = mean == 0
        return mean, variance, *(np.where(constant, np.nan, x) for x in (skewness, kurtosis))

    def _rvs(self, mean: Any, size_: Any, size: Any = None, random_state: Any = None) -> Any:
        shape = np.broadcast_shapes(np.shape(mean), np.shape(size_), size or ())
        return draw_counts(
            random_state, *(np.broadcast_to(part, shape).astype(float) for part in (mean, size_))
        )


negbin = _NegBin(name="negbin", shapes="mean, size_")
