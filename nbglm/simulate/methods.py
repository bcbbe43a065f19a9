"""Samples as a method of results."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, overload

import pandas as pd

from nbglm.exceptions import InputTypeError
from nbglm.inference.predicting import FitPredictions
from nbglm.places import as_path
from nbglm.simulate.cells import new_cells
from nbglm.simulate.dependence import Dependence
from nbglm.simulate.draws import Seed, seed_entropy
from nbglm.simulate.latent import LatentScores
from nbglm.simulate.samples import sample_in_memory, sample_to_file
from nbglm.simulate.sampling import Sampling

if TYPE_CHECKING:
    from anndata import AnnData

__all__ = ["FitSamples"]


@dataclass(frozen=True, repr=False)
class FitSamples(FitPredictions):
    """:class:`~nbglm.inference.predicting.FitPredictions` with samples."""

    @overload
    def sample(
        self,
        obs: pd.DataFrame | None = ...,
        *,
        n_cells: int | None = ...,
        replicates: int = ...,
        offset: object = ...,
        size_factors: object = ...,
        seed: Seed = ...,
        uncertainty: bool = ...,
        truth: bool = ...,
        copula: Dependence | None = ...,
        out: None = ...,
        n_jobs: int | None = ...,
    ) -> AnnData: ...

    @overload
    def sample(
        self,
        obs: pd.DataFrame | None = ...,
        *,
        n_cells: int | None = ...,
        replicates: int = ...,
        offset: object = ...,
        size_factors: object = ...,
        seed: Seed = ...,
        uncertainty: bool = ...,
        truth: bool = ...,
        copula: Dependence | None = ...,
        out: str | os.PathLike[str],
        n_jobs: int | None = ...,
    ) -> None: ...

    def sample(
        self,
        obs: pd.DataFrame | None = None,
        *,
        n_cells: int | None = None,
        replicates: int = 1,
        offset: object = None,
        size_factors: object = None,
        seed: Seed = None,
        uncertainty: bool = False,
        truth: bool = False,
        copula: Dependence | None = None,
        out: str | os.PathLike[str] | None = None,
        n_jobs: int | None = None,
    ) -> AnnData | None:
        """Draw new counts from the fit.

        Parameters
        ----------
        obs : DataFrame, optional
            New rows; those of the fit by default.
        n_cells : int, optional
            So many cells, whose rows are drawn from `obs` with replacement (in proportion to the
            frequency weights for the rows of the fit); by default each row is one cell.
        replicates : int
            How often these cells are drawn, one replicate after the other.
        offset, size_factors : array_like or str, optional
            As in :meth:`predict`.
        seed : int, SeedSequence, Generator or None
            Each gene has random streams of its own, keyed by its name, so a seed gives the same
            draws for any `n_jobs` and any subset of genes, in memory or in a file; the first
            cells are the same for any number of replicates. A Generator is advanced by four
            integers, a SeedSequence is not changed. None takes fresh entropy.
        uncertainty : bool
            Draw the coefficients of each gene from a normal distribution with their estimated
            covariance (of this :attr:`cov_type`) first, anew for each replicate, so that samples
            differ as repetitions of the experiment might. Limits stay limits.
        truth : bool
            Keep what the counts are drawn from as dense layers ``mean`` (counts) and ``size``.
        copula : GaussianCopula, optional
            Draw the genes of a cell as they depend on each other, by what
            :func:`nbglm.fit_copula` has found of the same genes. The counts of each gene are
            distributed as they are without, which is independently given the covariates. A seed
            draws the same counts of genes for any subset of them and of the copula.
        out : path, optional
            Write the sample to a new file ``.h5ad`` or folder ``.zarr`` in place of returning it;
            some thousand cells are in memory at a time. It appears when it is whole.
        n_jobs : int, optional
            As joblib understands it.

        Returns
        -------
        AnnData or None
            ``X`` is a CSR matrix of integers (32 bits; 64 if a count needs them), beside `obs` and,
            if the fit was of an AnnData, its ``var``; ``uns["nbglm_sample"]`` says what was drawn.
            None with `out`.

        Raises
        ------
        NbglmError
            If a gene did not converge, or has no covariance that `uncertainty` needs.
        ValueError
            If a gene has no finite mean on these rows, or the seed is negative.
        TypeError
            If the seed is of another kind, such as a float.
        AlignmentError
            If the copula is of other genes, or the rows are of groups that it does not know.
        FileError
            If `out` is there already or cannot be written.
        """
        place = None if out is None else as_path(out, "out")
        weights = self.weights if obs is None else None
        of_fit = obs is None
        obs, x, z, total = self._rows(obs, offset, size_factors)
        entropy = seed_entropy(seed)
        cells = new_cells(
            obs, (x, z, total), entropy,
            n_cells=n_cells, replicates=replicates, weights=weights,
        )  # fmt: skip
        latent = None if copula is None else self._latent(copula, obs, of_fit=of_fit)
        sampling = Sampling(self, cells, entropy, uncertainty, truth, n_jobs, latent)
        if place is None:
            return sample_in_memory(sampling)
        sample_to_file(sampling, place)
        return None

    def _latent(self, copula: Dependence, obs: pd.DataFrame, *, of_fit: bool) -> LatentScores:
        if not isinstance(copula, Dependence):
            msg = f"copula= takes what nbglm.fit_copula returns, not {type(copula).__name__}."
            raise InputTypeError(msg)
        copula.check_genes(self.gene_names)
        return LatentScores(copula, copula.groups_of(obs, of_fit=of_fit))
