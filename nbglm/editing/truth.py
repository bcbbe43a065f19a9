"""What was planted, as tables and words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from nbglm.exceptions import OptionError, some_of

if TYPE_CHECKING:
    from nbglm.inference.tables import FitTables

__all__ = ["edited_lines", "planted_columns", "planted_table", "total_likelihood"]

_MOST_SHOWN = 4  # edits in what a fit prints


def planted_table(tables: FitTables) -> pd.DataFrame:
    """The edited coefficients of a fit: see :attr:`nbglm.NegBinResults.planted`.

    Parameters
    ----------
    tables : FitTables
        The fit.

    Returns
    -------
    DataFrame
        gene, component, term, planted, estimate.
    """
    known = tables.edited
    shape = tables.arrays.coef.shape
    edited = np.zeros(shape, dtype=bool) if known is None else known.edited
    gene, column = np.nonzero(edited)
    names = tables.coef_names[column]
    return pd.DataFrame(
        {
            "gene": tables.gene_names[gene].to_numpy(),
            "component": names.get_level_values("component").to_numpy(),
            "term": names.get_level_values("term").to_numpy(),
            "planted": tables.arrays.coef[gene, column],
            "estimate": (np.zeros(shape) if known is None else known.estimates)[gene, column],
        }
    )


def _as_key(text: str) -> str:
    """A name as the keys of files can be: HDF5 takes ``/`` for a folder."""
    clean = text.replace("/", "|").replace("\0", "\\0")
    return clean.encode("utf-8", "backslashreplace").decode()


def planted_columns(tables: FitTables) -> pd.DataFrame:
    """What the ``var`` of simulated data says of the edits, a row for each gene.

    Parameters
    ----------
    tables : FitTables
        The fit.

    Returns
    -------
    DataFrame
        ``planted``: whether a gene was edited. For each coefficient that was edited in any gene
        ``planted_<term>``, what all genes were drawn with, and ``estimate_<term>``, what it was
        before the edit; ``<term>`` begins with ``dispersion_`` for the log size. A ``/`` in names
        becomes ``|``. Without columns if nothing was edited.

    Raises
    ------
    OptionError
        If two columns would have one name, or the data have such a column already.
    """
    known = tables.edited
    frame = pd.DataFrame(index=tables.gene_names)
    if known is None:
        return frame
    frame["planted"] = known.edited.any(axis=1)
    for column in np.flatnonzero(known.edited.any(axis=0)):
        component, term = tables.coef_names[column]
        name = _as_key(term if component == "mean" else f"dispersion_{term}")
        for begin, values in (("planted", tables.arrays.coef), ("estimate", known.estimates)):
            key = f"{begin}_{name}"
            if key in frame:
                msg = f"two coefficients would be the column {key!r} of var; name terms apart."
                raise OptionError(msg)
            frame[key] = values[:, column]
    taken = frame.columns.intersection(tables.counts.annotations.columns)
    if len(taken):
        msg = (
            f"the var of the data has columns {some_of(taken)} already, which would say what was "
            f"planted; rename them before the fit, for example adata.var.rename(columns="
            f"{{{taken[0]!r}: 'earlier_{taken[0]}'}}, inplace=True)."
        )
        raise OptionError(msg)
    return frame


def edited_lines(tables: FitTables) -> list[str]:
    """What a user should know of the edits of a fit, a line for each.

    Parameters
    ----------
    tables : FitTables
        The fit.

    Returns
    -------
    list of str
        Nothing of a fit as it was made.
    """
    known = tables.edited
    if known is None:
        return []
    said = list(known.edits[-_MOST_SHOWN:])
    earlier = len(known.edits) - len(said)
    lines = [f"edited: {text}" for text in said]
    return [f"edited: {earlier} times before", *lines] if earlier else lines


def total_likelihood(tables: FitTables) -> float:
    """Log-likelihood of all genes together that have one.

    Parameters
    ----------
    tables : FitTables
        The fit.

    Returns
    -------
    float
        NaN if all were edited.
    """
    values = tables.arrays.llf
    known = ~np.isnan(values)
    return float(values[known].sum()) if known.any() else np.nan
