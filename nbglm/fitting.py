"""From data and frozen designs to results, with what the user is told on the way."""

from __future__ import annotations

import sys
import time
import warnings
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from nbglm.counts.table import Counts
from nbglm.design.design import Design
from nbglm.design.offset import offset_remark
from nbglm.dispersions.refit import refit
from nbglm.exceptions import NbglmWarning, RankError, check_choice, some_of
from nbglm.fit.clusters import CovarianceRule, few_clusters
from nbglm.fit.genes import FitArrays, fit_blocks
from nbglm.fit.nesting import nested_terms
from nbglm.inference.fitted import FittedGenes
from nbglm.parallel.blocks import say
from nbglm.problem.cost import cost_line, expected_cost
from nbglm.problem.problem import Problem, make_problem
from nbglm.search.climb import will_compile
from nbglm.status import GENE_STATUS

__all__ = ["COMPILING", "DISPERSION_METHODS", "RANK_RULES", "fit_design"]

COMPILING = (
    "compiling, once after an installation or an upgrade; this takes about half a minute "
    "(`nbglm warmup` does it ahead)"
)

DISPERSION_METHODS = ("ml", "cox_reid")
RANK_RULES = ("drop", "min_norm", "raise")
_SILENT_BELOW = 1.0  # seconds

Results = TypeVar("Results", bound=FittedGenes)


def _refuse_aliased(problem: Problem, design: Design) -> None:
    for predictor, kept in ((design.mean, problem.x_kept), (design.dispersion, problem.z_kept)):
        if not kept.all():
            names = [term for term, keep in zip(predictor.terms, kept, strict=True) if not keep]
            msg = (
                f"the {predictor.key} design has {len(names)} aliased columns, linear combinations "
                f"of those before them: {some_of(names)}. Leave them out, or use "
                f"rank_deficient='drop' (NaN for them) or 'min_norm'."
            )
            raise RankError(msg)


def _fit_with_progress(
    counts: Counts, problem: Problem, *, n_jobs: int | None, progress: bool | None
) -> FitArrays:
    from tqdm import tqdm

    if will_compile() and (progress or (progress is None and sys.stderr.isatty())):
        say(COMPILING)
    parts = []
    # By itself the bar shows up after a second, and only on a terminal.
    with tqdm(
        total=counts.n_genes,
        desc="nbglm",
        unit="gene",
        delay=0.0 if progress else _SILENT_BELOW,
        disable=None if progress is None else not progress,
    ) as bar:
        for part in fit_blocks(counts, problem, n_jobs):
            parts.append(part)
            bar.update(part.llf.size)
    return FitArrays.concatenate(parts)


def _report(results: FittedGenes, progress: bool | None) -> None:
    """One line at the end, and at most one warning."""
    words = results.status.value_counts()
    statuses = ", ".join(f"{words[word]} {word}" for word in GENE_STATUS[::-1] if word in words)
    if progress or (progress is None and results.seconds >= _SILENT_BELOW):
        say(f"{len(results.status)} genes fitted in {results.seconds:.1f} s: {statuses}")
        if results.cov.kind != "oim" or results.cov.use_t:
            say(f"errors: {results.cov.kind}; tests: {results.cov.reference}")
        for line in results.column_lines:
            say(line)
    said = [results.counts.remark, offset_remark(results.design.offset)]
    failed = results.gene_names[~results.arrays.converged]
    if len(failed):
        said.append(
            f"{len(failed)} of {len(results.status)} genes did not converge: {some_of(failed)}. "
            f"Their status is 'not_converged'; see results.status and results.explain(gene)."
        )
    said.append(few_clusters(results.cov, results.design, results.weights) or "")
    if any(said):
        warnings.warn(" ".join(filter(None, said)), NbglmWarning, stacklevel=4)
    nested = nested_terms(results.cov, results.design, results.counts.obs, results.weights)
    if nested:
        # Of a general kind: it is about the data, not about anything that this package did.
        warnings.warn(nested, UserWarning, stacklevel=4)


def fit_design(
    kind: type[Results],
    counts: Counts,
    design: Design,
    weights: NDArray[np.float64] | None,
    cov: CovarianceRule,
    *,
    dispersion_method: str = "ml",
    rank_deficient: str = "drop",
    n_jobs: int | None = None,
    progress: bool | None = False,
    started: float | None = None,
) -> Results:
    """Fit every gene, once data and design are read.

    Parameters
    ----------
    kind : type
        Class of the results: :class:`~nbglm.inference.fitted.FittedGenes` or a class that builds on
        it.
    counts, design
        Data and frozen design.
    weights : ndarray or None, shape (cells,)
        Frequency weights.
    cov : CovarianceRule
        Kind of covariance.
    dispersion_method, rank_deficient, n_jobs, progress
        As in :func:`fit_negbin`.
    started : float, optional
        When the call began, for the time that the results report.

    Returns
    -------
    FittedGenes
        Of that class.

    Raises
    ------
    RankError
        If a design has aliased columns and ``rank_deficient="raise"``.
    """
    started = time.perf_counter() if started is None else started
    check_choice("rank_deficient", rank_deficient, RANK_RULES)
    matrices = (design.mean.matrix, design.dispersion.matrix, design.offset, weights)
    if progress is not False:
        columns = len(design.mean.terms) + len(design.dispersion.terms)
        said = cost_line(expected_cost(*matrices), columns, counts.n_genes)
        if said:
            say(said)
    problem = make_problem(*matrices, minimum_norm=rank_deficient == "min_norm")
    if rank_deficient == "raise":
        _refuse_aliased(problem, design)
    arrays = _fit_with_progress(counts, problem, n_jobs=n_jobs, progress=progress)
    if dispersion_method == "cox_reid":
        arrays = refit(
            arrays,
            counts,
            design.mean.matrix,
            design.dispersion.matrix,
            design.offset,
            weights,
            aliased=problem.aliased,
            projection=problem.projection,
        )
    results = kind(
        arrays=arrays,
        design=design,
        counts=counts,
        weights=weights,
        cov=cov,
        rank_deficient=rank_deficient,
        dispersion_method=dispersion_method,
        seconds=time.perf_counter() - started,
    )
    _report(results, progress)
    return results
