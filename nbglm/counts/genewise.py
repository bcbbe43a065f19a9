"""Tables of what was found for every gene, with the genes as their index.

So indexed, a column goes where its genes are: ``adata.var["lfc"] = table["estimate"]``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbglm.exceptions import UnknownNameError, did_you_mean, some_of

__all__ = ["Components", "gene_index", "gene_table", "own_table"]

Table = TypeVar("Table", pd.Series, pd.DataFrame)

GENE = "gene"


_OTHER_NAMES = {
    **dict.fromkeys(("mean", "mu", "log_mean"), "beta"),
    **dict.fromkeys(("dispersion", "size", "alpha", "disp"), "gamma"),
}


class Components(dict[str, pd.DataFrame]):
    """A table for each component, which says what there is if another one is asked for.

    Examples
    --------
    >>> Components(beta=pd.DataFrame(), gamma=pd.DataFrame())["mean"]
    Traceback (most recent call last):
    ...
    nbglm.exceptions.UnknownNameError: there is no table 'mean'; there are 'beta', 'gamma'. Did you
    mean 'beta'?
    """

    def __missing__(self, name: object) -> pd.DataFrame:
        """Raise a KeyError in words."""
        meant = _OTHER_NAMES.get(name) if isinstance(name, str) else None
        hint = f" Did you mean {meant!r}?" if meant in self else did_you_mean(name, self)
        msg = f"there is no table {name!r}; there are {some_of(self, 6)}.{hint}"
        raise UnknownNameError(msg)


def gene_index(genes: pd.Index) -> pd.Index:
    """The index of tables that have one row for each gene.

    Parameters
    ----------
    genes : Index
        Names of the genes.

    Returns
    -------
    Index
        The same names under the name ``gene``; an object of its own, so that whoever renames the
        index of a table renames that one only.

    Examples
    --------
    >>> gene_index(pd.Index(["Pyy", "Gcg"])).name
    'gene'
    """
    return genes.rename(GENE)


def own_table(table: Table) -> Table:
    """A copy of a table, its labels included, which pandas shares even between deep copies.

    Parameters
    ----------
    table : Series or DataFrame
        To be copied.

    Returns
    -------
    Series or DataFrame

    Examples
    --------
    >>> table = pd.Series([1.0], index=["x"])
    >>> own_table(table).index.values is table.index.values
    False
    """
    copy = table.copy()
    for axis in range(copy.ndim):
        labels = copy.axes[axis]
        copy = copy.set_axis(labels.copy(deep=True), axis=axis)
    return copy


def gene_table(
    genes: pd.Index,
    columns: Mapping[str, NDArray[np.generic]],
    labels: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """A table with the same rows for every gene.

    Parameters
    ----------
    genes : Index
        Names of the genes.
    columns : mapping of str to ndarray, shape (genes,) or (genes, rows)
        What was found.
    labels : DataFrame, optional
        What the rows of a gene are called. A label that bears the name of a column, or of the
        index, becomes ``obs_<name>``.

    Returns
    -------
    DataFrame
        Indexed by gene, with the labels as first columns, if a gene has one row; else indexed by
        gene and labels. ``reset_index()`` gives the same columns in both cases.

    Examples
    --------
    >>> genes = pd.Index(["Pyy", "Gcg"])
    >>> labels = pd.DataFrame({"contrast": ["b", "c"]})
    >>> table = gene_table(genes, {"z": np.array([[1.0, 2.0], [3.0, 4.0]])}, labels)
    >>> table.loc[("Gcg", "b"), "z"].item()
    3.0
    >>> gene_table(genes, {"z": np.array([[1.0], [3.0]])}, labels[:1])
         contrast    z
    gene
    Pyy         b  1.0
    Gcg         b  3.0
    """
    values = {name: column.ravel() for name, column in columns.items()}
    if labels is None:
        return pd.DataFrame(values, gene_index(genes))
    taken = {GENE, *columns}
    names = {name: f"obs_{name}" if name in taken else str(name) for name in labels}
    rows = len(labels)
    if rows == 1:
        first = {names[name]: [labels[name].iloc[0]] * len(genes) for name in labels}
        return pd.DataFrame({**first, **values}, gene_index(genes))
    # By codes: the rows stay in order, and no label has to be looked up again for every gene.
    coded = [pd.factorize(labels[name]) for name in labels]
    index = pd.MultiIndex(
        levels=[genes, *(pd.Index(levels) for _, levels in coded)],
        codes=[
            np.repeat(np.arange(len(genes)), rows),
            *(np.tile(codes, len(genes)) for codes, _ in coded),
        ],
        names=[GENE, *names.values()],
    )
    return pd.DataFrame(values, index)
