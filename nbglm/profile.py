"""Profile likelihood of single coefficients: intervals and tests that hold at a limit too.

The profile of a coefficient is the supremum of the log-likelihood with that coefficient held. Its
deviance from the fit, ``D(v) = 2 (llf - profile(v))``, is a chi-squared variable with one degree of
freedom at the true value, whether the estimate is finite or not; the interval is where ``D`` stays
below the quantile (Venzon, D. J. and Moolgavkar, S. H. 1988, *A method for computing
profile-likelihood-based confidence intervals*, Applied Statistics 37, 87-94, who solve the same
equations). A coefficient whose estimate is infinite has an interval with one finite end.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import ndtri

from nbglm.climb import climb_from, has_flat_size
from nbglm.constraint import Constraint, supremum
from nbglm.fit import MAX_EVALUATIONS
from nbglm.geometry import Geometry
from nbglm.newton import CONVERGED

__all__ = ["Estimate", "profile_limits"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_WARM_EVALUATIONS = 100
_FARTHEST = 80.0  # change of a typical predictor beyond which nothing changes any more
_ACCURACY = 1e-7  # of a limit, relative to its distance from where the search began
_HIGHER = 1e-6  # rise of a profile by further starts that makes the search start again


@dataclass(frozen=True)
class Estimate:
    """One coefficient of one gene, as the fit left it.

    Attributes
    ----------
    constraint : Constraint
        The coefficient.
    cells, counts : ndarray, shape (nonzeros,)
        The gene's positive counts.
    llf : float
        Supremum of the log-likelihood.
    coef : float
        The estimate; infinite at a limit.
    std_err : float
        Its standard error; NaN at a limit.
    """

    constraint: Constraint
    cells: IntArray
    counts: FloatArray
    llf: float
    coef: float
    std_err: float


class _Profile:
    """The profile of one coefficient, each point climbed from the one before."""

    def __init__(self, estimate: Estimate) -> None:
        self._estimate = estimate
        self._theta: FloatArray | None = None
        self.from_every_start = False

    def __call__(self, value: float) -> float:
        """Log-likelihood with the coefficient held at a value."""
        estimate = self._estimate
        problem = estimate.constraint.at(value)
        if self._theta is not None and not self.from_every_start:
            ascent = climb_from(
                self._theta, estimate.cells, estimate.counts, problem.layout, _WARM_EVALUATIONS
            )
            if ascent.code == CONVERGED and not has_flat_size(problem.layout, -ascent.hessian):
                self._theta = ascent.theta
                return float(ascent.value)
        found = supremum(Geometry(problem), estimate.cells, estimate.counts, MAX_EVALUATIONS)
        self._theta = found.theta
        return found.value

    def root_deviance(self, value: float) -> float:
        """Square root of the deviance from the fit: nearly linear on either side of it."""
        return math.sqrt(max(0.0, 2.0 * (self._estimate.llf - self(value))))


def _beyond(profile: _Profile, start: float, step: float, far: float, critical: float) -> float:
    """First point of a widening search, from `start` on, whose root deviance is too large."""
    distance = step
    while abs(distance) < far:
        if profile.root_deviance(start + distance) > critical:
            return start + distance
        distance *= 2.0
    return math.copysign(math.inf, step)


def _within(profile: _Profile, start: float, step: float, far: float, critical: float) -> float:
    """First point of a widening search that is near enough to an infinite estimate."""
    distance = step
    while abs(distance) < far:
        if profile.root_deviance(start + distance) < critical:
            return start + distance
        distance *= 2.0
    return math.nan


def _crossing(profile: _Profile, inner: float, outer: float, critical: float) -> float:
    """Where the root deviance passes the critical value."""
    if not (math.isfinite(inner) and math.isfinite(outer)):
        return outer
    return float(
        brentq(
            lambda value: profile.root_deviance(value) - critical,
            inner,
            outer,
            xtol=_ACCURACY * abs(outer - inner),
            rtol=1e-14,
        )
    )


def _side(estimate: Estimate, profile: _Profile, sign: float, critical: float) -> float:
    """One limit: upwards (`sign` 1) or downwards (-1)."""
    typical = np.abs(estimate.constraint.change)
    unit = 1.0 / float(np.median(typical[typical > 0.0]))
    far = _FARTHEST * unit
    if math.isfinite(estimate.coef):
        step = sign * critical * estimate.std_err
        far = max(far, 100.0 * abs(step))
        outer = _beyond(profile, estimate.coef, step, far, critical)
        return _crossing(profile, estimate.coef, outer, critical)
    if estimate.coef == sign * math.inf:
        return estimate.coef
    # The estimate lies at the other infinity: walk there, or away from there, from 0.
    if profile.root_deviance(0.0) < critical:
        outer = _beyond(profile, 0.0, sign * unit, far, critical)
        return _crossing(profile, 0.0, outer, critical)
    inner = _within(profile, 0.0, -sign * unit, far, critical)
    return _crossing(profile, inner, 0.0, critical)


def profile_limits(estimate: Estimate, alpha: float) -> tuple[float, float]:
    """Profile-likelihood interval of one coefficient.

    Parameters
    ----------
    estimate : Estimate
        The coefficient, finite or infinite.
    alpha : float
        Significance level.

    Returns
    -------
    lower, upper : float
        Where the deviance reaches the ``1 - alpha`` quantile of chi-squared with one degree of
        freedom; infinite where it never does.
    """
    critical = -float(ndtri(alpha / 2.0))
    limits = []
    for sign in (-1.0, 1.0):
        profile = _Profile(estimate)
        limit = _side(estimate, profile, sign, critical)
        if math.isfinite(limit) and estimate.constraint.problem.layout.z.shape[1] > 1:
            # With covariates in the dispersion there may be a better maximum than the one that
            # the warm starts followed.
            followed = profile(limit)
            profile.from_every_start = True
            if profile(limit) > followed + _HIGHER:
                limit = _side(estimate, profile, sign, critical)
        limits.append(limit)
    return limits[0], limits[1]
