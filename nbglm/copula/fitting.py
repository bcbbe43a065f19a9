"""From a fit to the copula of its genes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbglm.copula.estimate import Plan, Structure, estimate, plan_blocks
from nbglm.copula.gaussian import GaussianCopula
from nbglm.copula.quality import Quality, held_out, loglik_gain
from nbglm.copula.scores import Scores, scores_of
from nbglm.design.rowvalues import row_values
from nbglm.exceptions import (
    AlignmentError,
    InputTypeError,
    OptionError,
    UnavailableError,
    some_of,
)
from nbglm.inference.methods import FitInference
from nbglm.parallel.blas import one_blas_thread
from nbglm.simulate.cells import check_count
from nbglm.simulate.draws import Seed, seed_entropy

__all__ = ["fit_copula"]

IntArray = NDArray[np.int64]

_CHOICE = 0x63656C6C73  # the letters of "cells": which cells are looked at
_LEAST = 20  # cells, of which correlations say hardly anything


def fit_copula(
    results: Any,
    groups: object = None,
    *,
    n_factors: int = 50,
    block_size: int = 500,
    dense_genes: int = 1000,
    max_cells: int = 5000,
    heldout: bool = True,
    seed: Seed = 0,
    n_jobs: int | None = None,
) -> GaussianCopula:
    """Find how the genes of a cell depend on each other beyond the covariates.

    A Gaussian copula: each count is the quantile of its fitted distribution at ``Phi(z)``, and the
    normal scores ``z`` of the genes of a cell are correlated. Draw with it by
    ``results.sample(copula=...)``; counts of single genes are distributed as they are without.

    Correlations are those of quantile residuals, of which the mean over their randomisation is
    taken, and which are corrected for what small counts hide. Those of few genes are shrunk
    towards independence as Ledoit and Wolf do; of more than `dense_genes` there are common
    factors, as far as they stand out from noise, and correlations of what these leave within
    blocks of genes, so that time and memory grow with the number of genes, not with its square.

    Parameters
    ----------
    results : NegBinResults
        The fit, with its data.
    groups : str or array_like, optional
        A column of obs, or a value for each cell: a copula for each group of cells. To draw for
        new rows it has to be a column. By default one for all cells.
    n_factors : int
        The largest number of common factors.
    block_size : int
        The largest number of genes in a block.
    dense_genes : int
        Up to so many genes are one block, without factors.
    max_cells : int
        If there are more cells, so many of them are looked at, as evenly over groups as there are
        cells. Memory is that of two such tables of 32-bit numbers, and one to work with.
    heldout : bool
        Whether the copula is also fitted to halves of the cells, and compared with the others:
        see :attr:`GaussianCopula.table`. It takes about as long again.
    seed : int, SeedSequence, Generator or None
        Which cells, which halves, and the random residuals of the log-likelihood. Correlations of
        all cells do not depend on it.
    n_jobs : int, optional
        Threads, as joblib understands it.

    Returns
    -------
    GaussianCopula
        Genes without a count, and those that did not converge, are independent of all others.

    Raises
    ------
    UnavailableError
        If counts and cells were dropped, or coefficients edited, to which the counts do not belong.
    AlignmentError
        If `groups` is no column, or has missing values or another length.
    OptionError
        If a group has fewer than 20 cells, or a number is too small.
    InputTypeError
        If `results` is no fit.

    References
    ----------
    Sun, T., Song, D., Li, W. V. and Li, J. J. (2021). scDesign2. *Genome Biology* 22, 163.

    Ledoit, O. and Wolf, M. (2004). A well-conditioned estimator for large-dimensional covariance
    matrices. *Journal of Multivariate Analysis* 88, 365-411.

    Examples
    --------
    >>> import nbglm, numpy as np
    >>> rng = np.random.default_rng(1)
    >>> common = rng.gamma(2.0, 0.5, (500, 1))
    >>> res = nbglm.fit_negbin(rng.poisson(8.0 * common * np.ones(3)), "~ 1", progress=False)
    >>> copula = nbglm.fit_copula(res)
    >>> bool((copula.correlation() > 0.65).to_numpy().all())
    True
    >>> res.sample(seed=1, copula=copula).shape
    (500, 3)
    """
    fit = getattr(results, "results", results)  # of a simulator
    if not isinstance(fit, FitInference):
        msg = f"fit_copula takes the results of nbglm.fit_negbin, not a {type(results).__name__}."
        raise InputTypeError(msg)
    fit.require_data("fit_copula", "fit the copula before data are dropped")
    _refuse_edits(fit)
    factors = check_count(n_factors, "n_factors", 0)
    most, dense = (
        check_count(block_size, "block_size", 2),
        check_count(dense_genes, "dense_genes", 0),
    )
    limit = check_count(max_cells, "max_cells", _LEAST)
    entropy = seed_entropy(seed)
    codes, names = _groups_of(fit, groups)
    cells = _chosen(fit, codes, names, limit, entropy)
    scores = scores_of(fit, cells, entropy, n_jobs)
    with one_blas_thread:
        genes = len(scores.means)
        plan = plan_blocks(scores, codes[cells], factors, genes if genes <= dense else most)
        found, rows = [], []
        for group in range(1 if names is None else len(names)):
            part = scores.of_cells(np.flatnonzero(codes[cells] == group))
            structure = estimate(part, plan)
            quality = held_out(part, plan, entropy) if heldout else Quality()
            found.append(structure)
            rows.append(_summary(structure, plan, part, quality))
    index = pd.Index(["all"]) if names is None else names
    return GaussianCopula(
        known=fit.gene_names,
        shown=np.arange(genes),
        blocks=plan.blocks,
        loadings=_stacked(found),
        roots=tuple(structure.roots for structure in found),
        names=names,
        column=groups if isinstance(groups, str) else None,
        codes=codes if names is not None and not isinstance(groups, str) else None,
        summaries=pd.DataFrame(rows, index=index.rename("group")),
        descriptions=_descriptions(fit, scores, plan, found),
    )


def _refuse_edits(fit: FitInference) -> None:
    if fit.edited is None or not fit.edited.edited.any():
        return
    genes = fit.gene_names[fit.edited.edited.any(axis=1)]
    msg = (
        f"coefficients of {some_of(genes)} were edited, and the counts are none of theirs. Fit the "
        f"copula to the fit as it was before, and draw with it: "
        f"edited.sample(copula=nbglm.fit_copula(results))."
    )
    raise UnavailableError(msg)


def _groups_of(fit: FitInference, groups: object) -> tuple[IntArray, pd.Index | None]:
    """The number of the group of each cell, and the names of the groups."""
    n_cells = fit.counts.n_cells
    if groups is None:
        return np.zeros(n_cells, dtype=np.int64), None
    source, values = row_values("groups", groups, fit.counts.obs)
    codes, names = pd.factorize(pd.Series(np.asarray(values, dtype=object)), sort=False)
    if (codes < 0).any():
        msg = (
            f"{source} has {int((codes < 0).sum())} missing values; say which group these cells "
            f"are of (fillna), or fit without them."
        )
        raise AlignmentError(msg)
    order = np.argsort(np.array([str(name) for name in names]), kind="stable")
    place = np.empty(len(names), dtype=np.int64)
    place[order] = np.arange(len(names))
    return place[codes], pd.Index([_plain(names[k]) for k in order], dtype=object)


def _plain(name: object) -> object:
    return name.item() if isinstance(name, np.generic) else name


def _chosen(
    fit: FitInference,
    codes: IntArray,
    names: pd.Index | None,
    limit: int,
    entropy: tuple[int, ...],
) -> IntArray:
    """Cells to look at: all, or as many of each group as there is room for."""
    there = np.arange(codes.size) if fit.weights is None else np.flatnonzero(fit.weights > 0.0)
    sizes = np.bincount(codes[there], minlength=int(codes.max(initial=0)) + 1)
    few = np.flatnonzero(sizes < _LEAST)
    if few.size and names is None:
        msg = f"the fit has {there.size} cells; correlations can be told of no fewer than {_LEAST}."
        raise OptionError(msg)
    if few.size:
        assert names is not None
        listed = some_of(f"{names[group]} ({sizes[group]} cells)" for group in few)
        msg = (
            f"correlations can be told of no fewer than {_LEAST} cells, and there are groups that "
            f"have fewer: {listed}. Merge them with others, or fit one copula for all cells "
            f"(groups=None)."
        )
        raise OptionError(msg)
    if there.size <= limit:
        return there
    each = _fair(sizes, limit)
    rng = np.random.default_rng([*entropy, _CHOICE])
    parts = [
        rng.permutation(there[codes[there] == group])[:number] for group, number in enumerate(each)
    ]
    return np.sort(np.concatenate(parts))


def _fair(sizes: IntArray, limit: int) -> list[int]:
    """How many of each group: small ones whole, the others alike, `limit` in all or a bit more."""
    each = np.zeros(sizes.size, dtype=np.int64)
    left = limit
    for rank, group in enumerate(np.argsort(sizes, kind="stable")):
        each[group] = min(sizes[group], max(left // (sizes.size - rank), _LEAST))
        left -= int(each[group])
    return [int(number) for number in each]


def _stacked(found: Sequence[Structure]) -> NDArray[np.float64]:
    """Loadings of all groups, with as many columns as the group with most factors has."""
    most = max(structure.loadings.shape[1] for structure in found)
    stack = np.zeros((len(found), len(found[0].loadings), most))
    for page, structure in zip(stack, found, strict=True):
        page[:, : structure.loadings.shape[1]] = structure.loadings
    return stack


def _summary(structure: Structure, plan: Plan, scores: Scores, quality: Quality) -> dict[str, Any]:
    genes = len(scores.means)
    return {
        "cells": scores.weight.size,
        "factors": structure.loadings.shape[1],
        "effective_rank": genes**2 / max(structure.sum_of_squares(plan.blocks), 1.0),
        "shrinkage": structure.shrinkage,
        "loglik": loglik_gain(structure, plan, scores),
        "heldout_loglik": quality.loglik,
        "heldout_error": quality.error,
        "heldout_independent": quality.independent,
        "heldout_noise": quality.noise,
    }


def _descriptions(
    fit: FitInference, scores: Scores, plan: Plan, found: Sequence[Structure]
) -> pd.DataFrame:
    block = np.empty(len(scores.information), dtype=np.int64)
    for number, genes in enumerate(plan.blocks):
        block[genes] = number
    common = np.mean([(structure.loadings**2).sum(axis=1) for structure in found], axis=0)
    return pd.DataFrame(
        {
            "status": fit.status.to_numpy(),
            "information": scores.information,
            "common": common,
            "block": block,
        },
        index=fit.gene_names.rename("gene"),
    )
