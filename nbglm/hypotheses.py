"""Linear hypotheses: what a user writes, and its tests for every gene."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtri

from nbglm.basis import orthonormal_basis
from nbglm.constraint import Constraint, suprema
from nbglm.contrasts import Combinations, combine, informed_ranks
from nbglm.exceptions import HypothesisError, check_choice, did_you_mean, some_of
from nbglm.genewise import gene_table
from nbglm.predictor import LinearPredictor
from nbglm.pvalues import Tail, chi2_tail, p_columns, two_sided_tail
from nbglm.status import COEF_STATUS

if TYPE_CHECKING:
    from nbglm.tables import FitTables

__all__ = [
    "Hypothesis",
    "check_component",
    "combinations_of",
    "contrast_tests",
    "distinct_rows",
    "read_hypothesis",
    "status_of_tests",
    "t_test",
    "wald_test",
]

FloatArray = NDArray[np.float64]

_SINGULAR = 1e12  # condition of a correlation matrix
_OK = COEF_STATUS.index("ok")
_ALIASED = COEF_STATUS.index("aliased")
_NOT_IDENTIFIED = COEF_STATUS.index("not_identified")
_AT_LIMIT = [COEF_STATUS.index(word) for word in ("separated", "poisson_limit")]


@dataclass(frozen=True)
class Hypothesis:
    """Linear combinations of the coefficients of one component, and their hypothetical values.

    Attributes
    ----------
    matrix : ndarray, shape (rows, p + q)
        Combinations of ``[beta, gamma]``.
    constants : ndarray, shape (rows,)
        What they are under the hypothesis.
    labels : tuple of str
        Their names.
    """

    matrix: FloatArray
    constants: FloatArray
    labels: tuple[str, ...]

    def rows(self, chosen: Sequence[int] | NDArray[np.intp]) -> Hypothesis:
        """Some of the combinations."""
        labels = tuple(self.labels[k] for k in chosen)
        return Hypothesis(self.matrix[chosen], self.constants[chosen], labels)


def check_component(component: str) -> None:
    """Refuse what is neither ``mean`` nor ``dispersion``.

    Parameters
    ----------
    component : str
        What was given.

    Raises
    ------
    ValueError
        With the nearest valid choice.
    """
    check_choice("component", component, ("mean", "dispersion"))


def _component(tables: FitTables, component: str) -> tuple[LinearPredictor, slice]:
    p, q = len(tables.design.mean.terms), len(tables.design.dispersion.terms)
    check_component(component)
    if component == "mean":
        return tables.design.mean, slice(0, p)
    return tables.design.dispersion, slice(p, p + q)


def _label(row: FloatArray, value: float, terms: tuple[str, ...]) -> str:
    parts = [
        f"{'-' if w < 0 else '+'} {'' if abs(w) == 1 else f'{abs(w):.4g} * '}{term}"
        for w, term in zip(row, terms, strict=True)
        if w != 0.0
    ]
    text = " ".join(parts).removeprefix("+ ").replace("- ", "-", 1 if parts[0][0] == "-" else 0)
    return text if value == 0.0 else f"{text} = {value:g}"


def _parsed(
    predictor: LinearPredictor, hypothesis: object
) -> tuple[FloatArray, FloatArray, list[str] | None]:
    """Rows over the predictor's terms, their values, and labels if the user gave some."""
    terms, slices = predictor.terms, predictor.term_slices
    identity = np.eye(len(terms))
    if isinstance(hypothesis, str) and hypothesis in slices and hypothesis not in terms:
        rows = identity[slices[hypothesis]]
        return rows, np.zeros(len(rows)), None
    if isinstance(hypothesis, str) and hypothesis in terms:
        return identity[[terms.index(hypothesis)]], np.zeros(1), None
    if isinstance(hypothesis, Mapping) and all(
        not isinstance(part, Real) for part in hypothesis.values()
    ):
        parts = {name: _parsed(predictor, part) for name, part in hypothesis.items()}
        labels = [
            str(name) if len(rows) == 1 else f"{name} {k + 1}"
            for name, (rows, _, _) in parts.items()
            for k in range(len(rows))
        ]
        rows = np.vstack([part[0] for part in parts.values()])
        return rows, np.concatenate([part[1] for part in parts.values()]), labels
    if isinstance(hypothesis, Iterable) and not isinstance(hypothesis, str | Mapping):
        listed = list(hypothesis)
        if listed and all(isinstance(part, str) for part in listed):
            several = [_parsed(predictor, part) for part in listed]
            rows = np.vstack([part[0] for part in several])
            return rows, np.concatenate([part[1] for part in several]), None
        hypothesis = np.asarray(listed, dtype=np.float64)
    rows, constants = predictor.linear_constraint(hypothesis)
    return rows, constants, None


def read_hypothesis(tables: FitTables, hypothesis: object, component: str) -> Hypothesis:
    """Turn what a user wrote into rows over all coefficients.

    Parameters
    ----------
    tables : FitTables
        The fit.
    hypothesis : str, sequence of str, mapping or array_like
        A term of the formula (all its coefficients are 0), a constraint in patsy's language such
        as ``"g[T.b] - g[T.c] = 0"``, several of them (a mapping names each), or a matrix with a
        column for each coefficient of the component.
    component : str
        ``mean`` or ``dispersion``.

    Returns
    -------
    Hypothesis

    Raises
    ------
    HypothesisError
        If it cannot be read.
    """
    predictor, where = _component(tables, component)
    try:
        rows, values, labels = _parsed(predictor, hypothesis)
    except (ValueError, TypeError) as error:
        known = f"the {component} has the coefficients {some_of(predictor.terms, 9)}"
        names = (*predictor.terms, *predictor.term_slices)
        hint = did_you_mean(hypothesis, names) if isinstance(hypothesis, str) else ""
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        msg = f"cannot read the hypothesis {hypothesis!r} ({reason}); {known}.{hint}"
        raise HypothesisError(msg) from error
    empty = ~rows.any(axis=1)
    if empty.any() or not len(rows):
        msg = f"the hypothesis {hypothesis!r} has rows without a coefficient."
        raise HypothesisError(msg)
    matrix = np.zeros((rows.shape[0], len(tables.coef_names)))
    matrix[:, where] = rows
    named = labels or [
        _label(row, value, predictor.terms) for row, value in zip(rows, values, strict=True)
    ]
    return Hypothesis(matrix, values, tuple(named))


def distinct_rows(tables: FitTables) -> tuple[FloatArray, FloatArray]:
    """The distinct rows of both designs."""
    rows = tables.problem.layout.cell_of_row
    return tables.design.mean.matrix[rows], tables.design.dispersion.matrix[rows]


def combinations_of(tables: FitTables, matrix: FloatArray) -> Combinations:
    """Estimates of linear combinations for every gene of a fit."""
    found = combine(tables.arrays, tables.root, *distinct_rows(tables), matrix)
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
    known = tested | np.isin(words.astype(str), ("not_converged", "all_zero"))
    return np.where(known, words, "not_identified").astype(object)


def _ratios(tables: FitTables, hypothesis: Hypothesis, genes: NDArray[np.intp]) -> FloatArray:
    """``2 (llf - supremum under the hypothesis)`` for some genes; NaN if a fit failed."""
    constraint = Constraint(tables.problem, hypothesis.matrix)
    null = suprema(constraint.at(hypothesis.constants), tables.counts, genes)
    return np.asarray(2.0 * np.maximum(0.0, tables.arrays.llf[genes] - null))


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
    tail = two_sided_tail(statistic)
    at_limit = np.isin(found.status, _AT_LIMIT)
    for k in np.flatnonzero(at_limit.any(axis=0)):
        genes = np.flatnonzero(at_limit[:, k])
        ratios = chi2_tail(_ratios(tables, hypothesis.rows([int(k)]), genes), 1)
        tail.p[genes, k], tail.log_p[genes, k] = ratios
    return statistic, tail


def t_test(tables: FitTables, hypothesis: Hypothesis, alpha: float, method: str) -> pd.DataFrame:
    """Test each combination by itself: see :meth:`nbglm.results.NegBinResults.t_test`."""
    found = combinations_of(tables, hypothesis.matrix)
    statistic, tail = contrast_tests(tables, hypothesis, found)
    half = -ndtri(alpha / 2.0) * found.std_err
    return gene_table(
        tables.gene_names,
        {
            "estimate": found.estimate,
            "std_err": found.std_err,
            "z": statistic,
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


def wald_test(tables: FitTables, hypothesis: Hypothesis, method: str) -> pd.DataFrame:
    """Test all combinations together: see :meth:`nbglm.results.NegBinResults.wald_test`."""
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
    by_ratio = np.flatnonzero(~regular & ~without_variance & tables.arrays.converged & (rank > 0))
    if by_ratio.size:
        statistic[by_ratio] = _ratios(tables, hypothesis, by_ratio)
    untested = np.isnan(statistic)
    test = np.where(regular & ~untested, "wald", "none").astype(object)
    test[by_ratio] = "lr"
    return gene_table(
        tables.gene_names,
        {
            "statistic": statistic,
            "df": rank,
            **p_columns(chi2_tail(statistic, rank), method),
            "test": test,
            "status": status_of_tests(tables.status.to_numpy(), np.isfinite(statistic)),
        },
    )
