"""Damped Newton ascent for smooth functions that need not be concave.

The loop asks :func:`nbglm.search.objective.evaluate` for value, gradient and Hessian and knows
nothing else of the model. It works in coordinates in which the designs are orthonormal
(:mod:`nbglm.problem.basis`), so no rule below depends on the units of a covariate.

Direction
    Newton's where the negative Hessian is positive definite; elsewhere a multiple of the identity
    is added to it, the smallest of a few that makes it so (Levenberg's way between Newton and
    steepest ascent; in orthonormal coordinates the identity has the right scale).
Length
    No linear predictor moves by more than a few units in one step, since beyond that the
    quadratic model says nothing about an exponential; then backtracking until the value rises by
    a fixed share of what the slope promises. A step that gains more than its quadratic model is
    doubled: along a tail ``C - A exp(-t)`` plain Newton would add exactly 1 for ever.
Stop
    On the Newton decrement ``g' A^-1 g``, the only rule that no rescaling of the coefficients
    changes. Its square root is the distance from the maximum in standard errors.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nbglm.kernels.compiled import inlined, kernel
from nbglm.kernels.definite import diagonal_of, scale_symmetric, solve_definite, solve_shifted
from nbglm.problem.layout import Layout
from nbglm.problem.sums import hessian_shape, of_stratum
from nbglm.problem.tally import GeneCounts
from nbglm.search.objective import evaluate

__all__ = [
    "CONVERGED",
    "DECREMENT",
    "ITERATION_LIMIT",
    "STALLED",
    "Ascent",
    "maximise",
    "rounding_of",
    "weight_length",
]

FloatArray = NDArray[np.float64]

CONVERGED, STALLED, ITERATION_LIMIT = 0, 1, 2

DECREMENT = 1e-15
"""Squared distance from a maximum, in standard errors, at which one last step follows."""

_NOISE_DECREMENT = 1e-7  # accepted when rounding, not the direction, ends the line search
_MAX_STEP = 4.0  # largest change of a linear predictor in one step
_ARMIJO = 1e-4
_BACKTRACKS = 40
_DOUBLINGS = 6
_TAIL = 1e-6  # with a squared decrement below this a step is not worth doubling
_NO_INFORMATION = 1e-100
_FIRST, _SEARCH, _STRETCH = 0, 1, 2  # what the next evaluation is for
_NOTHING = 1e-10  # gain, relative to the value, that is none
_FARTHEST = 1e7  # a linear predictor beyond this is on its way to infinity
_SUSPECT = 12  # evaluations before that is looked at
_PATIENCE = 16  # evaluations before an ascent is compared with its rival
_HOPE = 30.0  # times the squared decrement, of which a quadratic would gain half


class Ascent(NamedTuple):
    """Where an ascent ended.

    Attributes
    ----------
    theta : ndarray, shape (k,)
        The maximum.
    value : float
        The function there.
    gradient, hessian : ndarray
        Of the last evaluation, one vanishing step before `theta`. The second is a square matrix,
        or an arrow (:mod:`nbglm.kernels.definite`).
    decrement : float
        Squared Newton decrement of the last evaluation.
    evaluations : int
        Number of evaluations of the function.
    code : int
        ``CONVERGED``, ``STALLED`` or ``ITERATION_LIMIT``.
    """

    theta: FloatArray
    value: float
    gradient: FloatArray
    hessian: FloatArray
    decrement: float
    evaluations: int
    code: int


@kernel
def _largest_change(step: FloatArray, layout: Layout) -> float:
    """Largest absolute change of any linear predictor along a step."""
    x = layout.x_columns
    z = layout.z_columns
    strata = layout.stratum_value.size
    p = strata + x.shape[0]
    largest = 0.0
    for i in range(x.shape[1]):
        change = of_stratum(layout, i, step)
        for j in range(x.shape[0]):
            change += x[j, i] * step[strata + j]
        largest = max(largest, abs(change))
    for k in range(z.shape[1]):
        change = 0.0
        for j in range(z.shape[0]):
            change += z[j, k] * step[p + j]
        largest = max(largest, abs(change))
    return largest


@kernel
def weight_length(layout: Layout) -> float:
    """Length of a coordinate that moves every predictor by 1 on average."""
    total = 0.0
    for i in range(layout.weight.size):
        total += layout.weight[i]
    return math.sqrt(total)


@kernel
def _first_scale(theta: FloatArray, step: FloatArray, layout: Layout) -> float:
    """Share of a step that moves no predictor too far."""
    change = _largest_change(step, layout)
    if change <= _MAX_STEP:
        return 1.0
    # A predictor that is far out already may go on by a share of its way.
    return min(1.0, (_MAX_STEP + 0.25 * _largest_change(theta, layout)) / change)


@kernel
def _largest(values: FloatArray) -> float:
    """Largest absolute value."""
    largest = 0.0
    for i in range(values.size):
        largest = max(largest, abs(values[i]))
    return largest


@kernel
def _direction(
    gradient: FloatArray, hessian: FloatArray, large: bool, step: FloatArray
) -> tuple[bool, float]:
    """Fill `step`; tell whether it is Newton's, and the slope along it.

    Large counts tell so much more of their mean than of their size that a multiple of the identity
    that matters to the one would hold the other still: it is added where the diagonal is 1.
    """
    k = gradient.size
    information, factor = np.empty(hessian.shape), np.empty(hessian.shape)
    finite = True
    for i in range(k):
        for j in range(hessian.shape[1]):
            information[i, j] = -hessian[i, j]
            finite &= math.isfinite(information[i, j])
    if not finite:
        return False, math.nan
    definite = solve_definite(information, gradient, factor, step)
    if not definite:
        scale, scaled = np.ones(k), np.empty(k)
        for i in range(k):
            if large:
                scale[i] = 1.0 / math.sqrt(max(abs(diagonal_of(hessian, i)), _NO_INFORMATION))
            scaled[i] = gradient[i] * scale[i]
        scale_symmetric(information, scale)
        solve_shifted(information, scaled, factor, step)
        for i in range(k):
            step[i] *= scale[i]
    slope = 0.0
    for i in range(k):
        slope += gradient[i] * step[i]
    return definite, slope


@kernel
def rounding_of(value: float, gene: GeneCounts) -> float:
    """How far rounding may move a log-likelihood."""
    return 1e-14 * (abs(value) + gene.magnitude)


@inlined
def maximise(
    theta0: FloatArray,
    layout: Layout,
    gene: GeneCounts,
    max_evaluations: int,
    rival: float,
    enough: float,
) -> Ascent:
    """Climb to a local maximum.

    Parameters
    ----------
    theta0 : ndarray, shape (k,)
        Start.
    layout, gene
        What :func:`~nbglm.search.objective.evaluate` needs.
    max_evaluations : int
        Limit on the number of evaluations.
    rival : float
        Value of a maximum that is known already. An ascent that is so far below it that its slope
        cannot make up for the difference is given up; ``-inf`` gives up none.
    enough : float
        Squared Newton decrement at which to stop; ``DECREMENT`` is as close as rounding allows.

    Returns
    -------
    Ascent
    """
    k = theta0.size
    theta, trial, step = np.empty(k), np.empty(k), np.empty(k)
    for i in range(k):
        theta[i] = theta0[i]
        step[i] = 0.0
    gradient, trial_gradient = np.empty(k), np.empty(k)
    shape = hessian_shape(layout)
    hessian, trial_hessian = np.empty(shape), np.empty(shape)
    length = weight_length(layout)
    enough = max(enough, gene.resolution)
    value, slope, scale, noise, least = -math.inf, math.inf, 0.0, 0.0, 0.0
    definite, phase, tries, evaluations, code = False, _FIRST, 0, 0, STALLED
    while True:
        for i in range(k):
            trial[i] = theta[i] + scale * step[i]
        trial_value = evaluate(trial, layout, gene, trial_gradient, trial_hessian)
        evaluations += 1
        gain = trial_value - value

        if phase == _SEARCH and not gain >= _ARMIJO * scale * slope - noise:
            tries += 1
            if tries == _BACKTRACKS:
                code = CONVERGED if definite and slope <= _NOISE_DECREMENT else STALLED
                break
            scale *= 0.5
            continue
        if phase != _STRETCH or gain > least:
            theta, trial = trial, theta
            gradient, trial_gradient = trial_gradient, gradient
            hessian, trial_hessian = trial_hessian, hessian
            value = trial_value
            promised = scale * slope * (1.0 - 0.5 * scale) if definite else scale * slope
            if phase == _SEARCH and tries == 0 and slope > _TAIL and gain > 1.1 * promised:
                phase, least = _STRETCH, 1e-3 * gain  # as far again, and again
                continue
            if phase == _STRETCH and tries < _DOUBLINGS:
                tries += 1
                scale *= 2.0
                continue

        definite, slope = _direction(gradient, hessian, gene.centre.size > 0, step)
        if not math.isfinite(slope):
            code = STALLED
            break
        if definite and slope <= enough:
            for i in range(k):
                theta[i] += step[i]
            value += 0.5 * slope
            code = CONVERGED
            break
        if not definite and _MAX_STEP * length * _largest(gradient) < _NOTHING * (1 + abs(value)):
            code = CONVERGED  # on a plateau: the predictors can go anywhere for nothing
            break
        if evaluations >= max_evaluations:
            code = ITERATION_LIMIT
            break
        if evaluations >= _PATIENCE and value + _HOPE * slope < rival:
            code = STALLED
            break
        if evaluations > _SUSPECT and _largest_change(theta, layout) > _FARTHEST:
            code = STALLED
            break
        noise = rounding_of(value, gene)
        scale = _first_scale(theta, step, layout)
        phase, tries = _SEARCH, 0
    return Ascent(theta, value, gradient, hessian, slope, evaluations, code)
