"""What a fit found goes to the genes of an AnnData: numbers to var and varm, the rest to uns."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbglm.counts.frames import gene_names
from nbglm.exceptions import (
    AlignmentError,
    CountsError,
    InputTypeError,
    NbglmWarning,
    OptionError,
    some_of,
)
from nbglm.files.document import document
from nbglm.files.fits import tree_of_fit
from nbglm.status import COEF_STATUS, GENE_STATUS

if TYPE_CHECKING:
    from anndata import AnnData

    from nbglm.inference.tables import FitTables

__all__ = ["annotate", "arrays_of_fit", "check_anndata", "genes_of", "places", "shown_text"]

IntArray = NDArray[np.int64]


def check_anndata(adata: object, key: object) -> None:
    """Refuse what is no AnnData, and keys that neither HDF5 nor zarr can have.

    Parameters
    ----------
    adata : AnnData
        What was given.
    key : str
        Where a fit lies in its ``uns``.

    Raises
    ------
    InputTypeError, OptionError
        With what was given.
    """
    if not all(hasattr(type(adata), name) for name in ("var_names", "varm", "uns")):
        msg = f"adata must be an AnnData, not {type(adata).__name__}."
        raise InputTypeError(msg)
    if not isinstance(key, str) or not key or "/" in key or key.strip(".") == "":
        msg = f"key={key!r} must be a name without '/', since it names a place in a file."
        raise OptionError(msg)


def genes_of(adata: AnnData) -> pd.Index:
    """Names of the genes of an AnnData, as fits have them.

    Parameters
    ----------
    adata : AnnData
        With or without cells.

    Returns
    -------
    Index of str

    Raises
    ------
    CountsError
        If names repeat.
    """
    genes = gene_names(adata.var_names)
    if not genes.is_unique:
        repeated = genes[genes.duplicated()].unique()
        msg = (
            f"gene names of adata repeat: {some_of(repeated)}. Genes are matched by name; make the "
            f"names unique (adata.var_names_make_unique())."
        )
        raise CountsError(msg)
    return genes


def places(fitted: pd.Index, genes: pd.Index) -> IntArray:
    """Where the genes of an AnnData are in a fit; -1 for those that it does not have.

    Parameters
    ----------
    fitted, genes : Index
        Names of the genes of the fit, and of the AnnData.

    Returns
    -------
    ndarray of int

    Raises
    ------
    AlignmentError
        If they have no gene in common.

    Warns
    -----
    NbglmWarning
        With the genes of the fit that the AnnData lacks.
    """
    where = fitted.get_indexer(genes)
    if not (where >= 0).any():
        msg = (
            f"adata has none of the {len(fitted)} genes of the fit ({some_of(fitted)}); its genes "
            f"are called {some_of(genes)}. Genes are matched by name: set adata.var_names to those "
            f"of the fit."
        )
        raise AlignmentError(msg)
    absent = fitted.difference(genes, sort=False)
    if len(absent):
        msg = (
            f"adata has {len(fitted) - len(absent)} of the {len(fitted)} genes of the fit; it "
            f"lacks {some_of(absent)}."
        )
        warnings.warn(msg, NbglmWarning, stacklevel=3)
    return where


def arrays_of_fit(fit: FitTables, kind: str, more: dict[str, Any]) -> dict[str, Any]:
    """What goes into ``uns``: the fit itself, and the names of its coefficients for people.

    Parameters
    ----------
    fit : FitTables
        The fit.
    kind : str
        Class of the object.
    more : dict
        What else it is made of.

    Returns
    -------
    dict of str to ndarray
    """
    names = [shown_text(f"{component}: {term}") for component, term in fit.coef_names]
    arrays = document(kind, {"fit": tree_of_fit(fit), **more})
    return {**arrays, "coefficients": np.array(names, dtype=object)}


def shown_text(text: object) -> str:
    r"""A text for people, as every file can hold it.

    Parameters
    ----------
    text : object
        Any text.

    Returns
    -------
    str
        The same, with a backslash for what HDF5 or UTF-8 does not have.

    Examples
    --------
    >>> shown_text("a/b"), shown_text("a" + chr(0))
    ('a/b', 'a\\0')
    """
    return str(text).replace("\0", "\\0").encode("utf-8", "backslashreplace").decode()


def annotate(
    adata: AnnData, fit: FitTables, key: str, where: IntArray, *, p_values: bool = True
) -> None:
    """Write what a fit says of each gene into the var and varm of an AnnData.

    Parameters
    ----------
    adata : AnnData
        Changed in place.
    fit : FitTables
        The fit.
    key : str
        Begins all names.
    where : ndarray of int, shape (genes of adata,)
        Positions in the fit; -1 for genes that it does not have, which are missing values.
    p_values : bool
        Whether to write p-values; for coefficients at a limit they may have to be made first.
    """
    there = where >= 0
    codes = np.where(there, fit.arrays.status[where], -1)
    status = pd.Categorical.from_codes(codes, list(GENE_STATUS))
    adata.var[f"{key}_status"] = pd.Series(status, adata.var_names)
    for name, column in (("llf", fit.llf), ("base_mean", fit.base_mean)):
        values = np.where(there, column.to_numpy()[where], np.nan)
        adata.var[f"{key}_{name}"] = pd.Series(values, adata.var_names)
    tables = {"coef": fit.params, "std_err": fit.bse}
    if p_values:
        tables |= {"p_value": fit.pvalues, "log_p_value": fit.log_pvalues}
    for name, parts in tables.items():
        by_gene = np.hstack([parts["beta"].to_numpy().T, parts["gamma"].to_numpy().T])[where]
        by_gene[~there] = np.nan
        adata.varm[f"{key}_{name}"] = by_gene
    adata.varm[f"{key}_coef_status"] = np.where(there[:, None], fit.coef_codes[where], -1)
    adata.uns[key]["coef_status_words"] = np.array(COEF_STATUS, dtype=object)
