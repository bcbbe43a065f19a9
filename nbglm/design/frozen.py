"""What new rows need of a design, as numbers and words: levels, contrasts, knots, centres.

patsy keeps these in objects of its own, which refuse to be pickled. Taken apart they can go into
any file; put together again they give the same bits. Putting them together evaluates nothing: patsy
makes its functions anew from the formula, which is compared with the list of
:mod:`nbglm.design.whitelist` first where it comes from a stranger, and only numbers are put into
them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np
import patsy
from numpy.typing import NDArray

from nbglm.design.expressions import read_expression
from nbglm.design.formula import PreparedFormula
from nbglm.design.notation import shown
from nbglm.design.scope import Scope
from nbglm.design.whitelist import stranger_in
from nbglm.exceptions import FormulaError, some_of

__all__ = ["freeze", "lost_functions", "thaw"]

Plain = Mapping[str, Any]
"""Dictionaries, lists, words, numbers and arrays of numbers."""

_REMEMBERED = {
    "BS": ("_degree", "_all_knots"),
    "CR": ("_all_knots", "_constraints"),
    "CC": ("_all_knots", "_constraints"),
    "TE": ("_constraints",),
    "Center": ("_sum", "_count"),
    "Standardize": ("current_n", "current_mean", "current_M2"),
}
"""What patsy's functions remember of the values at the fit."""

_LEVELS = {"str": str, "bool": bool, "int": int, "float": float}
_LARGEST_CONSTANT = 10_000  # numbers
_MOST_DEGREE = 1000


# To numbers and words --------------------------------------------------------------------------


def freeze(info: patsy.DesignInfo, variables: Mapping[str, object]) -> Plain | None:
    """Take a design apart.

    Parameters
    ----------
    info : patsy.DesignInfo
        What applies a formula to new rows.
    variables : mapping of str to object
        Values of the names that are no columns; numbers among them are kept.

    Returns
    -------
    dict or None
        Of dictionaries, lists, words, numbers and arrays of numbers; None for a design that is
        made of no formula.
    """
    if info.factor_infos is None:
        return None
    factors = list(info.factor_infos)
    number = {factor: k for k, factor in enumerate(factors)}
    constants = [
        {"name": name, "value": value}
        for name, value in variables.items()
        if isinstance(value, bool | int | float | str) or _is_small_array(value)
    ]
    return {
        "factors": [_frozen_factor(info.factor_infos[factor]) for factor in factors],
        "terms": [
            {
                "factors": [number[factor] for factor in term.factors],
                "subterms": [_frozen_subterm(subterm, number) for subterm in subterms],
            }
            for term, subterms in info.term_codings.items()
        ],
        "columns": list(info.column_names),
        "constants": [
            {"name": part["name"], "value": _constant(part["value"])} for part in constants
        ],
    }


def _is_small_array(value: object) -> bool:
    if not isinstance(value, list | tuple | np.ndarray | np.generic):
        return False
    try:
        array = np.asarray(value)
    except ValueError:
        return False
    small = array.size <= _LARGEST_CONSTANT and array.dtype.itemsize <= 8
    return small and array.dtype.kind in "biuf"


def _constant(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    return value if isinstance(value, bool | int | float | str) else np.asarray(value)


def _frozen_factor(about: Any) -> Plain:
    levels = None
    if about.type == "categorical":
        kind = _kind_of_levels(about.categories)
        known = about.categories if kind in _LEVELS else ()
        levels = {"kind": kind, "values": [_LEVELS[kind](level) for level in known]}
    return {
        "code": about.factor.code,
        "numbers": about.num_columns,
        "levels": levels,
        "remembered": [_remembered(part) for part in about.state["transforms"].values()],
    }


def _kind_of_levels(levels: Sequence[object]) -> str:
    """Which kind of value the levels of a factor are: its columns hold texts, bools or numbers."""
    if all(isinstance(level, str) for level in levels):
        return "str"
    if all(isinstance(level, bool | np.bool_) for level in levels):
        return "bool"
    if all(isinstance(level, int | np.integer) for level in levels):
        return "int"
    return "float" if all(isinstance(level, Real) for level in levels) else "other"


def _remembered(transform: object) -> Plain:
    """The class of a patsy function and its numbers; no numbers if it is not patsy's."""
    name = type(transform).__name__
    if type(transform).__module__.split(".")[0] != "patsy" or name not in _REMEMBERED:
        return {"class": name, "values": None}
    values = []
    for word in _REMEMBERED[name]:
        value = getattr(transform, word)
        values.append(None if value is None else _doubles(np.asarray(value)))
    return {"class": name, "values": values}


def _held(numbers: NDArray[Any]) -> NDArray[Any]:
    """Numbers that nobody can write into."""
    numbers.flags.writeable = False
    return numbers


def _doubles(value: NDArray[Any]) -> Plain:
    """Numbers as doubles; wider ones, in which patsy takes its means, as sums of two."""
    high = value.astype(np.float64)  # patsy sorts knots where they are
    low = (value - high).astype(np.float64) if value.dtype.itemsize > 8 else None
    return {"high": high, "low": low, "whole": value.dtype.kind in "iu"}


def _frozen_subterm(subterm: Any, number: Mapping[Any, int]) -> Plain:
    return {
        "factors": [number[factor] for factor in subterm.factors],
        "contrasts": [
            {
                "factor": number[factor],
                "matrix": _held(np.array(contrast.matrix, dtype=np.float64)),
                "suffixes": [str(suffix) for suffix in contrast.column_suffixes],
            }
            for factor, contrast in subterm.contrast_matrices.items()
        ],
        "columns": subterm.num_columns,
    }


# And back --------------------------------------------------------------------------------------


def lost_functions(frozen: Plain | None) -> tuple[str, ...]:
    """What remembers values of the fit in a way that cannot be kept: classes of functions."""
    factors = [] if frozen is None else frozen["factors"]
    parts = [part for factor in factors for part in factor["remembered"]]
    lost = [part["class"] for part in parts if part["values"] is None]
    lost += [
        f"levels of {factor['code']}"
        for factor in factors
        if factor["levels"] is not None and factor["levels"]["kind"] not in _LEVELS
    ]
    return tuple(dict.fromkeys(lost))


def thaw(
    key: str,
    formula: PreparedFormula,
    terms: Sequence[str],
    frozen: Plain | None,
    scope: Scope,
) -> patsy.DesignInfo:
    """Put a design together again, without evaluating anything.

    Parameters
    ----------
    key : str
        ``mean`` or ``dispersion``, for messages.
    formula : PreparedFormula
        The formula.
    terms : sequence of str
        Names of its columns, for a design that is made of no formula.
    frozen : dict or None
        What :func:`freeze` made.
    scope : Scope
        Where functions and variables are looked up, and whether any other may be used.

    Returns
    -------
    patsy.DesignInfo

    Raises
    ------
    FormulaError
        If the formula uses what the scope does not have or does not allow.
    ValueError, TypeError, KeyError, IndexError, AttributeError
        If this is no frozen design.
    """
    if frozen is None:
        return patsy.DesignInfo(list(terms))
    lost = lost_functions(frozen)
    if lost:
        msg = (
            f"new rows cannot be predicted here: the {key} formula {shown(formula.given)} uses "
            f"{some_of(lost)}, which remembers values of the fit in a way of its own, and this "
            f"cannot be kept; predict where the fit was made."
        )
        raise FormulaError(msg)
    scope = scope.with_numbers({part["name"]: part["value"] for part in frozen["constants"]})
    infos = OrderedDict[Any, Any]()
    for part in frozen["factors"]:
        _refuse_strangers(key, formula, part["code"], scope)
        about = _thawed_factor(part, scope)
        infos[about.factor] = about
    factors = list(infos)
    codings = OrderedDict[Any, Any]()
    for term in frozen["terms"]:
        subterms = [_thawed_subterm(part, factors) for part in term["subterms"]]
        codings[patsy.Term([factors[k] for k in term["factors"]])] = subterms
    return patsy.DesignInfo([str(name) for name in frozen["columns"]], infos, codings)


def _refuse_strangers(key: str, formula: PreparedFormula, code: str, scope: Scope) -> None:
    """Refuse a factor that uses what the scope lacks, or does not allow."""
    said = (
        f"new rows cannot be predicted here: {shown(formula.restore(code))} in the {key} formula "
        f"{shown(formula.given)}"
    )
    try:
        expression = read_expression(code)
    except Exception as error:  # of a text that was tampered with: anything that Python raises
        msg = f"{said} is no expression."
        raise FormulaError(msg) from error

    def is_column(name: str) -> bool:
        return formula.column_of(name) in formula.columns

    if scope.columns_only:
        stranger = stranger_in(expression.tree, is_column, scope.given, scope.numbers)
        if stranger:
            msg = (
                f"{said} uses {formula.restore(stranger)}, which is not kept with a fit. If you "
                f"know what it was, pass it as scope={{name: value}} where the fit is loaded, or "
                f"scope='caller' if you trust the formula to do all that Python can."
            )
            raise FormulaError(msg)
        return
    names = [name for name in expression.variables if not is_column(name)]
    unknown = [name for name in (*names, *expression.functions) if name not in scope]
    if unknown:
        msg = (
            f"{said} uses names from where the fit was made, which were not kept with it: "
            f"{some_of(unknown)}."
        )
        raise FormulaError(msg)


def _thawed_factor(part: Plain, scope: Scope) -> Any:
    factor = patsy.EvalFactor(str(part["code"]))
    state: dict[str, Any] = {}
    # This looks functions up and makes new objects of their classes; nothing is evaluated.
    factor.memorize_passes_needed(state, scope.environment)
    for transform, kept in zip(state["transforms"].values(), part["remembered"], strict=True):
        _remember(transform, kept)
    if part["levels"] is None:
        columns = int(part["numbers"])
        return patsy.FactorInfo(factor, "numerical", state, num_columns=columns)
    kind = _LEVELS[part["levels"]["kind"]]
    categories = tuple(kind(level) for level in part["levels"]["values"])
    return patsy.FactorInfo(factor, "categorical", state, categories=categories)


def _remember(transform: object, kept: Plain) -> None:
    """Put its numbers into one of patsy's functions."""
    name = type(transform).__name__
    if type(transform).__module__.split(".")[0] != "patsy" or name != kept["class"]:
        msg = f"a function is {name}, and was {kept['class']} at the fit"
        raise ValueError(msg)
    for word, value in zip(_REMEMBERED[name], kept["values"], strict=True):
        setattr(transform, word, None if value is None else _number(value))
    if name == "BS":
        degree, knots = transform._degree, transform._all_knots  # type: ignore[attr-defined]  # noqa: SLF001
        if not 0 <= degree <= _MOST_DEGREE or np.ndim(knots) != 1 or knots.size < 2 * degree + 2:
            msg = f"a spline of degree {degree} has {np.size(knots)} knots"
            raise ValueError(msg)


def _number(value: Plain) -> Any:
    number = np.asarray(value["high"], dtype=np.float64)
    if value["low"] is not None:
        number = number.astype(np.longdouble) + value["low"]
    if number.ndim == 0:
        return int(number) if value["whole"] else number[()]
    return number


def _thawed_subterm(part: Plain, factors: Sequence[Any]) -> Any:
    contrasts = {
        factors[contrast["factor"]]: patsy.ContrastMatrix(
            contrast["matrix"], [str(suffix) for suffix in contrast["suffixes"]]
        )
        for contrast in part["contrasts"]
    }
    chosen = [factors[k] for k in part["factors"]]
    return patsy.SubtermInfo(chosen, contrasts, int(part["columns"]))
