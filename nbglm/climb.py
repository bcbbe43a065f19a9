"""From counts to the best local maximum of one gene, and of a block of genes, compiled.

With many rows the search runs in a merged problem (:mod:`nbglm.coarse`), and the maxima that it
finds are climbed to their ends on all rows.
"""

from __future__ import annotations

import math
import sys
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nbglm.coarse import merge_counts
from nbglm.compiled import entry, inlined, kernel
from nbglm.definite import factor_definite, fill_inverse_root, inverse_root
from nbglm.layout import Layout
from nbglm.newton import (
    CONVERGED,
    DECREMENT,
    ITERATION_LIMIT,
    STALLED,
    Ascent,
    maximise,
    weight_length,
)
from nbglm.start import FEW_CELLS, Search, starting_values
from nbglm.tally import GeneCounts, collect_counts

__all__ = [
    "FLAT",
    "SEPARABLE",
    "UNCONVERGED",
    "BlockFit",
    "climb_block",
    "climb_from",
    "has_flat_size",
]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# Reasons to look at a gene again, with exact geometry (nbglm.boundary).
SEPARABLE, FLAT, UNCONVERGED = 1, 2, 3

_FLAT_VARIANCE = 30.0**2  # a log size known to +-30 at best may as well be infinite
_RANK_TOLERANCE = 1e-10
_FIRST_EVALUATIONS = 24  # of each ascent, before the highest of them go on
_FINALISTS = 4
_CLOSE = 1e-4  # squared decrement at the end of an ascent that is only to begin another
_APART = 5e-3  # log-likelihoods of different maxima
_COULD_WIN = 10.0  # how far a maximum of the merged problem may lie below the best of them
_PER_COUNT = 1e-17  # see _closest
_MERGED, _SAMPLE, _POLISH, _ALL_ROWS = range(4)  # stages of a search
_PATCH = 64  # positive rows after which the rank is looked at


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
    root : ndarray, shape (genes, k, k)
        Upper triangular factors of the inverses of the information; NaN where there is none.
    evaluations : ndarray of int, shape (genes,)
        Evaluations of the log-likelihood on all rows; those in a merged problem do not count.
    flags : ndarray of int, shape (genes,)
        0, or why a gene must be looked at again.
    """

    theta: FloatArray
    information: FloatArray
    value: FloatArray
    root: FloatArray
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
    x, z = layout.x_columns, layout.z_columns
    p, q = x.shape[0], z.shape[0]
    # Both Gram matrices as blocks of one, whose off-diagonal block stays zero.
    gram = np.zeros((p + q, p + q))
    factor = np.empty((p + q, p + q))
    group = -1
    until = _PATCH
    for i in range(layout.weight.size):
        if gene.total[i] > 0.0:
            for j in range(p):
                for l in range(j + 1):
                    gram[j, l] += x[j, i] * x[l, i]
            if layout.group_of_row[i] != group:
                group = layout.group_of_row[i]
                for j in range(q):
                    for l in range(j + 1):
                        gram[p + j, p + l] += z[j, group] * z[l, group]
            until -= 1
            if until == 0:
                if factor_definite(gram, factor, _RANK_TOLERANCE):
                    return False
                until = _PATCH
    return not factor_definite(gram, factor, _RANK_TOLERANCE)


@kernel
def _is_flat(ascent: Ascent, length: float) -> bool:
    """Whether the last coordinate, the log size, hardly matters at the end of an ascent."""
    last = ascent.theta.size - 1
    return -ascent.hessian[last, last] * length**2 < 1.0 / _FLAT_VARIANCE * 10.0


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
def _nothing(k: int) -> Ascent:
    """An ascent that any other is better than."""
    none = np.zeros(k)
    return Ascent(none, -math.inf, none, np.zeros((k, k)), math.inf, 0, STALLED)


@inlined
def _search(
    layout: Layout,
    gene: GeneCounts,
    starts: FloatArray,
    stage: int,
    max_evaluations: int,
    tops: FloatArray,
    top_values: FloatArray,
) -> tuple[Ascent, int]:
    """Best of several ascents, and how many evaluations it took to find it.

    They begin at the starts, and the most promising go on; or, in the stages in between, at the
    `tops` of the stage before, the highest first. Their ends are the `tops` of the next stage. Only
    on all rows do they come as close to a maximum as rounding allows.
    """
    p, q = layout.x_columns.shape[0], layout.z_columns.shape[0]
    length = weight_length(layout)
    simple = q == 1 and layout.z_columns.shape[1] == 1 and length**2 > FEW_CELLS
    enough = _CLOSE if stage < _POLISH else _closest(layout, gene)
    best = _nothing(p + q)
    count = starts.shape[0] if stage in (_MERGED, _ALL_ROWS) else 0
    unfinished = np.empty(max(count, _FINALISTS))
    reached = np.empty((unfinished.size, p + q))
    for s in range(unfinished.size):
        unfinished[s] = -math.inf
    hopeless = top_values[_highest(top_values)] - _COULD_WIN
    for s in range(_FINALISTS):
        if count == 0 and top_values[s] >= hopeless:
            unfinished[s] = top_values[s]
            for i in range(p + q):
                reached[s, i] = tops[s, i]
        top_values[s] = -math.inf
    evaluations = 0
    for turn in range(count + _FINALISTS):
        limit = max_evaluations
        if turn < count:
            s = turn
            limit = min(_FIRST_EVALUATIONS, max_evaluations)
            theta = starting_values(layout, gene, s == 0, math.inf if s < 2 else 0.0)
            for j in range(q):
                theta[p + j] += starts[s, j]
        else:
            s = _highest(unfinished)
            if unfinished[s] == -math.inf:
                break
            unfinished[s] = -math.inf
            theta = reached[s].copy()
        ascent = maximise(theta, layout, gene, limit, best.value, enough)
        evaluations += ascent.evaluations
        if turn < count and ascent.code == ITERATION_LIMIT:
            unfinished[s] = ascent.value
            for i in range(p + q):
                reached[s, i] = ascent.theta[i]
        else:
            _note(ascent, tops, top_values)
        if best.evaluations == 0 or _better(ascent, best):
            best = ascent
        if q == 0 or (simple and best.code == CONVERGED and not _is_flat(best, length)):
            break
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
def _has_flat_size(layout: Layout, root: FloatArray) -> bool:
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
        if not variance < _FLAT_VARIANCE:
            return True
    return False


@entry
def _climb_block(
    indptr: IntArray,
    cells: IntArray,
    counts: FloatArray,
    search: Search,
    most: int,
    max_evaluations: int,
    screen: bool,
    out: BlockFit,
) -> None:
    """Fill `out`: see :func:`climb_block`."""
    layout, coarse, sample = search.layout, search.coarse, search.sample
    starts = search.starts[: min(most, search.starts.shape[0])]
    k = layout.x_columns.shape[0] + layout.z_columns.shape[0]
    tops = np.empty((_FINALISTS, k))
    top_values = np.empty(_FINALISTS)
    factor = np.empty((k, k))
    for g in range(indptr.size - 1):
        lo, hi = indptr[g], indptr[g + 1]
        gene = collect_counts(cells[lo:hi], counts[lo:hi], layout)
        if screen and _maybe_separated(layout, gene):
            out.flags[g] = SEPARABLE
            continue
        merged = coarse.bin_of_row.size > 0
        best = _nothing(k)
        # In the merged problem; in a sample of the rows if that lost much; from what was found
        # there on all rows; and if that should fail, all on these.
        for stage in range(_MERGED if merged else _ALL_ROWS, _ALL_ROWS + 1):
            design, found = layout, gene
            if stage == _MERGED:
                design = coarse.layout
                found = merge_counts(cells[lo:hi], counts[lo:hi], gene, coarse)
            elif stage == _SAMPLE:
                if sample.weight.size == 0:
                    continue
                design = sample
                found = collect_counts(cells[lo:hi], counts[lo:hi], sample)
            best, evaluations = _search(
                design, found, starts, stage, max_evaluations, tops, top_values
            )
            if stage >= _POLISH:
                out.evaluations[g] += evaluations
                if best.code == CONVERGED:
                    break
        out.value[g] = best.value
        for i in range(k):
            out.theta[g, i] = best.theta[i]
            for j in range(k):
                out.information[g, i, j] = -best.hessian[i, j]
        definite = fill_inverse_root(out.information[g], factor, out.root[g])
        if best.code != CONVERGED:
            out.flags[g] = UNCONVERGED
        elif not definite or _has_flat_size(layout, out.root[g]):
            out.flags[g] = FLAT


def climb_block(
    indptr: IntArray,
    cells: IntArray,
    counts: FloatArray,
    search: Search,
    *,
    max_evaluations: int,
    screen: bool,
    most: int = sys.maxsize,
) -> BlockFit:
    """Best maximum of every gene of a block, found from a handful of starts.

    With a constant dispersion and more than a few cells one start is enough unless it ends at a
    Poisson limit. Otherwise the log-likelihood can have several maxima (each end of a covariate's
    range can claim the overdispersion), so ascents start from several sizes.

    Parameters
    ----------
    indptr, cells, counts : ndarray
        The block as compressed sparse columns.
    search : Search
        Design in orthonormal coordinates, and where to start.
    max_evaluations : int
        Limit for each ascent.
    screen : bool
        Flag genes that may be separated in place of fitting them.
    most : int
        Use the first few starts only.

    Returns
    -------
    BlockFit
        Genes that may lie at a limit are flagged.
    """
    genes = indptr.size - 1
    k = search.layout.x_columns.shape[0] + search.layout.z_columns.shape[0]
    out = BlockFit(
        theta=np.zeros((genes, k)),
        information=np.zeros((genes, k, k)),
        value=np.zeros(genes),
        root=np.full((genes, k, k), np.nan),
        evaluations=np.zeros(genes, dtype=np.int64),
        flags=np.zeros(genes, dtype=np.int64),
    )
    _climb_block(indptr, cells, counts, search, most, max_evaluations, screen, out)
    return out


@entry
def climb_from(
    theta: FloatArray, cells: IntArray, counts: FloatArray, layout: Layout, max_evaluations: int
) -> Ascent:
    """One ascent of one gene from a given start.

    Parameters
    ----------
    theta : ndarray, shape (k,)
        Start.
    cells, counts : ndarray, shape (nonzeros,)
        Cells with a positive count, and the counts.
    layout : Layout
        Design in orthonormal coordinates.
    max_evaluations : int
        Limit on the number of evaluations.

    Returns
    -------
    Ascent
    """
    gene = collect_counts(cells, counts, layout)
    return maximise(theta, layout, gene, max_evaluations, -math.inf, DECREMENT)


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
    root = inverse_root(information)
    z = layout.z
    if z.shape[1] == 0:
        return False
    variance = ((z @ root[-z.shape[1] :]) ** 2).sum(axis=1)
    return not bool(np.all(variance < _FLAT_VARIANCE))
