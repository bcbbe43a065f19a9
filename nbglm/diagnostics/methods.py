"""Residuals as methods of results."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd
from numpy.typing import ArrayLike

from nbglm.diagnostics.residuals import residual_table
from nbglm.inference.methods import FitInference
from nbglm.inference.selection import gene_positions
from nbglm.simulate.draws import Seed

__all__ = ["FitDiagnostics"]


@dataclass(frozen=True, repr=False)
class FitDiagnostics(FitInference):
    """:class:`~nbglm.inference.methods.FitInference` with residuals."""

    def residuals(
        self,
        kind: str = "quantile",
        *,
        genes: str | Iterable[str] | ArrayLike | None = None,
        seed: Seed = None,
        n_jobs: int | None = None,
    ) -> pd.DataFrame:
        """Residuals of all counts, cells x genes.

        Parameters
        ----------
        kind : str
            ``"quantile"``: randomised quantile residuals (Dunn and Smyth, 1996), standard normal
            under the true model however small the counts are; what :func:`nbglm.plots.qq` and
            :func:`nbglm.plots.worm` draw. ``"pearson"``: ``(y - mu) / sqrt(mu + mu**2 / r)``.
            ``"deviance"``: signed roots of the parts of the deviance, at the fitted sizes.
            ``"response"``: ``y - mu``, counts.
        genes : str, sequence of str, or array or Series of bool, optional
            Some of the genes, by their names or a mask; all by default. The table is dense: with
            many genes ask for some at a time.
        seed : int, SeedSequence, Generator or None
            Of quantile residuals. Each gene has a random stream of its own, keyed by its name, so
            that a seed gives the same residuals for any `genes` and `n_jobs`; the streams are not
            those of :meth:`sample`.
        n_jobs : int, optional
            Threads, as joblib understands it.

        Returns
        -------
        DataFrame
            Cells x genes. Quantile residuals are finite beyond the range in which probabilities
            are, and random where the fitted mean is 0, as for a gene without a count; other
            residuals are 0 there. Cells of weight 0, which the fit did not see, may have infinite
            ones.

        Raises
        ------
        OptionError
            If the kind is unknown.
        UnknownNameError, AlignmentError
            If a gene is unknown, or a mask does not match the genes.
        UnavailableError
            If counts and cells were dropped.

        Examples
        --------
        >>> import nbglm, numpy as np
        >>> rng = np.random.default_rng(0)
        >>> fit = nbglm.fit_negbin(rng.poisson(0.5, (5000, 2)), "~ 1")
        >>> fit.residuals("quantile", seed=1).std().round(1).tolist()
        [1.0, 1.0]
        """
        positions = gene_positions(self.counts.genes, genes)
        return residual_table(self, positions, kind, seed, n_jobs)

    @property
    def resid_pearson(self) -> pd.DataFrame:
        """Pearson residuals ``(y - mu) / sqrt(mu + mu**2 / r)``, cells x genes.

        0 where the fitted mean is 0, as it is only on cells whose counts are all 0. Cells of
        weight 0 may have an infinite mean; their residual is the limit, ``-sqrt(r)``.
        """
        self.require_data("resid_pearson")
        return self.residuals("pearson")
