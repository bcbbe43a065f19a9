"""Tests of hypotheses for every gene."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from nbglm.counts.genewise import gene_table
from nbglm.design.predictor import build_predictor
from nbglm.design.scope import scope_of_caller
from nbglm.exceptions import InputTypeError, OptionError
from nbglm.fit.planted import without_planted
from nbglm.inference.anova import anova, check_type
from nbglm.inference.estimates import estimates, with_tests
from nbglm.inference.hypotheses import t_test, wald_test
from nbglm.inference.intervals import FitIntervals
from nbglm.inference.levels import check_alpha
from nbglm.inference.marginal import marginal_quantities, pairs_of
from nbglm.inference.overdispersion import overdispersion_tests
from nbglm.inference.pvalues import check_method
from nbglm.inference.quantities import contrast_quantities, row_quantities
from nbglm.inference.scoretest import score_test
from nbglm.inference.statements import check_component, read_hypothesis

__all__ = ["FitInference"]


@dataclass(frozen=True)
class FitInference(FitIntervals):
    """:class:`~nbglm.inference.intervals.FitIntervals` with tests."""

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
        hypothesis : str, sequence of str, mapping, DataFrame or array_like
            A coefficient, a term of the formula (each of its coefficients), a combination in
            patsy's language such as ``"g[T.b] - g[T.c]"`` or ``"x = 1"``, several of these (a
            mapping names them), a DataFrame of weights with coefficients as columns, a matrix
            with a column for each coefficient of the component, or a pair ``(matrix, values)``.
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
            Indexed by gene (by gene and contrast if there are several): estimate (log scale),
            std_err, z, p_value (Wald; likelihood-ratio where the estimate is infinite),
            log_p_value (natural logarithm, finite where p_value underflows to 0), p_adjusted,
            ci_lower, ci_upper, status.

        Raises
        ------
        HypothesisError
            If the hypothesis cannot be read, or can be read in two ways.
        OptionError, InputTypeError
            If another argument is unknown.

        Notes
        -----
        A combination that a gene's informative cells cannot tell is NaN with the status
        ``not_identified``; one that the design cannot tell is ``aliased``. A difference of two
        infinite coefficients can be finite, and is then reported as such.
        """
        check_alpha(alpha)
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
            Indexed by gene: statistic, df (linearly independent combinations that the design can
            tell), p_value (chi-squared), log_p_value, p_adjusted, test and status. ``test`` is
            ``wald``; ``lr`` where an estimate is infinite, which leaves the likelihood ratio as
            the only test; ``none`` where nothing can be tested: status says why.

        Raises
        ------
        HypothesisError
            If the hypothesis cannot be read, contradicts itself, or cannot be tested with this
            design.

        Notes
        -----
        Likelihood ratios of the dispersion are compared with what :func:`nbglm.lr_test` compares
        them with. Wald statistics are not, and for genes that are hardly more variable than Poisson
        counts they are not chi-squared: there use :func:`nbglm.lr_test` or :meth:`anova`.
        """
        return wald_test(self, read_hypothesis(self, hypothesis, component), method)

    def score_test(
        self,
        extra: str,
        component: str = "mean",
        *,
        observed: bool = False,
        method: str = "fdr_bh",
        n_jobs: int | None = None,
        _frames_up: int = 0,
    ) -> pd.DataFrame:
        """Test whether further terms would explain anything, without fitting them.

        Parameters
        ----------
        extra : str
            A formula of the columns of obs, such as ``"~ batch"``; what is in the model already
            adds nothing.
        component : str
            Where the terms would go: ``"mean"`` or ``"dispersion"``.
        observed : bool
            Use the observed information, as statsmodels does by default, in place of the expected.
            It need not be positive definite for terms that are not in the model; NaN if it is not.
        method : str
            Adjustment for the number of genes, as in statsmodels' ``multipletests``.
        n_jobs : int, optional
            As joblib understands it.

        Returns
        -------
        DataFrame
            Indexed by gene: statistic, df, p_value (chi-squared), log_p_value, p_adjusted, status.
            With a robust ``cov_type`` the test is robust in the same way. NaN where the counts
            tell nothing of the new terms.

        Raises
        ------
        FormulaError
            If the formula cannot be used.
        ValueError
            If the component is unknown, or the terms are in the model already.

        Notes
        -----
        For a gene at a limit the test holds the limit: new terms cannot take a cell off it.
        """
        check_component(component)
        check_method(method)
        self.require_data("score_test()")
        self.require_likelihood("score_test()")
        words = "columns" if self.design.mean.columns_only else "caller"
        scope = scope_of_caller(_frames_up, words)
        predictor = build_predictor(component, extra, self.counts.obs, scope)
        return score_test(self, predictor.matrix, component, method, n_jobs, observed=observed)

    def anova(
        self, typ: int = 2, *, method: str = "fdr_bh", n_jobs: int | None = None
    ) -> pd.DataFrame:
        """Likelihood-ratio tests of every term of both formulas.

        Parameters
        ----------
        typ : int
            1: each term against those before it (those of the mean beside a constant size, then
            those of the dispersion). 2: each term against all that do not contain it. 3: each
            term against all others, which depends on how factors are coded.
        method : str
            Adjustment for the number of genes, as in statsmodels' ``multipletests``; made for
            each term by itself.
        n_jobs : int, optional
            As joblib understands it.

        Returns
        -------
        DataFrame
            Indexed by gene, component and term (by gene if there is one term): statistic, df,
            p_value, log_p_value, p_adjusted, reference, status; see :func:`nbglm.lr_test`. Every
            term costs about one fit.

        Raises
        ------
        OptionError
            If the type or the method is unknown.
        """
        check_type(typ)
        check_method(method)
        self.require_data("anova()")
        self.require_likelihood("anova()")
        return anova(self, typ, method, n_jobs)

    def estimate(
        self,
        what: object,
        component: str = "mean",
        *,
        scale: str = "log",
        alpha: float = 0.05,
        offset: object = None,
        size_factors: object = None,
    ) -> pd.DataFrame:
        """Estimate contrasts, or means and sizes of given rows, on a scale that people read.

        Parameters
        ----------
        what : DataFrame, str, sequence of str, mapping or array_like
            Rows of obs, or combinations of coefficients as in :meth:`t_test`.
        component : str
            ``"mean"`` or ``"dispersion"``, where the scale leaves that open.
        scale : str
            ``"log"``: log mean or log size, or a difference of them. ``"response"``: mean (counts)
            or size, or a ratio (such as a fold change). ``"alpha"``: ``1 / r``. ``"cv2"``: squared
            coefficient of variation, ``1 / mu + 1 / r``. ``"var"``: variance, ``mu + mu**2 / r``
            (counts squared). The last two need rows of obs.
        alpha : float
            Significance level of the intervals.
        offset, size_factors : array_like or str, optional
            For rows, as in ``predict``.

        Returns
        -------
        DataFrame
            Indexed by gene (by gene and row or contrast if there are several): estimate, std_err
            (delta method), ci_lower, ci_upper (made on the log scale), status.

        Raises
        ------
        HypothesisError, FormulaError, AlignmentError
            If the contrast or the rows cannot be used.
        ValueError
            If a scale or component is unknown, or does not suit a contrast.
        """
        check_alpha(alpha)
        if isinstance(what, pd.DataFrame):
            quantity = row_quantities(self, what, scale, component, offset, size_factors)
        else:
            if offset is not None or size_factors is not None:
                msg = "offset= and size_factors= go with rows of obs, not with a contrast."
                raise OptionError(msg)
            quantity = contrast_quantities(self, what, scale, component)
        return estimates(self, quantity, scale, alpha)

    def marginal_means(
        self,
        factors: str | Sequence[str],
        component: str = "mean",
        *,
        scale: str = "response",
        at: Mapping[str, object] | None = None,
        pairwise: bool = False,
        alpha: float = 0.05,
        method: str = "fdr_bh",
    ) -> pd.DataFrame:
        """Estimated marginal means, and their pairwise differences, as R's emmeans makes them.

        Linear predictors are averaged with equal weights over all combinations of the levels of
        the other factors, with covariates at their means; the offset is 0 (a size factor of 1).

        Parameters
        ----------
        factors : str or sequence of str
            Columns of obs that the formula uses; each combination of their levels gets a row.
        component : str
            ``"mean"`` or ``"dispersion"``, where the scale leaves that open.
        scale : str
            As in :meth:`estimate`.
        at : mapping, optional
            Values for some columns in place of all levels or the mean: ``{"dose": [0, 1]}``.
        pairwise : bool
            Differences of all pairs of rows in place of the rows; ratios but for ``"log"``.
        alpha : float
            Significance level of the intervals.
        method : str
            Adjustment for the number of genes, for pairwise differences.

        Returns
        -------
        DataFrame
            As from :meth:`estimate`, indexed by gene and factors; with ``pairwise`` by gene and
            contrast, with z, p_value, log_p_value and p_adjusted of the test that two rows are
            equal.

        Raises
        ------
        HypothesisError
            If the formula does not use a column.
        FormulaError
            If `at` has an unknown level.
        ValueError
            If a scale or component is unknown, or has no pairwise differences.
        """
        check_alpha(alpha)
        check_method(method)
        if not isinstance(pairwise, bool | np.bool_):
            msg = f"pairwise= is True or False, not {pairwise!r}; True compares all pairs."
            raise InputTypeError(msg)
        quantity = marginal_quantities(self, factors, scale, component, at)
        if not pairwise:
            return estimates(self, quantity, scale, alpha)
        quantity = pairs_of(quantity, scale)
        table = estimates(self, quantity, scale, alpha)
        return with_tests(self, quantity, table, method)

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
            Indexed by gene: ``score`` and ``score_pvalue`` (standard normal under the null),
            ``lr`` and ``lr_pvalue`` (half the mass at 0, half chi-squared with one degree of
            freedom), natural logarithms of both, ``score_log_pvalue`` and ``lr_log_pvalue``, and
            ``status``. NaN for genes without a count.

        Notes
        -----
        Dean and Lawless (1989) for the score test, Lawless (1987) and Self and Liang (1987) for the
        mixture. Where a gene has few counts trust the likelihood ratio: the score's normal
        approximation needs them.
        """
        self.require_data("overdispersion_test()")
        self.require_likelihood("overdispersion_test()")
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
        return gene_table(self.counts.genes, without_planted(self.arrays, tests))
