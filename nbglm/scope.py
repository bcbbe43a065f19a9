"""What a formula says, and where the names in it are looked up.

With :mod:`nbglm.predictor` the only module that knows patsy.
"""

from __future__ import annotations

import builtins
from typing import TypeAlias

import numpy as np
import pandas as pd
import patsy

from nbglm.exceptions import FormulaError, did_you_mean, some_of
from nbglm.formula import PreparedFormula, prepare_formula, variables_in

__all__ = [
    "Scope",
    "columns_of_formula",
    "parse_formula",
    "plain_scope",
    "scope_of_caller",
    "used_columns",
]

Scope: TypeAlias = patsy.EvalEnvironment
"""Where functions and variables in formulas are looked up."""


def plain_scope(environment: Scope | None = None) -> Scope:
    """Names that every formula may use, numpy's ``np`` among them, besides those given."""
    scope = Scope([]) if environment is None else environment
    return scope.with_outer_namespace({"np": np, "numpy": np})


def scope_of_caller(frames_up: int = 0) -> Scope:
    """Where a user's functions and variables are: the caller's caller, or further up."""
    return patsy.EvalEnvironment.capture(2 + frames_up)


def parse_formula(key: str, formula: PreparedFormula) -> patsy.ModelDesc:
    """The terms of a formula; a FormulaError if it cannot be read."""
    try:
        return patsy.ModelDesc.from_formula(formula.patsy)
    except (patsy.PatsyError, SyntaxError) as error:
        cause = str(error).splitlines()[0]
        msg = f"the {key} formula {formula.given!r} cannot be read: {formula.restore(cause)}."
        raise FormulaError(msg) from error


def used_columns(
    key: str,
    formula: PreparedFormula,
    description: patsy.ModelDesc,
    environment: Scope,
) -> list[str]:
    """Columns of obs that a formula uses; a name that is nothing at all is an error."""
    used: dict[str, None] = {}
    for term in description.rhs_termlist:
        for factor in term.factors:
            try:
                values, functions = variables_in(factor.code)
            except SyntaxError as error:
                msg = f"{formula.restore(factor.code)!r} in the {key} formula is not an expression."
                raise FormulaError(msg) from error
            for name in values:
                column = formula.column_of(name)
                if column in formula.columns:
                    used[column] = None
                elif not _defined(name, environment):
                    msg = (
                        f"{name!r} in the {key} formula {formula.given!r} is neither a column of "
                        f"obs ({some_of(formula.columns, 8)}) nor a variable in scope."
                    )
                    raise FormulaError(msg + did_you_mean(name, formula.columns))
            for name in functions:
                if not _defined(name, environment):
                    msg = (
                        f"{name!r} in the {key} formula {formula.given!r} is no known function; "
                        "define it where the fit is called, or use patsy's or numpy's (np.log)."
                    )
                    raise FormulaError(msg + did_you_mean(name, patsy.builtins.__all__))
    return list(used)


def _defined(name: str, environment: Scope) -> bool:
    if name in patsy.builtins.__all__ or hasattr(builtins, name):
        return True
    try:
        environment.namespace[name]
    except KeyError:
        return False
    return True


def columns_of_formula(key: str, text: str, obs: pd.DataFrame, environment: Scope) -> list[str]:
    """Columns of obs that a formula uses.

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
    list of str

    Raises
    ------
    FormulaError
        If the formula cannot be read.
    """
    formula = prepare_formula(key, text, [str(column) for column in obs.columns])
    return used_columns(key, formula, parse_formula(key, formula), environment)
