"""The factors of a design: how many levels they have, and what its columns are called."""

from __future__ import annotations

import ast
import math
import re
from collections import Counter
from collections.abc import Mapping

import numpy as np
import pandas as pd
import patsy

from nbglm.design.columns import ID_LIKE_FROM, Column
from nbglm.design.expressions import read_expression
from nbglm.design.formula import PreparedFormula
from nbglm.design.notation import shown
from nbglm.design.terms import Terms
from nbglm.exceptions import FormulaError
from nbglm.memory import available_memory, written

__all__ = ["design_labels", "refuse_enormous", "refuse_levels_of_cells"]


def refuse_enormous(
    key: str,
    formula: PreparedFormula,
    terms: Terms,
    data: Mapping[str, object],
    rows: int,
) -> None:
    """Refuse a design that would not fit into memory, before any of it is made.

    Parameters
    ----------
    key : str
        ``mean`` or ``dispersion``.
    formula : PreparedFormula
        The formula.
    terms : Terms
        Its terms.
    data : mapping
        Columns under the names that patsy knows.
    rows : int
        Number of rows.

    Raises
    ------
    FormulaError
        With the factor or the term, and what it would take.
    """
    free = available_memory()
    levels = {code: _most_levels(code, data) for code in terms.kept}
    for code, number in levels.items():
        if number == rows >= ID_LIKE_FROM:
            raise _level_of_each_cell(key, formula, code, rows)
    for term in terms.description.rhs_termlist:
        numbers = [levels[factor.code] for factor in term.factors]
        columns = math.prod(max(number - 1, 1) for number in numbers)
        # Beside the rows of the design there are those of its contrasts, one a level.
        size = 8.0 * columns * max(rows, *numbers, 1)
        if free is not None and size > free:
            msg = (
                f"{formula.restore(term.name())!r} in the {key} formula {shown(formula.given)} has "
                f"{' x '.join(f'{number:,}' for number in numbers if number > 1)} levels, and "
                f"would take {written(size)} of the {written(free)} that are free; merge levels, "
                f"or leave it out."
            )
            raise FormulaError(msg)


def _most_levels(code: str, data: Mapping[str, object]) -> int:
    """How many levels a factor may have, as far as that can be told before patsy looks at it."""
    levels = 1
    for node in ast.walk(read_expression(code).tree):
        match node:
            case ast.Name(id=name) if isinstance(data.get(name), pd.Categorical):
                levels = max(levels, len(data[name].categories))  # type: ignore[attr-defined]
            case ast.Call(func=ast.Name(id="C"), args=[ast.Name(id=name), *_]):
                values = data.get(name)
                if isinstance(values, np.ndarray):
                    levels = max(levels, np.unique(values).size)
    return levels


def _level_of_each_cell(key: str, formula: PreparedFormula, code: str, rows: int) -> FormulaError:
    return FormulaError(
        f"{formula.restore(code)!r} in the {key} formula {shown(formula.given)} has a different "
        f"level in each of the {rows} cells, and explains nothing; use the numbers themselves, or "
        f"fewer levels."
    )


def refuse_levels_of_cells(
    key: str, formula: PreparedFormula, info: patsy.DesignInfo, rows: int
) -> None:
    """Refuse a factor such as ``C(x)`` with as many levels as there are rows.

    Parameters
    ----------
    key : str
        ``mean`` or ``dispersion``.
    formula : PreparedFormula
        The formula.
    info : patsy.DesignInfo
        Its levels.
    rows : int
        Number of rows.

    Raises
    ------
    FormulaError
        With the factor.
    """
    for factor, about in info.factor_infos.items():
        if about.type == "categorical" and len(about.categories) == rows >= ID_LIKE_FROM:
            raise _level_of_each_cell(key, formula, factor.code, rows)


def design_labels(
    formula: PreparedFormula, info: patsy.DesignInfo, columns: Mapping[str, Column]
) -> tuple[str, ...]:
    """Names of the columns of a design: patsy's, with the user's names and plain numbers.

    ``C(k)`` of a column of integers has the levels ``1`` and ``2``, as in patsy, although patsy
    is given floats here.

    Parameters
    ----------
    formula : PreparedFormula
        The formula.
    info : patsy.DesignInfo
        Names that patsy gives.
    columns : mapping of str to Column
        The columns of obs that it uses.

    Returns
    -------
    tuple of str

    Raises
    ------
    FormulaError
        If two columns of the design would have one name.
    """
    labels = list(info.column_names)
    for factor, about in info.factor_infos.items():
        if about.type == "categorical":
            used = [formula.column_of(name) for name in read_expression(factor.code).variables]
            whole = all(columns[name].whole for name in used if name in columns)
            labels = _with_plain_numbers(labels, factor.name(), whole=whole)
    labels = [formula.restore(label) for label in labels]
    twice = next((label for label, times in Counter(labels).items() if times > 1), None)
    if twice is not None:
        msg = (
            f"two columns of the design of {shown(formula.given)} would both be called {twice!r}, "
            f"after a column of obs and after a term; rename the column of obs."
        )
        raise FormulaError(msg)
    return tuple(labels)


def _with_plain_numbers(labels: list[str], factor: str, *, whole: bool) -> list[str]:
    """Levels of a factor without the names of numpy's types: ``[T.2]`` or ``[T.2.5]``."""

    def plain(match: re.Match[str]) -> str:
        value = float(match[2])
        return f"{match[1]}{int(value) if whole else value}]"

    pattern = re.compile(rf"({re.escape(factor)}\[(?:\w+\.)?)np\.float64\((.*?)\)\]")
    return [pattern.sub(plain, label) for label in labels]
