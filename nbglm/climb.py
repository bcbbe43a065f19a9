"""From counts to the best local maximum of one gene, and of a block of genes, compiled."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nbglm.compiled import entry, kernel
from nbglm.newton import (
    CONVERGED,
    ITERATION_LIMIT,
    STALLED,
    Ascent,
    factor_definite,
    maximise,
    weight_length,
)
from nbglm.objective import GeneCounts, Layout, collect_counts
from nbglm.start import starting_values

__all__ = [
    "FLAT",
    "SEPARABLE",
    "UNCONVERGED",
    "BlockFit",
    "climb_block",
    "gamma_starts",
    "has_flat_size",
    "inverse_root",
]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# Reasons to look at a gene again, with exact geometry (nbglm.boundary).
SEPARABLE, FLAT, UNCONVERGED = 1, 2, 3

_FLAT_VARIANCE = 30.0**2  # a log size known to +-30 at best may as well be infinite
_RANK_TOLERANCE = 1e-10
_WIDE_WORK = 15_000  # rows times wide starts
_FIRST_EVALUATIONS = 24  # of each ascent, before the highest of them go on
_FINALISTS = 4
_FEW_CELLS = 200  # with no more of them one start is not enough even for a constant size
_STEEP = 30.0  # rise of the log size over the range of a coordinate that leaves one end finite
_PIVOT_WORK = 30_000  # rows times starts that turn at a pivot
_RISES = (8.0, 2.0, 30.0)  # of the log size from the end of a coordinate to the pivot


class BlockFit(NamedTuple):
    """Maxima of a block of genes, in orthonormal coordinates.

    Attributes
    ----------
    theta : ndarray, shape (genes, k)
        Coefficients.
    information : ndarray, shape (genes, k, k)
        Observed information.
    value : ndarray, shape (genes,)
        Log-likelihoods.
    evaluations : ndarray of int, shape (genes,)
        Evaluations of the log-likelihood.
    flags : ndarray of int, shape (genes,)
        0, or why a gene must be looked at again.
    """

    theta: FloatArray
    information: FloatArray
    value: FloatArray
    evaluations: IntArray
    flags: IntArray

    def unless_separable(self, gene: int) -> BlockFit | None:
        """One gene of the block; None if it was not fitted since it may be separated."""
        if self.flags[gene] == SEPARABLE:
            return None
        return BlockFit._make(part[gene : gene + 1] for part in self)


@kernel
def _better(new: Ascent, old: Ascent) -> bool:
    """Whether a new ascent ended higher, with converged ones before the others."""
    margin = 1e-9 * (1.0 + abs(old.value))
    if new.code == CONVERGED and old.code != CONVERGED:
        return new.value > old.value - margin
    return new.value > old.value + margin


@kernel
def _maybe_separated(layout: Layout, gene: GeneCounts) -> bool:
    """Whether the rows with positive counts leave a direction of either design undetermined."""
    x = layout.x
    z = layout.z
    bounds = layout.bounds
    total = gene.total
    p = x.shape[1]
    q = z.shape[1]
    # Both Gram matrices as blocks of one, whose off-diagonal block stays zero.
    gram = np.empty((p + q, p + q))
    for j in range(p + q):
        for l in range(p + q):
            gram[j, l] = 0.0
    for k in range(bounds.size - 1):
        positive = False
        for i in range(bounds[k], bounds[k + 1]):
            if total[i] > 0.0:
                positive = True
                for j in range(p):
                    for l in range(j + 1):
                        gram[j, l] += x[i, j] * x[i, l]
        if positive:
            for j in range(q):
                for l in range(j + 1):
                    gram[p + j, p + l] += z[k, j] * z[k, l]
    return not factor_definite(gram, np.empty((p + q, p + q)), _RANK_TOLERANCE)


@kernel
def _is_flat(ascent: Ascent, length: float) -> bool:
    """Whether the last coordinate, the log size, hardly matters at the end of an ascent."""
    last = ascent.theta.size - 1
    return -ascent.hessian[last, last] * length**2 < 1.0 / _FLAT_VARIANCE * 10.0


def gamma_starts(layout: Layout) -> FloatArray:
    """Where ascents start, as shifts of the dispersion coordinates.

    Given the sizes, the log-likelihood is concave in the mean coefficients, so that only the
    sizes need several starts: none for the least-squares and the constant start of the mean; up and
    down each coordinate; so steep that all cells but those at one end of a coordinate are Poisson;
    and then far and wide, the more the fewer rows there are to pay for.

    Parameters
    ----------
    layout : Layout
        Design in orthonormal coordinates.

    Returns
    -------
    ndarray, shape (starts, q)
        The first is the best guess.
    """
    z, q = layout.z, layout.z.shape[1]
    rows_of_group = np.diff(layout.bounds)
    group = np.repeat(np.arange(len(z)), rows_of_group)
    weight = np.bincount(group, layout.weight, len(z)).astype(np.float64)
    length = np.sqrt(weight.sum())
    axes = length * np.vstack([np.eye(q), -np.eye(q)])
    if len(z) <= q and length**2 > _FEW_CELLS * q:
        # With many cells of each size a second maximum is hardly ever seen.
        return np.vstack([np.zeros((1, q)), axes])
    if q <= 1:
        # The last are for a lone covariate, such as ``~ z - 1``.
        further = [10.0 * axes, 40.0 * axes] if len(z) > 1 else []
        return np.vstack([np.zeros((2, q)), axes, 3.0 * axes, *further])
    rise = np.hstack([z - z.min(axis=0), z.max(axis=0) - z])
    rise = rise[:, rise.max(axis=0) > 1e-9 * np.abs(z).max()]
    steep = (rise / rise.max(axis=0) * _STEEP).T @ (weight[:, None] * z)
    wide = int(np.clip(_WIDE_WORK // layout.x.shape[0], 4, 30))
    reach = length * np.where(np.arange(wide) % 2, 2.0, 4.0)
    far = np.random.default_rng(q).normal(size=(wide, q)) * reach[:, None]
    most = _PIVOT_WORK // layout.x.shape[0]
    return np.vstack([np.zeros((2, q)), axes, steep, far, _pivot_starts(z, weight, most)])


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


@entry
def _climb_block(
    indptr: IntArray,
    cells: IntArray,
    counts: FloatArray,
    layout: Layout,
    max_evaluations: int,
    screen: bool,
    starts: FloatArray,
    out: BlockFit,
) -> None:
    """Fill `out`: see :func:`climb_block`."""
    p = layout.x.shape[1]
    q = layout.z.shape[1]
    length = weight_length(layout)
    simple = q == 1 and layout.z.shape[0] == 1 and length**2 > _FEW_CELLS
    nothing = np.empty((p + q, p + q))
    first = min(_FIRST_EVALUATIONS, max_evaluations)
    reached = np.empty((starts.shape[0], p + q))
    unfinished = np.empty(starts.shape[0])
    for g in range(indptr.size - 1):
        lo, hi = indptr[g], indptr[g + 1]
        gene = collect_counts(cells[lo:hi], counts[lo:hi], layout)
        if screen and _maybe_separated(layout, gene):
            out.flags[g] = SEPARABLE
            continue
        best = Ascent(gene.total, -math.inf, gene.total, nothing, math.inf, 0, STALLED)
        unfinished[:] = -math.inf
        for s in range(starts.shape[0]):
            theta = starting_values(layout, gene, s == 0, math.inf if s < 2 else 0.0)
            for j in range(q):
                theta[p + j] += starts[s, j]
            ascent = maximise(theta, layout, gene, first, best.value)
            out.evaluations[g] += ascent.evaluations
            if ascent.code == ITERATION_LIMIT:
                unfinished[s] = ascent.value
                for j in range(p + q):
                    reached[s, j] = ascent.theta[j]
            if best.evaluations == 0 or _better(ascent, best):
                best = ascent
            if q == 0 or (simple and best.code == CONVERGED and not _is_flat(best, length)):
                break
        for _ in range(_FINALISTS):
            s = int(np.argmax(unfinished))
            if unfinished[s] == -math.inf:
                break
            unfinished[s] = -math.inf
            ascent = maximise(reached[s], layout, gene, max_evaluations, best.value)
            out.evaluations[g] += ascent.evaluations
            if _better(ascent, best):
                best = ascent
        out.value[g] = best.value
        for i in range(p + q):
            out.theta[g, i] = best.theta[i]
            for j in range(p + q):
                out.information[g, i, j] = -best.hessian[i, j]
        if best.code != CONVERGED:
            out.flags[g] = UNCONVERGED


def climb_block(
    indptr: IntArray,
    cells: IntArray,
    counts: FloatArray,
    layout: Layout,
    *,
    max_evaluations: int,
    screen: bool,
    starts: FloatArray | None = None,
) -> BlockFit:
    """Best maximum of every gene of a block, found from a handful of starts.

    With a constant dispersion and more than a few cells one start is enough unless it ends at a
    Poisson limit. Otherwise the log-likelihood can have several maxima (each end of a covariate's
    range can claim the overdispersion), so ascents start from several sizes.

    Parameters
    ----------
    indptr, cells, counts : ndarray
        The block as compressed sparse columns.
    layout : Layout
        Design in orthonormal coordinates.
    max_evaluations : int
        Limit for each ascent.
    screen : bool
        Flag genes that may be separated in place of fitting them.
    starts : ndarray, shape (starts, q), optional
        As :func:`gamma_starts` gives them, which is the default.

    Returns
    -------
    BlockFit
        Genes that may lie at a limit are flagged.
    """
    genes = indptr.size - 1
    k = layout.x.shape[1] + layout.z.shape[1]
    starts = gamma_starts(layout) if starts is None else starts
    out = BlockFit(
        theta=np.zeros((genes, k)),
        information=np.zeros((genes, k, k)),
        value=np.zeros(genes),
        evaluations=np.zeros(genes, dtype=np.int64),
        flags=np.zeros(genes, dtype=np.int64),
    )
    _climb_block(indptr, cells, counts, layout, max_evaluations, screen, starts, out)
    for g in np.flatnonzero(out.flags == 0):
        if has_flat_size(layout, out.information[g]):
            out.flags[g] = FLAT
    return out


def has_flat_size(layout: Layout, information: FloatArray) -> bool:
    """Whether the log size of some dispersion group is as good as unknown.

    Parameters
    ----------
    layout : Layout
        Design in orthonormal coordinates.
    information : ndarray, shape (k, k)
        Observed information at the end of an ascent.

    Returns
    -------
    bool
    """
    z = layout.z
    if z.shape[1] == 0:
        return False
    root = inverse_root(information)[-z.shape[1] :]
    variance = ((z @ root) ** 2).sum(axis=1)
    return not bool(np.all(variance < _FLAT_VARIANCE))


def inverse_root(information: FloatArray) -> FloatArray:
    """Factor the inverse of a positive definite matrix.

    Parameters
    ----------
    information : ndarray, shape (k, k)
        Observed information.

    Returns
    -------
    ndarray, shape (k, k)
        Upper triangular ``root`` with ``root @ root.T`` the inverse; NaN if there is none.

    Examples
    --------
    >>> import numpy as np
    >>> np.diag(inverse_root(np.diag([4.0, 16.0]))).tolist()
    [0.5, 0.25]
    >>> inverse_root(-np.eye(1)).tolist()
    [[nan]]
    """
    try:
        factor = np.linalg.cholesky(information)
    except np.linalg.LinAlgError:
        return np.full(information.shape, np.nan)
    return np.asarray(np.linalg.inv(factor).T)
