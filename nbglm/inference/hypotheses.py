"""Tests of linear hypotheses for every gene."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbglm.counts.genewise import gene_table
from nbglm.exceptions import HypothesisError, some_of
from nbglm.fit.contrasts import Combinations, combine, informed_ranks
from nbglm.inference.constraint import Constraint, suprema
from nbglm.inference.evidence import Evidence, size_tails
from nbglm.inference.pvalues import Tail, chi2_tail, p_columns
from nbglm.inference.statements import Hypothesis
from nbglm.inference.student import f_tail, half_width, hotelling, t_tail
from nbglm.problem.basis import orthonormal_basis
from nbglm.status import COEF_STATUS

if TYPE_CHECKING:
    from nbglm.inference.tables import FitTables

__all__ = [
    "combinations_of",
    "contrast_tests",
    "distinct_rows",
    "status_of_tests",
    "t_test",
    "wald_test",
]

FloatArray = NDArray[np.float64]

_DIFFERENT = 1e-9  # of two values, relative to the largest, that is not rounding
_SINGULAR = 1e12  # condition of a correlation matrix
_OK = COEF_STATUS.index("ok")
_ALIASED = COEF_STATUS.index("aliased")
_NOT_IDENTIFIED = COEF_STATUS.index("not_identified")
_AT_LIMIT = [COEF_STATUS.index(word) for word in ("separated", "poisson_limit")]


def distinct_rows(tables: FitTables) -> tuple[FloatArray, FloatArray]:
    """The distinct rows of both designs."""
    if tables.remains is not None:
        return tables.remains.rows
    rows = tables.problem.layout.cell_of_row
    return tables.design.mean.matrix[rows], tables.design.dispersion.matrix[rows]


def _combined(tables: FitTables, matrix: FloatArray) -> Combinations:
    """Combinations of either component, or of both: then finite only if each part is."""
    p = len(tables.design.mean.terms)
    of_mean = np.arange(matrix.shape[1]) < p
    rows = distinct_rows(tables)
    mixed = np.asarray(matrix[:, of_mean].any(axis=1) & matrix[:, ~of_mean].any(axis=1))
    found = combine(tables.arrays, tables.root, *rows, np.where(mixed[:, None], 0.0, matrix))
    if not mixed.any():
        return found
    one, other = (
        combine(tables.arrays, tables.root, *rows, np.where(part, matrix[mixed], 0.0))
        for part in (of_mean, ~of_mean)
    )
    status = np.where(one.status == _OK, other.status, one.status)
    status[np.isin(status, _AT_LIMIT)] = _NOT_IDENTIFIED
    with np.errstate(invalid="ignore"):
        estimate = one.estimate + other.estimate
    error = np.linalg.norm(np.matmul(matrix[mixed], tables.root), axis=2)
    found.estimate[:, mixed], found.status[:, mixed] = estimate, status
    found.std_err[:, mixed] = np.where(status == _OK, error, np.nan)
    return found


def combinations_of(tables: FitTables, matrix: FloatArray) -> Combinations:
    """Estimates of linear combinations for every gene of a fit."""
    found = _combined(tables, matrix)
    unknown = (found.status == _OK) & ~tables.covariances.identified(matrix)
    if not unknown.any():
        return found
    return Combinations(
        found.estimate,
        np.where(unknown, np.nan, found.std_err),
        np.where(unknown, _NOT_IDENTIFIED, found.status).astype(np.int8),
    )


def status_of_tests(words: NDArray[np.object_], tested: NDArray[np.bool_]) -> NDArray[np.object_]:
    """Status of each gene's test, which says why there is no p-value where there is none.

    Parameters
    ----------
    words : ndarray of str, shape (genes,)
        Status of each gene.
    tested : ndarray of bool, shape (genes,)
        Whether it has a p-value.

    Returns
    -------
    ndarray of str, shape (genes,)
        ``not_identified`` in place of the gene's status where its counts say nothing of what was
        to be tested.

    Examples
    --------
    >>> words = np.array(["ok", "ok", "all_zero"], dtype=object)
    >>> status_of_tests(words, np.array([True, False, False])).tolist()
    ['ok', 'not_identified', 'all_zero']
    """
    known = tested | np.isin(words.astype(str), ("not_converged", "all_zero", "planted"))
    return np.where(known, words, "not_identified").astype(object)


def _ratios(
    tables: FitTables, hypothesis: Hypothesis, genes: NDArray[np.intp], df: NDArray[np.int64]
) -> tuple[FloatArray, Tail]:
    """``2 (llf - supremum under the hypothesis)`` for some genes, NaN if a fit failed; p-values."""
    if tables.dispersion_method != "ml":  # there is no likelihood ratio of such estimates
        nothing = np.full(genes.size, np.nan)
        return nothing, Tail(nothing, nothing)
    if tables.remains is not None:
        return _kept_ratios(tables, hypothesis, genes)
    constraint = Constraint(tables.problem, hypothesis.matrix)
    null = suprema(constraint.at(hypothesis.constants), tables.counts, genes)
    statistic = np.asarray(2.0 * np.maximum(0.0, tables.arrays.llf[genes] - null))
    if hypothesis.matrix[:, : len(tables.design.mean.terms)].any():
        return statistic, chi2_tail(statistic, df)
    # The means under the hypothesis are nearly those of the fit.
    evidence = Evidence.of_design(
        tables.arrays, tables.design, tables.problem.layout, tables.counts
    )
    test = constraint.size_test(hypothesis.constants)
    return statistic, size_tails(test, evidence, genes, statistic, df, 0 * df)


def _kept_ratios(
    tables: FitTables, hypothesis: Hypothesis, genes: NDArray[np.intp]
) -> tuple[FloatArray, Tail]:
    """The same without counts: for single coefficients that were tested before these went."""
    where = np.flatnonzero(hypothesis.matrix.any(axis=0))
    if where.size == 1 and len(hypothesis.labels) == 1 and not hypothesis.constants.any():
        k = int(where[0])
        if np.isin(tables.arrays.coef_status[genes, k], _AT_LIMIT).all():
            statistic, p, log_p = (part[:, k] for part in tables.limit_tests(genes))
            return statistic, Tail(p, log_p)
    names = tables.gene_names[genes]
    tables.require_data(
        f"the test of {some_of(hypothesis.labels)} is a likelihood ratio for {len(genes)} genes at "
        f"a limit ({some_of(names)}), which",
        "Leave these genes out with subset(), or ask the fit itself, before without_data().",
    )
    raise AssertionError  # without counts the line above always raises


def contrast_tests(
    tables: FitTables, hypothesis: Hypothesis, found: Combinations
) -> tuple[FloatArray, Tail]:
    """Statistics and p-values of each combination by itself.

    Parameters
    ----------
    tables : FitTables
        The fit.
    hypothesis : Hypothesis
        The combinations.
    found : Combinations
        Their estimates.

    Returns
    -------
    z : ndarray, shape (genes, combinations)
        NaN where the estimate is not finite.
    tail : Tail
        Of the Wald tests; of likelihood ratios where the estimate is infinite.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = (found.estimate - hypothesis.constants) / found.std_err
    tail = t_tail(statistic, tables.covariances.degrees(hypothesis.matrix))
    at_limit = np.isin(found.status, _AT_LIMIT)
    for k in np.flatnonzero(at_limit.any(axis=0)):
        genes = np.flatnonzero(at_limit[:, k])
        one = np.ones(genes.size, dtype=np.int64)
        _, ratios = _ratios(tables, hypothesis.rows([int(k)]), genes, one)
        tail.p[genes, k], tail.log_p[genes, k] = ratios
    return statistic, tail


def t_test(tables: FitTables, hypothesis: Hypothesis, alpha: float, method: str) -> pd.DataFrame:
    """Test each combination by itself: see :meth:`nbglm.NegBinResults.t_test`."""
    found = combinations_of(tables, hypothesis.matrix)
    statistic, tail = contrast_tests(tables, hypothesis, found)
    degrees = tables.covariances.degrees(hypothesis.matrix)
    half = half_width(alpha, found.std_err, degrees)
    told = np.where(np.isfinite(found.std_err), degrees, np.nan)
    return gene_table(
        tables.gene_names,
        {
            "estimate": found.estimate,
            "std_err": found.std_err,
            "z": statistic,
            **({"df": told} if tables.use_t else {}),
            **p_columns(tail, method),
            "ci_lower": found.estimate - half,
            "ci_upper": found.estimate + half,
            "status": np.array(COEF_STATUS, dtype=object)[found.status],
        },
        pd.DataFrame({"contrast": list(hypothesis.labels)}),
    )


def _wald_statistics(distance: FloatArray, root: FloatArray) -> FloatArray:
    """``d' (R R')^-1 d`` for every gene; NaN where ``R R'`` is singular."""
    length = np.linalg.norm(root, axis=2)
    with np.errstate(divide="ignore", invalid="ignore"):
        scaled, unit = distance / length, root / length[:, :, None]
    statistics = np.full(distance.shape[0], np.nan)
    for gene in np.flatnonzero(np.isfinite(scaled).all(axis=1)):
        correlation = unit[gene] @ unit[gene].T
        if np.linalg.cond(correlation) < _SINGULAR:
            statistics[gene] = scaled[gene] @ np.linalg.solve(correlation, scaled[gene])
    return statistics


def _refuse_contradictions(hypothesis: Hypothesis) -> None:
    """Equations that cannot all be true leave nothing to be tested together."""
    size = np.abs(hypothesis.matrix).max(axis=1, keepdims=True)
    rows, values = hypothesis.matrix / size, hypothesis.constants[:, None] / size
    nearest = rows @ np.linalg.lstsq(rows, values, rcond=None)[0]
    if np.abs(values - nearest).max() > _DIFFERENT * np.abs(values).max():
        equations = [text if "=" in text else f"{text} = 0" for text in hypothesis.labels]
        msg = f"the equations {some_of(equations, 6)} contradict each other."
        raise HypothesisError(msg)


def wald_test(tables: FitTables, hypothesis: Hypothesis, method: str) -> pd.DataFrame:
    """Test all combinations together: see :meth:`nbglm.NegBinResults.wald_test`."""
    _refuse_contradictions(hypothesis)
    found = combinations_of(tables, hypothesis.matrix)
    aliased = (found.status == _ALIASED).all(axis=0)
    chosen = np.flatnonzero(~aliased)
    # Of rows that depend on each other only the first ones are needed.
    chosen = chosen[orthonormal_basis(hypothesis.matrix[chosen].T).kept]
    if not chosen.size:
        msg = f"the design cannot estimate {some_of(hypothesis.labels)}: its columns are aliased."
        raise HypothesisError(msg)
    hypothesis, status = hypothesis.rows(chosen), found.status[:, chosen]
    distance = found.estimate[:, chosen] - hypothesis.constants
    regular = (status == _OK).all(axis=1)
    # A likelihood ratio would not be robust in the way in which the covariance is.
    without_variance = ((status == _NOT_IDENTIFIED) & np.isfinite(distance)).any(axis=1)
    statistic = np.full(regular.size, np.nan)
    root = np.matmul(hypothesis.matrix, tables.root[regular])
    statistic[regular] = _wald_statistics(distance[regular], root)
    # Where an estimate is infinite there is no Wald statistic, but there is a likelihood ratio.
    rank = informed_ranks(tables.arrays, *distinct_rows(tables), hypothesis.matrix)
    ratios_exist = tables.arrays.estimated & (tables.dispersion_method == "ml")
    by_ratio = np.flatnonzero(~regular & ~without_variance & ratios_exist & (rank > 0))
    degrees = np.full(regular.size, np.inf)
    if tables.use_t:
        genes = np.flatnonzero(regular)
        joint = tables.covariances.joint_degrees(hypothesis.matrix, genes)
        if tables.covariances.moments is None:
            statistic[regular] /= chosen.size
        else:
            statistic[regular], joint = hotelling(statistic[regular], rank[genes], joint)
        degrees[regular] = joint
        tail = f_tail(statistic, rank, degrees)
    else:
        tail = chi2_tail(statistic, rank)
    if by_ratio.size:
        statistic[by_ratio], ratios = _ratios(tables, hypothesis, by_ratio, rank[by_ratio])
        tail.p[by_ratio], tail.log_p[by_ratio] = ratios
    untested = np.isnan(statistic)
    test = np.where(regular & ~untested, "wald", "none").astype(object)
    test[by_ratio] = "lr"
    return gene_table(
        tables.gene_names,
        {
            "statistic": statistic,
            "df": rank,
            **({"df_denom": degrees} if tables.use_t else {}),
            **p_columns(tail, method),
            "test": test,
            "status": status_of_tests(tables.status.to_numpy(), np.isfinite(statistic)),
        },
    )
