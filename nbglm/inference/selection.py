"""Which genes and which terms: names and masks become positions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbglm.exceptions import (
    AlignmentError,
    InputTypeError,
    OptionError,
    UnknownNameError,
    did_you_mean,
    some_of,
)

__all__ = ["gene_position", "gene_positions", "names_of", "term_positions"]

IntArray = NDArray[np.int64]


def names_of(what: str, given: object) -> list[Any]:
    """A name, or several, as a list without repetitions.

    Parameters
    ----------
    what : str
        Name of the argument.
    given : str or sequence of str
        The names.

    Returns
    -------
    list

    Raises
    ------
    InputTypeError
        If it is neither a name nor a sequence of names.
    OptionError
        If a name is there twice.

    Examples
    --------
    >>> names_of("terms", "x"), names_of("terms", ["x", "g[T.b]"])
    (['x'], ['x', 'g[T.b]'])
    """
    if isinstance(given, str):
        return [given]
    if not isinstance(given, Iterable) or isinstance(given, bytes | Mapping | pd.DataFrame):
        msg = f"{what}= takes a name or a list of names; it was given a {type(given).__name__}."
        raise InputTypeError(msg)
    names = list(given)
    odd = [name for name in names if not isinstance(name, str)]
    if odd:
        msg = f"{what}= takes names, which are strings, not {odd[0]!r} ({type(odd[0]).__name__})."
        raise InputTypeError(msg)
    twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if twice:
        msg = f"{what}= names {some_of(twice)} more than once."
        raise OptionError(msg)
    return names


def gene_position(genes: pd.Index, name: object) -> int:
    """Number of a gene.

    Parameters
    ----------
    genes : Index
        Names of all genes.
    name : str
        The gene.

    Returns
    -------
    int

    Raises
    ------
    UnknownNameError
        If there is no such gene.
    InputTypeError
        If it is not chosen by its name.

    Examples
    --------
    >>> gene_position(pd.Index(["Pyy", "Gcg"]), "Gcg")
    1
    """
    if isinstance(name, str) and name in genes:
        return int(genes.get_loc(name))
    number = isinstance(name, int | np.integer) and not isinstance(name, bool)
    if not isinstance(name, str) and not number:
        msg = f"a gene is chosen by its name, a string, not by {name!r} ({type(name).__name__})."
        raise InputTypeError(msg)
    msg = f"there is no gene {name!r} among the {len(genes)} of this fit."
    if number and -len(genes) <= name < len(genes):  # type: ignore[operator]
        msg += f" Genes are chosen by name; the one at position {name} is {genes[name]!r}."
    raise UnknownNameError(msg + did_you_mean(name, genes))


def gene_positions(genes: pd.Index, chosen: object) -> IntArray:
    """Numbers of some genes.

    Parameters
    ----------
    genes : Index
        Names of all genes.
    chosen : str, sequence of str, array or Series of bool, or None
        Names, or which genes: an array in their order, a Series indexed by their names. None is
        all of them.

    Returns
    -------
    ndarray of int

    Raises
    ------
    UnknownNameError
        If there is no such gene.
    InputTypeError, OptionError
        If names are no strings, or repeat.
    AlignmentError
        If a mask does not match the genes.

    Examples
    --------
    >>> gene_positions(pd.Index(["Pyy", "Gcg"]), np.array([False, True]))
    array([1])
    """
    if chosen is None:
        return np.arange(len(genes))
    if isinstance(chosen, pd.Series) and pd.api.types.is_bool_dtype(chosen):
        if chosen.index.equals(genes):
            return np.flatnonzero(chosen.to_numpy(dtype=bool))
        if chosen.index.is_unique and set(chosen.index) == set(genes):
            return np.flatnonzero(chosen.reindex(genes).to_numpy(dtype=bool))
        msg = (
            f"genes= is a Series of bool whose index are not the {len(genes)} genes of this fit; "
            f"index it by them, or pass an array in their order."
        )
        raise AlignmentError(msg)
    mask = np.asarray(chosen) if isinstance(chosen, list | np.ndarray | pd.Index) else None
    if mask is not None and mask.dtype == bool:
        if mask.shape != (len(genes),):
            msg = f"genes= is a mask of shape {mask.shape}; this fit has {len(genes)} genes."
            raise AlignmentError(msg)
        return np.flatnonzero(mask)
    if isinstance(chosen, str):
        return np.array([gene_position(genes, chosen)])
    if isinstance(chosen, Iterable) and not isinstance(chosen, Mapping | pd.DataFrame):
        chosen = list(chosen)
        number = next((one for one in chosen if not isinstance(one, str)), None)
        if number is not None:
            gene_position(genes, number)  # says which gene is there
    names = names_of("genes", chosen)
    return np.array([gene_position(genes, name) for name in names], dtype=np.int64)


def term_positions(
    coefs: pd.MultiIndex, slices: Mapping[str, list[int]], chosen: object
) -> IntArray:
    """Numbers of some coefficients, of either component.

    Parameters
    ----------
    coefs : MultiIndex
        ``(component, coefficient)`` of all.
    slices : mapping of str to list of int
        The coefficients of each term of the formulas.
    chosen : str, sequence of str, or None
        Names of coefficients, or of terms with several; None is all of them.

    Returns
    -------
    ndarray of int
        In the order of the designs.

    Raises
    ------
    OptionError
        If a name is unknown, or there twice.
    InputTypeError
        If it is no name.
    """
    known = coefs.get_level_values("term")
    if chosen is None:
        return np.arange(len(known))
    found: set[int] = set()
    for name in names_of("terms", chosen):
        here = np.flatnonzero(known == name).tolist() or slices.get(name, [])
        if not here:
            bare = name.removeprefix("dispersion-")
            hint = (
                f" Terms of both components are named alike: {bare!r}."
                if bare != name and bare in known
                else did_you_mean(name, [*known, *slices])
            )
            msg = f"there is no term {name!r}; the terms are {some_of(known.unique(), 9)}."
            raise OptionError(msg + hint)
        found.update(here)
    return np.array(sorted(found), dtype=np.int64)
