"""Likelihood-ratio tests and information criteria of fits of the same counts."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbglm.counts.genewise import gene_table
from nbglm.exceptions import (
    AlignmentError,
    HypothesisError,
    InputTypeError,
    NbglmWarning,
    OptionError,
    some_of,
)
from nbglm.fit.contrasts import informed_totals
from nbglm.fit.genes import FitArrays
from nbglm.inference.cones import SizeTest
from nbglm.inference.evidence import Evidence, size_tails
from nbglm.inference.hypotheses import distinct_rows, status_of_tests
from nbglm.inference.pvalues import check_method, chi2_tail, p_columns
from nbglm.inference.tables import FitTables
from nbglm.problem.basis import orthonormal_basis
from nbglm.status import GENE_STATUS

__all__ = ["LR_COLUMNS", "compare", "lr_frame", "lr_test"]

FloatArray = NDArray[np.float64]

LR_COLUMNS = (*("statistic", "df", "p_value", "log_p_value", "p_adjusted", "reference", "status"),)
"""Columns of tables of likelihood-ratio tests."""

# Length of a column outside a space that puts it outside, relative to its deviations from the mean
# and to its own: a date in seconds hardly varies beside its size.
_OUTSIDE, _ROUNDING = 1e-7, 1e-12
_LOWER = 1e-3  # by which a larger model may end below a smaller one before anybody is told


def _require_fit(what: str, fit: object) -> None:
    """Refuse what is no fit of many genes."""
    if not isinstance(fit, FitTables):
        msg = f"{what} must be the results of fit_negbin; it is a {type(fit).__name__}."
        if type(fit).__name__.startswith("NegBinModelResults"):
            msg += " Pass the fit of the whole table in place of the results of one gene."
        raise InputTypeError(msg)


def _require_same_data(full: FitTables, reduced: FitTables) -> None:
    for fit in (full, reduced):
        fit.require_data("a comparison with another fit")
        fit.require_likelihood("a comparison with another fit")
    same: dict[str, Callable[[], bool]] = {
        "genes": lambda: bool(full.gene_names.equals(reduced.gene_names)),
        "cells": lambda: bool(full.counts.cells.equals(reduced.counts.cells)),
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
    length = _ROUNDING * np.linalg.norm(reduced, axis=0)
    length += _OUTSIDE * np.linalg.norm(reduced - reduced.mean(axis=0), axis=0)
    rest = np.linalg.norm(reduced - q @ (q.T @ reduced), axis=0)
    return [term for term, left, most in zip(terms, rest, length, strict=True) if left > most]


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


def _formulas(fit: FitTables) -> str:
    return f"{fit.design.mean.formula.given!r} with {fit.design.dispersion.formula.given!r}"


def lr_frame(
    full: FitArrays,
    full_rows: tuple[FloatArray, FloatArray],
    evidence: Evidence,
    method: str,
) -> dict[str, NDArray[np.generic]]:
    """Likelihood-ratio tests of nested fits, gene by gene.

    Parameters
    ----------
    full : FitArrays
        The larger fit.
    full_rows : pair of ndarray
        Distinct rows of its designs.
    evidence : Evidence
        The smaller fit, in the same rows.
    method : str
        Adjustment for the number of genes.

    Returns
    -------
    dict of ndarray, shape (genes,)
        statistic, df, p_value, log_p_value, p_adjusted, reference (``chi2``,
        ``mixture`` or ``bound``), status.
    """
    reduced, reduced_rows = evidence.fit, (evidence.x, evidence.z)
    difference = 2.0 * (full.llf - reduced.llf)
    fitted = full.estimated & reduced.estimated
    lower = np.flatnonzero(fitted & (difference < -_LOWER))
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
    tested = fitted & (df > 0)
    statistic = np.where(tested, np.maximum(difference, 0.0), np.nan)
    tail = chi2_tail(statistic, df)
    status = np.where(full.estimated & ~reduced.estimated, reduced.status, full.status)
    words = np.array(GENE_STATUS, dtype=object)[status]
    reference = "chi2"
    if orthonormal_basis(full_rows[1]).rank > orthonormal_basis(evidence.z).rank:
        test = SizeTest(full_rows[1], evidence.z, np.zeros(len(evidence.z)))
        reference = "mixture" if test.is_cone else "bound"
        genes = np.flatnonzero(tested & (of_size > 0))
        tail.p[genes], tail.log_p[genes] = size_tails(
            test, evidence, genes, statistic[genes], df[genes], of_mean[genes]
        )
    return {
        "statistic": statistic,
        "df": df,
        **p_columns(tail, method),
        "reference": np.full(df.size, reference, dtype=object),
        "status": status_of_tests(words, tested),
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
        Indexed by gene: statistic, df, p_value, log_p_value (natural logarithm, finite where
        p_value underflows to 0), p_adjusted, reference, status. The status is that of the larger
        fit; ``not_converged`` if either failed, ``planted`` if either was edited,
        ``not_identified`` if nothing can be tested.
        ``df`` counts what the gene's counts can tell of: an aliased column, or the size of cells
        whose mean is 0, adds none. ``reference`` says what the statistic was compared with:
        ``chi2`` if only the mean is tested; for dispersion terms, whose sizes may be infinite,
        ``mixture`` or ``bound``, as below.

    Raises
    ------
    AlignmentError
        If the data differ.
    InputTypeError
        If one is no fit.
    HypothesisError
        If the models are not nested, or the same.
    OptionError
        If the method is unknown.

    Warns
    -----
    NbglmWarning
        If the larger model ends below the smaller one.

    Notes
    -----
    Where counts are hardly more variable than Poisson counts, tests of dispersion terms are not
    chi-squared, and which distribution they have depends on how overdispersed the smaller model
    is. For factors (``mixture``) the reference is conditional on the gene's pooled overdispersion,
    which gives the test its size whatever that is. With covariates in the dispersion (``bound``)
    chi-squared would reject several times as many genes as it should; the reference is an upper
    bound. For genes that are clearly overdispersed both are chi-squared.
    ``nbglm/inference/cones.py`` has the derivation and the sources.

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
    for what, fit in (("the larger model", full), ("the smaller model", reduced)):
        _require_fit(what, fit)
    check_method(method)
    _require_same_data(full, reduced)
    outside = _not_nested(full, reduced)
    swapped = not _not_nested(reduced, full)
    if outside:
        hint = " Swap the two: lr_test(larger, smaller)." if swapped else ""
        msg = (
            f"the models are not nested: the larger one cannot make up {some_of(outside)} of the "
            f"smaller one.{hint}"
        )
        raise HypothesisError(msg)
    if swapped:
        msg = (
            f"the two models are the same ({_formulas(full)} and {_formulas(reduced)}): each can "
            f"make up the other, and nothing is left to be tested."
        )
        raise HypothesisError(msg)
    layout = full.problem.layout
    evidence = Evidence.of_design(reduced.arrays, reduced.design, layout, full.counts)
    frame = lr_frame(full.arrays, distinct_rows(full), evidence, method)
    return gene_table(full.gene_names, frame)


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
        Indexed by gene and model: llf, n_params, aic, bic, delta_aic and delta_bic (from the best
        of the gene), status of the fit, and the likelihood-ratio test against the model before:
        lr, lr_df, lr_pvalue, lr_log_pvalue (natural logarithm), lr_p_adjusted and lr_status, which
        says why there is none: ``first``, ``not_nested``, ``same_model``, or as in :func:`lr_test`.

    Raises
    ------
    AlignmentError
        If the data differ.
    InputTypeError, OptionError
        If the models are no mapping of names to fits, there are none, or the method is unknown.

    Examples
    --------
    >>> import numpy as np, pandas as pd, nbglm
    >>> obs = pd.DataFrame({"g": np.repeat(["a", "b"], 200)})
    >>> counts = np.random.default_rng(0).negative_binomial(2.0, np.repeat([0.5, 0.2], 200))
    >>> fits = {f: nbglm.fit_negbin(counts, f, obs=obs) for f in ("~ 1", "~ g")}
    >>> compare(fits)["delta_aic"].round(1).tolist()[1]
    0.0
    """
    if not isinstance(models, Mapping):
        msg = (
            f"compare needs a name for each model, such as "
            f"compare({{'small': fit_1, 'large': fit_2}}); it was given a {type(models).__name__}."
        )
        raise InputTypeError(msg)
    if not models:
        msg = "compare was given no model; pass compare({'small': fit_1, 'large': fit_2})."
        raise OptionError(msg)
    check_method(method)
    fits = list(models.values())
    for name, fit in models.items():
        _require_fit(f"the model {name!r}", fit)
        if fit is not fits[0]:
            _require_same_data(fit, fits[0])
    columns = [_criteria(fit) for fit in fits]
    for criterion in ("aic", "bic"):
        best = np.min([column[criterion] for column in columns], axis=0)
        for column in columns:
            column[f"delta_{criterion}"] = column[criterion] - best
    for k, fit in enumerate(fits):
        columns[k] |= _against_before(fit, fits[k - 1] if k else None, method)
    return gene_table(
        fits[0].gene_names,
        {name: np.column_stack([column[name] for column in columns]) for name in columns[0]},
        pd.DataFrame({"model": list(models)}),
    )


def _criteria(fit: FitTables) -> dict[str, NDArray[np.generic]]:
    return {
        "llf": fit.llf.to_numpy(),
        "n_params": np.full(len(fit.gene_names), fit.n_params),
        "aic": fit.aic.to_numpy(),
        "bic": fit.bic.to_numpy(),
        "status": fit.status.to_numpy(),
    }


def _against_before(
    fit: FitTables, before: FitTables | None, method: str
) -> dict[str, NDArray[np.generic]]:
    """Columns of the likelihood-ratio test of a model against the one before it."""
    names = {name: f"lr_{name}" for name in ("df", "p_adjusted", "status")} | {
        "statistic": "lr",
        "p_value": "lr_pvalue",
        "log_p_value": "lr_log_pvalue",
    }
    if before is None:
        word = "first"
    elif _not_nested(fit, before):
        word = "not_nested"
    elif not _not_nested(before, fit):
        word = "same_model"
    else:
        test = lr_test(fit, before, method=method)
        return {name: test[column].to_numpy() for column, name in names.items()}
    none = np.full(len(fit.gene_names), np.nan)
    empty: dict[str, NDArray[np.generic]] = dict.fromkeys(names.values(), none)
    return empty | {"lr_status": np.full(none.shape, word, dtype=object)}
