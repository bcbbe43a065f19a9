"""A fit is kept in a file."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import sparse

from nbglm.exceptions import UnavailableError
from nbglm.files.document import KEY, document
from nbglm.files.fits import tree_of_fit
from nbglm.files.writing import as_path, marked, write_anndata
from nbglm.inference.dropping import without_data
from nbglm.inference.methods import FitInference

if TYPE_CHECKING:
    from nbglm.counts.table import Counts

__all__ = ["FitFiles", "save_fit"]


@dataclass(frozen=True)
class FitFiles(FitInference):
    """:class:`~nbglm.inference.methods.FitInference` that can be kept in a file."""

    def save(
        self,
        path: str | os.PathLike[str],
        *,
        data: bool = False,
        limit_tests: bool = True,
        overwrite: bool | None = None,
    ) -> None:
        """Keep the fit in a file, which :func:`nbglm.load` reads.

        Parameters
        ----------
        path : str or PathLike
            A name that ends in ``.h5ad`` (one file) or ``.zarr`` (a folder). An AnnData can be
            read from it, whose ``var_names`` are the genes.
        data : bool
            Whether to keep counts and cells, too. Without them the file is small, and what needs
            them says so after loading: see :meth:`nbglm.NegBinResults.without_data`.
        limit_tests : bool
            Whether to make the likelihood-ratio tests of infinite coefficients first, as in
            :meth:`nbglm.NegBinResults.without_data`; with `data` they can be made later.
        overwrite : bool, optional
            Whether to replace what is there. By default an earlier fit is replaced, and anything
            else refused. An earlier file stays whole until the new one is.

        Raises
        ------
        FileError
            If the file cannot be written, or there is another.
        UnavailableError
            If `data` are wanted that were dropped.

        Warns
        -----
        NbglmWarning
            With columns of obs or var that a file cannot keep.

        Examples
        --------
        >>> import nbglm, numpy as np, pathlib, tempfile
        >>> counts = np.random.default_rng(1).poisson(2.0, size=(60, 2))
        >>> fit = nbglm.fit_negbin(counts, "~ 1", progress=False)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder) / "fit.h5ad"
        ...     fit.save(path)
        ...     again = nbglm.load(path)
        >>> again.params["beta"].equals(fit.params["beta"])
        True
        """
        save_fit(
            self,
            path,
            "NegBinResults",
            {},
            data=data,
            limit_tests=limit_tests,
            overwrite=overwrite,
        )


def save_fit(
    fit: FitInference,
    path: str | os.PathLike[str],
    kind: str,
    more: dict[str, Any],
    *,
    data: bool,
    limit_tests: bool,
    overwrite: bool | None,
) -> None:
    """Write a fit, and what else an object of this kind is made of."""
    from anndata import AnnData

    place = as_path(path)
    if data and fit.remains is not None:
        msg = (
            "save(data=True) needs the counts and the cells of the fit, which these results have "
            "dropped (without_data()). Save the fit itself, or leave data=True out."
        )
        raise UnavailableError(msg)
    kept = fit if data else without_data(fit, limit_tests=limit_tests)
    arrays = marked(document(kind, {"fit": tree_of_fit(kept), **more}))
    genes = pd.DataFrame(index=_labels(kept.gene_names))
    cells = pd.DataFrame(index=_labels(kept.counts.cells))
    matrix = matrix_of_counts(kept.counts) if data else None
    write_anndata(AnnData(matrix, cells, genes, uns={KEY: arrays}), place, overwrite=overwrite)


def _labels(names: pd.Index) -> pd.Index:
    return pd.Index([str(name) for name in names], dtype=object)


def matrix_of_counts(counts: Counts) -> sparse.csc_matrix:
    """All counts, by gene, in 32 bits if these suffice."""
    block = counts.block(0, counts.n_genes)
    kind = np.int32 if block.counts.max(initial=0.0) < 2**31 else np.int64
    return sparse.csc_matrix(
        (block.counts.astype(kind), block.cells, block.indptr),
        shape=(counts.n_cells, counts.n_genes),
    )
