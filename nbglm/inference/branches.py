"""The profile of one coefficient, as far as it has been looked at.

With the coefficient held, what is left is an ordinary fit, whose likelihood may have several
maxima; followed over the held values, each of them is a branch, and the profile is the highest.
An ascent from a neighbouring value costs little but stays on its branch. Therefore every value
remembers the best that was ever found there, ascents start from the neighbours on both sides, and
there are three degrees of effort: :meth:`Profile.follow` them, :meth:`Profile.look` further from
starts that turn the sizes about a few rows, and :meth:`Profile.search` from all starts of a fit.

From what is found with the coefficient held, an ascent with all coefficients free ends at a
maximum of the likelihood. If that is not the fit's it is a landmark: the profile is as high there,
however low it may be on the way; and if it is higher than the fit, deviances are taken from it.
"""

from __future__ import annotations

import bisect
import math
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nbglm.fit.genes import MAX_EVALUATIONS
from nbglm.inference.carrying import carried, largest_change
from nbglm.inference.constraint import Constraint, Limit, Supremum, supremum, supremum_beside
from nbglm.inference.turns import turned_sizes
from nbglm.limits.stages import Geometry
from nbglm.problem.layout import Layout
from nbglm.problem.problem import Problem
from nbglm.problem.start import FEW_CELLS
from nbglm.search.climb import climb_from, has_flat_size
from nbglm.search.newton import CONVERGED, Ascent

__all__ = ["Estimate", "Profile"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

FOLLOWED, LOOKED, SEARCHED = range(3)

_EVALUATIONS = 1, 16, 100  # of each start in a look, in three rounds,
_GO_ON = 4, 2  # and how many of the highest go on to the next, if
_HOPE = 30.0  # their deviance is not so far above the quantile
_LOOK_WORK = 24_000  # rows times starts that a look compares;
_LOOKED = 8, 32  # and how many they are at least and at most
_LEANING = 10.0  # of a predictor, on the way to a limit
_HUGE = 1e12  # deviance that any greater one is as good as
_ROUNDING = 1e-7  # by which a log-likelihood may exceed the highest without being higher


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
    finite, direction : ndarray, shape (p + q,)
        All coefficients of the gene, and where they go to infinity.
    """

    constraint: Constraint
    cells: IntArray
    counts: FloatArray
    llf: float
    coef: float
    std_err: float
    finite: FloatArray
    direction: FloatArray


class Point(NamedTuple):
    """The best that was found with the coefficient held at a value.

    Attributes
    ----------
    value : float
        The value.
    height : float
        Log-likelihood.
    theta : ndarray, shape (k,), or None
        Where, in the coordinates of the problem that is left; None if only in a limit.
    effort : int
        ``FOLLOWED``, ``LOOKED`` or ``SEARCHED``.
    limit : Limit or None
        In which limit, if that is known.
    """

    value: float
    height: float
    theta: FloatArray | None
    effort: int
    limit: Limit | None = None


class Profile:
    """The profile of one coefficient, evaluated where a search for its limits looks.

    Parameters
    ----------
    estimate : Estimate
        The coefficient.
    cut : float
        Deviance up to which a value is inside.

    Attributes
    ----------
    top : float
        The highest log-likelihood known: the fit's, unless a higher one was found.
    """

    def __init__(self, estimate: Estimate, cut: float) -> None:
        self._estimate, self.cut = estimate, cut
        self._points: list[Point] = []  # by value
        self.top = estimate.llf
        problem = estimate.constraint.problem
        both = np.column_stack([estimate.finite, estimate.direction])
        self._theta, self._leaning = problem.coordinates(both).T
        if math.isfinite(estimate.coef):
            theta = None if self.is_at_limit else self._start_at(estimate.coef)
            self._points = [Point(estimate.coef, estimate.llf, theta, SEARCHED)]

    @cached_property
    def has_branches(self) -> bool:
        """Whether the likelihood may have several maxima worth looking for."""
        layout = self._estimate.constraint.problem.layout
        q = layout.z_columns.shape[0]
        return q > 1 or (q == 1 and layout.weight.sum() <= FEW_CELLS)

    @cached_property
    def is_at_limit(self) -> bool:
        """Whether any coefficient of the gene is infinite."""
        return bool(self._leaning.any())

    @cached_property
    def has_plateaus(self) -> bool:
        """Whether the profile may come back from afar, since sizes can turn about single rows."""
        return self.has_branches and (self.is_of_size or self.is_at_limit)

    @cached_property
    def is_of_size(self) -> bool:
        """Whether the coefficient is one of the dispersion."""
        p = self._estimate.constraint.problem.x_kept.size
        return not self._estimate.constraint.matrix[:, :p].any()

    @property
    def estimated(self) -> float:
        """The estimate."""
        return self._estimate.coef

    @cached_property
    def start(self) -> float:
        """Where a walk begins: the estimate, or what is finite about an infinite one."""
        estimate = self._estimate
        if math.isfinite(estimate.coef):
            return estimate.coef
        return float((estimate.constraint.matrix @ estimate.finite)[0])

    @cached_property
    def unit(self) -> float:
        """Change of the coefficient that matters: of 1 in a typical predictor."""
        typical = np.abs(self._estimate.constraint.change)
        return 1.0 / float(np.median(typical[typical > 0.0]))

    def step(self, quantile: float) -> float:
        """Length of the first step of a walk: to where a Wald interval ends."""
        error = self._estimate.std_err
        return quantile * error if math.isfinite(error) else self.unit

    def deviance(self, height: float) -> float:
        """Twice the distance of a log-likelihood from the highest one known."""
        return min(max(0.0, 2.0 * (self.top - height)), _HUGE)

    @property
    def places(self) -> list[tuple[float, float]]:
        """Values that were looked at, in order, with the deviance there."""
        return [(point.value, self.deviance(point.height)) for point in self._points]

    def follow(self, value: float) -> float:
        """Deviance, from ascents that start at the neighbours."""
        return self._deviance_at(value, FOLLOWED)

    def look(self, value: float) -> float:
        """Deviance, from further starts if there may be several branches."""
        return self._deviance_at(value, LOOKED if self.has_branches else FOLLOWED)

    def search(self, value: float) -> float:
        """Deviance, from all starts if there may be several branches."""
        return self._deviance_at(value, SEARCHED if self.has_branches else FOLLOWED)

    def _known(self, value: float) -> tuple[int, Point | None]:
        """Where the point at a value is among the others, or should be."""
        place = bisect.bisect_left(self._points, value, key=lambda point: point.value)
        if place < len(self._points) and self._points[place].value == value:
            return place, self._points[place]
        return place, None

    def _keep(self, point: Point) -> None:
        place, known = self._known(point.value)
        if known is None:
            self._points.insert(place, point)
        else:
            self._points[place] = point
        self.top = max(self.top, point.height - _ROUNDING)

    def _deviance_at(self, value: float, effort: int) -> float:
        _, known = self._known(value)
        if known is None or known.effort < effort:
            known = self._improved(value, effort, known)
            self._keep(known)
        return self.deviance(known.height)

    def _improved(self, value: float, effort: int, known: Point | None) -> Point:
        """The best of what is known at a value and of more effort."""
        estimate = self._estimate
        problem = estimate.constraint.at(value)
        near = self._near(value)
        starts = [point.theta for point in near if point.theta is not None]
        if math.isinf(estimate.coef):
            starts.append(self._start_at(value))
        ends: list[Supremum | Ascent] = []
        if known is None:
            ends += self._climbed(problem, starts[: 3 if self.has_branches else 1])
        ends += self._in_limits(problem, [point.limit for point in near])
        if effort >= LOOKED and (known is None or known.effort < LOOKED):
            ends += self._looked(problem, starts[0] if starts else self._start_at(value))
        # Beside the limit of a neighbour there may be a better one, of which no ascent knows.
        in_limit = known is None and any(point.theta is None for point in near)
        if effort == SEARCHED or in_limit or not (ends or known):
            found = supremum(Geometry(problem), estimate.cells, estimate.counts, MAX_EVALUATIONS)
            # Where means overflow nothing was found.
            ends.append(found if math.isfinite(found.value) else found._replace(value=-math.inf))
        if effort >= LOOKED:
            for end in ends:
                if end.theta is not None and self._has_hope(end.value):
                    self._set_free(problem, end.theta)
        best = max(ends, key=lambda end: end.value)
        if known is not None and known.height >= best.value:
            return known._replace(effort=effort)
        limit = best.limit if isinstance(best, Supremum) else None
        return Point(value, float(best.value), best.theta, effort, limit)

    def _in_limits(self, problem: Problem, limits: list[Limit | None]) -> list[Supremum]:
        """What the limits of neighbours, in which no ascent can start, come to here."""
        estimate = self._estimate
        geometry = Geometry(problem)
        return [
            supremum_beside(geometry, limit, estimate.cells, estimate.counts, _EVALUATIONS[-1])
            for limit in limits
            if limit is not None
        ]

    def _near(self, value: float) -> list[Point]:
        """The neighbours of a value, the nearer one first."""
        place, known = self._known(value)
        near = self._points[max(place - 1, 0) : place]
        near += self._points[place + (known is not None) :][:1]
        return sorted(near, key=lambda point: abs(point.value - value))

    def _ascent(self, problem: Problem, start: FloatArray, evaluations: int) -> Ascent:
        estimate = self._estimate
        return climb_from(start, estimate.cells, estimate.counts, problem.layout, evaluations)

    def _climbed(self, problem: Problem, starts: list[FloatArray]) -> list[Ascent]:
        """Ascents to their ends; without branches only those to a finite maximum."""
        ends = [self._ascent(problem, start, _EVALUATIONS[-1]) for start in starts]
        return [
            end
            for end in ends
            if math.isfinite(end.value) and (self.has_branches or _is_regular(end, problem.layout))
        ]

    def _looked(self, problem: Problem, base: FloatArray) -> list[Ascent]:
        """Ends of ascents from the highest of the starts that turn the sizes."""
        estimate, layout = self._estimate, problem.layout
        rows = layout.row_of_cell[estimate.cells]
        loud = np.unique(layout.group_of_row[rows[rows >= 0]])
        loud = loud[np.isfinite(layout.size_offset[loud])]
        most = int(np.clip(_LOOK_WORK // layout.weight.size, *_LOOKED))
        points = list(turned_sizes(layout, base, loud, most))
        go_on = (*(min(count, most // 6) for count in _GO_ON), 0)
        ends: list[Ascent] = []
        for evaluations, count in zip(_EVALUATIONS, go_on, strict=True):
            if not points:
                break
            ends = [self._ascent(problem, point, evaluations) for point in points]
            ends = [end for end in ends if math.isfinite(end.value)]
            ends.sort(key=lambda end: end.value, reverse=True)
            hopeful = [end for end in ends if evaluations == 1 or self._has_hope(end.value)]
            points = [end.theta for end in hopeful[:count]]
        return ends

    def _has_hope(self, height: float) -> bool:
        return self.deviance(height) <= self.cut + _HOPE

    def _start_at(self, value: float) -> FloatArray:
        """The fit with the coefficient at a value; on the way to the limit, if it has one."""
        estimate = self._estimate
        problem = estimate.constraint.problem
        along = float((estimate.constraint.matrix @ estimate.direction)[0])
        if along:
            far = (value - float((estimate.constraint.matrix @ estimate.finite)[0])) / along
        else:
            far = _LEANING / max(largest_change(problem.layout, self._leaning), 1.0)
        return carried(self._theta + far * self._leaning, problem, estimate.constraint.at(value))

    def _set_free(self, problem: Problem, theta: FloatArray) -> None:
        """Climb with all coefficients free; keep a maximum that lies outside of what is inside."""
        estimate = self._estimate
        whole = estimate.constraint.problem
        ascent = self._ascent(whole, carried(theta, problem, whole), _EVALUATIONS[-1])
        value = float((estimate.constraint.matrix @ (whole.transform @ ascent.theta))[0])
        if not (math.isfinite(value) and self.deviance(ascent.value) <= self.cut):
            return
        inside = [place for place, deviance in self.places if deviance <= self.cut]
        higher = ascent.value > self.top + _ROUNDING
        if higher or not inside or not inside[0] <= value <= inside[-1]:
            held = carried(ascent.theta, whole, estimate.constraint.at(value))
            self._keep(Point(value, float(ascent.value), held, FOLLOWED))


def _is_regular(end: Ascent, layout: Layout) -> bool:
    """Whether an ascent ended at a finite maximum."""
    return end.code == CONVERGED and not has_flat_size(layout, -end.hessian)
