"""Where the names in a formula are looked up, and which of them it may use."""

from __future__ import annotations

import ast
import builtins
import inspect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np
import pandas as pd
import patsy

from nbglm.design.expressions import Expression, read_expression
from nbglm.design.formula import PreparedFormula, prepare_formula
from nbglm.design.notation import function_hint, shown
from nbglm.design.terms import Terms, cannot_be_read, read_terms
from nbglm.design.whitelist import numpy_of_formulas, stranger_in
from nbglm.exceptions import FormulaError, check_choice, did_you_mean, some_of

__all__ = [
    "SCOPES",
    "Scope",
    "columns_of_formula",
    "columns_scope",
    "plain_scope",
    "scope_of_caller",
    "used_columns",
]

SCOPES = ("caller", "columns")


@dataclass(frozen=True)
class Scope:
    """Where functions and variables in formulas are looked up.

    Attributes
    ----------
    environment : patsy.EvalEnvironment
        Their values.
    columns_only : bool
        Whether formulas may use nothing but columns, patsy's functions and numpy's elementwise
        ones.
    given : mapping of str to object
        What such formulas may use besides.
    numbers : frozenset of str
        Names of numbers that they may use besides.
    """

    environment: patsy.EvalEnvironment
    columns_only: bool = False
    given: Mapping[str, object] = field(default_factory=dict)
    numbers: frozenset[str] = frozenset()

    def __contains__(self, name: str) -> bool:
        known = patsy.builtins.__all__ if self.columns_only else _everywhere()
        return name in known or self.value(name) is not None

    def value(self, name: str) -> object:
        """What a name stands for; None if it is nothing."""
        try:
            return self.environment.namespace[name]
        except KeyError:
            return None

    def with_numbers(self, values: Mapping[str, object]) -> Scope:
        """The same names, and these where they are nothing yet."""
        environment = self.environment.with_outer_namespace(dict(values))
        return replace(self, environment=environment, numbers=self.numbers | set(values))


def _everywhere() -> set[str]:
    return {*patsy.builtins.__all__, *dir(builtins)}


def plain_scope() -> Scope:
    """Names that every formula may use: Python's, and numpy as ``np``."""
    return Scope(patsy.EvalEnvironment([{"np": np, "numpy": np}]))


def columns_scope(given: Mapping[str, object] = MappingProxyType({})) -> Scope:
    """Names that a formula of a stranger may use, and those that are given it besides."""
    allowed = numpy_of_formulas()
    names = {"np": allowed, "numpy": allowed, **given}
    return Scope(patsy.EvalEnvironment([names]), columns_only=True, given=dict(given))


def scope_of_caller(frames_up: int = 0, scope: str = "caller") -> Scope:
    """Where a user's functions and variables are: the caller's caller, or further up.

    Parameters
    ----------
    frames_up : int
        How many frames further up.
    scope : str
        ``"caller"``, or ``"columns"`` for none of them.

    Returns
    -------
    Scope

    Raises
    ------
    OptionError
        If `scope` is another word.
    """
    check_choice("scope", scope, SCOPES)
    if scope == "columns":
        return columns_scope()
    environment = patsy.EvalEnvironment.capture(2 + frames_up)
    return Scope(environment.with_outer_namespace({"np": np, "numpy": np}))


def used_columns(key: str, formula: PreparedFormula, terms: Terms, scope: Scope) -> list[str]:
    """Columns of obs that a formula uses, once all that it mentions is known to be there.

    Parameters
    ----------
    key : str
        ``mean`` or ``dispersion``, for messages.
    formula : PreparedFormula
        The formula.
    terms : Terms
        Its terms.
    scope : Scope
        Where functions and variables are looked up.

    Returns
    -------
    list of str

    Raises
    ------
    FormulaError
        If a name is nothing at all, or not allowed, or a factor is no expression.
    """
    used: dict[str, None] = {}
    check = _Check(key, formula, scope)
    kept = terms.kept
    for code in terms.factors:
        expression = check.read(code)
        check.names(expression)
        if code in kept:
            check.is_no_response(code)
            columns = (formula.column_of(name) for name in expression.variables)
            used |= dict.fromkeys(column for column in columns if column in formula.columns)
    return list(used)


@dataclass(frozen=True)
class _Check:
    """A formula whose factors are looked through before anything is evaluated."""

    key: str
    formula: PreparedFormula
    scope: Scope

    def fail(self, what: str, cause: str) -> FormulaError:
        return FormulaError(
            f"{what} in the {self.key} formula {shown(self.formula.given)} {cause}."
        )

    def is_column(self, name: str) -> bool:
        return self.formula.column_of(name) in self.formula.columns

    def is_no_response(self, code: str) -> None:
        if self.formula.column_of(code) in self.formula.response:
            given = shown(self.formula.restore(code))
            raise self.fail(given, "is the response itself, which cannot be a term of its model")

    def read(self, code: str) -> Expression:
        given = shown(self.formula.restore(code))
        try:
            expression = read_expression(code)
            stranger = (
                stranger_in(expression.tree, self.is_column, self.scope.given, self.scope.numbers)
                if self.scope.columns_only
                else ""
            )
        except SyntaxError as error:
            cause = "is not an expression; terms are joined with +, odd names go into backticks"
            raise self.fail(given, cause) from error
        except Exception as error:
            raise cannot_be_read(self.key, self.formula, error) from error
        misuse = expression.misuse()
        if misuse:
            raise self.fail(given, f"cannot be used: {misuse}")
        if stranger:
            self.stranger(given, stranger, expression)
        return expression

    def stranger(self, given: str, stranger: str, expression: Expression) -> None:
        """Refuse what scope='columns' does not allow; a slip is said to be one."""
        for name in expression.variables:
            if not self.is_column(name):
                self.value(name, expression)
        for name in expression.functions:
            if function_hint(name):
                self.unknown_function(name)
        cause = (
            f"uses {self.formula.restore(stranger)}; with scope='columns' a formula may use "
            "columns, numbers, patsy's functions (C, bs, ...) and numpy's elementwise ones "
            "(np.log, ...)"
        )
        raise self.fail(given, cause)

    def names(self, expression: Expression) -> None:
        for name in expression.variables:
            if not self.is_column(name):
                self.value(name, expression)
        for name in expression.functions:
            if name not in self.scope:
                self.unknown_function(name)
        for node in ast.walk(expression.tree):
            self.attribute(node)

    def value(self, name: str, expression: Expression) -> None:
        columns = self.formula.columns
        if name not in self.scope:
            where = "a name that scope='columns' allows"
            msg = (
                f"{name!r} in the {self.key} formula {shown(self.formula.given)} is neither a "
                f"column of obs ({some_of(columns, 8)}) nor "
                f"{where if self.scope.columns_only else 'a variable in scope'}."
            )
            raise FormulaError(msg + did_you_mean(name, columns))
        known = self.scope.value(name)
        if expression.is_name and (known is None or callable(known) or inspect.ismodule(known)):
            cause = f"is no column of obs ({some_of(columns, 8)}) but a function or a module"
            raise self.fail(repr(name), cause)

    def unknown_function(self, name: str) -> None:
        what = f"{name!r} in the {self.key} formula {shown(self.formula.given)}"
        if self.is_column(name):
            column = self.formula.column_of(name)
            msg = f"{what} is a column, not a function; write np.log({column}), not {column}.log()."
            raise FormulaError(msg)
        hint = function_hint(name)
        if hint:
            msg = f"{what} is no known function; {hint}."
            raise FormulaError(msg)
        msg = (
            f"{what} is no known function; define it where the fit is called, or use patsy's or "
            f"numpy's (np.log)."
        )
        raise FormulaError(msg + did_you_mean(name, patsy.builtins.__all__))

    def attribute(self, node: ast.AST) -> None:
        """Refuse what numpy does not have, with the nearest name that it has."""
        if not (isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)):
            return
        if self.scope.value(node.value.id) is np and not hasattr(np, node.attr):
            msg = (
                f"numpy has no {node.attr!r}, which the {self.key} formula "
                f"{shown(self.formula.given)} uses."
            )
            raise FormulaError(msg + did_you_mean(node.attr, dir(np)))


def columns_of_formula(
    key: str,
    text: str,
    obs: pd.DataFrame,
    scope: Scope,
    *,
    response: Iterable[str] = (),
) -> list[str]:
    """Columns of obs that a formula uses.

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
    response : iterable of str
        Columns of the response.

    Returns
    -------
    list of str

    Raises
    ------
    FormulaError
        If the formula cannot be read.
    """
    names = [str(column) for column in obs.columns]
    formula = prepare_formula(key, text, names, response=tuple(response))
    return used_columns(key, formula, read_terms(key, formula), scope)
