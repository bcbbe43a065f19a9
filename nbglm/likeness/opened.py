"""Tables of the same genes, with the groups of their cells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbglm.counts.table import Counts, read_counts
from nbglm.design.rowvalues import row_values
from nbglm.exceptions import AlignmentError, InputTypeError, NbglmError, OptionError, some_of

__all__ = ["ALL", "Opened", "open_all"]

IntArray = NDArray[np.int64]

ALL = "all"
"""Name of all cells together, among those of groups."""


class Opened(NamedTuple):
    """One table.

    Attributes
    ----------
    name : str
        What it is called.
    counts : Counts
        Its counts.
    genes : ndarray of int
        Positions of the genes of the first table.
    groups : ndarray of int, shape (cells,)
        The group of each cell; all 0 without groups.
    """

    name: str
    counts: Counts
    genes: IntArray
    groups: IntArray


def open_all(data: object, by: object, layer: str | None) -> tuple[list[Opened], list[str]]:
    """Read the tables, and match their genes and groups.

    Parameters
    ----------
    data : mapping of str to table
        What was given.
    by : str or mapping, optional
        Column of obs with groups, or the groups of the cells of each table.
    layer : str, optional
        Layer of AnnData objects.

    Returns
    -------
    tables : list of Opened
        The first one is what the others are compared with.
    groups : list of str
        Names of groups, those of all tables; none without `by`.
    """
    if not isinstance(data, Mapping):
        msg = (
            f"compare_counts takes tables by their names, such as "
            f"{{'real': a, 'simulated': b}}, not a {type(data).__name__}."
        )
        raise InputTypeError(msg)
    if len(data) < 2:
        msg = f"compare_counts compares two tables or more; it was given {len(data)}."
        raise OptionError(msg)
    if isinstance(by, Mapping) and set(by) != set(data):
        msg = f"by= has groups for {some_of(by)}, and there are tables {some_of(data)}."
        raise OptionError(msg)
    names = [str(name) for name in data]
    read = [_read(name, table, layer) for name, table in zip(names, data.values(), strict=True)]
    labels = [_labels(counts, by, name) for counts, name in zip(read, data, strict=True)]
    # As text: the groups of one table may be categories, and those of another words of a file.
    groups = sorted({label for part in labels if part is not None for label in part})
    tables = []
    for name, counts, part in zip(names, read, labels, strict=True):
        codes = np.zeros(counts.n_cells, dtype=np.int64)
        if part is not None:
            codes = pd.Index(groups).get_indexer(part).astype(np.int64)
        tables.append(Opened(name, counts, _genes(names[0], read[0], name, counts), codes))
    return tables, groups


def _read(name: str, table: object, layer: str | None) -> Counts:
    try:
        return read_counts(table, layer=layer)
    except NbglmError as error:
        msg = f"table {name!r}: {error}"
        raise type(error)(msg) from error


def _labels(counts: Counts, by: object, name: str) -> list[str] | None:
    if by is None:
        return None
    given = by[name] if isinstance(by, Mapping) else by
    if not isinstance(by, str | Mapping):
        msg = (
            f"by= takes the name of a column of obs, or {{{name!r}: groups, ...}} for tables "
            f"without one, not a {type(by).__name__}."
        )
        raise InputTypeError(msg)
    try:
        source, values = row_values("by", given, counts.obs)
    except AlignmentError as error:
        msg = f"table {name!r}: {error}"
        raise AlignmentError(msg) from error
    missing = np.asarray(pd.isna(values))
    if missing.any():
        msg = f"table {name!r}: {source} has {missing.sum()} missing values; fill them in (fillna)."
        raise AlignmentError(msg)
    labels = [str(value) for value in values]
    if ALL in labels:
        msg = f"by=: a group is called {ALL!r}, as all cells together are here; rename it."
        raise OptionError(msg)
    return labels


def _genes(first: str, reference: Counts, name: str, counts: Counts) -> IntArray:
    """Where the genes of the first table are in another one."""
    places = counts.genes.get_indexer(reference.genes)
    besides = counts.genes[~counts.genes.isin(reference.genes)]
    for which, other, lacking in (
        (name, first, reference.genes[places < 0]),
        (first, name, besides),
    ):
        if len(lacking):
            msg = (
                f"table {which!r} lacks {len(lacking)} genes of {other!r}: {some_of(lacking)}. "
                f"Choose those that both have, such as a[:, a.var_names.isin(b.var_names)]."
            )
            raise AlignmentError(msg)
    return np.asarray(places, dtype=np.int64)
