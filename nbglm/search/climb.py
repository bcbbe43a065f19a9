"""From counts to the best local maximum of one gene, and of a block of genes, compiled.

With many rows the search runs in a merged problem (:mod:`nbglm.search.merged`), and the maxima that
it finds are climbed to their ends on all rows.
"""

from __future__ import annotations

import math
import sys
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nbglm.kernels.compiled import entry, must_compile
from nbglm.kernels.definite import fill_inverse_root, inverse_root
from nbglm.problem.layout import Layout, matrix_shape, weight_unit, with_weights_in
from nbglm.problem.start import Search
from nbglm.problem.sums import hessian_shape
from nbglm.problem.tally import collect_counts
from nbglm.search.ascents import (
    ALL_ROWS,
    FINALISTS,
    FLAT_VARIANCE,
    MERGED,
    POLISH,
    SAMPLE,
    best_ascent,
    maybe_separated,
    nothing_yet,
    size_is_flat,
)
from nbglm.search.merged import has_counts_everywhere, merged_problem
from nbglm.search.newton import CONVERGED, DECREMENT, Ascent, maximise, rounding_of

__all__ = [
    "FLAT",
    "SEPARABLE",
    "UNCONVERGED",
    "BlockFit",
    "climb_block",
    "climb_from",
    "has_flat_size",
    "will_compile",
]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# Rows from which genes with few counts are not climbed from the best guess on all rows as well.
_MANY_ROWS = 1 << 15

# Reasons to look at a gene again, with exact geometry (nbglm.limits.resolve).
SEPARABLE, FLAT, UNCONVERGED = 1, 2, 3


class BlockFit(NamedTuple):
    """Maxima of a block of genes, in orthonormal coordinates.

    Attributes
    ----------
    theta : ndarray, shape (genes, k)
        Coefficients.
    information : ndarray, shape (genes, k, k) or (genes, k, width)
        Observed information: square matrices or arrows (:mod:`nbglm.kernels.definite`).
    value : ndarray, shape (genes,)
        Log-likelihoods.
    root : ndarray, shape (genes, k, k)
        Upper triangular factors of the inverses of the information; NaN where there is none.
    evaluations : ndarray of int, shape (genes,)
        Evaluations of the log-likelihood on all rows; those in a merged problem do not count.
    flags : ndarray of int, shape (genes,)
        0, or why a gene must be looked at again.
    rounding : ndarray, shape (genes,)
        How far rounding may move a log-likelihood.
    """

    theta: FloatArray
    information: FloatArray
    value: FloatArray
    root: FloatArray
    evaluations: IntArray
    flags: IntArray
    rounding: FloatArray

    def unless_separable(self, gene: int) -> BlockFit | None:
        """One gene of the block; None if it was not fitted since it may be separated."""
        if self.flags[gene] == SEPARABLE:
            return None
        return BlockFit._make(part[gene : gene + 1] for part in self)


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
    shape = hessian_shape(layout)
    k = shape[0]
    tops = np.empty((FINALISTS, k))
    top_values = np.empty(FINALISTS)
    factor = np.empty(shape)
    unsure = layout.size_offset.size > 1 and layout.weight.size < _MANY_ROWS
    for g in range(indptr.size - 1):
        lo, hi = indptr[g], indptr[g + 1]
        gene = collect_counts(cells[lo:hi], counts[lo:hi], layout)
        if screen and maybe_separated(layout, gene):
            out.flags[g] = SEPARABLE
            continue
        merged = coarse.bin_of_row.size > 0
        dense = merged and has_counts_everywhere(gene, coarse)
        starts = (search.starts if dense or not merged else search.more_starts)[:most]
        best = nothing_yet(layout)
        # In the merged problem; in a sample of the rows if that lost much; from what was found
        # there on all rows; and if that should fail, all on these.
        for stage in range(MERGED if merged else ALL_ROWS, ALL_ROWS + 1):
            design, found = layout, gene
            if stage == MERGED:
                design, found = merged_problem(
                    cells[lo:hi], counts[lo:hi], gene, layout, coarse, dense
                )
            elif stage == SAMPLE:
                if sample.weight.size == 0:
                    continue
                design = sample
                found = collect_counts(cells[lo:hi], counts[lo:hi], sample)
            again = stage == POLISH and unsure and not dense
            best, evaluations = best_ascent(
                design, found, starts, stage, again, max_evaluations, tops, top_values
            )
            if stage >= POLISH:
                out.evaluations[g] += evaluations
                if best.code == CONVERGED:
                    break
        out.value[g] = best.value
        out.rounding[g] = rounding_of(best.value, gene)
        for i in range(k):
            out.theta[g, i] = best.theta[i]
            for j in range(shape[1]):
                out.information[g, i, j] = -best.hessian[i, j]
        definite = fill_inverse_root(out.information[g], factor, out.root[g])
        if best.code != CONVERGED:
            out.flags[g] = UNCONVERGED
        elif not definite or size_is_flat(layout, out.root[g]):
            out.flags[g] = FLAT


def will_compile() -> bool:
    """Whether the first block has to wait for its kernels to be compiled."""
    return must_compile(_climb_block)


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
    layout = search.layout
    others = layout.x_columns.shape[0] + layout.z_columns.shape[0]
    k, width = matrix_shape(layout.stratum_value.size, others)
    out = BlockFit(
        theta=np.zeros((genes, k)),
        information=np.zeros((genes, k, width)),
        value=np.zeros(genes),
        root=np.full((genes, k, k), np.nan),
        evaluations=np.zeros(genes, dtype=np.int64),
        flags=np.zeros(genes, dtype=np.int64),
        rounding=np.zeros(genes),
    )
    _climb_block(indptr, cells, counts, search, most, max_evaluations, screen, out)
    return out._replace(
        theta=out.theta * math.sqrt(search.unit),
        value=out.value * search.unit,
        rounding=out.rounding * search.unit,
    )


@entry
def _climb_from(
    theta: FloatArray, cells: IntArray, counts: FloatArray, layout: Layout, max_evaluations: int
) -> Ascent:
    """Ascend in a layout whose weights are of ordinary size: see :func:`climb_from`."""
    gene = collect_counts(cells, counts, layout)
    return maximise(theta, layout, gene, max_evaluations, -math.inf, DECREMENT)


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
    unit = weight_unit(layout)
    root = math.sqrt(unit)
    within = with_weights_in(layout, unit)
    ascent = _climb_from(theta / root, cells, counts, within, max_evaluations)
    return ascent._replace(theta=ascent.theta * root, value=ascent.value * unit)


def has_flat_size(layout: Layout, information: FloatArray) -> bool:
    """Whether the log size of some dispersion group is as good as unknown.

    Parameters
    ----------
    layout : Layout
        Design in orthonormal coordinates.
    information : ndarray, shape (k, k) or (k, width)
        Observed information at the end of an ascent.

    Returns
    -------
    bool
    """
    root = inverse_root(information)
    z = layout.z
    if z.shape[1] == 0:
        return False
    variance = ((z @ root[-z.shape[1] :]) ** 2).sum(axis=1) * weight_unit(layout)
    return not bool(np.all(variance < FLAT_VARIANCE))
