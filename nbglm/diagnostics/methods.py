"""Residuals, deviances, influence and tests of fit as methods of results."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd
from numpy.typing import ArrayLike

from nbglm.diagnostics.checks import goodness_of_fit
from nbglm.diagnostics.deviance import deviances
from nbglm.diagnostics.influence import influence_table
from nbglm.diagnostics.residuals import residual_table
from nbglm.inference.methods import FitInference
from nbglm.inference.selection import gene_positions
from nbglm.simulate.draws import Seed

__all__ = ["FitDiagnostics"]


@dataclass(frozen=True, repr=False)
class FitDiagnostics(FitInference):
    """:class:`~nbglm.inference.methods.FitInference` with what tells whether the model is right."""

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

    @property
    def deviance(self) -> pd.Series:
        """Deviance of each gene at its fitted sizes, as ``MASS::glm.nb`` has it.

        Twice the log-likelihood that means equal to the counts would gain, the sum of the squares
        of ``residuals("deviance")``.
        """
        return self._per_gene(deviances(self, null=False), "deviance")

    @property
    def null_deviance(self) -> pd.Series:
        """Deviance of a constant mean, beside the offset, at the same sizes.

        Of the offset alone if the design of the mean cannot make up a constant.
        """
        return self._per_gene(deviances(self, null=True), "null_deviance")

    def leverage(
        self,
        genes: str | Iterable[str] | ArrayLike | None = None,
        *,
        n_jobs: int | None = None,
    ) -> pd.DataFrame:
        """Leverage of each cell on its own fitted mean, cells x genes.

        The generalised leverage of statsmodels' ``MLEInfluence.hat_matrix_diag``: the derivative of
        a fitted mean by its own count.

        Parameters
        ----------
        genes : str, sequence of str, or array or Series of bool, optional
            Some of the genes; all by default.
        n_jobs : int, optional
            Threads, as joblib understands it.

        Returns
        -------
        DataFrame
            Where a gene is at a limit, of what is left to be estimated. NaN for genes that did not
            converge.

        Raises
        ------
        UnavailableError
            With frequency weights, or if counts and cells were dropped.
        """
        positions = gene_positions(self.counts.genes, genes)
        return influence_table(self, positions, "leverage", n_jobs)

    def cooks_distance(
        self,
        genes: str | Iterable[str] | ArrayLike | None = None,
        *,
        n_jobs: int | None = None,
    ) -> pd.DataFrame:
        """Cook's distances, cells x genes: how far all estimates move without a cell.

        To first order, in units of their covariance from the observed information whatever
        ``cov_type`` is, and divided by the number of coefficients, as in statsmodels'
        ``MLEInfluence.cooks_distance``.

        Parameters
        ----------
        genes : str, sequence of str, or array or Series of bool, optional
            Some of the genes; all by default.
        n_jobs : int, optional
            Threads, as joblib understands it.

        Returns
        -------
        DataFrame
            Where a gene is at a limit, of what is left to be estimated. NaN for genes that did not
            converge, and for a cell that has a coefficient to itself.

        Raises
        ------
        UnavailableError
            With frequency weights, or if counts and cells were dropped.

        Examples
        --------
        >>> import nbglm, numpy as np
        >>> counts = np.array([[3], [4], [2], [5], [90], [3]])
        >>> fit = nbglm.fit_negbin(counts, "~ 1")
        >>> int(fit.cooks_distance()["gene_0"].argmax())
        4
        """
        positions = gene_positions(self.counts.genes, genes)
        return influence_table(self, positions, "cooks_distance", n_jobs)

    def goodness_of_fit(
        self,
        tests: str | Iterable[str] | None = None,
        *,
        genes: str | Iterable[str] | ArrayLike | None = None,
        seed: Seed = 0,
        method: str = "fdr_bh",
        n_jobs: int | None = None,
    ) -> pd.DataFrame:
        """Test for each gene what the formulas do not say of its counts.

        Parameters
        ----------
        tests : str or sequence of str, optional
            ``"zeros"``: are there as many zeros as the fit expects? ``"dispersion"``: is Pearson's
            statistic what it should be? ``"uniformity"``: are the randomised integral transforms
            uniform, in ten bins? All three by default.
        genes : str, sequence of str, or array or Series of bool, optional
            Some of the genes, for whose number p-values are then adjusted; all by default.
        seed : int, SeedSequence, Generator or None
            Of the test of uniformity; the same one as in :meth:`residuals`.
        method : str
            Adjustment for the number of genes, as in statsmodels' ``multipletests``; made for each
            test by itself.
        n_jobs : int, optional
            Threads, as joblib understands it.

        Returns
        -------
        DataFrame
            Indexed by gene and test (by gene if there is one test): ``observed`` and ``expected``
            number of zeros, or Pearson's statistic and the number of cells; ``statistic``
            (chi-squared) and ``df``, ``p_value`` (two-sided), ``log_p_value``, ``p_adjusted`` and
            ``status``: NaN and a reason where the fit leaves nothing to test.

        Raises
        ------
        OptionError
            If a test or the method is unknown.
        UnknownNameError, AlignmentError
            If a gene is unknown, or a mask does not match the genes.
        UnavailableError
            If counts and cells were dropped.

        Notes
        -----
        The estimation of the coefficients is allowed for (Tauchen, 1985). Simulated from true
        models in 36 settings of 200 and 1,000 cells, at the level of 5 % the test of uniformity
        rejects 3 to 7 % of 400 genes (a Monte Carlo error is 1 %), that of zeros at most 7.5 %, and
        that of dispersion at most 8.5 %; these two seldom reject anything where there is less than
        a count in three cells, and the former nothing where a zero is rare.
        ``validation/goodness_of_fit.py`` makes these numbers. Cells of one donor are taken for
        independent, whatever ``cov_type`` is.

        Examples
        --------
        >>> import nbglm, numpy as np
        >>> rng = np.random.default_rng(0)
        >>> counts = rng.poisson(4, (500, 2)) * (rng.random((500, 2)) > [0.0, 0.3])
        >>> fit = nbglm.fit_negbin(counts, "~ 1")
        >>> fit.goodness_of_fit("zeros")[["observed", "expected", "p_value"]].round(3)
                observed  expected  p_value
        gene
        gene_0       6.0     9.551    0.227
        gene_1     141.0    97.529    0.000
        """
        positions = gene_positions(self.counts.genes, genes)
        return goodness_of_fit(self, positions, tests, seed, method, n_jobs)
