"""Columns of a design that depend on earlier ones, and terms without a column, in words.

A coefficient that the design cannot tell from others is NaN in every gene, and a factor with one
level has no coefficient at all. Both are easy to overlook in a table, so a fit says them.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from nbglm.design.design import Design
from nbglm.design.predictor import LinearPredictor
from nbglm.problem.standard import idle_of_repeated
from nbglm.status import COEF_STATUS

__all__ = [
    "as_combination",
    "combination",
    "lines_about_columns",
    "reasons_of_aliases",
    "terms_without_columns",
]

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

_MOST_SHOWN = 4  # reasons in a line
_ALIASED = COEF_STATUS.index("aliased")
_ROUNDING = 1e-11
_EASILY_READ = 4  # columns in a combination
_MOST_COLUMNS = 200  # of a design in which combinations are looked for
_MOST_ROWS = 20_000  # in which they are looked for; they are tried on all


def combination(weights: FloatArray, terms: tuple[str, ...]) -> str:
    """A linear combination in words.

    Parameters
    ----------
    weights : ndarray, shape (terms,)
    terms : tuple of str

    Returns
    -------
    str

    Examples
    --------
    >>> combination(np.array([-2.0, 1.0]), ("Intercept", "g[T.b]"))
    '-2 Intercept + g[T.b]'
    """
    text = ""
    for weight, term in zip(weights, terms, strict=True):
        if weight == 0.0:
            continue
        sign = ("-" if weight < 0 else "") if not text else (" - " if weight < 0 else " + ")
        size = "" if abs(abs(weight) - 1.0) < 1e-9 else f"{abs(weight):.4g} "
        text += f"{sign}{size}{term}"
    return text


def _combinations(matrix: FloatArray) -> FloatArray:
    """Combinations of columns that are 0 on every row, shape (columns, combinations).

    They are looked for in some of the rows where there are many; those that do not hold on the
    others are left out.
    """
    if not matrix.shape[0]:
        return np.zeros((matrix.shape[1], 0))
    some = matrix[:: -(-matrix.shape[0] // _MOST_ROWS)]
    directions = idle_of_repeated(some)
    if some.shape[0] == matrix.shape[0]:
        return directions
    left = np.abs(matrix @ directions).max(axis=0)
    terms = np.abs(matrix).max(axis=0) @ np.abs(directions)
    return directions[:, left <= _ROUNDING * terms]


def as_combination(predictor: LinearPredictor, rows: BoolArray, term: str) -> str | None:
    """A term as a combination of the others on some rows.

    Parameters
    ----------
    predictor : LinearPredictor
        Its design.
    rows : ndarray of bool, shape (cells,)
    term : str

    Returns
    -------
    str or None
        None if it is none.
    """
    matrix = predictor.matrix[rows]
    size = np.abs(matrix).max(axis=0, initial=0.0)
    if size[predictor.terms.index(term)] == 0.0:
        return f"{term} = 0"
    directions = _combinations(matrix)
    # A direction that moves a column of zeros says nothing of the others.
    useful = directions[:, ~(directions[size == 0.0] != 0.0).any(axis=0)]
    return _first_combination(useful, predictor.terms, term)


def _first_combination(directions: FloatArray, terms: tuple[str, ...], term: str) -> str | None:
    j = terms.index(term)
    for direction in directions.T:
        if direction[j] != 0.0:
            others = np.where(np.arange(direction.size) == j, 0.0, -direction / direction[j])
            return f"{term} = {combination(others, terms)}"
    return None


def _reasons(predictor: LinearPredictor, aliased: BoolArray) -> Iterator[str]:
    """Why each of the aliased columns is, in the order of the design."""
    matrix, terms = predictor.matrix, predictor.terms
    size = np.abs(matrix).max(axis=0, initial=0.0)
    directions = _combinations(matrix) if len(terms) <= _MOST_COLUMNS else np.zeros((len(terms), 0))
    for j in np.flatnonzero(aliased):
        term = terms[j]
        own = directions[:, directions[j] != 0.0]
        others = np.flatnonzero(own[:, 0]).size - 1 if own.shape[1] else 0
        if matrix.shape[0] and size[j] == 0.0:
            yield f"{term} = 0"
        elif matrix.shape[0] and "Intercept" in terms and not np.ptp(matrix[:, j]):
            yield f"{term} = {matrix[0, j]:.4g} on all cells"
        elif 0 < others <= _EASILY_READ:
            yield _first_combination(own, terms, term) or term
        else:
            yield f"{term} (from {others} others)" if others else term


def reasons_of_aliases(design: Design, aliased: BoolArray) -> dict[str, list[str]]:
    """Aliased columns of both designs, each with its reason where that is easily told.

    Parameters
    ----------
    design : Design
        Both designs.
    aliased : ndarray of bool, shape (p + q,)
        Which columns are aliased.

    Returns
    -------
    dict
        For ``mean`` and ``dispersion``, if any are, a list of such as ``b[T.2] = a[T.2]``.
    """
    p = len(design.mean.terms)
    parts = {"mean": (design.mean, aliased[:p]), "dispersion": (design.dispersion, aliased[p:])}
    return {key: list(_reasons(*part)) for key, part in parts.items() if part[1].any()}


def lines_about_columns(
    design: Design, coef_status: NDArray[np.int8], rank_deficient: str
) -> list[str]:
    """What a user should know of the columns of a fit, a line for each component and kind.

    Parameters
    ----------
    design : Design
        Both designs.
    coef_status : ndarray, shape (genes, p + q)
        Codes of the statuses of the coefficients.
    rank_deficient : str
        What was done with aliased columns.

    Returns
    -------
    list of str
    """
    aliased = (coef_status == _ALIASED).any(axis=0)
    what = "coefficients shared out" if rank_deficient == "min_norm" else "coefficients NaN"
    lines = []
    sizes = {"mean": len(design.mean.terms), "dispersion": len(design.dispersion.terms)}
    for key, reasons in reasons_of_aliases(design, aliased).items():
        more = len(reasons) - _MOST_SHOWN
        shown = "; ".join(reasons[:_MOST_SHOWN]) + (f" and {more} more" if more > 0 else "")
        lines.append(f"{len(reasons)} of {sizes[key]} {key} columns aliased ({what}): {shown}")
    without = terms_without_columns(design)
    if without:
        lines.append(f"no column, since they are factors with one level: {', '.join(without)}")
    return lines


def terms_without_columns(design: Design) -> list[str]:
    """Terms that make no column, such as a factor with one level beside an intercept.

    Parameters
    ----------
    design : Design
        Both designs.

    Returns
    -------
    list of str
        Component and term.

    Examples
    --------
    >>> import pandas as pd
    >>> from nbglm.design.design import build_design
    >>> obs = pd.DataFrame({"g": ["a", "a", "a"], "x": [1.0, 2.0, 4.0]})
    >>> terms_without_columns(build_design("~ g + x", obs))
    ['mean g']
    """
    return [
        f"{predictor.key} {term}"
        for predictor in (design.mean, design.dispersion)
        for term, columns in predictor.term_slices.items()
        if columns.start == columns.stop
    ]
