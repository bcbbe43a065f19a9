"""A fit is kept in a file."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import sparse

from nbglm.exceptions import UnavailableError
from nbglm.files.annotating import (
    annotate,
    arrays_of_fit,
    check_anndata,
    genes_of,
    places,
    shown_text,
)
from nbglm.files.document import KEY
from nbglm.files.fits import digest_of_counts
from nbglm.files.writing import marked, write_anndata
from nbglm.inference.dropping import without_data
from nbglm.inference.methods import FitInference
from nbglm.places import as_path

if TYPE_CHECKING:
    from anndata import AnnData

    from nbglm.counts.table import Counts

__all__ = ["FitFiles", "save_fit"]

_KIND = "NegBinResults"


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
        save_fit(self, path, _KIND, {}, data=data, limit_tests=limit_tests, overwrite=overwrite)

    def to_anndata(
        self, adata: AnnData, key: str = KEY, *, limit_tests: bool = True, copy: bool = False
    ) -> AnnData | None:
        """Put the fit into an AnnData, beside the genes that it is of.

        What is written can be kept by ``write_h5ad`` and ``write_zarr``, and
        :func:`nbglm.from_anndata` makes the fit of it again, also of some of the genes in
        another order. Genes are matched by name; those that were not fitted get missing values.

        Parameters
        ----------
        adata : AnnData
            The data of the fit, or others with some of its genes. Changed in place, as scanpy's
            tools do.
        key : str
            Where in ``uns`` the fit goes; it begins all other names.
        limit_tests : bool
            Whether to make the likelihood-ratio tests of infinite coefficients now; without them
            no p-values are written, and none can be had of the fit that comes back.
        copy : bool
            Whether to leave `adata` as it is, and return a changed copy.

        Returns
        -------
        AnnData or None
            None unless `copy`.

            ``var["nbglm_status"]``, ``var["nbglm_llf"]``, ``var["nbglm_base_mean"]``
                Status, log-likelihood and mean count of each gene.
            ``varm["nbglm_coef"]``, and ``..._std_err``, ``..._p_value``, ``..._log_p_value``
                Coefficients (log scale) and their inference, genes x coefficients; natural
                logarithms of p-values.
            ``varm["nbglm_coef_status"]``
                Positions in ``uns["nbglm"]["coef_status_words"]``; -1 for genes without a fit.
            ``uns["nbglm"]``
                The fit, without counts, in the format of :meth:`save`; ``"coefficients"`` are the
                names of the columns.

        Raises
        ------
        AlignmentError
            If `adata` has no gene of the fit.
        CountsError
            If names of its genes repeat.

        Warns
        -----
        NbglmWarning
            With the genes of the fit that `adata` lacks.

        Examples
        --------
        >>> import anndata, nbglm, numpy as np
        >>> adata = anndata.AnnData(np.random.default_rng(1).poisson(2.0, size=(60, 2)))
        >>> fit = nbglm.fit_negbin(adata, "~ 1", progress=False)
        >>> fit.to_anndata(adata)
        >>> adata.varm["nbglm_coef"].shape, list(adata.uns["nbglm"]["coefficients"])
        ((2, 2), ['mean: Intercept', 'dispersion: Intercept'])
        """
        check_anndata(adata, key)
        where = places(self.counts.genes, genes_of(adata))
        kept = without_data(self, limit_tests=limit_tests)
        adata = adata.copy() if copy else adata
        adata.uns[key] = arrays_of_fit(kept, _KIND, {})
        annotate(adata, kept, key, where, p_values=limit_tests)
        return adata if copy else None


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
    genes = pd.DataFrame(index=_labels(kept.gene_names))
    cells = pd.DataFrame(index=_labels(kept.counts.cells))
    matrix = _matrix_of_counts(kept.counts) if data else None
    if matrix is not None:
        more = {**more, "counts": digest_of_counts(matrix)}
    adata = AnnData(matrix, cells, genes, uns={KEY: marked(arrays_of_fit(kept, kind, more))})
    known = kept.remains is not None and kept.remains.limit_tests is not None
    annotate(adata, kept, KEY, np.arange(len(genes)), p_values=known)
    write_anndata(adata, place, overwrite=overwrite)


def _labels(names: pd.Index) -> pd.Index:
    return pd.Index([shown_text(name) for name in names], dtype=object)


def _matrix_of_counts(counts: Counts) -> sparse.csc_matrix:
    """All counts, by gene, in 32 bits if these suffice."""
    block = counts.block(0, counts.n_genes)
    kind = np.int32 if block.counts.max(initial=0.0) < 2**31 else np.int64
    return sparse.csc_matrix(
        (block.counts.astype(kind), block.cells, block.indptr),
        shape=(counts.n_cells, counts.n_genes),
    )
