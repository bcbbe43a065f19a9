"""The factors of a design: how many levels they have, and what its columns are called."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import pandas as pd
import patsy

from nbglm.columns import ID_LIKE_FROM, Column
from nbglm.exceptions import FormulaError
from nbglm.expressions import read_expression
from nbglm.formula import PreparedFormula
from nbglm.notation import shown
from nbglm.reading.memory import available_memory, written

__all__ = ["design_labels", "refuse_levels_of_cells", "refuse_too_many_levels"]


def refuse_too_many_levels(
    key: str,
    formula: PreparedFormula,
    codes: Iterable[str],
    data: Mapping[str, object],
    rows: int,
) -> None:
    """Refuse a factor whose contrasts and columns would not fit into memory.

    Parameters
    ----------
    key : str
        ``mean`` or ``dispersion``.
    formula : PreparedFormula
        The formula.
    codes : iterable of str
        Its factors.
    data : mapping
        Columns under the names that patsy knows.
    rows : int
        Number of rows.

    Raises
    ------
    FormulaError
        With the factor and what it would take.
    """
    for name, levels in _levels(codes, data):
        what = f"{formula.restore(name)!r} in the {key} formula {shown(formula.given)} has"
        if levels == rows >= ID_LIKE_FROM:
            raise _level_of_each_cell(what, rows)
        size, free = 8.0 * levels * max(levels, rows), available_memory()
        if free is not None and size > free:
            msg = (
                f"{what} {levels:,} levels, which would take {written(size)} of the "
                f"{written(free)} that are free; merge levels, or leave it out."
            )
            raise FormulaError(msg)


def _levels(codes: Iterable[str], data: Mapping[str, object]) -> Iterator[tuple[str, int]]:
    """Factors that can be told before patsy looks at the data, and how many levels they have."""
    for code in codes:
        for node in ast.walk(read_expression(code).tree):
            if isinstance(node, ast.Name) and isinstance(data.get(node.id), pd.Categorical):
                yield node.id, len(data[node.id].categories)  # type: ignore[attr-defined]
            match node:
                case ast.Call(func=ast.Name(id="C"), args=[ast.Name(id=name), *_]):
                    values = data.get(name)
                    if isinstance(values, np.ndarray):
                        yield ast.unparse(node), np.unique(values).size


def _level_of_each_cell(what: str, rows: int) -> FormulaError:
    return FormulaError(
        f"{what} a different level in each of the {rows} cells, and explains nothing; use the "
        f"numbers themselves, or fewer levels."
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
            name = formula.restore(factor.name())
            what = f"{name!r} in the {key} formula {shown(formula.given)} has"
            raise _level_of_each_cell(what, rows)


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
