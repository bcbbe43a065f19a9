"""Patsy at work: a formula and columns become numbers, and whatever it raises becomes words.

With :mod:`nbglm.design.scope`, :mod:`nbglm.design.terms` and :mod:`nbglm.design.frozen` the only
module that calls patsy's functions.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping, Sized

import numpy as np
import pandas as pd
import patsy
from numpy.typing import NDArray

from nbglm.design.expressions import read_expression
from nbglm.design.formula import PreparedFormula
from nbglm.design.notation import shown
from nbglm.design.scope import Scope
from nbglm.design.terms import Terms
from nbglm.exceptions import FormulaError, did_you_mean, some_of

__all__ = [
    "arrays_outside",
    "design_info",
    "evaluate",
    "refuse_non_finite",
]

FloatArray = NDArray[np.float64]

_LONGEST_CAUSE = 300  # characters of what another package says
_CAUSES = {
    MemoryError: "its design needs more memory than there is",
    RecursionError: "it is too long, or nested too deeply",
}
_CAUSES_IN_WORDS = {
    "complex": "its design would be complex; a formula needs real numbers",
    "outermost knots": "a value lies outside the range of the spline at the fit; a spline says "
    "nothing there",
    "bitwise_xor": "^ is no power in Python; a power is written **, as in I(x ** 2)",
    "for ^": "^ is no power in Python; a power is written **, as in I(x ** 2)",
}
_CAUSES_WITH_VALUES = {
    r"with value (.*) does not match any of the expected levels \(expected: \[(.*)\]\)": (
        "the value {0} is no level that the fit has seen; it knows {1}"
    ),
    r"rows mismatch between data argument and (.*) \((\d+) versus (\d+)\)": (
        "{0} has {2} values, and there are {1} rows"
    ),
}
_KEEP_ALL_ROWS = patsy.NAAction(NA_types=[])  # missing values are refused by name before this


def evaluate(
    key: str,
    formula: PreparedFormula,
    what: patsy.DesignInfo,
    data: Mapping[str, object],
    rows: int,
) -> FloatArray:
    """Numbers of a design, with patsy's complaints in the user's names.

    Parameters
    ----------
    key : str
        ``mean`` or ``dispersion``, for messages.
    formula : PreparedFormula
        The formula.
    what : patsy.DesignInfo
        Levels, contrasts, knots and centres.
    data : mapping
        Columns under the names that patsy knows.
    rows : int
        Number of rows.

    Returns
    -------
    ndarray, shape (rows, terms)

    Raises
    ------
    FormulaError
        Whatever is raised meanwhile.
    """
    # A frame, so that a formula without columns knows its number of rows.
    frame = pd.DataFrame(dict(data), index=range(rows))
    with _in_words(key, formula, data):
        (matrix,) = patsy.build_design_matrices([what], frame, NA_action=_KEEP_ALL_ROWS)
    return np.ascontiguousarray(matrix, dtype=np.float64)


def design_info(
    key: str,
    formula: PreparedFormula,
    terms: Terms,
    data: Mapping[str, object],
    scope: Scope,
) -> patsy.DesignInfo:
    """Levels, contrasts, knots and centres of a formula on some data.

    Parameters
    ----------
    key : str
        ``mean`` or ``dispersion``, for messages.
    formula : PreparedFormula
        The formula.
    terms : Terms
        What it consists of.
    data : mapping
        Columns under the names that patsy knows.
    scope : Scope
        Where functions and variables are looked up.

    Returns
    -------
    patsy.DesignInfo

    Raises
    ------
    FormulaError
        Whatever is raised meanwhile, and for a factor with a level for each row.
    """
    with _in_words(key, formula, data):
        (info,) = patsy.design_matrix_builders(
            [terms.description.rhs_termlist],
            lambda: iter([data]),
            scope.environment,
            NA_action=_KEEP_ALL_ROWS,
        )
    return info


@contextlib.contextmanager
def _in_words(key: str, formula: PreparedFormula, data: Mapping[str, object]) -> Iterator[None]:
    """Turn whatever patsy or a function of the formula raises into an error of that formula.

    numpy does not warn meanwhile: what is not finite in the end is refused by name.
    """
    try:
        with np.errstate(all="ignore"):
            yield
    except Exception as error:
        what = f"the {key} formula {shown(formula.given)} failed on these rows"
        cause = _cause(formula, data, error)[:_LONGEST_CAUSE].rstrip(".")
        msg = f"{what}: {cause}."
        raise FormulaError(msg) from error


def _cause(formula: PreparedFormula, data: Mapping[str, object], error: Exception) -> str:
    """What went wrong, in the user's names."""
    raised = error.__cause__ if error.__cause__ is not None else error
    for kind, words in _CAUSES.items():
        if isinstance(raised, kind):
            return words
    lines = formula.restore(str(error).strip()).splitlines()
    cause = lines[0].removeprefix("Error evaluating factor: ") if lines else ""
    for part, words in _CAUSES_IN_WORDS.items():
        if part in cause:
            return words
    factors = [name for name, values in data.items() if isinstance(values, pd.Categorical)]
    for pattern, words in _CAUSES_WITH_VALUES.items():
        found = re.search(pattern, cause)
        if found:
            return re.sub(r"np\.\w+\((.*?)\)", r"\1", words.format(*found.groups()))
    missing = re.search(r"specified level '?(.*?)'? not found", cause)
    if missing:
        levels = [level for name in factors for level in data[name].categories]  # type: ignore[attr-defined]
        return f"there is no level {missing[1]!r}{did_you_mean(missing[1], levels).rstrip('?')}"
    if factors and re.search(r"str|categor|dtype\('?O|convert", cause):
        names = [formula.column_of(name) for name in factors]
        cause += f"; {some_of(names)} {'holds' if len(names) == 1 else 'hold'} levels, not numbers"
    name = type(raised).__name__
    if isinstance(raised, patsy.PatsyError) or name in cause:
        return cause.removesuffix(": ")
    return f"{name}: {cause}" if cause else name


def refuse_non_finite(
    key: str, terms: tuple[str, ...], matrix: FloatArray, index: pd.Index
) -> None:
    """Refuse infinite and undefined values in a design.

    Parameters
    ----------
    key : str
        ``mean`` or ``dispersion``.
    terms : tuple of str
        Names of its columns.
    matrix : ndarray, shape (rows, terms)
        The design.
    index : Index
        Names of its rows.

    Raises
    ------
    FormulaError
        With the first of them.
    """
    bad = ~np.isfinite(matrix)
    if bad.any():
        row, column = (int(i) for i in np.argwhere(bad)[0])
        msg = (
            f"the {key} design has {int(bad.sum())} values that are not finite, the first "
            f"({matrix[row, column]}) in the column {terms[column]!r} at cell {index[row]!r}. "
            f"Check transformations such as a logarithm of 0."
        )
        raise FormulaError(msg)


def arrays_outside(
    key: str, formula: PreparedFormula, terms: Terms, index: pd.Index, scope: Scope
) -> tuple[str, ...]:
    """Names of arrays in the scope that hold a value for each row.

    Parameters
    ----------
    key : str
        ``mean`` or ``dispersion``.
    formula : PreparedFormula
        The formula.
    terms : Terms
        What it consists of.
    index : Index
        Names of the rows.
    scope : Scope
        Where variables are looked up.

    Returns
    -------
    tuple of str

    Raises
    ------
    FormulaError
        If one of them is a Series with another index.
    """
    found = []
    for code in terms.kept:
        for name in read_expression(code).variables:
            value = None if formula.column_of(name) in formula.columns else scope.value(name)
            if isinstance(value, Sized) and len(value) == len(index) and not callable(value):
                found.append(name)
            if np.ma.is_masked(value):
                msg = f"{name!r} in the {key} formula {shown(formula.given)} has masked entries."
                raise FormulaError(msg)
            if isinstance(value, pd.Series | pd.DataFrame) and not value.index.equals(index):
                msg = (
                    f"{name!r} in the {key} formula {shown(formula.given)} is no column of obs but "
                    f"a {type(value).__name__} of the scope whose index is not that of obs; make "
                    f"it a column (obs.assign({name}={name}.reindex(obs.index)))."
                )
                raise FormulaError(msg)
    return tuple(dict.fromkeys(found))
