"""Tests of one response in statsmodels' form, with what the package knows of limits.

statsmodels multiplies covariances by contrasts, so that one coefficient without a standard error
leaves none for any other. Here a contrast is estimated by itself, as for many genes.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from statsmodels.base.model import LikelihoodModelResults
from statsmodels.stats.contrast import ContrastResults, WaldTestResults

from nbglm.design.predictor import matrix_predictor
from nbglm.exceptions import (
    AlignmentError,
    HypothesisError,
    OptionError,
    UnavailableError,
    did_you_mean,
    some_of,
)
from nbglm.inference.hypotheses import combinations_of, contrast_tests, wald_test
from nbglm.inference.statements import Hypothesis, read_hypothesis, read_rows
from nbglm.single.likelihood import PREFIX
from nbglm.single.scores import ScoreTests

__all__ = ["Tests"]

FloatArray = NDArray[np.float64]


class Tests(ScoreTests):
    """The tests of :class:`~nbglm.single.results.NegBinModelResults`."""

    __test__ = False  # no class of tests of the package itself

    def _term_rows(self) -> dict[str, FloatArray]:
        """Rows that pick the coefficients of each term of both formulas."""
        design = self._tables.design
        p, identity = len(design.mean.terms), np.eye(len(np.asarray(self.params)))
        rows = {name: identity[:p][where] for name, where in design.mean.term_slices.items()}
        return rows | {
            PREFIX + name: identity[p:][where]
            for name, where in design.dispersion.term_slices.items()
        }

    def _hypothesis(self, written: Any, component: str | None) -> Hypothesis:
        """Combinations of all coefficients, or of those of one component by their plain names."""
        if component is not None:
            return read_hypothesis(self._tables, written, component)
        design, names = self._tables.design, [str(name) for name in self.model.data.xnames]
        p = len(design.mean.terms)
        slices = dict(design.mean.term_slices) | {
            PREFIX + name: slice(p + where.start, p + where.stop)
            for name, where in design.dispersion.term_slices.items()
        }
        everything = matrix_predictor("model", np.zeros((0, len(names))), names)
        nothing = matrix_predictor("model", np.zeros((0, 0)), ())
        return read_rows(replace(everything, term_slices=slices), nothing, written)

    def _plain(
        self, hypothesis: Hypothesis, cov_p: Any = None
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Estimates, errors and covariance of combinations, from those of the coefficients.

        NaN for combinations of coefficients that are not finite, or have no error.
        """
        params = np.asarray(self.params, dtype=np.float64)
        cov = self.cov_params_default if cov_p is None else np.asarray(cov_p, dtype=np.float64)
        if cov.shape != 2 * params.shape:
            msg = f"cov_p has the shape {cov.shape}; there are {params.size} coefficients."
            raise AlignmentError(msg)
        known = np.isfinite(np.diag(cov)) & np.isfinite(params)
        rows = np.where(known, hypothesis.matrix, 0.0)
        lacking = (np.where(known, 0.0, hypothesis.matrix) != 0.0).any(axis=1)
        covariance = rows @ np.where(np.outer(known, known), cov, 0.0) @ rows.T
        covariance[lacking] = covariance[:, lacking] = np.nan
        estimate = rows @ np.where(known, params, 0.0)
        estimate[lacking] = np.nan
        return estimate, np.sqrt(np.diag(covariance)), covariance

    def t_test(
        self,
        r_matrix: Any,
        cov_p: Any = None,
        use_t: bool | None = None,
        *,
        component: str | None = None,
    ) -> Any:
        """Test linear combinations of coefficients, each by itself.

        Parameters
        ----------
        r_matrix : str, array_like or tuple
            As in statsmodels: ``"x = 0"``, ``"g[T.b] = g[T.c], dispersion-x"``, a matrix with a
            column for each coefficient, or a matrix and its values. The name of a term stands for
            all its coefficients.
        cov_p : array_like, optional
            Another covariance of the coefficients.
        use_t : bool, optional
            Whether to refer to Student's t, by default as the fit does: then with the degrees of
            freedom of each combination. For a fit that refers to the normal distribution they are
            ``df_resid``.
        component : str, optional
            ``"mean"`` or ``"dispersion"``, for coefficients by their names without a prefix, as
            in :meth:`nbglm.NegBinResults.t_test`.

        Returns
        -------
        statsmodels.stats.contrast.ContrastResults
            An infinite combination has the p-value of its likelihood ratio, one of which the
            counts or the covariance say nothing has NaN.

        Raises
        ------
        HypothesisError
            If the hypothesis cannot be read.
        """
        hypothesis = self._hypothesis(r_matrix, component)
        if cov_p is None:
            found = combinations_of(self._tables, hypothesis.matrix)
            effect, error = found.estimate[0].copy(), found.std_err[0].copy()
            tests = contrast_tests(self._tables, hypothesis, found)
            statistic, tail = tests[0][0], tests[1].p[0]
            infinite = np.isinf(effect)
        else:
            effect, error, _ = self._plain(hypothesis, cov_p)
            with np.errstate(divide="ignore", invalid="ignore"):
                statistic = (effect - hypothesis.constants) / error
            infinite, tail = np.zeros(effect.size, dtype=bool), statistic
        if effect.size == 1:  # as statsmodels has it
            statistic, error = statistic[:, None], error[:, None]
        if self._tables.use_t if use_t is None else use_t:
            own = self._tables.use_t and cov_p is None
            degrees = (
                self._tables.covariances.degrees(hypothesis.matrix)[0] if own else self.df_resid
            )
            if effect.size == 1 and own:
                degrees = float(degrees[0])
            result = ContrastResults(effect=effect, t=statistic, sd=error, df_denom=degrees)
        else:
            result = ContrastResults(
                effect=effect,
                statistic=statistic,
                sd=error,
                df_denom=self.df_resid,
                distribution="norm",
            )
        pvalue = np.where(infinite, tail, np.atleast_1d(result.pvalue))
        result.pvalue = np.squeeze(pvalue)
        return result

    def wald_test(
        self,
        r_matrix: Any,
        cov_p: Any = None,
        invcov: Any = None,
        use_f: bool | None = None,
        df_constraints: int | None = None,
        scalar: bool = True,
        *,
        component: str | None = None,
    ) -> Any:
        """Test linear combinations of coefficients together.

        Parameters
        ----------
        r_matrix : str, array_like or tuple
            As in :meth:`t_test`.
        cov_p, invcov : array_like, optional
            Another covariance of the coefficients, or the inverse one of the combinations.
        use_f : bool, optional
            Whether to refer to F, by default as the fit does: then with the degrees of freedom of
            the combinations together. For a fit that refers to chi-squared they are ``df_resid``.
        df_constraints : int, optional
            Degrees of freedom, in place of the number of independent combinations.
        scalar : bool
            Whether the statistic is a number, or an array as in older versions of statsmodels.
        component : str, optional
            As in :meth:`t_test`.

        Returns
        -------
        statsmodels.stats.contrast.ContrastResults
            From a likelihood ratio if an estimate is infinite; NaN if nothing can be tested.

        Raises
        ------
        HypothesisError
            If the hypothesis cannot be read, or the design cannot tell of it.
        """
        hypothesis = self._hypothesis(r_matrix, component)
        if cov_p is None and invcov is None:
            table = wald_test(self._tables, hypothesis, "fdr_bh").iloc[0]
            statistic, df = float(table["statistic"]), int(table["df"])
            if self._tables.use_t and table["test"] != "lr":
                denominator = float(table["df_denom"])
                if use_f is None or use_f:
                    return ContrastResults(F=statistic, df_denom=denominator, df_num=df)
                statistic *= df  # chi-squared, from the F that it was scaled to
                if self._tables.covariances.moments is not None:
                    statistic *= (denominator + df - 1.0) / denominator
        else:
            estimate, _, covariance = self._plain(hypothesis, cov_p)
            distance = estimate - hypothesis.constants
            df = int(np.linalg.matrix_rank(hypothesis.matrix))
            if invcov is not None:
                inverse = np.asarray(invcov, dtype=np.float64)
            elif np.isfinite(covariance).all():
                inverse = np.asarray(np.linalg.pinv(covariance))
            else:
                inverse = np.full_like(covariance, np.nan)
            statistic = float(distance @ inverse @ distance)
        df = df if df_constraints is None else df_constraints
        value = statistic if scalar else np.array([[statistic]])
        if use_f:
            share = value / df if df else np.nan
            return ContrastResults(F=share, df_denom=self.df_resid, df_num=df)
        result = ContrastResults(
            chi2=value, df_denom=df, statistic=value, distribution="chi2", distargs=(df,)
        )
        if not df:
            result.pvalue = np.array(np.nan)
        return result

    def wald_test_terms(
        self,
        skip_single: bool = False,
        extra_constraints: list[tuple[str, FloatArray]] | None = None,
        combine_terms: list[str] | None = None,
        scalar: bool = True,
    ) -> Any:
        """Wald tests of the terms of both formulas.

        Parameters
        ----------
        skip_single : bool
            Leave out terms with one coefficient.
        extra_constraints : list of (name, matrix), optional
            Further tests.
        combine_terms : list of str, optional
            Test all terms together whose names contain one of these.
        scalar : bool
            As in statsmodels.

        Returns
        -------
        statsmodels WaldTestResults
            NaN for terms of which the counts, the covariance or the design say nothing.

        Raises
        ------
        OptionError
            If no term contains a word of `combine_terms`.
        """
        terms = self._term_rows()
        chosen = [(name, rows) for name, rows in terms.items() if len(rows) > 1 or not skip_single]
        for key in combine_terms or []:
            together = [rows for name, rows in terms.items() if key in name]
            if not together:
                msg = f"no term contains {key!r}; the terms are {some_of(terms, 9)}."
                raise OptionError(msg + did_you_mean(key, terms))
            chosen.append((key, np.vstack(together)))
        chosen += extra_constraints or []
        table = pd.DataFrame(
            [self._term_test(rows, scalar=scalar) for _, rows in chosen],
            index=[name for name, _ in chosen],
            columns=["statistic", "pvalue", "df_constraint", "df_denom"],
        )
        kind = "F" if self._tables.use_t else "chi2"
        if kind == "chi2":
            table = table.drop(columns="df_denom")
        result = WaldTestResults(None, kind, None, table=table)
        result.temp = chosen
        return result

    def _term_test(self, rows: FloatArray, *, scalar: bool) -> tuple[Any, Any, int, float]:
        try:
            test = self.wald_test(rows, scalar=scalar)
        except HypothesisError:
            # Aliased as a whole: a line of a table, not an error.
            return np.nan, np.nan, 0, np.nan
        if test.distribution == "F":
            return test.statistic, test.pvalue, int(test.df_num), float(test.df_denom)
        return test.statistic, test.pvalue, int(test.df_denom), np.inf

    def t_test_pairwise(
        self,
        term_name: str,
        method: str = "hs",
        alpha: float = 0.05,
        factor_labels: list[str] | None = None,
    ) -> Any:
        """Compare all pairs of levels of a factor of the mean, as in statsmodels.

        Parameters
        ----------
        term_name : str
            Name of the term, such as ``"C(g)"``.
        method : str
            Adjustment for the number of pairs.
        alpha : float
            Significance level.
        factor_labels : list of str, optional
            Names of the levels.

        Returns
        -------
        statsmodels MultiCompResult

        Raises
        ------
        HypothesisError
            If there is no such factor.
        """
        specification = getattr(self.model.data, "model_spec", None)
        if specification is None:
            msg = "pairs of levels need a model with formulas; see NegBinModel.from_formula."
            raise UnavailableError(msg)
        mean = self._tables.design.mean
        factors = [name for name, where in mean.term_slices.items() if name != "Intercept"]
        if term_name not in factors:
            msg = f"there is no factor {term_name!r} in the mean; its terms are {some_of(factors)}."
            raise HypothesisError(msg + did_you_mean(term_name, factors))
        try:
            return LikelihoodModelResults.t_test_pairwise(
                self, term_name, method=method, alpha=alpha, factor_labels=factor_labels
            )
        except (ValueError, AttributeError, KeyError, TypeError) as error:
            msg = (
                f"{term_name!r} is no factor whose levels can be compared in pairs "
                f"({str(error).splitlines()[0] if str(error) else type(error).__name__})."
            )
            raise HypothesisError(msg) from error
