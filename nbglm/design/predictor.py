"""A formula and obs become a design matrix, frozen so that new rows get the same columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import patsy
from numpy.typing import NDArray

from nbglm.design.columns import Column, column_of_obs, freeze_column
from nbglm.design.evaluation import (
    arrays_outside,
    design_info,
    evaluate,
    refuse_non_finite,
)
from nbglm.design.expressions import read_expression
from nbglm.design.factors import (
    design_labels,
    refuse_enormous,
    refuse_levels_of_cells,
)
from nbglm.design.formula import PreparedFormula, prepare_formula
from nbglm.design.frozen import freeze, thaw
from nbglm.design.notation import shown
from nbglm.design.scope import Scope, columns_scope, plain_scope, used_columns
from nbglm.design.terms import read_terms
from nbglm.exceptions import FormulaError, OptionError, did_you_mean, some_of

__all__ = [
    "LinearPredictor",
    "build_predictor",
    "matrix_predictor",
]

FloatArray = NDArray[np.float64]


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
    frozen : dict or None
        The same as numbers and words, from which `info` is made again after loading.
    columns_only : bool
        Whether it was read with ``scope="columns"``.
    outside : tuple of str
        Arrays of the scope that it uses, which have no values for new rows.
    withheld : str
        Why there is no `info`, if there is none.
    """

    key: str
    formula: PreparedFormula
    terms: tuple[str, ...]
    term_slices: Mapping[str, slice]
    term_factors: Mapping[str, frozenset[str]]
    columns: Mapping[str, Column]
    matrix: FloatArray
    info: patsy.DesignInfo | None
    frozen: Mapping[str, Any] | None
    columns_only: bool = False
    outside: tuple[str, ...] = ()
    withheld: str = ""

    def __getstate__(self) -> dict[str, object]:
        """Everything but patsy's object, which cannot be pickled."""
        return {**self.__dict__, "info": None}

    def __setstate__(self, state: dict[str, object]) -> None:
        """Make patsy's object again, from what is frozen."""
        self.__dict__.update(state)
        again = self.in_scope(columns_scope() if self.columns_only else plain_scope())
        self.__dict__.update(info=again.info, withheld=again.withheld)

    def in_scope(self, scope: Scope) -> LinearPredictor:
        """The same with what a scope offers to the formula; nothing is evaluated.

        Parameters
        ----------
        scope : Scope
            Where functions and variables are looked up.

        Returns
        -------
        LinearPredictor
            Without `info` if the formula uses anything that the scope does not have or allow.
        """
        info, withheld = None, ""
        try:
            info = thaw(self.key, self.formula, self.terms, self.frozen, scope)
        except FormulaError as error:
            withheld = str(error)
        return replace(self, info=info, withheld=withheld, columns_only=scope.columns_only)

    def without_cells(self) -> LinearPredictor:
        """The same formula for new rows, without those of the fit."""
        return replace(self, matrix=self.matrix[:0].copy())

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
        given = shown(self.formula.given)
        if self.info is None:
            raise FormulaError(self.withheld)
        if self.outside:
            msg = (
                f"the {self.key} formula {given} uses {some_of(self.outside)} from where the fit "
                f"was called, which has no values for new rows; make it a column of obs."
            )
            raise FormulaError(msg)
        data = {}
        for name, column in self.columns.items():
            series = column_of_obs(obs, name)
            if series is None:
                msg = (
                    f"the {self.key} formula {given} needs the column {name!r}, "
                    f"which the new obs lacks (it has {some_of(obs.columns, 8)})."
                )
                raise FormulaError(msg + did_you_mean(name, obs.columns))
            if len(obs):
                data[self.formula.inside(name)] = column.values(series)
        if len(obs) == 0:  # splines and centres cannot be evaluated at nothing
            return np.empty((0, len(self.terms)))
        matrix = evaluate(self.key, self.formula, self.info, data, len(obs))
        refuse_non_finite(self.key, self.terms, matrix, obs.index)
        return matrix


def build_predictor(
    key: str,
    text: str,
    obs: pd.DataFrame,
    scope: Scope,
    *,
    response: Sequence[str] = (),
) -> LinearPredictor:
    """One formula with the design matrix that it makes of obs.

    Parameters
    ----------
    key : str
        ``mean`` or ``dispersion``, for messages.
    text : str
        The formula.
    obs : DataFrame
        Covariates.
    scope : Scope
        Where functions and variables are looked up.
    response : sequence of str
        Columns of the response, for which ``.`` does not stand.

    Returns
    -------
    LinearPredictor

    Raises
    ------
    FormulaError
        If the formula cannot be read or evaluated.
    """
    names = [str(column) for column in obs.columns]
    formula = prepare_formula(key, text, names, response=response)
    parsed = read_terms(key, formula)
    columns: dict[str, Column] = {}
    given: dict[str, pd.Series] = {}
    for name in used_columns(key, formula, parsed, scope):
        series = column_of_obs(obs, name)
        if series is not None:
            columns[name], given[name] = freeze_column(name, series), series
    levels = [level for column in columns.values() for level in column.levels]
    if any(formula.prefix in level for level in levels):
        formula = prepare_formula(key, text, names, response=response, reserved=levels)
        parsed = read_terms(key, formula)
    data = {formula.inside(name): columns[name].values(series) for name, series in given.items()}
    outside = arrays_outside(key, formula, parsed, obs.index, scope)
    refuse_enormous(key, formula, parsed, data, len(obs))
    info = design_info(key, formula, parsed, data, scope)
    refuse_levels_of_cells(key, formula, info, len(obs))
    terms = design_labels(formula, info, columns)
    if not terms:
        msg = f"the {key} formula {shown(text)} has no columns; write '~ 1' for a constant."
        raise FormulaError(msg)
    matrix = evaluate(key, formula, info, data, len(obs))
    refuse_non_finite(key, terms, matrix, obs.index)
    matrix.flags.writeable = False
    variables = {
        name: scope.value(name)
        for code in parsed.kept
        for name in read_expression(code).variables
        if name not in data and name not in outside
    }
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
        frozen=freeze(info, variables),
        columns_only=scope.columns_only,
        outside=outside,
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
        frozen=None,
    )
