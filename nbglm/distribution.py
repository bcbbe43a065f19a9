"""The predictive distribution of a count for scipy; a size of infinity is a Poisson."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import betainc, gammaincc
from scipy.stats import rv_discrete

from nbglm.likelihood import loglik
from nbglm.sampling import draw_counts

__all__ = ["negbin"]


class _NegBin(rv_discrete):
    """Negative binomial with a mean and a size, stable for every size."""

    def _argcheck(self, mean: Any, size_: Any) -> Any:
        return (mean >= 0) & (size_ > 0)

    def _logpmf(self, k: Any, mean: Any, size_: Any) -> Any:
        with np.errstate(divide="ignore"):
            eta = np.log(mean)
        # A mean of 0 leaves no other count than 0.
        value = loglik(k, np.where(mean > 0, eta, 0.0), np.log(size_))
        return np.where(mean > 0, value, np.where(k == 0, 0.0, -np.inf))

    def _pmf(self, k: Any, mean: Any, size_: Any) -> Any:
        return np.exp(self._logpmf(k, mean, size_))

    def _cdf(self, k: Any, mean: Any, size_: Any) -> Any:
        k = np.floor(k)
        finite = np.isfinite(size_)
        r = np.where(finite, size_, 1.0)
        return np.where(finite, betainc(r, k + 1.0, r / (r + mean)), gammaincc(k + 1.0, mean))

    def _stats(self, mean: Any, size_: Any) -> Any:
        variance = mean + mean**2 / size_
        with np.errstate(divide="ignore", invalid="ignore"):
            skewness = (1.0 + 2.0 * mean / size_) / np.sqrt(variance)
            kurtosis = 6.0 / size_ + 1.0 / variance
        return mean, variance, skewness, kurtosis

    def _rvs(self, mean: Any, size_: Any, size: Any = None, random_state: Any = None) -> Any:
        shape = np.broadcast_shapes(np.shape(mean), np.shape(size_), size or ())
        return draw_counts(
            random_state, *(np.broadcast_to(part, shape).astype(float) for part in (mean, size_))
        )


negbin = _NegBin(name="negbin", shapes="mean, size_")
