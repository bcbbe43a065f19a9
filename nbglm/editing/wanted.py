"""What a user wants to be changed: new values of the coefficients of all genes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbglm.counts.genewise import Components
from nbglm.design.predictor import LinearPredictor
from nbglm.exceptions import (
    AlignmentError,
    InputTypeError,
    OptionError,
    UnknownNameError,
    did_you_mean,
    some_of,
)
from nbglm.inference.selection import gene_positions, names_of

if TYPE_CHECKING:
    from nbglm.inference.tables import FitTables

__all__ = ["as_numbers", "columns_of_term", "terms_named", "values_of_params"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_EITHER = "a DataFrame, terms x genes, or a mapping such as {('dose', 'Pyy'): 0.5} or {'dose': 0.5}"


def _no_such_term(name: object, predictor: LinearPredictor, other: LinearPredictor) -> str:
    """What may have been meant by a term that is none."""
    known = list(dict.fromkeys((*predictor.terms, *predictor.term_slices)))
    msg = f"the {predictor.key} has no term {name!r}; its coefficients are "
    msg += f"{some_of(predictor.terms, 9)}."
    if name in other.terms or name in other.term_slices:
        key = "beta" if other.key == "mean" else "gamma"
        return f"{msg} It is in the {other.key} (component={other.key!r}, params[{key!r}])."
    return msg + did_you_mean(name, known)


def columns_of_term(tables: FitTables, component: str, name: object) -> IntArray:
    """Which columns of the coefficients a term has.

    Parameters
    ----------
    tables : FitTables
        The fit.
    component : str
        ``mean`` or ``dispersion``.
    name : str
        A coefficient, or a term of the formula.

    Returns
    -------
    ndarray of int
        Positions among ``[beta, gamma]``.

    Raises
    ------
    OptionError
        If there is no such term, or it has no coefficient.
    InputTypeError
        If it is no name.
    """
    mean, size = tables.design.mean, tables.design.dispersion
    here, other, start = (mean, size, 0) if component == "mean" else (size, mean, len(mean.terms))
    if not isinstance(name, str):
        msg = f"a term is named by a string, not by {name!r} ({type(name).__name__})."
        raise InputTypeError(msg)
    if name in here.terms:
        return np.array([start + here.terms.index(name)])
    if name not in here.term_slices:
        raise OptionError(_no_such_term(name, here, other))
    where = here.term_slices[name]
    if where.start == where.stop:
        msg = f"the term {name!r} has no coefficient (a factor with one level has none)."
        raise OptionError(msg)
    return np.arange(start + where.start, start + where.stop)


def as_numbers(what: str, given: Any, genes: pd.Index) -> FloatArray:
    """One number for each of some genes.

    Parameters
    ----------
    what : str
        What they are, for messages.
    given : float, sequence of float, or Series indexed by gene
        One for all, one for each in their order, or by name.
    genes : Index
        Names of the genes.

    Returns
    -------
    ndarray, shape (genes,)

    Raises
    ------
    InputTypeError
        If they are no numbers.
    AlignmentError
        If they do not match the genes.

    Examples
    --------
    >>> as_numbers("add=", 0.5, pd.Index(["Pyy", "Gcg"]))
    array([0.5, 0.5])
    """
    if isinstance(given, pd.Series):
        lacks = genes.difference(given.index, sort=False)
        if len(lacks) or not given.index.is_unique:
            msg = (
                f"{what} is a Series that must have one value for each of the {len(genes)} genes, "
                f"indexed by their names; it lacks {some_of(lacks)}."
                if len(lacks)
                else f"{what} is a Series whose index repeats names."
            )
            raise AlignmentError(msg)
        given = given.loc[genes]
    try:
        values = np.asarray(given)
        sound = values.dtype.kind in "iuf"
    except ValueError:  # a ragged list
        sound = False
    if not sound:
        msg = f"{what} must be a number, or one for each gene, not {given!r:.60}."
        raise InputTypeError(msg)
    if values.ndim and values.shape != (len(genes),):
        msg = f"{what} has the shape {values.shape}; {len(genes)} genes need as many numbers."
        raise AlignmentError(msg)
    return np.array(np.broadcast_to(values, (len(genes),)), dtype=np.float64)


def _from_frame(tables: FitTables, component: str, frame: pd.DataFrame, out: FloatArray) -> None:
    for axis, labels in (("rows", frame.index), ("columns", frame.columns)):
        if not labels.is_unique:
            msg = f"{axis} of params repeat: {some_of(labels[labels.duplicated()].unique())}."
            raise OptionError(msg)
    columns = [columns_of_term(tables, component, name) for name in frame.index]
    several = [str(n) for n, k in zip(frame.index, columns, strict=True) if k.size > 1]
    if several:
        msg = f"rows of params are coefficients; {some_of(several)} has several of them."
        raise OptionError(msg)
    genes = gene_positions(tables.counts.genes, list(frame.columns))
    if not columns or not genes.size:
        return
    odd = [name for name, kind in frame.dtypes.items() if kind.kind not in "iuf"]
    if odd:
        msg = f"params must hold numbers; those of {some_of(odd)} are {frame[odd[0]].dtype}."
        raise InputTypeError(msg)
    out[np.ix_(genes, np.concatenate(columns))] = frame.to_numpy(dtype=np.float64).T


def _from_mapping(
    tables: FitTables, component: str, given: Mapping[Any, Any], out: FloatArray
) -> None:
    for key, value in given.items():
        term, chosen = key if isinstance(key, tuple) and len(key) == 2 else (key, None)
        columns = columns_of_term(tables, component, term)
        if isinstance(chosen, tuple):
            chosen = list(chosen)
        genes = gene_positions(tables.counts.genes, chosen)
        numbers = as_numbers(f"the value of {term!r}", value, tables.counts.genes[genes])
        out[np.ix_(genes, columns)] = numbers[:, None]


def values_of_params(tables: FitTables, params: object) -> FloatArray:
    """Coefficients of all genes, with those that are to be changed.

    Parameters
    ----------
    tables : FitTables
        The fit.
    params : mapping
        ``beta`` and ``gamma``, or one of them: a DataFrame of some coefficients x some genes, or
        a mapping from ``(term, genes)``, or a term alone for all genes, to values.

    Returns
    -------
    ndarray, shape (genes, p + q)

    Raises
    ------
    OptionError, InputTypeError, UnknownNameError, AlignmentError
        If terms, genes or values cannot be read.
    """
    if not isinstance(params, Mapping):
        msg = f"params must map 'beta' and 'gamma', or one of them, to {_EITHER}; it is a "
        msg += f"{type(params).__name__}."
        raise InputTypeError(msg)
    out = tables.arrays.coef.copy()
    known = Components(beta=pd.DataFrame(), gamma=pd.DataFrame())
    for name, given in params.items():
        if name not in known:
            try:
                _ = known[str(name)]
            except UnknownNameError as error:
                raise OptionError(str(error).replace("table", "part of params")) from error
        component = "mean" if name == "beta" else "dispersion"
        if isinstance(given, pd.DataFrame):
            _from_frame(tables, component, given, out)
        elif isinstance(given, Mapping):
            _from_mapping(tables, component, given, out)
        else:
            msg = f"params[{name!r}] must be {_EITHER}, not {type(given).__name__}."
            raise InputTypeError(msg)
    return out


def terms_named(tables: FitTables, component: str, term: object) -> IntArray:
    """Columns of one term or of several, each once.

    Parameters
    ----------
    tables : FitTables
        The fit.
    component : str
        ``mean`` or ``dispersion``.
    term : str or sequence of str
        Coefficients, or terms of the formula.

    Returns
    -------
    ndarray of int

    Raises
    ------
    OptionError, InputTypeError
        If a term is unknown, named twice, or no name.
    """
    names = names_of("term", term)
    if not names:
        msg = "edit() was given no term; name a coefficient or a term of the formula."
        raise OptionError(msg)
    found = [columns_of_term(tables, component, name) for name in names]
    return np.unique(np.concatenate(found))
