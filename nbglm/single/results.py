"""Results of one response; summaries, contrasts and tests are statsmodels' code."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import chdtrc
from statsmodels.base.model import LikelihoodModelResults
from statsmodels.base.wrapper import populate_wrapper
from statsmodels.discrete.discrete_model import CountResultsWrapper
from statsmodels.iolib.summary import Summary, summary_params, summary_params_frame

from nbglm.genewise import own_table
from nbglm.results import NegBinResults
from nbglm.single.likelihood import PREFIX
from nbglm.single.predictions import Predictions
from nbglm.status import COEF_STATUS, GENE_STATUS

if TYPE_CHECKING:
    from nbglm.single.model import NegBinModel

__all__ = ["NegBinModelResults", "NegBinModelResultsWrapper"]

FloatArray = NDArray[np.float64]


_SCALE_NOTE = (
    "Mean: log link. Dispersion: log of the size r; Var = mu + mu^2 / r, "
    "larger r is LESS overdispersion."
)


class NegBinModelResults(Predictions):
    """Fit of one response: coefficients ``[beta, gamma]`` with statsmodels' inference.

    Coefficients of the dispersion are named ``dispersion-<term>`` and are on the scale of the log
    size. Made by :meth:`nbglm.NegBinModel.fit` and :meth:`nbglm.NegBinResults.gene`.

    Parameters
    ----------
    model : NegBinModel
        Counts and designs.
    tables : NegBinResults
        The fit, of one gene or of many.
    position : int
        Which gene.
    """

    _data_attr: list[str]

    def __init__(self, model: NegBinModel, tables: NegBinResults, position: int) -> None:
        LikelihoodModelResults.__init__(
            self, model, tables.arrays.coef[position].copy(), normalized_cov_params=None, scale=1.0
        )
        self._tables, self._position = tables, position
        self.method = "MLE"
        self.cov_params_default = tables.covariance_of(position)
        self.cov_type = tables.cov_type
        self.cov_kwds: dict[str, Any] = {}
        self.use_t = False
        self.gene_name = str(tables.gene_names[position])
        self.status = GENE_STATUS[tables.arrays.status[position]]
        self.coef_status = pd.Series(
            np.array(COEF_STATUS, dtype=object)[tables.coef_codes[position]],
            index=model.data.xnames,
        )
        self.explanation = tables.explain(self.gene_name)
        self.converged = bool(tables.arrays.converged[position])
        self.mle_retvals = {"converged": self.converged}
        self.nobs = tables.nobs
        self.df_model, self.df_resid = tables.df_model, tables.df_resid
        self.n_params = tables.n_params
        self.n_iter = int(tables.arrays.evaluations[position])
        self._data_attr = [*self._data_attr, "model.offset", "model.exposure", "model.weights"]

    # Estimates ------------------------------------------------------------------------------

    @cached_property
    def llf(self) -> float:
        """Maximised log-likelihood; its supremum at a limit."""
        return float(self._tables.arrays.llf[self._position])

    @cached_property
    def aic(self) -> float:
        """Akaike's criterion."""
        return 2.0 * self.n_params - 2.0 * self.llf

    @cached_property
    def bic(self) -> float:
        """Schwarz' criterion."""
        return float(np.log(self.nobs)) * self.n_params - 2.0 * self.llf

    @cached_property
    def llnull(self) -> float:
        """Log-likelihood with a constant mean (beside the offset) and a constant size."""
        model = self.model
        null = type(model)(model.endog, np.ones(model.endog.size), **model.null_arguments())
        return float(null.fit().llf)

    @cached_property
    def llr_pvalue(self) -> float:
        """P-value of the likelihood-ratio test against the null model."""
        df = self.n_params - 2
        return float(chdtrc(df, max(self.llr, 0.0))) if df > 0 else float("nan")

    @cached_property
    def bse(self) -> FloatArray:
        """Standard errors; NaN where an estimate is not finite."""
        return self._tables.std_err_of(self._position)

    @cached_property
    def pvalues(self) -> FloatArray:
        """P-values as in :attr:`nbglm.NegBinResults.pvalues`."""
        return self._tables.pvalues_of(self._position).p

    @cached_property
    def log_pvalues(self) -> FloatArray:
        """Natural logarithms of the p-values, finite where these underflow to 0."""
        return self._tables.pvalues_of(self._position).log_p

    def cov_params(self, *args: Any, **options: Any) -> FloatArray:
        """Covariance of the coefficients, or of combinations of them, as in statsmodels."""
        return np.array(super().cov_params(*args, **options))

    def conf_int(self, alpha: float = 0.05, method: str = "wald") -> Any:
        """Confidence intervals.

        Parameters
        ----------
        alpha : float
            Significance level.
        method : str
            ``"wald"`` or ``"profile"``, as in :meth:`nbglm.NegBinResults.conf_int`.

        Returns
        -------
        array_like, shape (coefficients, 2)
            Lower and upper limits.
        """
        if method == "wald":
            return LikelihoodModelResults.conf_int(self, alpha)
        tables = self._tables.conf_int(alpha, method, genes=self.gene_name)
        return np.vstack([tables["beta"], tables["gamma"]])

    def with_cov(
        self, cov_type: str, cov_kwds: Mapping[str, Any] | None = None
    ) -> NegBinModelResultsWrapper:
        """The same estimates with another covariance: :meth:`nbglm.NegBinResults.with_cov`."""
        kind = "oim" if cov_type == "nonrobust" else cov_type
        tables = self._tables.with_cov(kind, cov_kwds)
        return NegBinModelResultsWrapper(type(self)(self.model, tables, self._position))

    def remove_data(self) -> None:
        """Drop what is as long as the data, as in statsmodels; new rows can still be predicted.

        Call ``summary()`` before, if it is wanted later.
        """
        super().remove_data()
        self._tables = self._tables.without_data()
        self.model.forget_data(self._tables.design)

    # Tests ----------------------------------------------------------------------------------

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
        """
        identity = np.eye(len(np.asarray(self.params)))
        design = self._tables.design
        p = len(design.mean.terms)
        terms = [(name, identity[:p][where]) for name, where in design.mean.term_slices.items()]
        terms += [
            (PREFIX + name, identity[p:][where])
            for name, where in design.dispersion.term_slices.items()
        ]
        together = [
            (key, np.vstack([rows for name, rows in terms if key in name]))
            for key in combine_terms or []
        ]
        chosen = [(name, rows) for name, rows in terms if len(rows) > 1 or not skip_single]
        # Without a specification of its own statsmodels tests what it is given.
        specification, self.model.data.model_spec = self.model.data.model_spec, None
        try:
            return super().wald_test_terms(
                skip_single=True,
                extra_constraints=[*chosen, *together, *(extra_constraints or [])],
                scalar=scalar,
            )
        finally:
            self.model.data.model_spec = specification

    def score_test(
        self, exog_extra: Any = None, exog_dispersion_extra: Any = None, **options: Any
    ) -> Any:
        """Score test of columns that are not in the model.

        Parameters
        ----------
        exog_extra, exog_dispersion_extra : array_like, shape (n, k), optional
            Columns for the mean and for the size.
        **options
            As in statsmodels: ``params_constrained``, ``k_constraints``, ``hypothesis``, ...

        Returns
        -------
        As statsmodels' ``score_test``.
        """
        extra = exog_extra
        if exog_extra is not None or exog_dispersion_extra is not None:
            extra = (exog_extra, exog_dispersion_extra)
        options.setdefault("cov_type", "HC0" if self.cov_type.startswith("HC") else "nonrobust")
        return super().score_test(extra, **options)

    # Tables ---------------------------------------------------------------------------------

    def _columns(self, alpha: float, irr: bool) -> tuple[Any, ...]:
        """Estimates, errors, statistics, p-values and limits; the mean's as ratios if wanted."""
        params, error, limits = (
            np.array(part, dtype=np.float64)
            for part in (self.params, self.bse, LikelihoodModelResults.conf_int(self, alpha))
        )
        if irr:
            mean = slice(0, self.model.exog.shape[1])
            params[mean], limits[mean] = np.exp(params[mean]), np.exp(limits[mean])
            error[mean] *= params[mean]
        return self, params, error, np.asarray(self.tvalues), np.asarray(self.pvalues), limits

    def summary_frame(self, alpha: float = 0.05, *, irr: bool = False) -> pd.DataFrame:
        """Table of coefficients.

        Parameters
        ----------
        alpha : float
            Significance level of the intervals.
        irr : bool
            Incidence-rate ratios ``exp(beta)`` in place of the mean's coefficients.

        Returns
        -------
        DataFrame
        """
        return summary_params_frame(
            self._columns(alpha, irr), xname=list(self.model.data.xnames), alpha=alpha, use_t=False
        )

    def summary(
        self, alpha: float = 0.05, *, irr: bool = False, title: str | None = None
    ) -> Summary:
        """Table of coefficients for the mean and for the dispersion.

        Parameters
        ----------
        alpha : float
            Significance level of the intervals.
        irr : bool
            Incidence-rate ratios ``exp(beta)`` in place of the mean's coefficients; the tests are
            still those of the coefficients.
        title : str, optional
            In place of the default.

        Returns
        -------
        statsmodels.iolib.summary.Summary
        """
        left = [
            ("Dep. Variable:", [self.gene_name]),
            ("Model:", ["NegBin (mean, size)"]),
            ("Method:", ["MLE"]),
            ("Status:", [self.status]),
            ("Evaluations:", [str(self.n_iter)]),
            ("Covariance Type:", [self.cov_type]),
            ("AIC:", [f"{self.aic:#.8g}"]),
        ]
        right = [
            ("No. Observations:", [f"{self.nobs:g}"]),
            ("Df Residuals:", [f"{self.df_resid:g}"]),
            ("Df Model:", [f"{self.df_model:g}"]),
            ("Pseudo R-squ.:", [f"{self.prsquared:#.4g}"]),
            ("Log-Likelihood:", [f"{self.llf:#.8g}"]),
            ("LL-Null:", [f"{self.llnull:#.8g}"]),
            ("LLR p-value:", [f"{self.llr_pvalue:#.4g}"]),
        ]
        summary = Summary()
        heading = title or f"Negative binomial regression: {self.gene_name}"
        summary.add_table_2cols(self, gleft=left, gright=right, title=heading)
        table = summary_params(
            self._columns(alpha, irr), xname=list(self.model.data.xnames), alpha=alpha, use_t=False
        )
        if irr:
            table[0][1].data = "IRR"
        summary.tables.append(table)
        summary.add_extra_txt(self._notes(irr))
        return summary

    def _notes(self, irr: bool) -> list[str]:
        notes = [] if self.status == "ok" else [self.explanation.splitlines()[0]]
        if irr:
            notes.append(f"IRR: exp(coef) of the mean; rows '{PREFIX}...' are coefficients.")
        notes.append(_SCALE_NOTE)
        notes += [
            f"{name}: {word}"
            for name, word in self.coef_status.items()
            if word not in ("ok", self.status)
        ]
        if np.isinf(np.asarray(self.params)).any():
            notes.append("P>|z| of an infinite coefficient is from a likelihood-ratio test.")
        return notes


class NegBinModelResultsWrapper(CountResultsWrapper):
    """:class:`NegBinModelResults` with labelled tables, as statsmodels' own results have.

    Tables are copies: who writes into one changes nothing else that the fit says.
    """

    _wrap_attrs: ClassVar = {**CountResultsWrapper._wrap_attrs, "log_pvalues": "columns"}  # noqa: SLF001

    def __getattribute__(self, name: str) -> Any:
        """An attribute, with labels; a copy if it could be written into."""
        value = super().__getattribute__(name)
        if isinstance(value, np.ndarray):
            return value.copy()
        return own_table(value) if isinstance(value, pd.Series | pd.DataFrame) else value


populate_wrapper(NegBinModelResultsWrapper, NegBinModelResults)
