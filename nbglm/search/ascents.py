"""Several ascents of one gene, of which the best is kept; and what to think of where it ended."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from nbglm.kernels.compiled import inlined, kernel
from nbglm.kernels.definite import factor_definite, strata_of
from nbglm.problem.layout import Layout
from nbglm.problem.start import FEW_CELLS, starting_values
from nbglm.problem.sums import hessian_shape
from nbglm.problem.tally import GeneCounts
from nbglm.search.newton import (
    CONVERGED,
    DECREMENT,
    ITERATION_LIMIT,
    STALLED,
    Ascent,
    maximise,
    weight_length,
)

__all__ = [
    "ALL_ROWS",
    "FINALISTS",
    "FLAT_VARIANCE",
    "MERGED",
    "POLISH",
    "SAMPLE",
    "best_ascent",
    "maybe_separated",
    "nothing_yet",
    "size_is_flat",
]

FloatArray = NDArray[np.float64]

FLAT_VARIANCE = 30.0**2
"""A log size known to +-30 at best may as well be infinite."""

MERGED, SAMPLE, POLISH, ALL_ROWS = range(4)  # stages of a search

# Phases of the first and the last stage: the best guess is climbed, the others are looked at, the
# highest of these are climbed, the highest of all go on to their ends.
_FIRST, _OTHERS, _HIGHEST, _LAST = range(4)

FINALISTS = 4
"""Ascents that go on to their ends."""

_RANK_TOLERANCE = 1e-10
_FIRST_EVALUATIONS = 24  # of each ascent, before the highest of them go on
_CLIMBED_PER_SIZE = 2  # starts climbed at least, for each dispersion coefficient
_CLIMBED_WORK = 24_000  # rows times starts climbed, if that is more;
_MERGED_WORK = 3_000  # the same in the merged problem
_CLOSE = 1e-4  # squared decrement at the end of an ascent that is only to begin another
_APART = 2e-4  # log-likelihoods of different maxima, twice what _CLOSE leaves
_COULD_WIN = 10.0  # how far a maximum of the merged problem may lie below the best of them
_PER_COUNT = 1e-17  # see _closest
_PATCH = 64  # positive rows, at least, after which the rank is looked at


@kernel
def _better(new: Ascent, old: Ascent) -> bool:
    """Whether a new ascent ended higher, with converged ones before the others."""
    margin = 1e-9 * (1.0 + abs(old.value))
    if new.code == CONVERGED and old.code != CONVERGED:
        return new.value > old.value - margin
    return new.value > old.value + margin


@kernel
def maybe_separated(layout: Layout, gene: GeneCounts) -> bool:
    """Whether the rows with positive counts leave a direction of either design undetermined."""
    x, z = layout.x_columns, layout.z_columns
    first, q = x.shape[0], z.shape[0]
    strata = layout.stratum_value.size
    p = strata + first
    # Both Gram matrices as blocks of one, whose off-diagonal block stays zero.
    gram = np.zeros(hessian_shape(layout))
    factor = np.empty(gram.shape)
    group = -1
    patch = max(_PATCH, p + q)
    until = patch
    for i in range(layout.weight.size):
        if gene.total[i] > 0.0:
            if strata and layout.stratum_of_row[i] >= 0:
                stratum = layout.stratum_of_row[i]
                value = layout.stratum_value[stratum]
                gram[stratum, gram.shape[1] - 1] += value * value
                for j in range(first):
                    gram[stratum, j] += value * x[j, i]
            for j in range(first):
                for l in range(j + 1):
                    gram[strata + j, l] += x[j, i] * x[l, i]
            if layout.group_of_row[i] != group:
                group = layout.group_of_row[i]
                for j in range(q):
                    for l in range(j + 1):
                        gram[p + j, first + l] += z[j, group] * z[l, group]
            until -= 1
            if until == 0:
                if factor_definite(gram, factor, _RANK_TOLERANCE):
                    return False
                until = patch
    return not factor_definite(gram, factor, _RANK_TOLERANCE)


@kernel
def _is_flat(ascent: Ascent, length: float) -> bool:
    """Whether the last coordinate, the log size, hardly matters at the end of an ascent."""
    last = ascent.theta.size - 1
    own = last - strata_of(ascent.hessian)
    return -ascent.hessian[last, own] * length**2 < 1.0 / FLAT_VARIANCE * 10.0


@kernel
def _highest(values: FloatArray) -> int:
    """Position of the largest value."""
    best = 0
    for s in range(values.size):
        if values[s] > values[best]:
            best = s
    return best


@kernel
def _note(ascent: Ascent, tops: FloatArray, top_values: FloatArray) -> None:
    """Keep the end of an ascent if it is among the highest, once."""
    lowest = 0
    for s in range(top_values.size):
        if abs(ascent.value - top_values[s]) < _APART:
            return
        if top_values[s] < top_values[lowest]:
            lowest = s
    if ascent.value > top_values[lowest]:
        top_values[lowest] = ascent.value
        for i in range(ascent.theta.size):
            tops[lowest, i] = ascent.theta[i]


@kernel
def nothing_yet(layout: Layout) -> Ascent:
    """An ascent that any other is better than."""
    shape = hessian_shape(layout)
    none = np.zeros(shape[0])
    return Ascent(none, -math.inf, none, np.zeros(shape), math.inf, 0, STALLED)


@inlined
def _climb_highest(
    layout: Layout,
    gene: GeneCounts,
    points: FloatArray,
    values: FloatArray,
    most: int,
    limit: int,
    enough: float,
    best: Ascent,
    unfinished: FloatArray,
    tops: FloatArray,
    top_values: FloatArray,
) -> tuple[Ascent, int]:
    """Climb from the highest of some points, which are taken from `values`, at most so many.

    Where the limit of evaluations ends an ascent, the point is left there, and its value in
    `unfinished` if that has room; all other ends may become `tops`. Returns the best ascent so far
    and the evaluations.
    """
    evaluations = 0
    for _ in range(most):
        s = _highest(values)
        if values[s] == -math.inf:
            break
        values[s] = -math.inf
        ascent = maximise(points[s], layout, gene, limit, best.value, enough)
        evaluations += ascent.evaluations
        if ascent.code == ITERATION_LIMIT and unfinished.size:
            unfinished[s] = ascent.value
            for i in range(ascent.theta.size):
                points[s, i] = ascent.theta[i]
        else:
            _note(ascent, tops, top_values)
        if best.evaluations == 0 or _better(ascent, best):
            best = ascent
    return best, evaluations


@kernel
def _set_points(
    layout: Layout,
    gene: GeneCounts,
    starts: FloatArray,
    first: int,
    mean: FloatArray,
    points: FloatArray,
    values: FloatArray,
) -> None:
    """Where ascents begin: at the first start, or at all others with a mean that is known."""
    p = layout.stratum_value.size + layout.x_columns.shape[0]
    for s in range(first, starts.shape[0] if first else 1):
        if s < 3:
            base = starting_values(layout, gene, s == 0, math.inf if s < 2 else 0.0)
        values[s] = 0.0
        for i in range(points.shape[1]):
            points[s, i] = base[i] + (starts[s, i - p] if i >= p else 0.0)
            if i < p and first:
                points[s, i] = mean[i]


@inlined
def best_ascent(
    layout: Layout,
    gene: GeneCounts,
    starts: FloatArray,
    stage: int,
    again: bool,
    max_evaluations: int,
    tops: FloatArray,
    top_values: FloatArray,
) -> tuple[Ascent, int]:
    """Best of several ascents, and how many evaluations it took to find it.

    The first is climbed from the best guess. Its mean goes with the sizes of all other starts, of
    which the highest are climbed; the most promising go on to their ends. Or, in the stages in
    between, ascents begin at the `tops` of the stage before, and `again` at the best guess. Their
    ends are the `tops` of the next stage. Only on all rows do they come as close to a maximum as
    rounding allows.
    """
    p = layout.stratum_value.size + layout.x_columns.shape[0]
    q = layout.z_columns.shape[0]
    length = weight_length(layout)
    simple = q == 1 and layout.z_columns.shape[1] == 1 and length**2 > FEW_CELLS
    enough = _CLOSE if stage < POLISH else _closest(layout, gene)
    work = _MERGED_WORK if stage == MERGED else _CLIMBED_WORK
    first_limit = min(_FIRST_EVALUATIONS, max_evaluations)
    first = stage in (MERGED, ALL_ROWS)
    points = np.empty((max(starts.shape[0], FINALISTS + 1), p + q))
    values = np.full((_LAST + 1, points.shape[0]), -math.inf)
    hopeless = top_values[_highest(top_values)] - _COULD_WIN
    for s in range(FINALISTS):
        if not first and top_values[s] >= hopeless:
            values[_LAST, s + 1] = top_values[s]
            for i in range(p + q):
                points[s + 1, i] = tops[s, i]
        top_values[s] = -math.inf
    best = nothing_yet(layout)
    evaluations = 0
    for phase in range(_FIRST if first or again else _LAST, _LAST + 1):
        most, limit, unfinished = 1, first_limit, values[_LAST]
        if not first and phase in (_OTHERS, _HIGHEST):
            continue
        if phase <= _OTHERS:
            if phase == _OTHERS and (
                q == 0 or (simple and best.code == CONVERGED and not _is_flat(best, length))
            ):
                continue
            _set_points(layout, gene, starts, phase, best.theta, points, values[phase])
        if phase == _OTHERS:
            most, limit, unfinished = starts.shape[0] - 1, 1, values[_HIGHEST]
        elif phase == _HIGHEST:
            most = max(_CLIMBED_PER_SIZE * q, work // layout.weight.size)
        elif phase == _LAST:
            most, limit, unfinished = FINALISTS, max_evaluations, values[_LAST, :0]
        best, more = _climb_highest(
            layout, gene, points, values[phase], most, limit, enough, best, unfinished,
            tops, top_values,
        )  # fmt: skip
        evaluations += more
    return best, evaluations


@kernel
def _closest(layout: Layout, gene: GeneCounts) -> float:
    """Squared decrement at which to stop, so that standard errors have their digits.

    The last step changes the information by its length, in standard errors, times the skewness of
    the log-likelihood, which falls with the root of the number of cells and of counts.
    """
    cells = 0.0
    counts = 0.0
    for i in range(layout.weight.size):
        cells += layout.weight[i]
        counts += gene.total[i]
    return max(DECREMENT, _PER_COUNT * min(cells, counts))


@kernel
def size_is_flat(layout: Layout, root: FloatArray) -> bool:
    """Whether the log size of some dispersion group is as good as unknown."""
    z = layout.z_columns
    q = z.shape[0]
    k = root.shape[0]
    for group in range(z.shape[1] if q else 0):
        variance = 0.0
        for column in range(k - q, k):
            along = 0.0
            for j in range(q):
                along += z[j, group] * root[k - q + j, column]
            variance += along * along
        if not variance < FLAT_VARIANCE:
            return True
    return False
