"""Likelihood-ratio tests and information criteria of fits of the same counts."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import binom, chdtrc

from nbglm.basis import orthonormal_basis
from nbglm.contrasts import all_poisson, informed_totals
from nbglm.exceptions import AlignmentError, NbglmError, NbglmWarning, some_of
from nbglm.fit import FitArrays
from nbglm.hypotheses import adjusted, distinct_rows

if TYPE_CHECKING:
    from nbglm.tables import FitTables

__all__ = ["compare", "lr_frame", "lr_test"]

FloatArray = NDArray[np.float64]

_OUTSIDE = 1e-7  # length of a column outside a space, relative to its own, that puts it outside
_LOWER = 1e-3  # by which a larger model may end below a smaller one before anybody is told


def _require_same_data(full: FitTables, reduced: FitTables) -> None:
    same: dict[str, Callable[[], bool]] = {
        "genes": lambda: bool(full.gene_names.equals(reduced.gene_names)),
        "cells": lambda: bool(full.counts.obs.index.equals(reduced.counts.obs.index)),
        "offsets": lambda: np.array_equal(full.design.offset, reduced.design.offset),
        "weights": lambda: np.array_equal(_cell_weight(full), _cell_weight(reduced)),
        "counts": lambda: full.counts.same_counts(reduced.counts),
    }
    for what, is_same in same.items():
        if not is_same():
            msg = f"the two fits have different {what}; fit both models to the same data."
            raise AlignmentError(msg)


def _cell_weight(tables: FitTables) -> FloatArray:
    return tables.problem.layout.cell_weight


def _outside(reduced: FloatArray, full: FloatArray, terms: tuple[str, ...]) -> list[str]:
    """Columns of one design that are not in the space of another."""
    q, _ = np.linalg.qr(orthonormal_basis(full).q)
    length = np.linalg.norm(reduced, axis=0)
    rest = np.linalg.norm(reduced - q @ (q.T @ reduced), axis=0)
    return [
        term
        for term, left, whole in zip(terms, rest, length, strict=True)
        if left > _OUTSIDE * whole
    ]


def _not_nested(full: FitTables, reduced: FitTables) -> list[str]:
    """Terms of the smaller model that the larger one cannot make up."""
    pairs = (
        (reduced.design.mean, full.design.mean),
        (reduced.design.dispersion, full.design.dispersion),
    )
    return [
        f"{small.key} {term}"
        for small, large in pairs
        for term in _outside(small.matrix, large.matrix, small.terms)
    ]


def _mixture_tail(statistic: float, regular: int, size_rank: int, *, strata: bool) -> float:
    """P-values if, under the smaller model, no cell is overdispersed.

    The size then has `size_rank` parameters on the boundary of their space. If they belong to
    separate strata each is as likely to stay there as not, and the reference is a mixture of
    chi-squared with binomial weights; otherwise the mixture of the two largest degrees of freedom
    is an upper bound (Self and Liang 1987; Shapiro 1988).
    """
    if strata:
        weights = {k: binom(size_rank, k) / 2.0**size_rank for k in range(size_rank + 1)}
    else:
        weights = {size_rank - 1: 0.5, size_rank: 0.5}
    # With no degree of freedom all the mass lies at 0.
    return float(
        sum(
            weight * (chdtrc(regular + k, statistic) if regular + k else statistic <= 0.0)
            for k, weight in weights.items()
        )
    )


def lr_frame(
    full: FitArrays,
    reduced: FitArrays,
    full_rows: tuple[FloatArray, FloatArray],
    reduced_rows: tuple[FloatArray, FloatArray],
    method: str,
) -> dict[str, NDArray[np.generic]]:
    """Likelihood-ratio tests of nested fits, gene by gene.

    Parameters
    ----------
    full, reduced : FitArrays
        The fits.
    full_rows, reduced_rows : pair of ndarray
        Distinct rows of their designs.
    method : str
        Adjustment for the number of genes.

    Returns
    -------
    dict of ndarray, shape (genes,)
        statistic, df, p_value, p_adjusted, reference (``chi2`` or ``mixture``).
    """
    difference = 2.0 * (full.llf - reduced.llf)
    converged = full.converged & reduced.converged
    lower = np.flatnonzero(converged & (difference < -_LOWER))
    if lower.size:
        msg = (
            f"the larger model has a lower log-likelihood than the smaller one for {lower.size} "
            f"genes (by up to {-difference[lower].min() / 2:.3g}): its maximum was missed there. "
            f"Their statistic is 0."
        )
        warnings.warn(msg, NbglmWarning, stacklevel=3)
    mean_full, size_full = informed_totals(full, *full_rows)
    mean_reduced, size_reduced = informed_totals(reduced, *reduced_rows)
    of_mean = np.maximum(mean_full - mean_reduced, 0)
    of_size = np.maximum(size_full - size_reduced, 0)
    df = of_mean + of_size
    tested = converged & (df > 0)
    statistic = np.where(tested, np.maximum(difference, 0.0), np.nan)
    pvalues = np.asarray(chdtrc(np.maximum(df, 1), statistic))
    boundary = tested & (of_size > 0) & all_poisson(reduced, *reduced_rows)
    distinct = np.unique(full_rows[1], axis=0)
    strata = distinct.shape[0] == orthonormal_basis(distinct).rank
    for gene in np.flatnonzero(boundary):
        pvalues[gene] = _mixture_tail(
            statistic[gene], int(of_mean[gene]), int(size_full[gene]), strata=strata
        )
    return {
        "statistic": statistic,
        "df": df,
        "p_value": pvalues,
        "p_adjusted": adjusted(pvalues[:, None], method)[:, 0],
        "reference": np.where(boundary, "mixture", "chi2").astype(object),
    }


def lr_test(full: FitTables, reduced: FitTables, *, method: str = "fdr_bh") -> pd.DataFrame:
    """Likelihood-ratio test of nested models for every gene.

    Parameters
    ----------
    full, reduced : NegBinResults
        Two fits of the same counts, with the same offsets and weights; the columns of the smaller
        model must be combinations of those of the larger one.
    method : str
        Adjustment for the number of genes, as in statsmodels' ``multipletests``.

    Returns
    -------
    DataFrame
        One row a gene: statistic, df, p_value, p_adjusted, reference, status (of the larger fit).
        ``df`` counts what the gene's counts can tell of: an aliased column, or the size of cells
        whose mean is 0, adds none. ``reference`` is ``mixture`` where the smaller model shows no
        overdispersion at all, which puts the sizes of the larger one on the boundary.

    Raises
    ------
    AlignmentError
        If the data differ.
    NbglmError
        If the models are not nested.

    Warns
    -----
    NbglmWarning
        If the larger model ends below the smaller one.

    Examples
    --------
    >>> import numpy as np, pandas as pd, nbglm
    >>> rng = np.random.default_rng(0)
    >>> obs = pd.DataFrame({"g": np.repeat(["a", "b"], 200)})
    >>> counts = rng.negative_binomial(2.0, np.repeat([0.5, 0.3], 200))
    >>> full = nbglm.fit_negbin(counts, "~ g", obs=obs)
    >>> reduced = nbglm.fit_negbin(counts, "~ 1", obs=obs)
    >>> test = lr_test(full, reduced)
    >>> test["df"].item(), test["reference"].item(), bool(test["p_value"].item() < 1e-6)
    (1, 'chi2', True)
    """
    _require_same_data(full, reduced)
    outside = _not_nested(full, reduced)
    if outside:
        hint = " Swap the two." if not _not_nested(reduced, full) else ""
        msg = (
            f"the models are not nested: the larger one cannot make up {some_of(outside)} of the "
            f"smaller one.{hint}"
        )
        raise NbglmError(msg)
    frame = lr_frame(
        full.arrays, reduced.arrays, distinct_rows(full), distinct_rows(reduced), method
    )
    return pd.DataFrame({**frame, "status": full.status.to_numpy()}, index=full.gene_names)


def compare(models: Mapping[str, FitTables], *, method: str = "fdr_bh") -> pd.DataFrame:
    """Information criteria and likelihood-ratio tests of several models in one table.

    Parameters
    ----------
    models : mapping of str to NegBinResults
        Fits of the same counts, with their names.
    method : str
        Adjustment for the number of genes.

    Returns
    -------
    DataFrame
        One row a gene and model: gene, model, llf, n_params, aic, bic, delta_aic and delta_bic
        (from the best of the gene), and the likelihood-ratio test against the model before
        (lr, lr_df, lr_pvalue, lr_p_adjusted), NaN where the two are not nested.

    Raises
    ------
    AlignmentError
        If the data differ.

    Examples
    --------
    >>> import numpy as np, pandas as pd, nbglm
    >>> obs = pd.DataFrame({"g": np.repeat(["a", "b"], 200)})
    >>> counts = np.random.default_rng(0).negative_binomial(2.0, np.repeat([0.5, 0.2], 200))
    >>> fits = {f: nbglm.fit_negbin(counts, f, obs=obs) for f in ("~ 1", "~ g")}
    >>> compare(fits)["delta_aic"].round(1).tolist()[1]
    0.0
    """
    parts = []
    before: FitTables | None = None
    for name, fit in models.items():
        part = pd.DataFrame(
            {
                "gene": fit.gene_names,
                "model": name,
                "llf": fit.llf.to_numpy(),
                "n_params": fit.n_params,
                "aic": fit.aic.to_numpy(),
                "bic": fit.bic.to_numpy(),
            }
        )
        new = {"lr": np.nan, "lr_df": np.nan, "lr_pvalue": np.nan, "lr_p_adjusted": np.nan}
        if before is not None:
            _require_same_data(fit, before)
            if not _not_nested(fit, before):
                test = lr_test(fit, before, method=method)
                values = test[["statistic", "df", "p_value", "p_adjusted"]].to_numpy().T
                new = dict(zip(new, values, strict=True))
        parts.append(part.assign(**new))
        before = fit
    table = pd.concat(parts, ignore_index=True)
    for criterion in ("aic", "bic"):
        best = table.groupby("gene", sort=False)[criterion].transform("min")
        table.insert(table.columns.get_loc("lr"), f"delta_{criterion}", table[criterion] - best)
    genes = table["gene"].drop_duplicates()
    order = table["gene"].map(dict(zip(genes, range(len(genes)), strict=True)))
    return table.iloc[np.argsort(order.to_numpy(), kind="stable")].reset_index(drop=True)
