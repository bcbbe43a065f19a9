r"""Expected information of the log size, to full relative accuracy.

With ``q = mu / (r + mu)`` the expected information of one count about ``zeta = log r`` is a series
of positive terms (Fisher 1941, in the notation of Piegorsch 1990)::

    I = r^2 sum_{j>=2} q^j B(j, r) / j                                                 (1)

where ``B`` is the beta function. The usual form, a sum of ``P(Y > j) / (r + j)^2`` less
``mu / (r (r + mu))``, loses all its digits at large sizes, where ``I`` is of order ``(mu / r)^2``.
Where (1) converges slowly (means far above the size) ``sum_j u^(j-1) q^j / j`` is summed under the
integral of the beta function, which with ``u = 1 - exp(-t)`` is smooth and positive::

    I = r^2 int_0^inf exp(-r t) [-log(1 - q u) - q u] / u dt                           (2)

The cross information of mean and size is zero, and that of ``eta = log mu`` is ``mu r / (mu + r)``.

References
----------
Fisher, R. A. (1941). The negative binomial distribution. *Annals of Eugenics* 11, 182-187.
Piegorsch, W. W. (1990). Maximum likelihood estimation for the negative binomial dispersion
parameter. *Biometrics* 46, 863-867. The integral is worked out here.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nbglm.kernels.compiled import entry, kernel
from nbglm.kernels.elementary import relative_excess
from nbglm.kernels.likelihood import size_of

__all__ = ["expected_mean_information", "expected_size_information"]

FloatArray = NDArray[np.float64]

_TERMS = 400  # of the series, beyond which the integral is cheaper
_PANEL = 4.0  # length of a panel: the integrand has no singularity nearer than pi to the axis
_DECAY = 38.0  # exp(-_DECAY) is nothing
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(16)


@kernel
def _series(q: float, r: float) -> float:
    """Equation (1) without its factor ``r^2``; -1 if it takes too many terms."""
    term = q * q / (2.0 * r * (r + 1.0))
    total = 0.0
    j = 2.0
    while j < _TERMS:
        total += term
        ratio = q * j * j / ((j + r) * (j + 1.0))
        term *= ratio
        # The ratios rise towards q, so what is left is less than term / (1 - q).
        if term < 1e-17 * total * (1.0 - q):
            return total
        j += 1.0
    return -1.0


@kernel
def _integral(x: float, r: float) -> float:
    """Equation (2) without its factor ``r^2``; ``x = mu / r`` is large."""
    p = 1.0 / (1.0 + x)
    q = x * p
    # Beyond `level` the bracket is -log(p) - q to full accuracy, and the rest a closed form.
    level = math.log1p(x) + _DECAY
    end = min(_DECAY / r, level)
    panels = math.ceil(end / min(_PANEL, 20.0 / r))
    half = 0.5 * end / panels
    total = 0.0
    for k in range(panels):
        middle = (2 * k + 1) * half
        for node in range(_NODES.size):
            t = middle + half * _NODES[node]
            fall = math.exp(-t)
            u = -math.expm1(-t)
            w = q * u
            if w < 0.25:
                # -log(1 - w) = log1p(v) with v = w / (1 - w), and w = v - w v
                v = w / (1.0 - w)
                bracket = v * (w - relative_excess(v))
            else:
                bracket = -math.log(p + q * fall) - w
            total += _WEIGHTS[node] * math.exp(-r * t) * bracket / u
    total *= half
    if end == level:
        total += math.exp(-r * end) * (math.log1p(x) - q) / r
    return total


@kernel
def _expected(eta: float, zeta: float) -> float:
    if zeta == math.inf:
        return 0.0
    r = size_of(zeta)
    x = math.exp(eta) / r
    if x == 0.0:
        return 0.0
    q = x / (1.0 + x)
    total = _series(q, r)
    if total < 0.0:
        total = _integral(x, r)
    return r * (r * total)


@entry
def _fill(eta: FloatArray, zeta: FloatArray, out: FloatArray) -> None:
    for i in range(eta.size):
        out[i] = _expected(eta[i], zeta[i])


def expected_size_information(eta: ArrayLike, zeta: ArrayLike) -> FloatArray:
    """Expected information of a count about its log size.

    Parameters
    ----------
    eta, zeta : array_like
        Log mean and log size, broadcast against each other.

    Returns
    -------
    ndarray
        ``-E d2 loglik / dzeta2``; 0 where the size is infinite or the mean is 0.

    Examples
    --------
    >>> import numpy as np
    >>> expected_size_information(np.log([0.1, 1.0, 10.0]), 0.0).round(6)
    array([0.002154, 0.082241, 0.414236])
    """
    one, other = np.broadcast_arrays(
        np.asarray(eta, dtype=np.float64), np.asarray(zeta, dtype=np.float64)
    )
    out = np.empty(one.size)
    _fill(np.array(one).ravel(), np.array(other).ravel(), out)
    return out.reshape(one.shape)


def expected_mean_information(mean: FloatArray, zeta: FloatArray) -> FloatArray:
    """Expected information of a count about its log mean.

    Parameters
    ----------
    mean, zeta : ndarray of one shape
        Mean and log size.

    Returns
    -------
    ndarray
        ``mu r / (mu + r)``; 0 where the mean or the size is 0.

    Examples
    --------
    >>> import numpy as np
    >>> expected_mean_information(np.array([2.0, 2.0, 0.0]), np.array([0.0, np.inf, -np.inf]))
    array([0.66666667, 2.        , 0.        ])
    """
    with np.errstate(over="ignore", invalid="ignore"):
        information = mean / (1.0 + mean * np.exp(-zeta))
    return np.where(mean > 0.0, information, 0.0)
