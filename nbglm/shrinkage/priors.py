"""What is believed of an effect before its gene is looked at: normal or Cauchy, around 0.

How wide, the effects of all genes tell. Each estimate ``b`` with standard error ``s`` varies around
0 with the variance ``A + s**2``, of which ``A`` is that of the true effects. Its maximum likelihood
estimate solves ``sum((b**2 - s**2 - A) / (A + s**2)**2) = 0`` (Efron and Morris 1975; Zhu, Ibrahim
and Love 2019, who take ``sqrt(A)`` for the scale of the Cauchy as well).

References
----------
Efron, B. and Morris, C. (1975). Data analysis using Stein's estimator and its generalizations.
*Journal of the American Statistical Association* 70, 311-319.
Zhu, A., Ibrahim, J. G. and Love, M. I. (2019). Heavy-tailed prior distributions for sequence count
data: removing the noise and preserving large differences. *Bioinformatics* 35, 2084-2092.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["PRIORS", "Prior", "effect_scale"]

FloatArray = NDArray[np.float64]

PRIORS = ("cauchy", "normal")

_NARROWEST = 1e-3  # of the median standard error: in place of a variance of 0
_GRID = 200  # values among which the highest likelihood is looked for first
_HALVINGS = 60


@dataclass(frozen=True)
class Prior:
    """A density around 0, but for its constant.

    Attributes
    ----------
    kind : str
        One of ``PRIORS``.
    scale : float
        Standard deviation of the normal; half the distance of the quartiles of the Cauchy.
    """

    kind: str
    scale: float

    def log_density(self, effect: FloatArray) -> FloatArray:
        """Logarithm of the density, 0 at an effect of 0."""
        ratio = np.square(effect / self.scale)
        return np.asarray(-np.log1p(ratio) if self.kind == "cauchy" else -0.5 * ratio)

    def weight(self, effect: FloatArray) -> FloatArray:
        """The slope of the log density is ``-weight * effect``.

        The parabola that touches the log density at `effect` and has this curvature lies below it
        everywhere, so that a step that is made with it goes up.
        """
        square = self.scale**2
        if self.kind == "cauchy":
            return np.asarray(2.0 / (square + np.square(effect)))
        return np.full_like(effect, 1.0 / square)

    def curvature(self, effect: FloatArray) -> FloatArray:
        """The second derivative of the log density with the other sign; negative in long tails."""
        weight = self.weight(effect)
        if self.kind == "normal":
            return weight
        return np.asarray(weight * (1.0 - weight * np.square(effect)))


def _excess(variance: FloatArray, squares: FloatArray, noise: FloatArray) -> FloatArray:
    """Derivative of the log-likelihood by the variance of the effects, times 2."""
    whole = variance[:, None] + noise
    return np.asarray(((squares - whole) / whole**2).sum(axis=1))


def _log_likelihood(variance: FloatArray, squares: FloatArray, noise: FloatArray) -> FloatArray:
    whole = variance[:, None] + noise
    return np.asarray(-0.5 * (np.log(whole) + squares / whole).sum(axis=1))


def effect_scale(estimate: FloatArray, std_err: FloatArray) -> float:
    """Standard deviation of the true effects, net of what estimates vary by.

    Parameters
    ----------
    estimate, std_err : ndarray, shape (genes,)
        At least two estimates and their standard errors, all finite and positive errors.

    Returns
    -------
    float
        A thousandth of the median standard error if the estimates vary no more than their errors
        let them.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> error = rng.uniform(0.1, 1.0, 5000)
    >>> round(effect_scale(rng.normal(0.0, np.hypot(0.5, error)), error), 2)
    0.5
    """
    squares, noise = np.square(estimate), np.square(std_err)
    least = (_NARROWEST * np.median(std_err)) ** 2
    most = max(2.0 * least, float(squares.max()))  # beyond the largest square all slopes fall
    grid = np.geomspace(least, most, _GRID)
    height = np.concatenate([_log_likelihood(part, squares, noise) for part in grid[:, None]])
    best = int(np.argmax(height))
    low, high = (float(grid[max(0, min(best + k, _GRID - 1))]) for k in (-1, 1))
    if _excess(np.array([low]), squares, noise)[0] <= 0.0:
        return float(np.sqrt(low))
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        if _excess(np.array([middle]), squares, noise)[0] > 0.0:
            low = middle
        else:
            high = middle
    return float(np.sqrt(0.5 * (low + high)))
