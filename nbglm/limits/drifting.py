"""Sizes on their way to infinity or to 0: which groups they are of, and whether they arrive.

An ascent along a tail of the log-likelihood ends somewhere on it. What its sizes are on their way
to is guessed from how far out they are, and then the limit is fitted and compared.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nbglm.limits.stages import Stage
from nbglm.problem.layout import Layout, weight_unit
from nbglm.search.climb import BlockFit

__all__ = ["Groups", "drifting_groups", "groups_of", "is_tied", "rises_to"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

_DRIFTED = 1e-4  # largest effect on the log-likelihood of a size that may be infinite
# Log sizes beyond which a group may be on its way to a limit, upwards and downwards: the more
# cautious pairs first.
_REACHES = sorted(
    itertools.product((math.inf, 60.0, 20.0, 8.0, 3.0, 1.0), repeat=2), key=min, reverse=True
)
_MODERATE = 4.0  # log sizes that may be the only ones to stay
_PIVOTS = 6
_COUNTED_PIVOTS = 2  # of groups with a count, however far out
_TIE = 1e-6  # difference of log-likelihoods up to which a limit is compared more closely
_ROUNDING = 1e-13  # of a sum, relative to that of its absolute terms


@dataclass(frozen=True)
class Groups:
    """What a fit makes of each dispersion group, with weights in the unit of its search.

    Attributes
    ----------
    zeta : ndarray, shape (groups,)
        Log sizes.
    loss : ndarray, shape (groups,)
        Log-likelihood of a group without a count, with the sign changed.
    excess, magnitude : ndarray, shape (groups,)
        Sums of ``(y - mu)**2 - y``, and of the absolute values of what they are made of. Half of
        the excess is the slope of the log-likelihood by ``1 / r`` at the Poisson.
    squares : ndarray, shape (groups,)
        Sums of ``y**2 + mu**2``.
    counted : ndarray of bool, shape (groups,)
        Whether there is a count.
    """

    zeta: FloatArray
    loss: FloatArray
    excess: FloatArray
    magnitude: FloatArray
    squares: FloatArray
    counted: BoolArray


def groups_of(layout: Layout, cells: IntArray, counts: FloatArray, theta: FloatArray) -> Groups:
    """Sizes, losses and excesses of the groups of a layout.

    Parameters
    ----------
    layout : Layout
        The design.
    cells, counts : ndarray, shape (nonzeros,)
        Cells with a positive count, and the counts.
    theta : ndarray, shape (k,)
        Coefficients in the coordinates of the layout.

    Returns
    -------
    Groups
    """
    unit = weight_unit(layout)
    p, count = layout.mean_rank, layout.size_offset.size
    zeta = layout.size_offset + layout.z @ theta[p:]
    mu = np.exp(np.minimum(layout.log_means(theta), 300.0))
    row = layout.row_of_cell[cells]
    y, row = counts[row >= 0], row[row >= 0]
    weight = layout.cell_weight[cells[layout.row_of_cell[cells] >= 0]] / unit
    row_weight = layout.weight / unit

    def of_rows(values: FloatArray) -> FloatArray:
        return np.bincount(layout.group_of_row, values, count).astype(np.float64)

    def of_counts(values: FloatArray) -> FloatArray:
        return np.bincount(layout.group_of_row[row], values, count).astype(np.float64)

    mean_squares, count_squares = of_rows(row_weight * mu * mu), of_counts(weight * y**2)
    total, products = of_counts(weight * y), of_counts(weight * y * mu[row])
    r = np.exp(np.clip(zeta, -300.0, 300.0))[layout.group_of_row]
    return Groups(
        zeta=zeta,
        loss=of_rows(row_weight * r * np.log1p(mu / r)),
        excess=mean_squares - 2.0 * products + count_squares - total,
        magnitude=mean_squares + 2.0 * products + count_squares + total,
        squares=mean_squares + count_squares,
        counted=of_counts(np.ones(row.size)) > 0,
    )


def drifting_groups(groups: Groups, layout: Layout) -> Iterator[tuple[BoolArray, BoolArray]]:
    """Groups whose size may be on its way to infinity, and to 0: guesses, cautious ones first.

    They are beyond some reach on the log scale, or so far out already that the limit would change
    nothing visible; the last guesses are that all sizes but one go. Only groups without a positive
    count can go to size 0. A group with hardly any mean may be in both.

    Parameters
    ----------
    groups : Groups
        The fit.
    layout : Layout
        Its design.

    Yields
    ------
    raised, lowered : ndarray of bool, shape (groups,)
    """
    zeta, silent = groups.zeta, ~groups.counted
    r = np.exp(np.clip(zeta, -300.0, 300.0))
    finite = layout.size_offset < math.inf
    pivots = zeta[finite & (np.abs(zeta) < _MODERATE)]
    counted = zeta[finite & ~silent]
    pivots = np.concatenate(
        [
            pivots[np.argsort(np.abs(pivots))][:_PIVOTS],
            counted[np.argsort(np.abs(counted))][:_COUNTED_PIVOTS],
        ]
    )
    tried = set()
    for up, down in [*_REACHES, *zip(pivots, -pivots, strict=True)]:
        high, low = zeta > up, zeta < -down
        # To first order in 1/r, log-likelihood minus its Poisson limit is below squares / r.
        raised = finite & (((groups.squares < _DRIFTED * r) & ~low) | high)
        lowered = finite & silent & (((groups.loss < _DRIFTED) & ~high) | low)
        key = np.packbits([raised, lowered]).tobytes()
        if key not in tried:
            tried.add(key)
            yield raised, lowered


def is_tied(best: BlockFit, limit: BlockFit, after: Stage) -> bool:
    """Whether a fit and a limit of it differ by next to nothing in log-likelihood.

    Parameters
    ----------
    best, limit, after : BlockFit, BlockFit, Stage
        As for :func:`rises_to`.

    Returns
    -------
    bool
    """
    return bool(abs(limit.value[0] - best.value[0]) <= _TIE * after.search.unit)


def rises_to(
    stage: Stage, groups: Groups, best: BlockFit, after: Stage, at_limit: Groups, limit: BlockFit
) -> bool:
    """Whether a limit is higher than a fit whose sizes may only be on their way to it.

    Where they are far out the log-likelihoods differ by less than they owe to rounding of the
    design. The first-order part of the difference does not cancel, and decides: half of the excess
    at the limit times ``1 / r``, less what silent groups lose. If it is positive the limit is
    no maximum.

    Parameters
    ----------
    stage, groups, best : Stage, Groups, BlockFit
        The fit, and what it makes of the groups.
    after, at_limit, limit : Stage, Groups, BlockFit
        The same of the limit.

    Returns
    -------
    bool
    """
    if not is_tied(best, limit, after):
        return bool(limit.value[0] > best.value[0])
    raised = after.poisson & ~stage.poisson
    of_stage = np.full(raised.size, -1)
    of_stage[stage.groups] = np.arange(stage.groups.size)
    new = np.flatnonzero(raised[after.groups])
    inverse = 0.5 * np.exp(-np.clip(groups.zeta[of_stage[after.groups[new]]], -300.0, 300.0))
    gone = ~np.isin(stage.groups, after.groups)
    gain = inverse @ at_limit.excess[new] - groups.loss[gone].sum()
    rounding = _ROUNDING * (inverse @ at_limit.magnitude[new])
    if not np.isfinite(best.root).all():  # no maximum either, but lost on a plateau
        rounding = max(rounding, limit.rounding[0] / after.search.unit)
    return bool(gain <= rounding)
