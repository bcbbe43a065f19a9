r"""Counts at given quantiles of the negative binomial, by a sum from 0 on.

With ``a = 1 / r`` and ``q = mu / (1 + a mu)``, which stay exact where the size is infinite,

    P(Y = 0) = (1 + a mu)^(-r)        P(Y = k + 1) = P(Y = k) q (1 + a k) / (k + 1)

All terms are positive, so a sum of them keeps its relative accuracy. Of most counts it has a few
terms. The sum stops short of what it does badly: the far upper tail, whose probability would be the
difference between 1 and a number close to it, and large means, of which there are many terms, or
the first one is too small for a double.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from nbglm.kernels.compiled import entry
from nbglm.kernels.elementary import exp, ratio_terms

__all__ = ["fill_counts"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_DEEPEST = 600.0  # of -log P(Y = 0), which a normal number holds
_SMALLEST_SIZE = 1e-100
# Of a probability of 3e-5 a sum to 1 - p, which is off by 1e-16 in each of some hundred terms,
# leaves nine digits.
_FAR = 4.0
_MOST_TERMS = 4000
_ROOT_HALF = math.sqrt(0.5)


@entry
def fill_counts(scores: FloatArray, mean: FloatArray, size: FloatArray, counts: IntArray) -> int:
    """Find the smallest counts whose distribution function reaches that of a normal score.

    Parameters
    ----------
    scores : ndarray, shape (n,)
        Standard normal scores.
    mean, size : ndarray, shape (n,)
        Means, 0 or more and finite, and sizes from 0 to infinity.
    counts : ndarray of int64, shape (n,)
        Where the counts go; -1 where they are left to another method.

    Returns
    -------
    int
        How many are left.
    """
    left = 0
    for i in range(scores.size):
        mu, r, z = mean[i], size[i], scores[i]
        if mu == 0.0 or r == 0.0:
            counts[i] = 0
            continue
        inverse = 1.0 / max(r, _SMALLEST_SIZE)
        p, _, share, _ = ratio_terms(mu * inverse)
        if mu * share > _DEEPEST or r < _SMALLEST_SIZE or not abs(z) < _FAR:
            counts[i] = -1
            left += 1
            continue
        rate = mu * p
        probability = exp(-mu * share)
        target = 0.5 * math.erfc(-z * _ROOT_HALF)
        total, k = probability, 0
        while total < target and k < _MOST_TERMS:
            probability *= rate * (1.0 + k * inverse) / (k + 1.0)
            total += probability
            k += 1
        if total < target:
            counts[i] = -1
            left += 1
        else:
            counts[i] = k
    return left
