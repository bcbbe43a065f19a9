"""Linear predictors as plain trees, and arrays of the shape that they must have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from nbglm.design.columns import Column
from nbglm.design.formula import PreparedFormula
from nbglm.design.predictor import LinearPredictor
from nbglm.design.scope import Scope

__all__ = ["predictor_of_tree", "shaped", "tree_of_predictor"]

Tree = Mapping[str, Any]


def shaped(
    array: object, shape: Sequence[int | None], dtype: DTypeLike = np.float64
) -> NDArray[Any]:
    """An array of this shape, or an error.

    Parameters
    ----------
    array : object
        What came of a file.
    shape : sequence of int or None
        Its lengths; None is any.
    dtype : dtype
        Of the numbers.

    Returns
    -------
    ndarray

    Raises
    ------
    TypeError, ValueError
        If it is something else.
    """
    if not isinstance(array, np.ndarray) or array.ndim != len(shape):
        msg = f"an array of {len(shape)} dimensions is a {type(array).__name__}"
        raise TypeError(msg)
    sizes = zip(array.shape, shape, strict=True)
    if not all(wanted in (None, found) for found, wanted in sizes):
        msg = f"an array has the shape {array.shape} in place of {tuple(shape)}"
        raise ValueError(msg)
    return np.ascontiguousarray(array.astype(dtype, casting="same_kind", copy=False))


def tree_of_predictor(predictor: LinearPredictor) -> Tree:
    """Take a linear predictor apart.

    Parameters
    ----------
    predictor : LinearPredictor
        Of the mean or the dispersion.

    Returns
    -------
    dict
    """
    formula = predictor.formula
    return {
        "formula": formula.given,
        "expanded": formula.expanded,
        "patsy": formula.patsy,
        "alias": formula.prefix,
        "obs_columns": list(formula.columns),
        "response": list(formula.response),
        "columns": [
            {"name": one.name, "kind": one.kind, "levels": list(one.levels), "whole": one.whole}
            for one in predictor.columns.values()
        ],
        "coefficients": list(predictor.terms),
        "terms": [
            {"name": name, "start": where.start, "stop": where.stop, "factors": sorted(factors)}
            for (name, where), factors in zip(
                predictor.term_slices.items(), predictor.term_factors.values(), strict=True
            )
        ],
        "design": predictor.frozen,
        "columns_only": predictor.columns_only,
        "arrays_outside": list(predictor.outside),
        "matrix": predictor.matrix,
    }


def predictor_of_tree(key: str, tree: Tree, scope: Scope) -> LinearPredictor:
    """Put a linear predictor together.

    Parameters
    ----------
    key : str
        ``mean`` or ``dispersion``.
    tree : dict
        What :func:`tree_of_predictor` made.
    scope : Scope
        What its formula may use for new rows.

    Returns
    -------
    LinearPredictor

    Raises
    ------
    ValueError, TypeError, KeyError, IndexError, AttributeError
        If the parts do not belong together.
    """
    formula = PreparedFormula(
        given=str(tree["formula"]),
        expanded=str(tree["expanded"]),
        patsy=str(tree["patsy"]),
        columns=tuple(str(name) for name in tree["obs_columns"]),
        prefix=_alias(tree["alias"]),
        response=tuple(str(name) for name in tree["response"]),
    )
    columns = [
        Column(
            str(one["name"]),
            str(one["kind"]),
            tuple(str(level) for level in one["levels"]),
            bool(one["whole"]),
        )
        for one in tree["columns"]
    ]
    matrix = shaped(tree["matrix"], (None, len(tree["coefficients"])))
    matrix.flags.writeable = False
    return LinearPredictor(
        key=key,
        formula=formula,
        terms=tuple(str(term) for term in tree["coefficients"]),
        term_slices={
            str(term["name"]): slice(int(term["start"]), int(term["stop"]))
            for term in tree["terms"]
        },
        term_factors={
            str(term["name"]): frozenset(str(factor) for factor in term["factors"])
            for term in tree["terms"]
        },
        columns={column.name: column for column in columns},
        matrix=matrix,
        info=None,
        frozen=tree["design"],
        columns_only=bool(tree["columns_only"]),
        outside=tuple(str(name) for name in tree["arrays_outside"]),
    ).in_scope(scope)


def _alias(prefix: object) -> str:
    """How aliases begin: it becomes part of a pattern."""
    if not isinstance(prefix, str) or not prefix.isidentifier():
        msg = "an alias is no name"
        raise ValueError(msg)
    return prefix
