"""Tests of hypotheses for every gene."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from nbglm.hypotheses import read_hypothesis, t_test, wald_test
from nbglm.intervals import FitIntervals, check_level
from nbglm.overdispersion import overdispersion_tests

__all__ = ["FitInference"]


@dataclass(frozen=True)
class FitInference(FitIntervals):
    """:class:`~nbglm.intervals.FitIntervals` with tests."""

    def t_test(
        self,
        hypothesis: object,
        component: str = "mean",
        *,
        alpha: float = 0.05,
        method: str = "fdr_bh",
    ) -> pd.DataFrame:
        """Estimate and test linear combinations of coefficients, each by itself.

        Parameters
        ----------
        hypothesis : str, sequence of str, mapping or array_like
            A coefficient, a term of the formula (each of its coefficients), a combination in
            patsy's language such as ``"g[T.b] - g[T.c]"`` or ``"x = 1"``, several of these (a
            mapping names them), or a matrix with a column for each coefficient of the component.
        component : str
            ``"mean"`` or ``"dispersion"``.
        alpha : float
            Significance level of the intervals.
        method : str
            Adjustment for the number of genes, as in statsmodels' ``multipletests``; made for
            each contrast by itself.

        Returns
        -------
        DataFrame
            One row a gene and contrast: gene, contrast, estimate (log scale), std_err, z, p_value
            (Wald; likelihood-ratio where the estimate is infinite), p_adjusted, ci_lower,
            ci_upper, status.

        Raises
        ------
        HypothesisError
            If the hypothesis cannot be read.
        ValueError
            If another argument is unknown.

        Notes
        -----
        A combination that a gene's informative cells cannot tell is NaN with the status
        ``not_identified``; one that the design cannot tell is ``aliased``. A difference of two
        infinite coefficients can be finite, and is then reported as such.
        """
        check_level(alpha)
        return t_test(self, read_hypothesis(self, hypothesis, component), alpha, method)

    def wald_test(
        self, hypothesis: object, component: str = "mean", *, method: str = "fdr_bh"
    ) -> pd.DataFrame:
        """Test linear combinations of coefficients together, such as a whole factor.

        Parameters
        ----------
        hypothesis : str, sequence of str, mapping or array_like
            As in :meth:`t_test`; ``"g"`` is the hypothesis that the factor ``g`` has no effect.
        component : str
            ``"mean"`` or ``"dispersion"``.
        method : str
            Adjustment for the number of genes, as in statsmodels' ``multipletests``.

        Returns
        -------
        DataFrame
            One row a gene: statistic, df (linearly independent combinations that the design can
            tell), p_value (chi-squared), p_adjusted, test and status. ``test`` is ``wald``; ``lr``
            where an estimate is infinite, which leaves the likelihood ratio as the only test;
            ``none`` where nothing can be tested.

        Raises
        ------
        HypothesisError
            If the hypothesis cannot be read, or not be tested with this design.
        """
        return wald_test(self, read_hypothesis(self, hypothesis, component), method)

    def overdispersion_test(self, *, n_jobs: int | None = None) -> pd.DataFrame:
        """Test for each gene whether the Poisson would do.

        The null hypothesis is the Poisson with the mean of this fit, the alternative one size
        ``r`` for all cells, whatever the dispersion formula; both tests are one-sided.

        Parameters
        ----------
        n_jobs : int, optional
            As joblib understands it.

        Returns
        -------
        DataFrame
            One row a gene: ``score`` and ``score_pvalue`` (standard normal under the null),
            ``lr`` and ``lr_pvalue`` (half the mass at 0, half chi-squared with one degree of
            freedom). NaN for genes without a count.

        Notes
        -----
        Dean and Lawless (1989) for the score test, Lawless (1987) and Self and Liang (1987) for the
        mixture. Where a gene has few counts trust the likelihood ratio: the score's normal
        approximation needs them.
        """
        z = self.design.dispersion.matrix
        constant = z.shape[1] == 1 and bool(np.all(z == z[0]) and z[0, 0] > 0.0)
        tests = overdispersion_tests(
            self.counts,
            self.design.mean.matrix,
            self.design.offset,
            self.weights,
            constant=self.arrays if constant else None,
            n_jobs=n_jobs,
        )
        return pd.DataFrame(tests, self.gene_names)
