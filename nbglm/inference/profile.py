"""Profile likelihood of single coefficients: intervals and tests that hold at a limit too.

The profile of a coefficient is the supremum of the log-likelihood with that coefficient held. Its
deviance from the fit, ``D(v) = 2 (llf - profile(v))``, is a chi-squared variable with one degree of
freedom at the true value, whether the estimate is finite or not; the interval is where ``D`` stays
below the quantile (Venzon, D. J. and Moolgavkar, S. H. 1988, *A method for computing
profile-likelihood-based confidence intervals*, Applied Statistics 37, 87-94, who solve the same
equations). A coefficient whose estimate is infinite has an interval with one finite end.

With covariates in the dispersion the likelihood has several maxima, the profile is the highest of
several branches, and the values that the test does not reject may lie in several pieces. The
interval is then the smallest one that holds the estimate and every piece that was found. How they
are looked for is in :mod:`nbglm.inference.branches`; here a limit is narrowed down between values
that are known to be inside and outside, and it is returned only if a search from all starts agrees
that the deviance there is the quantile.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from scipy.special import ndtri

from nbglm.inference.branches import Estimate, Profile

__all__ = ["ProfileInterval", "profile_limits"]

_FARTHEST = 1e4  # standard changes of the log size beyond which nothing changes any more
_FAR = 80.0  # the same for coefficients of the mean, and for typical rows
_PAST = 30.0  # deviance above the quantile from which nobody expects a profile to come back
_WAY_OUT = 10.0  # the same for a walk that has seen where the profile ends
_ACCURACY = 1e-7  # of a limit, relative to the bracket that it is looked for in
_AGREEMENT = 1e-6  # of the deviance at a limit with the quantile
_BEYOND = 0.02  # look so much further than a limit, relative to the way to it
_ROUNDS = 16  # of narrowing down
_TRUSTING_ROUNDS = 8  # of them, those that follow branches between searches from all starts
_RAISES = 8  # how often limits may be looked for again since a higher maximum was found


@dataclass(frozen=True)
class ProfileInterval:
    """What the profile of one coefficient says.

    Attributes
    ----------
    lower, upper : float
        The limits: infinite where the deviance never passes the quantile, NaN where no search
        could establish where it does.
    beaten : float
        By how much a maximum that was found on the way is higher than the fit's; mostly 0.
    """

    lower: float
    upper: float
    beaten: float


class _Side(NamedTuple):
    """One side of a profile, upwards (`sign` 1) or downwards (-1).

    Attributes
    ----------
    profile : Profile
        The profile.
    sign : float
        Which side.
    far : float
        Distance from the start beyond which nothing changes any more.
    wild : bool
        Whether the profile ends low enough for several pieces to be inside.
    """

    profile: Profile
    sign: float
    far: float
    wild: bool

    def at(self, distance: float) -> float:
        """Deviance at a distance outwards from the start."""
        profile, value = self.profile, self.profile.start + self.sign * distance
        return profile.look(value) if self.wild else profile.follow(value)

    def walk(self) -> None:
        """Look at wider and wider steps outwards, until the deviance is past coming back."""
        distance = self.profile.step(math.sqrt(self.profile.cut))
        enough = self.profile.cut + (_WAY_OUT if self.wild else 0.0)
        while distance < self.far and self.at(distance) <= enough:
            distance *= 2.0

    def walk_back(self) -> None:
        """Look for a value that is near enough to an infinite estimate on the other side."""
        distance = self.profile.unit
        while distance < self.far and self.at(-distance) > self.profile.cut:
            distance *= 2.0

    def bracket(self) -> tuple[float, float]:
        """The outermost value known to be inside, and the next one further out.

        Infinite if there is none: ``-sign`` times infinity the first, ``sign`` times the second.
        """
        profile, sign = self.profile, self.sign
        inner, outer = -sign * math.inf, sign * math.inf
        for value, deviance in profile.places if sign > 0.0 else reversed(profile.places):
            if deviance <= profile.cut or value == profile.estimated:
                inner, outer = value, sign * math.inf
            elif math.isinf(outer):
                outer = value
        return inner, outer

    def agreed(self, limit: float) -> bool:
        """Whether all starts find the quantile at a limit, and nothing further out is inside."""
        profile = self.profile
        if abs(profile.search(limit) - profile.cut) > _AGREEMENT:
            return False
        if self.wild:
            profile.look(limit + self.sign * _BEYOND * abs(limit - profile.start))
        return self.bracket()[0] * self.sign <= limit * self.sign

    def limit(self) -> float:
        """The outermost limit that all starts agree about; infinite if none, NaN if unsure."""
        profile, sign = self.profile, self.sign
        for number in range(_ROUNDS):
            inner, outer = self.bracket()
            if math.isinf(inner):  # nothing between an infinite estimate and what is outside
                return math.nan
            if math.isinf(outer):
                further = max(self.far, 4.0 * abs(inner - profile.start))
                if profile.look(profile.start + sign * further) <= profile.cut:
                    return outer
                continue
            evaluate = profile.follow if number < _TRUSTING_ROUNDS else profile.search
            if evaluate(outer) <= profile.cut:
                continue
            if evaluate(inner) > profile.cut:
                if inner == profile.estimated:  # a higher maximum rejects the fit's own
                    return inner
                continue
            if self.bracket() != (inner, outer):  # a landmark was found at one of the two
                continue
            limit = _crossing(profile, evaluate, inner, outer)
            if self.agreed(limit):
                return limit
        # So far out, where searches do not agree any more, the size of no typical row changes.
        is_far = sign * (self.bracket()[0] - profile.start) > _FAR * profile.unit
        return sign * math.inf if is_far else math.nan


def _crossing(
    profile: Profile, evaluate: Callable[[float], float], inner: float, outer: float
) -> float:
    """Where the root of the deviance, nearly linear on either side of an estimate, passes.

    A higher maximum may be found on the way; until the end deviances are taken from the old one.
    """
    from scipy.optimize import brentq  # not for those who only fit: it takes longer than numpy

    top, critical = profile.top, math.sqrt(profile.cut)

    def excess(value: float) -> float:
        deviance = evaluate(value) - 2.0 * (profile.top - top)
        return math.sqrt(max(0.0, deviance)) - critical

    return float(brentq(excess, inner, outer, xtol=_ACCURACY * abs(outer - inner), rtol=1e-14))


def _limit(profile: Profile, sign: float) -> float:
    """One limit."""
    if profile.estimated == sign * math.inf:
        return profile.estimated
    far = (_FARTHEST if profile.has_branches and profile.is_of_size else _FAR) * profile.unit
    far = max(far, 100.0 * profile.step(math.sqrt(profile.cut)))
    # A profile that ends in a plateau, such as the Poisson's, may come back from any deviance.
    look = profile.search if profile.is_at_limit else profile.look
    end = look(profile.start + sign * far) if profile.has_plateaus else math.inf
    if end <= profile.cut:
        return sign * math.inf
    side = _Side(profile, sign, far, wild=end <= profile.cut + _PAST)
    if math.isinf(profile.estimated) and side.at(0.0) > profile.cut:
        side.walk_back()
    side.walk()
    return side.limit()


def profile_limits(estimate: Estimate, alpha: float) -> ProfileInterval:
    """Profile-likelihood interval of one coefficient.

    Parameters
    ----------
    estimate : Estimate
        The coefficient, finite or infinite.
    alpha : float
        Significance level.

    Returns
    -------
    ProfileInterval
        Between the outermost values at which the deviance reaches the ``1 - alpha`` quantile of
        chi-squared with one degree of freedom.
    """
    profile = Profile(estimate, cut=float(ndtri(alpha / 2.0)) ** 2)
    for _ in range(_RAISES):
        top = profile.top
        lower, upper = (_limit(profile, sign) for sign in (-1.0, 1.0))
        if profile.top <= top + _AGREEMENT:
            break
    return ProfileInterval(lower, upper, profile.top - estimate.llf)
