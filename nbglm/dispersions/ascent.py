"""The highest point of the adjusted profile likelihood of many genes, or that it has none.

A look at constant sizes from very small to nearly Poisson finds where to begin, Newton's method
does the rest: all genes take a step together, with curvatures from differences of the gradient.
Where the likelihood goes on rising as sizes grow, the highest point is the Poisson's, at infinity;
the rows of which that is true are named, and whoever called fits the others again without them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nbglm.dispersions.means import MeanFit, times
from nbglm.dispersions.profile import Profile

__all__ = ["Summit", "climb_profile", "looks_of"]

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]
IsLimit = Callable[[BoolArray], bool]

_LOOKS = np.linspace(-6.0, 12.0, 13)  # constant log sizes that are looked at
_LEVELS, _SLOPES = (0.0, 3.0, 8.0), (-6.0, -2.0, 2.0, 6.0)  # of log sizes that rise or fall
_STEPS = 60
_HALVINGS = 25
_ARRIVED = 1e-12  # squared Newton decrement
_TIE = 1e-7  # by which another maximum must be higher
_SHORT = 1e-4  # step of a log size
_LARGEST_STEP = 3.0  # of a log size
_NEARLY_POISSON = 14.0  # log ratio of a size to a mean of at least 1: no count tells them apart
_LEAST = -12.0  # log size below which a gene's few counts say nothing of it


@dataclass(frozen=True)
class Summit:
    """Where the ascents ended.

    Attributes
    ----------
    c : ndarray, shape (genes, k)
        Dispersion coefficients.
    value : ndarray, shape (genes,)
        The adjusted profile likelihood.
    fit : MeanFit
        The mean there.
    curvature : ndarray, shape (genes, k, k)
        Minus the second derivatives.
    poisson : ndarray of bool, shape (genes, rows)
        Rows with finite sizes on which the likelihood goes on rising towards the Poisson.
    arrived : ndarray of bool, shape (genes,)
        Whether a maximum was reached, finite or not.
    empty : ndarray of bool, shape (genes,)
        Whether the likelihood goes on rising towards a size of 0: the counts are too few.
    """

    c: FloatArray
    value: FloatArray
    fit: MeanFit
    curvature: FloatArray
    poisson: BoolArray
    arrived: BoolArray
    empty: BoolArray


def _begin(profile: Profile, looks: list[FloatArray], start: FloatArray) -> FloatArray:
    """The best of some coefficients that are looked at."""
    best = start.copy()
    mean = np.zeros((len(start), profile.given.basis.shape[1]))
    high = profile.at(best, mean)
    value, mean = np.where(np.isfinite(high.value), high.value, -np.inf), high.fit.b.copy()
    for look in looks:
        c = np.broadcast_to(look, best.shape)
        here = profile.at(c, mean)
        better = here.value > value
        best[better], value[better] = c[better], here.value[better]
    return best


def looks_of(z: FloatArray, constant: FloatArray | None) -> list[FloatArray]:
    """Coefficients from which an ascent may begin: constant sizes, and some that rise or fall.

    Parameters
    ----------
    z : ndarray, shape (rows, k)
        Dispersion design.
    constant : ndarray, shape (k,), or None
        Coefficients of a log size of 1 on all rows; None if the design has none.

    Returns
    -------
    list of ndarray, shape (k,)
    """
    if constant is None:
        return []
    looks = [look * constant for look in _LOOKS]
    for j in range(z.shape[1] if z.shape[1] > 1 else 0):
        along = np.zeros(z.shape[1])
        along[j] = 1.0
        along -= constant * (z[:, j].max() + z[:, j].min()) / 2.0
        reach = np.abs(z @ along).max()
        if reach > 1e-9:
            looks += [
                level * constant + slope / reach * along for level in _LEVELS for slope in _SLOPES
            ]
    return looks


def _uphill(curvature: FloatArray, gradient: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Newton's step, along which every curvature counts as one of a maximum; its decrement."""
    values, vectors = np.linalg.eigh(curvature)
    floor = 1e-13 * np.abs(values).max(axis=1, keepdims=True) + 1e-15
    along = np.sum(vectors * gradient[:, :, None], axis=1) / np.maximum(np.abs(values), floor)
    step = np.sum(vectors * along[:, None, :], axis=2)
    return step, np.sum(step * gradient, axis=1)


def _level(fit: MeanFit) -> FloatArray:
    """Log size beyond which a row of a gene is as good as the Poisson's, shape (genes, 1)."""
    return np.maximum(fit.eta.max(axis=1, keepdims=True), 0.0) + _NEARLY_POISSON


def _rising(profile: Profile, c: FloatArray, fit: MeanFit, is_limit: IsLimit) -> BoolArray:
    """Rows whose size is as good as infinite beside all means of the gene.

    Their sizes can only grow together if the coefficients have a direction that moves them and no
    other row; until then the ascent goes on.
    """
    zeta = profile.log_sizes(c)
    far = np.isfinite(zeta) & (zeta > _level(fit))
    found = np.flatnonzero(far.any(axis=1))
    if found.size:
        patterns, number = np.unique(far[found], axis=0, return_inverse=True)
        possible = np.array([is_limit(pattern) for pattern in patterns])
        far[found[~possible[number.ravel()]]] = False
    return far


def climb_profile(
    profile: Profile, looks: list[FloatArray], start: FloatArray, is_limit: IsLimit
) -> Summit:
    """Climb to the highest point for every gene.

    Parameters
    ----------
    profile : Profile
        Genes that share both designs.
    looks : list of ndarray, shape (k,)
        Coefficients to begin with for every gene.
    start : ndarray, shape (genes, k)
        Coefficients to begin with for each gene. Of several coefficients the ascents from here and
        from the best of `looks` are both made, since there may be several maxima.
    is_limit : callable
        Whether some direction of the coefficients moves just these rows, all of them upwards.

    Returns
    -------
    Summit
    """
    begin = _begin(profile, looks, start)
    high = _ascend(profile, begin, is_limit)
    several = start.shape[1] > 1
    other: IntArray = np.flatnonzero((begin != start).any(axis=1) & several).astype(np.int64)
    if other.size:
        low = _ascend(profile.of_genes(other), start[other], is_limit)
        better = low.value > high.value[other] + _TIE
        _replace(high, other[better], low, better)
    return high


def _ascend(profile: Profile, start: FloatArray, is_limit: IsLimit) -> Summit:
    """Climb from one start for each gene."""
    c = start.copy()
    genes, k = c.shape
    state = profile.at(c, np.zeros((genes, profile.given.basis.shape[1])))
    curvature = np.zeros((genes, k, k))
    going = np.full(genes, k > 0)
    poisson = np.zeros(profile.given.y.shape, dtype=bool)
    empty = np.zeros(genes, dtype=bool)
    value, gradient = state.value.copy(), state.gradient.copy()
    fit = state.fit
    for _ in range(_STEPS):
        here = np.flatnonzero(going)
        if not here.size:
            break
        some = profile.of_genes(here)
        now = _part(fit, here)
        curvature[here] = some.curvature(c[here], now)
        step, decrement = _uphill(curvature[here], gradient[here])
        far = _rising(some, c[here], now, is_limit)
        zeta = some.log_sizes(c[here])
        empty[here] = np.where(np.isfinite(zeta), zeta, -np.inf).max(axis=1) < _LEAST
        poisson[here] = far
        moves = np.abs(times(profile.z, step))
        moves[zeta > _level(now)] = 0.0  # of those that are as good as the Poisson's
        moved = moves.max(axis=1, initial=0.0)
        # On the way to the Poisson a step gains less and less, and is as long as ever.
        done = (decrement <= _ARRIVED * (1.0 + np.abs(value[here]))) & (moved <= _SHORT)
        over = far.any(axis=1) | empty[here] | done
        going[here[over]] = False
        here, step, moved = here[~over], step[~over], moved[~over]
        step *= np.minimum(1.0, _LARGEST_STEP / np.maximum(moved, 1e-300))[:, None]
        for _ in range(_HALVINGS):
            if not here.size:
                break
            there = profile.of_genes(here).at(c[here] + step, fit.b[here])
            better = there.value >= value[here] - 1e-12 * (1.0 + np.abs(value[here]))
            took = here[better]
            c[took] += step[better]
            value[took], gradient[took] = there.value[better], there.gradient[better]
            _put(fit, took, there.fit, better)
            here, step = here[~better], 0.5 * step[~better]
        going[here] = False
    arrived = ~going & fit.arrived
    return Summit(c, value, fit, curvature, poisson, arrived, empty)


def _replace(high: Summit, where: IntArray, low: Summit, which: BoolArray) -> None:
    for name in ("c", "value", "curvature", "poisson", "arrived", "empty"):
        getattr(high, name)[where] = getattr(low, name)[which]
    _put(high.fit, where, low.fit, which)


def _part(fit: MeanFit, chosen: IntArray) -> MeanFit:
    return MeanFit(fit.b[chosen], fit.eta[chosen], fit.terms[chosen], fit.arrived[chosen])


def _put(fit: MeanFit, where: IntArray, new: MeanFit, which: BoolArray) -> None:
    for name in ("b", "eta", "terms", "arrived"):
        getattr(fit, name)[where] = getattr(new, name)[which]
