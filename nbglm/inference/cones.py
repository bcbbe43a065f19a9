r"""Reference distributions of likelihood ratios that test the sizes, near the Poisson and far off.

The sizes of a model enter its likelihood as ``alpha = 1 / r``, which cannot be below 0. Where the
counts are far more variable than Poisson counts that does not matter, and the likelihood ratio of
dispersion terms is chi-squared. Where they are not, the smaller model lies on or near the boundary
of the larger one, and the reference is another. Which of the two it is nobody knows: the common
``alpha`` of the smaller model is a nuisance that may be 0, or of the order of its standard error.

**Strata.** Let the larger model give each of ``k`` strata an ``alpha`` of its own and the smaller
one the same to all. Near the Poisson the moment estimates ``Z_j`` of ``alpha_j`` are normal with
information ``I_j = sum(mu^2) / 2``, and in the metric of the information the likelihood ratio is
``|P_K Z|^2 - |P_L Z|^2``, the difference of the squared projections on the orthant ``K`` and on the
ray ``L`` inside of it (Self, S. G. and Liang, K.-Y. 1987, *Asymptotic properties of maximum
likelihood estimators and likelihood ratio tests under nonstandard conditions*, JASA 82, 605-610;
Silvapulle, M. J. and Sen, P. K. 2005, *Constrained Statistical Inference*, chapter 4). Its
distribution depends on the nuisance. But the pooled estimate ``S = sum(I_j Z_j) / sum(I_j)`` is
sufficient for the nuisance, and complete, and what is left, ``V = Z - S``, is independent of it
and has no unknowns: *given* ``S = s`` the reference is that of

    sum_j I_j ((s + V_j)_+)^2 - sum_j I_j (s_+)^2

whatever the nuisance is, and the test has its size for all of its values (Lehmann, E. L. and
Romano, J. P. 2005, *Testing Statistical Hypotheses*, section 4.3). Far from the Poisson no ``s +
V_j`` is negative, and this is chi-squared with ``k - 1`` degrees of freedom, as it should be; near
it, it is a mixture of tails over the faces of the cone, as the chi-bar-square of ``|P_K Z|^2`` is
(Shapiro, A. 1988, *Towards a unified theory of inequality constrained testing in multivariate
analysis*, International Statistical Review 56, 49-62). Nothing in the rule depends on whether a fit
happened to end at a limit. Chi-squared for all would never reject too often, but far too rarely.

*Computation.* Along each direction of ``V`` the statistic is convex and rises from 0, so that it
passes the observed value at one radius, and the p-value is the mean, over directions, of the
chi-squared tail of that radius squared. That is exact for two strata; for three the directions
are a regular polygon, for more a fixed Sobol set. The error is below 1e-3, and below a fifth of
p-values of 1e-7.

**Other designs.** With a covariate the larger model is no convex cone: the size can fall to 0
among the few cells at one end of the covariate and be infinite everywhere else. If these cells, of
mean ``mu`` each, have no counts, the likelihood ratio gains ``2 sum(mu)`` over them, and that it
exceeds ``u`` has probability ``exp(-u / 2)`` for Poisson counts: the chi-squared tail with two
degrees of freedom, for *any* number of cells. So chi-squared with one degree of freedom rejects
several times as many Poisson genes as it should, and no larger sample helps. What this costs the
larger model is the overdispersion that all cells share, ``s^2`` of likelihood ratio, so that it is
out of the question far from the Poisson. The reference adds the probability of these events to the
chi-squared tail:

    P(chi2_d >= t)  +  2^l (m (1 + u / 2))^(e - l)  P(chi2_{2 k} >= max(u, 2 M)),

where ``u = t + w sum_h (s_h+)^2``. The larger model has ``k`` strata in which a covariate varies,
each with an end of its own, and ``e`` coefficients more than strata, which can point ``l`` of them
in either direction by themselves; ``m`` rows have a count: where there are more coefficients than
directions, the cells of size 0 may lie between any two of these; ``M`` is the smallest expected
count of all rows that share a size, so that rows of many cells, those of factors, add nothing. If
``e = l`` the weight ``w`` is 1/2, since a size that changes by a few orders of magnitude from end
to end keeps about half of ``s^2``; else the positions of the cells are bound enough, and it is 1.
This is an upper bound, close with one covariate and the more cautious the more coefficients there
are: with a spline the larger model finds a stretch of empty cells anywhere. ``docs/coverage.md``
has the sizes of all of it, simulated.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp, ndtri

from nbglm.inference.pvalues import chi2_tail
from nbglm.problem.basis import orthonormal_basis

__all__ = ["Ends", "Near", "SizeTest", "cone_tail", "covariate_tail"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_DIRECTIONS = 512  # of the unknown part of the estimates, in three dimensions and more
_ANGLES = 256  # in two
_NOTHING = 1e-6  # likelihood ratio that is rounding
_CLEAR = 9.0  # standard errors from the boundary at which it might as well not be there
_ITERATIONS = 60
_STILL = 1e-10  # last step, relative to the radius


@lru_cache(maxsize=32)
def _directions(dimensions: int) -> FloatArray:
    """Directions in a space, evenly spread: both of a line, a polygon, or a fixed Sobol set."""
    if dimensions == 1:
        return np.array([[1.0], [-1.0]])
    if dimensions == 2:
        angle = 2.0 * np.pi * (np.arange(_ANGLES) + 0.5) / _ANGLES
        return np.column_stack([np.cos(angle), np.sin(angle)])
    from scipy.stats import qmc

    points = qmc.Sobol(dimensions, seed=0).random(_DIRECTIONS)
    normal = ndtri(np.clip(points, 1e-9, 1.0 - 1e-9))
    normal = np.vstack([normal, -normal])
    return np.asarray(normal / np.linalg.norm(normal, axis=1, keepdims=True))


def _across(direction: FloatArray, coordinates: FloatArray) -> FloatArray:
    """Points of the plane across a unit vector, from their coordinates in it (Householder)."""
    normal = direction.copy()
    normal[0] -= 1.0
    points = np.hstack([np.zeros((len(coordinates), 1)), coordinates])
    length = normal @ normal
    return points if length == 0.0 else points - np.outer(points @ normal, 2.0 * normal / length)


def _radii(centre: FloatArray, slope: FloatArray, free: FloatArray, target: float) -> FloatArray:
    """Where ``sum_j ((centre_j + R slope_j)_+)^2 + R^2 free`` passes `target`, line by line.

    It is convex in ``R`` and passes but once, so that Newton's method comes down from above.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        alone = np.where(slope > 0.0, (math.sqrt(target) - centre) / slope, np.inf)
        radius = np.minimum(alone.min(axis=1), np.sqrt(target / free))
    for _ in range(_ITERATIONS):
        part = np.maximum(centre + radius[:, None] * slope, 0.0)
        height = (part**2).sum(axis=1) + radius**2 * free - target
        rise = 2.0 * ((part * slope).sum(axis=1) + radius * free)
        step = np.where(rise > 0.0, height / np.where(rise > 0.0, rise, 1.0), 0.0)
        radius = np.maximum(radius - step, 0.0)
        if np.all(step <= _STILL * radius):
            break
    return radius


def cone_tail(
    statistic: float, pooled: FloatArray, shares: list[FloatArray], regular: int
) -> tuple[float, float]:
    """P-value of a likelihood ratio of strata against strata, given the pooled estimates.

    Parameters
    ----------
    statistic : float
        Likelihood ratio.
    pooled : ndarray, shape (h,)
        Pooled estimate of each stratum of the smaller model, in standard errors; it may be
        negative.
    shares : list of ndarray
        For each of them the unit vector of the roots of the information of its strata in the
        larger model.
    regular : int
        Further degrees of freedom, away from any boundary.

    Returns
    -------
    p, log_p : float

    Examples
    --------
    Two equal strata, with the pooled estimate at the boundary and far from it:

    >>> halves = [np.sqrt([0.5, 0.5])]
    >>> round(cone_tail(3.84, np.array([0.0]), halves, 0)[0], 4)
    0.0056
    >>> round(cone_tail(3.84, np.array([9.0]), halves, 0)[0], 4)
    0.05
    """
    inside = sum(share.size - 1 for share in shares)
    if statistic <= _NOTHING:
        return 1.0, 0.0
    centre = np.concatenate(
        [np.zeros(0), *(s * share for s, share in zip(pooled, shares, strict=True))]
    )
    if inside == 0 or centre.min() > _CLEAR:
        found = chi2_tail(statistic, inside + regular)
        return float(found.p), float(found.log_p)
    directions = _directions(inside + regular)
    slopes, start = [], 0
    for share in shares:
        stop = start + share.size - 1
        slopes.append(_across(share, directions[:, start:stop]))
        start = stop
    free = (directions[:, inside:] ** 2).sum(axis=1)
    target = statistic + float((np.maximum(pooled, 0.0) ** 2).sum())
    radius = _radii(centre, np.hstack(slopes), free, target)
    tails = chi2_tail(radius**2, inside + regular)
    return float(tails.p.mean()), float(logsumexp(tails.log_p) - math.log(radius.size))


class Ends(NamedTuple):
    """Where a design lets few cells have a size of their own.

    Attributes
    ----------
    strata : int
        In how many strata a covariate varies.
    beside : int
        Coefficients beside those of the strata.
    directions : int
        How many strata point in either direction by themselves.
    """

    strata: int
    beside: int
    directions: int


class Near(NamedTuple):
    """What decides how likely it is that few cells of a gene have a size of their own.

    Attributes
    ----------
    shared : float
        Squares of the pooled estimates of the smaller model, in standard errors, where positive.
    counted : int
        Rows with a count.
    smallest : float
        Expected count of the cells that share a size, where it is smallest.
    """

    shared: float
    counted: int
    smallest: float


def covariate_tail(
    statistic: float, near: Near, ends: Ends, df: int, of_mean: int
) -> tuple[float, float]:
    """Bound of the p-value of a likelihood ratio if the larger model has covariates.

    Parameters
    ----------
    statistic : float
        Likelihood ratio.
    near : Near
        How near the gene is to the Poisson.
    ends : Ends
        Where few cells can have a size of their own.
    df : int
        Degrees of freedom.
    of_mean : int
        Those of them that belong to the mean.

    Returns
    -------
    p, log_p : float

    Examples
    --------
    >>> slope = Ends(strata=1, beside=1, directions=1)
    >>> round(covariate_tail(3.84, Near(0.0, 100, 0.1), slope, 1, 0)[0], 3)
    0.343
    >>> round(covariate_tail(3.84, Near(100.0, 100, 0.1), slope, 1, 0)[0], 3)
    0.05
    """
    if statistic <= _NOTHING:
        return 1.0, 0.0
    positions = ends.beside - ends.directions
    further = statistic + (1.0 if positions else 0.5) * near.shared
    sets = ends.directions * math.log(2.0)
    sets += positions * math.log(max(near.counted, 1) * (1.0 + 0.5 * further))
    smooth = chi2_tail(statistic, df)
    least = max(further, 2.0 * near.smallest)
    steep = chi2_tail(least, 2 * ends.strata + of_mean)
    log_p = min(0.0, float(np.logaddexp(smooth.log_p, sets + steep.log_p)))
    return math.exp(log_p), log_p


@dataclass(frozen=True)
class SizeTest:
    """What two nested dispersion designs say of the sizes of some rows.

    Attributes
    ----------
    full, null : ndarray, shape (rows, q) and (rows, q0)
        Their rows.
    offset : ndarray, shape (rows,)
        Offset of the log size in the smaller model.
    """

    full: FloatArray
    null: FloatArray
    offset: FloatArray

    @cached_property
    def rows(self) -> IntArray:
        """Which rows have one size whatever the coefficients of the larger model are."""
        return _labels(self.full)

    @cached_property
    def strata(self) -> IntArray:
        """The stratum of the larger model that each row belongs to, as far as it has strata."""
        return _strata(self.full)

    @cached_property
    def pools(self) -> IntArray:
        """The same of the smaller model; -1 for rows whose size it holds at a number."""
        free = self.null.any(axis=1)
        pools = np.full(free.size, -1)
        pools[free] = _strata(self.null[free])
        return pools

    @cached_property
    def is_cone(self) -> bool:
        """Whether strata are all there is, of either model."""
        free = self.pools >= 0
        return _is_saturated(self.full) and _is_saturated(self.null[free])

    @cached_property
    def ends(self) -> Ends:
        """Where few cells can have a size of their own."""
        classes = [np.unique(self.full[self.strata == k], axis=0) for k in np.unique(self.strata)]
        inside = [_rank(np.hstack([np.ones((len(rows), 1)), rows])) - 1 for rows in classes]
        beside = max(1, _rank(self.full) - len(classes))
        return Ends(max(1, sum(np.sign(inside))), beside, math.ceil(beside / max(1, *inside)))


def _labels(rows: FloatArray) -> IntArray:
    """Number of the distinct row that each row is."""
    return np.unique(rows, axis=0, return_inverse=True)[1].ravel().astype(np.int64)


def _rank(rows: FloatArray) -> int:
    return orthonormal_basis(rows).rank


def _is_saturated(rows: FloatArray) -> bool:
    """Whether a design gives every distinct row a predictor of its own."""
    distinct = np.unique(rows, axis=0)
    return len(distinct) <= rows.shape[1] and _rank(distinct) == len(distinct)


def _strata(rows: FloatArray) -> IntArray:
    """Classes of rows whose indicators are combinations of the columns, as fine as they come."""
    if _is_saturated(rows):
        return _labels(rows)
    two_valued = [column for column in rows.T if np.unique(column).size == 2]
    if two_valued:
        classes = _labels(np.column_stack(two_valued))
        if classes.max() < rows.shape[1]:
            indicators = (classes[:, None] == np.arange(classes.max() + 1)).astype(np.float64)
            if _rank(np.hstack([rows, indicators])) == _rank(rows):
                return classes
    return np.zeros(len(rows), dtype=np.int64)
