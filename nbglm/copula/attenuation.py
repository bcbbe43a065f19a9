"""From correlations of what counts show of scores to those of the scores, and back."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nbglm.copula.scores import Scores

__all__ = ["behind", "gains", "seen"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_LEAST_INFORMATION = 0.25  # below it, what counts hide is not made up for in full
_MOST = 0.98
_STEPS = 6


def gains(scores: Scores) -> FloatArray:
    """By what correlations of a gene's means are to be multiplied, to first order.

    Parameters
    ----------
    scores : Scores
        Of some cells.

    Returns
    -------
    ndarray, shape (genes,)
        From 1 to 2; a pair of genes takes the product. Of genes that show less than a quarter of
        their scores it is less than it would have to be, since noise grows as well.
    """
    known = np.maximum(scores.information, _LEAST_INFORMATION)
    return np.asarray(np.sqrt(known) / np.maximum(scores.series[:, 0], known))


def _ratios(scores: Scores, genes: IntArray) -> tuple[FloatArray, FloatArray]:
    """Second and third terms of the series of each pair of genes, for a first one of 1."""
    first = scores.series[genes, :1]
    ratio = scores.series[genes, 1:] / np.where(first > 0.0, first, 1.0)
    return np.outer(ratio[:, 0], ratio[:, 0]), np.outer(ratio[:, 1], ratio[:, 1])


def behind(linear: FloatArray, scores: Scores, genes: IntArray) -> FloatArray:
    """Correlations of scores, from those that are right to first order.

    Parameters
    ----------
    linear : ndarray, shape (genes, genes)
        Correlations of means, times the gains of both genes.
    scores : Scores
        Of the same cells.
    genes : ndarray of int
        Which genes.

    Returns
    -------
    ndarray, shape (genes, genes)
        Within 0.98.
    """
    second, third = _ratios(scores, genes)
    rho = np.clip(linear, -_MOST, _MOST)
    for _ in range(_STEPS):
        value = rho * (1.0 + rho * (second + rho * third))
        slope = 1.0 + rho * (2.0 * second + 3.0 * rho * third)
        rho = np.clip(rho - (value - linear) / np.maximum(slope, 0.3), -_MOST, _MOST)
    return np.asarray(rho)


def seen(rho: FloatArray, scores: Scores, genes: IntArray) -> FloatArray:
    """Correlations of the means, from those of the scores.

    Parameters
    ----------
    rho : ndarray, shape (genes, genes)
        Correlations of scores.
    scores : Scores
        Of some cells, whose genes show anything.
    genes : ndarray of int
        Which genes.

    Returns
    -------
    ndarray, shape (genes, genes)
    """
    second, third = _ratios(scores, genes)
    fade = scores.series[genes, 0] / np.sqrt(scores.information[genes])
    return np.asarray(np.outer(fade, fade) * rho * (1.0 + rho * (second + rho * third)))
