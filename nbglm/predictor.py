"""A formula and obs become a design matrix, frozen so that new rows get the same columns.

With :mod:`nbglm.scope` the only module that knows patsy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import patsy
from numpy.typing import NDArray

from nbglm.columns import Column, freeze_column
from nbglm.exceptions import FormulaError, OptionError, did_you_mean, some_of
from nbglm.formula import PreparedFormula, prepare_formula
from nbglm.scope import Scope, parse_formula, plain_scope, used_columns

__all__ = [
    "LinearPredictor",
    "build_predictor",
    "matrix_predictor",
]

FloatArray = NDArray[np.float64]

_KEEP_ALL_ROWS = patsy.NAAction(NA_types=[])  # missing values are refused by name before this


@dataclass(frozen=True)
class LinearPredictor:
    """One formula with its design matrix.

    Attributes
    ----------
    key : str
        ``mean`` or ``dispersion``.
    formula : PreparedFormula
        As given, and expanded.
    terms : tuple of str
        Column labels, exactly patsy's for well-formed names.
    term_slices : dict
        Columns of each term.
    term_factors : dict
        The factors that each term is an interaction of; none for the intercept.
    columns : dict of str to Column
        The columns of obs that it uses.
    matrix : ndarray, shape (cells, terms)
        The design of the fit, read-only.
    info : patsy.DesignInfo or None
        What applies the formula to new rows; None after loading, if the formula uses names that
        were only known where the fit was made.
    source : dict
        The columns that the formula used, from which `info` is made again after loading.
    """

    key: str
    formula: PreparedFormula
    terms: tuple[str, ...]
    term_slices: Mapping[str, slice]
    term_factors: Mapping[str, frozenset[str]]
    columns: Mapping[str, Column]
    matrix: FloatArray
    info: patsy.DesignInfo | None
    source: Mapping[str, object]

    def __getstate__(self) -> dict[str, object]:
        """Everything but patsy's object, which cannot be pickled."""
        return {**self.__dict__, "info": None}

    def __setstate__(self, state: dict[str, object]) -> None:
        """Make patsy's object again, from the same columns."""
        self.__dict__.update(state)
        try:
            info = (
                _design_info(self.key, self.formula, self.source, plain_scope())
                if self.formula.patsy
                else patsy.DesignInfo(list(self.terms))
            )
        except FormulaError:
            info = None
        self.__dict__["info"] = info

    def linear_constraint(self, written: object) -> tuple[FloatArray, FloatArray]:
        """Linear combinations of the coefficients in patsy's language.

        Parameters
        ----------
        written : str, sequence, mapping or array_like
            As patsy's ``DesignInfo.linear_constraint`` reads them.

        Returns
        -------
        coefs, constants : ndarray, shape (rows, terms) and (rows,)

        Raises
        ------
        ValueError
            If they cannot be read.
        """
        try:
            constraint = patsy.DesignInfo(list(self.terms)).linear_constraint(written)
        except patsy.PatsyError as error:
            raise OptionError(str(error).splitlines()[0]) from error
        return np.asarray(constraint.coefs), np.asarray(constraint.constants).ravel()

    def rebuild(self, obs: pd.DataFrame) -> FloatArray:
        """The design matrix of new rows: same levels, contrasts, knots and centres.

        Parameters
        ----------
        obs : DataFrame
            New rows, with the columns that the formula uses.

        Returns
        -------
        ndarray, shape (rows, terms)

        Raises
        ------
        FormulaError
            If a column is missing or of another kind, or a level is unknown to the fit.
        """
        if self.info is None:
            msg = (
                f"the {self.key} formula {self.formula.given!r} uses names from where the fit was "
                f"made, which were not saved with it; new rows can be predicted there only."
            )
            raise FormulaError(msg)
        data = {}
        for name, column in self.columns.items():
            series = _series(obs, name)
            if series is None:
                msg = (
                    f"the {self.key} formula {self.formula.given!r} needs the column {name!r}, "
                    f"which the new obs lacks (it has {some_of(obs.columns, 8)})."
                )
                raise FormulaError(msg + did_you_mean(name, obs.columns))
            data[_inside(self.formula, name)] = column.values(series)
        matrix = _evaluate(self.key, self.formula, self.info, data, len(obs))
        _refuse_non_finite(self.key, self.terms, matrix, obs.index)
        return matrix


def _series(obs: pd.DataFrame, name: str) -> pd.Series | None:
    position = [str(column) for column in obs.columns]
    return obs.iloc[:, position.index(name)] if name in position else None


def _inside(formula: PreparedFormula, name: str) -> str:
    """The name under which patsy knows a column."""
    alias = f"nbglm_column_{formula.columns.index(name)}_"
    return alias if alias in formula.patsy else name


def _evaluate(
    key: str,
    formula: PreparedFormula,
    what: patsy.DesignInfo,
    data: Mapping[str, object],
    rows: int,
) -> FloatArray:
    """Numbers of a design, with patsy's complaints in the user's names."""
    try:
        # A frame, so that a formula without columns knows its number of rows.
        frame = pd.DataFrame(dict(data), index=range(rows))
        (matrix,) = patsy.build_design_matrices([what], frame, NA_action=_KEEP_ALL_ROWS)
    except (patsy.PatsyError, NotImplementedError, TypeError, ValueError, KeyError) as error:
        raise _translate(key, formula, error) from error
    return np.ascontiguousarray(matrix, dtype=np.float64)


def _translate(key: str, formula: PreparedFormula, error: Exception) -> FormulaError:
    cause = formula.restore(str(error).strip().splitlines()[0])
    if "outermost knots" in cause:
        cause = (
            "a value lies outside the range of the spline at the fit; a spline says nothing there"
        )
    return FormulaError(f"the {key} formula {formula.given!r} failed on these rows: {cause}.")


def _refuse_non_finite(
    key: str, terms: tuple[str, ...], matrix: FloatArray, index: pd.Index
) -> None:
    bad = ~np.isfinite(matrix)
    if bad.any():
        row, column = (int(i) for i in np.argwhere(bad)[0])
        msg = (
            f"the {key} design has {int(bad.sum())} values that are not finite, the first "
            f"({matrix[row, column]}) in the column {terms[column]!r} at cell {index[row]!r}. "
            f"Check transformations such as a logarithm of 0."
        )
        raise FormulaError(msg)


def _design_info(
    key: str, formula: PreparedFormula, data: Mapping[str, object], environment: Scope
) -> patsy.DesignInfo:
    """Levels, contrasts, knots and centres of a formula on some data."""
    try:
        (info,) = patsy.design_matrix_builders(
            [parse_formula(key, formula).rhs_termlist],
            lambda: iter([data]),
            environment,
            NA_action=_KEEP_ALL_ROWS,
        )
    except (patsy.PatsyError, NotImplementedError, TypeError, ValueError, KeyError) as error:
        raise _translate(key, formula, error) from error
    return info


def build_predictor(key: str, text: str, obs: pd.DataFrame, environment: Scope) -> LinearPredictor:
    """One formula with the design matrix that it makes of obs.

    Parameters
    ----------
    key : str
        ``mean`` or ``dispersion``, for messages.
    text : str
        The formula.
    obs : DataFrame
        Covariates.
    environment : Scope
        Where functions and variables are looked up.

    Returns
    -------
    LinearPredictor

    Raises
    ------
    FormulaError
        If the formula cannot be read or evaluated.
    """
    formula = prepare_formula(key, text, [str(column) for column in obs.columns])
    description = parse_formula(key, formula)
    columns = {}
    data: dict[str, object] = {}
    for name in used_columns(key, formula, description, environment):
        series = _series(obs, name)
        if series is not None:
            columns[name] = freeze_column(name, series)
            data[_inside(formula, name)] = columns[name].values(series)
    info = _design_info(key, formula, data, environment)
    terms = tuple(formula.restore(name) for name in info.column_names)
    if not terms:
        msg = f"the {key} formula {text!r} has no columns; write '~ 1' for a constant."
        raise FormulaError(msg)
    matrix = _evaluate(key, formula, info, data, len(obs))
    _refuse_non_finite(key, terms, matrix, obs.index)
    matrix.flags.writeable = False
    names = [formula.restore(name) for name in info.term_name_slices]
    factors = (frozenset(factor.name() for factor in term.factors) for term in info.terms)
    return LinearPredictor(
        key=key,
        formula=formula,
        terms=terms,
        term_slices=dict(zip(names, info.term_name_slices.values(), strict=True)),
        term_factors=dict(zip(names, factors, strict=True)),
        columns=columns,
        matrix=matrix,
        info=info,
        source=data,
    )


def matrix_predictor(key: str, matrix: FloatArray, terms: Sequence[str]) -> LinearPredictor:
    """A linear predictor given as a matrix, each of whose columns is a term.

    Parameters
    ----------
    key : str
        ``mean`` or ``dispersion``.
    matrix : ndarray, shape (cells, terms)
        The design.
    terms : sequence of str
        Names of its columns.

    Returns
    -------
    LinearPredictor
        It cannot be rebuilt for new obs.
    """
    names = tuple(str(term) for term in terms)
    text = " + ".join(names)
    return LinearPredictor(
        key=key,
        formula=PreparedFormula(text, text, "", ()),
        terms=names,
        term_slices={name: slice(k, k + 1) for k, name in enumerate(names)},
        term_factors={name: frozenset({name}) for name in names},
        columns={},
        matrix=matrix,
        info=patsy.DesignInfo(list(names)),
        source={},
    )
