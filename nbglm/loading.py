"""What was kept in a file comes back."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from nbglm.design.scope import Scope, columns_scope, scope_of_caller
from nbglm.exceptions import (
    FileError,
    InputTypeError,
    UnknownNameError,
    check_choice,
    some_of,
)
from nbglm.files.annotating import check_anndata, genes_of, places
from nbglm.files.document import KEY, Document, read_document
from nbglm.files.fits import digest_of_counts, fit_of_tree
from nbglm.files.reading import Arrays, open_arrays
from nbglm.inference.dropping import of_genes
from nbglm.inference.methods import FitInference
from nbglm.places import as_path
from nbglm.results import NegBinResults
from nbglm.simulator import NegBinRegressionSimulator

if TYPE_CHECKING:
    from anndata import AnnData

__all__ = ["from_anndata", "load"]


def load(
    path: str | os.PathLike[str],
    *,
    key: str = KEY,
    scope: str | Mapping[str, object] = "columns",
) -> Any:
    """Read what ``save`` has kept in a file; nothing in it is executed.

    Parameters
    ----------
    path : str or PathLike
        An ``.h5ad`` file or a ``.zarr`` folder.
    key : str
        Where in ``uns`` the fit lies.
    scope : str or mapping of str to object
        What formulas may use when they are applied to new rows. ``"columns"``: columns, numbers,
        patsy's functions (``C``, ``bs``, ...) and numpy's elementwise ones (``np.log``, ...). A
        mapping adds names to these: ``{"f": f}`` for a fit with a function of your own.
        ``"caller"``: whatever is known where this is called, as in :func:`nbglm.fit_negbin`; the
        formulas of such a file can do all that a Python program can. What a formula may not use
        costs nothing but predictions for new rows, which say so.

    Returns
    -------
    NegBinResults, NegBinRegressionSimulator or NegBinModelResultsWrapper
        What was saved. All that it says is the same to the last bit; what needs counts says
        so, unless these were saved as well.

    Raises
    ------
    FileError
        If there is no such file, or it is damaged, newer, or of another kind.

    Examples
    --------
    >>> load("not there.h5ad")
    Traceback (most recent call last):
    nbglm.exceptions.FileError: there is no file 'not there.h5ad'.
    """
    names = _scope_of(scope)
    place = as_path(path)
    with open_arrays(place) as arrays, _damage_told(repr(str(place))):
        if not arrays.has(f"uns/{key}/manifest"):
            msg = (
                f"{str(place)!r} holds no fit under uns[{key!r}]. Fits are written by their save() "
                f"and to_anndata(); data to fit go to nbglm.fit_negbin."
            )
            raise FileError(msg)
        kept = read_document(lambda name: arrays(f"uns/{key}/{name}"), repr(str(place)))
        return _object_of(kept, arrays, names)


def from_anndata(
    adata: AnnData, key: str = KEY, *, scope: str | Mapping[str, object] = "columns"
) -> Any:
    """Make a fit of what its ``to_anndata`` has put into an AnnData.

    Parameters
    ----------
    adata : AnnData
        Its genes are matched by name: if it has been cut to some of them, or has them in another
        order, so does the fit.
    key : str
        Where in ``uns`` the fit lies.
    scope : str or mapping of str to object
        What formulas may use for new rows, as in :func:`nbglm.load`.

    Returns
    -------
    NegBinResults
        Without counts: all that needs none is the same to the last bit. Genes of `adata` that were
        not fitted are not in it.

    Raises
    ------
    UnknownNameError
        If there is no fit of this key.
    FileError
        If what is there is damaged, or newer.
    AlignmentError
        If `adata` has no gene of the fit.

    Warns
    -----
    NbglmWarning
        With the genes of the fit that `adata` lacks. P-values are adjusted for those that are left.

    Examples
    --------
    >>> import anndata, nbglm, numpy as np
    >>> adata = anndata.AnnData(np.random.default_rng(1).poisson(2.0, size=(60, 2)))
    >>> fit = nbglm.fit_negbin(adata, "~ 1", progress=False)
    >>> fit.to_anndata(adata)
    >>> bool(nbglm.from_anndata(adata).llf.equals(fit.llf))
    True
    """
    check_anndata(adata, key)
    names = _scope_of(scope)
    held = adata.uns.get(key)
    if not isinstance(held, Mapping) or "manifest" not in held:
        fits = [name for name, part in adata.uns.items() if _is_document(part)]
        msg = f"adata.uns[{key!r}] holds no fit; those that do are {some_of(fits)}."
        raise UnknownNameError(msg)
    what = f"adata.uns[{key!r}]"
    with _damage_told(what):
        kept = read_document(lambda name: np.asarray(held[name]), what)
        if kept.kind != "NegBinResults" or kept.tree["fit"]["without_data"] is None:
            msg = f"it is a {kept.kind} of a file, which nbglm.load reads"
            raise ValueError(msg)
        fit = fit_of_tree(NegBinResults, kept.tree["fit"], names, None)
    where = places(fit.counts.genes, genes_of(adata))
    where = where[where >= 0]
    return fit if np.array_equal(where, np.arange(len(fit))) else of_genes(fit, where)


def _is_document(part: object) -> bool:
    return isinstance(part, Mapping) and "manifest" in part


def _scope_of(scope: str | Mapping[str, object]) -> Scope:
    if isinstance(scope, Mapping):
        odd = [name for name in scope if not isinstance(name, str)]
        if odd:
            msg = f"scope= maps names to functions and values; {odd[0]!r} is no name."
            raise InputTypeError(msg)
        return columns_scope(scope)
    check_choice("scope", scope, ("columns", "caller"))
    return scope_of_caller(1, scope)


@contextmanager
def _damage_told(what: str) -> Iterator[None]:
    """Say of what whatever goes wrong is said."""
    try:
        yield
    except (FileError, InputTypeError):
        raise
    except Exception as error:  # of a damaged file h5py, zarr, json and numpy raise anything
        cause = str(error.args[0] if error.args else error).strip().splitlines() or [""]
        said = cause[0].rstrip(".") or type(error).__name__
        msg = f"{what} is damaged, or was changed by something else than nbglm: {said}."
        raise FileError(msg) from error


def _object_of(kept: Document, arrays: Arrays, scope: Scope) -> Any:
    tree = kept.tree["fit"]
    matrix = _counts(kept.tree, arrays) if tree["without_data"] is None else None
    if kept.kind == "NegBinModelResults":
        from nbglm.single.restoring import restored_results  # and statsmodels, when it is needed

        fit = fit_of_tree(FitInference, tree, scope, matrix)
        return restored_results(fit, kept.tree["response"])
    results = fit_of_tree(NegBinResults, tree, scope, matrix)
    if kept.kind == "NegBinRegressionSimulator":
        return NegBinRegressionSimulator.restored(results, kept.tree["options"])
    if kept.kind != "NegBinResults":
        msg = f"it holds a {kept.kind!r}, which is unknown"
        raise ValueError(msg)
    return results


def _counts(tree: Mapping[str, Any], arrays: Arrays) -> sparse.csc_matrix:
    """The counts of a fit, which are the X of the file."""
    shape = int(tree["fit"]["n_cells"]), len(tree["fit"]["genes"])
    parts = [arrays(f"X/{part}") for part in ("data", "indices", "indptr")]
    if any(part.ndim != 1 for part in parts) or parts[2].size != shape[1] + 1:
        msg = "X does not hold the counts of the fit"
        raise ValueError(msg)
    matrix = sparse.csc_matrix(tuple(parts), shape=shape)
    if digest_of_counts(matrix) != tree["counts"]:
        msg = "X is not what was written"
        raise ValueError(msg)
    return matrix
