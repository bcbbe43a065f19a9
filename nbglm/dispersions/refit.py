"""Fits of all genes with adjusted dispersions.

The mean is always the best for these dispersions. Which cells have a mean of zero in the limit does
not depend on dispersions, so that this is taken from the fit by maximum likelihood; which sizes are
infinite does, and is found anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from nbglm.counts.table import Counts
from nbglm.dispersions.ascent import Summit, climb_profile, looks_of
from nbglm.dispersions.cohorts import Cohort, Designs, cohorts
from nbglm.dispersions.means import GivenSizes, products, times
from nbglm.dispersions.profile import Profile
from nbglm.fit.genes import FitArrays
from nbglm.fit.movement import movement
from nbglm.problem.basis import null_space
from nbglm.status import COEF_STATUS, GENE_STATUS

__all__ = ["refit"]

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]

_COEF = {word: code for code, word in enumerate(COEF_STATUS)}
_GENE = {word: code for code, word in enumerate(GENE_STATUS)}
_ENTRIES = 1 << 21  # counts of a chunk of genes, each of which has about a hundred bytes
_LARGE = 12.0  # a log size that is nearly the Poisson's
_TIE = 1e-8  # by which another maximum must be higher
_ROUNDS = 20  # of more and more rows at the Poisson limit


def _dense(counts: Counts, genes: IntArray, cells: IntArray) -> FloatArray:
    """Counts of some genes, shape (genes, cells)."""
    block = counts.chosen(genes)
    rows = np.repeat(np.arange(genes.size), np.diff(block.indptr))
    table = np.zeros((genes.size, counts.n_cells))
    table[rows, block.cells] = block.counts
    return table[:, cells]


def _refitted(fit: FitArrays, designs: Designs) -> tuple[IntArray, BoolArray]:
    """Genes that can be fitted anew, and the rows on which their means are positive."""
    p = designs.x.shape[1]
    active = np.ones((fit.status.size, len(designs.x)), dtype=bool)
    sound = ~np.isin(fit.status, (_GENE["all_zero"], _GENE["not_converged"]))
    for gene in np.flatnonzero(fit.direction.any(axis=1) & sound):
        of_mean, of_size = fit.direction[gene, :p], fit.direction[gene, p:]
        active[gene] = movement(designs.x, of_mean, fit.reach[gene, 0]) == 0.0
        # Sizes that fall to zero are a limit of the likelihood that no adjustment knows of.
        sound[gene] = movement(designs.z, of_size, fit.reach[gene, 1]).min() >= 0.0
    return np.flatnonzero(sound), active


def refit(
    fit: FitArrays,
    counts: Counts,
    x: FloatArray,
    z: FloatArray,
    offset: FloatArray,
    weights: FloatArray | None,
    *,
    aliased: BoolArray,
    projection: FloatArray,
    adjust: bool = True,
) -> FitArrays:
    """Fit every gene anew by the adjusted profile likelihood.

    Parameters
    ----------
    fit : FitArrays
        The fit by maximum likelihood.
    counts : Counts
        The data.
    x, z : ndarray, shape (cells, p) and (cells, q)
        Designs in the user's columns.
    offset : ndarray, shape (cells,)
        Offset of the log mean.
    weights : ndarray or None, shape (cells,)
        Frequency weights.
    aliased : ndarray of bool, shape (p + q,)
        Coefficients that are aliased in the designs.
    projection : ndarray, shape (p + q, p + q) or (0, 0)
        Onto the row spaces of the designs if minimum-norm coefficients are wanted; else empty.
    adjust : bool
        Whether to adjust for the fitted mean.

    Returns
    -------
    FitArrays
        Standard errors of dispersion coefficients are from the curvature of what was maximised,
        and those of mean coefficients allow for them. ``llf`` is the log-likelihood there.
    """
    weight = np.ones(len(x)) if weights is None else weights
    cells = np.flatnonzero(weight > 0.0)
    designs = Designs(x[cells], z[cells], offset[cells], weight[cells])
    new = FitArrays(**{name: getattr(fit, name).copy() for name in fit.__dataclass_fields__})
    pending, active = _refitted(fit, designs)
    writer = _Writer(new, aliased, projection)
    # The limit of the likelihood may be the best of all, and ascents may miss it.
    infinite = pending[fit.direction[pending, x.shape[1] :].any(axis=1)]
    poisson = _poisson_rows(fit, designs, infinite) & active
    for cohort in _cohorts(designs, infinite, active, poisson):
        task = _Task(cohort, adjust)
        summit = task.climb(_dense(counts, cohort.genes, cells)[:, cohort.active], fit)
        settled: BoolArray = summit.arrived.copy()
        settled[summit.poisson.any(axis=1)] = False
        writer.write(task, summit, settled)
    poisson = np.zeros_like(active)
    for _ in range(_ROUNDS):
        if not pending.size:
            break
        again = []
        for cohort in _cohorts(designs, pending, active, poisson):
            task = _Task(cohort, adjust)
            y = _dense(counts, cohort.genes, cells)[:, cohort.active]
            summit = task.climb(y, fit)
            rising: BoolArray = np.asarray(summit.poisson.any(axis=1), dtype=bool)
            for g in np.flatnonzero(rising):
                rows = np.flatnonzero(cohort.active)[summit.poisson[g]]
                poisson[cohort.genes[g], rows] = True
            again.append(cohort.genes[rising])
            writer.write(task, summit, ~rising)
        pending = np.sort(np.concatenate(again))
    if pending.size:
        writer.give_up(pending)
    return new


def _poisson_rows(fit: FitArrays, designs: Designs, genes: IntArray) -> BoolArray:
    """Rows whose sizes are infinite by maximum likelihood, of some genes."""
    p = designs.x.shape[1]
    rows = np.zeros((fit.status.size, len(designs.z)), dtype=bool)
    for gene in genes:
        rows[gene] = movement(designs.z, fit.direction[gene, p:], fit.reach[gene, 1]) > 0.0
    return rows


def _cohorts(
    designs: Designs, genes: IntArray, active: BoolArray, poisson: BoolArray
) -> Iterator[Cohort]:
    """Cohorts of some genes, none of them too large for the memory."""
    step = max(1, _ENTRIES // len(designs.x))
    for cohort in cohorts(designs, active[genes], poisson[genes]):
        for first in range(0, cohort.genes.size, step):
            yield replace(cohort, genes=genes[cohort.genes[first : first + step]])


class _Task:
    """One cohort, its coordinates, and what is maximised."""

    def __init__(self, cohort: Cohort, adjust: bool) -> None:
        self.cohort, self.adjust = cohort, adjust
        self.of_mean, self.of_size = cohort.mean_basis, cohort.size_basis

    def climb(self, y: FloatArray, fit: FitArrays) -> Summit:
        cohort, rows = self.cohort, self.cohort.active
        designs = cohort.designs
        given = GivenSizes(y, designs.offset[rows], designs.weight[rows], self.of_mean.q)
        self.z = cohort.size_rows(self.of_size)
        profile = Profile(given, self.z, cohort.poisson[rows], self.adjust)
        p = designs.x.shape[1]
        # Where sizes are infinite by maximum likelihood, large ones are worth a look.
        reach = np.maximum(fit.reach[cohort.genes, 1:], 1e-300)
        gamma = fit.finite[cohort.genes, p:] + _LARGE / reach * fit.direction[cohort.genes, p:]
        sized = designs.z[rows & ~cohort.poisson]
        start = times(self.of_size.q.T, times(sized, gamma))

        def is_limit(pattern: BoolArray) -> bool:
            return cohort.with_poisson(pattern).limit_direction() is not None

        looks = looks_of(self.of_size.q, cohort.constant(self.of_size))
        return climb_profile(profile, looks, start, is_limit)


class _Writer:
    """Puts what was found into the arrays of a fit, in the user's coefficients."""

    def __init__(self, new: FitArrays, aliased: BoolArray, projection: FloatArray) -> None:
        self.new, self.aliased, self.projection = new, aliased, projection
        self.value = np.full(new.status.size, -np.inf)

    def write(self, task: _Task, summit: Summit, chosen: BoolArray) -> None:
        """Write the genes of a cohort that are chosen, unless there is something higher already."""
        cohort, new = task.cohort, self.new
        found = self.value[cohort.genes]
        chosen = chosen & (np.isneginf(found) | (summit.arrived & (summit.value > found + _TIE)))
        genes = cohort.genes[chosen]
        self.value[genes] = summit.value[chosen]
        if not genes.size:
            return
        p = cohort.designs.x.shape[1]
        finite = np.hstack(
            [
                times(task.of_mean.transform, summit.fit.b[chosen]),
                times(task.of_size.transform, summit.c[chosen]),
            ]
        )
        root = self._roots(task, summit, chosen)
        if self.projection.size:
            finite = times(self.projection, finite)
            root = self.projection @ root
        direction = new.direction[genes]
        status = new.coef_status[genes]
        limit = cohort.limit_direction()
        sound = summit.arrived[chosen] & ~summit.empty[chosen] & (limit is not None)
        # Many directions may move the same rows; that of the likelihood is kept if it is one.
        for g, gene in enumerate(genes):
            along = movement(cohort.designs.z, direction[g, p:], new.reach[gene, 1])
            if not np.array_equal(along[cohort.active] > 0.0, cohort.poisson[cohort.active]):
                direction[g, p:] = 0.0 if limit is None else limit
                status[g, p:] = self._size_status(cohort, direction[g, p:])
        new.finite[genes], new.direction[genes], new.root[genes] = finite, direction, root
        moved = np.abs(times(cohort.designs.z[cohort.active], direction[:, p:]))
        new.reach[genes, 1] = moved.max(axis=1, initial=0.0)
        weight = cohort.designs.weight[cohort.active]
        new.llf[genes] = np.sum(weight * summit.fit.terms[chosen][:, :, 0], axis=1)
        status[~sound] = _COEF["not_converged"]
        few = summit.empty[chosen]
        status[few, p:] = _COEF["not_identified"]
        new.coef_status[genes] = status
        coef = np.where(direction != 0.0, np.copysign(np.inf, direction), finite)
        missing = np.isin(status, (_COEF["not_identified"], _COEF["aliased"]))
        if self.projection.size:
            missing = status == _COEF["not_identified"]
        coef[missing] = np.nan
        new.coef[genes] = coef
        for gene, words in zip(genes, status, strict=True):
            present = {COEF_STATUS[code] for code in words}
            word = next((word for word in GENE_STATUS if word in present), "ok")
            new.status[gene] = _GENE[word]

    def _size_status(self, cohort: Cohort, direction: FloatArray) -> NDArray[np.int8]:
        """Why a dispersion coefficient is infinite or missing, or that it is neither."""
        z, q = cohort.designs.z, direction.size
        words = np.full(q, _COEF["ok"], dtype=np.int8)
        aliased = self.aliased[-q:]
        # Aliased columns are directions of their own, which would take others with them.
        kept = np.flatnonzero(~aliased)
        sized = z[cohort.active & ~cohort.poisson]
        undetermined = kept[null_space(sized[:, kept]).any(axis=1)]
        words[undetermined] = _COEF["not_identified"]
        words[direction != 0.0] = _COEF["poisson_limit"]
        words[aliased] = _COEF["aliased"]
        return words

    def _roots(self, task: _Task, summit: Summit, chosen: BoolArray) -> FloatArray:
        """Factors of the covariances."""
        fit, basis = summit.fit, task.of_mean.q
        weight = task.cohort.designs.weight[task.cohort.active]
        terms = fit.terms[chosen]
        mean = products(basis, -weight * terms[:, :, 3], basis)
        cross = products(basis, -weight * terms[:, :, 4], task.z)
        size = summit.curvature[chosen]
        if cross.shape[2]:
            size = size + np.swapaxes(cross, 1, 2) @ np.linalg.solve(mean, cross)
        k, m = mean.shape[1], size.shape[1]
        whole = np.zeros((len(terms), k + m, k + m))
        whole[:, :k, :k], whole[:, :k, k:] = mean, cross
        whole[:, k:, :k], whole[:, k:, k:] = np.swapaxes(cross, 1, 2), size
        values, vectors = np.linalg.eigh(whole)
        least = 1e-14 * values.max(axis=1, keepdims=True, initial=1e-300)
        with np.errstate(divide="ignore", invalid="ignore"):
            inner = vectors * np.where(values > least, values, np.nan)[:, None, :] ** -0.5
        p, q = task.of_mean.transform.shape[0], task.of_size.transform.shape[0]
        root = np.zeros((len(terms), p + q, p + q))
        root[:, :p, : k + m] = task.of_mean.transform @ inner[:, :k]
        root[:, p:, : k + m] = task.of_size.transform @ inner[:, k:]
        return root

    def give_up(self, genes: IntArray) -> None:
        """Say that genes did not arrive."""
        self.new.status[genes] = _GENE["not_converged"]
        self.new.coef_status[genes] = _COEF["not_converged"]
