"""Starting values: two passes over the distinct design rows, no special functions.

The mean starts at a least-squares fit of shrunken log counts, the size at the moment estimate
around it. That estimate counts what the mean does not explain yet as overdispersion, so it starts
from below, where the log-likelihood is concave in the log size.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nbglm.kernels.compiled import kernel
from nbglm.problem.coarse import Coarse, coarsen, sample_of_rows
from nbglm.problem.layout import Layout, weight_unit, with_weights_in
from nbglm.problem.sums import of_stratum
from nbglm.problem.tally import GeneCounts

__all__ = ["FEW_CELLS", "Search", "gamma_starts", "make_search", "starting_values"]

FloatArray = NDArray[np.float64]

_LARGEST_ALPHA = 1e3
_SMALLEST_ALPHA = 1e-3
_LARGEST_ETA = 50.0
_WIDE_WORK = 15_000  # rows times wide starts
_STEEP = 30.0  # rise of the log size over the range of a coordinate that leaves one end finite
_PIVOT_WORK = 30_000  # rows times starts that turn at a pivot
_RISES = (8.0, 2.0, 30.0)  # of the log size from the end of a coordinate to the pivot

FEW_CELLS = 200
"""With no more cells one start is not enough even for a constant size."""


@kernel
def _log_rate(layout: Layout, gene: GeneCounts) -> float:
    """Log of the mean count per unit of exposure, as if no covariate mattered."""
    offset = layout.offset
    weight = layout.weight
    total = gene.total
    count = 0.0
    exposure = 0.0
    for i in range(weight.size):
        count += total[i]
        exposure += weight[i] * math.exp(offset[i])
    return math.log(max(count, 0.5) / exposure)


@kernel
def _fill_size(theta: FloatArray, layout: Layout, gene: GeneCounts, highest: float) -> None:
    """Set the dispersion coefficients to the moment estimate of one common size."""
    x = layout.x_columns
    z = layout.z_columns
    offset = layout.offset
    weight = layout.weight
    group_of_row = layout.group_of_row
    size_offset = layout.size_offset
    total = gene.total
    strata = layout.stratum_value.size
    p = strata + x.shape[0]
    excess = gene.square
    square = 0.0
    for i in range(weight.size):
        eta = offset[i] + of_stratum(layout, i, theta)
        for j in range(x.shape[0]):
            eta += x[j, i] * theta[strata + j]
        mu = math.exp(min(eta, _LARGEST_ETA))
        excess += mu * (weight[i] * mu - 2.0 * total[i]) - total[i]
        square += weight[i] * mu * mu
    zeta = -math.log(min(max(excess / square, _SMALLEST_ALPHA), _LARGEST_ALPHA))
    zeta = min(zeta, highest)
    for i in range(weight.size):
        k = group_of_row[i]
        if size_offset[k] < math.inf:
            for j in range(z.shape[0]):
                theta[p + j] += weight[i] * z[j, k] * (zeta - size_offset[k])


@kernel
def starting_values(layout: Layout, gene: GeneCounts, regress: bool, highest: float) -> FloatArray:
    """Where an ascent begins.

    Parameters
    ----------
    layout : Layout
        Design in orthonormal coordinates.
    gene : GeneCounts
        Counts of which at least one is positive.
    regress : bool
        Fit the mean by least squares to log counts, each shrunken towards the overall rate;
        otherwise start from the constant mean.
    highest : float
        Upper bound of the log size at the start.

    Returns
    -------
    ndarray, shape (p + q,)
    """
    x = layout.x_columns
    offset = layout.offset
    weight = layout.weight
    total = gene.total
    strata = layout.stratum_value.size
    theta = np.zeros(strata + x.shape[0] + layout.z_columns.shape[0])
    rate = _log_rate(layout, gene)
    for i in range(weight.size):
        target = rate
        if regress:
            expected = math.exp(offset[i] + rate)
            prior = 0.5 * expected + 0.1
            target += math.log((total[i] + prior) / (weight[i] * expected + prior))
        for j in range(x.shape[0]):
            theta[strata + j] += weight[i] * x[j, i] * target
        if strata and layout.stratum_of_row[i] >= 0:
            stratum = layout.stratum_of_row[i]
            theta[stratum] += weight[i] * layout.stratum_value[stratum] * target
    _fill_size(theta, layout, gene, highest)
    return theta


def gamma_starts(layout: Layout, rows: int) -> FloatArray:
    """Where ascents start, as shifts of the dispersion coordinates.

    Given the sizes, the log-likelihood is concave in the mean coefficients, so that only the
    sizes need several starts: none for the least-squares and the constant start of the mean; up and
    down each coordinate; so steep that all cells but those at one end of a coordinate are Poisson;
    and then far and wide, the more the fewer rows there are to pay for.

    Parameters
    ----------
    layout : Layout
        Design in orthonormal coordinates.
    rows : int
        Number of rows that each ascent has to pay for in the end.

    Returns
    -------
    ndarray, shape (starts, q)
        The first is the best guess.
    """
    z, q = layout.z, layout.z.shape[1]
    weight = np.bincount(layout.group_of_row, layout.weight, len(z)).astype(np.float64)
    length = np.sqrt(weight.sum())
    axes = length * np.vstack([np.eye(q), -np.eye(q)])
    if _is_saturated(layout):
        return np.zeros((1, q))
    if len(z) <= q and length**2 > FEW_CELLS * q:
        # With many cells of each size a second maximum is hardly ever seen.
        return np.vstack([np.zeros((1, q)), axes])
    if q <= 1:
        # The last are for a lone covariate, such as ``~ z - 1``.
        further = [10.0 * axes, 40.0 * axes] if len(z) > 1 else []
        return np.vstack([np.zeros((2, q)), axes, 3.0 * axes, *further])
    rise = np.hstack([z - z.min(axis=0), z.max(axis=0) - z])
    rise = rise[:, rise.max(axis=0) > 1e-9 * np.abs(z).max()]
    steep = (rise / rise.max(axis=0) * _STEEP).T @ (weight[:, None] * z)
    wide = int(np.clip(_WIDE_WORK // rows, 4, 30))
    reach = length * np.where(np.arange(wide) % 2, 2.0, 4.0)
    far = np.random.default_rng(q).normal(size=(wide, q)) * reach[:, None]
    most = _PIVOT_WORK // rows
    return np.vstack([np.zeros((2, q)), axes, steep, far, _pivot_starts(z, weight, most)])


def _is_saturated(layout: Layout) -> bool:
    """Whether every row has a mean and a size of its own.

    Each row then is a sample of one distribution, of which the likelihood has no second maximum
    (Levin and Reeds 1977, Annals of Statistics 5, 79-87).
    """
    p, q = layout.mean_rank, layout.z_columns.shape[0]
    return p == q == layout.weight.size == layout.size_offset.size


def _pivot_starts(z: FloatArray, weight: FloatArray, most: int) -> FloatArray:
    """Starts in which only the cells at one end of a coordinate have a finite size.

    The best sizes of a few cells can differ by much although the cells lie close together at the
    end of a covariate; a start finds them only if it is as steep as that.
    """
    found: list[FloatArray] = []
    sides = [side for column in z.T for side in (column, -column)]
    for side in sides:
        levels = np.unique(side)
        levels = levels[np.diff(levels, prepend=-np.inf) > 1e-9 * np.abs(levels).max()]
        if levels.size < 2:
            continue
        pivots = int(np.clip(most // (2 * len(_RISES) * len(sides)), 0, 12))
        for pivot in np.unique(np.geomspace(1, levels.size - 1, pivots).astype(np.int64)):
            slope = 1.0 / (levels[pivot] - levels[0])
            found += [
                (weight * rise * slope * (side - level)) @ z
                for rise in _RISES
                for level in (levels[0], levels[pivot])
            ]
    return np.array(found).reshape(-1, z.shape[1])


class Search(NamedTuple):
    """Where the maximum of every gene is looked for.

    Attributes
    ----------
    unit : float
        Unit of the weights of what follows.
    layout : Layout
        All rows of the design.
    coarse : Coarse
        The merged problem.
    sample : Layout
        Some of the rows, if the merged problem says too little of all of them; or none.
    starts : ndarray, shape (starts, q)
        As :func:`gamma_starts` gives them, for all rows.
    more_starts : ndarray, shape (more starts, q)
        The same for as many rows as the merged problem has: for genes with few counts.
    """

    unit: float
    layout: Layout
    coarse: Coarse
    sample: Layout
    starts: FloatArray
    more_starts: FloatArray


def make_search(layout: Layout) -> Search:
    """Prepare what the searches of all genes share.

    Parameters
    ----------
    layout : Layout
        Design in orthonormal coordinates.

    Returns
    -------
    Search
    """
    unit = weight_unit(layout)
    layout = with_weights_in(layout, unit)
    coarse = coarsen(layout)
    starts = gamma_starts(layout, layout.weight.size)
    more_starts = starts
    if coarse.bin_of_row.size:
        more_starts = gamma_starts(layout, coarse.layout.weight.size)
    return Search(unit, layout, coarse, sample_of_rows(layout, coarse), starts, more_starts)
